/* test_sv_run.c - the run state machine: an honest stream, every frame in every state, malformed payloads, first cause wins,
 * orders of exit and ends of channels, cancel. Deadlines and ends of life: test_sv_run_time.c. */
#include "sv_world.h"
#include "supervisor/subject.h"

static const enum run_state working[] = {RUN_STARTING,   RUN_BASELINE,  RUN_ENGINE,    RUN_STOPPING,
                                         RUN_INSPECTING, RUN_VERIFYING, RUN_COLLECTING};
#define N_WORKING (sizeof working / sizeof working[0])

static void honest_frames(struct buf *control, struct buf *bulk) {
    static const enum msg_type order[] = {MSG_HELLO,  MSG_TRACE,        MSG_READY,      MSG_BASELINE, MSG_STARTED,
                                          MSG_LOOK,   MSG_ENGINE_END,   MSG_RESULT,     MSG_DIRTY,    MSG_COMMIT,
                                          MSG_CHANGE, MSG_VERIFY_START, MSG_VERIFY_END, MSG_TRACE,    MSG_DONE};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        AUTO_BUF struct buf b = BUF_INIT(1 << 16);
        payload_of(order[i], &b);
        frame_put(control, order[i], b.p, b.len);
    }
    static const enum msg_type more[] = {MSG_OUTPUT, MSG_OUTPUT, MSG_ARTIFACT, MSG_ARTIFACT_END};
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
        AUTO_BUF struct buf b = BUF_INIT(1 << 16);
        payload_of(more[i], &b);
        frame_put(bulk, more[i], b.p, b.len);
    }
}

static void expect_honest(const struct world *w) {
    CHECK(strcmp(w->order, "gated starting baseline engine inspecting verifying collecting sealing") == 0);
    CHECK(w->kills == 0 && w->stops == 0 && w->traces == 2 && w->bulks == 4 && w->bulk_bytes == 6 + 6 + 5 + 9);
    const struct run_record *r = &w->rec;
    CHECK(r->cause_blocker == BLOCKER_COUNT && r->worker_done && r->worker_clean && !r->failed_seen);
    CHECK(r->baseline_seen && r->baseline_clean && strcmp(r->baseline_head, OID_A) == 0 && r->baseline_files == 3 &&
          r->baseline_bytes == 99);
    CHECK(r->engine_started && r->engine_ended && r->engine_kind == END_EXITED && r->engine_code == 0);
    CHECK(r->result_seen && r->result_kind == RESULT_COMMITTED && strcmp(r->result_head, OID_B) == 0 &&
          r->result_commits == 1);
    CHECK(r->n_changes == 1 && strcmp(r->changes[0].path, "src/x") == 0 && r->changes[0].allowed &&
          !r->changes[0].forbidden);
    CHECK(r->n_dirty == 1 && strcmp(r->dirty[0], "? stray") == 0);
    CHECK(r->verify[0].seen && r->verify[0].kind == END_EXITED && strcmp(r->sandbox_json, "{\"kernel\":\"x\"}") == 0);
}

/* The patch has an end, of just the bytes that came, and nothing after it. */
static void patch_end(void) {
    static const struct {
        const char *frames;
        bool whole;
    } t[] = {{"p", false}, {"e", false}, {"pe", true}, {"ppe", false}, {"pep", false}, {"pee", true}, {"", false}};
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        AUTO_BUF struct buf bulk = BUF_INIT(1 << 16);
        struct world *w = world_at(RUN_INSPECTING);
        for (const char *f = t[i].frames; *f; f++) {
            AUTO_BUF struct buf b = BUF_INIT(64);
            payload_of(*f == 'p' ? MSG_ARTIFACT : MSG_ARTIFACT_END, &b);
            frame_put(&bulk, *f == 'p' ? MSG_ARTIFACT : MSG_ARTIFACT_END, b.p, b.len);
        }
        if (bulk.len > 0) run_bytes(&w->r, w->now, MSG_BULK, bulk.p, bulk.len);
        CHECK(w->kills == 0 && w->rec.patch_whole == t[i].whole);
        world_free(w);
    }
}

/* In one piece, then in reads of every size up to 40 bytes. */
static void honest(void) {
    AUTO_BUF struct buf control = BUF_INIT(1 << 16), bulk = BUF_INIT(1 << 16);
    honest_frames(&control, &bulk);
    for (size_t step = 0; step <= 40; step++) {
        struct world *w = world_at(RUN_STARTING);
        bool bulk_given = false;
        for (size_t at = 0; at < control.len; at += step ? step : control.len) {
            size_t n = step && control.len - at > step ? step : control.len - at;
            give(w, MSG_CONTROL, control.p + at, n);
            if (w->r.state < RUN_ENGINE || bulk_given) continue;
            bulk_given = true; /* bulk is read from "engine" on */
            for (size_t k = 0; k < bulk.len; k += step ? step : bulk.len)
                give(w, MSG_BULK, bulk.p + k, step && bulk.len - k > step ? step : bulk.len - k);
        }
        CHECK(w->r.state == RUN_COLLECTING);
        run_eof(&w->r, w->now, MSG_CONTROL);
        run_eof(&w->r, w->now, MSG_BULK);
        CHECK(w->r.state == RUN_COLLECTING);
        run_exited(&w->r, w->now, 0, 0);
        expect_honest(w);
        run_sealed(&w->r, w->now);
        CHECK(w->r.state == RUN_DONE && run_next_deadline(&w->r) == 0);
        world_free(w);
    }
}

