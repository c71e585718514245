/* watch.c - the inspector that lives with the engine.
 *
 * It makes the baseline, gives up its right to write in the workspace, and then answers each wake with one LOOK frame.
 * Wakes that came during a look are one wake (an eventfd counts). A look may be wrong for a moment, because the agent
 * works while we read: it is a hint when to stop. The verdict is the census step's, after the engine's death, without
 * any memory.
 *
 * An agent may change something in .git all the time. After a burst there are LOOKS_PER_S looks a second and no more:
 * what is lost is a twentieth of a second when it stops.
 *
 * It ends when nobody reads its frames any more, or nobody can wake it any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/io.h"
#include "sandbox/jail.h"
#include "worker/inspect/commits.h"
#include "worker/inspect/out.h"
#include "worker/inspect/refs.h"
#include "worker/inspect/repo.h"
#include "worker/inspect/scan.h"
#include "worker/inspect/session.h"

#define LOOKS_PER_S 20u
#define LOOKS_AT_ONCE 64u

struct watch {
    struct session s;
    struct flat tree;       /* of tree_head, with what earlier looks learned about the files */
    git_oid tree_head;      /* the commit that `tree` was made from; zero: the empty tree */
    enum relation relation; /* of tree_head to the baseline */
    struct stat_key index_key;
    bool index_clean;
    uint64_t due_us; /* when the looks so far would have ended, at LOOKS_PER_S */
    int looks;       /* so far */
    bool listing;    /* this look names its dirt */
    uint32_t dirt_sent;
};

static int send_dirt(void *ctx, char letter, const char *path, size_t n, struct err *e) {
    struct watch *w = ctx;
    if (!w->listing || w->dirt_sent == MAX_DIRTY) return 0;
    w->dirt_sent++;
    return out_dirty(letter, path, n, e);
}

/* Brings tree and relation to the head. 1: done; 0: the head is not something that we can compare with; -1: our
 * trouble. */
static int follow_head(struct watch *w, const struct head *h, struct err *e) {
    git_oid head = {{0}};
    if (h->state == HEAD_UNREADABLE) return 0;
    if (h->state == HEAD_OID) head = h->oid;
    if (h->state == HEAD_UNBORN && !w->s.store.baseline_empty) return 0;
    if (git_oid_equal(&head, &w->tree_head)) return 1;
    struct flat fresh = {0};
    struct err why = ERR_INIT;
    store_begin(&w->s.store);
    int r = commits_since_baseline(&w->s.store, &head, &w->relation, NULL, &why);
    if (r == 0) r = session_flatten(&w->s, &head, &fresh, &why);
    if (r < 0) {
        flat_release(&fresh);
        if (inspect_is_finding(&why)) return 0;
        *e = why;
        return -1;
    }
    flat_inherit(&fresh, &w->tree);
    flat_release(&w->tree);
    w->tree = fresh;
    w->tree_head = head;
    w->index_key = (struct stat_key){0};
    return 1;
}

static int look(struct watch *w, struct err *e) {
    struct head h;
    char hex[GIT_OID_HEXSZ + 1] = "";
    w->listing = w->looks++ < w->s.args->start_looks && w->dirt_sent == 0;
    refs_read_head(w->s.ws_fd, &h);
    int comparable = follow_head(w, &h, e);
    struct scan scan = {
        .ws_fd = w->s.ws_fd, .tree = &w->tree, .ignore = &w->s.ignore, .trust_stat = true, .dirt = send_dirt, .ctx = w};
    if (comparable < 0 || scan_worktree(&scan, e) < 0) return -1;
    if (comparable == 1 && scan_index_changed(w->s.ws_fd, &w->index_key)) {
        uint64_t before = scan.dirty;
        if (scan_index(&scan, &w->s.store, e) < 0) return -1;
        w->index_clean = scan.dirty == before;
    }
    bool clean = comparable == 1 && scan.dirty == 0 && w->index_clean;
    bool moved = comparable == 1 && h.state == HEAD_OID && w->relation == RELATION_DESCENDS;
    if (h.state == HEAD_OID) git_oid_tostr(hex, sizeof hex, &h.oid);
    return out_look(moved, clean, hex, scan.fingerprint, e);
}

