/* config.h - GW_CONFIG: everything that a gateway is told, once. Strict JSON on the wire, built by the supervisor; unknown keys are
 * refused with their path, and so are keys that the mode has no use for.
 *
 * {
 *   "build_id": str            of the supervisor; another one than ours is refused
 *   "run_id": str              for the cassette's first line
 *   "mode": "serve" | "replay"
 *   "endpoint": str            "https://host:8443/v1" (common/endpoint.h). Required in serve and by --probe; refused in replay
 *   "addresses": [str]         numeric, 1 to 16, resolved by the supervisor: the only ones that are ever connected to. As endpoint
 *   "ca_file": str             PEM, opened before the confinement. Without it the host's own bundle. Only with https
 *   "key": str                 the real key; "" or absent: the server gets no Authorization at all
 *   "model": str               the admitted model: asked for exactly, answered exactly
 *   "probe_api": "chat" | "responses"          what --probe asks (default chat)
 *   "budgets": {"requests", "tokens_in", "tokens_out", "bytes", "wall_ms"}     of the run; 0 or absent: none
 *   "limits": {                                all optional; the defaults stand in config.c
 *     "connect_ms"             TCP and TLS
 *     "first_byte_ms"          from the request to the first byte of the answer. The wait for a slot is not in it
 *     "idle_ms"                between two bytes, of the server; and of an agent that neither sends nor reads
 *     "total_ms"               one request from its first byte to the last of its answer, all waits included
 *     "body_bytes"             a request, and an answer that is not streamed
 *     "stream_bytes"           a streamed answer
 *     "header_bytes"           a request's line and headers together
 *     "connections"            of the agent, at once
 *   }
 *   "slots": int               descriptors that are open from GATEWAY_FD_SLOTS on, 0 to 16. 0: no limit across runs
 *   "record": bool, "replay": bool             are GATEWAY_FD_RECORD and GATEWAY_FD_REPLAY open. replay: exactly in mode replay
 *   "redact": [{"name": str, "value": str}]    more known values beside key and endpoint, at least 8 bytes each; they reach neither
 *                                              agent nor server nor cassette
 *   "uid": int                 started as root: the unprivileged uid to become before anything of the agent's is read; else -1
 * }
 *
 * There is no option for bodies in a log: whoever wants to see them records, and reads the cassette.
 */
#ifndef CTO_WORKER_GATEWAY_CONFIG_H
#define CTO_WORKER_GATEWAY_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/endpoint.h"
#include "common/json.h"

#define GW_ADDRESSES_MAX 16
#define GW_SLOTS_MAX 16
#define GW_REDACT_MAX 16
#define GW_REDACT_VALUE_MIN 8 /* shorter ones would be found everywhere */
#define GW_MODEL_MAX \
    128 /* bytes; printable ASCII without quote and backslash, so that it looks the same in any encoding */

enum gw_mode { GW_SERVE, GW_REPLAY_MODE };
enum gw_api { GW_API_CHAT, GW_API_RESPONSES };

struct gw_address {
    struct sockaddr_storage sa; /* port as in the endpoint */
    socklen_t len;
};

struct gw_budgets {
    uint64_t requests, tokens_in, tokens_out, bytes, wall_ms; /* 0: none */
};

struct gw_limits {
    int64_t connect_ms, first_byte_ms, idle_ms, total_ms;
    int64_t body_bytes, stream_bytes, header_bytes, connections;
};

struct gw_known {
    const char *name, *value;
};

struct gw_config {
    const char *run_id;
    enum gw_mode mode;
    const char *endpoint_url; /* NULL in replay */
    struct endpoint endpoint;
    struct gw_address addresses[GW_ADDRESSES_MAX];
    int n_addresses;
    const char *ca_file; /* NULL: the host's */
    const char *key;     /* "": none */
    const char *model;
    enum gw_api probe_api;
    struct gw_budgets budgets;
    struct gw_limits limits;
    int slots;
    bool record, replay;
    struct gw_known redact[GW_REDACT_MAX];
    int n_redact;
    int64_t uid; /* -1: stay who we are */

    struct json_doc doc; /* owns the strings */
};

/* `probe`: as for --probe, which needs an endpoint and refuses replay and record. */
int gw_config_parse(struct gw_config *ret, const char *text, size_t len, bool probe, struct err *e);
void gw_config_release(struct gw_config *c);

#endif