static void denied_of(struct buf *b, unsigned by, unsigned command, unsigned kind, const char *name, uint64_t count) {
    buf_put_u8(b, (uint8_t)by), buf_put_u16(b, (uint16_t)command), buf_put_u8(b, (uint8_t)kind), buf_put_str(b, name);
    buf_put_u64(b, count);
    for (int i = 0; i < 3; i++) buf_put_u64(b, 0);
}

/* What a killed run does with whatever follows: nothing, until the worker is gone; then it seals, once. */
static void killed_once(struct world *w, enum blocker why) {
    enum run_state at = w->r.state;
    CHECK(w->kills == 1 && w->rec.cause_blocker == why && w->rec.cause[0]);
    char cause[sizeof w->rec.cause];
    memcpy(cause, w->rec.cause, sizeof cause);
    for (int i = 0; i < 3; i++) {
        say(w, MSG_DONE);
        say(w, MSG_HELLO);
        give(w, MSG_BULK, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
        run_cancel(&w->r, w->now, BLOCKER_supervisor_interrupted, "late");
    }
    CHECK(w->r.state == at && w->kills == 1 && w->stops <= 1);
    worker_goes(w);
    CHECK(w->rec.cause_blocker == why && strcmp(w->rec.cause, cause) == 0);
}

/* Handlers have rules of their own beside the table. */
static bool also_refused(enum run_state s, enum msg_type t) {
    if (s == RUN_BASELINE && t == MSG_STARTED) return true;    /* before BASELINE */
    if (s == RUN_BASELINE && t == MSG_ENGINE_END) return true; /* "exited", before STARTED */
    if (t == MSG_DONE && s != RUN_VERIFYING) return true;      /* before a result */
    if (t == MSG_TREE || t == MSG_LAND) return true;           /* nothing is to be landed here, see landing() */
    return false;
}

static bool came_before(enum run_state s, enum msg_type t) {
    switch (t) {
    case MSG_HELLO:
    case MSG_READY: return s >= RUN_BASELINE;
    case MSG_BASELINE:
    case MSG_STARTED: return s >= RUN_ENGINE;
    case MSG_ENGINE_END: return s >= RUN_INSPECTING;
    case MSG_RESULT: return s >= RUN_VERIFYING;
    case MSG_DONE: return s >= RUN_COLLECTING;
    default: return false;
    }
}

static void every_frame_everywhere(void) {
    size_t n;
    const struct msg_rule *rules = msg_rules(&n);
    for (size_t k = 0; k < N_WORKING; k++) {
        for (size_t i = 0; i < n; i++) {
            if (rules[i].channel == MSG_GATEWAY) continue; /* test_sv_model_use.c */
            struct world *w = world_at(working[k]);
            enum msg_type t = (enum msg_type)rules[i].type;
            bool permitted = (rules[i].states >> working[k] & 1u) && rules[i].direction == MSG_TO_SUPERVISOR &&
                             !also_refused(working[k], t) &&
                             !((rules[i].flags & MSG_ONCE) && came_before(working[k], t));
            say(w, t);
            if (!CHECK((w->kills == 0) == permitted))
                fprintf(stderr, "    %s in %s: %s\n", rules[i].name, run_state_name(working[k]), w->rec.cause);
            if (w->kills) {
                CHECK(strstr(w->rec.cause, run_state_name(working[k])) != NULL); /* says in which state */
                killed_once(w, BLOCKER_worker_protocol_violation);
            } else if (rules[i].flags & MSG_ONCE) {
                say(w, t);
                killed_once(w, BLOCKER_worker_protocol_violation);
            } else {
                run_cancel(&w->r, w->now, BLOCKER_supervisor_interrupted, "enough");
                killed_once(w, BLOCKER_supervisor_interrupted);
            }
            world_free(w);
        }
    }
}

/* On the other channel, and with one byte less or more than the grammar says. */
static void wrong_shape(void) {
    size_t n;
    const struct msg_rule *rules = msg_rules(&n);
    for (size_t i = 0; i < n; i++) {
        enum msg_type t = (enum msg_type)rules[i].type;
        if (rules[i].direction != MSG_TO_SUPERVISOR || t == MSG_TREE || t == MSG_LAND ||
            rules[i].channel == MSG_GATEWAY)
            continue;
        enum run_state s = RUN_STARTING;
        while (!(rules[i].states >> s & 1u) || (also_refused(s, t) && t != MSG_STARTED) ||
               ((rules[i].flags & MSG_ONCE) && came_before(s, t)))
            s++;
        AUTO_BUF struct buf b = BUF_INIT(1 << 16);
        payload_of(t, &b);
        for (int how = 0; how < 3; how++) {
            AUTO_BUF struct buf f = BUF_INIT(1 << 16);
            struct world *w = world_at(s);
            bool raw_tail =
                t == MSG_OUTPUT || t == MSG_ARTIFACT || t == MSG_ARTIFACT_END; /* bytes for disk, looked at there */
            if (how == 1 && (b.len == 0 || raw_tail)) {
                world_free(w);
                continue;
            }
            if (how == 2 && raw_tail) {
                world_free(w);
                continue;
            }
            enum msg_channel c = how == 0 ? (rules[i].channel == MSG_BULK ? MSG_CONTROL : MSG_BULK) : rules[i].channel;
            if (how == 2) buf_put_u8(&b, 0);
            frame_put(&f, t, b.p, how == 1 ? b.len - 1 : b.len);
            give(w, c, f.p, f.len);
            if (!CHECK(w->kills == 1)) fprintf(stderr, "    %s, way %d\n", rules[i].name, how);
            worker_goes(w);
            world_free(w);
        }
    }
}

static void refuses(enum run_state s, enum msg_type t, const void *p, size_t n, const char *word) {
    struct world *w = world_at(s);
    AUTO_BUF struct buf b = BUF_INIT(1 << 16);
    frame_put(&b, t, p, n);
    give(w, msg_rule(t)->channel, b.p, b.len);
    if (!CHECK(w->kills == 1 && strstr(w->rec.cause, word))) fprintf(stderr, "    %s: \"%s\"\n", word, w->rec.cause);
    worker_goes(w);
    world_free(w);
}

static void refuses_buf(enum run_state s, enum msg_type t, struct buf *b, const char *word) {
    refuses(s, t, b->p, b->len, word);
    buf_reset(b);
}

static void malformed(void) {
    AUTO_BUF struct buf b = BUF_INIT(1 << 16);
    static const char *const oids[] = {"", "abc", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                                       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaag"};
    for (size_t i = 0; i < sizeof oids / sizeof oids[0]; i++) {
        buf_put_str(&b, oids[i]), buf_put_u8(&b, 1), buf_put_u32(&b, 3), buf_put_u64(&b, 99), buf_put_u32(&b, 1);
        refuses_buf(RUN_BASELINE, MSG_BASELINE, &b, "BASELINE: not an object id");
        if (!oids[i][0]) continue; /* an unborn or unreadable head has none */
        buf_put_u8(&b, 1), buf_put_u8(&b, 1), buf_put_str(&b, oids[i]), buf_put_u64(&b, 1);
        refuses_buf(RUN_ENGINE, MSG_LOOK, &b, "LOOK: malformed");
        buf_put_u8(&b, RESULT_COMMITTED), buf_put_str(&b, oids[i]), buf_put_u8(&b, 1), buf_put_u32(&b, 0),
            buf_put_u32(&b, 1);
        buf_put_u8(&b, 0), buf_put_str(&b, "");
        refuses_buf(RUN_INSPECTING, MSG_RESULT, &b, "RESULT: not an object id");
    }
    buf_put_u8(&b, RESULT_COMMITTED), buf_put_str(&b, ""), buf_put_u8(&b, 1), buf_put_u32(&b, 0), buf_put_u32(&b, 1),
        buf_put_u8(&b, 0);
    buf_put_str(&b, "");
    refuses_buf(RUN_INSPECTING, MSG_RESULT, &b, "committed without a head");
    for (unsigned kind = 0; kind < 256; kind += kind == 0 ? 6 : 249) { /* 0, 6, 255: no result of that number */
        buf_put_u8(&b, (uint8_t)kind), buf_put_str(&b, OID_B), buf_put_u8(&b, 1), buf_put_u32(&b, 0),
            buf_put_u32(&b, 1), buf_put_u8(&b, 0);
        buf_put_str(&b, "");
        refuses_buf(RUN_INSPECTING, MSG_RESULT, &b, "RESULT: kind");
    }
    buf_put_u8(&b, 0), buf_put_u32(&b, 0);
    for (int i = 0; i < 5; i++) buf_put_u64(&b, 0);
    buf_put_str(&b, "");
    refuses_buf(RUN_ENGINE, MSG_ENGINE_END, &b, "ENGINE_END: kind 0");
    buf_put_u8(&b, 0), buf_put_u32(&b, 0), buf_put_u32(&b, 0), buf_put_str(&b, "x");
    refuses_buf(RUN_ENGINE, MSG_FAILED, &b, "FAILED: class 0");
    buf_put_u8(&b, 5), buf_put_u32(&b, 0), buf_put_u32(&b, 0), buf_put_str(&b, "x");
    refuses_buf(RUN_ENGINE, MSG_FAILED, &b, "FAILED: class 5");
    refuses(RUN_INSPECTING, MSG_VERIFY_START, "\1\0", 2, "VERIFY_START: command 1");
    refuses(RUN_ENGINE, MSG_OUTPUT, "\0x", 2, "OUTPUT: stream 0");
    refuses(RUN_ENGINE, MSG_OUTPUT, "\4x", 2, "OUTPUT: stream 4");
    refuses(RUN_ENGINE, MSG_OUTPUT, "", 0, "OUTPUT: stream 0");
    refuses(RUN_ENGINE, MSG_ARTIFACT, "\2x", 2, "ARTIFACT: stream 2");
}

static void malformed_lists(void) {
    AUTO_BUF struct buf b = BUF_INIT(1 << 16);
    static const struct {
        uint8_t scope, letter;
        const char *path;
        uint16_t n;
    } changes[] = {{0, 'M', "", 0}, {0, 'M', "a\0b", 3}, {0, 'R', "a", 1}, {0, 0, "a", 1}, {2, 'M', "a", 1}};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        buf_put_u8(&b, changes[i].scope), buf_put_u8(&b, changes[i].letter), buf_put_u32(&b, 0), buf_put_u32(&b, 0);
        buf_put_bytes(&b, changes[i].path, changes[i].n);
        refuses_buf(RUN_INSPECTING, MSG_CHANGE, &b, "CHANGE: malformed");
    }
    static const struct {
        uint16_t i;
        uint8_t kind;
    } ends[] = {{1, END_EXITED}, {0, 0}, {0, 99}, {65535, END_EXITED}};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        buf_put_u16(&b, ends[i].i), buf_put_u8(&b, ends[i].kind), buf_put_u32(&b, 0);
        for (int k = 0; k < 3; k++) buf_put_u64(&b, 0);
        buf_put_str(&b, "");
        refuses_buf(RUN_VERIFYING, MSG_VERIFY_END, &b, "VERIFY_END");
    }
    static const uint8_t no_attempts[] = {0, 4, 255};
    for (size_t i = 0; i < sizeof no_attempts; i++) {
        buf_put_u8(&b, no_attempts[i]), buf_put_str(&b, "origin");
        refuses_buf(RUN_INSPECTING, MSG_ATTEMPT, &b, "ATTEMPT: kind");
    }
    static const struct {
        uint8_t by;
        uint16_t command;
        uint8_t kind;
        const char *name;
        uint64_t count;
    } denied[] = {{0, 0, 1, "bpf", 1},     {3, 0, 1, "bpf", 1},
                  {1, 1, 1, "bpf", 1},     {2, 1, 1, "bpf", 1},
                  {1, 0, 0, "bpf", 1},     {1, 0, 4, "bpf", 1},
                  {1, 0, 1, "", 1},        {1, 0, 1, "b pf", 1},
                  {1, 0, 1, "bpf\x1b", 1}, {1, 0, 1, "bpf", 0},
                  {1, 0, 1, "bpf", 2},     {1, 0, 2, "bpf", 2},
                  {1, 0, 3, "bpf", 0},     {1, 0, 1, "a_name_that_is_longer_than_any_system_call", 1}};
    for (size_t i = 0; i < sizeof denied / sizeof denied[0]; i++) {
        denied_of(&b, denied[i].by, denied[i].command, denied[i].kind, denied[i].name, denied[i].count);
        refuses_buf(RUN_ENGINE, MSG_DENIED, &b, "DENIED");
    }
    struct world *w = world_at(RUN_VERIFYING); /* the same command twice */
    say(w, MSG_VERIFY_END);
    CHECK(w->kills == 0);
    say(w, MSG_VERIFY_END);
    killed_once(w, BLOCKER_worker_protocol_violation);
    world_free(w);
    w = world_at(RUN_BASELINE); /* nothing follows FAILED */
    say(w, MSG_FAILED);
    CHECK(w->kills == 0 && w->rec.failed_seen && w->r.state == RUN_COLLECTING &&
          strcmp(w->rec.failed_text, "no space") == 0);
    say(w, MSG_TRACE);
    CHECK(w->kills == 1 && w->rec.cause_blocker == BLOCKER_worker_protocol_violation);
    worker_goes(w);
    world_free(w);
}

