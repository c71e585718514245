/* test_sv_model_use.c - what a gateway says of a run: counted, kept, bounded, and what it means for the verdict. What it may not say
 * ends the run; its end while the backend works does too. */
#include "sv_world.h"

#include "common/io.h"
#include "supervisor/model_use.h"
#include "supervisor/verdict.h"

static struct governed admitted = {.provider = "qwen-local", .model = "m1"};

static struct world *at(enum run_state s) {
    struct world *w = world_at(s);
    w->rec.governed = malloc(sizeof admitted);
    NEED(w->rec.governed != NULL);
    *w->rec.governed = admitted;
    run_gateway_started(&w->r);
    return w;
}

static void gw(struct world *w, enum msg_type t, const struct buf *b) {
    AUTO_BUF struct buf f = BUF_INIT(1 << 16);
    frame_put(&f, t, b ? b->p : NULL, b ? b->len : 0);
    give(w, MSG_GATEWAY, f.p, f.len);
}

static void ready(struct world *w) {
    AUTO_BUF struct buf b = BUF_INIT(100);
    buf_put_str(&b, "{\"mechanisms\":[\"seccomp\"]}");
    gw(w, MSG_GW_READY, &b);
}

static unsigned path = GW_PATH_CHAT;
static uint64_t first_byte_us = 1000, bytes_up = 100;

static void put_request(struct buf *b, uint32_t n, unsigned outcome, const char *asked, const char *answered) {
    buf_put_u32(b, n), buf_put_u8(b, (uint8_t)path), buf_put_str(b, asked), buf_put_str(b, answered);
    buf_put_u16(b, 200), buf_put_u8(b, (uint8_t)outcome), buf_put_u64(b, 11), buf_put_u64(b, 7);
    buf_put_i64(b, 1700000000000), buf_put_u64(b, 5000), buf_put_u64(b, first_byte_us), buf_put_u64(b, bytes_up);
    buf_put_u64(b, 200), buf_put_str(b, "");
}

static void request(struct world *w, uint32_t n, unsigned outcome, const char *asked, const char *answered) {
    AUTO_BUF struct buf b = BUF_INIT(2048);
    put_request(&b, n, outcome, asked, answered);
    gw(w, MSG_GW_REQUEST, &b);
}

static void done_of(struct world *w, uint32_t requests) {
    AUTO_BUF struct buf b = BUF_INIT(64);
    buf_put_u32(&b, requests);
    for (int i = 0; i < 4; i++) buf_put_u64(&b, 1);
    gw(w, MSG_GW_DONE, &b);
}

static void done(struct world *w) { done_of(w, w->rec.model_use ? w->rec.model_use->total : 0); }

static void counted(void) {
    struct world *w = at(RUN_ENGINE);
    ready(w);
    request(w, 1, GW_OK, "m1", "m1");
    request(w, 2, GW_RATE_LIMITED, "m1", "");
    done(w);
    const struct model_use *u = w->rec.model_use;
    CHECK(w->kills == 0 && w->asked == 2 && u->total == 2 && u->tokens_in == 22 && u->tokens_out == 14 && u->done);
    CHECK(u->n_models == 1 && u->models[0].requests == 1 && u->last_outcome == GW_RATE_LIMITED);
    cJSON *o = model_use_json(&w->rec), *m = model_use_models(&w->rec);
    CHECK(cJSON_GetObjectItem(o, "requests")->valueint == 2 && cJSON_GetArraySize(m) == 1);
    CHECK(strcmp(cJSON_GetObjectItem(m->child, "provider")->valuestring, "qwen-local") == 0);
    cJSON_Delete(o);
    struct model_use *again = model_use_from_json(o = model_use_to_json(u));
    cJSON *second = model_use_to_json(again);
    CHECK(cJSON_Compare(o, second, true) && again->n_requests == 2 && again->requests[1].latency_us == 5000);
    cJSON_Delete(o), cJSON_Delete(second), model_use_free(again);
    CHECK(model_use_from_json(NULL) == NULL);
    AUTO_FREE char *log = model_use_log(u);
    CHECK(log && strstr(log, "\"outcome\":\"rate_limited\"") && strchr(log, '\n') < log + strlen(log) - 1);
    cJSON_Delete(m);
    world_free(w);
}

