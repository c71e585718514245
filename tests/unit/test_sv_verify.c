/* test_sv_verify.c - nothing may change unnoticed: every byte of every file flipped, removed and doubled; lines
 * swapped; files added, removed, replaced; and lies that are consistent with SHA256SUMS. */
#include "sv_fixture.h"
#include "common/digest.h"

static struct fixture f;
static struct verify_report v;

static bool holds(void) { return fixture_holds(f.r.run_dir, &v); }

/* SHA256SUMS anew over what is there now: the enemy who can hash. */
static void resum(void) {
    char cmd[8192];
    snprintf(
        cmd, sizeof cmd,
        "cd '%s' && find . -type f ! -name SHA256SUMS -printf '%%P\\n' | LC_ALL=C sort | xargs sha256sum > SHA256SUMS",
        f.r.run_dir);
    NEED(fixture_sh(cmd) == 0);
}

static void flip_everything(void) {
    int missed = 0, bytes = 0, unnamed = 0;
    for (int i = 0; i < f.sum.n_artifacts; i++) {
        size_t n;
        const char *path = f.sum.artifacts[i].path;
        char *text = fixture_read(f.r.run_dir, path, &n), *copy = malloc(n + 1);
        NEED(copy != NULL);
        for (size_t k = 0; k < n; k++, bytes++) {
            memcpy(copy, text, n);
            copy[k] = (char)(copy[k] ^ (1 << (k % 8)));
            fixture_write(f.r.run_dir, path, copy, n);
            if (holds()) missed++;
            if (strcmp(v.file, path) != 0 && strcmp(path, EVIDENCE_SUMS) != 0) unnamed++;
            memcpy(copy + k, text + k + 1, n - k - 1); /* one byte less */
            fixture_write(f.r.run_dir, path, copy, n - 1);
            if (holds()) missed++;
            memcpy(copy, text, k + 1); /* one byte twice */
            memcpy(copy + k + 1, text + k, n - k);
            fixture_write(f.r.run_dir, path, copy, n + 1);
            if (holds()) missed++;
        }
        fixture_write(f.r.run_dir, path, text, n);
        free(copy);
        free(text);
    }
    CHECK(missed == 0 && unnamed == 0 && bytes > 5000);
    CHECK(holds());
}

static void swap_lines(const char *path, bool sums) {
    size_t n;
    char *text = fixture_read(f.r.run_dir, path, &n), *copy = malloc(n + 1);
    char *second = strchr(text, '\n') + 1, *third = strchr(second, '\n') + 1;
    size_t a = (size_t)(second - text), b = (size_t)(third - second);
    memcpy(copy, second, b);
    memcpy(copy + b, text, a);
    memcpy(copy + a + b, third, n - a - b);
    fixture_write(f.r.run_dir, path, copy, n);
    if (sums) resum();
    CHECK(!holds() && strcmp(v.file, path) == 0);
    fixture_write(f.r.run_dir, path, text, n);
    free(text);
    free(copy);
}

static void strangers(void) {
    char path[8192], aside[8192];
    fixture_write(f.r.run_dir, "backend/extra", "x", 1);
    CHECK(!holds() && strcmp(v.file, "backend/extra") == 0);
    snprintf(path, sizeof path, "%s/backend/extra", f.r.run_dir);
    unlink(path);
    NEED(symlink("stdout.log", path) == 0);
    CHECK(!holds() && strcmp(v.file, "backend/extra") == 0);
    unlink(path);
    NEED(mkfifo(path, 0600) == 0);
    CHECK(!holds() && strcmp(v.file, "backend/extra") == 0);
    unlink(path);
    NEED(mkdir(path, 0700) == 0);
    CHECK(!holds() && strcmp(v.file, "backend/extra") == 0);
    rmdir(path);
    for (int i = 0; i < f.sum.n_artifacts; i++) {
        snprintf(path, sizeof path, "%s/%s", f.r.run_dir, f.sum.artifacts[i].path);
        snprintf(aside, sizeof aside, "%s/aside", f.dir);
        NEED(rename(path, aside) == 0);
        CHECK(!holds() && strcmp(v.file, f.sum.artifacts[i].path) == 0);
        NEED(symlink(aside, path) == 0); /* the same bytes, but elsewhere */
        CHECK(!holds());
        unlink(path);
        NEED(rename(aside, path) == 0);
    }
    CHECK(holds());
}

/* Replaces `from` by `to` (same length) in a file, fixes the report's own digest and SHA256SUMS, and expects a
 * complaint. */
static void lie(const char *path, const char *from, const char *to) {
    size_t n, rn;
    char *text = fixture_read(f.r.run_dir, path, &n), *copy = malloc(n + 1),
         *report = fixture_read(f.r.run_dir, EVIDENCE_REPORT, &rn);
    memcpy(copy, text, n + 1);
    char *hit = strstr(copy, from), hex[DIGEST_HEX_SIZE];
    NEED(hit != NULL && strlen(from) == strlen(to));
    memcpy(hit, to, strlen(to));
    fixture_write(f.r.run_dir, path, copy, n);
    size_t now_n;
    char *now = fixture_read(f.r.run_dir, EVIDENCE_REPORT, &now_n);
    char key[200];
    snprintf(key, sizeof key, "\"%s\":\t\"", path);
    char *slot = strstr(now, key);
    digest_bytes(copy, n, hex);
    if (slot && strcmp(path, EVIDENCE_REPORT) != 0) memcpy(slot + strlen(key), hex, 64);
    char *own = strstr(now, "\"report.json\":\t\"");
    NEED(own != NULL);
    own += strlen("\"report.json\":\t\"");
    report_digest_without(now, own, 64, hex);
    memcpy(own, hex, 64);
    fixture_write(f.r.run_dir, EVIDENCE_REPORT, now, now_n);
    resum();
    if (!CHECK(!holds())) fprintf(stderr, "%s: %s -> %s went unnoticed\n", path, from, to);
    fixture_write(f.r.run_dir, path, text, n);
    fixture_write(f.r.run_dir, EVIDENCE_REPORT, report, rn);
    resum();
    free(text);
    free(copy);
    free(report);
    free(now);
}

