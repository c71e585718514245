/* model_use.c - see model_use.h. */
#include "supervisor/model_use.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "supervisor/record.h"
#include "supervisor/seal.h"

#define LOG_MAX (240u << 10) /* a marker file's size is bounded */

/* --- frames ------------------------------------------------------------------------------------------------------------- */

static bool is_name(const char *s) {
    for (; *s; s++)
        if ((unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7f) return false;
    return true;
}

static bool is_sentence(const char *s) {
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || (unsigned char)*s >= 0x7f) return false;
    return true;
}

/* Saturates where JSON does: what is told and kept is then the same everywhere. */
static uint64_t read_count(struct rd *rd) {
    const uint64_t n = rd_u64(rd);
    return n > (uint64_t)JSON_EXACT_MAX ? (uint64_t)JSON_EXACT_MAX : n;
}

static void read_request(struct rd *rd, struct model_request *q) {
    q->n = rd_u32(rd);
    q->path = rd_u8(rd);
    rd_str(rd, q->asked, sizeof q->asked);
    rd_str(rd, q->answered, sizeof q->answered);
    q->status = rd_u16(rd);
    q->outcome = rd_u8(rd);
    q->tokens_in = read_count(rd);
    q->tokens_out = read_count(rd);
    q->at_ms = rd_i64(rd);
    q->latency_us = read_count(rd);
    q->first_byte_us = read_count(rd);
    q->bytes_up = read_count(rd);
    q->bytes_down = read_count(rd);
    rd_str(rd, q->detail, sizeof q->detail);
}

static void count_model(struct model_use *u, const char *name) {
    if (!name[0]) return;
    for (int i = 0; i < u->n_models; i++)
        if (strcmp(u->models[i].name, name) == 0) {
            u->models[i].requests++;
            return;
        }
    if (u->n_models == MODEL_USE_MODELS) return;
    struct model_named *m = &u->models[u->n_models++];
    snprintf(m->name, sizeof m->name, "%s", name);
    m->requests = 1;
}

/* Those never left the gateway. */
static bool was_sent(unsigned outcome) {
    return outcome != GW_REFUSED_PATH && outcome != GW_REFUSED_REQUEST && outcome != GW_REFUSED_MODEL &&
           outcome != GW_REFUSED_BUDGET && outcome != GW_NO_REPLAY;
}

/* Does it say anything of the endpoint? Not when the agent left before a byte had come: that neither is a failure nor undoes one. */
static bool is_about_endpoint(const struct model_request *q) {
    return was_sent(q->outcome) && q->path != GW_PATH_MODELS && (q->outcome != GW_AGENT_LEFT || q->first_byte_us > 0);
}

/* What an agent can have as often as it likes: see GW_FREE_MAX. Few of each kind are kept, so that the others have room. */
static bool is_kept(struct model_use *u, const struct model_request *q) {
    const bool free_of_cost = q->bytes_up == 0 && (q->path == GW_PATH_MODELS || q->outcome == GW_AGENT_LEFT ||
                                                   (!was_sent(q->outcome) && q->outcome != GW_NO_REPLAY));
    if (free_of_cost && u->free_kept[q->outcome] == MODEL_USE_FREE) return false;
    if (free_of_cost) u->free_kept[q->outcome]++;
    return u->n_requests < MODEL_USE_REQUESTS;
}

static void add(uint64_t *sum, uint64_t more) {
    const uint64_t most = (uint64_t)JSON_EXACT_MAX;
    *sum = more > most - *sum ? most : *sum + more;
}

