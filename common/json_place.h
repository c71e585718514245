/* json_place.h - on which line does a key stand? Used by json.c to explain errors. */
#ifndef CTO_COMMON_JSON_PLACE_H
#define CTO_COMMON_JSON_PLACE_H

#include <stddef.h>

/* `path` as json.h writes it: "verification[0].argv". Returns the line (from 1) of the deepest part that exists; for a key
 * that stands twice, of its last occurrence. */
int json_place_line(const char *text, size_t len, const char *path);

#endif
