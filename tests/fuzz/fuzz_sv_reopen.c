/* fuzz_sv_reopen.c - the directory of a run whose supervisor died, as a kill, a loss of power or an enemy may leave it: events,
 * trace, contract and the rest cut and edited anywhere. Recovery reads it, tells the end and seals it. Whatever it found: it
 * either refuses with a reason, or what it sealed verifies, with one run.completed. First byte: 1: the chain is made right again
 * after the edits, so that lines which only look like events are reached. Then edits: file, place, how, bytes. */
#define FIXTURE_TMP \
    (access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp") /* each input is sealed, with all its fsyncs */
#include <stdint.h>

#include "supervisor/narrate.h"
#include "supervisor/verdict.h"
#include "tests/unit/sv_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) ((condition) ? (void)0 : abort())
#define FILES 16

static struct fixture f;
static struct {
    char path[256];
    char *text;
    size_t len;
    struct buf now;
} files[FILES];
static int n_files;

static void go(void) { fixture_free(&f); }

static void set_up(void) {
    static const char *const left[] = {EVIDENCE_EVENTS,   EVIDENCE_TRACE,       EVIDENCE_CONTRACT,   EVIDENCE_PATCH,
                                       EVIDENCE_TEST_LOG, "backend/stdout.log", "backend/stderr.log"};
    fixture_home(&f);
    fixture_begin(&f);
    fixture_work(&f);
    for (size_t i = 0; i < sizeof left / sizeof *left; i++, n_files++) {
        snprintf(files[n_files].path, sizeof files[0].path, "%s", left[i]);
        files[n_files].text = fixture_read(f.r.run_dir, left[i], &files[n_files].len);
        files[n_files].now = BUF_INIT(1u << 20);
    }
    evidence_free(f.ev);
    f.ev = NULL;
    atexit(go);
}

/* place: u16 modulo the length; how: 0 replace, 1 insert, 2 delete, 3 cut here, 4 empty; n bytes. */
static void edit(struct rd *rd) {
    int which = rd_u8(rd) % n_files;
    struct buf *b = &files[which].now;
    size_t at = rd_u16(rd) % (b->len + 1);
    unsigned how = rd_u8(rd) % 5;
    size_t n = rd_u8(rd);
    if (n > rd->left) n = rd->left;
    AUTO_BUF struct buf out = BUF_INIT(1u << 20);
    size_t tail = how == 1 ? at : how >= 3 || b->len - at < n ? b->len : at + n;
    buf_put(&out, b->p, how == 4 ? 0 : at);
    if (how < 2) buf_put(&out, rd_raw(rd, n), n);
    if (!out.bad && tail < b->len) buf_put(&out, b->p + tail, b->len - tail);
    if (out.bad) return;
    struct buf swap = *b;
    *b = out;
    out = swap;
}

static void help_chain(void) {
    char prev[DIGEST_HEX_SIZE] = EVIDENCE_ZERO_PREV;
    static const char key[] = "\"prev\":\"";
    struct buf *b = &files[0].now;
    for (size_t at = 0; at < b->len;) {
        const uint8_t *end = memchr(b->p + at, '\n', b->len - at);
        if (!end) break;
        size_t n = (size_t)(end - (b->p + at));
        char *p = memmem(b->p + at, n, key, sizeof key - 1);
        if (p && (size_t)((const char *)end - p) > sizeof key + 64) memcpy(p + sizeof key - 1, prev, 64);
        digest_bytes(b->p + at, n, prev);
        at += n + 1;
    }
}

static void write_out(void) {
    static const char *const sealed[] = {EVIDENCE_SUMS, EVIDENCE_REPORT, EVIDENCE_REPORT_MD};
    int dir = open(f.r.run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    MUST(dir >= 0 && io_remove_tree_at(dir, "backend", NULL) == 0 && mkdirat(dir, "backend", 0700) == 0);
    for (size_t i = 0; i < sizeof sealed / sizeof *sealed; i++) unlinkat(dir, sealed[i], 0);
    close(dir);
    for (int i = 0; i < n_files; i++) fixture_write(f.r.run_dir, files[i].path, files[i].now.p, files[i].now.len);
}

/* As recovery does it. */
static int recover(struct run_record *r, struct evidence **ret_ev, struct seal_summary *sum, struct err *e) {
    struct narrator nar = {.rec = r};
    if (evidence_reopen(f.r.run_dir, r, ret_ev, e) < 0) return -1;
    nar.ev = *ret_ev;
    record_block(r, BLOCKER_supervisor_interrupted, "the supervisor ended before the run did");
    if (narrate_begin(&nar, e) < 0 || narrate_findings(&nar, e) < 0) return -1;
    const char *late = evidence_misplaced_event(*ret_ev, r);
    if (late) record_block(r, BLOCKER_missing_required_event, "required event %s came out of order", late);
    if (evidence_complete(*ret_ev, r, e) < 0) return -1;
    r->finished_ms = clock_real_ms();
    verdict_conclude(r);
    return narrate_completed(&nar, e) < 0 ? -1 : evidence_seal(*ret_ev, r, &f.in, sum, e);
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
    if (help & 1) help_chain();
    write_out();
    struct run_record *r = calloc(1, sizeof *r);
    struct seal_summary sum = {0};
    struct evidence *ev = NULL;
    MUST(r != NULL);
    *r = (struct run_record){
        .c = &f.c, .engine = "fake", .attempt = 1, .started_ms = f.r.started_ms, .cause_blocker = BLOCKER_COUNT};
    memcpy(r->run_id, f.r.run_id, sizeof r->run_id);
    record_set_dirs(r, f.r.run_dir, f.r.work_dir);
    if (recover(r, &ev, &sum, &e) < 0) {
        fprintf(stderr, "recovery refused: %s\n", e.text);
        abort(); /* nothing in these files may keep a home from being recovered */
    }
    MUST(verify_run_dir(f.r.run_dir, r->run_id, &v, &e) == 0);
    if (!v.ok) {
        fprintf(stderr, "sealed, and does not hold: %s: %s\n", v.file, v.what);
        abort();
    }
    evidence_free(ev);
    seal_summary_release(&sum);
    record_release(r);
    free(r);
    return 0;
}
