/* status_json.h - the launcher's --json-status and --log-denied: how a jail ended and what it was, as one line of JSON. */
#ifndef CTO_SANDBOX_STATUS_JSON_H
#define CTO_SANDBOX_STATUS_JSON_H

#include "common/buf.h"
#include "sandbox/jail.h"

struct status_json {
    const char *kind; /* "exited", "signalled", "killed", "timed_out", "out_of_memory", "exec_failed", "setup_failed" */
    int code;
    const struct jail_spec *spec;
    const struct jail *jail; /* NULL: none was started */
    const struct jail_end *end;
};

/* Written in one go: {"kind", "code", "cpu_us", "max_rss_kib", "processes", "profile", "mode", "mechanisms": [..],
 * "landlock_abi", "limits": {..}, "limit_hit": name|null, "denied": {"observed", "total", "calls": [..]}|null} */
void status_json_write(int fd, const struct status_json *s);
/* One refused call: {"syscall", "count", "arguments": ["0x..", ..]}. */
void status_json_denied(int fd, const struct jail_denial *d);
/* Quotes: our own words and strerror's, so only what JSON needs is escaped. */
void status_json_text(struct buf *b, const char *s);

#endif
