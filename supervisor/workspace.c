/* workspace.c - see workspace.h: the walk, the list of errors, which check a file gets. */
#include "supervisor/workspace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor/yaml.h"

#define BOARD "WORKBOARD.yaml"
#define CONTEXT "CONTEXT.md"

void ws_bad(struct workspace *w, const char *file, int line, const char *rule, const char *fmt, ...) {
    char text[400];
    if (++w->n_errors > WORKSPACE_ERRORS_MAX) return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    cJSON *o = cJSON_CreateObject();
    BUG_UNLESS(o != NULL);
    json_put(o, "file", json_bytes(file, strlen(file)));
    json_put_int(o, "line", line);
    json_put_str(o, "rule", rule);
    json_put_str(o, "message", text);
    cJSON_AddItemToArray(w->errors, o);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

int ws_find(const struct workspace *w, const char *path) {
    char **at = bsearch(&path, w->files, (size_t)w->n_files, sizeof *w->files, by_name);
    return at ? (int)(at - w->files) : -1;
}

bool ws_exists(const struct workspace *w, const char *path) {
    AUTO_FD int fd = io_open_beneath_quiet(w->root, path[0] ? path : ".", O_PATH, 0);
    return fd >= 0;
}

bool ws_in_folder(const char *path, const char *name) {
    size_t n = strlen(name);
    for (const char *p = path, *slash; (slash = strchr(p, '/')); p = slash + 1)
        if ((size_t)(slash - p) == n && strncasecmp(p, name, n) == 0) return true;
    return false;
}

cJSON *ws_yaml(struct workspace *w, const char *file, const char *rule, int first_line, const char *p, size_t n) {
    struct err e = ERR_INIT;
    cJSON *tree = NULL;
    int line = 0;
    if (yaml_read(w->yaml, p, n, &tree, &line, &e) == 0) return tree;
    if (e.code == ERR_PARSE) {
        ws_bad(w, file, line > 0 ? first_line + line - 1 : first_line, rule, "%.300s", e.text);
    } else if (!w->broken) {
        w->broken = true;
        w->why = e;
        err_ctx(&w->why, "%.200s", file);
    }
    return NULL;
}

/* --- the walk --------------------------------------------------------------------------------------------------------------- */

static void add_file(struct workspace *w, const char *path) {
    if (w->n_files == WORKSPACE_FILES_MAX) return;
    BUG_UNLESS((w->files[w->n_files] = strdup(path)) != NULL);
    if (++w->n_files == WORKSPACE_FILES_MAX)
        ws_bad(w, path, 0, "readable", "more than %d files", WORKSPACE_FILES_MAX - 1);
}

static void walk(struct workspace *w, const char *dir, int depth);

static void walk_entry(struct workspace *w, const char *dir, const char *name, int depth) {
    char path[4096];
    struct stat st;
    if ((size_t)snprintf(path, sizeof path, "%s%s%s", dir, dir[0] ? "/" : "", name) >= sizeof path) {
        ws_bad(w, dir, 0, "readable", "a name in it is too long");
        return;
    }
    AUTO_FD int fd = io_open_beneath_quiet(w->root, path, O_PATH | O_NOFOLLOW, 0);
    if (fd < 0 || fstat(fd, &st) < 0)
        ws_bad(w, path, 0, "readable", "%s", errno == ELOOP ? "a link is not followed" : strerror(errno));
    else if (S_ISDIR(st.st_mode))
        walk(w, path, depth + 1);
    else if (S_ISREG(st.st_mode))
        add_file(w, path);
    else
        ws_bad(w, path, 0, "readable", S_ISLNK(st.st_mode) ? "a link is not followed" : "no plain file");
}

/* The recursion is bounded by WORKSPACE_DEPTH_MAX. */
static void walk(struct workspace *w, const char *dir, int depth) {
    if (depth > WORKSPACE_DEPTH_MAX) {
        ws_bad(w, dir, 0, "readable", "deeper than %d directories", WORKSPACE_DEPTH_MAX);
        return;
    }
    int fd = io_open_beneath_quiet(w->root, dir[0] ? dir : ".", O_RDONLY | O_DIRECTORY, 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        ws_bad(w, dir, 0, "readable", "%s", strerror(errno));
        if (fd >= 0) close(fd);
        return;
    }
    for (const struct dirent *de; (de = readdir(d)) && w->n_files < WORKSPACE_FILES_MAX;) {
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0 || strcmp(de->d_name, ".git") == 0) continue;
        walk_entry(w, dir, de->d_name, depth);
    }
    closedir(d);
}

