/* watchdog.c - see watchdog.h. First cause wins: once something was hit, nothing else is looked for. */
#include "worker/watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/io.h"

#define LOOK_US 25000u
#define LAZY_LOOK_US 200000u
#define SHARE 20 /* of one processor: a twentieth */
#define LOOK_DEADLINE_US 20000u
#define LONG_DEADLINE_US 500000u /* for a look after one that was cut: whoever comes last must be seen too */
#define LONGEST_PAUSE_US 1000000u
#define WALK_STEP 1000u
#define SWEEP_EVERY_US 1000000u /* when the file system says that little has changed */
#define LAST_WALK_US 5000000u
#define IDLE_CPU_US 2000u
#define ATTRIBUTABLE (UINT64_C(64) << 20)

static bool hit(struct watchdog *d, enum limit_id id, uint64_t seen, const char *mechanism) {
    if (!d->hit.hit) d->hit = (struct limit_hit){true, id, d->limits->v[id], seen, mechanism};
    return true;
}

static bool above(const struct watchdog *d, enum limit_id id, uint64_t seen) {
    return d->limits->v[id] != 0 && seen > d->limits->v[id];
}

static const char *group_name(const struct watchdog *d) {
    return cgroup_version(&d->limits->places) == 2 ? "cgroup v2" : "cgroup v1";
}

static uint64_t free_bytes(int fd) {
    struct statvfs v;
    return fstatvfs(fd, &v) == 0 ? (uint64_t)v.f_bavail * v.f_frsize : UINT64_MAX;
}