/* Each call once when it is first refused, once more with its total; more kinds than there is room for are counted as such. */
static void denials(void) {
    AUTO_BUF struct buf b = BUF_INIT(1 << 16);
    struct world *w = world_at(RUN_ENGINE);
    say(w, MSG_DENIED);
    denied_of(&b, DENIED_BY_ENGINE, 0, DENIED_FIRST, "mount", 1);
    frame(w, MSG_DENIED, &b);
    buf_reset(&b);
    denied_of(&b, DENIED_BY_ENGINE, 0, DENIED_TOTAL, "ptrace", 7);
    frame(w, MSG_DENIED, &b);
    CHECK(w->kills == 0 && w->denied == 3 && w->rec.n_denied == 2 && w->rec.denied[0].count == 7);
    frame(w, MSG_DENIED, &b); /* its total again */
    CHECK(w->kills == 1 && w->rec.cause_blocker == BLOCKER_worker_protocol_violation && w->denied == 3);
    worker_goes(w);
    world_free(w);
    w = world_at(RUN_ENGINE);
    say(w, MSG_DENIED);
    say(w, MSG_DENIED); /* for the first time again */
    CHECK(w->kills == 1);
    worker_goes(w);
    world_free(w);
    w = world_at(RUN_ENGINE);
    for (int i = 0; i < RECORD_MAX_DENIED + 5; i++) {
        char name[24];
        snprintf(name, sizeof name, "call_%d", i);
        buf_reset(&b);
        denied_of(&b, DENIED_BY_ENGINE, 0, DENIED_FIRST, name, 1);
        frame(w, MSG_DENIED, &b);
    }
    CHECK(w->kills == 0 && w->denied == RECORD_MAX_DENIED && w->rec.n_denied == RECORD_MAX_DENIED &&
          w->rec.denied_truncated);
    buf_reset(&b);
    denied_of(&b, DENIED_BY_ENGINE, 0, DENIED_UNSEEN, "", 0);
    frame(w, MSG_DENIED, &b);
    CHECK(w->kills == 0 && w->rec.denied_unseen);
    world_free(w);
}

