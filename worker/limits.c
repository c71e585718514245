/* limits.c - see limits.h. Defaults are there to keep a host alive, not to judge a program: half of its memory, half of what is free
 * on the disk of the workspace. */
#include "worker/limits.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "common/io.h"
#include "common/quota.h"
#include "worker/pump.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define DEFAULT_PROCESSES 512
#define DEFAULT_FILE_BYTES (1 * GIB)
#define DEFAULT_SCRATCH_BYTES (512 * MIB)
#define DEFAULT_OPEN_FILES 4096
#define MAX_DISK_BYTES (16 * GIB)
#define MAX_INODES 2000000u
#define MAX_RESERVE (1 * GIB)
/* The worker and its inspector count too as an ordinary user, and pid 1 always; and a watchdog must see more than the limit. */
#define PROCESS_SLACK 16
#define NO_DATA_LIMIT (UINT64_C(1) << 46)
#define DEFAULT_CPU_S 3600

const char *limit_name(enum limit_id id) {
    static const char *const names[] = {
#define X(name, unit) #name,
        LIMIT_TABLE(X)
#undef X
    };
    return (unsigned)id < LIMIT_COUNT ? names[id] : "invalid";
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }
static uint64_t or_default(int64_t asked, uint64_t otherwise) { return asked > 0 ? (uint64_t)asked : otherwise; }

static uint64_t half_of_memory(void) {
    struct sysinfo si;
    if (sysinfo(&si) < 0) return 4 * GIB;
    const uint64_t half = (uint64_t)si.totalram * si.mem_unit / 2;
    return half > GIB ? half : GIB;
}

/* Not with a hidden /proc, and not on a kernel built without lists of children: then memory is held per process only, and the
 * report says so. */
static bool proc_shows_jails(void) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    return access(path, R_OK) == 0 && access("/proc/1/stat", R_OK) == 0;
}

/* File systems without a fixed number of inodes say 0. */
static void decide_disk(const struct run_spec *s, struct limits *l) {
    struct statvfs v = {0};
    const bool known = statvfs(s->work_dir, &v) == 0;
    const uint64_t free_bytes = known ? (uint64_t)v.f_bavail * v.f_frsize : 0;
    const uint64_t half = known ? free_bytes / 2 : MAX_DISK_BYTES;
    const uint64_t half_inodes = known && v.f_files != 0 ? (uint64_t)v.f_favail / 2 : MAX_INODES;
    l->v[LIMIT_disk_bytes] = or_default(s->limits.disk_bytes, least(half, MAX_DISK_BYTES));
    l->v[LIMIT_inodes] = or_default(s->limits.inodes, least(half_inodes, MAX_INODES));
    l->v[LIMIT_disk_reserve] = least(free_bytes / 16, MAX_RESERVE);
}

