/* run_look.c - see run_look.h. */
#include "supervisor/commands/run_look.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor/evidence.h"

#define FILE_MAX (64u << 20)
#define DEPTH_MAX 64

/* --- documents ---------------------------------------------------------------------------------------------------------- */

const cJSON *run_look_get(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }

const char *run_look_text(const cJSON *o, const char *key) {
    const char *s = cJSON_GetStringValue(run_look_get(o, key));
    return s ? s : "";
}

bool run_look_says(const cJSON *o, const char *key, const char *text) {
    const char *s = cJSON_GetStringValue(run_look_get(o, key));
    return s && strcmp(s, text) == 0;
}

bool run_look_true(const cJSON *o, const char *key) { return cJSON_IsTrue(run_look_get(o, key)); }
bool run_look_false(const cJSON *o, const char *key) { return cJSON_IsFalse(run_look_get(o, key)); }

/* --- files -------------------------------------------------------------------------------------------------------------- */

static int read_in(const char *dir, const char *name, struct buf *ret) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path) return -1;
    return io_read_file_at(AT_FDCWD, path, FILE_MAX, ret, NULL);
}

cJSON *run_look_json(const char *dir, const char *name) {
    AUTO_BUF struct buf text = BUF_INIT(0);
    return read_in(dir, name, &text) < 0 ? NULL : cJSON_Parse(buf_str(&text));
}

static bool look(const char *dir, const char *name, struct stat *st) {
    char path[PATH_MAX];
    return snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path && lstat(path, st) == 0 &&
           S_ISREG(st->st_mode);
}

bool run_look_file(const char *dir, const char *name) {
    struct stat st;
    return look(dir, name, &st);
}

bool run_look_empty(const char *dir, const char *name) {
    struct stat st;
    return look(dir, name, &st) && st.st_size == 0;
}

bool run_look_marker(const char *dir, const char *name) {
    char path[256];
    return snprintf(path, sizeof path, "backend/%s", name) < (int)sizeof path && run_look_file(dir, path);
}

bool run_look_complete(const char *dir, const char **ret_missing) {
    static const char *const names[] = {EVIDENCE_REPORT, EVIDENCE_REPORT_MD, EVIDENCE_CONTRACT, EVIDENCE_EVENTS,
                                        EVIDENCE_TRACE,  EVIDENCE_PATCH,     EVIDENCE_TEST_LOG, EVIDENCE_SUMS};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        *ret_missing = names[i];
        if (!run_look_file(dir, names[i])) return false;
    }
    return true;
}

/* --- events ------------------------------------------------------------------------------------------------------------- */