/* Garbage at the frame level: any first eight bytes that are no header. */
static void garbage(void) {
    for (size_t k = 0; k < N_WORKING; k++)
        for (int c = 0; c < 2; c++) {
            struct world *w = world_at(working[k]);
            give(w, c ? MSG_BULK : MSG_CONTROL, "GET / HT", 8);
            killed_once(w, BLOCKER_worker_protocol_violation);
            world_free(w);
        }
}

static void limits(void) {
    AUTO_BUF struct buf b = BUF_INIT(1 << 16);
    static const char *const names[] = {"", "Disk", "disk bytes", "disk\n"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        buf_put_u16(&b, 0), buf_put_str(&b, names[i]), buf_put_u64(&b, 8), buf_put_u64(&b, 9), buf_put_str(&b, "x");
        buf_put_u8(&b, 1);
        refuses_buf(RUN_ENGINE, MSG_LIMIT, &b, "LIMIT: malformed");
    }
    buf_put_u16(&b, 1), buf_put_str(&b, "inodes"), buf_put_u64(&b, 8), buf_put_u64(&b, 9), buf_put_str(&b, "x");
    buf_put_u8(&b, 1);
    refuses_buf(RUN_VERIFYING, MSG_LIMIT, &b, "LIMIT: malformed"); /* there is one command */
    struct world *w = world_at(RUN_VERIFYING);
    for (int i = 0; i < RECORD_MAX_LIMITS; i++) say(w, MSG_LIMIT);
    CHECK(w->kills == 0 && w->limits == RECORD_MAX_LIMITS && w->rec.n_limits == RECORD_MAX_LIMITS);
    const struct limit_seen *l = w->rec.limits;
    CHECK(!l->of_backend && l->index == 0 && strcmp(l->name, "disk_bytes") == 0 && l->limit == 8 && l->seen == 9);
    CHECK(strcmp(l->mechanism, "cgroup v2") == 0 && l->ended);
    say(w, MSG_LIMIT);
    killed_once(w, BLOCKER_worker_protocol_violation);
    world_free(w);
}

