/* seal.c - the end of a run's evidence: digests of what is on the disk, report.md, report.json, SHA256SUMS, fsync.
 *
 * The order is the contract's: events, trace, report.md, report.json, run.intoto.jsonl, SHA256SUMS, fsync, store. The
 * writer of the signed statement plugs in between report.json (its subject) and SHA256SUMS (which lists it): see
 * seal_files(). Digests are taken from the files as they are now, not carried along while writing: what is sealed is
 * what a reader will find. Size and time must be what we wrote; anything else means that somebody touched our
 * directory, and then nothing is sealed at all.
 *
 * SHA256SUMS exists only when all else is there, so its presence with matching digests is what recovery takes for
 * "sealed". fsync comes after it: a loss of power in between leaves a directory whose digests do not match, never one
 * that lies. All files are on their way to the disk before the first one is waited for, so that the waits overlap;
 * evidence_seal() returns when the last one has arrived.
 */
#include "supervisor/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/io.h"
#include "supervisor/evidence_internal.h"

void seal_summary_release(struct seal_summary *s) {
    free(s->artifacts);
    free(s->events);
    for (int i = 0; i < s->n_types; i++) free(s->types[i]);
    free(s->types);
    memset(s, 0, sizeof *s);
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct seal_artifact *)a)->path, ((const struct seal_artifact *)b)->path);
}

static struct seal_artifact *add_artifact(struct seal_summary *s, const char *path, int64_t written_ms,
                                          int64_t checked_ms) {
    struct seal_artifact *more = realloc(s->artifacts, (size_t)(s->n_artifacts + 1) * sizeof *more);
    BUG_UNLESS(more != NULL);
    s->artifacts = more;
    struct seal_artifact *a = &s->artifacts[s->n_artifacts++];
    memset(a, 0, sizeof *a);
    snprintf(a->path, sizeof a->path, "%s", path);
    a->written_ms = written_ms;
    a->checked_ms = checked_ms;
    return a;
}

/* The files of the directory, open until they are on the disk. */
const char *const evidence_of_the_seal[] = {EVIDENCE_SUMS,
                                            EVIDENCE_ATTESTATION,
                                            EVIDENCE_REPORT,
                                            EVIDENCE_REPORT_MD,
                                            "stage3-copied-repo-proof.json",
                                            "stage4-disposable-sandbox-proof.json",
                                            "stage5-owned-repo-proof.json",
                                            NULL};

struct unsynced {
    int n;
    struct {
        int fd;
        const char *path;
    } files[SLOT_FIXED + EVIDENCE_MAX_MARKERS + 4];
};

static void sync_later(struct unsynced *u, int fd, const char *path) {
    BUG_UNLESS(u->n < (int)(sizeof u->files / sizeof u->files[0]));
    u->files[u->n].fd = fd;
    u->files[u->n++].path = path;
}

static void unsynced_release(struct unsynced *u) {
    for (int i = 0; i < u->n; i++) close(u->files[i].fd);
    u->n = 0;
}

/* Digest of one file that was written while the run went on. */
static int take_file(struct evidence *ev, struct evidence_file *f, const struct run_record *r, struct seal_summary *s,
                     struct unsynced *u, struct err *e) {
    struct seal_artifact *a = add_artifact(s, f->path, f->written_ms, evidence_now(ev));
    struct stat sb;
    AUTO_FD int fd = io_open_beneath(ev->dir, f->path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0, e);
    if (fd < 0) return -1;
    if (fstat(fd, &sb) < 0) return err_sys(e, "%s", f->path);
    if (!S_ISREG(sb.st_mode)) return err_set(e, ERR_CONFLICT, "%s: not a regular file any more", f->path);
    if (digest_fd(fd, a->sha256, &a->size, e) < 0) return err_ctx(e, "%s", f->path);
    if (a->size != f->size)
        return err_set(e, ERR_CONFLICT, "%s: %llu bytes on disk, %llu written", f->path, (unsigned long long)a->size,
                       (unsigned long long)f->size);
    if (f->written_ms < r->started_ms && a->checked_ms < r->started_ms)
        return err_set(e, ERR_CONFLICT, "%s: neither written nor checked since the run started", f->path);
    if (f->fd >= 0 && ftruncate(f->fd, (off_t)f->size) < 0) return err_sys(e, "%s", f->path); /* what was set aside */
    if (f->fd >= 0) close(take_fd(&f->fd));
    if (a->size > 0) sync_later(u, take_fd(&fd), f->path);
    return 0;
}

