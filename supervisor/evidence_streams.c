/* evidence_streams.c - what an agent or its code says in any amount on its way to the disk: logs, the output of verification, the patch.
 *
 * Each goes through a redactor first, so that nothing that is on the disk has to be taken back: a kill at any moment leaves no known
 * value there. What a redactor still holds, because it may be the beginning of one, is written when its stream ends
 * (evidence_flush). The patch is different: a value in it is not replaced, the run has leaked it, and the file says nothing else any more.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor/evidence_internal.h"

#define WITHHELD                                                                                                 \
    "patch.diff is withheld: the committed result holds a value that the harness was given as an endpoint or a " \
    "credential (secret_leak_detected)\n"

static const enum evidence_slot slots[SECRET_STREAMS] = {
    [SECRET_IN_STDOUT] = SLOT_STDOUT,           [SECRET_IN_STDERR] = SLOT_STDERR,
    [SECRET_IN_TEST_LOG] = SLOT_TEST_LOG,       [SECRET_IN_PATCH] = SLOT_PATCH,
    [SECRET_IN_CASE_EVENTS] = SLOT_CASE_EVENTS, [SECRET_IN_CASE_TASK] = SLOT_CASE_TASK,
    [SECRET_IN_CASE_NOTES] = SLOT_CASE_NOTES};

struct sink {
    struct evidence *ev;
    int slot;
};

/* What the budget covers: bytes that the agent decides the number of. */
static int append_bulk(void *ctx, const void *p, size_t n, struct err *e) {
    struct evidence *ev = ((struct sink *)ctx)->ev;
    const int slot = ((struct sink *)ctx)->slot;
    if (ev->budget > 0 && ev->bytes + n > (uint64_t)ev->budget)
        return err_set(e, ERR_LIMIT, "%s: the run directory may hold %lld bytes, %zu more do not fit",
                       ev->files[slot].path, (long long)ev->budget, n);
    ev->bulk_bytes += n;
    return evidence_append(ev, slot, p, n, false, e);
}

static int stream(struct evidence *ev, enum secret_place where, const void *p, size_t n, struct err *e) {
    struct sink to = {ev, (int)slots[where]};
    if (ev->secrets) secret_scan_feed(&ev->scans[where], p, n);
    if (!secrets_known(ev->secrets) || n == 0) return append_bulk(&to, p, n, e);
    if (!ev->streams[where]) ev->streams[where] = redact_stream_new(ev->secrets->redactor);
    return redact_feed(ev->streams[where], p, n, append_bulk, &to, e);
}

int evidence_flush_stream(struct evidence *ev, enum secret_place where, struct err *e) {
    struct sink to = {ev, (int)slots[where]};
    int rc = ev->streams[where] ? redact_flush(ev->streams[where], append_bulk, &to, e) : 0;
    secret_scan_end(&ev->scans[where]);
    secrets_take_findings(ev->secrets, where, &ev->scans[where]);
    if (where == SECRET_IN_PATCH && secrets_stream_leaks(ev->secrets, where, ev->streams[where]) && rc == 0)
        rc = evidence_withhold_patch(ev, e);
    secrets_take(ev->secrets, where, ev->streams[where]);
    return rc;
}

int evidence_flush(struct evidence *ev, struct err *e) {
    int rc = 0;
    for (int w = 0; w < SECRET_STREAMS; w++) {
        struct err why = ERR_INIT;
        if (evidence_flush_stream(ev, (enum secret_place)w, &why) == 0) continue;
        if (rc == 0 && e) *e = why;
        rc = -1;
    }
    return rc;
}

int evidence_output(struct evidence *ev, enum out_stream from, const void *p, size_t n, struct err *e) {
    switch (from) {
    case OUT_STDOUT: return stream(ev, SECRET_IN_STDOUT, p, n, e);
    case OUT_STDERR: return stream(ev, SECRET_IN_STDERR, p, n, e);
    case OUT_VERIFY: return stream(ev, SECRET_IN_TEST_LOG, p, n, e);
    case OUT_CASE_EVENTS: return stream(ev, SECRET_IN_CASE_EVENTS, p, n, e);
    case OUT_CASE_TASK: return stream(ev, SECRET_IN_CASE_TASK, p, n, e);
    case OUT_CASE_NOTES: return stream(ev, SECRET_IN_CASE_NOTES, p, n, e);
    }
    return err_set(e, ERR_PROTO, "output stream %d does not exist", (int)from);
}

int evidence_patch(struct evidence *ev, const void *p, size_t n, struct err *e) {
    if (ev->patch_withheld) return 0;
    int rc = stream(ev, SECRET_IN_PATCH, p, n, e);
    if (secrets_stream_leaks(ev->secrets, SECRET_IN_PATCH, ev->streams[SECRET_IN_PATCH])) {
        const int kept = evidence_withhold_patch(ev, e);
        if (rc == 0) rc = kept;
    }
    return rc;
}

int evidence_withhold_patch(struct evidence *ev, struct err *e) {
    struct evidence_file *f = &ev->files[SLOT_PATCH];
    if (ev->patch_withheld) return 0;
    ev->patch_withheld = true;
    if (f->exists) {
        AUTO_FD int fd = io_open_beneath(ev->dir, f->path, O_WRONLY | O_NOFOLLOW, 0, e);
        if (fd < 0) return -1;
        if (ftruncate(fd, 0) < 0) return err_sys(e, "truncate %s", f->path);
        ev->bytes -= f->size;
        f->size = 0;
    }
    return evidence_append(ev, SLOT_PATCH, WITHHELD, strlen(WITHHELD), true, e);
}

void evidence_set_secrets(struct evidence *ev, struct secrets *s) { ev->secrets = s; }

void evidence_streams_release(struct evidence *ev) {
    for (int w = 0; w < SECRET_STREAMS; w++) redact_stream_free(ev->streams[w]);
}
