/* engine_places.h - the places in the words of an engine file: "{task}" and so on, and what stands there in a run.
 *
 *   {task}         the task's text as a file          {workspace}    the repository
 *   {home} {state} directories of its own, empty      {tmp}          likewise
 *   {program}      what the setting BIN names         {interpreter}  what reads it
 *   {model}        the admitted model's name          {base_url}     where the gateway answers it, with the path /v1
 *   {port}         of that                            {key}          a dummy: what an agent has to send when it wants to send one
 *
 * All of them are paths inside the jail, or values that are no secret; there is no place for an endpoint or for a real key, because
 * nothing of those is ever in a jail. "{{" is one brace; a brace that begins no place ("{" and lower-case letters and "}") is itself,
 * so that JSON needs no quoting.
 */
#ifndef CTO_SUPERVISOR_ENGINE_PLACES_H
#define CTO_SUPERVISOR_ENGINE_PLACES_H

#include <stdint.h>

#include "common/buf.h"

#define ENGINE_GATEWAY_PORT 8791 /* in the engine's own network namespace, where nobody else listens */
#define ENGINE_GATEWAY_KEY "cto-harness-dummy-key"

#define ENGINE_PLACES(X) \
    X(task) X(workspace) X(home) X(state) X(tmp) X(program) X(interpreter) X(model) X(base_url) X(port) X(key)
enum engine_place {
#define X(name) PLACE_##name,
    ENGINE_PLACES(X)
#undef X
        PLACE_COUNT
};
#define PLACE_BIT(name) (1u << PLACE_##name)
#define PLACES_OF_MODEL (PLACE_BIT(model) | PLACE_BIT(base_url) | PLACE_BIT(port) | PLACE_BIT(key))

struct engine_places {
    const char *value[PLACE_COUNT]; /* NULL: there is none in this run */
};

/* Those that are the same in every run; the rest is NULL. */
struct engine_places engine_places_fixed(void);
/* Which places the text has, as bits. -1: it has one that there is not; `unknown` gets its name, cut. */
int engine_places_used(const char *text, unsigned *ret, char unknown[32]);
/* Adds the text with its places filled in. A place without a value is empty. */
void engine_places_fill(struct buf *b, const char *text, const struct engine_places *p);

#endif
