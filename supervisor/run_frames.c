/* run_frames.c - what each frame of a worker does to a run. Every payload is decoded with a bounded reader that must end
 * exactly at the end; anything else is a violation. Strings that an agent can influence (paths, subjects) are copied as data. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/path.h"
#include "supervisor/denials.h"
#include "supervisor/run_internal.h"
#include "supervisor/subject.h"

typedef int (*on_fn)(struct run *r, uint64_t now, struct rd *rd, struct err *e);

static int copy_text(struct run *r, struct rd *rd, char *out, size_t size) {
    size_t n;
    const char *p = (const char *)rd_bytes(rd, &n);
    out[0] = '\0';
    if (!p) return -1;
    AUTO_FREE char *clean = secrets_clean(r->rec->secrets, SECRET_IN_RECORD, p, n, &n);
    if (n >= size) n = size - 1; /* a sentence for people: cut, not refused */
    memcpy(out, clean ? clean : p, n);
    out[n] = '\0';
    return 0;
}

/* A path of the repository as it may be told: quoted, and without a known value; the caller's. */
static char *tell_path(struct run *r, const void *p, size_t n) {
    char *quoted = json_quote_path(p, n);
    char *clean = secrets_clean(r->rec->secrets, SECRET_IN_RECORD, quoted, strlen(quoted), NULL);
    if (!clean) return quoted;
    free(quoted);
    return clean;
}

static bool is_oid(const char *s) { return strlen(s) == 40 && strspn(s, "0123456789abcdef") == 40; }

static int on_hello(struct run *r, uint64_t now, struct rd *rd, struct err *e) {
    (void)r, (void)now, (void)e;
    char build[80];
    rd_str(rd, build, sizeof build);
    rd_u32(rd);
    return 0; /* another build was refused before anything was started (binaries.c); the RUN_SPEC says ours again */
}

static int on_ready(struct run *r, uint64_t now, struct rd *rd, struct err *e) {
    (void)e;
    size_t n;
    const uint8_t *p = rd_bytes(rd, &n);
    if (!p) return 0;
    free(r->rec->sandbox_json);
    r->rec->sandbox_json = strndup((const char *)p, n);
    run_set_state(r, now, RUN_BASELINE);
    return 0;
}

static int on_baseline(struct run *r, uint64_t now, struct rd *rd, struct err *e) {
    (void)now;
    struct run_record *c = r->rec;
    rd_str(rd, c->baseline_head, sizeof c->baseline_head);
    c->baseline_clean = rd_u8(rd) != 0;
    c->baseline_files = rd_u32(rd);
    c->baseline_bytes = rd_u64(rd);
    c->baseline_commits = rd_u32(rd);
    c->baseline_seen = true;
    return is_oid(c->baseline_head) ? 0 : err_set(e, ERR_PROTO, "BASELINE: not an object id");
}

static int on_started(struct run *r, uint64_t now, struct rd *rd, struct err *e) {
    (void)rd;
    if (!r->rec->baseline_seen) return err_set(e, ERR_PROTO, "STARTED before BASELINE");
    r->rec->engine_started = true;
    run_set_state(r, now, RUN_ENGINE);
    return 0;
}

/* Committed and clean: when may the engine be ended? (design: providers, "End of life") */
static void arm_grace(struct run *r, uint64_t now, bool changed) {
    const struct cto_case *c = r->rec->c;
    if (c->end_of_life == EOL_EXIT) return;
    uint64_t grace = now + (uint64_t)c->grace_ms * 1000;
    uint64_t latest = r->first_commit_us + (uint64_t)c->grace_max_ms * 1000;
    if (!r->last_clean)
        r->timers[RUN_TIMER_GRACE] = 0; /* at work again; the next clean look arms it */
    else if (r->timers[RUN_TIMER_GRACE] == 0 || (changed && c->end_of_life == EOL_QUIET))
        r->timers[RUN_TIMER_GRACE] = grace < latest ? grace : latest > now ? latest : now + 1;
}