static int on_request(struct model_use *u, struct rd *rd, const struct model_request **ret, struct err *e) {
    struct model_request q = {0};
    read_request(rd, &q);
    if (!rd_done(rd) || q.n != u->total + 1 || strcmp(gw_path_name(q.path), "invalid") == 0 ||
        strcmp(gw_outcome_name(q.outcome), "invalid") == 0 || !is_name(q.asked) || !is_name(q.answered) ||
        !is_sentence(q.detail))
        return err_set(e, ERR_PROTO, "GW_REQUEST: malformed");
    u->total++;
    u->by_outcome[q.outcome]++;
    if (is_about_endpoint(&q)) u->last_outcome = q.outcome;
    add(&u->tokens_in, q.tokens_in);
    add(&u->tokens_out, q.tokens_out);
    add(&u->bytes_up, q.bytes_up);
    add(&u->bytes_down, q.bytes_down);
    count_model(u, q.answered);
    if (!is_kept(u, &q)) return 0;
    if (!u->requests) u->requests = calloc(MODEL_USE_REQUESTS, sizeof *u->requests); /* touched as it fills */
    BUG_UNLESS(u->requests != NULL);
    u->requests[u->n_requests] = q;
    if (u->n_requests++ < MODEL_USE_EVENTS) *ret = &u->requests[u->n_requests - 1];
    return 0;
}

static int on_budget(struct model_use *u, struct rd *rd, struct err *e) {
    unsigned which = rd_u8(rd);
    uint64_t limit = rd_u64(rd), seen = rd_u64(rd);
    if (!rd_done(rd) || strcmp(gw_budget_name(which), "invalid") == 0 || u->budgets_hit >> which & 1u)
        return err_set(e, ERR_PROTO, "GW_BUDGET: malformed");
    u->budgets_hit |= 1u << which;
    if (!u->budget[0])
        snprintf(u->budget, sizeof u->budget, "%s: limit %llu, seen %llu", gw_budget_name(which),
                 (unsigned long long)limit, (unsigned long long)seen);
    return 0;
}

static int on_failed(struct model_use *u, struct rd *rd, struct err *e) {
    rd_str(rd, u->failed, sizeof u->failed);
    if (rd_done(rd) && u->failed[0] && is_sentence(u->failed)) return 0;
    snprintf(u->failed, sizeof u->failed, "it said so in no way that can be read");
    return err_set(e, ERR_PROTO, "GW_FAILED: malformed");
}

static int on_ready(struct model_use *u, struct rd *rd, struct err *e) {
    size_t n;
    const uint8_t *p = rd_bytes(rd, &n);
    if (!p || !rd_done(rd)) return err_set(e, ERR_PROTO, "GW_READY: malformed");
    free(u->confined);
    u->confined = strndup((const char *)p, n);
    u->ready = true;
    return 0;
}

/* It counted those too that it did not tell of. */
static int on_done(struct model_use *u, struct rd *rd, struct err *e) {
    const uint32_t requests = rd_u32(rd);
    for (int i = 0; i < 4; i++) rd_u64(rd);
    u->done = true;
    if (!rd_done(rd) || requests < u->total) return err_set(e, ERR_PROTO, "GW_DONE: malformed");
    u->total = requests;
    return 0;
}

static struct model_use *use_of(struct run_record *rec) {
    if (!rec->model_use) rec->model_use = calloc(1, sizeof *rec->model_use);
    BUG_UNLESS(rec->model_use != NULL);
    return rec->model_use;
}

int model_use_take(struct run_record *rec, const struct frame *f, const struct model_request **ret, struct err *e) {
    struct model_use *u = use_of(rec);
    struct rd rd = rd_over(f->payload, f->len);
    *ret = NULL;
    if (u->done || u->failed[0])
        return err_set(e, ERR_PROTO, "%s after the gateway's last word", msg_rule(f->type)->name);
    if (f->type != MSG_GW_READY && f->type != MSG_GW_FAILED && !u->ready)
        return err_set(e, ERR_PROTO, "%s before GW_READY", msg_rule(f->type)->name);
    switch (f->type) {
    case MSG_GW_READY: return on_ready(u, &rd, e);
    case MSG_GW_REQUEST: return on_request(u, &rd, ret, e);
    case MSG_GW_TRAFFIC: rd_u64(&rd); return rd_done(&rd) ? 0 : err_set(e, ERR_PROTO, "GW_TRAFFIC: malformed");
    case MSG_GW_BUDGET: return on_budget(u, &rd, e);
    case MSG_GW_FAILED: return on_failed(u, &rd, e);
    case MSG_GW_DONE: return on_done(u, &rd, e);
    default: return err_set(e, ERR_PROTO, "%s is not permitted in a run", msg_rule(f->type)->name);
    }
}

