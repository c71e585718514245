/* parse.h - one YAML document as JSON, bounded. Pure: bytes in, a tree out; no file, no descriptor.
 *
 * What YAML has beyond data is refused, not interpreted: anchors, aliases and merge keys (a kilobyte of them unfolds to
 * gigabytes), tags, directives other than %YAML, more than one document, keys that are no text, a key twice in one mapping.
 * Nothing is guessed: a scalar stays the text that it is, whether 1, yes or null. The reader knows what it wants.
 *
 * A node is {"line": N, "text": "..."}, {"line": N, "list": [node...]} or {"line": N, "map": [{"key": "...", "line": N, "value":
 * node}...]}, lines from 1, keys in their order.
 */
#ifndef CTO_WORKER_YAML_PARSE_H
#define CTO_WORKER_YAML_PARSE_H

#include <stddef.h>

#include "common/err.h"
#include "common/json.h"

#define YAML_BYTES_MAX (1u << 20)
#define YAML_NODES_MAX 20000
#define YAML_DEPTH_MAX 32
#define YAML_KEYS_MAX 2000 /* of one mapping: each is compared with those before it */

/* The caller owns *ret. An empty document is an empty text of line 1. *ret_line: where it went wrong, 0: nowhere in particular. */
int yaml_parse(const void *p, size_t n, cJSON **ret, int *ret_line, struct err *e);

#endif
