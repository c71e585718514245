/* jail.h - the only public header of sandbox/: kernel-enforced confinement for one program, one process or ourselves.
 *
 * Four uses:
 *  1. jail_start / jail_wait / jail_kill: run one program in a jail of its own (engine, verifier, `sandbox exec`).
 *     Namespaces (mount, pid, net, ipc, uts, cgroup), minimal read-only root, Landlock, rlimits, no capabilities,
 *     no_new_privs, seccomp; our own pid 1 reaps and passes one status up a pipe.
 *  2. jail_enter: the calling process (a worker) gets namespaces and a minimal read-only root of its own and keeps the
 *     privilege to build jails from it. No Landlock file rules: they would forbid mount and pivot_root to it and its children.
 *  3. jail_confine_self: Landlock + seccomp for the calling process (an inspector) without any new namespace.
 *  4. jail_confine_gateway: the same for a process that needs the network to one port, and no file at all.
 *
 * Two modes, chosen by jail_mode(): JAIL_MODE_ROOT (CAP_SYS_ADMIN held in the initial user namespace; programs run under the
 * unprivileged kernel uid named in the spec, verified) and JAIL_MODE_USER (an unprivileged user namespace with one id
 * mapped; the inner id is not 0).
 *
 * Fail closed: a mechanism in `required` that cannot be put in force is ERR_UNSUPPORTED from jail_start, never a weaker jail.
 * What is in force is written to struct jail_report. All functions follow err.h. Linux x86_64 and aarch64; libc only.
 *
 * Theory, order and traps: the design's sandbox chapter, restated at the top of jail.c.
 */
#ifndef CTO_SANDBOX_JAIL_H
#define CTO_SANDBOX_JAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/cgroup.h"
#include "common/err.h"

enum jail_mode { JAIL_MODE_ROOT, JAIL_MODE_USER };
/* Which mode this process gets. Pure look-up of effective capabilities. */
enum jail_mode jail_mode(void);

/* Profiles are data (profile.c, syscalls.def). A profile names its seccomp program, its Landlock access and its defaults. */
enum jail_profile { JAIL_ENGINE, JAIL_VERIFIER, JAIL_INSPECTOR, JAIL_WORKER, JAIL_GATEWAY, JAIL_PROFILE_COUNT };
const char *jail_profile_name(enum jail_profile p);
int jail_profile_by_name(const char *name); /* -1: none */

/* Mechanisms, as bits. */
enum jail_mechanism {
    JAIL_M_USERNS = 1u << 0,
    JAIL_M_MOUNTNS = 1u << 1,
    JAIL_M_PIDNS = 1u << 2,
    JAIL_M_NETNS = 1u << 3,
    JAIL_M_IPCNS = 1u << 4,
    JAIL_M_UTSNS = 1u << 5,
    JAIL_M_CGROUPNS = 1u << 6,
    JAIL_M_ROOT = 1u << 7, /* minimal read-only root */
    JAIL_M_LANDLOCK = 1u << 8,
    JAIL_M_SECCOMP = 1u << 9,
    JAIL_M_NO_NEW_PRIVS = 1u << 10,
    JAIL_M_CAPS = 1u << 11, /* no capabilities, bounding set empty */
    JAIL_M_RLIMITS = 1u << 12,
    JAIL_M_SETUID = 1u << 13, /* root mode: unprivileged kernel uid */
    JAIL_M_CGROUP = 1u << 14, /* limits by cgroup */
    JAIL_M_PDEATHSIG = 1u << 15,
    JAIL_M_FDS = 1u << 16, /* descriptors above the contract closed */
};
#define JAIL_M_COUNT 17
const char *jail_mechanism_name(unsigned bit_index);
/* Everything a profile needs in this mode. */
uint32_t jail_required(enum jail_profile p, enum jail_mode m);
/* The filter of a profile. Calls that it has less than the engine's, and those of which it permits less, each name ended by
 * NUL, the list by an empty one; static. */