/* 1: look; 0: the end; -1: error. */
static int wait_for_wake(struct err *e) {
    struct pollfd p[2] = {{.fd = INSPECT_FD_WAKE, .events = POLLIN}, {.fd = out_fd(), .events = 0}};
    for (;;) {
        if (poll(p, 2, -1) < 0) {
            if (errno == EINTR) continue;
            return err_sys(e, "poll");
        }
        if (p[1].revents != 0) return 0;
        if ((p[0].revents & POLLIN) == 0) return 0;
        eventfd_t wakes;
        ssize_t n = read(INSPECT_FD_WAKE, &wakes, sizeof wakes);
        if (n == (ssize_t)sizeof wakes) return 1;
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        return 0;
    }
}

/* 1: look; 0: the reader went away; -1: error. */
static int wait_for_turn(struct watch *w, struct err *e) {
    const uint64_t interval = 1000000u / LOOKS_PER_S, burst = LOOKS_AT_ONCE * interval;
    uint64_t now = clock_mono_us();
    if (w->due_us > now + burst) {
        struct pollfd p = {.fd = out_fd(), .events = 0};
        int n = poll(&p, 1, clock_left_ms(w->due_us - burst));
        if (n < 0 && errno != EINTR) return err_sys(e, "poll");
        if (n > 0) return 0;
    }
    w->due_us = (w->due_us > now ? w->due_us : now) + interval;
    return 1;
}

static int make_baseline(struct watch *w, const struct inspect_args *a, struct err *e) {
    uint64_t start = clock_mono_us();
    struct baseline made;
    struct repo_census count;
    char hex[GIT_OID_HEXSZ + 1];
    AUTO_FD int ws_fd = open(a->ws, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (ws_fd < 0) return err_sys(e, "open the workspace %s", a->ws);
    if (baseline_make(a, ws_fd, &made, e) < 0) return -1;
    w->tree = made.tree;
    w->tree_head = made.commit;
    w->relation = RELATION_SAME;
    int r = repo_count(ws_fd, &count, e);
    if (r == 0)
        r = out_trace("inspect.baseline", start, true, e,
                      "objects %u, commits %u, files %u, refs %u, remotes %u, alternates %u, reflogs %u, hooks %u",
                      made.objects, made.commits, made.files, count.refs, count.remotes, count.alternates,
                      count.reflogs, count.hooks);
    if (r == 0)
        r = out_baseline(git_oid_tostr(hex, sizeof hex, &made.commit), true, made.files, made.bytes, made.commits, e);
    if (r == 0) r = session_open_at(&w->s, a, take_fd(&ws_fd), e);
    return r < 0 ? -1 : session_mark_submodules(&w->s, &w->tree, e);
}

/* From here on the workspace is the agent's, and we only read it. */
static int give_up_writing(const struct inspect_args *a, struct err *e) {
    const struct jail_path_rule rules[] = {{.path = a->ws, .writable = false}, {.path = a->odb, .writable = true}};
    struct jail_limits limits = {0};
    struct jail_report report;
    return jail_confine_self(rules, 2, &limits, true, &report, e);
}

int step_watch(const struct inspect_args *a, enum failed_class *ret_class, struct err *e) {
    struct watch w = {.s = {.args = a, .ws_fd = -1, .store = {.dir_fd = -1}}};
    *ret_class = FAILED_WORKER;
    int r = make_baseline(&w, a, e);
    if (r < 0) err_ctx(e, "baseline");
    if (r == 0) r = give_up_writing(a, e);
    if (r == 0) *ret_class = FAILED_INSPECT;
    while (r == 0 && (r = wait_for_wake(e)) == 1 && (r = wait_for_turn(&w, e)) == 1) r = look(&w, e);
    flat_release(&w.tree);
    session_release(&w.s);
    return r;
}
