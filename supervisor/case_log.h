/* case_log.h - what Case says of its own agents, found in its output by exact marks. Nothing is parsed: these are claims of a program
 * that an agent may have taken over. So they count in one direction only: a mark can make a verdict worse, none makes it better,
 * and a log that was not read to its end is held against the run.
 *
 * Colours do not hide a mark: escape sequences of terminals are left out before anything is compared.
 */
#ifndef CTO_SUPERVISOR_CASE_LOG_H
#define CTO_SUPERVISOR_CASE_LOG_H

#include <stddef.h>
#include <stdint.h>

enum case_mark {
    CASE_MARK_REVIEWER = 1, /* the pipeline ended at the reviewer */
    CASE_MARK_PROTOCOL = 2, /* an agent gave no result envelope */
    CASE_MARK_UNREAD = 4,   /* more than is looked at, or not readable */
};

#define CASE_LOG_MAX (16u << 20) /* of each stream */

/* The kept end of what came before is longer than any mark. */
#define CASE_LOG_KEEP 64u
#define CASE_LOG_CHUNK (32u << 10)
struct case_log {
    unsigned marks; /* of enum case_mark */
    uint64_t bytes;
    /* own */
    int escape;
    size_t n;
    char text[CASE_LOG_KEEP + CASE_LOG_CHUNK];
};
void case_log_feed(struct case_log *l, const void *p, size_t n);

/* Both streams of a run directory as they lie there. Returns the marks. */
unsigned case_log_read(const char *run_dir);

#endif