void model_use_free(struct model_use *u) {
    if (!u) return;
    free(u->confined);
    free(u->requests);
    free(u);
}

/* --- the verdict -------------------------------------------------------------------------------------------------------- */

static void judge_models(struct run_record *rec, const struct model_use *u) {
    const char *admitted = rec->governed ? rec->governed->model : "";
    for (int i = 0; i < u->n_models; i++)
        if (strcmp(u->models[i].name, admitted) != 0)
            record_block(rec, BLOCKER_model_mismatch, "an answer named the model %.120s, and only %.120s is admitted",
                         u->models[i].name, admitted);
    if (u->by_outcome[GW_WRONG_MODEL] > 0)
        record_block(rec, BLOCKER_model_mismatch, "an answer came from another model than %.120s", admitted);
    if (u->by_outcome[GW_REFUSED_MODEL] > 0)
        record_block(rec, BLOCKER_model_mismatch,
                     "the backend asked for another model than %.120s, %u times; the gateway refused that", admitted,
                     u->by_outcome[GW_REFUSED_MODEL]);
}

/* A model box that is away is no failed task. It counts only where there is no result, and where the last that was asked of it failed
 * for that reason: whoever got an answer afterwards had a model. */
static void judge_endpoint(struct run_record *rec, const struct model_use *u) {
    const char *how = gw_outcome_name(u->last_outcome);
    if (u->last_outcome == GW_UNAUTHORIZED)
        record_block(rec, BLOCKER_provider_auth_unavailable, "the model's server did not accept the credentials");
    else
        record_block(
            rec, BLOCKER_provider_unavailable,
            "the last request to the model ended as %s; what each was answered is in backend/gateway-requests.jsonl",
            how);
}

static bool without_model(const struct run_record *rec) {
    return rec->result_kind != RESULT_COMMITTED && gw_outcome_is_infrastructure(rec->model_use->last_outcome);
}

bool model_use_explains(const struct run_record *rec) {
    return rec->model_use && (without_model(rec) || rec->model_use->by_outcome[GW_WRONG_MODEL] > 0 ||
                              rec->model_use->by_outcome[GW_NO_REPLAY] > 0);
}

void model_use_judge(struct run_record *rec) {
    const struct model_use *u = rec->model_use;
    /* Whoever ends it before it has told all, an agent or anybody, must not win by what was not told. */
    if (rec->with_gateway && (!u || !u->done))
        record_block(rec, BLOCKER_worker_failed,
                     "the model gateway ended without its last word: what was asked of the model is not known");
    if (!u) return;
    judge_models(rec, u);
    if (u->by_outcome[GW_REFUSED_BUDGET] > 0)
        record_block(rec, BLOCKER_resource_limit_exceeded,
                     "the model budget was used up (%s), and %s%u requests more were refused", u->budget,
                     u->by_outcome[GW_REFUSED_BUDGET] < GW_FREE_MAX ? "" : "at least ",
                     u->by_outcome[GW_REFUSED_BUDGET]);
    if (u->by_outcome[GW_NO_REPLAY] > 0)
        record_block(
            rec, BLOCKER_provider_unavailable,
            "the recording has no answer to %u of the requests of this run: it is of another run, or not whole",
            u->by_outcome[GW_NO_REPLAY]);
    if (without_model(rec)) judge_endpoint(rec, u);
}

/* --- told --------------------------------------------------------------------------------------------------------------- */

static void put_count(cJSON *o, const char *key, uint64_t v) { json_put_int(o, key, (int64_t)v); }

