/* hold.c - the world outside, kept open while a whole run of the harness goes on (tests/escape/in_run.sh): prints where the
 * description of the world is and which probes make sense in jails that were built by somebody else, waits for the end of
 * standard input, and then says what changed. No namespaces of our own: the run is on the host.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/escape/escape.h"

#ifdef CTO_SANDBOX_TESTING

/* Those that need no directory given by us, no limit set by us, and no look from outside. */
static bool fits(size_t index, const struct probe *p) {
    static const char *const subjects[] = {"hidden", "proc", "process", "kernel", "sockets", "network", "files"};
    if (!(p->jails & ENGINE) || p->flags & (ALONE | TTY | EXCEPTION)) return false;
    if (strncmp(p->name, "survive-", 8) == 0 || strncmp(p->name, "stdin-", 6) == 0 ||
        strcmp(p->name, "file-of-root") == 0)
        return false;
    const char *subject = probe_subject(index);
    if (strcmp(subject, "files") == 0 && !(p->text && p->text[0] == 'c')) return false;
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++)
        if (strcmp(subject, subjects[i]) == 0) return true;
    return false;
}

static int kept(struct outside *o) {
    char changes[CHANGES_MAX][DETAIL_MAX], byte;
    bool files;
    while (read(0, &byte, 1) > 0) {
    }
    const int n = outside_changes(o, changes, &files);
    for (int i = 0; i < n; i++) printf("%s\n", changes[i]);
    return n;
}

int hold_run(struct outside *o) {
    static struct batch b = {.jail = ENGINE};
    struct err e = ERR_INIT;
    size_t n;
    const struct probe *const *all = probes_all(&n);
    for (size_t i = 0; i < n; i++)
        if (fits(i, all[i])) b.index[b.n++] = i;
    if (outside_note(o, &b, &e) < 0 || driver_publish(o, &b, &e) < 0) {
        fprintf(stderr, "escape: %s\n", e.text);
        return 4;
    }
    printf("%s/world/world\n", outside_world(o)->dir);
    for (size_t i = 0; i < b.n; i++) printf("%zu\n", b.index[i]);
    fflush(stdout);
    return kept(o) == 0 ? 0 : 1;
}

#endif
