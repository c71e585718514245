/* project.c - see project.h. */
#include "worker/project.h"

#include <fcntl.h>

#include "common/io.h"

#define SLACK_BYTES (UINT64_C(1) << 20)
#define SLACK_INODES 16

int project_make(struct project *p, const struct limits *l, int parent, const char *name, int64_t uid, struct err *e) {
    *p = (struct project){0};
    if (!l->quota) return 0;
    const uint32_t id = (uint32_t)uid;
    AUTO_FD int dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0) return err_sys(e, "open %s", name);
    if (quota_join(dir, id, e) < 0 || quota_use(dir, id, &p->before, e) < 0) return err_ctx(e, "quota of %s", name);
    p->id = id;
    return 0;
}

int project_hold(const struct project *p, const struct limits *l, int dir, struct err *e) {
    if (p->id == 0) return 0;
    const struct quota_use limit = {p->before.bytes + l->v[LIMIT_disk_bytes] + SLACK_BYTES,
                                    p->before.inodes + l->v[LIMIT_inodes] + SLACK_INODES};
    return quota_limit(dir, p->id, limit, e);
}

void project_let_go(const struct project *p, int dir) {
    if (p->id != 0) (void)quota_limit(dir, p->id, (struct quota_use){0, 0}, NULL);
}

int project_use(const struct project *p, int dir, struct quota_use *ret) {
    struct quota_use now;
    if (quota_use(dir, p->id, &now, NULL) < 0) return -1;
    ret->bytes = now.bytes > p->before.bytes ? now.bytes - p->before.bytes : 0;
    ret->inodes = now.inodes > p->before.inodes ? now.inodes - p->before.inodes : 0;
    return 0;
}