static void bounded_lists(void) {
    struct world *w = world_at(RUN_INSPECTING);
    for (int i = 0; i < RECORD_MAX_DIRTY + 50; i++) say(w, MSG_DIRTY);
    CHECK(w->rec.n_dirty == RECORD_MAX_DIRTY && w->kills == 0);
    for (int i = 0; i < RECORD_MAX_CHANGES + 5; i++) say(w, MSG_CHANGE);
    CHECK(w->rec.n_changes == RECORD_MAX_CHANGES && w->rec.changes_truncated && w->kills == 0);
    world_free(w);
    w = world_at(RUN_INSPECTING); /* the first mark of a forbidden action is told, and how many there were */
    AUTO_BUF struct buf a = BUF_INIT(1 << 16);
    buf_put_u8(&a, ATTEMPT_CREDENTIAL), buf_put_bytes(&a, "a\033[1m\0b", 7);
    frame(w, MSG_ATTEMPT, &a);
    for (int i = 0; i < 9; i++) say(w, MSG_ATTEMPT);
    CHECK(w->kills == 0 && w->rec.n_attempts == 10 && !strchr(w->rec.forbidden_action, '\033'));
    CHECK(strncmp(w->rec.forbidden_action, "credential_change: credentials are configured: ", 47) == 0);
    world_free(w);
    w = world_at(RUN_INSPECTING); /* of commits on the way only offences are kept */
    AUTO_BUF struct buf b = BUF_INIT(1 << 16);
    static const char *const paths[] = {"src/fine", "src/locked", "other"};
    for (int i = 0; i < 3; i++) {
        buf_reset(&b);
        buf_put_u8(&b, 1), buf_put_u8(&b, 'A'), buf_put_u32(&b, 0), buf_put_u32(&b, 0), buf_put_str(&b, paths[i]);
        frame(w, MSG_CHANGE, &b);
    }
    CHECK(w->rec.n_changes == 2 && w->rec.changes[0].forbidden && w->rec.changes[0].allowed &&
          !w->rec.changes[1].allowed);
    CHECK(!w->rec.changes[1].forbidden && !w->rec.changes_truncated);
    world_free(w);
}

