/* secret_shape.h - does a text look like a secret? For what people write by hand: settings and records, which end up in backups,
 * tickets and commits. A guess by shape, made to refuse rather than to let through; typed values (digests, commit ids) are not
 * asked. Values that the harness was given as credentials are searched for byte by byte elsewhere. */
#ifndef CTO_SUPERVISOR_SECRET_SHAPE_H
#define CTO_SUPERVISOR_SECRET_SHAPE_H

#include <stdbool.h>

/* A name such as API_KEY or authToken. */
bool secret_shaped_name(const char *name);
/* Key shapes of providers, key blocks, and long runs of letters and digits without any path or word structure. */
bool secret_shaped_value(const char *value);
/* Is a part between slashes, colons or dots of a path, an address or a name a provider's key? Only shapes that are known count here:
 * long runs of letters and digits are usual in such places. */
bool secret_shaped_path(const char *path);
/* Does a word of a longer text have one of the shapes? */
bool secret_shaped_text(const char *text);

#endif
