/* left.c - see left.h. Opened beneath the workspace and through no link, read only when it is a plain file, and no further than the limit:
 * whatever the agent made of these names, it costs a bounded time. */
#include "worker/left.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "worker/pump.h"

struct sending {
    struct worker *w;
    enum out_stream as;
    uint64_t bytes;
    int files;
    const char *why; /* the first thing that is not there, as a sentence; NULL */
};

static void lacks(struct sending *s, const char *why) {
    if (!s->why) s->why = why;
}

static void send_file(struct sending *s, int fd) {
    unsigned char chunk[1 + PUMP_CHUNK];
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        lacks(s, "one of them is no plain file");
        return;
    }
    s->files++;
    chunk[0] = (unsigned char)s->as;
    for (;;) {
        const uint64_t room = LEFT_BYTES_MAX - s->bytes;
        const ssize_t n = read(fd, chunk + 1, room < PUMP_CHUNK ? (size_t)room : PUMP_CHUNK);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) lacks(s, "one of them cannot be read");
        if (n <= 0) break;
        up_bulk(&s->w->up, MSG_OUTPUT, chunk, (size_t)n + 1);
        s->bytes += (uint64_t)n;
    }
    if (s->bytes == LEFT_BYTES_MAX) lacks(s, "there may be more than is kept");
}

static void send_at(struct sending *s, int dir, const char *name) {
    AUTO_FD int fd = io_open_beneath_quiet(dir, name, O_RDONLY | O_NONBLOCK, 0);
    if (fd >= 0)
        send_file(s, fd);
    else if (errno != ENOENT)
        lacks(s, "one of them cannot be opened");
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The first names that come, in their order: a folder with more than that is the agent's joke, and the first few show it. */
static void send_folder(struct sending *s, int dir) {
    char *names[LEFT_FILES_MAX];
    int n = 0;
    const int copy = fcntl(dir, F_DUPFD_CLOEXEC, 0);
    DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    if (!d && copy >= 0) close(copy);
    for (const struct dirent *x; d && (x = readdir(d)) != NULL;) {
        if (x->d_name[0] == '.') continue;
        if (n == LEFT_FILES_MAX) {
            lacks(s, "there are more than are kept");
            break;
        }
        names[n] = strdup(x->d_name);
        BUG_UNLESS(names[n] != NULL);
        n++;
    }
    if (d) closedir(d);
    qsort(names, (size_t)n, sizeof names[0], by_name);
    for (int i = 0; i < n; i++) {
        send_at(s, dir, names[i]);
        free(names[i]);
    }
}

static void send_one(struct worker *w, int ws, const struct plan_left *l) {
    struct sending s = {.w = w, .as = l->as};
    struct span span = span_start("engine_left");
    char path[PATH_MAX];
    const size_t n = strlen(l->path);
    BUG_UNLESS(n > 0 && n < sizeof path);
    memcpy(path, l->path, n + 1);
    if (path[n - 1] != '/') {
        send_at(&s, ws, path);
    } else {
        path[n - 1] = '\0';
        AUTO_FD int dir = io_open_beneath_quiet(ws, path, O_RDONLY | O_DIRECTORY, 0);
        if (dir >= 0)
            send_folder(&s, dir);
        else if (errno != ENOENT)
            lacks(&s, "it cannot be opened");
    }
    span_end(&w->up, &span, s.why == NULL, "%s: %d files, %llu bytes%s%s", l->path, s.files,
             (unsigned long long)s.bytes, s.why ? "; " : "", s.why ? s.why : "");
}

void left_send(struct worker *w, int ws, const struct engine_plan *plan) {
    for (int i = 0; i < plan->n_left; i++) send_one(w, ws, &plan->left[i]);
}