struct jail_filter {
    const char *table;
    unsigned instructions;
    const char *withheld, *narrowed;
};
struct jail_filter jail_filter(enum jail_profile p);

struct jail_report {
    enum jail_mode mode;
    uint32_t in_force;                                  /* JAIL_M_* */
    int landlock_abi;                                   /* as used: 0 when absent */
    uint64_t landlock_fs, landlock_net, landlock_scope; /* handled access bits */
    int seccomp_instructions;
    bool denials_observed; /* an observer was asked for and could be had */
};

/* Refused system calls, see denials.c. One entry for each call that was refused with EPERM at least once; there is room for every
 * name of the table, so that none can be hidden behind many others. */
#define JAIL_DENIALS_MAX 512
#define JAIL_DENIAL_ARGS 3
struct jail_denial {
    int nr;
    const char *name; /* static; "unknown" for all numbers that the table of calls does not have */
    uint64_t count;
    uint64_t args[JAIL_DENIAL_ARGS]; /* of the first time */
};
struct jail_denials {
    struct jail_denial v[JAIL_DENIALS_MAX]; /* in order of their first occurrence */
    size_t n;
    uint64_t total;
};
/* Who wants to know. `on_denied` is called in the caller's process, from jail_wait or jail_denied_serve, the first time
 * that a call is refused; it may be NULL when only the totals matter. */
struct jail_observer {
    void (*on_denied)(void *ctx, const struct jail_denial *d);
    void *ctx;
};

/* Landlock of the running kernel; 0: none. */
int jail_landlock_abi(void);
/* What this version lacks of all that a jail uses where it can, and what holds that instead. Returns how many. */
struct jail_landlock_gap {
    const char *name, *held_by;
};
#define JAIL_LANDLOCK_PARTS 7
size_t jail_landlock_gaps(int abi, struct jail_landlock_gap ret[JAIL_LANDLOCK_PARTS]);

struct jail_bind {
    const char
        *source; /* absolute path in the caller's mount namespace; no symbolic link in it is followed at the end */
    const char *target; /* absolute path inside */
    bool writable;      /* mount and Landlock write root; else read-only twice */
    bool optional;      /* a missing source is skipped */
    bool no_exec;
    bool
        no_links; /* no symbolic link is followed anywhere in source: it has been looked at, and others may write on the way */
    bool hide; /* no source: an empty read-only directory, or a file that cannot be opened, over what lies there
                * below another bind's target */
};

/* A small file that lies in scratch before the program starts, and is the program's own. Directories on the way are made. */
struct jail_seed {
    const char *path; /* below /scratch: "case-data/config.json" */
    const char *text; /* NULL: a directory */
};

/* A listener of the jail's own network namespace, made before the program starts and handed out: who serves it, serves the jail and
 * nobody else, from outside. No process of the jail has it. Needs spec.loopback. */
struct jail_listener {
    int socket;    /* a Unix socket: the listener goes there in one message (pass_fd.h) */
    uint16_t port; /* of 127.0.0.1 inside */
};

/* 0: the profile's default (profile.c). */
struct jail_limits {
    uint64_t memory_bytes;  /* RLIMIT_DATA: of each process */
    uint64_t processes;     /* RLIMIT_NPROC */
    uint64_t cpu_s;         /* RLIMIT_CPU, per process */
    uint64_t open_files;    /* RLIMIT_NOFILE */
    uint64_t file_bytes;    /* RLIMIT_FSIZE */
    uint64_t scratch_bytes; /* size of the scratch tmpfs */
    uint64_t scratch_inodes;
    /* Of the whole jail, by a group (needs jail_spec.cgroups); 0: none. */
    uint64_t total_memory_bytes, total_processes;
};

struct jail_limits jail_default_limits(enum jail_profile p);

