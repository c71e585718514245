/* home.h - where things live (design: evidence, "Where"), resolved once from options, environment and env file.
 *
 *   --home DIR          -> home=DIR,            runs=DIR/harness-runs
 *   else CTO_HOME       -> home=$CTO_HOME       (default $HERMES_HOME/cto-planb, HERMES_HOME default ~/.hermes),
 *                          runs=$HERMES_HOME/profiles/cto-planb/harness-runs
 * Always: store = home/cto.db, keys = home/keys, locks = home/locks, work = <parent of runs>/work.
 * Directories are 0700. A home on a network filesystem (nfs, cifs, smb, 9p, fuse, afs, ceph, ...) is refused.
 */
#ifndef CTO_SUPERVISOR_HOME_H
#define CTO_SUPERVISOR_HOME_H

#include <limits.h>
#include <stdbool.h>

#include "common/err.h"

struct home {
    char home[PATH_MAX], store[PATH_MAX], locks[PATH_MAX], runs[PATH_MAX], work[PATH_MAX];
    char cases[PATH_MAX];   /* --cases, else installed data, else the source tree */
    char libexec[PATH_MAX]; /* where worker, inspect and fake-agent were found */
};

struct home_options {
    const char *home, *cases, *env_file; /* NULL when not given */
};

/* Is this what `--home DIR` gives? Then a report may say so; the layout of CTO_HOME and HERMES_HOME is another, and the command
 * to reproduce a run under it names no home. */
bool home_is_one_directory(const struct home *h);

/* The cases that there are without --cases. */
int home_default_cases(char ret[PATH_MAX], struct err *e);
/* Where the other programs of this one are. */
int home_default_libexec(char ret[PATH_MAX], struct err *e);
/* Resolves; creates nothing. */
int home_resolve(struct home *ret, const struct home_options *o, struct err *e);
/* The kind of filesystem that another host may also mount, or NULL: then one kernel orders all that happens there. */
const char *home_network_filesystem(const char *path);
/* Creates what is missing and checks filesystem and writability. For commands that write. */
int home_prepare(const struct home *h, struct err *e);

#endif
