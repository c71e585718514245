/* yaml.h - YAML by the helper cto-harness-yaml: the supervisor has no parser of it. A tree of nodes as worker/yaml/parse.h writes it,
 * checked again here, because what a confined program says is data. */
#ifndef CTO_SUPERVISOR_YAML_H
#define CTO_SUPERVISOR_YAML_H

#include <stddef.h>

#include "common/err.h"
#include "common/json.h"

#define YAML_TEXT_MAX (1u << 20)
#define YAML_DEADLINE_MS 5000

/* Is the program of this build there? Once per command, before the first yaml_read(). */
int yaml_find(const char *libexec, char ret[4096], struct err *e);
/* 0: *ret is the tree, the caller's. ERR_PARSE: the text is refused; *ret_line says where (0: nowhere in particular), the error why,
 * without a word of the text. Any other error: there is no answer. */
int yaml_read(const char *program, const void *p, size_t n, cJSON **ret, int *ret_line, struct err *e);

/* --- a node of such a tree; NULL is fine and is nothing ----------------------------------------------------------------------- */
int yaml_line(const cJSON *node);
const char *yaml_text(const cJSON *node); /* NULL: it is no text */
bool yaml_is_map(const cJSON *node);
bool yaml_is_list(const cJSON *node);
/* The value of a key; NULL when it is no map or has none. *ret_line, which may be NULL, is the key's, or the map's. */
const cJSON *yaml_get(const cJSON *map, const char *key, int *ret_line);
/* The pairs of a map ({"key", "line", "value"}) or the nodes of a list, to walk by cJSON_ArrayForEach; NULL: there are none. */
const cJSON *yaml_items(const cJSON *node);

/* Is this tree one that the helper may send? Pure. */
bool yaml_tree_ok(const cJSON *node, int depth);

#endif
