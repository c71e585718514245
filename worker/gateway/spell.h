/* spell.h - secrets that a model's server spells over several events of a stream: each event holds a few letters, whoever joins them as
 * every client does has the value, and no reader of bytes has seen it. The texts of an event's strings are joined with those of the events
 * before, a row for each key, and the key and the known values of the configuration are looked for across their borders.
 *
 * Not the endpoint: models write addresses, also that one when it is as common as localhost:8000, and the supervisor finds it in whatever
 * the agent makes of it. Rows are few (ROWS); calls of several tools at once share one, and what is spelled in turns by them is not found.
 */
#ifndef CTO_WORKER_GATEWAY_SPELL_H
#define CTO_WORKER_GATEWAY_SPELL_H

#include "worker/gateway/redact.h"

#define SPELL_LEAST 4 /* that many letters of a value, and it may be one: what holds them waits until that is decided */

struct spell;
/* NULL: out of memory. */
struct spell *spell_new(const struct redact *r);
void spell_free(struct spell *s);
/* A piece of a string, decoded, of the event that is read. */
void spell_put(struct spell *s, unsigned depth, const char *key, const void *p, size_t n);
/* The event has ended. */
void spell_event(struct spell *s);
enum spelled { SPELL_NOTHING, SPELL_BEGINNING, SPELL_VALUE };
enum spelled spell_look(struct spell *s);

#endif
