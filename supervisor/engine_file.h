/* engine_file.h - any agent as data: what a backend starts, described by a file. The exec backend takes the operator's
 * (CTO_HARNESS_EXEC_ENGINE_FILE); codex and pi are files of our own, worker/adapters/codex.json and pi.json, built in.
 *
 *   name*         a word, for reports
 *   summary       one line, for lists
 *   command*      argv; [0] is an absolute path, {program} or {interpreter}
 *   program       the setting BIN (CTO_HARNESS_EXEC_BIN) names the program, which the backend sees below /opt/agent: "file" alone,
 *                 "package" with the package of the nearest node_modules that it is in, "packages" with all of that node_modules
 *   interpreter   a word, "node": the setting of that name (CTO_HARNESS_EXEC_NODE) names the program that reads the program; without
 *                 that setting it is the one of that name in every jail
 *   environment   names of variables that are handed on from this environment; none that is named or shaped like a secret
 *   set           {NAME: value}: variables of its own. A name that says key or token can have "{key}" as its value, and nothing else
 *   stdin         "task": it reads the task there; "none" (default): nothing
 *   files         [{path, text | json}]: what it finds when it starts, and may change; path begins with {home}/ or {state}/
 *   read_roots    absolute directories of the host that the command needs, shown read-only at the same place; an approval binds what
 *                 lies in them (root_binding.h)
 *   uses_model    true: it needs a decided provider and an admitted model, and reaches that by the gateway
 *   api           of a model: "chat" or "responses"
 *   output        how its stdout is to be read: "text" (default), "codex-jsonl", "pi-jsonl", "case"
 *   stop_signal   "TERM", "INT", "HUP", "QUIT": asks it to end before it is killed; without one it is killed at once
 *   stop_grace_ms so long after that (default 500)
 *   commit, end_of_life, grace_ms, grace_max_ms   as in case.json; what stands here counts, else the case's
 *   timeouts {backend_s, idle_s}                  likewise
 *   limits {memory_bytes, processes, cpu_s, disk_bytes, inodes, output_bytes, log_lines}   the smaller of this and the case's
 *   tested        "yes" or "no" (default): has the file been seen to work with the program, and
 *   version       with which version of it
 * ("*" = required; unknown keys are refused.) Words of command, set and files have places, see engine_places.h.
 */
#ifndef CTO_SUPERVISOR_ENGINE_FILE_H
#define CTO_SUPERVISOR_ENGINE_FILE_H

#include "common/digest.h"
#include "supervisor/case.h"
#include "supervisor/engine_places.h"

#define ENGINE_FILE_BYTES_MAX (64u << 10)
#define ENGINE_FILE_ENV 24
#define ENGINE_FILE_SET 20
#define ENGINE_FILE_FILES 8
#define ENGINE_FILE_ROOTS 16
#define ENGINE_FILE_WORD 4096u
#define ENGINE_STOP_GRACE_MS 500
#define ENGINE_STOP_GRACE_MAX_MS 10000

enum engine_program { PROGRAM_FIXED, PROGRAM_FILE, PROGRAM_PACKAGE, PROGRAM_PACKAGES };
enum engine_api { API_NONE, API_CHAT, API_RESPONSES };
enum engine_output { OUTPUT_TEXT, OUTPUT_CODEX_JSONL, OUTPUT_PI_JSONL, OUTPUT_CASE };
extern const char *const engine_api_words[];    /* "none", "chat", "responses", NULL */
extern const char *const engine_output_words[]; /* as in the file */

struct engine_variable {
    const char *name, *value;
};
struct engine_made_file {
    const char *path; /* with its place: "{state}/models.json" */
    const char *text; /* with places */
    char *made;       /* owned: the text of "json"; NULL */
};

struct engine_file {
    struct json_doc doc;          /* owns the strings */
    char digest[DIGEST_HEX_SIZE]; /* of the file's bytes */
    const char *name, *summary, *version, *interpreter_name;
    const char *command[SPEC_MAX_ARGV];
    int n_command;
    enum engine_program program;
    const char *environment[ENGINE_FILE_ENV];
    int n_environment;
    struct engine_variable set[ENGINE_FILE_SET];
    int n_set;
    struct engine_made_file files[ENGINE_FILE_FILES];
    int n_files;
    const char *read_roots[ENGINE_FILE_ROOTS];
    int n_read_roots;
    bool stdin_task, uses_model, tested;
    enum engine_api api;
    enum engine_output output;
    int stop_signal; /* 0: none */
    int64_t stop_grace_ms;
    int commit, end_of_life;                             /* enum commit_by, enum end_of_life; -1: the case's */
    int64_t grace_ms, grace_max_ms, backend_ms, idle_ms; /* -1: the case's */
    struct spec_limits limits;                           /* 0: the case's */

    /* Of this host, by engine_file_find(). Paths are absolute or NULL, and owned. */
    char sha256[DIGEST_HEX_SIZE]; /* of the program; "" when it cannot be read, or nobody asked */
    char interpreter_sha256[DIGEST_HEX_SIZE];
    char *shown, *shown_at;             /* the program or its tree, and where the backend sees it */
    char *program_at;                   /* where the program is then */
    char *interpreter, *interpreter_at; /* the latter also when it is the jail's: a name then */
    /* What of the host it is shown and no digest here is of: read_roots, a package, the interpreter. Borrowed. */
    const char *bound[ENGINE_FILE_ROOTS + 2];
    int n_bound;
};

/* The text names `file` with line and key. What the settings name is not looked for yet. */
int engine_file_parse(struct engine_file *ret, const char *file, const char *text, size_t len, struct err *e);
int engine_file_read(struct engine_file *ret, const char *file, struct err *e);
void engine_file_release(struct engine_file *f);
/* Finds the program: what the settings with this prefix name, or command[0]. `digest`: and hashes it. -1: a setting that it needs is
 * not there, or names nothing of the kind; the text says what to set, and repeats no path. */
int engine_file_find(struct engine_file *f, const char *variables, bool digest, struct err *e);
/* Is what the settings name a file, reached without a symbolic link? A jail is shown that one path, and follows none: better said before
 * a run than by its worker. -1: the text says which setting and what to do, and repeats no path. */
int engine_file_there(const struct engine_file *f, const char *variables, struct err *e);

/* The case as this engine does it: a copy in the same memory, to be given up before the case. */
struct cto_case engine_file_apply(const struct engine_file *f, const struct cto_case *c);

/* What the worker is told (worker/adapters/exec.c), malloc'd JSON: every place filled in, NAME=VALUE of the environment. NULL: it is
 * longer than a run's spec has room for. `model` and `port` may be "" and 0 for a file that uses none. */
#define ENGINE_FILE_CONFIG_MAX (120u << 10)
char *engine_file_config(const struct engine_file *f, const char *model, unsigned port);
/* The same for the evidence: of variables that are handed on it has the names alone, of this host no path but those that the file
 * itself names. */
char *engine_file_evidence(const struct engine_file *f, const char *model, unsigned port);
/* The text of one generated file; malloc'd. */
char *engine_file_text(const struct engine_file *f, int i, const char *model, unsigned port);

#endif
