/* text.h - bytes of unknown origin on their way to a person: which of them may reach a terminal as they are.
 *
 * A terminal acts on control bytes: the old ones below 0x20, and those of C1 (0x80 to 0x9f), which come as single bytes or as
 * UTF-8 (0xc2 0x80 to 0xc2 0x9f). A reader acts on characters that turn or hide text (bidirectional overrides, zero-width
 * characters, line separators). Everything else that is well-formed UTF-8 is somebody's name and stays.
 */
#ifndef CTO_COMMON_TEXT_H
#define CTO_COMMON_TEXT_H

#include <stddef.h>

/* Length of the character at p (n >= 1 bytes are there) when it may be shown as it is; 0 when its first byte must be shown
 * otherwise, as \xNN. */
size_t text_glyph(const char *p, size_t n);

/* Columns that a glyph takes on a terminal, never too few: 2 for all that may be wide. `len` from text_glyph(). */
int text_columns(const char *glyph, size_t len);

/* How much of s fits into `max` bytes, when no character is to be cut in two: its length, or less. */
size_t text_fits(const char *s, size_t max);

#endif