static void lies(void) {
    lie(EVIDENCE_REPORT, "\"status\":\t\"pass\"", "\"status\":\t\"fail\"");
    lie(EVIDENCE_REPORT, "\"runtime_default_activation\":\tfalse", "\"runtime_default_activation\":\ttrue ");
    lie(EVIDENCE_REPORT, "\"not-promoted\"", "\"yes-promoted\"");
    lie(EVIDENCE_REPORT, "\"fresh\":\ttrue", "\"fresh\":\tnull");
    lie(EVIDENCE_REPORT, "\"case_id\":\t\"unit-case\"", "\"case_id\":\t\"unit-casf\"");
    lie(EVIDENCE_REPORT, "\"tests_passed\":\ttrue", "\"tests_passed\":\tnull");
    lie(EVIDENCE_REPORT, "\"run_started_at\":\t\"2", "\"run_started_at\":\t\"3");
    lie(EVIDENCE_EVENTS, "\"type\":\"plan.updated\"", "\"type\":\"plan.updatee\"");
    lie(EVIDENCE_EVENTS, "\"seq\":3", "\"seq\":4");
    lie(EVIDENCE_EVENTS, "\"status\":\"pass\"", "\"status\":\"fail\"");
    lie(EVIDENCE_CONTRACT, "\"src/\"", "\"src2\"");
    lie(EVIDENCE_REPORT_MD, "# PASS", "# FAIL");
    lie(EVIDENCE_EVENTS, "\"ts\":\"2", "\"ts\":\"1"); /* of the first event: nothing but the chain can tell */
    CHECK(strstr(v.what, "prev") != NULL);
    size_t n;
    char *report = fixture_read(f.r.run_dir, EVIDENCE_REPORT, &n), *at = strstr(report, "\"host\":\t\"h\"");
    NEED(at != NULL);
    at[9] = 'x';
    fixture_write(f.r.run_dir, EVIDENCE_REPORT, report, n);
    resum();
    CHECK(!holds() && strstr(v.what, "own digest")); /* a field that nothing else is compared with */
    at[9] = 'h';
    fixture_write(f.r.run_dir, EVIDENCE_REPORT, report, n);
    resum();
    free(report);
    CHECK(holds());
}

static void hostile(void) {
    struct err e = ERR_INIT;
    char path[8192], *deep = malloc(200001);
    CHECK(verify_run_dir("/nonexistent", NULL, &v, &e) == -1 && e.code == ERR_MISSING);
    CHECK(verify_run_dir(f.r.run_dir, "another", &v, &e) == 0 && !v.ok);
    memset(deep, '[', 200000);
    size_t n;
    char *report = fixture_read(f.r.run_dir, EVIDENCE_REPORT, &n);
    fixture_write(f.r.run_dir, EVIDENCE_REPORT, deep, 200000);
    resum();
    CHECK(!holds() && strcmp(v.file, EVIDENCE_REPORT) == 0);
    fixture_write(f.r.run_dir, EVIDENCE_REPORT, report, n);
    resum();
    snprintf(path, sizeof path, "%s/big", f.r.run_dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    NEED(fd >= 0 && ftruncate(fd, (off_t)1 << 40) == 0);
    close(fd);
    CHECK(!holds() && strcmp(v.file, "big") == 0); /* at once: nothing of it is read */
    unlink(path);
    for (int i = 0; i < 5; i++) { /* each may be, together they would take minutes */
        snprintf(path, sizeof path, "%s/big%d", f.r.run_dir, i);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        NEED(fd >= 0 && ftruncate(fd, (off_t)15 << 30) == 0);
        close(fd);
    }
    CHECK(!holds() && strstr(v.what, "files of more than"));
    for (int i = 0; i < 5; i++) {
        snprintf(path, sizeof path, "%s/big%d", f.r.run_dir, i);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/x\033[2Jy", f.r.run_dir);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    NEED(fd >= 0);
    close(fd);
    CHECK(!holds() && !strchr(v.file, '\033'));
    unlink(path);
    CHECK(holds());
    free(deep);
    free(report);
}

int main(void) {
    fixture_home(&f);
    fixture_begin(&f);
    fixture_work(&f);
    NEED(fixture_seal(&f, VERDICT_PASS));
    if (!holds()) fprintf(stderr, "%s %s\n", v.file, v.what);
    NEED(holds());
    resum(); /* our own form is what sha256sum writes */
    NEED(holds());
    flip_everything();
    swap_lines(EVIDENCE_EVENTS, true);
    fixture_write(f.r.run_dir, "x", "", 0);
    char path[8192];
    snprintf(path, sizeof path, "%s/x", f.r.run_dir);
    unlink(path);
    resum();
    swap_lines(EVIDENCE_SUMS, false);
    strangers();
    lies();
    hostile();
    fixture_free(&f);
    return check_done();
}
