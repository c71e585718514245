/* run_look.h - a run directory as a stranger looks at it: what validators ask of evidence, from the files alone. */
#ifndef CTO_SUPERVISOR_COMMANDS_RUN_LOOK_H
#define CTO_SUPERVISOR_COMMANDS_RUN_LOOK_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "common/json.h"

/* A document in the directory; NULL: it cannot be read, or is none. */
cJSON *run_look_json(const char *dir, const char *name);
bool run_look_file(const char *dir, const char *name); /* is there, a regular one */
bool run_look_empty(const char *dir, const char *name);
bool run_look_marker(const char *dir, const char *name); /* backend/NAME */
/* Every file that each run has, whatever came of it; *ret_missing is the first that is not there. */
bool run_look_complete(const char *dir, const char **ret_missing);

/* The lines of a JSON-lines file as a list; the caller owns it. */
cJSON *run_look_lines(const char *dir, const char *name);
/* The types of a run's events, each followed by a blank. */
void run_look_types(const char *dir, char *out, size_t size);
/* Which line the first event of this type is, from 0; -1: there is none. */
int run_look_event(const cJSON *events, const char *type);
const cJSON *run_look_data(const cJSON *events, const char *type); /* of the first; NULL */
/* Does an event of this type carry the reason? */
bool run_look_carries(const char *dir, const char *type, const char *reason);

/* Is this path, or one below it, named in any file of the tree? 1, 0, or -1: it cannot be read, or is larger than can be searched.
 * ret_file: in which one first. */
int run_look_mentions(const char *dir, const char *path, char *ret_file, size_t size, struct err *e);
/* Is it in these bytes, as a whole path or the beginning of a longer one? */
bool run_look_names(const char *text, size_t n, const char *path);

/* Shorthands for documents. */
const cJSON *run_look_get(const cJSON *o, const char *key);
bool run_look_says(const cJSON *o, const char *key, const char *text);
bool run_look_true(const cJSON *o, const char *key);
bool run_look_false(const cJSON *o, const char *key);
const char *run_look_text(const cJSON *o, const char *key); /* "" when it is no text */

#endif
