/* git_names.h - which names of tree entries we accept. */
#ifndef CTO_COMMON_GIT_NAMES_H
#define CTO_COMMON_GIT_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* Is it ".git" in any form that some filesystem takes for it: other case, HFS-ignorable code points in it, NTFS
 * trailing dots, spaces and streams, the 8.3 name? */
bool name_is_dotgit(const char *name, size_t n);
/* May a tree have an entry of this name: one segment of at most 255 bytes, not "", ".", ".." or a form of .git? */
bool name_is_safe(const char *name, size_t n);

#endif
