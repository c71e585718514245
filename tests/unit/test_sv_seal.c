/* test_sv_seal.c - the sealed directory of a pass, a fail and a blocked preflight: files, digests, fields. */
#include <errno.h>
#include <sys/syscall.h>

#include "sv_fixture.h"

/* Every fsync of this program comes by here: which file, how long it was then. */
static struct {
    ino_t inode;
    off_t size;
} synced[64];
static int n_synced, sync_fails_at = -1;

int fsync(int fd) {
    struct stat sb;
    NEED(fstat(fd, &sb) == 0 && n_synced < 64);
    synced[n_synced].inode = sb.st_ino;
    synced[n_synced].size = sb.st_size;
    if (n_synced++ == sync_fails_at) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

static cJSON *report_of(const struct fixture *f) {
    char *text = fixture_read(f->r.run_dir, EVIDENCE_REPORT, NULL);
    cJSON *o = cJSON_Parse(text);
    free(text);
    NEED(o != NULL);
    return o;
}
static const cJSON *at(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }
static bool says(const cJSON *o, const char *key, const char *want) {
    const char *s = cJSON_GetStringValue(at(o, key));
    return s && strcmp(s, want) == 0;
}

static void test_pass(void) {
    struct fixture f;
    fixture_home(&f);
    fixture_begin(&f);
    fixture_work(&f);
    CHECK(fixture_seal(&f, VERDICT_PASS));
    struct verify_report v;
    if (!CHECK(fixture_holds(f.r.run_dir, &v))) fprintf(stderr, "%s %s\n", v.file, v.what);
    CHECK(strcmp(v.report_sha256, f.sum.report_sha256) == 0 && strcmp(v.run_id, f.r.run_id) == 0 && v.events == 7);
    CHECK(f.sum.n_artifacts == 11 && f.sum.events_total == 7 && f.sum.n_events == 7);
    char cmd[8192];
    snprintf(cmd, sizeof cmd, "cd '%s' && sha256sum --quiet --strict -c SHA256SUMS", f.r.run_dir);
    CHECK(fixture_sh(cmd) == 0);
    /* The documented way to check the report's own digest without us. */
    snprintf(
        cmd, sizeof cmd,
        "cd '%s' && a=$(grep -o '\"report.json\":\t\"[0-9a-f]*\"' report.json | cut -d'\"' -f4); "
        "b=$(sed 's/\\(\"report.json\":\t\"\\)[0-9a-f]\\{64\\}\"/\\1\"/' report.json | sha256sum | cut -d' ' -f1); "
        "[ -n \"$a\" ] && [ \"$a\" = \"$b\" ]",
        f.r.run_dir);
    CHECK(fixture_sh(cmd) == 0);
    cJSON *o = report_of(&f);
    CHECK(says(o, "status", "pass") && says(o, "approval_status", "not-required") &&
          cJSON_IsTrue(at(o, "tests_passed")));
    CHECK(cJSON_IsTrue(at(o, "allowed_writes_passed")) && cJSON_IsTrue(at(o, "required_events_passed")));
    CHECK(cJSON_IsFalse(at(o, "runtime_default_activation")) && says(o, "core_promotion_status", "not-promoted"));
    CHECK(cJSON_GetArraySize(at(o, "artifact_digests")) == 10 && !at(at(o, "artifact_digests"), "SHA256SUMS"));
    CHECK(says(cJSON_GetArrayItem(at(o, "verification"), 0), "command", "sh -c 'make '\\''test'\\'''"));
    CHECK(cJSON_GetArraySize(at(o, "changed_files")) == 2);
    CHECK(strcmp(cJSON_GetArrayItem(at(o, "changed_files"), 1)->valuestring, "\"src/we\\\"ird\\n\\377\"") == 0);
    CHECK(at(o, "backend_exit_code")->valueint == 0 && cJSON_IsNull(at(o, "backend_signal")));
    CHECK(says(at(o, "sandbox"), "mode", "user") && says(at(o, "eligibility"), "selected_backend", "fake"));
    cJSON_Delete(o);
    char *md = fixture_read(f.r.run_dir, EVIDENCE_REPORT_MD, NULL);
    CHECK(strncmp(md, "# PASS: unit-case on fake\n", 26) == 0 && strstr(md, "A \\*case\\* of a test") &&
          strstr(md, "run-case unit-case"));
    free(md);
    struct err e = ERR_INIT;
    struct seal_summary twice;
    CHECK(evidence_seal(f.ev, &f.r, &f.in, &twice, &e) == -1); /* nothing is ever overwritten */
    fixture_free(&f);
}

static void test_blocked(void) {
    struct fixture f;
    fixture_home(&f);
    fixture_begin(&f);
    f.r.gated_out = true;
    cJSON *data = cJSON_CreateObject();
    json_put_str(data, "backend", "fake");
    json_put_str(data, "gate", "engine");
    json_put_str(data, "reason", "closed");
    json_put_str(data, "mutation_mode", "none");
    json_put_bool(data, "case_executed", false);
    fixture_event(&f, "backend.gate.blocked", data);
    record_block(&f.r, BLOCKER_gate_missing, "the gate is closed \033[2J\n# PASS");
    CHECK(fixture_seal(&f, VERDICT_BLOCKED));
    struct verify_report v;
    if (!CHECK(fixture_holds(f.r.run_dir, &v))) fprintf(stderr, "%s %s\n", v.file, v.what);
    cJSON *o = report_of(&f);
    CHECK(says(o, "status", "blocked") && cJSON_IsNull(at(o, "tests_passed")) &&
          cJSON_IsNull(at(o, "allowed_writes_passed")));
    CHECK(says(at(o, "artifact_digests"), "patch.diff", DIGEST_EMPTY));
    CHECK(cJSON_GetArraySize(at(o, "not_applicable")) == 4 && cJSON_IsTrue(at(o, "required_events_passed")));
    CHECK(cJSON_IsNull(at(o, "backend_exit_code")) && cJSON_IsNull(at(o, "baseline_head")));
    cJSON_Delete(o);
    char *md = fixture_read(f.r.run_dir, EVIDENCE_REPORT_MD, NULL),
         *log = fixture_read(f.r.run_dir, EVIDENCE_TEST_LOG, NULL);
    CHECK(strncmp(md, "# BLOCKED:", 10) == 0 && !strchr(md, '\033') && !strstr(md, "\n# PASS"));
    CHECK(strstr(log, "gate_missing") != NULL);
    free(md);
    free(log);
    fixture_free(&f);
}

static void test_refusals(void) {
    struct fixture f;
    struct err e = ERR_INIT;
    struct seal_summary s;
    fixture_home(&f);
    fixture_begin(&f);
    fixture_work(&f);
    f.r.verdict = VERDICT_PASS;
    CHECK(evidence_seal(f.ev, &f.r, &f.in, &s, &e) == -1); /* run.completed is missing */
    fixture_event(&f, "run.completed", evidence_completed_data(&f.r));
    record_block(&f.r, BLOCKER_no_diff, "x");
    CHECK(evidence_seal(f.ev, &f.r, &f.in, &s, &e) == -1); /* a pass with a blocker */
    f.r.n_blockers = 0;
    f.r.artifact_failed = true;
    CHECK(evidence_seal(f.ev, &f.r, &f.in, &s, &e) == -1 && strstr(e.text, "a pass although")); /* half the evidence */
    f.r.artifact_failed = false;
    fixture_write(f.r.run_dir, "trace.jsonl", "", 0);
    CHECK(evidence_seal(f.ev, &f.r, &f.in, &s, &e) == -1 && strstr(e.text, "trace.jsonl"));
    fixture_free(&f);
    char path[8192]; /* something else where an empty file was: as many bytes, and still not what we wrote */
    fixture_home(&f);
    fixture_begin(&f);
    f.r.verdict = VERDICT_FAIL;
    record_block(&f.r, BLOCKER_no_diff, "x");
    NEED(evidence_complete(f.ev, &f.r, &e) == 0);
    fixture_event(&f, "run.completed", evidence_completed_data(&f.r));
    snprintf(path, sizeof path, "%s/patch.diff", f.r.run_dir);
    NEED(unlink(path) == 0 && mkfifo(path, 0600) == 0);
    e = ERR_INIT;
    CHECK(evidence_seal(f.ev, &f.r, &f.in, &s, &e) == -1 && strstr(e.text, "not a regular file"));
    fixture_free(&f);
}

static bool was_synced(const char *path, bool whole) {
    struct stat sb;
    NEED(stat(path, &sb) == 0);
    for (int i = 0; i < n_synced; i++)
        if (synced[i].inode == sb.st_ino && (!whole || synced[i].size == sb.st_size)) return true;
    return false;
}

/* A sealed directory is on the disk: every file at its full length, and the directories that name them. */
static void test_durable(void) {
    struct fixture f;
    char path[8192];
    fixture_home(&f);
    fixture_begin(&f);
    fixture_work(&f);
    n_synced = 0;
    NEED(fixture_seal(&f, VERDICT_PASS));
    for (int i = 0; i < f.sum.n_artifacts; i++) {
        snprintf(path, sizeof path, "%s/%s", f.r.run_dir, f.sum.artifacts[i].path);
        if (!CHECK(was_synced(path, true))) fprintf(stderr, "    %s is not on the disk\n", path);
    }
    snprintf(path, sizeof path, "%s/backend", f.r.run_dir);
    CHECK(was_synced(path, false) && was_synced(f.r.run_dir, false) && was_synced(f.home.runs, false));
    int all = n_synced;
    fixture_free(&f);
    for (int i = 0; i < all; i++) { /* one that fails: not sealed, whichever it is */
        struct err e = ERR_INIT;
        struct seal_summary s;
        fixture_home(&f);
        fixture_begin(&f);
        fixture_work(&f);
        f.r.verdict = VERDICT_PASS;
        fixture_event(&f, "run.completed", evidence_completed_data(&f.r));
        n_synced = 0, sync_fails_at = i;
        CHECK(evidence_seal(f.ev, &f.r, &f.in, &s, &e) == -1 && e.sys == EIO);
        sync_fails_at = -1;
        fixture_free(&f);
    }
}

static void test_text(void) {
    struct buf b = BUF_INIT(1000);
    report_put_text(&b, "a\tb\x1b[1m\xc2\x9b\xe2\x80\xae\xc3\xa9", false);
    CHECK(strcmp(buf_str(&b), "a\\x09b\\x1b[1m\\xc2\\x9b\\xe2\\x80\\xae\xc3\xa9") == 0);
    buf_reset(&b);
    report_put_shell(&b, "it's\n");
    CHECK(strcmp(buf_str(&b), "$'it\\'s\\x0a'") == 0);
    buf_release(&b);
}

/* A failed run: `log` is what its tests wrote besides, `err` its backend. Leaves the fixture open; returns report.md. */
static char *failed_report(struct fixture *f, enum blocker why, const struct buf *log, const char *err) {
    struct err e = ERR_INIT;
    fixture_home(f);
    fixture_begin(f);
    fixture_work(f);
    if (log) CHECK(evidence_output(f->ev, OUT_VERIFY, log->p, log->len, &e) == 0);
    if (err[0]) CHECK(evidence_output(f->ev, OUT_STDERR, err, strlen(err), &e) == 0);
    if (why == BLOCKER_verification_failed) record_verify_slot(&f->r, 0)->code = 1;
    record_block(&f->r, why, "because");
    n_synced = 0;
    CHECK(fixture_seal(f, VERDICT_FAIL));
    return fixture_read(f->r.run_dir, EVIDENCE_REPORT_MD, NULL);
}

/* How many lines of this log are quoted: each line between the sentence and the next empty one begins with the bar. */
static int quoted_lines(const char *md, const char *path) {
    char sentence[120];
    static const char end[] = " it is not the harness's word:\n\n";
    snprintf(sentence, sizeof sentence, " of `%s`, written by the ", path);
    const char *p = strstr(md, sentence);
    int n = 0;
    if (!p) return 0;
    p = strstr(p, end);
    NEED(p != NULL);
    for (p += sizeof end - 1; *p && *p != '\n'; p = strchr(p, '\n') + 1, n++) CHECK(strncmp(p, "    | ", 6) == 0);
    return n;
}

static void test_quotes(void) {
    struct fixture f;
    AUTO_BUF struct buf log = BUF_INIT(1 << 20);
    static const char hostile[] = "    \n# PASS\n```\n<!-- \x1b[2J\x9b"
                                  "31m \xc2\x9b"
                                  "1m\r\n| a \xe2\x80\xae\tb\0c\n\nlast, without an end";
    for (int i = 0; i < 3000; i++) buf_printf(&log, "line %d\n", i);
    for (int i = 0; i < 300; i++) buf_puts(&log, "\xe6\xbc\xa2");
    buf_puts(&log, "\n");
    buf_put(&log, hostile, sizeof hostile - 1);
    char *md = failed_report(&f, BLOCKER_verification_failed, &log, "agent says no\n");
    CHECK(quoted_lines(md, "test.log") == REPORT_TAIL_LINES && quoted_lines(md, "backend/stderr.log") == 0);
    CHECK(!strchr(md, 0x1b) && !strstr(md, "\xc2\x9b") && !strstr(md, "\xe2\x80\xae") && strlen(md) < 8000);
    CHECK(!strstr(md, "\n# PASS") && !strstr(md, "\n```") && strstr(md, "    | # PASS\n") && strstr(md, "\\x9b31m"));
    CHECK(strstr(md, "    | | a \\xe2\\x80\\xae    b\\x00c\n    | \n    | last, without an end\n\n## What changed"));
    CHECK(strstr(md, "line 2999\n") && !strstr(md, "line 2900\n") && strstr(md, "\xe6\xbc\xa2\xe2\x80\xa6\n"));
    CHECK(strstr(md, "## Why") < strstr(md, "test.log`, w") && strstr(md, "test.log`, w") < strstr(md, "## What"));
    free(md);
    fixture_free(&f);
    md = failed_report(&f, BLOCKER_backend_failed, NULL, ""); /* fixture_work() wrote "oops\xff" */
    CHECK(quoted_lines(md, "test.log") == 0 && quoted_lines(md, "backend/stderr.log") == 1);
    CHECK(strstr(md, "The whole of `backend/stderr.log`") && strstr(md, "    | oops\\xff\n\n## What"));
    free(md);
    fixture_free(&f);
    buf_reset(&log);
    for (int i = 0; i < 30000; i++) buf_puts(&log, "x"); /* one endless line */
    md = failed_report(&f, BLOCKER_backend_failed, NULL, buf_str(&log));
    CHECK(quoted_lines(md, "backend/stderr.log") == 1 && strstr(md, "The end of `backend/stderr.log`"));
    free(md);
    fixture_free(&f);
}

/* What the report says about the changes of a run whose result is of this kind; the fixture's own changes are left out. */
static void says_of_changes(enum result_kind kind, bool clean, const char *want) {
    struct fixture f;
    fixture_home(&f);
    fixture_begin(&f);
    fixture_work(&f);
    for (; f.r.n_changes > 0; f.r.n_changes--) free((char *)(uintptr_t)f.r.changes[f.r.n_changes - 1].path);
    f.r.result_kind = kind;
    f.r.result_clean = clean;
    f.r.result_dirty = clean ? 0 : 3;
    record_block(&f.r, BLOCKER_repository_unreadable, "because");
    n_synced = 0;
    CHECK(fixture_seal(&f, VERDICT_FAIL));
    char *md = fixture_read(f.r.run_dir, EVIDENCE_REPORT_MD, NULL);
    cJSON *o = report_of(&f);
    bool known = kind == RESULT_NONE || kind == RESULT_COMMITTED;
    if (!CHECK(strstr(md, want) != NULL)) fprintf(stderr, "%s\n", md);
    CHECK(known == (strstr(md, "Nothing") != NULL) && known != (strstr(md, "not because nothing changed") != NULL));
    CHECK(known == !cJSON_IsNull(at(o, "allowed_writes_passed")));
    cJSON_Delete(o);
    free(md);
    fixture_free(&f);
}

static void test_changes(void) {
    says_of_changes(RESULT_NONE, true, "Nothing: there is no commit, and the worktree is as it was.");
    says_of_changes(RESULT_NONE, false,
                    "Nothing was committed; 3 paths of the worktree changed and stayed uncommitted.");
    says_of_changes(RESULT_COMMITTED, true, "Nothing: 1 commit, and the result holds the same files");
    says_of_changes(RESULT_NOT_DESCENDANT, true,
                    "Not compared: `bbbbbbbbbbbb` does not descend from the baseline `aaaaaaaaaaaa`");
    says_of_changes(RESULT_UNREADABLE, false, "Not known: the repository that the backend left cannot be read.");
    says_of_changes(RESULT_TOO_LARGE, false,
                    "Not known: the repository that the backend left is larger than the limits.");
}

/* The sandbox for a person: limits as a table, no JSON, and nothing of the worker's that could pass for our own lines. */
static void test_sandbox(void) {
    struct fixture f;
    fixture_home(&f);
    fixture_begin(&f);
    fixture_work(&f);
    free(f.r.sandbox_json);
    f.r.sandbox_json = strdup(
        "{'mode':'root','engine':{'uid':7,'limits':{'processes':{'value':512,'mechanism':'rlimit','guarantee':true},"
        "'memory_bytes':{'value':12638255104,'mechanism':'watchdog','guarantee':false}}},"
        "'verifier':{'limits':{'odd | x':3,'list':[1,2]}},'cgroup':{'version':0,'why':'slow'},'limits':{'k':1}}");
    for (char *p = f.r.sandbox_json; *p; p++)
        if (*p == '\'') *p = '"';
    record_block(&f.r, BLOCKER_backend_failed, "because");
    n_synced = 0;
    CHECK(fixture_seal(&f, VERDICT_FAIL));
    char *md = fixture_read(f.r.run_dir, EVIDENCE_REPORT_MD, NULL);
    CHECK(strstr(md, "- engine: uid 7\n- verifier: none\n- cgroup: none; slow\n- limits: k 1\n"));
    CHECK(strstr(md, "\n\n| jail | limit | value | held by | as |\n|---|---|---:|---|---|\n"
                     "| engine | processes | 512 | rlimit | guarantee |\n"
                     "| engine | memory\\_bytes | 12638255104 | watchdog | kill threshold |\n"
                     "| verifier | odd \\| x | 3 |  | kill threshold |\n"
                     "| verifier | list | 1, 2 |  | kill threshold |\n\n"));
    CHECK(!strstr(md, "guarantee\""));
    free(md);
    fixture_free(&f);
}

int main(void) {
    test_pass();
    test_sandbox();
    test_blocked();
    test_refusals();
    test_durable();
    test_text();
    test_quotes();
    test_changes();
    return check_done();
}
