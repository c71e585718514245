/* fuzz_sv_verify.c - a sealed run directory that an enemy edits. The input is a list of edits: file, place, what. Without help
 * any effective edit must be found. With help (first byte's bits) the enemy also makes the digests and the chain right again, so
 * that the checks behind them are reached; then only memory safety and an honest answer are asked for. */
#include <stdint.h>

#include "tests/unit/sv_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) ((condition) ? (void)0 : abort())
#define FILES 16
enum { HELP_CHAIN = 1, HELP_REPORT = 2, HELP_SUMS = 4 };

static struct fixture f;
static struct {
    char path[256];
    char *text; /* as sealed */
    size_t len;
    struct buf now;
    bool dirty; /* the file on disk is not as sealed */
} files[FILES];
static int n_files;

static void go(void) { fixture_free(&f); }

static void set_up(void) {
    fixture_home(&f);
    fixture_begin(&f);
    fixture_work(&f);
    MUST(fixture_seal(&f, VERDICT_PASS) && f.sum.n_artifacts < FILES);
    for (; n_files < f.sum.n_artifacts; n_files++) {
        snprintf(files[n_files].path, sizeof files[0].path, "%s", f.sum.artifacts[n_files].path);
        files[n_files].text = fixture_read(f.r.run_dir, files[n_files].path, &files[n_files].len);
        files[n_files].now = BUF_INIT(1u << 20);
    }
    atexit(go);
}

static int find(const char *path) {
    for (int i = 0; i < n_files; i++)
        if (strcmp(files[i].path, path) == 0) return i;
    return -1;
}

/* place: u16 modulo the length; how: 0 replace, 1 insert, 2 delete; n bytes. */
static void edit(struct rd *rd) {
    struct buf *b = &files[rd_u8(rd) % (unsigned)n_files].now;
    size_t at = rd_u16(rd) % (b->len + 1);
    unsigned how = rd_u8(rd) % 3;
    size_t n = rd_u8(rd) % 32u;
    if (n > rd->left) n = rd->left;
    AUTO_BUF struct buf out = BUF_INIT(1u << 20);
    size_t tail = how == 1 ? at : b->len - at < n ? b->len : at + n;
    buf_put(&out, b->p, at);
    if (how != 2) buf_put(&out, rd_raw(rd, n), n);
    if (!out.bad && tail < b->len) buf_put(&out, b->p + tail, b->len - tail);
    if (out.bad) return;
    struct buf swap = *b;
    *b = out;
    out = swap;
}

/* Puts hex at "key":"<64 digits>" wherever that stands between from and to. */
static void set_digest(struct buf *b, size_t from, size_t to, const char *key, const char *hex) {
    char name[300];
    snprintf(name, sizeof name, "\"%s\":", key);
    for (char *p = (char *)b->p + from, *end = (char *)b->p + to;
         (p = memmem(p, (size_t)(end - p), name, strlen(name))) != NULL;) {
        p += strlen(name);
        while (p < end && (*p == ' ' || *p == '\t')) p++;
        if (end - p < 66 || *p != '"' || p[65] != '"') continue;
        memcpy(p + 1, hex, 64);
        p += 65;
    }
}

static void help_chain(void) {
    char prev[DIGEST_HEX_SIZE] = EVIDENCE_ZERO_PREV, contract[DIGEST_HEX_SIZE];
    struct buf *b = &files[find(EVIDENCE_EVENTS)].now, *task = &files[find(EVIDENCE_CONTRACT)].now;
    digest_bytes(task->p, task->len, contract);
    for (size_t at = 0; at < b->len;) {
        const uint8_t *end = memchr(b->p + at, '\n', b->len - at);
        if (!end) break;
        size_t n = (size_t)(end - (b->p + at));
        set_digest(b, at, at + n, "digest", contract);
        set_digest(b, at, at + n, "prev", prev);
        digest_bytes(b->p + at, n, prev);
        at += n + 1;
    }
    struct buf *report = &files[find(EVIDENCE_REPORT)].now;
    set_digest(report, 0, report->len, "head", prev);
}

static void help_report(void) {
    char hex[DIGEST_HEX_SIZE];
    struct buf *report = &files[find(EVIDENCE_REPORT)].now;
    for (int i = 0; i < n_files; i++) {
        if (strcmp(files[i].path, EVIDENCE_REPORT) == 0 || strcmp(files[i].path, EVIDENCE_SUMS) == 0) continue;
        digest_bytes(files[i].now.p, files[i].now.len, hex);
        set_digest(report, 0, report->len, files[i].path, hex);
    }
    set_digest(report, 0, report->len, EVIDENCE_REPORT, EVIDENCE_ZERO_PREV);
    const char *at =
        memchr(buf_str(report), 0, report->len) ? NULL : report_own_digest(buf_str(report), EVIDENCE_ZERO_PREV);
    if (!at) return;
    report_digest_without(buf_str(report), at, 64, hex);
    memcpy(report->p + (at - buf_str(report)), hex, 64);
}

static void help_sums(void) {
    struct buf *b = &files[find(EVIDENCE_SUMS)].now;
    buf_reset(b);
    for (int i = 0; i < n_files; i++) { /* the artifacts are in order of path */
        char hex[DIGEST_HEX_SIZE];
        if (strcmp(files[i].path, EVIDENCE_SUMS) == 0) continue;
        digest_bytes(files[i].now.p, files[i].now.len, hex);
        buf_printf(b, "%s  %s\n", hex, files[i].path);
    }
}

/* Brings the disk to files[].now; is anything other than as sealed? */
static bool write_out(void) {
    bool changed = false;
    for (int i = 0; i < n_files; i++) {
        struct buf *b = &files[i].now;
        bool same = b->len == files[i].len && memcmp(b->p, files[i].text, b->len) == 0;
        if (!same || files[i].dirty) fixture_write(f.r.run_dir, files[i].path, b->p, b->len);
        files[i].dirty = !same;
        changed |= !same;
    }
    return changed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct verify_report v;
    struct err e = ERR_INIT;
    if (!n_files) set_up();
    struct rd rd = rd_over(data, size);
    unsigned help = rd_u8(&rd);
    for (int i = 0; i < n_files; i++) {
        buf_reset(&files[i].now);
        buf_put(&files[i].now, files[i].text, files[i].len);
    }
    while (rd.left >= 5 && !rd.bad) edit(&rd);
    if (help & HELP_CHAIN) help_chain();
    if (help & HELP_REPORT) help_report();
    if (help & HELP_SUMS) help_sums();
    bool changed = write_out();
    MUST(verify_run_dir(f.r.run_dir, NULL, &v, &e) == 0);
    MUST(v.ok == (v.what[0] == '\0'));
    if (!(help & HELP_SUMS)) MUST(v.ok == !changed);
    for (const char *p = v.what; *p; p++) MUST((unsigned char)*p >= 0x20 && *p != 0x7f); /* shown on a terminal */
    return 0;
}
