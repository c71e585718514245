/* case.h - a case: one task with fixture, allowed writes, verification and expectations. A folder under cases/ (or
 * cases/failures/), read from case.json and task.md, strictly: unknown key, wrong type, bad rule = error with file,
 * line, key.
 *
 * case.json (all keys; "*" = required):
 *   id*, title*, kind* ("task" | "failure"), backends (default ["fake"]; names of registered engines),
 *   authority_basis*, risk_class* ("low"|"medium"|"high"), mutation_mode* ("none"|"copied-fixture"|"sandbox-repo"|
 *   "owned-noncritical-repo"|"candidate-default"), approval_required (false), approval_denied (false; fixtures only:
 *   somebody has denied it), success_criteria* [text],
 *   rollback_expectation*, evidence_expectations [text], no_test_rationale (text),
 *   allowed_writes* [rule], forbidden_paths [rule], forbidden_actions* [word of the ten],
 *   verification [{argv*, timeout_s (60)}], clean_start_required (true), diff_required (true),
 *   required_events [type] (default: the order of a pass), commit ("agent"|"harness"; default "agent"),
 *   end_of_life ("quiet"|"first_commit"|"exit"), grace_ms (2000), grace_max_ms (30000),
 *   network ("loopback"|"none"), ignore [rule], pristine [path],
 *   read_roots [absolute path of the host, shown read-only to engine and verification at the same place], landlock_abi_min,
 *   timeouts {backend_s (300), idle_s (0: none), setup_s (120: sandbox, copy and baseline), inspect_s (60: each inspector),
 *             outcome_s (604800: how long a landed result waits for a human's word, see outcome.h)},
 *   limits {memory_bytes, processes, cpu_s, disk_bytes, inodes, open_files, file_bytes, scratch_bytes, output_bytes,
 *           log_lines, run_dir_bytes}: of the whole jail, see README for what holds them; and at the model gateway
 *           {model_requests (1000), model_tokens_in, model_tokens_out, model_bytes (4 GiB)},
 *   baseline {empty, history_commits, submodules [{path*, fixture*}], generate {dir*, count*, size*}},
 *   dirty_start [fake steps], fake {steps* [..], executable},
 *   double {mode* ("fix"|"no-diff"|"disallowed"|"fail-tests"|"hang"|"exit"|"reviewer-reject"|"agent-protocol-error"|
 *           "dirty-end"|"linger"|"asks-model"|"asks-another-model"), code (0), model (a mode of our test double of a model's
 *           server, tests/doubles/model; default: it has none to ask)}: fixtures for the case backend only: validators run them on
 *           our test double of ca (tests/doubles/ca), which does this with the fake steps,
 *   expect* {status*, blockers [reason], failure_class, marker}
 * The folder's name must be the id, and its place must fit the kind. fixture/ may be missing only with baseline.empty.
 *
 * baseline.generate adds `count` files of `size` bytes each to the baseline, below DIR (which the fixture must not
 * have), the same in every run: a case with thousands of files needs none of them in this tree. The names are the
 * worker's matter.
 *
 * Fake steps: supervisor/case_steps.h.
 */
#ifndef CTO_SUPERVISOR_CASE_H
#define CTO_SUPERVISOR_CASE_H

#include "common/json.h"
#include "common/spec.h"
#include "supervisor/blockers.h"

#define CASE_ID_MAX 64
#define CASE_MAX_LIST 128
#define CASE_MAX_EVENTS 32

enum end_of_life { EOL_QUIET, EOL_FIRST_COMMIT, EOL_EXIT };

struct case_list {
    const char **v; /* n of them, at most CASE_MAX_LIST */
    int n;
};

/* All strings and arrays lie in `memory`, one allocation of exactly their size, or are static words; released together.
 * Hundreds of cases may be loaded at once: what only the reading needs is not kept. */
