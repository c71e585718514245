/* internal.h - what the files of sandbox/ share with each other and with nobody else.
 *
 * Everything here runs either in the caller of jail.h or in pid 1 of a jail between clone and exec. The latter is a
 * copy of a process that may have had threads: no malloc, no stdio, no locks there; only system calls and err_set().
 */
#ifndef CTO_SANDBOX_INTERNAL_H
#define CTO_SANDBOX_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "sandbox/jail.h"
#include "sandbox/testing.h"

/* --- profile.c ---------------------------------------------------------------------------------------------------- */
struct sock_filter;
struct profile {
    const char *name;
    const struct sock_filter *filter;
    unsigned short filter_len;
    const char *withheld, *narrowed; /* of struct jail_filter; NULL: none */
    uint32_t required;               /* in both modes; JAIL_M_USERNS and JAIL_M_SETUID are added by mode */
    struct jail_limits limits;
};
const struct profile *profile_get(enum jail_profile p);
struct jail_limits profile_limits(enum jail_profile p, const struct jail_limits *wish);
/* ERR_UNSUPPORTED "mechanism: what: strerror(errno)", so that the reader knows what this host lacks; ERR_SYS when
 * errno says that it was only a matter of memory or descriptors. Returns -1. */
int mechanism_err(struct err *e, enum jail_mechanism m, const char *what);

/* --- mounts.c: detached mount trees, made by the parent ----------------------------------------------------------- */
#define TREES_MAX 192
struct tree {
    int fd;             /* of open_tree(CLONE): attached nowhere yet */
    const char *target; /* borrowed; absolute, inside */
    bool is_dir, writable, no_exec;
    bool device;
    bool standard; /* one of ours: the mount point is known and needs no careful walk */
};
#define USR_LINKS 6
struct trees {
    struct tree v[TREES_MAX];
    size_t n;
    char usr_links[USR_LINKS][64]; /* where usr_links[i] leads on this host; "": not a link */
};
/* For a jail or (worker) a root of its own: /usr and its links, /dev nodes, parts of /etc, then the binds, parents before
 * children. On failure nothing is left open. */
int trees_open(struct trees *t, const struct jail_bind *binds, size_t n, bool worker, struct err *e);
void trees_close(struct trees *t);
/* Is anything bound at or below /tmp? Then /tmp is a mount of its own instead of a link into scratch. */
bool trees_use_tmp(const struct trees *t);
/* "/bin", "/lib64", ...: symbolic links in a host with merged /usr; they become links inside too. */
extern const char *const usr_links[USR_LINKS];

/* --- root.c: the minimal root, made by pid 1 or by jail_enter ----------------------------------------------------- */
struct root_plan {
    const struct trees *trees;
    bool worker; /* no scratch and no /proc of its own */
    uid_t uid;
    int scratch; /* of scratch_make() */
};
/* The scratch tmpfs with its directories, attached nowhere yet. Made by the parent, which so can see how full it is. */
int scratch_make(const struct jail_limits *l, bool set_owner, uid_t uid, struct err *e);
/* While nobody else has it: no name in it is a link. */
int scratch_seed(int scratch, const struct jail_seed *seeds, size_t n, bool set_owner, uid_t uid, struct err *e);
int root_build(const struct root_plan *p, struct err *e);
int root_new_tmpfs(uint64_t bytes, uint64_t inodes, struct err *e); /* a detached, empty one */

/* --- landlock.c --------------------------------------------------------------------------------------------------- */
struct landlock {
    int fd, abi;
    uint64_t fs, net, scope; /* handled */
};
enum landlock_access { LL_READ = 1, LL_WRITE = 2, LL_EXEC = 4, LL_LIST = 8, LL_DEVICE = 16 };
int landlock_open(struct landlock *l, bool with_net, struct err *e);
/* `access` of LL_*; bits that make no sense for what lies at `path` are left out. */
int landlock_allow(const struct landlock *l, const char *path, unsigned access, struct err *e);
int landlock_allow_connect(const struct landlock *l, uint16_t port, struct err *e);
int landlock_restrict(const struct landlock *l, struct jail_report *r, struct err *e);
int landlock_jail_rules(const struct landlock *l, const struct trees *t, struct err *e);

/* --- the small ones ----------------------------------------------------------------------------------------------- */
int seccomp_install(enum jail_profile p, struct jail_report *r, struct err *e);
/* The same, and refusals ask a listener. *ret_listener -1: it cannot be had here, the plain filter is in force. */
int seccomp_install_observed(enum jail_profile p, struct jail_report *r, int *ret_listener, struct err *e);
const char *syscall_name(int nr);

/* denials.c */
int denials_send_listener(int socket, int listener, struct err *e);
int denials_take_listener(int socket, struct err *e);
void denials_serve(int listener, struct jail_denials *d, const struct jail_observer *o);
int rlimits_apply(const struct jail_limits *l, struct err *e);
int no_new_privs(struct jail_report *r, struct err *e);
void forget_keyring(void);

/* caps.c */
int caps_empty_bounding(struct err *e);
int caps_drop_all(
    struct err *e); /* ambient, permitted, effective, inheritable, and the bounding set if it may; verified */
int caps_keep_only(uint64_t mask, struct err *e); /* what of `mask` is held stays; nothing else, also not bounding */
bool caps_have(unsigned cap);
/* ids.c */
int ids_enter_user_namespace(int more_flags, struct err *e); /* unshare(NEWUSER|NEWNS|more), one id mapped */
bool ids_entered(void);
int ids_become(uid_t uid, struct err *e); /* root mode: groups, gid, uid; verified */

/* netdev.c */
int loopback_up(struct err *e);
int loopback_listen(const struct jail_listener *l, struct err *e);

/* init.c: pid 1 */
enum status_kind { STATUS_FAILED = 1, STATUS_STARTED, STATUS_ENDED };
/* One write of it is atomic (smaller than PIPE_BUF), so a reader gets whole records. */
struct status {
    enum status_kind kind;
    struct jail_report report; /* STARTED */
    struct jail_end end;       /* ENDED; FAILED with SETUP_FAILED or EXEC_FAILED */
};
struct init_args {
    const struct jail_spec *spec;
    enum jail_mode mode;
    uint32_t required;
    struct jail_limits limits;
    const struct trees *trees;
    int status_r, status_w; /* the parent's end is closed first of all */
    int notify;             /* socket to which the listener goes; -1: no observer */
    int parent;             /* pidfd of the parent */
    int scratch;
    const struct cgroup *group; /* to be entered first of all; NULL: none */
};
void init_run(const struct init_args *a) __attribute__((noreturn));

/* exec.c */
int exec_program(const char *const *argv, const char *const *envp); /* returns an errno; vfork-safe */

#endif
