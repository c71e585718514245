/* workspace.h - the lint of a planning workspace: a directory of Markdown, JSON and one WORKBOARD.yaml that plans work and decides
 * nothing (design: governance, `workspace validate`).
 *
 * Files are opened beneath the directory only, without following a link, each with a bound; what cannot be read is an error like any
 * other. YAML, front matter included, is read by cto-harness-yaml. Nothing is written.
 *
 *   rule             holds when
 *   readable         every entry is a directory or a plain file; text files are UTF-8; nothing is beyond the bounds
 *   front-matter     each Markdown file begins with name or title, status, owner, created, last_reviewed, lifecycle_classification and
 *                    core_promotion_status, the latter not-promoted, the two dates dates
 *   sot-line         each has the line that it is local planning
 *   closing-guards   a record that closes work (status validated, closed, done or complete, a key `closes`, a name with "closeout")
 *                    has the three guard sentences
 *   issue-type       each issue says Type AFK or HITL
 *   context-terms    CONTEXT.md defines the six parts that decide, and no term twice or without a definition
 *   workboard        WORKBOARD.yaml is a list of entries, each with id, title, status and blocked_by
 *   workboard-id     no id twice
 *   workboard-status draft, candidate, blocked or validated; what is validated waits for nothing, what is blocked waits for something
 *   workboard-order  blocked_by names entries, and leads in no circle
 *   triple           each entry has a PRD and issues, a validated one evidence; each file in prd, issues and evidence belongs to one
 *   reference        what is linked or named exists, in the workspace
 *   admission        admission records are valid
 *   forbidden-claim  no sentence claims a default backend, a promotion or an activation (claims.h)
 *   secret-shape     nothing looks like a secret (secret_shape.h); digests, commit and run ids are none
 */
#ifndef CTO_SUPERVISOR_WORKSPACE_H
#define CTO_SUPERVISOR_WORKSPACE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "common/json.h"
#include "supervisor/front_matter.h"

#define WORKSPACE_FILES_MAX 5000
#define WORKSPACE_FILE_BYTES_MAX (1u << 20)
#define WORKSPACE_DEPTH_MAX 16
#define WORKSPACE_ERRORS_MAX 1000

struct workspace {
    int root;         /* descriptor of the directory */
    const char *yaml; /* the helper; borrowed */
    char **files;     /* plain files, relative, sorted; owned */
    int n_files;
    bool *in_board; /* by file: an entry of the workboard names it */
    cJSON *checked, *errors;
    int n_errors;
    bool broken; /* the helper gave no answer: what was found is not all */
    struct err why;
};

/* Both lists are the caller's. -1: it could not be looked at (no such directory, no helper, no answer of it). */
int workspace_validate(const char *dir, const char *yaml_program, cJSON **ret_checked, cJSON **ret_errors,
                       struct err *e);

/* --- shared by workspace_*.c --------------------------------------------------------------------------------------------------- */
void ws_bad(struct workspace *w, const char *file, int line, const char *rule, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
int ws_find(const struct workspace *w, const char *path);    /* index of the file, -1: there is none */
bool ws_exists(const struct workspace *w, const char *path); /* file or directory */
/* The YAML of `file` as a tree; NULL after an error, which was noted under `rule`, lines counted from `first_line`. */
cJSON *ws_yaml(struct workspace *w, const char *file, const char *rule, int first_line, const char *p, size_t n);
/* A segment of the path, without regard to case. */
bool ws_in_folder(const char *path, const char *name);

void ws_check_markdown(struct workspace *w, const char *file, const char *text, size_t n);
void ws_check_lines(struct workspace *w, const char *file, const char *text, size_t n); /* claims, secrets */
void ws_check_context(struct workspace *w, const char *file, const struct front_matter *m);
void ws_check_board(struct workspace *w, const char *file, const char *text, size_t n);
void ws_check_admission(struct workspace *w, const char *file, const char *text, size_t n);
void ws_check_orphans(struct workspace *w);

/* --- pure ---------------------------------------------------------------------------------------------------------------------- */
/* `target` seen from the directory of `file`, in its shortest form. False: it leaves the workspace or does not fit. */
bool ws_resolve(const char *file, const char *target, char *out, size_t size);
/* The next target of a Markdown link in a line; false: no more. *at is where to go on. In `code` none counts. */
bool ws_next_link(const char *line, size_t n, size_t *at, char *out, size_t size);
/* A line with what is certainly no secret taken out, and marks of Markdown with it; does the rest look like one? */
bool ws_secret_in(const char *line, size_t n);

#endif
