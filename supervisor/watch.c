/* watch.c - see watch.h. The directory is opened beneath the work directory without following any link, and inotify is given
 * that very descriptor through /proc/self/fd, so a symlink that the agent puts in place of .git is never watched. */
#include "supervisor/watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/io.h"

struct watch {
    uv_fs_event_t event;
    int work;   /* directory descriptor */
    int git;    /* O_PATH; -1: not watching */
    bool stale; /* .git itself was moved or deleted */
    watch_fn on;
    void *ctx;
};

static void on_event(uv_fs_event_t *h, const char *name, int events, int status) {
    struct watch *w = h->data;
    (void)status;
    if ((events & UV_RENAME) && !name) w->stale = true;
    w->on(w->ctx);
}

static void attach(struct watch *w) {
    char path[64];
    w->git = io_open_beneath_quiet(w->work, "ws/.git", O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
    if (w->git < 0) return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", w->git);
    if (uv_fs_event_start(&w->event, on_event, path, 0) < 0) {
        close(w->git);
        w->git = -1;
    }
    w->stale = false;
}

struct watch *watch_start(uv_loop_t *loop, const char *work_dir, watch_fn on, void *ctx) {
    struct watch *w = calloc(1, sizeof *w);
    BUG_UNLESS(w != NULL);
    *w = (struct watch){.git = -1, .on = on, .ctx = ctx};
    w->work = open(work_dir, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    uv_fs_event_init(loop, &w->event);
    w->event.data = w;
    if (w->work >= 0) attach(w);
    return w;
}

void watch_refresh(struct watch *w) {
    if (w->work < 0 || (w->git >= 0 && !w->stale)) return;
    uv_fs_event_stop(&w->event);
    if (w->git >= 0) close(w->git);
    w->git = -1;
    attach(w);
}

static void on_closed(uv_handle_t *h) {
    struct watch *w = h->data;
    if (w->git >= 0) close(w->git);
    if (w->work >= 0) close(w->work);
    free(w);
}

void watch_close(struct watch *w) {
    if (w) uv_close((uv_handle_t *)&w->event, on_closed);
}
