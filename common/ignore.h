/* ignore.h - which untracked files are not dirt: the .gitignore files of a commit and rules of our own, nothing
 * else. */
#ifndef CTO_COMMON_IGNORE_H
#define CTO_COMMON_IGNORE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

struct ignore_rule {
    char *pattern; /* without '!', leading and trailing '/' */
    bool negated, directories_only, anchored;
};
struct ignore {
    struct ignore_rule *rules;
    size_t n, cap;
    const char *const *extra; /* --ignore rules (path.h, forbidden semantics); borrowed */
    size_t n_extra;
};

/* Adds the lines of a .gitignore. */
int ignore_parse(struct ignore *g, const char *text, size_t n, struct err *e);
void ignore_release(struct ignore *g);
/* Is this path itself ignored? Whoever walks asks for each directory on the way first: below an ignored directory
 * everything is ignored, as in git. */
bool ignore_match(const struct ignore *g, const char *path, size_t n, bool is_dir);
/* The same by the .gitignore's rules alone, for whoever asks several of them: the deepest that says anything decides. `path` is
 * relative to the directory that the rules stand in. */
enum ignore_says { IGNORE_NOTHING, IGNORE_YES, IGNORE_NO };
enum ignore_says ignore_ask(const struct ignore *g, const char *path, size_t n, bool is_dir);

#endif