/* A file of the seal itself. `path` is a literal. */
static int write_file(struct evidence *ev, const char *path, const struct buf *text, struct seal_summary *s,
                      struct unsynced *u, struct err *e) {
    AUTO_FD int fd = io_open_beneath(ev->dir, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, e);
    if (fd < 0) return -1;
    if (io_write_full(fd, text->p, text->len, e) < 0) return err_ctx(e, "%s", path);
    sync_later(u, take_fd(&fd), path);
    struct seal_artifact *a = add_artifact(s, path, evidence_now(ev), evidence_now(ev));
    a->size = text->len;
    digest_bytes(text->p, text->len, a->sha256);
    ev->bytes += text->len;
    return 0;
}

static void put_facts(struct evidence *ev, const struct seal_summary *s, struct report_facts *f) {
    f->artifacts = s->artifacts;
    f->n_artifacts = s->n_artifacts;
    f->n_types = evidence_event_types(ev, &f->types);
    f->events_head = ev->prev;
    f->events_total = ev->seq;
    f->bytes = ev->bytes;
    f->now_ms = evidence_now(ev);
    f->dir = ev->dir;
}

static int write_report(struct evidence *ev, const struct run_record *r, const struct seal_input *in,
                        struct seal_summary *s, struct unsynced *u, struct err *e) {
    struct report_facts facts;
    char own[DIGEST_HEX_SIZE];
    put_facts(ev, s, &facts);
    AUTO_FREE char *text = report_json_text(r, in, &facts);
    const char *at = report_own_digest(text, "");
    BUG_UNLESS(at != NULL);
    report_digest_without(text, at, 0, own);
    AUTO_BUF struct buf final = BUF_INIT(256u << 20);
    buf_put(&final, text, (size_t)(at - text));
    buf_puts(&final, own);
    buf_puts(&final, at);
    if (final.bad) return err_set(e, ERR_LIMIT, "%s: too large", EVIDENCE_REPORT);
    digest_bytes(final.p, final.len, s->report_sha256);
    return write_file(ev, EVIDENCE_REPORT, &final, s, u, e);
}

static int write_sums(struct evidence *ev, struct seal_summary *s, struct unsynced *u, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(1u << 20);
    qsort(s->artifacts, (size_t)s->n_artifacts, sizeof s->artifacts[0], by_path);
    for (int i = 0; i < s->n_artifacts; i++) buf_printf(&b, "%s  %s\n", s->artifacts[i].sha256, s->artifacts[i].path);
    if (b.bad) return err_set(e, ERR_LIMIT, "%s: too large", EVIDENCE_SUMS);
    digest_bytes(b.p, b.len, s->sums_sha256);
    int rc = write_file(ev, EVIDENCE_SUMS, &b, s, u, e);
    qsort(s->artifacts, (size_t)s->n_artifacts, sizeof s->artifacts[0], by_path);
    return rc;
}

/* Takes the text. */
static char *clean_text(struct evidence *ev, char *text) {
    char *clean = secrets_clean(ev->secrets, SECRET_IN_REPORT, text, strlen(text), NULL);
    if (!clean) return text;
    free(text);
    return clean;
}

static int write_markdown(struct evidence *ev, const struct run_record *r, const struct seal_input *in,
                          struct seal_summary *s, struct unsynced *u, struct err *e) {
    struct report_facts facts;
    put_facts(ev, s, &facts);
    AUTO_FREE char *md = clean_text(ev, report_md_text(r, in, &facts));
    const struct buf text = {.p = (uint8_t *)md, .len = strlen(md)};
    return write_file(ev, EVIDENCE_REPORT_MD, &text, s, u, e);
}

static int write_proof(struct evidence *ev, const struct run_record *r, struct seal_summary *s, struct unsynced *u,
                       struct err *e) {
    struct report_facts facts;
    const char *name;
    put_facts(ev, s, &facts);
    AUTO_FREE char *proof = proof_text(r, &facts, &name);
    if (!proof) return 0;
    proof = clean_text(ev, proof);
    const struct buf text = {.p = (uint8_t *)proof, .len = strlen(proof)};
    return write_file(ev, name, &text, s, u, e);
}

