/* evidence_reopen.c - what recovery does with a run directory that its supervisor left behind.
 *
 * Sealed already (the supervisor died between SHA256SUMS and the store): the verdict in the report stands, because
 * whoever reads the directory sees a sealed run. Not sealed: everything after the last step that is certain is taken
 * back. The seal's own files are removed, events are cut to the longest prefix whose chain holds and that does not
 * claim an end, a torn last line of the trace is cut; artifacts stay as they are, they are evidence of how far the run
 * came.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/io.h"
#include "common/json.h"
#include "supervisor/evidence_internal.h"
#include "supervisor/verify_internal.h"

/* The contract's file is older than its event, but which of them a loss of power spares is the disk's affair: an event that
 * speaks of other bytes is cut off with all that follows it, and both are written anew. */
static bool contract_fits(const struct evidence *ev, const cJSON *data) {
    const char *said = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(data, "digest"));
    char digest[DIGEST_HEX_SIZE];
    return said && digest_file_at(ev->dir, EVIDENCE_CONTRACT, digest, NULL, NULL) == 0 && strcmp(said, digest) == 0;
}

static bool has_type(const struct evidence *ev, const char *type) {
    for (int i = 0; i < ev->n_types; i++)
        if (strcmp(ev->types[i], type) == 0) return true;
    return false;
}

/* May it stand where it stands? The end is told by recovery itself, and what comes once comes once. */
static bool fits(const struct evidence *ev, const char *type, const cJSON *data) {
    if ((ev->seq == 0) != (strcmp(type, "run.started") == 0) || strcmp(type, "run.completed") == 0) return false;
    if (strcmp(type, "task.contract.created") != 0) return true;
    return !has_type(ev, type) && contract_fits(ev, data);
}

/* One line of the events file, without its newline: is it byte for byte the event that we would write there? Only of such lines
 * is the verifier sure to think the same. */
static bool continues(struct evidence *ev, const char *line, size_t n) {
    if (n > EVIDENCE_LINE_MAX) return false;
    cJSON *o = verify_json(line, n);
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "type"));
    const char *ts = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "ts"));
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(o, "data");
    int64_t at = 0;
    bool ok = type && ts && cJSON_IsObject(data) && clock_parse_stamp(ts, &at) == 0 && fits(ev, type, data) &&
              evidence_is_event(ev, line, n, type, at, data) && evidence_note_event(ev, type, ev->seq + 1, at) == 0;
    cJSON_Delete(o);
    if (ok) digest_bytes(line, n, ev->prev);
    return ok;
}

/* Reads lines from the file's start; returns how many bytes of whole, accepted lines there are. accept NULL: any line.
 * */
static int good_prefix(int fd, struct evidence *ev, bool (*accept)(struct evidence *, const char *, size_t), off_t *ret,
                       struct err *e) {
    AUTO_BUF struct buf line = BUF_INIT(EVIDENCE_LINE_MAX + 65536);
    *ret = 0;
    for (;;) {
        char chunk[16384];
        ssize_t n = io_read_full(fd, chunk, sizeof chunk, e);
        if (n < 0) return -1;
        buf_put(&line, chunk, (size_t)n);
        if (line.bad) return 0; /* no line is that long */
        const char *p, *end;
        while ((p = buf_str(&line), end = memchr(p, '\n', line.len)) != NULL) {
            size_t len = (size_t)(end - p);
            if (accept && !accept(ev, p, len)) return 0;
            *ret += (off_t)len + 1;
            buf_consume(&line, len + 1);
        }
        if ((size_t)n < sizeof chunk) return 0;
    }
}

static int adopt_lines(struct evidence *ev, int slot, bool (*accept)(struct evidence *, const char *, size_t),
                       struct err *e) {
    struct evidence_file *f = &ev->files[slot];
    off_t keep = 0;
    AUTO_FD int fd = io_open_beneath_quiet(ev->dir, f->path, O_RDWR | O_NONBLOCK | O_NOFOLLOW, 0);
    if (fd < 0) return errno == ENOENT ? 0 : err_sys(e, "%s", f->path);
    if (good_prefix(fd, ev, accept, &keep, e) < 0) return -1;
    if (ftruncate(fd, keep) < 0) return err_sys(e, "truncate %s", f->path);
    f->exists = true;
    f->size = (uint64_t)keep;
    f->written_ms = evidence_now(ev);
    ev->bytes += f->size;
    return 0;
}

static int adopt_file(struct evidence *ev, struct evidence_file *f, struct err *e) {
    struct stat sb;
    AUTO_FD int fd = io_open_beneath_quiet(ev->dir, f->path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0);
    if (fd < 0) return errno == ENOENT ? 0 : err_sys(e, "%s", f->path);
    if (fstat(fd, &sb) < 0) return err_sys(e, "%s", f->path);
    if (!S_ISREG(sb.st_mode)) return err_set(e, ERR_CONFLICT, "%s: not a regular file", f->path);
    f->exists = true;
    f->size = (uint64_t)sb.st_size;
    f->written_ms = evidence_now(ev); /* checked now; when it was written is not known any more */
    ev->bytes += f->size;
    return 0;
}

