/* refs.h - HEAD of a hostile repository, read by hand: beneath the workspace, no links, no blocking, one symref. */
#ifndef CTO_WORKER_INSPECT_REFS_H
#define CTO_WORKER_INSPECT_REFS_H

#include <git2.h>

#include "common/buf.h"
#include "common/err.h"

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

/* A small file of the agent's .git: beneath, no links, no blocking, regular, at most `max` bytes. 1: read; 0: it does not
 * exist; -1: it is something that we do not read. */
int refs_read_plain(int ws_fd, const char *path, size_t max, struct buf *out, struct err *e);

#endif