static int seal_files(struct evidence *ev, struct run_record *r, const struct seal_input *in, struct seal_summary *s,
                      struct unsynced *u, struct err *e) {
    for (int i = 0; i < ev->n_files; i++)
        if (ev->files[i].exists && take_file(ev, &ev->files[i], r, s, u, e) < 0) return -1;
    qsort(s->artifacts, (size_t)s->n_artifacts, sizeof s->artifacts[0], by_path);
    if (write_proof(ev, r, s, u, e) < 0) return -1;
    qsort(s->artifacts, (size_t)s->n_artifacts, sizeof s->artifacts[0], by_path);
    if (write_markdown(ev, r, in, s, u, e) < 0) return -1;
    qsort(s->artifacts, (size_t)s->n_artifacts, sizeof s->artifacts[0], by_path);
    if (write_report(ev, r, in, s, u, e) < 0) return -1;
    /* run.intoto.jsonl comes here: it signs the digest of report.json, and SHA256SUMS covers it. */
    return write_sums(ev, s, u, e);
}

static int sync_files(const struct unsynced *u, struct err *e) {
    for (int i = 0; i < u->n; i++) sync_file_range(u->files[i].fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* only a head start */
    for (int i = 0; i < u->n; i++)
        if (fsync(u->files[i].fd) < 0) return err_sys(e, "fsync %s", u->files[i].path);
    return 0;
}

static int sync_directories(struct evidence *ev, struct err *e) {
    static const char *const dirs[] = {"backend", ".", ".."};
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        AUTO_FD int fd = openat(ev->dir, dirs[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fsync(fd) < 0) return err_sys(e, "fsync %s of the run directory", dirs[i]);
    }
    return 0;
}

static void put_index(const struct evidence *ev, struct seal_summary *s) {
    s->types = calloc((size_t)ev->n_types + 1, sizeof *s->types);
    s->events = calloc((size_t)ev->n_index + 1, sizeof *s->events);
    BUG_UNLESS(s->types && s->events);
    for (; s->n_types < ev->n_types; s->n_types++) {
        s->types[s->n_types] = strdup(ev->types[s->n_types]);
        BUG_UNLESS(s->types[s->n_types] != NULL);
    }
    for (int i = 0; i < ev->n_index; i++)
        s->events[i] = (struct seal_event){ev->index[i].seq, s->types[ev->index[i].type], ev->index[i].ts_ms};
    s->n_events = ev->n_index;
    s->events_total = ev->seq;
    memcpy(s->events_head, ev->prev, sizeof s->events_head);
    for (int i = 0; i < s->n_artifacts; i++) s->total_bytes += s->artifacts[i].size;
}

int evidence_seal(struct evidence *ev, struct run_record *r, const struct seal_input *in, struct seal_summary *ret,
                  struct err *e) {
    struct seal_summary s = {.n_artifacts = 0};
    struct unsynced u = {.n = 0};
    if (ev->last_type < 0 || strcmp(ev->types[ev->last_type], "run.completed") != 0)
        return err_set(e, ERR_INTERNAL, "run %s: run.completed is not the last event", ev->run_id);
    if (r->verdict == VERDICT_NONE || (r->verdict == VERDICT_PASS) != (r->n_blockers == 0))
        return err_set(e, ERR_INTERNAL, "run %s: verdict and blockers do not fit", ev->run_id);
    if (r->verdict == VERDICT_PASS && r->artifact_failed)
        return err_set(e, ERR_INTERNAL, "run %s: a pass although %s", ev->run_id, r->artifact_detail);
    if (r->finished_ms < r->started_ms) r->finished_ms = evidence_now(ev);
    int rc = seal_files(ev, r, in, &s, &u, e);
    if (rc == 0) rc = sync_files(&u, e);
    if (rc == 0) rc = sync_directories(ev, e);
    unsynced_release(&u);
    if (rc < 0) {
        seal_summary_release(&s);
        return err_ctx(e, "seal %s", ev->run_id);
    }
    put_index(ev, &s);
    *ret = s;
    return 0;
}