struct cto_case {
    const char *dir; /* absolute */
    const char *id, *title, *kind, *authority_basis, *risk_class, *mutation_mode, *rollback_expectation,
        *no_test_rationale;
    bool approval_required, approval_denied, clean_start_required, diff_required, network_none, baseline_empty;
    struct case_list backends, success_criteria, evidence_expectations, allowed_writes, forbidden_paths,
        forbidden_actions, required_events, ignore, pristine, read_roots;
    struct spec_command *verify;
    int n_verify;
    enum commit_by commit;
    enum end_of_life end_of_life;
    int64_t grace_ms, grace_max_ms, backend_timeout_ms, idle_timeout_ms, setup_timeout_ms, inspect_timeout_ms,
        outcome_timeout_ms;
    struct spec_limits limits;
    int64_t landlock_abi_min;                                               /* 0: any */
    int64_t run_dir_bytes;                                                  /* 0: no own limit */
    int64_t model_requests, model_tokens_in, model_tokens_out, model_bytes; /* 0: the gateway's default */
    int64_t history_commits;
    struct spec_submodule submodules[SPEC_MAX_SUBMODULES];
    int n_submodules;
    const char *generate_dir; /* NULL: nothing is generated */
    int64_t generate_count, generate_size;
    const char *dirty_start;   /* JSON text or NULL */
    const char *fake_config;   /* JSON text {"steps":[..],"executable":..}; NULL when there is no "fake" */
    const char *double_script; /* JSON text of "double"; NULL when there is none */
    const char *double_model;  /* static: how the server answers that it may ask (model_double.h); NULL: it asks none */
    const char *task;          /* text of task.md */
    struct {
        enum verdict status;
        enum blocker blockers[BLOCKER_COUNT];
        int n_blockers;
        const char *failure_class; /* fixture name of the failure matrix, or NULL */
        const char *marker;        /* expected file under backend/, or NULL */
    } expect;
    struct json_doc *doc; /* the document as read, with its places; NULL after case_forget_document() */
    const char *file;     /* path of case.json, for messages */
    char
        *kept_text; /* of case.json, where the run may wait for a human: it is finished with what was loaded; or NULL */
    void *memory;
};

#define CASE_FILE_MAX (256u << 10) /* case.json */
#define CASE_TASK_MAX (64u << 10)  /* task.md */
#define CASE_STEPS_MAX (40u << 10) /* fake or dirty_start as compact JSON: it travels inside one RUN_SPEC frame */

/* The ten forbidden actions, NULL-terminated. */
extern const char *const forbidden_actions_all[];
/* The event types of a pass in order, NULL-terminated. */
extern const char *const required_events_pass[];
/* The same of a case that needs an approval. */
extern const char *const required_events_approved[];

/* Reads cases/<id> or cases/failures/<id> below `cases_dir`. Unknown: ERR_USAGE naming the nearest ids. */
int case_load(struct cto_case *ret, const char *cases_dir, const char *id, struct err *e);
void case_release(struct cto_case *c);
/* Its author says that this backend may do it. */
bool case_declares(const struct cto_case *c, const char *backend);
/* Frees the text of case.json and its tree, most of what a case costs: a case that is only run needs neither. */
void case_forget_document(struct cto_case *c);

/* All ids in order: tasks first, then (with_failures) failure fixtures. Returns a count, *ret an array of malloc'd
 * strings. */
int case_ids(const char *cases_dir, bool with_failures, char ***ret, struct err *e);
void case_ids_free(char **ids, int n);
/* Lower-case letters, digits and single '-', starting and ending with a letter or digit, at most CASE_ID_MAX bytes. */
bool case_id_valid(const char *id);
/* Where the case is, relative to cases_dir: "ID" or "failures/ID". Unknown or invalid: ERR_USAGE naming the nearest
 * ids. */
int case_find(const char *cases_dir, const char *id, char ret[CASE_ID_MAX + 16], struct err *e);
/* " (did you mean a, b?)" for a name that is none of `known`, or "" when nothing is near. */
void case_suggest(const char *name, const char *const *known, int n, char *out, size_t size);

/* What the reader alone cannot see: fixture and files that the case names, expectations against the table of blockers,
 * the ten forbidden actions. Calls `complain` with "file:line: key: message" for each; returns how many there were. Needs
 * the document. */
int case_lint(struct cto_case *c, void (*complain)(void *arg, const char *text), void *arg);

#endif
