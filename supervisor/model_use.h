/* model_use.h - what a run asked of its model, as its gateway saw it: requests, tokens, the models that were named.
 *
 * A gateway parses what an agent and a model's server wrote, so what it says is data: it is kept, told and counted, and it can only
 * count against a run. Numbers and names are the gateway's own; a model's name is the one text that comes from outside.
 */
#ifndef CTO_SUPERVISOR_MODEL_USE_H
#define CTO_SUPERVISOR_MODEL_USE_H

#include "common/buf.h"
#include "common/frame.h"
#include "common/err.h"
#include "common/json.h"

struct run_record;

#define MODEL_USE_REQUESTS 2000 /* that many are kept one by one; all are counted */
#define MODEL_USE_EVENTS 500    /* of those, the first ones are events too */
#define MODEL_USE_FREE 50       /* of each kind that costs an agent nothing */
#define MODEL_USE_MODELS 16
#define MODEL_NAME_SIZE 160

struct model_request {
    uint32_t n;
    unsigned path, outcome; /* enum gw_path, enum gw_outcome */
    unsigned status;        /* HTTP, as the agent got it */
    char asked[MODEL_NAME_SIZE], answered[MODEL_NAME_SIZE];
    uint64_t tokens_in, tokens_out, latency_us, first_byte_us, bytes_up, bytes_down;
    int64_t at_ms;
    char detail[200];
};

struct model_named {
    char name[MODEL_NAME_SIZE];
    uint32_t requests;
};

struct model_use {
    bool ready, done;               /* GW_READY, GW_DONE */
    char *confined;                 /* GW_READY's payload; owned */
    char failed[300];               /* GW_FAILED; "" */
    struct model_request *requests; /* owned */
    int n_requests;
    uint32_t total, by_outcome[32]; /* all; those that were told, by enum gw_outcome */
    uint32_t free_kept[32];
    unsigned last_outcome; /* of the last request that says something of the endpoint; 0: none does */
    uint64_t tokens_in, tokens_out, bytes_up, bytes_down;
    struct model_named models[MODEL_USE_MODELS]; /* as answers named them */
    int n_models;
    uint32_t budgets_hit; /* bit per enum gw_budget */
    char budget[80];      /* the first one, as a sentence */
};

/* A frame of the channel GATEWAY. *ret: the request that an event is to be written of, or NULL. ERR_PROTO: it may not say that. */
int model_use_take(struct run_record *rec, const struct frame *f, const struct model_request **ret, struct err *e);
void model_use_free(struct model_use *u); /* NULL is fine */

/* What it means for the run, after everything else was judged but its worker: see verdict.c. */
void model_use_judge(struct run_record *rec);
/* Did the model's server, or what it answered, leave a backend without a model, so that its exit code says nothing more? Agents differ
 * in that: one exits with 1, the other with 0. */
bool model_use_explains(const struct run_record *rec);

cJSON *model_use_event(const struct model_request *q);
/* report.json: "model_use" and "models_observed". */
cJSON *model_use_json(const struct run_record *rec);
cJSON *model_use_models(const struct run_record *rec);
/* A section of report.md; nothing without a gateway. */
void model_use_md(struct buf *b, const struct run_record *rec);
/* model_use_record.c: in the record of a run that waits; NULL and null are the same. The caller owns what comes. */
cJSON *model_use_to_json(const struct model_use *u);
struct model_use *model_use_from_json(const cJSON *o);
/* One line each, JSON: backend/gateway-requests.jsonl. "" when there were none. malloc'd. */
char *model_use_log(const struct model_use *u);

#endif