/* Many requests: all are counted, the first ones kept and told. */
static void bounded(void) {
    struct world *w = at(RUN_ENGINE);
    ready(w);
    for (uint32_t n = 1; n <= MODEL_USE_REQUESTS + 10; n++) {
        char name[32];
        snprintf(name, sizeof name, "m%u", n % 40);
        request(w, n, GW_OK, "m1", name);
    }
    const struct model_use *u = w->rec.model_use;
    CHECK(w->kills == 0 && w->asked == MODEL_USE_EVENTS && u->n_requests == MODEL_USE_REQUESTS);
    CHECK(u->total == MODEL_USE_REQUESTS + 10 && u->n_models == MODEL_USE_MODELS);
    AUTO_FREE char *log = model_use_log(u);
    CHECK(log && strlen(log) < 256u << 10);
    world_free(w);
}

/* What costs an agent nothing does not push out what it asked of the model. */
static void not_flooded(void) {
    struct world *w = at(RUN_ENGINE);
    const unsigned kinds[] = {GW_OK,        GW_REFUSED_PATH, GW_REFUSED_REQUEST, GW_REFUSED_MODEL, GW_REFUSED_BUDGET,
                              GW_AGENT_LEFT};
    uint32_t n = 0;
    ready(w);
    bytes_up = first_byte_us = 0;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        for (int i = 0; i < 1000; i++) {
            path = kinds[k] == GW_OK ? GW_PATH_MODELS : GW_PATH_OTHER;
            request(w, ++n, kinds[k], "", "");
        }
    path = GW_PATH_CHAT, bytes_up = 100, first_byte_us = 1000;
    const struct model_use *u = w->rec.model_use;
    CHECK(u->n_requests == 6 * MODEL_USE_FREE && u->total == 6000 && u->by_outcome[GW_REFUSED_PATH] == 1000);
    CHECK(u->last_outcome == 0);
    request(w, ++n, GW_OK, "m1", "m1");
    CHECK(w->asked == 6 * MODEL_USE_FREE + 1 && u->requests[u->n_requests - 1].n == n);
    done_of(w, 70000); /* most of them were only counted */
    CHECK(w->kills == 0 && u->done && u->total == 70000);
    world_free(w);
}

/* An agent that leaves before a byte has come says nothing of the endpoint. */
static void leaving(void) {
    struct world *w = at(RUN_ENGINE);
    ready(w);
    request(w, 1, GW_UNREACHABLE, "m1", "");
    first_byte_us = 0;
    request(w, 2, GW_AGENT_LEFT, "m1", "");
    CHECK(w->rec.model_use->last_outcome == GW_UNREACHABLE);
    model_use_judge(&w->rec); /* and says where its status stands */
    CHECK(strstr(w->rec.blockers[w->rec.n_blockers - 1].detail,
                 "ended as unreachable; what each was answered is in backend/gateway-requests.jsonl"));
    first_byte_us = 1000;
    request(w, 3, GW_AGENT_LEFT, "m1", "m1");
    CHECK(w->rec.model_use->last_outcome == GW_AGENT_LEFT);
    world_free(w);
}

static void violation(struct world *w, const char *word) {
    if (!CHECK(w->kills == 1 && w->rec.cause_blocker == BLOCKER_worker_protocol_violation &&
               strstr(w->rec.cause, word)))
        fprintf(stderr, "    want %s: %s\n", word, w->rec.cause);
    run_gateway_ended(&w->r, w->now);
    worker_goes(w);
    world_free(w);
}