cJSON *model_use_event(const struct model_request *q) {
    cJSON *o = json_new_object();
    char at[CLOCK_STAMP_SIZE];
    clock_stamp(q->at_ms, at);
    json_put_int(o, "n", q->n);
    json_put_str(o, "at", at);
    json_put_str(o, "path", gw_path_name(q->path));
    json_put_str(o, "model", q->asked[0] ? q->asked : NULL);
    json_put_str(o, "model_answered", q->answered[0] ? q->answered : NULL);
    json_put_int(o, "status", q->status);
    json_put_str(o, "outcome", gw_outcome_name(q->outcome));
    put_count(o, "tokens_in", q->tokens_in);
    put_count(o, "tokens_out", q->tokens_out);
    put_count(o, "latency_us", q->latency_us);
    put_count(o, "first_byte_us", q->first_byte_us);
    put_count(o, "bytes_up", q->bytes_up);
    put_count(o, "bytes_down", q->bytes_down);
    json_put_str(o, "detail", q->detail[0] ? q->detail : NULL);
    return o;
}

cJSON *model_use_models(const struct run_record *rec) {
    cJSON *a = json_new_array();
    for (int i = 0; rec->model_use && i < rec->model_use->n_models; i++) {
        cJSON *o = json_new_object();
        json_put_str(o, "provider", rec->governed ? rec->governed->provider : NULL);
        json_put_str(o, "model", rec->model_use->models[i].name);
        json_put_int(o, "requests", rec->model_use->models[i].requests);
        cJSON_AddItemToArray(a, o);
    }
    return a;
}

cJSON *model_use_json(const struct run_record *rec) {
    const struct model_use *u = rec->model_use;
    if (!u) return cJSON_CreateNull();
    cJSON *o = json_new_object(), *outcomes = json_new_object();
    json_put_int(o, "requests", u->total);
    for (unsigned k = 0; k < sizeof u->by_outcome / sizeof u->by_outcome[0]; k++)
        if (u->by_outcome[k] > 0) json_put_int(outcomes, gw_outcome_name(k), u->by_outcome[k]);
    json_put(o, "outcomes", outcomes);
    put_count(o, "tokens_in", u->tokens_in);
    put_count(o, "tokens_out", u->tokens_out);
    put_count(o, "bytes_up", u->bytes_up);
    put_count(o, "bytes_down", u->bytes_down);
    json_put_str(o, "budget_used_up", u->budget[0] ? u->budget : NULL);
    json_put_bool(o, "complete", u->done);
    json_put_bool(o, "from_recording", rec->model_replayed);
    json_put(o, "gateway", u->confined ? cJSON_Parse(u->confined) : cJSON_CreateNull());
    return o;
}

void model_use_md(struct buf *b, const struct run_record *rec) {
    const struct model_use *u = rec->model_use;
    if (!u) return;
    buf_puts(b, "\n## Model\n\n");
    if (rec->model_replayed) buf_puts(b, "No model was asked: a recording answered.\n\n");
    if (u->total == 0) {
        buf_puts(b, "The backend asked the model nothing.\n");
        return;
    }
    buf_printf(b, "%u request%s, %llu tokens in, %llu tokens out", u->total, u->total == 1 ? "" : "s",
               (unsigned long long)u->tokens_in, (unsigned long long)u->tokens_out);
    for (int i = 0; i < u->n_models; i++) {
        buf_puts(b, i == 0 ? "; answered by " : ", ");
        report_put_text(b, u->models[i].name, true);
    }
    buf_puts(b, ".\n");
    for (unsigned k = 0; k < sizeof u->by_outcome / sizeof u->by_outcome[0]; k++)
        if (k != GW_OK && u->by_outcome[k] > 0) buf_printf(b, "- %s: %u\n", gw_outcome_name(k), u->by_outcome[k]);
    if (u->budget[0]) buf_printf(b, "- budget used up: %s\n", u->budget);
    if (!u->done) buf_puts(b, "- the gateway did not say its last word: there may have been more\n");
}

char *model_use_log(const struct model_use *u) {
    struct buf b = BUF_INIT(LOG_MAX + 4096);
    buf_puts(&b, "");
    for (int i = 0; u && i < u->n_requests && b.len < LOG_MAX; i++) {
        cJSON *o = model_use_event(&u->requests[i]);
        char *line = cJSON_PrintUnformatted(o);
        BUG_UNLESS(line != NULL);
        buf_printf(&b, "%s\n", line);
        cJSON_free(line);
        cJSON_Delete(o);
    }
    (void)buf_str(&b);
    return buf_detach(&b);
}
