/* engine_file.h - any command line as a backend: what the exec backend starts, described by a file of the operator's.
 *
 *   name*         a word, for reports
 *   command*      argv; [0] is absolute. "{task}" is the task's text as a file, "{workspace}" the repository, as the jail sees them
 *   environment   names of variables that are handed on from this environment; none that is named or shaped like a secret
 *   read_roots    absolute directories of the host that the command needs, shown read-only at the same place; an approval binds what
 *                 lies in them (root_binding.h)
 *   commit, end_of_life, grace_ms, grace_max_ms   as in case.json; what stands here counts, else the case's
 *   timeouts {backend_s, idle_s}                  likewise
 *   limits {memory_bytes, processes, cpu_s, disk_bytes, inodes, output_bytes, log_lines}   the smaller of this and the case's
 *   uses_model    must be false: a backend without the gateway reaches no model
 * ("*" = required; unknown keys are refused.)
 */
#ifndef CTO_SUPERVISOR_ENGINE_FILE_H
#define CTO_SUPERVISOR_ENGINE_FILE_H

#include "common/digest.h"
#include "supervisor/case.h"

#define ENGINE_FILE_BYTES_MAX (64u << 10)
#define ENGINE_FILE_ENV 24
#define ENGINE_FILE_ROOTS 16

struct engine_file {
    struct json_doc doc;          /* owns the strings */
    char digest[DIGEST_HEX_SIZE]; /* of the file's bytes */
    char sha256[DIGEST_HEX_SIZE]; /* of the program, command[0]; "" when it cannot be read */
    const char *name, *command[SPEC_MAX_ARGV];
    int n_command;
    const char *environment[ENGINE_FILE_ENV];
    int n_environment;
    const char *read_roots[ENGINE_FILE_ROOTS];
    int n_read_roots;
    int commit, end_of_life;                             /* enum commit_by, enum end_of_life; -1: the case's */
    int64_t grace_ms, grace_max_ms, backend_ms, idle_ms; /* -1: the case's */
    struct spec_limits limits;                           /* 0: the case's */
};

/* The text names `file` with line and key. */
int engine_file_read(struct engine_file *ret, const char *file, struct err *e);
void engine_file_release(struct engine_file *f);

/* The case as this engine does it: a copy in the same memory, to be given up before the case. */
struct cto_case engine_file_apply(const struct engine_file *f, const struct cto_case *c);
/* The worker's configuration, malloc'd JSON: argv with its words put in, NAME=VALUE of the environment. */
char *engine_file_config(const struct engine_file *f);

#endif
