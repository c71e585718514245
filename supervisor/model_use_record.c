/* model_use_record.c - what a run asked of its model, as text in the record of a run that waits for a human (record_json.h): all of it, since
 * report and store are written when it has ended. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "supervisor/model_use.h"

static uint64_t number(const cJSON *o, const char *key) {
    return json_exact_count(cJSON_GetObjectItemCaseSensitive(o, key));
}

static void text(const cJSON *o, const char *key, char *out, size_t size) {
    const cJSON *s = cJSON_GetObjectItemCaseSensitive(o, key);
    snprintf(out, size, "%s", cJSON_IsString(s) ? s->valuestring : "");
}

static void put(cJSON *o, const char *key, uint64_t v) { json_put_int(o, key, (int64_t)v); }

static cJSON *request_to_json(const struct model_request *q) {
    cJSON *o = json_new_object();
    json_put_int(o, "n", q->n);
    json_put_int(o, "path", q->path);
    json_put_int(o, "outcome", q->outcome);
    json_put_int(o, "status", q->status);
    json_put_str(o, "asked", q->asked);
    json_put_str(o, "answered", q->answered);
    json_put_str(o, "detail", q->detail);
    json_put_int(o, "at_ms", q->at_ms);
    put(o, "tokens_in", q->tokens_in);
    put(o, "tokens_out", q->tokens_out);
    put(o, "latency_us", q->latency_us);
    put(o, "first_byte_us", q->first_byte_us);
    put(o, "bytes_up", q->bytes_up);
    put(o, "bytes_down", q->bytes_down);
    return o;
}

static void request_from_json(struct model_request *q, const cJSON *o) {
    q->n = (uint32_t)number(o, "n");
    q->path = (unsigned)number(o, "path");
    q->outcome = (unsigned)number(o, "outcome");
    q->status = (unsigned)number(o, "status");
    text(o, "asked", q->asked, sizeof q->asked);
    text(o, "answered", q->answered, sizeof q->answered);
    text(o, "detail", q->detail, sizeof q->detail);
    q->at_ms = (int64_t)number(o, "at_ms");
    q->tokens_in = number(o, "tokens_in");
    q->tokens_out = number(o, "tokens_out");
    q->latency_us = number(o, "latency_us");
    q->first_byte_us = number(o, "first_byte_us");
    q->bytes_up = number(o, "bytes_up");
    q->bytes_down = number(o, "bytes_down");
}

cJSON *model_use_to_json(const struct model_use *u) {
    if (!u) return cJSON_CreateNull();
    cJSON *o = json_new_object(), *requests = json_new_array(), *models = json_new_array(),
          *outcomes = json_new_array();
    json_put_bool(o, "ready", u->ready);
    json_put_bool(o, "done", u->done);
    json_put_str(o, "confined", u->confined);
    json_put_str(o, "failed", u->failed);
    json_put_str(o, "budget", u->budget);
    json_put_int(o, "total", u->total);
    json_put_int(o, "last_outcome", u->last_outcome);
    json_put_int(o, "budgets_hit", u->budgets_hit);
    put(o, "tokens_in", u->tokens_in);
    put(o, "tokens_out", u->tokens_out);
    put(o, "bytes_up", u->bytes_up);
    put(o, "bytes_down", u->bytes_down);
    for (int i = 0; i < u->n_requests; i++) cJSON_AddItemToArray(requests, request_to_json(&u->requests[i]));
    for (int i = 0; i < u->n_models; i++) {
        cJSON *m = json_new_object();
        json_put_str(m, "name", u->models[i].name);
        json_put_int(m, "requests", u->models[i].requests);
        cJSON_AddItemToArray(models, m);
    }
    for (size_t i = 0; i < sizeof u->by_outcome / sizeof u->by_outcome[0]; i++)
        cJSON_AddItemToArray(outcomes, cJSON_CreateNumber(u->by_outcome[i]));
    json_put(o, "requests", requests);
    json_put(o, "models", models);
    json_put(o, "by_outcome", outcomes);
    return o;
}

static void lists_from_json(struct model_use *u, const cJSON *o) {
    const cJSON *x;
    u->requests = calloc(MODEL_USE_REQUESTS, sizeof *u->requests);
    BUG_UNLESS(u->requests != NULL);
    cJSON_ArrayForEach(x, cJSON_GetObjectItemCaseSensitive(o, "requests")) {
        if (u->n_requests == MODEL_USE_REQUESTS) break;
        request_from_json(&u->requests[u->n_requests++], x);
    }
    cJSON_ArrayForEach(x, cJSON_GetObjectItemCaseSensitive(o, "models")) {
        if (u->n_models == MODEL_USE_MODELS) break;
        struct model_named *m = &u->models[u->n_models++];
        text(x, "name", m->name, sizeof m->name);
        m->requests = (uint32_t)number(x, "requests");
    }
    size_t i = 0;
    cJSON_ArrayForEach(x, cJSON_GetObjectItemCaseSensitive(o, "by_outcome")) {
        if (i == sizeof u->by_outcome / sizeof u->by_outcome[0]) break;
        u->by_outcome[i++] = cJSON_IsNumber(x) && x->valuedouble > 0 ? (uint32_t)x->valuedouble : 0;
    }
}

struct model_use *model_use_from_json(const cJSON *o) {
    if (!cJSON_IsObject(o)) return NULL;
    struct model_use *u = calloc(1, sizeof *u);
    BUG_UNLESS(u != NULL);
    const cJSON *confined = cJSON_GetObjectItemCaseSensitive(o, "confined");
    u->ready = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "ready"));
    u->done = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "done"));
    u->confined = cJSON_IsString(confined) ? strdup(confined->valuestring) : NULL;
    text(o, "failed", u->failed, sizeof u->failed);
    text(o, "budget", u->budget, sizeof u->budget);
    u->total = (uint32_t)number(o, "total");
    u->last_outcome = (unsigned)number(o, "last_outcome");
    u->budgets_hit = (uint32_t)number(o, "budgets_hit");
    u->tokens_in = number(o, "tokens_in");
    u->tokens_out = number(o, "tokens_out");
    u->bytes_up = number(o, "bytes_up");
    u->bytes_down = number(o, "bytes_down");
    lists_from_json(u, o);
    return u;
}
