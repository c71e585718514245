/* outside.h - what world.c (making it) and facts.c (looking at it) share. */
#ifndef CTO_TESTS_ESCAPE_OUTSIDE_H
#define CTO_TESTS_ESCAPE_OUTSIDE_H

#include "tests/escape/escape.h"

#define FACTS_MAX 48
struct fact {
    const char *name;
    uint64_t digest;
};

struct outside {
    struct world w;
    bool apart;       /* as root, in namespaces of its own */
    uid_t kernel_uid; /* what the program in the jail is to the kernel */
    int lifeline;     /* the helper removes everything when it hangs up */
    pid_t helper;
    int listeners[8], n_listeners;
    int pipe_r; /* reading end of w.leaked */
    int tty_master, tty_slave, stdin_fd;
    int shm, sem, queue;
    struct fact facts[FACTS_MAX];
    int n_facts;
};

/* facts.c: looks at everything, into o->facts. */
void facts_take(struct outside *o, struct fact facts[FACTS_MAX], int *n);

#endif