/* Of backend/: has the file a place of its own? */
static bool is_fixed(const struct evidence *ev, const char *name) {
    for (int i = 0; i < SLOT_FIXED; i++)
        if (strncmp(ev->files[i].path, "backend/", 8) == 0 && strcmp(ev->files[i].path + 8, name) == 0) return true;
    return false;
}

static int adopt_markers(struct evidence *ev, struct err *e) {
    int fd = openat(ev->dir, "backend", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        if (fd >= 0) close(fd);
        return err_sys(e, "open backend");
    }
    int rc = 0;
    for (struct dirent *entry; rc == 0 && (entry = readdir(d)) != NULL;) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || is_fixed(ev, name)) continue;
        if (ev->n_files == SLOT_FIXED + EVIDENCE_MAX_MARKERS || strlen(name) > 64) {
            rc = err_set(e, ERR_CONFLICT, "backend/%.64s: not a file of ours", name);
            break;
        }
        char path[96];
        snprintf(path, sizeof path, "backend/%.64s", name);
        rc = adopt_file(ev, evidence_add_file(ev, path), e);
    }
    closedir(d);
    return rc;
}

static int open_directory(const char *run_dir, struct evidence *ev, struct err *e) {
    if (mkdir(run_dir, 0700) < 0 && errno != EEXIST) return err_sys(e, "mkdir %s", run_dir);
    ev->dir = open(run_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (ev->dir < 0) return err_sys(e, "open %s", run_dir);
    if (mkdirat(ev->dir, "backend", 0700) < 0 && errno != EEXIST) return err_sys(e, "mkdir %s/backend", run_dir);
    return 0;
}

static int remove_seal(struct evidence *ev, struct err *e) {
    for (int i = 0; evidence_of_the_seal[i]; i++) /* SHA256SUMS first: half a directory is never "sealed" */
        if (unlinkat(ev->dir, evidence_of_the_seal[i], 0) < 0 && errno != ENOENT)
            return err_sys(e, "remove %s", evidence_of_the_seal[i]);
    return 0;
}

int evidence_reopen(const char *run_dir, struct run_record *r, struct evidence **ret, struct err *e) {
    struct evidence *ev = evidence_new(r);
    if (!ev) return err_set(e, ERR_SYS, "evidence: out of memory");
    ev->reopened = true;
    if (run_dir != r->run_dir) record_set_dirs(r, run_dir, r->work_dir);
    int rc = open_directory(run_dir, ev, e);
    if (rc == 0) rc = remove_seal(ev, e);
    if (rc == 0) rc = adopt_lines(ev, SLOT_EVENTS, continues, e);
    if (rc == 0) rc = adopt_lines(ev, SLOT_TRACE, NULL, e);
    for (int i = SLOT_CONTRACT; rc == 0 && i < SLOT_FIXED; i++) rc = adopt_file(ev, &ev->files[i], e);
    if (rc == 0) rc = adopt_markers(ev, e);
    if (rc < 0) {
        evidence_free(ev);
        return err_ctx(e, "recover %s", run_dir);
    }
    *ret = ev;
    return 0;
}

/* --- sealed already --------------------------------------------------------------------------------------------------
 * */

bool evidence_is_sealed(const char *run_dir, const char *run_id) {
    struct verify_report v;
    return verify_run_dir(run_dir, run_id, &v, NULL) == 0 && v.ok;
}

static int read_blockers(const cJSON *report, struct run_record *r, struct err *e) {
    const cJSON *b;
    cJSON_ArrayForEach(b, cJSON_GetObjectItemCaseSensitive(report, "blockers")) {
        const char *reason = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(b, "reason"));
        const char *detail = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(b, "detail"));
        enum blocker id = reason ? blocker_by_reason(reason) : BLOCKER_COUNT;
        if (id == BLOCKER_COUNT || !detail) return err_set(e, ERR_PARSE, "%s: a blocker that is none", EVIDENCE_REPORT);
        record_block(r, id, "%s", detail);
    }
    return 0;
}

static int read_report(int dir, struct run_record *r, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(0);
    if (io_read_file_at(dir, EVIDENCE_REPORT, 256u << 20, &text, e) < 0) return -1;
    cJSON *o = cJSON_ParseWithLength(buf_str(&text), text.len);
    const char *status = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "status"));
    const char *finished = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "run_finished_at"));
    const char *base = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "baseline_head"));
    const char *head = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "result_head"));
    r->verdict = VERDICT_NONE;
    for (int v = VERDICT_PASS; status && v <= VERDICT_BLOCKED; v++)
        if (strcmp(status, verdict_name((enum verdict)v)) == 0) r->verdict = (enum verdict)v;
    int rc = 0;
    if (r->verdict == VERDICT_NONE || !finished || clock_parse_stamp(finished, &r->finished_ms) < 0)
        rc = err_set(e, ERR_PARSE, "%s: no status or no end", EVIDENCE_REPORT);
    r->n_blockers = 0;
    if (rc == 0) rc = read_blockers(o, r, e);
    const cJSON *end = cJSON_GetObjectItemCaseSensitive(o, "backend_end");
    r->engine_started = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(end, "started")); /* decides classes of reasons */
    snprintf(r->baseline_head, sizeof r->baseline_head, "%s", base ? base : "");
    snprintf(r->result_head, sizeof r->result_head, "%s", head ? head : "");
    cJSON_Delete(o);
    return rc;
}

