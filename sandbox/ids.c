/* ids.c - who we are to the kernel: the mode, the user namespace of an ordinary user, the unprivileged uid of root
 * mode.
 *
 * root mode: uid 0 of the initial user namespace is host root whatever other namespaces say, so a program must get
 * another kernel uid. ordinary user: one id is mapped, to an inner id that is not 0, so that nothing inside takes
 * itself for root. Supplementary groups stay, since nobody may give up a group that could deny: they open nothing but
 * what the binds show.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/io.h"
#include "sandbox/internal.h"

/* include/linux/proc_ns.h: the initial user namespace always has this number. */
#define INITIAL_USERNS_INO 0xEFFFFFFDu

static bool entered; /* this process, or the one it was forked from, made the user namespace it is in */

bool ids_entered(void) { return entered; }

enum jail_mode jail_mode(void) {
    struct stat st;
    if (!caps_have(CAP_SYS_ADMIN) || !caps_have(CAP_SETUID) || !caps_have(CAP_SETGID)) return JAIL_MODE_USER;
    if (stat("/proc/self/ns/user", &st) < 0 || st.st_ino != INITIAL_USERNS_INO) return JAIL_MODE_USER;
    return JAIL_MODE_ROOT;
}

static int write_proc(const char *path, const char *text, struct err *e) {
    AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return mechanism_err(e, JAIL_M_USERNS, path);
    const ssize_t n = write(fd, text, strlen(text));
    return n < 0 ? mechanism_err(e, JAIL_M_USERNS, path) : 0;
}

static int write_maps(uid_t uid, gid_t gid, struct err *e) {
    char line[64];
    /* Without CAP_SETGID outside, a gid map is accepted only once setgroups is off: else one could leave a group
     * that denies. */
    if (write_proc("/proc/self/setgroups", "deny", e) < 0) return -1;
    snprintf(line, sizeof line, "%d %u 1", JAIL_INNER_UID, (unsigned)uid);
    if (write_proc("/proc/self/uid_map", line, e) < 0) return -1;
    snprintf(line, sizeof line, "%d %u 1", JAIL_INNER_UID, (unsigned)gid);
    return write_proc("/proc/self/gid_map", line, e);
}

int ids_enter_user_namespace(int more_flags, struct err *e) {
    const uid_t uid = geteuid();
    const gid_t gid = getegid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | more_flags) < 0) {
        return mechanism_err(e, JAIL_M_USERNS,
                             errno == EINVAL ? "unshare (a caller with threads, or a kernel without them)" : "unshare");
    }
    /* Files in /proc of a process that is not dumpable belong to root, and the maps could not be written. */
    const int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    if (dumpable == 0) prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    const int rc = write_maps(uid, gid, e);
    if (dumpable == 0) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (rc < 0) return -1;
    /* Some distributions let anybody make a user namespace and then give no power in it. */
    if (!caps_have(CAP_SYS_ADMIN))
        return err_set(e, ERR_UNSUPPORTED,
                       "user namespace: it gives no capabilities (restricted by a security module?)");
    entered = true;
    return 0;
}

int ids_become(uid_t uid, struct err *e) {
    const gid_t gid = (gid_t)uid;
    if (uid == 0) return err_set(e, ERR_USAGE, "unprivileged uid: 0 is not one");
    if (setgroups(0, NULL) < 0) return mechanism_err(e, JAIL_M_SETUID, "setgroups");
    if (syscall(SYS_setresgid, gid, gid, gid) < 0) return mechanism_err(e, JAIL_M_SETUID, "setresgid");
    if (syscall(SYS_setresuid, uid, uid, uid) < 0) return mechanism_err(e, JAIL_M_SETUID, "setresuid");
    uid_t r, f, s;
    gid_t gr, gf, gs;
    if (getresuid(&r, &f, &s) < 0 || getresgid(&gr, &gf, &gs) < 0 || getgroups(0, NULL) != 0 || r != uid || f != uid ||
        s != uid || gr != gid || gf != gid || gs != gid)
        return err_set(e, ERR_UNSUPPORTED, "unprivileged uid: the kernel did not take %u", (unsigned)uid);
    return 0;
}
