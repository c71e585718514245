/* path.h - path rules: which changed path is inside `allowed_writes`, which is forbidden (design: governance).
 *
 * A rule is a path relative to the repository root: an exact file ("src/a.c") or, ending in '/', a directory with all
 * below it ("src/"). "." or "./" alone, a leading '/', "..", empty segments, control bytes and backslashes are refused.
 * allowed_writes has no wildcards. forbidden_paths also knows '*' (any run of bytes within one segment), and a pattern
 * without '/' or a one-segment directory ("vendor/") matches at any depth. Forbidden wins over allowed.
 * Comparison is on bytes for allowed. For forbidden it is done as the least careful file system would, wherever the
 * result may land: without case and in one normal form (fold.h: a long s is an s), without code points that are drawn as
 * nothing, without trailing dots and spaces, without what follows a ':', with '\' as a separator, and with short names
 * ("SECRET~1"). So ".GIT/", "vend\u200bor/" or "secrets::$DATA" do not slip past: on doubt a forbidden rule matches.
 */
#ifndef CTO_COMMON_PATH_H
#define CTO_COMMON_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

#define PATH_RULE_MAX 512
#define PATH_RULES_MAX 128

/* PATH_IGNORED: the language of forbidden rules, compared on bytes, because what an ignore rule matches is not looked at.
 */
enum path_rule_kind { PATH_ALLOWED, PATH_FORBIDDEN, PATH_IGNORED };

/* Is the rule well-formed for its kind? The error names the rule and what is wrong with it. */
int path_rule_check(enum path_rule_kind kind, const char *rule, struct err *e);
/* Does this changed path (bytes as git has them, n of them, no NUL) match the rule? */
bool path_rule_match(enum path_rule_kind kind, const char *rule, const char *path, size_t n);
bool path_any_match(enum path_rule_kind kind, const char *const *rules, size_t n_rules, const char *path, size_t n);
/* Is it a plain relative path: no "..", ".", empty segment, leading '/', NUL? For names we are going to create. */
bool path_is_plain_relative(const char *path, size_t n);

#endif
