/* slots.c - see slots.h. The lock files stay: removing one while another process opens it would give two owners. */
#include "supervisor/slots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"

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

int slot_claim(struct slot *ret, struct err *e) {
    *ret = (struct slot){.lock_fd = -1, .engine_uid = -1, .verifier_uid = -1};
    if (!host_root()) return 0;
    AUTO_FD int dir = open_dir(e);
    if (dir < 0) return -1;
    static unsigned start; /* spreads the search; locks decide */
    for (unsigned i = 0; i < SLOT_COUNT; i++) {
        unsigned slot = (start + i) % SLOT_COUNT;
        char name[16];
        snprintf(name, sizeof name, "%u", slot);
        int fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0) return err_sys(e, "open " SLOT_DIR "/%s", name);
        struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        if (fcntl(fd, F_OFD_SETLK, &fl) == 0) {
            start = slot + 1;
            *ret = (struct slot){fd, SLOT_UID_BASE + 2 * (int64_t)slot, SLOT_UID_BASE + 2 * (int64_t)slot + 1};
            return 0;
        }
        close(fd);
    }
    return err_set(e, ERR_LIMIT, "all %d uid slots of this host are in use", SLOT_COUNT);
}

void slot_release(struct slot *s) {
    if (s->lock_fd >= 0) close(s->lock_fd);
    s->lock_fd = -1;
}
