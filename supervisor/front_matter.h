/* front_matter.h - where the front matter of a Markdown file is, and its lines. Pure; what is in it, the YAML helper says. */
#ifndef CTO_SUPERVISOR_FRONT_MATTER_H
#define CTO_SUPERVISOR_FRONT_MATTER_H

#include <stdbool.h>
#include <stddef.h>

#define FRONT_MATTER_MAX (64u << 10)

struct front_matter {
    const char *yaml; /* between the two lines "---"; within the text */
    size_t yaml_len;
    int yaml_line; /* of its first line, from 1 */
    const char *body;
    size_t body_len;
    int body_line;
};

/* False: there is none, it has no end, or it is longer than FRONT_MATTER_MAX; *ret is all body then. The first line is exactly
 * "---", and so is the last of it; a carriage return before the line's end is no difference. */
bool front_matter_find(const char *text, size_t n, struct front_matter *ret);

/* The next line of a text, without its end; returns false after the last. *at is where the next one begins, 0 before the first. */
bool next_line(const char *text, size_t n, size_t *at, const char **ret, size_t *ret_n);

#endif