cJSON *run_look_lines(const char *dir, const char *name) {
    AUTO_BUF struct buf text = BUF_INIT(0);
    cJSON *list = cJSON_CreateArray();
    BUG_UNLESS(list != NULL);
    if (read_in(dir, name, &text) < 0 || !text.p) return list;
    char *save = NULL;
    for (char *line = strtok_r((char *)text.p, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        cJSON *one = cJSON_Parse(line);
        cJSON_AddItemToArray(list, one ? one : cJSON_CreateNull());
    }
    return list;
}

void run_look_types(const char *dir, char *out, size_t size) {
    cJSON *events = run_look_lines(dir, EVIDENCE_EVENTS);
    const cJSON *event;
    size_t n = 0;
    out[0] = '\0';
    cJSON_ArrayForEach(event, events) {
        const char *type = run_look_text(event, "type");
        int more = snprintf(out + n, size - n, "%s ", type[0] ? type : "?");
        if (more < 0 || (size_t)more >= size - n) break;
        n += (size_t)more;
    }
    cJSON_Delete(events);
}

int run_look_event(const cJSON *events, const char *type) {
    const cJSON *event;
    int i = 0;
    cJSON_ArrayForEach(event, events) {
        if (run_look_says(event, "type", type)) return i;
        i++;
    }
    return -1;
}

const cJSON *run_look_data(const cJSON *events, const char *type) {
    const int i = run_look_event(events, type);
    return i < 0 ? NULL : run_look_get(cJSON_GetArrayItem(events, i), "data");
}

/* For a gate or a completed run the reasons are plain words, else objects. */
static bool event_has(const cJSON *event, const char *type, const char *reason) {
    if (!run_look_says(event, "type", type)) return false;
    const cJSON *list = run_look_get(run_look_get(event, "data"), "blockers"), *b;
    cJSON_ArrayForEach(b, list) {
        const cJSON *word = cJSON_IsString(b) ? b : run_look_get(b, "reason");
        if (cJSON_IsString(word) && strcmp(word->valuestring, reason) == 0) return true;
    }
    return false;
}

bool run_look_carries(const char *dir, const char *type, const char *reason) {
    cJSON *events = run_look_lines(dir, EVIDENCE_EVENTS);
    const cJSON *event;
    bool found = false;
    cJSON_ArrayForEach(event, events) found = found || event_has(event, type, reason);
    cJSON_Delete(events);
    return found;
}

/* --- is a path named? --------------------------------------------------------------------------------------------------- */

/* "/a/b" is named by "/a/b", "/a/b/c" and "x=/a/b:", not by "/a/bc" or "/z/a/b"; in JSON also by "\\n/a/b". */
static bool in_name(int c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.' || c >= 0x80;
}

static bool begins_here(const char *text, const char *at) {
    if (at == text || !in_name((unsigned char)at[-1])) return true;
    return at - text >= 2 && at[-2] == '\\' && strchr("nrtbf", at[-1]) != NULL;
}

bool run_look_names(const char *text, size_t n, const char *path) {
    const size_t len = strlen(path);
    const char *at = text, *end = text + n;
    while (len > 0 && (size_t)(end - at) >= len && (at = memmem(at, (size_t)(end - at), path, len)) != NULL) {
        if (begins_here(text, at) && (at + len == end || !in_name((unsigned char)at[len]))) return true;
        at++;
    }
    return false;
}

static int search(int fd, const char *path, char *name, size_t size, int depth, struct err *e);

static int search_entry(int at, const char *entry, const char *path, char *name, size_t size, int depth,
                        struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(0);
    struct stat st;
    char target[PATH_MAX];
    const size_t n = strlen(name);
    if (n + strlen(entry) + 2 > size || depth > DEPTH_MAX) return err_set(e, ERR_LIMIT, "%s: too deep", entry);
    snprintf(name + n, size - n, "%s%s", n ? "/" : "", entry);
    if (fstatat(at, entry, &st, AT_SYMLINK_NOFOLLOW) < 0) return err_sys(e, "%s", name);
    int found = 0;
    if (S_ISDIR(st.st_mode)) {
        AUTO_FD int fd = openat(at, entry, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        found = fd < 0 ? err_sys(e, "%s", name) : search(fd, path, name, size, depth + 1, e);
    } else if (S_ISLNK(st.st_mode)) {
        ssize_t got = readlinkat(at, entry, target, sizeof target);
        found = got < 0 ? err_sys(e, "%s", name) : run_look_names(target, (size_t)got, path);
    } else if (S_ISREG(st.st_mode)) {
        if (io_read_file_at(at, entry, FILE_MAX, &text, e) < 0) return err_ctx(e, "%s", name);
        found = run_look_names(buf_str(&text), text.len, path);
    }
    if (found == 0) name[n] = '\0';
    return found;
}

static int search(int fd, const char *path, char *name, size_t size, int depth, struct err *e) {
    AUTO_FD int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (!d) return err_sys(e, "list %s", name);
    take_fd(&copy);
    int found = 0;
    for (struct dirent *de; found == 0 && (de = readdir(d));)
        if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
            found = search_entry(fd, de->d_name, path, name, size, depth, e);
    closedir(d);
    return found;
}

int run_look_mentions(const char *dir, const char *path, char *ret_file, size_t size, struct err *e) {
    AUTO_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ret_file[0] = '\0';
    return fd < 0 ? err_sys(e, "open %s", dir) : search(fd, path, ret_file, size, 0, e);
}
