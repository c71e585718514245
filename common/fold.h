/* fold.h - one name as the file systems see it that take different names for the same. */
#ifndef CTO_COMMON_FOLD_H
#define CTO_COMMON_FOLD_H

#include <stdbool.h>
#include <stddef.h>

/* Folds `n` bytes into `out`: decomposed, without case, without the code points that are drawn as nothing, marks in one
 * order. Names that APFS, HFS+, NTFS or ext4 with casefold take for the same fold to the same bytes (some others do too:
 * on doubt names are alike). Bytes that are no UTF-8 stay. Returns the length; what does not fit in `room` is cut. */
size_t fold_name(const char *s, size_t n, char *out, size_t room);
/* Could `name` be the short name ("SECRET~1.TXT") that NTFS or FAT gives to a file called `rule`, in which '*' stands
 * for anything? Both folded. */
bool fold_is_short_name(const char *name, size_t n, const char *rule, size_t rule_len);

#endif