/* Exit, control EOF, bulk EOF: sealed at the third of them, in all six orders, in every state. */
static void orders_of_the_end(void) {
    static const char *const orders[] = {"xcb", "xbc", "cxb", "cbx", "bxc", "bcx"};
    for (size_t k = 0; k < N_WORKING; k++)
        for (size_t i = 0; i < 6; i++) {
            struct world *w = world_at(working[k]);
            for (const char *p = orders[i]; *p; p++) {
                CHECK(w->r.state == working[k]);
                if (*p == 'x')
                    run_exited(&w->r, w->now, 0, 0);
                else
                    run_eof(&w->r, w->now, *p == 'c' ? MSG_CONTROL : MSG_BULK);
            }
            CHECK(w->r.state == RUN_SEALING && w->entered[RUN_SEALING] == 1 && w->kills == 0);
            CHECK(w->rec.worker_clean && w->rec.worker_done == (working[k] == RUN_COLLECTING));
            run_sealed(&w->r, w->now);
            world_free(w);
        }
}

/* Frames that are still in the pipe when the exit is seen count. */
static void exit_before_bytes(void) {
    struct world *w = world_at(RUN_VERIFYING);
    run_exited(&w->r, w->now, 0, 0);
    say(w, MSG_VERIFY_END);
    say(w, MSG_OUTPUT);
    say(w, MSG_DONE);
    CHECK(w->r.state == RUN_COLLECTING && w->rec.worker_done && w->bulks == 1 && w->r.timers[RUN_TIMER_DRAIN] != 0);
    worker_goes(w);
    CHECK(w->rec.cause_blocker == BLOCKER_COUNT);
    world_free(w);
}

static void half_a_frame(void) {
    struct world *w = world_at(RUN_COLLECTING); /* said DONE and then left half an output */
    give(w, MSG_BULK, "\5\0\0\0\100", 5);
    run_exited(&w->r, w->now, 0, 0);
    run_eof(&w->r, w->now, MSG_CONTROL);
    run_eof(&w->r, w->now, MSG_BULK);
    CHECK(w->r.state == RUN_SEALING && w->rec.cause_blocker == BLOCKER_worker_protocol_violation && w->kills == 0);
    world_free(w);
    w = world_at(RUN_ENGINE); /* killed by somebody in the middle of a frame: the signal is the cause */
    give(w, MSG_CONTROL, "\5\0\0", 3);
    run_exited(&w->r, w->now, 0, 9);
    run_eof(&w->r, w->now, MSG_CONTROL);
    run_eof(&w->r, w->now, MSG_BULK);
    CHECK(w->r.state == RUN_SEALING && w->rec.cause_blocker == BLOCKER_worker_failed &&
          strstr(w->rec.cause, "signal 9"));
    world_free(w);
}

static void first_cause(void) {
    struct world *w = world_at(RUN_ENGINE);
    run_cancel(&w->r, w->now, BLOCKER_supervisor_interrupted, "first");
    give(w, MSG_CONTROL, "GET / HT", 8);
    w->now += 1000 * SEC;
    run_time(&w->r, w->now);
    run_exited(&w->r, w->now, 0, 11);
    worker_goes(w);
    CHECK(w->rec.cause_blocker == BLOCKER_supervisor_interrupted && strcmp(w->rec.cause, "first") == 0 &&
          w->kills == 1);
    world_free(w);
    w = world_at(RUN_ENGINE);
    run_exited(&w->r, w->now, 0, 11); /* crashed: what follows explains nothing */
    run_cancel(&w->r, w->now, BLOCKER_supervisor_interrupted, "late");
    CHECK(w->kills == 0);
    worker_goes(w);
    CHECK(w->rec.cause_blocker == BLOCKER_worker_failed && strstr(w->rec.cause, "signal 11 in state engine"));
    world_free(w);
    w = world_at(RUN_ENGINE); /* a non-zero exit is no cause of its own, but not clean */
    run_exited(&w->r, w->now, 3, 0);
    worker_goes(w);
    CHECK(w->rec.cause_blocker == BLOCKER_COUNT && !w->rec.worker_clean && !w->rec.worker_done);
    world_free(w);
}