static int on_look(struct run *r, uint64_t now, struct rd *rd, struct err *e) {
    struct run_record *c = r->rec;
    char head[OID_SIZE];
    bool moved = rd_u8(rd) != 0, clean = rd_u8(rd) != 0;
    rd_str(rd, head, sizeof head);
    uint64_t fingerprint = rd_u64(rd);
    if (rd->bad || (head[0] && !is_oid(head))) return err_set(e, ERR_PROTO, "LOOK: malformed");
    if (r->state == RUN_BASELINE) { /* the start check */
        c->baseline_clean = clean && !moved;
        r->last_fingerprint = fingerprint;
        return 0;
    }
    bool touched = fingerprint != r->last_fingerprint, changed = touched || strcmp(head, c->committed_head) != 0;
    r->last_fingerprint = fingerprint;
    r->last_clean = clean && moved;
    if (r->state != RUN_ENGINE) return 0;
    if (touched &&
        r->timers[RUN_TIMER_IDLE]) { /* work on files without a word is no idleness, whenever a look sees it */
        r->timers[RUN_TIMER_IDLE] = now + (uint64_t)c->c->idle_timeout_ms * 1000;
        r->idle_pending = false;
    }
    if (moved && clean) {
        if (!c->committed_seen) {
            c->committed_seen = true;
            c->committed_ms = clock_real_ms();
            r->first_commit_us = now;
        }
        memcpy(c->committed_head, head, sizeof head);
    }
    if (c->committed_seen) arm_grace(r, now, changed);
    return 0;
}

static int on_engine_end(struct run *r, uint64_t now, struct rd *rd, struct err *e) {
    struct run_record *c = r->rec;
    unsigned kind = rd_u8(rd);
    c->engine_code = (int32_t)rd_u32(rd);
    c->engine_cpu_us = rd_u64(rd);
    c->engine_rss_kib = rd_u64(rd);
    c->engine_processes = rd_u64(rd);
    c->engine_output = rd_u64(rd);
    c->engine_dropped = rd_u64(rd);
    copy_text(r, rd, c->engine_detail, sizeof c->engine_detail);
    if (strcmp(end_kind_name(kind), "invalid") == 0) return err_set(e, ERR_PROTO, "ENGINE_END: kind %u", kind);
    bool unstarted = kind == END_EXEC_FAILED || kind == END_SETUP_FAILED;
    if (r->state == RUN_BASELINE && !unstarted) return err_set(e, ERR_PROTO, "ENGINE_END before STARTED");
    c->engine_kind = (enum end_kind)kind;
    c->engine_ended = true;
    run_set_state(r, now, RUN_INSPECTING);
    return 0;
}

static int on_result(struct run *r, uint64_t now, struct rd *rd, struct err *e) {
    (void)now;
    struct run_record *c = r->rec;
    unsigned kind = rd_u8(rd);
    rd_str(rd, c->result_head, sizeof c->result_head);
    c->result_clean = rd_u8(rd) != 0;
    c->result_dirty = rd_u32(rd);
    c->result_commits = rd_u32(rd);
    c->made_by_harness = rd_u8(rd) != 0;
    copy_text(r, rd, c->result_detail, sizeof c->result_detail);
    if (strcmp(result_kind_name(kind), "invalid") == 0) return err_set(e, ERR_PROTO, "RESULT: kind %u", kind);
    if (c->result_head[0] && !is_oid(c->result_head)) return err_set(e, ERR_PROTO, "RESULT: not an object id");
    if (kind == RESULT_COMMITTED && !c->result_head[0])
        return err_set(e, ERR_PROTO, "RESULT: committed without a head");
    c->result_kind = (enum result_kind)kind;
    c->result_seen = true;
    return 0;
}