static void refused(void) {
    struct world *w = at(RUN_ENGINE);
    request(w, 1, GW_OK, "m1", "m1");
    violation(w, "before GW_READY");
    w = at(RUN_ENGINE), ready(w), request(w, 2, GW_OK, "m1", "m1");
    violation(w, "malformed"); /* number out of order */
    w = at(RUN_ENGINE), ready(w), request(w, 1, 99, "m1", "m1");
    violation(w, "malformed");
    w = at(RUN_ENGINE), ready(w), request(w, 1, GW_OK, "m1", "\x1b[31m");
    violation(w, "malformed");
    w = at(RUN_ENGINE), ready(w), done(w), request(w, 1, GW_OK, "m1", "m1");
    violation(w, "last word");
    w = at(RUN_ENGINE), ready(w), request(w, 1, GW_OK, "m1", "m1"), done_of(w, 0);
    violation(w, "malformed"); /* fewer than it told of */
    w = at(RUN_ENGINE), ready(w), ready(w);
    violation(w, "second time");
    w = at(RUN_ENGINE);
    gw(w, MSG_GW_PROBE, NULL);
    violation(w, "GW_PROBE");
    w = at(RUN_ENGINE);
    say(w, MSG_HELLO); /* the worker's words are none of the gateway's channel, and the other way round */
    violation(w, "HELLO");
    for (size_t cut = 1; cut <= 2; cut++) { /* a byte less, a byte more */
        w = at(RUN_ENGINE), ready(w);
        AUTO_BUF struct buf b = BUF_INIT(2048);
        put_request(&b, 1, GW_OK, "m1", "m1");
        if (cut == 1)
            b.len--;
        else
            buf_put_u8(&b, 0);
        gw(w, MSG_GW_REQUEST, &b);
        violation(w, "malformed");
    }
}

/* Its end: after the backend's it is waited for, before it is the end of the run. */
static void ends(void) {
    struct world *w = at(RUN_ENGINE);
    ready(w);
    run_gateway_ended(&w->r, w->now);
    CHECK(w->kills == 1 && w->rec.cause_blocker == BLOCKER_worker_failed && strstr(w->rec.cause, "gateway ended"));
    worker_goes(w);
    world_free(w);

    w = at(RUN_VERIFYING);
    run_eof(&w->r, w->now, MSG_CONTROL), run_eof(&w->r, w->now, MSG_BULK);
    run_exited(&w->r, w->now, 0, 0);
    CHECK(w->r.state != RUN_SEALING);
    run_gateway_ended(&w->r, w->now);
    CHECK(w->r.state == RUN_SEALING && w->kills == 0);
    world_free(w);
}

/* Blockers that a record of these requests leads to. */
static void judged(const unsigned *outcomes, const char *answered, bool committed, const char *want) {
    struct world *w = at(RUN_ENGINE);
    ready(w);
    for (uint32_t i = 0; outcomes[i]; i++) request(w, i + 1, outcomes[i], "m1", answered);
    w->rec.result_kind = committed ? RESULT_COMMITTED : RESULT_NONE;
    model_use_judge(&w->rec);
    char got[200] = "";
    for (int i = 0; i < w->rec.n_blockers; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", i ? " " : "",
                 blocker_rule(w->rec.blockers[i].id)->reason);
    if (!CHECK(strcmp(got, want) == 0)) fprintf(stderr, "    got \"%s\", want \"%s\"\n", got, want);
    world_free(w);
}

/* A gateway that was ended before its last word, at whatever moment: what it did not tell is not taken for good. */
static void last_word(void) {
    for (int how = 0; how < 3; how++) {
        struct world *w = at(RUN_ENGINE);
        w->rec.with_gateway = true;
        w->rec.result_kind = RESULT_COMMITTED;
        if (how > 0) ready(w), request(w, 1, GW_OK, "m1", "m1");
        if (how > 1) done(w);
        model_use_judge(&w->rec);
        CHECK(how == 2 ? w->rec.n_blockers == 0
                       : w->rec.n_blockers == 1 && w->rec.blockers[0].id == BLOCKER_worker_failed);
        world_free(w);
    }
}

static void verdicts(void) {
    judged((const unsigned[]){GW_OK, 0}, "m1", true, "");
    judged((const unsigned[]){GW_OK, 0}, "m1", false, "");
    judged((const unsigned[]){GW_OK, 0}, "m2", true, "model_mismatch");
    judged((const unsigned[]){GW_WRONG_MODEL, 0}, "", true, "model_mismatch");
    judged((const unsigned[]){GW_OK, GW_REFUSED_MODEL, 0}, "m1", true, "model_mismatch");
    judged((const unsigned[]){GW_UNREACHABLE, 0}, "", false, "provider_unavailable");
    judged((const unsigned[]){GW_UNREACHABLE, 0}, "", true, "");
    judged((const unsigned[]){GW_SERVER_ERROR, GW_OK, 0}, "m1", false, ""); /* it had a model in the end */
    judged((const unsigned[]){GW_OK, GW_SERVER_ERROR, GW_REFUSED_PATH, 0}, "m1", false, "provider_unavailable");
    judged((const unsigned[]){GW_UNAUTHORIZED, 0}, "", false, "provider_auth_unavailable");
    judged((const unsigned[]){GW_OK, GW_REFUSED_BUDGET, 0}, "m1", true, "resource_limit_exceeded");
    judged((const unsigned[]){GW_NO_REPLAY, 0}, "", true, "provider_unavailable");
}

