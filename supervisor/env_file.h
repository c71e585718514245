/* env_file.h - settings from a file: NAME=VALUE lines, paths and names only. A value that looks like a secret is refused with
 * its line number, because a file of settings ends up in backups, tickets and commits. */
#ifndef CTO_SUPERVISOR_ENV_FILE_H
#define CTO_SUPERVISOR_ENV_FILE_H

#include <stdbool.h>

#include "common/err.h"

#define ENV_FILE_MAX 64
struct env_file {
    char *text; /* owned; names and values point into it */
    const char *name[ENV_FILE_MAX], *value[ENV_FILE_MAX];
    int n;
};

/* Known names only; others are an error with the line. A missing file is an error only when `required`. */
int env_file_read(struct env_file *f, const char *path, bool required, struct err *e);
const char *env_file_get(const struct env_file *f, const char *name); /* NULL: not set or empty */
void env_file_release(struct env_file *f);
/* For doctor: names that are accepted for compatibility and used by nothing here. NULL-terminated. */
extern const char *const env_file_unused[];

#endif