/* --- one file --------------------------------------------------------------------------------------------------------------- */

static bool ends_in(const char *path, const char *end) {
    size_t n = strlen(path), k = strlen(end);
    return n > k && strcasecmp(path + n - k, end) == 0;
}

static bool is_text(const char *path) {
    return ends_in(path, ".md") || ends_in(path, ".yaml") || ends_in(path, ".yml") || ends_in(path, ".json") ||
           ends_in(path, ".txt");
}

static bool is_admission(const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    return ends_in(path, ".json") &&
           (ws_in_folder(path, "admissions") || strcasestr(name, "admission") || strcasestr(name, "provider-decision"));
}

static bool read_file(struct workspace *w, const char *path, struct buf *out) {
    struct err e = ERR_INIT;
    char at[64];
    AUTO_FD int fd = io_open_beneath_quiet(w->root, path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0) {
        ws_bad(w, path, 0, "readable", "%s", strerror(errno));
        return false;
    }
    snprintf(at, sizeof at, "/proc/self/fd/%d", fd);
    if (io_read_file_at(AT_FDCWD, at, WORKSPACE_FILE_BYTES_MAX, out, &e) == 0) return true;
    ws_bad(w, path, 0, "readable", "%s", e.code == ERR_LIMIT ? "larger than 1 MiB" : "cannot be read");
    return false;
}

static void check_file(struct workspace *w, const char *path) {
    AUTO_BUF struct buf text = BUF_INIT(0);
    cJSON_AddItemToArray(w->checked, json_bytes(path, strlen(path)));
    if (!read_file(w, path, &text)) return;
    const char *p = buf_str(&text);
    bool utf8 = json_is_utf8(p, text.len) && !memchr(p, '\0', text.len);
    if (!utf8 && is_text(path)) ws_bad(w, path, 0, "readable", "a text file that is not UTF-8");
    if (!utf8) return; /* a picture, say */
    ws_check_lines(w, path, p, text.len);
    if (ends_in(path, ".md")) ws_check_markdown(w, path, p, text.len);
    if (strcmp(path, BOARD) == 0) ws_check_board(w, path, p, text.len);
    if (is_admission(path)) ws_check_admission(w, path, p, text.len);
}

static void check_all(struct workspace *w) {
    walk(w, "", 0);
    qsort(w->files, (size_t)w->n_files, sizeof *w->files, by_name);
    if (ws_find(w, BOARD) < 0) ws_bad(w, BOARD, 0, "workboard", "there is none");
    if (ws_find(w, CONTEXT) < 0) ws_bad(w, CONTEXT, 0, "context-terms", "there is none");
    for (int i = 0; i < w->n_files && !w->broken; i++) check_file(w, w->files[i]);
    ws_check_orphans(w);
    if (w->n_errors > WORKSPACE_ERRORS_MAX) { /* the last place is for saying so */
        cJSON *o = cJSON_GetArrayItem(w->errors, WORKSPACE_ERRORS_MAX - 1);
        char text[64];
        snprintf(text, sizeof text, "%d errors; the first ones are listed", w->n_errors);
        cJSON_ReplaceItemInObjectCaseSensitive(o, "rule", cJSON_CreateString("readable"));
        cJSON_ReplaceItemInObjectCaseSensitive(o, "message", cJSON_CreateString(text));
    }
}

int workspace_validate(const char *dir, const char *yaml_program, cJSON **ret_checked, cJSON **ret_errors,
                       struct err *e) {
    AUTO_FD int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) {
        err_sys(e, "%s", dir);
        if (e) e->code = ERR_USAGE;
        return -1;
    }
    struct workspace w = {
        .root = root, .yaml = yaml_program, .checked = cJSON_CreateArray(), .errors = cJSON_CreateArray()};
    w.files = calloc(WORKSPACE_FILES_MAX, sizeof *w.files);
    w.in_board = calloc(WORKSPACE_FILES_MAX, sizeof *w.in_board);
    BUG_UNLESS(w.checked && w.errors && w.files && w.in_board);
    check_all(&w);
    for (int i = 0; i < w.n_files; i++) free(w.files[i]);
    free(w.files);
    free(w.in_board);
    if (w.broken) {
        cJSON_Delete(w.checked);
        cJSON_Delete(w.errors);
        if (e) *e = w.why;
        return -1;
    }
    *ret_checked = w.checked;
    *ret_errors = w.errors;
    return 0;
}