static int on_dirty(struct run *r, uint64_t now, struct rd *rd, struct err *e) {
    (void)now, (void)e;
    size_t n;
    uint8_t letter = rd_u8(rd);
    const uint8_t *p = rd_bytes(rd, &n);
    if (!p || r->rec->n_dirty >= RECORD_MAX_DIRTY) return 0; /* not even quoted */
    char *quoted = tell_path(r, p, n);
    size_t size = strlen(quoted) + 3;
    char *line = malloc(size);
    BUG_UNLESS(line != NULL);
    line[0] = letter >= 0x20 && letter < 0x7f ? (char)letter : '?';
    line[1] = ' ';
    memcpy(line + 2, quoted, size - 2);
    free(quoted);
    record_add_dirty(r->rec, line);
    return 0;
}

static int on_attempt(struct run *r, uint64_t now, struct rd *rd, struct err *e) {
    (void)now;
    struct run_record *c = r->rec;
    unsigned kind = rd_u8(rd);
    size_t n;
    const uint8_t *p = rd_bytes(rd, &n);
    if (!p || !attempt_action(kind)) return err_set(e, ERR_PROTO, "ATTEMPT: kind %u", kind);
    if (c->n_attempts++ > 0) return 0;
    char *quoted = tell_path(r, p, n);
    snprintf(c->forbidden_action, sizeof c->forbidden_action, "%s: %s: %.200s", attempt_action(kind),
             attempt_text(kind), quoted);
    free(quoted);
    return 0;
}

static int on_commit(struct run *r, uint64_t now, struct rd *rd, struct err *e) {
    (void)r, (void)now, (void)e;
    char oid[OID_SIZE];
    size_t n;
    rd_str(rd, oid, sizeof oid);
    rd_u8(rd);
    rd_i64(rd);
    rd_bytes(rd, &n);
    rd_bytes(rd, &n);
    return 0; /* its CHANGE frames follow and are what is judged */
}

static int on_change(struct run *r, uint64_t now, struct rd *rd, struct err *e) {
    (void)now;
    struct run_record *c = r->rec;
    const struct cto_case *k = c->c;
    struct change ch = {.scope = rd_u8(rd)}; /* one read per statement: initialisers have no order */
    ch.letter = (char)rd_u8(rd);
    ch.old_mode = rd_u32(rd);
    ch.new_mode = rd_u32(rd);
    size_t n;
    const char *p = (const char *)rd_bytes(rd, &n);
    if (!p || n == 0 || memchr(p, 0, n) || !ch.letter || !strchr("AMDT", ch.letter) || ch.scope > 1)
        return err_set(e, ERR_PROTO, "CHANGE: malformed");
    ch.forbidden = path_any_match(PATH_FORBIDDEN, k->forbidden_paths.v, (size_t)k->forbidden_paths.n, p, n);
    ch.allowed = path_any_match(PATH_ALLOWED, k->allowed_writes.v, (size_t)k->allowed_writes.n, p, n);
    /* an allowed change of a commit on the way adds nothing to the verdict: only net changes and offences are kept */
    if (ch.scope == 1 && ch.allowed && !ch.forbidden) return 0;
    if (c->n_changes >= RECORD_MAX_CHANGES) {
        c->changes_truncated = true;
        return 0;
    }
    if (c->n_changes == c->cap_changes) {
        int cap = c->cap_changes ? 2 * c->cap_changes : 16;
        struct change *grown = realloc(c->changes, (size_t)cap * sizeof *grown);
        if (!grown) return err_set(e, ERR_SYS, "out of memory for %d changes", cap);
        c->changes = grown;
        c->cap_changes = cap;
    }
    /* judged by its bytes; kept as it may be told */
    if (secrets_leaks(c->secrets, SECRET_IN_PATHS, p, n))
        ch.path = secrets_clean(c->secrets, SECRET_IN_PATHS, p, n, NULL);
    else
        ch.path = strndup(p, n);
    if (!ch.path) return err_set(e, ERR_SYS, "out of memory for a change");
    c->changes[c->n_changes++] = ch;
    return 0;
}

static int on_tree(struct run *r, uint64_t now, struct rd *rd, struct err *e) {
    (void)now;
    struct run_subject *s = r->rec->subject;
    if (!s || !subject_lands(s->kind)) return err_set(e, ERR_PROTO, "TREE: nothing is to be landed");
    rd_str(rd, s->tree, sizeof s->tree);
    return is_oid(s->tree) ? 0 : err_set(e, ERR_PROTO, "TREE: not an object id");
}

