/* escape.h - attempts to get out of a jail, and what shows that each of them would notice.
 *
 * A probe is one attempt by a hostile program: it runs inside a jail (inside.c), as a forked child of its own, and says
 * whether it got what it wanted. The driver outside (driver.c) believes neither answer alone: whatever a probe says, the
 * world outside (world.c) must be as it was. A probe that cannot be tried here is skipped with its reason, never passed.
 *
 * No probe is vacuous: each names the walls that hold it. With all of them taken away (controls.c, in a build of the
 * sandbox for tests only) it must succeed; with any single one of them put back it must be held again. A probe that has
 * no safe control says why. Every attempt is harmless when it succeeds: what it would destroy was made for it, and what
 * a kernel may not be asked for in earnest (reboot, kexec, the clock) is asked with arguments that mean nothing.
 *
 * Two programs are built of this: cto-harness-probe (installed; `cto-harness doctor --probe`; the sandbox as it is
 * shipped, no controls) and the test program `escape` (CTO_SANDBOX_TESTING).
 */
#ifndef CTO_TESTS_ESCAPE_ESCAPE_H
#define CTO_TESTS_ESCAPE_ESCAPE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "common/err.h"
#include "sandbox/jail.h"

/* --- walls: what holds a probe, one bit each ------------------------------------------------------------------------ */
/* clang-format off */
#define WALL_TABLE(X) /* name, shown as */ \
    X(MOUNTNS,  "mount namespace")        \
    X(PIDNS,    "pid namespace")          \
    X(NETNS,    "network namespace")      \
    X(IPCNS,    "IPC namespace")          \
    X(UTSNS,    "UTS namespace")          \
    X(CGROUPNS, "cgroup namespace")       \
    X(ROOT,     "minimal root")           \
    X(READONLY, "read-only mounts")       \
    X(NOSUID,   "nosuid mounts")          \
    X(NODEV,    "nodev mounts")           \
    X(NOEXEC,   "noexec mounts")          \
    X(PROCRO,   "read-only /proc")        \
    X(HIDEPID,  "hidepid")                \
    X(LANDLOCK, "landlock")               \
    X(SECCOMP,  "seccomp")                \
    X(NNP,      "no_new_privs")           \
    X(CAPS,     "no capabilities")        \
    X(SETUID,   "unprivileged uid")       \
    X(RLIMITS,  "resource limits")        \
    X(DEATH,    "death with the parent")  \
    X(FDS,      "closed descriptors")     \
    X(DUMPABLE, "not dumpable")           \
    X(KEYRING,  "session keyring")        \
    X(SESSION,  "own session")            \
    X(ENV,      "built environment")      \
    X(SCRATCH,  "size of scratch")
/* clang-format on */
enum wall_index {
#define X(name, text) WALL_INDEX_##name,
    WALL_TABLE(X)
#undef X
        WALL_COUNT
};
enum wall {
#define X(name, text) WALL_##name = 1u << WALL_INDEX_##name,
    WALL_TABLE(X)
#undef X
};
const char *wall_name(unsigned index);
/* What takes privilege in the initial user namespace. */
#define WALLS_POWER (WALL_CAPS | WALL_SETUID)

/* --- the world outside, as far as the inside may know where to aim --------------------------------------------------- */
#define DEVICES_MAX 16
#define MARK "cto-escape-canary"
struct world {
    char dir[96];          /* everything of this run; canary/ and person/ lie in it and are given to no jail */
    char ro[104], rw[104]; /* directories that are given, at their own paths: one to read, one to write */
    bool root_mode;        /* JAIL_MODE_ROOT */
    bool control;          /* walls are down on purpose */
    uid_t jail_uid;        /* of the program, in its own eyes */
    pid_t canary, driver;  /* processes outside; the canary has the jail's kernel uid, as the worst neighbour would */
    uint64_t canary_text;  /* address of a MARK in the canary's memory */
    uint16_t tcp4, tcp6, udp; /* ports on loopback where somebody answers */
    bool far;                 /* 169.254.169.254:80, 192.0.2.1:80, 10.11.12.13:80, 127.0.0.53:53 answer too */
    char abstract[64];        /* name of an abstract socket that answers, without its NUL */
    int shm_key;              /* SysV */
    int32_t key;              /* serial of a key in the driver's session keyring; 0: none */
    int leaked;               /* descriptor number that the driver leaves open, not close-on-exec */
    uint64_t ns[8];           /* inode numbers of the driver's namespaces, in the order of world_ns_names */
    char terminal[32];        /* path of a terminal outside */
    char host_name[65];
    uint64_t hard[16];             /* the driver's hard limits */
    bool nosuid_here;              /* the file system of dir ignores set-id bits anyway */
    char devices[DEVICES_MAX][32]; /* of the host, that exist; "" ends */
    uint32_t without;
};
extern const char *const world_ns_names[]; /* mnt pid net ipc uts cgroup user */
enum { NS_MNT, NS_PID, NS_NET, NS_IPC, NS_UTS, NS_CGROUP, NS_USER, NS_COUNT };

/* --- probes ---------------------------------------------------------------------------------------------------------- */
enum verdict {
    HELD,  /* refused; errno says how */
    OPEN,  /* it got what it wanted */
    SKIP,  /* cannot be tried here: say() says why */
    LATER, /* the driver decides after the end: something called probe_tag() lives, or a lock is held */
};
struct probe;
typedef enum verdict attempt_fn(const struct world *w, const struct probe *p);

