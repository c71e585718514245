/* limits.h - what a jail of this run may use, and what holds it to that.
 *
 * Two kinds. A guarantee holds at every moment: the kernel refuses the next byte, process or descriptor. A kill threshold is looked at
 * now and then: what exceeds it is ended, and until then it had what it took. Which kind a limit is on this host, and by which
 * mechanism, stands in the report of every run (limits_json).
 *
 *   memory_bytes   of the whole jail. Group: a guarantee (private memory, shared memory, scratch, page cache). Else: a threshold
 *                  (what is counted: watch_procs.h), and a guarantee per process by RLIMIT_DATA well above it.
 *   processes      with threads. Group, or RLIMIT_NPROC a little above: a guarantee. Whoever reaches it is ended: a program that
 *                  cannot fork does not fail in a way that anybody could read.
 *   cpu_s          of the whole jail, when the case sets it: a threshold. RLIMIT_CPU holds each process to the same, or to an hour.
 *   disk_bytes, inodes   of the workspace. As root on a file system with project quota: a guarantee a little above, and whoever exceeds
 *                  the limit itself is ended (project.h). Else a threshold, by a walk. A single file is held by RLIMIT_FSIZE to the same.
 *   disk_reserve   what stays free on the file system of the workspace, whoever took it: a threshold.
 *   scratch_bytes  a sized tmpfs: a guarantee. Whoever fills it is ended.
 *   file_bytes, open_files, output_bytes, log_lines   guarantees.
 *
 * A group of version 1 costs 9 ms where a start without costs 2, so that it is used for a case that sets memory_bytes or processes.
 */
#ifndef CTO_WORKER_LIMITS_H
#define CTO_WORKER_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cgroup.h"
#include "common/json.h"
#include "common/spec.h"
#include "sandbox/jail.h"

/* X(name in reports, unit of seen and limit) */
#define LIMIT_TABLE(X)        \
    X(memory_bytes, "bytes")  \
    X(processes, "")          \
    X(cpu_s, "s")             \
    X(disk_bytes, "bytes")    \
    X(inodes, "")             \
    X(disk_reserve, "bytes")  \
    X(scratch_bytes, "bytes") \
    X(file_bytes, "bytes")    \
    X(open_files, "")         \
    X(output_bytes, "bytes")  \
    X(log_lines, "")
enum limit_id {
#define X(name, unit) LIMIT_##name,
    LIMIT_TABLE(X)
#undef X
        LIMIT_COUNT
};
const char *limit_name(enum limit_id id);

struct limits {
    uint64_t v[LIMIT_COUNT]; /* 0: none */
    bool group;              /* a jail gets a group */
    bool quota;              /* a workspace is a project of its file system's quota */
    bool cpu_asked;          /* else cpu_s is of each process only */
    bool sees;               /* /proc shows what the processes of a jail use */
    struct cgroup_places places;
};

/* From the run's spec, this host, and what is free where the workspace will be. Before the worker gives up its root. */
void limits_decide(const struct run_spec *s, struct limits *ret);
/* Into a jail's spec. `l` is borrowed by the jail. */
void limits_apply(const struct limits *l, struct jail_spec *js);
/* {name: {"value": n, "mechanism": text, "guarantee": bool}} */
cJSON *limits_json(const struct limits *l);

/* The one that ended a jail, or was reached. */
struct limit_hit {
    bool hit;
    enum limit_id id;
    uint64_t limit, seen;
    const char *mechanism; /* static */
};
/* "memory_bytes: 71303168 of 67108864 bytes (watchdog)" */
void limit_hit_text(const struct limit_hit *h, char *out, size_t size);

#endif
