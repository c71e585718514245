/* jailed.h - runs one program in a jail of its own and says how it ended: the part that engine, dirty start and
 * verification have in common. */
#ifndef CTO_WORKER_JAILED_H
#define CTO_WORKER_JAILED_H

#include "sandbox/jail.h"
#include "worker/denied.h"
#include "worker/worker.h"

#define JAILED_HITS 2

struct ending {
    enum end_kind kind;
    int code;
    bool started; /* exec has happened */
    bool ours;    /* ended by our kill */
    unsigned stop_reason;
    uint64_t cpu_us, max_rss_kib, processes, output_bytes, dropped_bytes, duration_us;
    char detail[ERR_TEXT_MAX];
    struct limit_hit hits[JAILED_HITS]; /* what ended it, and the cap on its output */
    int n_hits;
};

struct jailed {
    struct jail_spec spec;         /* std fds are filled in here; limits and loopback come from the run's spec */
    enum out_stream out, err;      /* equal: both go into one pipe, in order; 0: to /dev/null */
    const char *workspace;         /* its write root in our own root, for the watchdog */
    const struct project *project; /* that root's */
    struct inspector *watch;       /* read while the program lives; NULL: none */
    bool stoppable;
    uint64_t ask_us;         /* see struct pump; with spec.stop_signal */
    int input;               /* its stdin, owned by the caller; 0: /dev/null */
    uint64_t timeout_us;     /* 0: none */
    enum denied_by observed; /* refused calls are told to the supervisor as this one's; 0: not */
    int command;             /* index of the verification command */
    /* Called right after the exec. */
    void (*on_started)(struct worker *w, const struct jail *j);
    struct denied denied; /* own */
};

/* A program that cannot be found or a jail that cannot be built is an ending, not an error; ERR_UNSUPPORTED (the host
 * lacks a mechanism) is an error. Fills run-wide members of j->spec. */
int jailed_run(struct worker *w, struct jailed *j, struct ending *ret, struct err *e);
/* LIMIT frames for what was hit, before the frame that says how it ended. */
void jailed_tell_limits(struct worker *w, unsigned index, const struct ending *end);

#endif
