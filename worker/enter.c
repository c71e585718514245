/* enter.c - the worker's own root and filter.
 *
 * From here on the host's file system is gone: what is left is the minimal root, the case (read-only), the work
 * directory, the programs, and what the engine was granted to read. Jails are built from these, so a mistake in a
 * jail's mounts cannot reach what the worker itself does not have.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/read_roots.h"
#include "worker/worker.h"

static size_t collect_binds(const struct run_spec *s, struct jail_bind *b) {
    size_t n = 0;
    b[n++] = (struct jail_bind){.source = s->case_dir, .target = "/case", .no_exec = true};
    b[n++] = (struct jail_bind){.source = s->work_dir, .target = "/area", .writable = true};
    b[n++] = (struct jail_bind){.source = s->libexec_dir, .target = "/libexec"};
    if (s->program != NULL) b[n++] = (struct jail_bind){.source = s->program, .target = "/program", .no_links = true};
    if (s->interpreter != NULL)
        b[n++] = (struct jail_bind){.source = s->interpreter, .target = "/interpreter", .no_links = true};
    for (int i = 0; i < s->n_read_roots; i++)
        b[n++] = (struct jail_bind){.source = s->read_roots[i], .target = s->read_roots[i], .no_links = true};
    return n;
}

static int confine(struct worker *w, struct err *e) {
    struct jail_bind binds[5 + SPEC_MAX_PATHS];
    struct jail_enter_spec spec = {.binds = binds, .n_binds = collect_binds(&w->spec, binds)};
    const int abi = jail_landlock_abi();
    if (abi < w->spec.landlock_abi_min)
        return err_set(e, ERR_UNSUPPORTED, "landlock: this kernel has ABI %d, the case requires %d", abi,
                       (int)w->spec.landlock_abi_min);
    if (read_roots_check(&w->spec, e) < 0) return -1;
    if (jail_enter(&spec, &w->report, e) < 0 || jail_restrict_worker(&w->report, e) < 0) return -1;
    /* A change of credentials on the way has cleared the parent-death signal. */
    if (jail_bind_life(w->supervisor, WORKER_FD_CONTROL) < 0) up_lost();
    return 0;
}

static void ready(struct worker *w) {
    char *json = sandbox_report_json(w);
    AUTO_BUF struct buf b = BUF_INIT(8u << 10);
    buf_put_bytes(&b, json, strlen(json));
    free(json);
    up_control(&w->up, MSG_READY, &b);
}

int enter_run(struct worker *w, struct err *e) {
    struct span s = span_start("enter");
    limits_decide(&w->spec, &w->limits); /* needs the host's /proc, /sys and the way to the work directory */
    int rc = confine(w, e);
    if (rc < 0) err_ctx(e, "worker's sandbox");
    if (span_close(&w->up, &s, rc, e) < 0) return -1;
    ready(w);
    return 0;
}