/* What runs and in what. Borrowed for the duration of jail_start only. Inside, always there: /usr and its links, chosen
 * files of /etc, own passwd and group, /proc (read-only), /dev/{null,zero,full,random,urandom}, /dev/ptmx and /dev/pts (own terminals; no /dev/tty), /scratch (a sized
 * tmpfs with home and tmp), /tmp -> scratch/tmp. */
struct jail_spec {
    enum jail_profile profile;
    const char *const *argv; /* argv[0] is an absolute path inside, or is looked up in JAIL_PATH inside */
    const char *const *envp; /* complete: nothing is inherited. NULL: jail_default_env() */
    const char *cwd;         /* absolute, inside */
    const struct jail_bind *binds;
    size_t n_binds;
    const struct jail_seed *seeds;
    size_t n_seeds;
    struct jail_limits limits;
    uint32_t required;                    /* 0: jail_required(profile, mode) */
    int landlock_min;                     /* refuse to start under an older Landlock ABI; 0: any that there is */
    uid_t uid;                            /* root mode: kernel uid and gid; must not be 0. User mode: ignored */
    int stdin_fd, stdout_fd, stderr_fd;   /* -1: /dev/null */
    int stop_signal;                      /* what jail_stop sends to the program; 0: there is no asking */
    bool loopback;                        /* bring lo up */
    const struct jail_listener *listener; /* NULL: none */
    const char *hostname;                 /* NULL: "jail" */
    /* The jail gets a group of its own there, removed by jail_free. It is part of the jail then: a start without it is
     * ERR_UNSUPPORTED. NULL: no group. Borrowed until jail_free. */
    const struct cgroup_places *cgroups;
    const struct jail_observer *observer; /* NULL: refused calls are refused in silence. Borrowed until jail_free */
};
#define JAIL_PATH "/usr/local/bin:/usr/bin:/bin"
#define JAIL_INNER_UID 1000
/* PATH, HOME=/scratch/home, TMPDIR=/scratch/tmp, LANG=C.UTF-8, USER, LOGNAME, SHELL, GIT_AUTHOR_*, GIT_COMMITTER_*,
 * GIT_CONFIG_NOSYSTEM, PYTHONDONTWRITEBYTECODE=1. NULL-terminated, static. */
const char *const *jail_default_env(void);

enum jail_end_kind {
    JAIL_END_SETUP_FAILED = 1, /* err says which step */
    JAIL_END_EXEC_FAILED = 2,  /* code = errno */
    JAIL_END_EXITED = 3,       /* code = exit status */
    JAIL_END_SIGNALLED = 4,    /* code = signal */
    JAIL_END_KILLED = 5,       /* jail_kill or the death of pid 1 from outside: no status was passed up */
};
struct jail_end {
    enum jail_end_kind kind;
    int code;
    uint64_t cpu_us;      /* user + system of everything in the jail that was reaped */
    uint64_t max_rss_kib; /* largest single process */
    uint64_t processes;   /* how many were reaped */
    struct err err;       /* for SETUP_FAILED */
};

struct jail; /* opaque: pidfd, status pipe, report */

/* Builds the jail and starts the program. Returns when the program's exec has happened or anything failed before it:
 * ERR_UNSUPPORTED names the mechanism that is missing, ERR_MISSING an exec that found nothing (err.sys = errno).
 * The jail dies with the calling process, also when that is killed in the first millisecond. */
int jail_start(const struct jail_spec *spec, struct jail **ret, struct err *e);
int jail_pidfd(const struct jail *j); /* readable when pid 1 is dead and reapable; owned by the jail */
const struct jail_report *jail_report(const struct jail *j);
/* For whoever watches what the jail uses: pid 1 as its parent sees it (not another process before jail_wait has said that it is
 * dead), and the root of the scratch tmpfs (owned by the jail; what is in it stays until jail_free). */
pid_t jail_pid(const struct jail *j);
int jail_scratch(const struct jail *j);
/* What the jail's group has counted, also after the end. -1: it has none. */
int jail_counts(const struct jail *j, struct cgroup_counts *ret);
/* With an observer: what was refused so far; the listener to poll for POLLIN (-1: none), and the answer to what waits
 * there. jail_wait does both; whoever waits otherwise must, or refused calls wait. Never blocks for long. */