enum probe_flag {
    ALONE = 1,      /* a jail of its own: it may take the others with it */
    TTY = 2,        /* standard input is a pseudo terminal */
    SLOW = 4,       /* not in doctor */
    EFFECT = 8,     /* success shows in the files outside */
    EXCEPTION = 16, /* open by design (JITs need it); listed, not counted as held */
    NEEDS_PROC = 32,
    ORPHAN = 128, /* with ALONE: the builder of the jail is killed once the probe has answered */
    COUNTED = 64, /* with ALONE: succeeded when the canary has received a signal */
};
enum probe_jail { ENGINE = 1, VERIFIER = 2, INSPECTOR = 4, WORKER = 8 };
#define PROGRAM (ENGINE | VERIFIER)

struct probe {
    const char *row, *name, *tries; /* row of the threats list; name is unique; tries: one line */
    attempt_fn *attempt;
    unsigned jails, flags;
    uint32_t holds_root, holds_user; /* walls, each of which holds it alone; 0: no control, and why_not says why */
    uint32_t also;                   /* walls that must be down for technical reasons, but do not hold it */
    const char *why_not;
    long nr, arg[6]; /* for attempts that are one system call */
    const char *text;
    int number;
};
/* Why there is no control. */
#define KERNEL_HOLDS "the kernel itself refuses it to every ordinary user, whatever the jail does"
#define NOTHING_THERE "an ordinary user cannot make what it would need"
#define NOT_SAFE "succeeding would harm the host"
#define NOT_NEAR "nothing of this run answers there, and others are not to be contacted"

struct probe_table {
    const char *subject;
    const struct probe *v;
    size_t n;
};
extern const struct probe_table probes_files, probes_hidden, probes_mounts, probes_proc, probes_process, probes_limits,
    probes_kernel, probes_sockets, probes_network, probes_tty;
/* All of them in one array, in the order of the tables. */
const struct probe *const *probes_all(size_t *ret_n);
const char *probe_subject(size_t index);

/* For attempts. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* detail of the answer */
enum verdict skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The C library has an enum of its own for these numbers. */
static inline int limit_get(long what, struct rlimit *l) { return getrlimit((__rlimit_resource_t)what, l); }
static inline int limit_set(long what, const struct rlimit *l) { return setrlimit((__rlimit_resource_t)what, l); }
static inline enum verdict open_if(bool got_it) { return got_it ? OPEN : HELD; }
/* Paths of this probe's own victims: a file, an empty directory `dir`, a second file. */
const char *in_canary(const struct world *w, const struct probe *p, const char *name);
const char *in_ro(const struct world *w, const struct probe *p, const char *name);
const char *in_rw(const struct world *w, const struct probe *p, const char *name);
const char *probe_tag(const struct probe *p, char out[16]); /* name of a process that would survive */

/* --- inside.c -------------------------------------------------------------------------------------------------------- */
#define DETAIL_MAX 120
struct answer {
    int verdict; /* enum verdict; ANSWER_NONE, ANSWER_HUNG */
    char detail[DETAIL_MAX];
};
enum { ANSWER_NONE = -1, ANSWER_HUNG = -2 };
/* `inside WORLDFILE index...`: main of the program in the jail; one line for each on standard output. */
int inside_main(int argc, char **argv);
/* Runs one attempt in a forked child. */
void inside_one(const struct world *w, size_t index, struct answer *a);
/* The attempt itself in this process; for jails in which nothing can be forked. */
void inside_call(const struct world *w, size_t index, struct answer *a);

/* --- world.c --------------------------------------------------------------------------------------------------------- */
struct outside; /* listeners, canary tree, what was seen before */
/* `apart`: as root in namespaces of its own. */
int outside_make(struct outside **ret, bool apart, struct err *e);
void outside_free(struct outside *o);
struct world *outside_world(struct outside *o);
int outside_stdin(const struct outside *o, bool tty);
/* Makes all victims anew and notes how everything is. */
struct batch;
int outside_note(struct outside *o, const struct batch *g, struct err *e);
#define CHANGES_MAX 8
/* What is not as it was noted, one text each; `files`: the canary trees are among it. */
int outside_changes(struct outside *o, char changes[CHANGES_MAX][DETAIL_MAX], bool *files);

/* --- driver.c -------------------------------------------------------------------------------------------------------- */
#define PROBES_MAX 512
struct batch {
    unsigned jail;    /* one of enum probe_jail */
    uint32_t without; /* walls that are down */
    size_t index[PROBES_MAX], n;
};
struct outcome {
    bool started;
    char error[200];                  /* when not started */
    struct answer answer[PROBES_MAX]; /* by index of the probe */
    char changes[CHANGES_MAX][DETAIL_MAX];
    int n_changes;
    bool files_changed;
};
void driver_run(struct outside *o, const struct batch *g, struct outcome *ret);
/* Starts a canary and writes the description of the world, for jails that others build. */
int driver_publish(struct outside *o, const struct batch *g, struct err *e);
int canary_main(void); /* the process that is aimed at */
/* Takes walls down, where this build can: else false. */
bool walls_take_down(uint32_t without);

/* --- hold.c ---*/
int hold_run(struct outside *o);

/* --- controls.c ------------------------------------------------------------------------------------------------------ */
/* Exit status. Only probes whose name begins with `only`, when that is given. */
int controls_run(struct outside *o, const char *only);

#endif
