/* slots.c - see slots.h. The lock files stay: removing one while another process opens it would give two owners. */
#include "supervisor/slots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "common/quota.h"

#define SLOT_DIR "/run/cto-harness-uids"
#define INITIAL_USERNS_INO 0xEFFFFFFDu /* include/linux/proc_ns.h */

static int open_dir(struct err *e) {
    struct stat st;
    if (mkdir(SLOT_DIR, 0700) < 0 && errno != EEXIST) return err_sys(e, "mkdir " SLOT_DIR);
    int fd = open(SLOT_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return err_sys(e, "open " SLOT_DIR);
    if (fstat(fd, &st) == 0 && st.st_uid == 0 && (st.st_mode & 022) == 0) return fd;
    close(fd);
    return err_set(e, ERR_USAGE, SLOT_DIR " is not root's own: remove it");
}

/* Root of a user namespace (a rootless container) is an ordinary user to the host: it has no uids to give away, and its jails are
 * those of an ordinary user. sandbox/ids.c, which this side may not ask, decides by the same sign. */
static bool host_root(void) {
    struct stat st;
    return geteuid() == 0 && stat("/proc/self/ns/user", &st) == 0 && st.st_ino == INITIAL_USERNS_INO;
}

/* The lock of one slot. -1: error; -2: somebody holds it. */
static int lock_slot(int dir, unsigned slot, struct err *e) {
    char name[16];
    struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    snprintf(name, sizeof name, "%u", slot);
    const int fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return err_sys(e, "open " SLOT_DIR "/%s", name);
    if (fcntl(fd, F_OFD_SETLK, &fl) == 0) return fd;
    close(fd);
    return -2;
}

int slot_claim(struct slot *ret, struct err *e) {
    *ret = (struct slot){.lock_fd = -1, .engine_uid = -1, .verifier_uid = -1};
    if (!host_root()) return 0;
    AUTO_FD int dir = open_dir(e);
    if (dir < 0) return -1;
    static unsigned start; /* spreads the search; locks decide */
    for (unsigned i = 0; i < SLOT_COUNT; i++) {
        unsigned slot = (start + i) % SLOT_COUNT;
        int fd = lock_slot(dir, slot, e);
        if (fd == -2) continue;
        if (fd < 0) return -1;
        start = slot + 1;
        *ret = (struct slot){fd, SLOT_UID_BASE + 2 * (int64_t)slot, SLOT_UID_BASE + 2 * (int64_t)slot + 1};
        return 0;
    }
    return err_set(e, ERR_LIMIT, "all %d uid slots of this host are in use", SLOT_COUNT);
}

void slot_release(struct slot *s) {
    if (s->lock_fd >= 0) close(s->lock_fd);
    s->lock_fd = -1;
}

static void forget_project(int work, const char *name, const struct slot *own) {
    AUTO_FD int dir = openat(work, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    const uint32_t id = dir < 0 ? 0 : quota_project(dir);
    if (id < SLOT_UID_BASE || id >= SLOT_UID_BASE + 2 * SLOT_COUNT) return;
    const bool ours = own && (id == own->engine_uid || id == own->verifier_uid);
    AUTO_FD int slots = ours ? -1 : open_dir(NULL);
    AUTO_FD int lock = slots < 0 ? -1 : lock_slot(slots, (id - SLOT_UID_BASE) / 2, NULL);
    if (ours || lock >= 0) (void)quota_limit(dir, id, (struct quota_use){0, 0}, NULL);
}

void slot_forget_projects(int at, const char *name, const struct slot *own) {
    if (!host_root()) return;
    AUTO_FD int work = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (work < 0) return;
    forget_project(work, "ws", own);
    AUTO_FD int check = openat(work, "check", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (check >= 0) forget_project(check, "ws", own);
}
