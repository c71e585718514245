/* seal.h - between the sealing (seal.c) and the two writers of the report (report_json.c, report_md.c). */
#ifndef CTO_SUPERVISOR_SEAL_H
#define CTO_SUPERVISOR_SEAL_H

#include "supervisor/evidence.h"

/* What the report says beyond the record: facts of the directory at sealing time. */
struct report_facts {
    const struct seal_artifact *artifacts; /* without report.json, run.intoto.jsonl and SHA256SUMS */
    int n_artifacts;
    const char *const *types; /* event types that occurred */
    size_t n_types;
    const char *events_head;
    uint32_t events_total;
    uint64_t bytes;
    int64_t now_ms;
    int dir; /* the run directory, for the ends of logs */
};

/* The bytes of report.json with the value of artifact_digests["report.json"] empty; malloc'd, ends in a newline. */
char *report_json_text(const struct run_record *r, const struct seal_input *in, const struct report_facts *f);
/* Parts of it, for what is told before there is a report: what changed (the sum of it; all commits), what the verification did. The
 * caller owns them. */
cJSON *report_changed_files(const struct run_record *r);
cJSON *report_changes(const struct run_record *r);
cJSON *report_verification(const struct run_record *r);
/* Where that value stands in such a text (after the opening quote): exactly one place, else NULL. `value` is what is
 * expected between the quotes. Used by writer and verifier, so that the rule is one. */
const char *report_own_digest(const char *text, const char *value);
/* Digest of the text with the value replaced by the empty string. */
void report_digest_without(const char *text, const char *at, size_t value_len, char hex[DIGEST_HEX_SIZE]);

char *report_md_text(const struct run_record *r, const struct seal_input *in, const struct report_facts *f);

/* Milliseconds in each state; 0 when not entered. Returns the total. */
int64_t report_phase_ms(const struct run_record *r, int64_t ret[RUN_STATE_COUNT]);
/* 1, 0, or -1 when nobody looked. */
int report_allowed_writes(const struct run_record *r);
/* Text for people: control bytes, escapes and invalid UTF-8 become visible; Markdown's special bytes are escaped when
 * `md`. */
struct buf;
/* report_governed.c: one human sentence, NULL for a pass, made in `out` where it holds a number; and the fields that only gated
 * backends have. */
const char *report_failure_reason(const struct run_record *r, char *out, size_t size);
void report_put_governed(cJSON *o, const struct run_record *r);
/* Of a run about a repository (subject.h); nothing else. */
void report_put_subject(cJSON *o, const struct run_record *r);
/* report_subject.c: the repository that it was about, and what became of it there, for report.md. */
void report_put_subject_md(struct buf *b, const struct run_record *r);
/* proof.c: the file that says what happened to that repository, NULL when there is none to write; `*ret_name` is a literal. The
 * text is malloc'd and ends in a newline. */
char *proof_text(const struct run_record *r, const struct report_facts *f, const char **ret_name);
void report_put_approval(cJSON *o, const struct run_record *r); /* nothing when no human said anything */
void report_put_text(struct buf *b, const char *text, bool md);
/* The last lines of a log that an agent or its code wrote, for report.md: an indented block of at most REPORT_TAIL_LINES lines
 * of REPORT_TAIL_COLUMNS columns, each behind a bar, under a sentence that says whose words they are (`whose`: "the agent").
 * Returns how many lines there were; nothing is put when there are none or the file is not there. */
#define REPORT_TAIL_LINES 20
#define REPORT_TAIL_COLUMNS 160
int report_put_tail(struct buf *b, int dir, const char *path, const char *whose);
/* A shell word: quoted when it needs it. */
void report_put_shell(struct buf *b, const char *word);
/* What was in force, its limits as a table, and what it refused. */
void report_put_sandbox(struct buf *b, const struct run_record *r);

#endif
