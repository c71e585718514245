/* inspection.c - what is asked of the inspectors, and when.
 *
 * Baseline: the watch inspector makes it, before anything foreign runs. Start check: we wake it ourselves and pass
 * its first answer up. Result: only after the engine's last process is dead and the watch with it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "worker/worker.h"

int inspection_baseline(struct worker *w, struct err *e) {
    struct span s = span_start("baseline");
    int rc = inspect_start(w, INSPECT_WATCH, &w->watch, e);
    if (rc < 0)
        err_ctx(e, "inspector (watch)");
    else
        rc = inspect_await(w, &w->watch, 0, e);
    if (rc == 0) memcpy(w->baseline, w->watch.relay.baseline, sizeof w->baseline);
    return span_close(&w->up, &s, rc, e);
}

static int wake(struct worker *w, struct err *e) {
    uint64_t one = 1;
    if (write(WORKER_FD_WAKE, &one, sizeof one) == sizeof one) return 0;
    err_sys(e, "wake the inspector");
    w->blame = FAILED_WORKER;
    return -1;
}

static int ask(struct worker *w, bool mute, struct err *e) {
    struct relay *r = &w->watch.relay;
    r->mute_looks = mute;
    uint64_t seen = r->looks;
    if (wake(w, e) < 0) return -1;
    int rc = inspect_await(w, &w->watch, seen + 1, e);
    r->mute_looks = false;
    return rc;
}

/* After dirty_start steps the first answer is thrown away: the supervisor may have woken the inspector in the middle
 * of the steps, and a look that began then may say "clean". The second one began after the steps had ended. What the
 * first one lists as DIRTY is passed up: an inspector lists paths once. */
static int start_check(struct worker *w, struct err *e) {
    if (w->spec.dirty_start != NULL && ask(w, true, e) < 0) return -1;
    return ask(w, false, e);
}

int inspection_start_check(struct worker *w, struct err *e) {
    struct span s = span_start("start_check");
    if (start_check(w, e) < 0) return span_close(&w->up, &s, -1, e);
    bool clean = w->watch.relay.look_clean && !w->watch.relay.look_moved;
    w->stop_early = !clean && w->spec.clean_start_required;
    span_end(&w->up, &s, true, "%s", clean ? "clean" : "not clean");
    return 0;
}

static int skip_verification(struct worker *w) {
    static const char *const why[] = {
        [RESULT_NONE] = "nothing was committed, so there is no result to verify",
        [RESULT_NOT_DESCENDANT] = "HEAD does not descend from the baseline, so there is no result to verify",
        [RESULT_UNREADABLE] = "the result cannot be read, so there is nothing to verify",
        [RESULT_TOO_LARGE] = "the result is larger than the limits allow, so it was not verified",
    };
    AUTO_BUF struct buf b = BUF_INIT(1024);
    buf_put_str(&b, why[w->result.kind]);
    up_control(&w->up, MSG_VERIFY_SKIP, &b);
    return 0;
}

int inspection_result(struct worker *w, struct err *e) {
    if (w->spec.commit == COMMIT_HARNESS && w->engine.exited && inspect_run(w, INSPECT_COMMIT, NULL, e) < 0) return -1;
    if (inspect_run(w, INSPECT_CENSUS, &w->result, e) < 0) return -1;
    if (w->result.kind != RESULT_COMMITTED) return skip_verification(w);
    return inspect_run(w, INSPECT_DIFF, NULL, e);
}