const struct jail_denials *jail_denials(const struct jail *j);
int jail_denied_fd(const struct jail *j);
void jail_denied_serve(struct jail *j);
/* Asks the program, and it alone, to end: spec.stop_signal, by way of pid 1. What it does about that is its own affair; whoever
 * asks sets a deadline and kills. -1: there is nobody to ask. */
int jail_stop(struct jail *j);
/* SIGKILL to pid 1: the kernel ends everything in the pid namespace. Idempotent. */
void jail_kill(struct jail *j);
/* Waits until pid 1 is reaped, so nothing of the jail lives any more. 1: ended, *end filled; 0: timeout; -1: error. */
int jail_wait(struct jail *j, int timeout_ms, struct jail_end *end, struct err *e);
void jail_free(struct jail *j); /* kills and reaps first when still alive; NULL is fine */

/* --- 2: the worker --------------------------------------------------------------------------------------------------- */
struct jail_enter_spec {
    const struct jail_bind *binds; /* beside /usr, /etc files, /proc, /dev, which are always there */
    size_t n_binds;
};
/* Single-threaded caller only. Afterwards the caller's root is the minimal one, cwd is "/". */
int jail_enter(const struct jail_enter_spec *spec, struct jail_report *ret, struct err *e);
/* Seccomp program of JAIL_WORKER for the calling process; after jail_enter. */
int jail_restrict_worker(struct jail_report *report, struct err *e);

/* --- 3: the inspector ------------------------------------------------------------------------------------------------ */
struct jail_path_rule {
    const char *path;
    bool writable;
};
/* no_new_privs, rlimits (0: defaults of JAIL_INSPECTOR), Landlock to exactly these paths, seccomp. May be called twice: the
 * second call can only narrow (Landlock rule sets stack); seccomp is installed by the call with `last` true. */
int jail_confine_self(const struct jail_path_rule *rules, size_t n, const struct jail_limits *limits, bool last,
                      struct jail_report *ret, struct err *e);

/* --- 4: the gateway -------------------------------------------------------------------------------------------------- */
struct jail_gateway_spec {
    struct jail_limits limits; /* 0: the profile's defaults */
    uid_t uid;                 /* started as root: become this one; must not be 0 then. Else ignored */
    uint16_t port;             /* the one TCP port that may be connected to; 0: none */
    pid_t parent;              /* dies with it, and with the other end of `lifeline` when that is gone already */
    int lifeline;
};
/* Limits, unprivileged uid, no capabilities, death with the parent (armed after the change of uid, which clears it),
 * no_new_privs, Landlock without any file and with one port (ABI 4 and later), not dumpable, seccomp. Single-threaded caller. */
int jail_confine_gateway(const struct jail_gateway_spec *spec, struct jail_report *ret, struct err *e);

/* In a child between clone and exec: die when `parent` dies. Sets PDEATHSIG, compares getppid(), and polls `lifeline` (an
 * inherited end of a socket or pipe whose other end only the parent's side holds; -1: none) for hang-up. -1 = the parent is
 * already gone: the caller must _exit. */
int jail_bind_life(pid_t parent, int lifeline);

/* --- what can this host do ------------------------------------------------------------------------------------------- */
#define JAIL_PROBES_MAX 32
struct jail_probe {
    const char *name; /* "user namespaces", "landlock", ... */
    bool ok, required;
    char detail[160]; /* ABI number, errno text, what to do */
};
/* Really tries each mechanism in a child. Returns how many rows were filled. */
int jail_probe_host(struct jail_probe rows[JAIL_PROBES_MAX]);
/* Name of the first required mechanism that is missing here, or NULL: the sandbox gate. Cheap enough for every command. */
int jail_check_host(struct err *e);

#endif
