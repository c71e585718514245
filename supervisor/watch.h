/* watch.h - one inotify watch on a workspace's .git directory. It says only that something happened, never what. */
#ifndef CTO_SUPERVISOR_WATCH_H
#define CTO_SUPERVISOR_WATCH_H

#include <uv.h>

#include "common/err.h"

struct watch;
typedef void (*watch_fn)(void *ctx);

/* Watches <work_dir>/ws/.git. A watch that cannot be had (limit reached, .git gone) is no error: the once-a-second look is
 * the net; watch_refresh() tries again. */
struct watch *watch_start(uv_loop_t *loop, const char *work_dir, watch_fn on, void *ctx);
void watch_refresh(struct watch *w); /* reopens when .git was moved or deleted */
void watch_close(struct watch *w);   /* NULL is fine */

#endif