/* Root of the host only: nobody else has uids to give, and a limit of a quota is root's to set. */
static bool has_quota(const struct run_spec *s) {
    if (s->engine_uid <= 0) return false;
    AUTO_FD int dir = open(s->work_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir >= 0 && quota_usable(dir, (uint32_t)s->engine_uid);
}

void limits_decide(const struct run_spec *s, struct limits *ret) {
    const struct spec_limits *a = &s->limits;
    *ret = (struct limits){.places = CGROUP_PLACES_NONE};
    cgroup_places_open(&ret->places);
    ret->sees = proc_shows_jails();
    const int version = cgroup_version(&ret->places);
    ret->group = version == 2 || (version == 1 && (a->memory_bytes > 0 || a->processes > 0));
    ret->v[LIMIT_memory_bytes] = or_default(a->memory_bytes, half_of_memory());
    ret->v[LIMIT_processes] = or_default(a->processes, DEFAULT_PROCESSES);
    ret->cpu_asked = a->cpu_s > 0;
    ret->v[LIMIT_cpu_s] = or_default(a->cpu_s, DEFAULT_CPU_S);
    decide_disk(s, ret);
    ret->quota = has_quota(s);
    ret->v[LIMIT_scratch_bytes] = or_default(a->scratch_bytes, DEFAULT_SCRATCH_BYTES);
    ret->v[LIMIT_file_bytes] = least(or_default(a->file_bytes, DEFAULT_FILE_BYTES), ret->v[LIMIT_disk_bytes]);
    ret->v[LIMIT_open_files] = or_default(a->open_files, DEFAULT_OPEN_FILES);
    ret->v[LIMIT_output_bytes] = or_default(a->output_bytes, PUMP_OUTPUT_BYTES);
    ret->v[LIMIT_log_lines] = or_default(a->log_lines, PUMP_LOG_LINES);
}

/* RLIMIT_DATA lies above the limit of the whole, so that the one who exceeds it is ended for it and named, and does not merely get
 * an error that it may answer with any exit code. In a group it would only be in the way. */
void limits_apply(const struct limits *l, struct jail_spec *js) {
    js->limits = (struct jail_limits){
        .memory_bytes = l->group ? NO_DATA_LIMIT : 2 * l->v[LIMIT_memory_bytes] + 64 * MIB,
        .processes = l->v[LIMIT_processes] + PROCESS_SLACK,
        .cpu_s = l->v[LIMIT_cpu_s],
        .open_files = l->v[LIMIT_open_files],
        .file_bytes = l->v[LIMIT_file_bytes],
        .scratch_bytes = l->v[LIMIT_scratch_bytes],
    };
    if (!l->group) return;
    js->limits.total_memory_bytes = l->v[LIMIT_memory_bytes];
    js->limits.total_processes = l->v[LIMIT_processes];
    js->cgroups = &l->places;
}

static const char *mechanism(const struct limits *l, enum limit_id id, bool *ret_guarantee) {
    const char *const group = cgroup_version(&l->places) == 2 ? "cgroup v2" : "cgroup v1";
    *ret_guarantee = true;
    switch (id) {
    case LIMIT_processes: return l->group ? group : "rlimit";
    case LIMIT_scratch_bytes: return "tmpfs size";
    case LIMIT_file_bytes:
    case LIMIT_open_files: return "rlimit";
    case LIMIT_output_bytes:
    case LIMIT_log_lines: return "relay";
    case LIMIT_memory_bytes:
        if (l->group) return group;
        if (!l->sees) return "rlimit of each process";
        break;
    case LIMIT_cpu_s:
        if (!l->cpu_asked) return "rlimit of each process";
        break;
    case LIMIT_disk_bytes:
    case LIMIT_inodes:
        if (l->quota) return "project quota";
        break;
    case LIMIT_disk_reserve:
    case LIMIT_COUNT: break;
    }
    *ret_guarantee = false;
    return "watchdog";
}

cJSON *limits_json(const struct limits *l) {
    cJSON *o = cJSON_CreateObject();
    for (int i = 0; i < LIMIT_COUNT; i++) {
        if (l->v[i] == 0) continue;
        bool guarantee;
        const char *m = mechanism(l, (enum limit_id)i, &guarantee);
        cJSON *row = cJSON_CreateObject();
        json_put_int(row, "value", (int64_t)l->v[i]);
        json_put_str(row, "mechanism", m);
        json_put_bool(row, "guarantee", guarantee);
        json_put(o, limit_name((enum limit_id)i), row);
    }
    return o;
}

void limit_hit_text(const struct limit_hit *h, char *out, size_t size) {
    static const char *const units[] = {
#define X(name, unit) unit,
        LIMIT_TABLE(X)
#undef X
    };
    const char *unit = units[h->id];
    snprintf(out, size, "%s: %llu, limit %llu%s%s (%s)", limit_name(h->id), (unsigned long long)h->seen,
             (unsigned long long)h->limit, unit[0] ? " " : "", unit, h->mechanism);
}
