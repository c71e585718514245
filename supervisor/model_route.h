/* model_route.h - where a model backend's requests go: the endpoint and its credential, from the supervisor's own environment, and
 * nowhere else from. They reach the gateway over its channel, and nothing besides: no argument, task, file, log, report, trace, store.
 *
 * Settings of an engine, behind its prefix (CTO_HARNESS_CASE_ and so on):
 *   LOCAL_BASE_URL    "https://host:8443/v1" (common/endpoint.h)
 *   LOCAL_API_KEY     the real key; not set: the server gets none. At least 8 bytes, and not "EMPTY": what is shorter could not be redacted
 *   LOCAL_CA_FILE     PEM; not set: the host's
 *   LOCAL_IN_FLIGHT   how many requests may be under way at the endpoint at once, from all runs of this home together: 1 to 16 (4)
 *
 * Inside the jail the agent is told http://127.0.0.1:PORT/v1 and a dummy key, whatever the endpoint is. PORT is never the
 * endpoint's own, so that a number in some log cannot be taken for it.
 */
#ifndef CTO_SUPERVISOR_MODEL_ROUTE_H
#define CTO_SUPERVISOR_MODEL_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/endpoint.h"
#include "supervisor/engine_places.h"
#include "supervisor/engines.h"

#define ROUTE_PORT ENGINE_GATEWAY_PORT
#define ROUTE_PORT_OTHER (ENGINE_GATEWAY_PORT + 1)
#define ROUTE_ADDRESSES 16
#define ROUTE_IN_FLIGHT 4

enum route_state { ROUTE_ABSENT, ROUTE_BAD, ROUTE_THERE };

struct model_route {
    enum route_state state;
    char why[200]; /* of ROUTE_BAD: which setting and what is wrong; never a part of its value */
    char url[ENDPOINT_MAX];
    char authority[ENDPOINT_AUTHORITY_SIZE]; /* host:port */
    struct endpoint endpoint;
    char *key;           /* owned; "" when there is none */
    const char *ca_file; /* borrowed from the environment; NULL */
    int in_flight;       /* 0: the server is a validator's own, no other run knows it: no slots, no breaker */
    uint16_t port;       /* inside the jail */
    char addresses[ROUTE_ADDRESSES][46]; /* numeric; when resolved */
    int n_addresses;
};

/* Pure, from the environment; nothing is resolved or connected. */
void model_route_read(struct model_route *r, const struct engine *en);
/* To a validator's own server (model_double.h), from code: a URL and a key that are good. */
void model_route_make(struct model_route *r, const char *url, const char *key);
void model_route_release(struct model_route *r); /* wipes the key */
/* What names the endpoint where its value must not stand: 16 hex digits of the digest of its URL. */
#define ROUTE_NAME_SIZE 17
void model_route_name(const struct model_route *r, char out[ROUTE_NAME_SIZE]);

struct route_budgets {
    int64_t requests, tokens_in, tokens_out, bytes, wall_ms; /* 0: none */
};
/* GW_CONFIG of worker/gateway/config.h; malloc'd, for free_wiped(). `record` etc.: which descriptors are open. */
struct route_config {
    const char *run_id, *model;
    bool responses_api, record, replay, probe;
    int slots;
    int64_t uid; /* -1: ordinary user */
    struct route_budgets budgets;
    int64_t total_ms, idle_ms; /* 0: the gateway's default */
};
/* Codex gives up on a stream that stands still for the 60 s of worker/adapters/codex.json. The gateway has to come first: else a box that
 * stalls is an agent that left and a backend that failed, and not a provider that is unavailable. */
#define ROUTE_IDLE_CODEX_MS 50000
char *model_route_config(const struct model_route *r, const struct route_config *c);
void free_wiped(char *text); /* NULL is fine */

#endif
