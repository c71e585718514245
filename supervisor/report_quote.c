/* report_quote.c - the end of a log in report.md.
 *
 * The words are those of an agent, or of code that it wrote: they may look like a verdict, an escape sequence, the end of a
 * Markdown block. So they are bounded before they are read, every line of theirs begins with ours (four spaces and a bar:
 * an indented block that no byte within can end), and what is not a plain character is spelled out. A reader of the rendered
 * page and one of the raw file see the same.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/io.h"
#include "common/text.h"
#include "supervisor/seal.h"

#define TAIL_BYTES (REPORT_TAIL_LINES * 512)

/* At most `size` bytes from the end of a file; true in *ret_cut when there is more before them. */
static ssize_t read_end(int dir, const char *path, char *out, size_t size, bool *ret_cut) {
    struct stat sb;
    AUTO_FD int fd = io_open_beneath_quiet(dir, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0);
    if (fd < 0 || fstat(fd, &sb) < 0 || !S_ISREG(sb.st_mode)) return -1;
    off_t from = sb.st_size > (off_t)size ? sb.st_size - (off_t)size : 0;
    *ret_cut = from > 0;
    return pread(fd, out, size, from);
}

static void put_line(struct buf *b, const char *p, size_t n) {
    int columns = 0;
    if (n > 0 && p[n - 1] == '\r') n--;
    buf_puts(b, "    | ");
    for (const char *end = p + n; p < end;) {
        size_t glyph = text_glyph(p, (size_t)(end - p));
        columns += glyph ? text_columns(p, glyph) : 4;
        if (columns > REPORT_TAIL_COLUMNS) {
            buf_puts(b, "\xe2\x80\xa6");
            break;
        }
        if (glyph)
            buf_put(b, p, glyph);
        else if (*p == '\t')
            buf_puts(b, "    ");
        else
            buf_printf(b, "\\x%02x", (unsigned char)*p);
        p += glyph ? glyph : 1;
    }
    buf_puts(b, "\n");
}

/* Where the last REPORT_TAIL_LINES whole lines of the text begin, and how many they are. */
static int find_lines(const char *text, size_t n, bool cut, size_t *ret_from) {
    int lines = 0;
    *ret_from = n;
    for (size_t at = n; at-- > 0 && lines < REPORT_TAIL_LINES;) {
        if (at > 0 && text[at - 1] != '\n') continue;
        if (at == 0 && cut && lines > 0) break; /* half a line: only when there is no whole one */
        *ret_from = at;
        lines++;
    }
    return lines;
}

int report_put_tail(struct buf *b, int dir, const char *path, const char *whose) {
    char text[TAIL_BYTES];
    bool cut = false;
    ssize_t got = dir < 0 ? -1 : read_end(dir, path, text, sizeof text, &cut);
    size_t n = got > 0 ? (size_t)got : 0, from = 0;
    int lines = n > 0 ? find_lines(text, n, cut, &from) : 0;
    if (lines == 0) return 0;
    buf_printf(b, "\n%s of `%s`, written by %s. Whatever it says, it is not the harness's word:\n\n",
               from > 0 || cut ? "The end" : "The whole", path, whose);
    for (const char *p = text + from, *end = text + n; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        put_line(b, p, (size_t)((nl ? nl : end) - p));
        p = nl ? nl + 1 : end;
    }
    return lines;
}
