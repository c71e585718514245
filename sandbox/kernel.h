/* kernel.h - system calls and constants that a C library or its kernel headers may be too old to know.
 *
 * Raw calls on purpose: the launcher is built with whichever static libc starts fastest, and none but the newest has
 * these. Numbers from 424 on are the same on every architecture.
 */
#ifndef CTO_SANDBOX_KERNEL_H
#define CTO_SANDBOX_KERNEL_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum {
    NR_PIDFD_SEND_SIGNAL = 424,
    NR_OPEN_TREE = 428,
    NR_MOVE_MOUNT = 429,
    NR_FSOPEN = 430,
    NR_FSCONFIG = 431,
    NR_FSMOUNT = 432,
    NR_PIDFD_OPEN = 434,
    NR_CLONE3 = 435,
    NR_CLOSE_RANGE = 436,
    NR_MOUNT_SETATTR = 442,
    NR_LANDLOCK_CREATE_RULESET = 444,
    NR_LANDLOCK_ADD_RULE = 445,
    NR_LANDLOCK_RESTRICT_SELF = 446,
};

/* linux/mount.h, which cannot be included beside sys/mount.h */
#define K_OPEN_TREE_CLONE 1u
#define K_OPEN_TREE_CLOEXEC ((unsigned)O_CLOEXEC)
#define K_AT_RECURSIVE 0x8000u
#define K_AT_NO_AUTOMOUNT 0x800u
#define K_FSOPEN_CLOEXEC 1u
#define K_FSMOUNT_CLOEXEC 1u
#define K_FSCONFIG_SET_STRING 1u
#define K_FSCONFIG_CMD_CREATE 6u
#define K_MOVE_MOUNT_F_EMPTY_PATH 0x04u
#define K_MOVE_MOUNT_T_EMPTY_PATH 0x40u
#define K_MOUNT_RDONLY 0x1u
#define K_MOUNT_NOSUID 0x2u
#define K_MOUNT_NODEV 0x4u
#define K_MOUNT_NOEXEC 0x8u
#define K_MS_PRIVATE (1u << 18)

struct k_mount_attr {
    uint64_t set, clear, propagation, userns_fd;
};

/* linux/sched.h: struct clone_args, as of 5.7 */
struct k_clone_args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};
#define K_CLONE_CLEAR_SIGHAND UINT64_C(0x100000000)
#define K_CLONE_PIDFD UINT64_C(0x1000)
#define K_CLONE_INTO_CGROUP UINT64_C(0x200000000)
#define K_P_PIDFD 3

static inline int k_open_tree(int dir, const char *path, unsigned flags) {
    return (int)syscall(NR_OPEN_TREE, dir, path, flags);
}
static inline int k_move_mount(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
    return (int)syscall(NR_MOVE_MOUNT, from_dir, from, to_dir, to, flags);
}
static inline int k_fsopen(const char *type, unsigned flags) { return (int)syscall(NR_FSOPEN, type, flags); }
static inline int k_fsconfig(int fs, unsigned cmd, const char *key, const char *value) {
    return (int)syscall(NR_FSCONFIG, fs, cmd, key, value, 0);
}
static inline int k_fsmount(int fs, unsigned flags, unsigned attrs) {
    return (int)syscall(NR_FSMOUNT, fs, flags, attrs);
}
static inline int k_mount_setattr(int dir, const char *path, unsigned flags, const struct k_mount_attr *a) {
    return (int)syscall(NR_MOUNT_SETATTR, dir, path, flags, a, sizeof *a);
}
static inline int k_pidfd_open(pid_t pid) { return (int)syscall(NR_PIDFD_OPEN, pid, 0); }
static inline int k_pidfd_send_signal(int pidfd, int sig) {
    return (int)syscall(NR_PIDFD_SEND_SIGNAL, pidfd, sig, NULL, 0);
}
static inline int k_close_range(unsigned first, unsigned last) { return (int)syscall(NR_CLOSE_RANGE, first, last, 0); }
static inline pid_t k_clone3(const struct k_clone_args *a) { return (pid_t)syscall(NR_CLONE3, a, sizeof *a); }

#endif
