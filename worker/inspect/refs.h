/* refs.h - HEAD of a hostile repository, read by hand: beneath the workspace, no links, no blocking, one symref. */
#ifndef CTO_WORKER_INSPECT_REFS_H
#define CTO_WORKER_INSPECT_REFS_H

#include <git2.h>

enum head_state {
    HEAD_OID,       /* oid is set */
    HEAD_UNBORN,    /* HEAD names a branch that does not exist */
    HEAD_UNREADABLE /* anything else; why says what */
};
struct head {
    enum head_state state;
    git_oid oid;
    char why[256]; /* for UNBORN and UNREADABLE: a phrase, printable */
};

/* Never fails: what cannot be read is a state. */
void refs_read_head(int ws_fd, struct head *ret);

#endif