/* Is the exit code of a backend that had these answers its own failure? */
static void explained(unsigned outcome, bool committed, bool want) {
    struct world *w = at(RUN_ENGINE);
    ready(w);
    CHECK(!model_use_explains(&w->rec));
    request(w, 1, GW_OK, "m1", "m1");
    CHECK(!model_use_explains(&w->rec));
    request(w, 2, outcome, "m1", "");
    w->rec.result_kind = committed ? RESULT_COMMITTED : RESULT_NONE;
    CHECK(model_use_explains(&w->rec) == want);
    world_free(w);
}

static void exit_codes(void) {
    explained(GW_SERVER_ERROR, false, true);
    explained(GW_SERVER_ERROR, true, false);
    explained(GW_WRONG_MODEL, true, true);
    explained(GW_NO_REPLAY, false, true);
    explained(GW_REFUSED_MODEL, false, false);
    explained(GW_REFUSED_BUDGET, false, false);
    explained(GW_AGENT_LEFT, false, false);
}

/* A gateway that lies, or a server whose counts are none: the same number in the report, in the record and after it. */
static void enormous(void) {
    struct world *w = at(RUN_ENGINE);
    ready(w);
    for (uint32_t n = 1; n <= 2; n++) {
        AUTO_BUF struct buf b = BUF_INIT(2048);
        buf_put_u32(&b, n), buf_put_u8(&b, GW_PATH_CHAT), buf_put_str(&b, "m1"), buf_put_str(&b, "m1");
        buf_put_u16(&b, 200), buf_put_u8(&b, GW_OK), buf_put_u64(&b, n == 1 ? 9007199254740991 : UINT64_MAX);
        buf_put_u64(&b, 9000000000000001), buf_put_i64(&b, 1700000000000);
        for (int i = 0; i < 4; i++) buf_put_u64(&b, UINT64_MAX);
        buf_put_str(&b, "");
        gw(w, MSG_GW_REQUEST, &b);
    }
    const struct model_use *u = w->rec.model_use;
    CHECK(w->kills == 0 && u->total == 2 && u->tokens_in == UINT64_C(1) << 53 && u->tokens_out == UINT64_C(1) << 53);
    CHECK(u->requests[0].tokens_in == 9007199254740991 && u->requests[1].bytes_down == UINT64_C(1) << 53);
    cJSON *record = model_use_to_json(u);
    struct model_use *again = model_use_from_json(record);
    CHECK(again->tokens_in == u->tokens_in && again->requests[0].tokens_in == u->requests[0].tokens_in &&
          again->requests[1].tokens_out == u->requests[1].tokens_out && again->bytes_up == u->bytes_up);
    cJSON_Delete(record);
    model_use_free(again);
    world_free(w);
}

static void kept_while_it_waits(void) {
    struct world *w = at(RUN_ENGINE);
    ready(w);
    request(w, 1, GW_OK, "m1", "m1");
    request(w, 2, GW_SERVER_ERROR, "m1", "");
    cJSON *record = model_use_to_json(w->rec.model_use), *a = model_use_json(&w->rec);
    AUTO_FREE char *log = model_use_log(w->rec.model_use);
    struct run_record later = {.model_use = model_use_from_json(record)};
    cJSON *b = model_use_json(&later), *none = model_use_to_json(NULL);
    AUTO_FREE char *again = model_use_log(later.model_use);
    CHECK(cJSON_Compare(a, b, true) && strcmp(log, again) == 0 && strlen(log) > 100);
    CHECK(model_use_from_json(none) == NULL && model_use_from_json(NULL) == NULL);
    cJSON_Delete(none);
    cJSON_Delete(record);
    cJSON_Delete(a);
    cJSON_Delete(b);
    model_use_free(later.model_use);
    world_free(w);
}

int main(void) {
    counted();
    bounded();
    not_flooded();
    leaving();
    refused();
    ends();
    last_word();
    verdicts();
    exit_codes();
    enormous();
    kept_while_it_waits();
    return check_done();
}