static void cancel_everywhere(void) {
    for (enum run_state s = RUN_PLANNED; s <= RUN_DONE; s++) {
        if (s == RUN_LANDING || s == RUN_OUTCOME) continue; /* not reachable yet */
        struct world *w = world_at(s);
        run_cancel(&w->r, w->now, BLOCKER_supervisor_interrupted, "interrupted");
        if (s < RUN_STARTING) {
            CHECK(w->r.state == RUN_SEALING && w->kills == 0 && w->rec.cause_blocker == BLOCKER_supervisor_interrupted);
        } else if (s < RUN_SEALING) {
            CHECK(w->r.state == s);
            killed_once(w, BLOCKER_supervisor_interrupted);
        } else {
            CHECK(w->r.state == s && w->kills == 0 &&
                  w->rec.cause_blocker == BLOCKER_COUNT); /* too late to change anything */
        }
        if (w->r.state == RUN_SEALING) run_sealed(&w->r, w->now);
        CHECK(w->r.state == RUN_DONE && w->entered[RUN_SEALING] == 1);
        world_free(w);
    }
}

static void without_worker(void) {
    struct world *w = world_new();
    run_gate(&w->r, w->now, true);
    CHECK(w->r.state == RUN_SEALING && w->rec.gated_out && strcmp(w->order, "gated sealing") == 0);
    world_free(w);
    w = world_at(RUN_GATED);
    run_spawn_failed(&w->r, w->now, "no such file");
    CHECK(w->r.state == RUN_SEALING && w->rec.cause_blocker == BLOCKER_worker_failed &&
          strcmp(w->rec.cause, "no such file") == 0);
    world_free(w);
    w = world_at(RUN_DONE); /* what comes after the end changes nothing */
    say(w, MSG_HELLO);
    run_watch(&w->r, w->now);
    run_eof(&w->r, w->now, MSG_CONTROL);
    run_exited(&w->r, w->now, 0, 9);
    run_time(&w->r, w->now + 1000 * SEC);
    CHECK(w->r.state == RUN_DONE && w->kills == 0 && run_next_deadline(&w->r) == 0);
    world_free(w);
}

/* --- a result that is to be landed --------------------------------------------------------------------------------------- */

static void about(struct world *w, enum subject_kind k) {
    w->rec.subject = calloc(1, sizeof *w->rec.subject);
    NEED(w->rec.subject != NULL);
    w->rec.subject->kind = k;
    w->rec.subject->blobs_fd = -1;
}

static void put_land(struct buf *b, uint32_t mode, const char *oid, uint64_t size, const char *path, size_t n) {
    buf_reset(b);
    buf_put_u32(b, mode), buf_put_str(b, oid), buf_put_u64(b, size), buf_put_bytes(b, path, n);
}

static void say_landing(struct world *w) {
    AUTO_BUF struct buf b = BUF_INIT(1 << 16);
    buf_put_str(&b, OID_B);
    frame(w, MSG_TREE, &b);
    put_land(&b, 0100644, OID_A, 3, "src/x", 5), frame(w, MSG_LAND, &b);
    put_land(&b, 0, "", 0, "src/gone", 8), frame(w, MSG_LAND, &b);
    buf_reset(&b), buf_put_u8(&b, ARTIFACT_BLOBS), buf_put(&b, "abc", 3), frame(w, MSG_ARTIFACT, &b);
    buf_reset(&b), buf_put_u8(&b, ARTIFACT_BLOBS), buf_put_u64(&b, 3), frame(w, MSG_ARTIFACT_END, &b);
}

/* All of it, and the run waits where the result may go to its repository; a cancel comes too late there. */
static void landing(void) {
    for (int k = SUBJECT_SOURCE; k <= SUBJECT_TARGET; k++) {
        const bool lands = subject_lands((enum subject_kind)k);
        struct world *w = world_at(RUN_INSPECTING);
        about(w, (enum subject_kind)k);
        if (lands) say_landing(w);
        say(w, MSG_RESULT), say(w, MSG_CHANGE), say(w, MSG_VERIFY_START), say(w, MSG_VERIFY_END), say(w, MSG_DONE);
        run_exited(&w->r, w->now, 0, 0);
        run_eof(&w->r, w->now, MSG_CONTROL), run_eof(&w->r, w->now, MSG_BULK);
        CHECK(w->kills == 0 && w->r.state == (lands ? RUN_LANDING : RUN_SEALING));
        if (lands) {
            const struct run_subject *s = w->rec.subject;
            CHECK(s->n_changes == 2 && s->blobs_whole && s->blobs_seen == 3 && strcmp(s->tree, OID_B) == 0 &&
                  strcmp(s->changes[1].path, "src/gone") == 0 && s->changes[1].mode == 0);
            run_cancel(&w->r, w->now, BLOCKER_supervisor_interrupted, "too late");
            CHECK(w->r.state == RUN_LANDING && w->rec.cause_blocker == BLOCKER_COUNT);
            run_landed(&w->r, w->now, k == SUBJECT_TARGET);
            CHECK(w->r.state == (k == SUBJECT_TARGET ? RUN_OUTCOME : RUN_SEALING));
        }
        world_free(w);
    }
}