/* Kept as it came; whether its path is allowed is asked when it is landed (subject_landing_fits). */
static int on_land(struct run *r, uint64_t now, struct rd *rd, struct err *e) {
    (void)now;
    struct run_subject *s = r->rec->subject;
    if (!s || !subject_lands(s->kind)) return err_set(e, ERR_PROTO, "LAND: nothing is to be landed");
    struct land_change c = {.mode = rd_u32(rd)};
    rd_str(rd, c.oid, sizeof c.oid);
    uint64_t size = rd_u64(rd);
    size_t n;
    const char *p = (const char *)rd_bytes(rd, &n);
    bool file = c.mode == 0100644 || c.mode == 0100755 || c.mode == 0120000, removed = c.mode == 0;
    if (!p || n == 0 || memchr(p, 0, n) || (!file && !removed) || (file ? !is_oid(c.oid) : c.oid[0] || size > 0))
        return err_set(e, ERR_PROTO, "LAND: malformed");
    (void)secrets_leaks(r->rec->secrets, SECRET_IN_PATHS, p, n);
    return subject_add_change(s, &c, size, p, n, e);
}

static int on_verify_start(struct run *r, uint64_t now, struct rd *rd, struct err *e) {
    unsigned i = rd_u16(rd);
    if (i >= (unsigned)r->rec->c->n_verify) return err_set(e, ERR_PROTO, "VERIFY_START: command %u is none of ours", i);
    if (r->state == RUN_INSPECTING) run_set_state(r, now, RUN_VERIFYING);
    return 0;
}

static int on_verify_end(struct run *r, uint64_t now, struct rd *rd, struct err *e) {
    (void)now;
    unsigned i = rd_u16(rd), kind = rd_u8(rd);
    if (rd->bad || i >= (unsigned)r->rec->c->n_verify || record_verify(r->rec, (int)i)->seen ||
        strcmp(end_kind_name(kind), "invalid") == 0)
        return err_set(e, ERR_PROTO, "VERIFY_END: command %u, kind %u", i, kind);
    struct verify_result *v = record_verify_slot(r->rec, (int)i);
    v->kind = (enum end_kind)kind;
    v->code = (int32_t)rd_u32(rd);
    v->duration_us = rd_u64(rd);
    v->output_bytes = rd_u64(rd);
    v->dropped_bytes = rd_u64(rd);
    copy_text(r, rd, v->detail, sizeof v->detail);
    v->seen = true;
    return 0;
}

static int on_verify_skip(struct run *r, uint64_t now, struct rd *rd, struct err *e) {
    (void)now, (void)e;
    copy_text(r, rd, r->rec->verify_skip, sizeof r->rec->verify_skip);
    return 0;
}