void watchdog_start(struct watchdog *d, const struct limits *l, struct jail *j, uid_t uid, const char *workspace,
                    const struct project *project) {
    memset(d, 0, sizeof *d);
    d->limits = l;
    d->jail = j;
    d->project = project;
    d->disk = open(workspace, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    d->blind = procs_init(&d->procs, jail_pid(j), d->disk, uid) < 0;
    if (d->disk >= 0 && disk_walk_init(&d->walk, d->disk) == 0) d->free_at_start = free_bytes(d->disk);
    d->pause_us = LOOK_US;
    d->next_us = clock_mono_us() + LOOK_US;
}

void watchdog_release(struct watchdog *d) {
    procs_release(&d->procs);
    disk_walk_release(&d->walk);
    if (d->disk >= 0) close(d->disk);
    d->disk = -1;
}

/* --- memory, processes, cpu time ------------------------------------------------------------------------------------- */

static uint64_t scratch_used(const struct watchdog *d, bool *ret_full) {
    struct statvfs v;
    *ret_full = false;
    if (fstatvfs(jail_scratch(d->jail), &v) < 0) return 0;
    *ret_full = v.f_bfree == 0 || v.f_ffree == 0;
    return (uint64_t)(v.f_blocks - v.f_bfree) * v.f_frsize;
}

/* Seen is rounded up: what is above one second is not one second. */
static bool check_cpu(struct watchdog *d, uint64_t us) {
    if (!d->limits->cpu_asked || us <= d->limits->v[LIMIT_cpu_s] * 1000000) return false;
    return hit(d, LIMIT_cpu_s, (us + 999999) / 1000000, "watchdog");
}

static bool check_group(struct watchdog *d, struct procs_look *ret) {
    struct cgroup_counts c;
    if (jail_counts(d->jail, &c) < 0) return false;
    *ret = (struct procs_look){.cpu_us = c.cpu_us, .anon = c.memory_bytes};
    if (c.oom_kills > 0) /* the peak is the limit: what was refused is not counted */
        return hit(d, LIMIT_memory_bytes, c.memory_peak, c.own_oom ? group_name(d) : "host out of memory");
    if (c.processes_hits > 0) return hit(d, LIMIT_processes, d->limits->v[LIMIT_processes] + 1, group_name(d));
    return check_cpu(d, c.cpu_us);
}

static uint64_t memory_of(const struct procs_look *l, uint64_t scratch) {
    const uint64_t held = l->memfd + scratch;
    return l->anon + (l->shmem > held ? l->shmem : held);
}

/* What forked processes share is counted for each of them in a look, so that only a close one convicts. */
static bool check_closely(struct watchdog *d, uint64_t scratch, struct procs_look *io) {
    const uint64_t limit = d->limits->v[LIMIT_memory_bytes], began = clock_mono_us(), available = host_available();
    if (!close_pause_over(&d->close, began, available)) return false;
    procs_look_closely(&d->procs, limit, io);
    const uint64_t memory = memory_of(io, scratch), now = clock_mono_us();
    if (above(d, LIMIT_memory_bytes, memory)) return hit(d, LIMIT_memory_bytes, memory, "watchdog");
    d->close.available = available;
    d->close.room = limit - memory;
    d->close_cost_us = now - began;
    close_pause_begin(&d->close, now, d->close_cost_us, SHARE);
    return false;
}

static bool check_procs(struct watchdog *d, struct procs_look *ret) {
    bool full;
    const uint64_t scratch = scratch_used(d, &full);
    if (d->blind) return false;
    procs_look(&d->procs, clock_mono_us() + (d->crowded ? LONG_DEADLINE_US : LOOK_DEADLINE_US), ret);
    d->crowded |= ret->cut;
    if (above(d, LIMIT_processes, ret->tasks)) return hit(d, LIMIT_processes, ret->tasks, "watchdog");
    if (check_cpu(d, ret->cpu_us)) return true;
    return above(d, LIMIT_memory_bytes, memory_of(ret, scratch)) && check_closely(d, scratch, ret);
}

/* A group counts no disk: what is deleted and held open is looked for in its processes all the same. */
static void look_for_unlinked(struct watchdog *d) {
    struct procs_look l = {0};
    if (d->blind || d->project->id != 0) return;
    procs_look(&d->procs, clock_mono_us() + (d->crowded ? LONG_DEADLINE_US : LOOK_DEADLINE_US), &l);
    d->crowded |= l.cut;
}

static bool check_scratch(struct watchdog *d) {
    bool full;
    const uint64_t used = scratch_used(d, &full);
    return full && hit(d, LIMIT_scratch_bytes, used, "tmpfs size");
}

/* --- disk --------------------------------------------------------------------------------------------------------------- */

/* What stays free is everybody's. The jail is blamed when the file system lost what may well be its doing. */
static bool check_reserve(struct watchdog *d) {
    const uint64_t now = free_bytes(d->disk), reserve = d->limits->v[LIMIT_disk_reserve];
    const uint64_t lost = d->free_at_start > now ? d->free_at_start - now : 0;
    if (now >= reserve || (lost < ATTRIBUTABLE && lost < reserve)) return false;
    if (!d->hit.hit) d->hit = (struct limit_hit){true, LIMIT_disk_reserve, reserve, now, "watchdog"};
    return true;
}

/* Counted by the kernel: exactly, and also what is deleted and held open. */
static bool check_project(struct watchdog *d) {
    struct quota_use use;
    if (project_use(d->project, d->disk, &use) < 0) return false;
    if (above(d, LIMIT_disk_bytes, use.bytes)) return hit(d, LIMIT_disk_bytes, use.bytes, "project quota");
    return above(d, LIMIT_inodes, use.inodes) && hit(d, LIMIT_inodes, use.inodes, "project quota");
}

static bool walk_is_over(const struct watchdog *d, enum limit_id *ret_id, uint64_t *ret_seen) {
    const uint64_t bytes = d->walk.bytes + d->procs.unlinked;
    *ret_id = above(d, LIMIT_disk_bytes, bytes) ? LIMIT_disk_bytes : LIMIT_inodes;
    *ret_seen = *ret_id == LIMIT_disk_bytes ? bytes : d->walk.inodes;
    return above(d, *ret_id, *ret_seen);
}

static bool check_disk(struct watchdog *d, uint64_t now) {
    enum limit_id id;
    uint64_t seen;
    if (d->project->id != 0) return check_project(d);
    if (d->walk.depth == 0 && now < d->sweep_after_us) return false;
    const bool complete = disk_walk_step(&d->walk, WALK_STEP);
    if (walk_is_over(d, &id, &seen)) {
        if (++d->over >= 2) return hit(d, id, seen, "watchdog");
        disk_walk_restart(&d->walk);
        return false;
    }
    if (!complete) return false;
    d->over = 0;
    /* Half full and more is looked at all the time. */
    const bool near =
        d->walk.bytes > d->limits->v[LIMIT_disk_bytes] / 2 || d->walk.inodes > d->limits->v[LIMIT_inodes] / 2;
    const uint64_t left = free_bytes(d->disk), lost = d->free_at_start > left ? d->free_at_start - left : 0;
    d->sweep_after_us = near || lost > d->limits->v[LIMIT_disk_bytes] / 4 ? now : now + SWEEP_EVERY_US;
    return false;
}

/* --- looks ------------------------------------------------------------------------------------------------------------- */

/* Soon again while something goes on; later and later while nothing does; not so often that looking is what costs, but a crowd of
 * processes buys nobody more than a second without a look. */
static void plan_next(struct watchdog *d, uint64_t began, const struct procs_look *l) {
    const uint64_t now = clock_mono_us(), cost = now - began - d->close_cost_us;
    const bool busy = l->cpu_us > d->last_cpu_us + IDLE_CPU_US || l->anon > d->last_memory + (1u << 20);
    d->last_cpu_us = l->cpu_us;
    d->last_memory = l->anon;
    d->pause_us = busy ? LOOK_US : d->pause_us * 2;
    if (d->pause_us > LAZY_LOOK_US || l->cut) d->pause_us = LAZY_LOOK_US;
    const uint64_t fair = cost * SHARE < LONGEST_PAUSE_US ? cost * SHARE : LONGEST_PAUSE_US;
    const bool again = l->cut && cost < LONG_DEADLINE_US; /* the next one has the time for it */
    d->next_us = now + (fair > d->pause_us && !again ? fair : d->pause_us);
}

bool watchdog_look(struct watchdog *d) {
    struct procs_look l = {0};
    const uint64_t began = clock_mono_us();
    if (d->hit.hit) return true;
    d->close_cost_us = 0;
    bool over = d->limits->group ? check_group(d, &l) : check_procs(d, &l);
    if (!over && d->limits->group) look_for_unlinked(d);
    if (!over) over = check_scratch(d);
    if (!over && d->disk >= 0) over = check_reserve(d) || check_disk(d, began);
    plan_next(d, began, &l);
    return over;
}

/* Without a group: of a single process the kernel keeps the peak, so one that came and went between two looks is found out. Its
 * mapped files count there, hence only where the end was a bad one anyway. */
static void check_end(struct watchdog *d, const struct jail_end *end, bool failed) {
    struct procs_look l;
    if (d->limits->group && check_group(d, &l)) return;
    if (!d->limits->group && failed && above(d, LIMIT_memory_bytes, end->max_rss_kib * 1024))
        hit(d, LIMIT_memory_bytes, end->max_rss_kib * 1024, "watchdog");
    check_cpu(d, end->cpu_us);
    if (!failed) return;
    check_scratch(d);
    if (!d->hit.hit && d->disk >= 0) check_reserve(d);
}

/* Nobody moves anything any more, so one walk is enough. It ends at the limit, or at a deadline that only a tree of millions of
 * entries meets. */
static void check_disk_end(struct watchdog *d) {
    const uint64_t deadline = clock_mono_us() + LAST_WALK_US;
    enum limit_id id;
    uint64_t seen;
    if (d->project->id != 0) {
        check_project(d);
        return;
    }
    d->procs.unlinked = 0;
    disk_walk_restart(&d->walk);
    for (bool complete = false; !complete && clock_mono_us() < deadline;) {
        complete = disk_walk_step(&d->walk, WALK_STEP);
        if (!walk_is_over(d, &id, &seen)) continue;
        hit(d, id, seen, "watchdog");
        return;
    }
}

void watchdog_end(struct watchdog *d, const struct jail_end *end, bool failed) {
    if (!d->hit.hit) check_end(d, end, failed);
    if (!d->hit.hit && d->disk >= 0) check_disk_end(d);
}