static int read_sums(int dir, int64_t at_ms, struct seal_summary *s, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(0);
    if (io_read_file_at(dir, EVIDENCE_SUMS, 1u << 20, &text, e) < 0) return -1;
    digest_bytes(text.p, text.len, s->sums_sha256);
    size_t lines = 1;
    for (size_t i = 0; i < text.len; i++) lines += text.p[i] == '\n';
    s->artifacts = calloc(lines, sizeof *s->artifacts);
    if (!s->artifacts) return err_set(e, ERR_SYS, "out of memory");
    struct sums_line l;
    for (size_t at = 0, n; at < text.len && (n = sums_parse_line(buf_str(&text) + at, text.len - at, &l)) > 0;
         at += n) {
        struct seal_artifact *a = &s->artifacts[s->n_artifacts++];
        struct stat sb;
        snprintf(a->path, sizeof a->path, "%.*s", (int)l.path_len, l.path);
        memcpy(a->sha256, l.sha256, sizeof a->sha256);
        a->written_ms = a->checked_ms = at_ms;
        if (fstatat(dir, a->path, &sb, AT_SYMLINK_NOFOLLOW) < 0) return err_sys(e, "%s", a->path);
        a->size = (uint64_t)sb.st_size;
        s->total_bytes += a->size;
        if (strcmp(a->path, EVIDENCE_REPORT) == 0) memcpy(s->report_sha256, l.sha256, sizeof s->report_sha256);
    }
    struct seal_artifact *own = &s->artifacts[s->n_artifacts++]; /* the spare row: SHA256SUMS itself */
    snprintf(own->path, sizeof own->path, "%s", EVIDENCE_SUMS);
    memcpy(own->sha256, s->sums_sha256, sizeof own->sha256);
    own->size = text.len;
    own->written_ms = own->checked_ms = at_ms;
    s->total_bytes += text.len;
    return 0;
}

/* Notes every line; the directory was verified before. */
static bool note_any(struct evidence *ev, const char *line, size_t n) {
    cJSON *o = cJSON_ParseWithLength(line, n);
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "type"));
    const char *ts = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "ts"));
    int64_t at = 0;
    bool ok = type && ts && clock_parse_stamp(ts, &at) == 0 && evidence_note_event(ev, type, ev->seq + 1, at) == 0;
    cJSON_Delete(o);
    if (ok) digest_bytes(line, n, ev->prev);
    return ok;
}

static int read_events(const char *run_dir, struct run_record *r, struct seal_summary *s, struct err *e) {
    struct evidence *ev = evidence_new(r);
    if (!ev) return err_set(e, ERR_SYS, "out of memory");
    off_t size = 0;
    ev->dir = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_FD int fd = ev->dir < 0 ? -1 : io_open_beneath(ev->dir, EVIDENCE_EVENTS, O_RDONLY | O_NONBLOCK, 0, e);
    int rc = fd < 0 ? -1 : good_prefix(fd, ev, note_any, &size, e);
    if (rc == 0) {
        s->events = calloc((size_t)ev->n_index + 1, sizeof *s->events);
        s->types = calloc((size_t)ev->n_types + 1, sizeof *s->types);
        BUG_UNLESS(s->events && s->types);
        for (; s->n_types < ev->n_types; s->n_types++) s->types[s->n_types] = TAKE_PTR(ev->types[s->n_types]);
        for (; s->n_events < ev->n_index; s->n_events++)
            s->events[s->n_events] = (struct seal_event){
                ev->index[s->n_events].seq, s->types[ev->index[s->n_events].type], ev->index[s->n_events].ts_ms};
        s->events_total = ev->seq;
        memcpy(s->events_head, ev->prev, sizeof s->events_head);
    }
    evidence_free(ev);
    return rc;
}

int evidence_read_verdict(const char *run_dir, struct run_record *r, struct seal_summary *ret, struct err *e) {
    struct seal_summary s = {.n_artifacts = 0};
    AUTO_FD int dir = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return err_sys(e, "open %s", run_dir);
    if (read_report(dir, r, e) < 0 || read_sums(dir, r->finished_ms, &s, e) < 0 || read_events(run_dir, r, &s, e) < 0) {
        seal_summary_release(&s);
        return err_ctx(e, "%s", run_dir);
    }
    *ret = s;
    return 0;
}