static bool is_word(const char *s, const char *more) {
    for (; *s; s++)
        if (!((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') || strchr(more, *s))) return false;
    return true;
}

static int on_limit(struct run *r, uint64_t now, struct rd *rd, struct err *e) {
    (void)now;
    struct run_record *c = r->rec;
    struct limit_seen l = {.of_backend = r->state != RUN_VERIFYING};
    l.index = rd_u16(rd);
    rd_str(rd, l.name, sizeof l.name);
    l.limit = rd_u64(rd);
    l.seen = rd_u64(rd);
    rd_str(rd, l.mechanism, sizeof l.mechanism);
    l.ended = rd_u8(rd) != 0;
    bool whose = l.of_backend ? l.index == 0 : l.index < (unsigned)c->c->n_verify;
    if (rd->bad || !whose || !l.name[0] || !is_word(l.name, "_") || !is_word(l.mechanism, " "))
        return err_set(e, ERR_PROTO, "LIMIT: malformed");
    if (c->n_limits == RECORD_MAX_LIMITS) return err_set(e, ERR_PROTO, "LIMIT: more than there can be");
    struct limit_seen *grown = realloc(c->limits, (size_t)(c->n_limits + 1) * sizeof *grown);
    if (!grown) return err_set(e, ERR_SYS, "out of memory for a limit");
    c->limits = grown;
    c->limits[c->n_limits++] = l;
    r->ops->limit(r->ctx, &l);
    return 0;
}

static int on_trace(struct run *r, uint64_t now, struct rd *rd, struct err *e) {
    (void)now, (void)e;
    char step[64], detail[1600];
    copy_text(r, rd, step, sizeof step);
    uint64_t start = rd_u64(rd), dur = rd_u64(rd);
    bool ok = rd_u8(rd) != 0;
    copy_text(r, rd, detail, sizeof detail);
    if (!rd->bad) r->ops->trace(r->ctx, step, start, dur, ok, detail);
    return 0;
}

static int on_denied(struct run *r, uint64_t now, struct rd *rd, struct err *e) {
    (void)now;
    const struct denied_call *told;
    if (denials_take(r->rec, rd, &told, e) < 0) return -1;
    if (told && rd_done(rd)) r->ops->denied(r->ctx, told);
    return 0;
}

static int on_failed(struct run *r, uint64_t now, struct rd *rd, struct err *e) {
    unsigned class = rd_u8(rd);
    rd_u32(rd);
    rd_u32(rd);
    copy_text(r, rd, r->rec->failed_text, sizeof r->rec->failed_text);
    if (class < FAILED_SANDBOX || class > FAILED_SPEC) return err_set(e, ERR_PROTO, "FAILED: class %u", class);
    r->rec->failed_class = (enum failed_class) class;
    r->rec->failed_seen = true;
    run_set_state(r, now, RUN_COLLECTING);
    return 0;
}

static int on_done(struct run *r, uint64_t now, struct rd *rd, struct err *e) {
    (void)rd;
    /* "Done" in the middle is only permitted where the work may honestly end: a start that is not clean, or after RESULT. */
    bool refused_start = r->state == RUN_BASELINE && r->rec->baseline_seen && !r->rec->baseline_clean;
    bool finished = r->rec->result_seen || (r->rec->engine_ended && !r->rec->engine_started);
    if (!refused_start && !finished) return err_set(e, ERR_PROTO, "DONE before the work was done");
    r->rec->worker_done = true;
    run_set_state(r, now, RUN_COLLECTING);
    return 0;
}

static on_fn handler(unsigned type) {
    switch (type) {
    case MSG_HELLO: return on_hello;
    case MSG_READY: return on_ready;
    case MSG_BASELINE: return on_baseline;
    case MSG_STARTED: return on_started;
    case MSG_LOOK: return on_look;
    case MSG_ENGINE_END: return on_engine_end;
    case MSG_RESULT: return on_result;
    case MSG_DIRTY: return on_dirty;
    case MSG_ATTEMPT: return on_attempt;
    case MSG_COMMIT: return on_commit;
    case MSG_CHANGE: return on_change;
    case MSG_TREE: return on_tree;
    case MSG_LAND: return on_land;
    case MSG_VERIFY_START: return on_verify_start;
    case MSG_VERIFY_END: return on_verify_end;
    case MSG_VERIFY_SKIP: return on_verify_skip;
    case MSG_TRACE: return on_trace;
    case MSG_DENIED: return on_denied;
    case MSG_LIMIT: return on_limit;
    case MSG_FAILED: return on_failed;
    case MSG_DONE: return on_done;
    default: return NULL;
    }
}

/* The two channels have an order each and none between them: that an artifact is whole is asked when both have ended. */
static int count_artifact(const struct frame *f, uint64_t *seen, bool *whole, struct err *e) {
    *whole = false; /* nothing comes after its end */
    if (f->type == MSG_ARTIFACT) {
        *seen += f->len - 1;
        return 0;
    }
    struct rd rd = rd_over(f->payload + 1, f->len - 1);
    const uint64_t total = rd_u64(&rd);
    if (!rd_done(&rd)) return err_set(e, ERR_PROTO, "ARTIFACT_END: payload of the wrong size");
    *whole = total == *seen;
    return 0;
}

static bool lands(const struct run_record *c) { return c->subject && subject_lands(c->subject->kind); }

static bool is_stream(const struct run_record *c, unsigned type, unsigned what) {
    const unsigned last = strcmp(c->engine, "case") == 0 ? OUT_CASE_NOTES : OUT_VERIFY;
    if (type == MSG_OUTPUT) return what >= OUT_STDOUT && what <= last;
    return what == ARTIFACT_PATCH || (what == ARTIFACT_BLOBS && (c->search_contents || lands(c)));
}

static int on_bulk(struct run *r, uint64_t now, const struct frame *f, struct err *e) {
    unsigned what = f->len > 0 ? f->payload[0] : 0;
    if (!is_stream(r->rec, f->type, what)) return err_set(e, ERR_PROTO, "%s: stream %u", msg_rule(f->type)->name, what);
    if (f->type == MSG_OUTPUT && what <= OUT_STDERR && r->state == RUN_ENGINE && r->timers[RUN_TIMER_IDLE]) {
        r->timers[RUN_TIMER_IDLE] = now + (uint64_t)r->rec->c->idle_timeout_ms * 1000;
        r->idle_pending = false;
    }
    bool blobs = f->type != MSG_OUTPUT && what == ARTIFACT_BLOBS;
    struct run_record *c = r->rec;
    uint64_t *seen = lands(c) ? &c->subject->blobs_seen : &c->contents_seen;
    bool *whole = lands(c) ? &c->subject->blobs_whole : &c->contents_whole;
    if (blobs && count_artifact(f, seen, whole, e) < 0) return -1;
    if (f->type != MSG_OUTPUT && !blobs && count_artifact(f, &r->rec->patch_seen, &r->rec->patch_whole, e) < 0)
        return -1;
    r->ops->bulk(r->ctx, f->type, f->payload, f->len);
    return 0;
}

/* Whoever waits for a model is not idle. */
static int on_gateway(struct run *r, uint64_t now, const struct frame *f, struct err *e) {
    const struct model_request *told;
    if (model_use_take(r->rec, f, &told, e) < 0) return -1;
    bool moved = f->type == MSG_GW_TRAFFIC || f->type == MSG_GW_REQUEST;
    if (moved && r->state == RUN_ENGINE && r->timers[RUN_TIMER_IDLE]) {
        r->timers[RUN_TIMER_IDLE] = now + (uint64_t)r->rec->c->idle_timeout_ms * 1000;
        r->idle_pending = false;
    }
    if (told) r->ops->model(r->ctx, told);
    return 0;
}

int run_on_frame(void *feed, const struct frame *f, struct err *e) {
    struct run *r = ((struct run_feed *)feed)->run;
    uint64_t now = ((struct run_feed *)feed)->now;
    const struct msg_rule *rule = msg_rule(f->type);
    uint64_t bit = UINT64_C(1) << (f->type & 63);
    if (!(rule->states >> r->state & 1u)) return err_set(e, ERR_PROTO, "%s is not permitted", rule->name);
    if (r->rec->failed_seen && rule->channel == MSG_CONTROL)
        return err_set(e, ERR_PROTO, "%s after FAILED", rule->name);
    if (rule->flags & MSG_ONCE) {
        if (r->once_seen & bit) return err_set(e, ERR_PROTO, "%s a second time", rule->name);
        r->once_seen |= bit;
    }
    if (rule->channel == MSG_BULK) return on_bulk(r, now, f, e);
    if (rule->channel == MSG_GATEWAY) return on_gateway(r, now, f, e);
    struct rd rd = rd_over(f->payload, f->len);
    on_fn fn = handler(f->type);
    BUG_UNLESS(fn != NULL);
    /* decoding must end exactly at the end, and that is known only after the handler has read */
    if (fn(r, now, &rd, e) < 0) return -1;
    return rd_done(&rd) ? 0 : err_set(e, ERR_PROTO, "%s: payload of the wrong size", rule->name);
}