/* What ended early lands nothing. */
static void no_landing(void) {
    struct world *w = world_at(RUN_VERIFYING);
    about(w, SUBJECT_TARGET);
    run_exited(&w->r, w->now, 0, 9);
    worker_goes(w);
    world_free(w);
    w = world_at(RUN_VERIFYING);
    about(w, SUBJECT_TARGET);
    say(w, MSG_FAILED);
    run_exited(&w->r, w->now, 1, 0);
    worker_goes(w);
    world_free(w);
}

static void malformed_landing(void) {
    static const struct {
        uint32_t mode;
        const char *oid;
        uint64_t size;
        const char *path;
        size_t n;
    } bad[] = {{0100644, "", 1, "a", 1},    {0100644, "abc", 1, "a", 1}, {0, OID_A, 0, "a", 1},
               {0, "", 1, "a", 1},          {0160000, OID_A, 1, "a", 1}, {040000, OID_A, 1, "a", 1},
               {0100600, OID_A, 1, "a", 1}, {0100644, OID_A, 1, "", 0},  {0100644, OID_A, 1, "a\0b", 3}};
    AUTO_BUF struct buf b = BUF_INIT(1 << 16);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct world *w = world_at(RUN_INSPECTING);
        about(w, SUBJECT_TARGET);
        put_land(&b, bad[i].mode, bad[i].oid, bad[i].size, bad[i].path, bad[i].n);
        frame(w, MSG_LAND, &b);
        if (!CHECK(strstr(w->rec.cause, "LAND: malformed"))) fprintf(stderr, "    %zu: %s\n", i, w->rec.cause);
        killed_once(w, BLOCKER_worker_protocol_violation);
        world_free(w);
    }
}

static void say_change(struct world *w, char letter, uint32_t mode, const char *path) {
    AUTO_BUF struct buf b = BUF_INIT(1 << 16);
    buf_put_u8(&b, 0), buf_put_u8(&b, (uint8_t)letter), buf_put_u32(&b, letter == 'A' ? 0 : 0100644),
        buf_put_u32(&b, mode);
    buf_put_bytes(&b, path, strlen(path));
    frame(w, MSG_CHANGE, &b);
}

static bool fits(struct world *w) {
    char why[200];
    const bool yes = subject_landing_fits(&w->rec, why, sizeof why);
    CHECK(yes == (why[0] == '\0'));
    return yes;
}

/* LAND frames are judged for themselves: an inspector that was taken over may say other paths there than in CHANGE. */
static void what_may_land(void) {
    AUTO_BUF struct buf b = BUF_INIT(1 << 16);
    static const char *const not_allowed[] = {"README", "src/locked", ".git/config", "src"};
    for (size_t i = 0; i <= sizeof not_allowed / sizeof not_allowed[0]; i++) {
        struct world *w = world_at(RUN_INSPECTING);
        about(w, SUBJECT_TARGET);
        CHECK(!fits(w));
        say_landing(w);
        CHECK(!fits(w)); /* the contents are not on the disk yet */
        w->rec.subject->blobs_written = 3;
        CHECK(!fits(w)); /* nobody has compared any of it with the baseline */
        say_change(w, 'M', 0100644, "src/x");
        CHECK(!fits(w));
        say_change(w, 'D', 0, "src/gone");
        CHECK(fits(w));
        if (i == 0) {
            w->rec.changes[0].new_mode = 0100755; /* another mode than the report shows */
            CHECK(!fits(w));
            w->rec.changes[0].new_mode = 0100644;
        }
        if (i < sizeof not_allowed / sizeof not_allowed[0]) {
            put_land(&b, 0100644, OID_A, 0, not_allowed[i], strlen(not_allowed[i]));
            frame(w, MSG_LAND, &b);
            say_change(w, 'A', 0100644, not_allowed[i]);
            CHECK(!fits(w));
        } else { /* and nothing comes after the end */
            buf_reset(&b), buf_put_u8(&b, ARTIFACT_BLOBS), buf_put(&b, "d", 1), frame(w, MSG_ARTIFACT, &b);
            CHECK(!fits(w));
        }
        world_free(w);
    }
}

int main(void) {
    landing();
    no_landing();
    malformed_landing();
    what_may_land();
    honest();
    patch_end();
    every_frame_everywhere();
    wrong_shape();
    malformed();
    malformed_lists();
    garbage();
    limits();
    bounded_lists();
    denials();
    orders_of_the_end();
    exit_before_bytes();
    half_a_frame();
    first_cause();
    cancel_everywhere();
    without_worker();
    return check_done();
}
