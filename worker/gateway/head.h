/* head.h - may this request be answered at all: its line and its headers, before a byte of its body is read. Pure.
 *
 * libmicrohttpd parses; it is more lenient than a proxy may be (0.9.75 takes two lengths, and a length with chunked), so what it
 * found is looked at once more, against a short list of what is right.
 */
#ifndef CTO_WORKER_GATEWAY_HEAD_H
#define CTO_WORKER_GATEWAY_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/msg.h"

#define HEAD_FIELDS_MAX 100

struct head_field {
    const char *name, *value;
    size_t name_len, value_len;
};
struct head {
    const char *method, *target, *version; /* as they stand in the request line */
    const struct head_field *fields;
    size_t n;
    size_t bytes_max; /* of all together */
    uint64_t body_max;
};
struct head_answer {
    enum gw_path path;
    enum gw_outcome outcome; /* OK: go on. REFUSED_PATH, REFUSED_REQUEST */
    unsigned status;         /* when it is refused */
    const char *why;         /* a sentence, static */
    uint64_t length;         /* Content-Length; 0: none or chunked */
};
struct head_answer head_check(const struct head *h);
/* The path alone, for a request that ended before its headers were whole. */
enum gw_path head_path(const char *target);

#endif
