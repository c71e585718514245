/* quota.c - see quota.h. Through quotactl_fd (Linux 5.14): the older call wants the block device, which a jail does not have. */
#include "common/quota.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/io.h"

#define NR_QUOTACTL_FD 443
#define CMD(c) ((unsigned)(c) << SUBCMDSHIFT | PRJQUOTA)
#define TRIAL "quota-trial"

static int control(int dir, unsigned cmd, uint32_t id, void *data) {
    return (int)syscall(NR_QUOTACTL_FD, dir, cmd, id, data);
}

int quota_join(int dir, uint32_t id, struct err *e) {
    struct fsxattr x;
    if (ioctl(dir, FS_IOC_FSGETXATTR, &x) < 0) return err_sys(e, "project of a directory");
    x.fsx_projid = id;
    x.fsx_xflags |= FS_XFLAG_PROJINHERIT;
    return ioctl(dir, FS_IOC_FSSETXATTR, &x) < 0 ? err_sys(e, "join project %u", id) : 0;
}

uint32_t quota_project(int dir) {
    struct fsxattr x;
    return ioctl(dir, FS_IOC_FSGETXATTR, &x) == 0 ? x.fsx_projid : 0;
}

int quota_use(int dir, uint32_t id, struct quota_use *ret, struct err *e) {
    struct if_dqblk q;
    if (control(dir, CMD(Q_GETQUOTA), id, &q) < 0) return err_sys(e, "usage of project %u", id);
    *ret = (struct quota_use){q.dqb_curspace, q.dqb_curinodes};
    return 0;
}

/* The kernel counts limits in blocks of a KiB. */
int quota_limit(int dir, uint32_t id, struct quota_use limit, struct err *e) {
    struct if_dqblk q = {.dqb_bhardlimit = limit.bytes / QIF_DQBLKSIZE + (limit.bytes % QIF_DQBLKSIZE != 0),
                         .dqb_ihardlimit = limit.inodes,
                         .dqb_valid = QIF_LIMITS};
    return control(dir, CMD(Q_SETQUOTA), id, &q) < 0 ? err_sys(e, "limit of project %u", id) : 0;
}

/* A file system may count and not hold to limits: then this would say nothing. */
static bool enforced(int dir) {
    struct fs_quota_stat s;
    memset(&s, 0, sizeof s);
    s.qs_version = FS_QSTAT_VERSION;
    return control(dir, CMD(Q_XGETQSTAT), 0, &s) == 0 && (s.qs_flags & FS_QUOTA_PDQ_ENFD) != 0;
}

static bool tries(int dir, uint32_t id) {
    struct quota_use use = {0, 0};
    AUTO_FD int fd = openat(dir, TRIAL, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || quota_join(fd, id, NULL) < 0 || quota_use(fd, id, &use, NULL) < 0) return false;
    const bool ok = quota_limit(fd, id, (struct quota_use){use.bytes + (1u << 20), use.inodes + 16}, NULL) == 0;
    return quota_limit(fd, id, (struct quota_use){0, 0}, NULL) == 0 && ok && quota_project(fd) == id;
}

bool quota_usable(int dir, uint32_t id) {
    if (!enforced(dir) || mkdirat(dir, TRIAL, 0700) < 0) return false;
    const bool ok = tries(dir, id);
    return unlinkat(dir, TRIAL, AT_REMOVEDIR) == 0 && ok;
}
