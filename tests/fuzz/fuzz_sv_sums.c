/* fuzz_sv_sums.c - lines of SHA256SUMS: what is accepted is a plain path in the one form that we write, so that printing it
 * again gives the same bytes. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/path.h"
#include "supervisor/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) ((condition) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size ? size : 1); /* an own block without a NUL behind it */
    MUST(text != NULL);
    if (size) memcpy(text, data, size);
    for (size_t at = 0; at < size;) {
        struct sums_line l;
        char again[512];
        size_t n = sums_parse_line(text + at, size - at, &l);
        if (n == 0) break;
        MUST(n <= size - at && text[at + n - 1] == '\n' && strlen(l.sha256) == 64 && l.path_len > 0 &&
             l.path_len < 256);
        MUST(path_is_plain_relative(l.path, l.path_len));
        int m = snprintf(again, sizeof again, "%s  %.*s\n", l.sha256, (int)l.path_len, l.path);
        MUST(m == (int)n && memcmp(again, text + at, n) == 0);
        at += n;
    }
    free(text);
    return 0;
}
