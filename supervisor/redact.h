/* redact.h - known values are found in streams of bytes, in any usual encoding, and replaced before anybody keeps them.
 *
 * What the harness was given as an endpoint or a credential is searched byte by byte:
 *
 *   as it is, and byte for byte in any mixture of %XX (also %25XX), \uXXXX, \xXX, \ooo and \c (after up to four backslashes: text in
 *   text), hexadecimal digits of either case
 *   in base64 at its three alignments, both alphabets
 *   in hexadecimal digits without anything between the bytes
 *
 * The last two also when lines were broken in it, as base64(1) and xxd(1) do, and when those lines stand in a diff or in a JSON text. Not
 * found is what was compressed, encrypted, spelled backwards: this keeps a value out of logs, it does not stop somebody who may send.
 *
 * A position is decided when no more bytes can change the decision: the leftmost match, of those the longest. So the result does not
 * depend on where the stream was cut. What is not yet decided is carried, at most redactor_span() bytes; a stream is flushed at its end.
 *
 * Pure: no file, no clock. A redactor is immutable and may be shared by threads; a stream belongs to one of them.
 */
#ifndef CTO_SUPERVISOR_REDACT_H
#define CTO_SUPERVISOR_REDACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define REDACT_VALUE_MIN 8
#define REDACT_VALUE_MAX 2048
#define REDACT_VALUES_MAX 12
#define REDACT_NAME_MAX 40

struct redact_value {
    const char *name, *value;
};

/* May it be a known value? Not one that is too short to be told from other text, a placeholder (EMPTY), made of small letters alone as
 * the words of our own reports are, or of bytes that no address and no key has. ERR_USAGE, a sentence that names `name` and never a byte of the value. */
int redact_value_check(const char *name, const char *value, struct err *e);

struct redactor; /* opaque */
/* Copies. The same value twice is one; several values may have one name. n == 0 is a redactor that finds nothing. */
int redactor_new(const struct redact_value *v, size_t n, struct redactor **ret, struct err *e);
void redactor_free(struct redactor *r);       /* NULL is fine */
int redactor_names(const struct redactor *r); /* distinct, at most REDACT_VALUES_MAX; 0 for NULL */
const char *redactor_name(const struct redactor *r, int i);
/* One more name, without a value: for counts that somebody else made. -1: there is no room, or it is no name. */
int redactor_add_name(struct redactor *r, const char *name);
size_t redactor_span(const struct redactor *r); /* the longest spelling of the longest value */

struct redact_stream; /* opaque */
typedef int (*redact_emit_fn)(void *ctx, const void *p, size_t n, struct err *e);
struct redact_stream *redact_stream_new(const struct redactor *r);
void redact_stream_free(struct redact_stream *s); /* NULL is fine; what was carried is lost */
/* Hands what is decided to emit() in pieces of at least one byte, each value as "[redacted:NAME]". An error is emit()'s; what it was
 * given is gone then. */
int redact_feed(struct redact_stream *s, const void *p, size_t n, redact_emit_fn emit, void *ctx, struct err *e);
/* The stream ends here: decides all that is left. Fed again it begins anew, its counts go on. */
int redact_flush(struct redact_stream *s, redact_emit_fn emit, void *ctx, struct err *e);
uint64_t redact_found(const struct redact_stream *s, int name);
/* Adds what was found so far to found[] and begins again at zero. */
void redact_take_found(struct redact_stream *s, uint64_t *found);
uint64_t redact_found_any(const struct redact_stream *s);

/* A whole text at once. NULL: there is nothing in it; else malloc'd, NUL-terminated. found[] (one for each name, may be NULL) is added
 * to. `r` may be NULL. */
char *redact_text(const struct redactor *r, const void *p, size_t n, size_t *ret_n, uint64_t *found);

#endif
