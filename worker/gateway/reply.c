/* reply.c - see reply.h. Nothing here repeats a byte of the endpoint, the key, or the server's answer. */
#include "worker/gateway/reply.h"

#include <stdlib.h>

#include "common/json.h"

static void print(struct buf *out, cJSON *o) {
    char *text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    BUG_UNLESS(text != NULL);
    buf_puts(out, text);
    free(text);
}

static const char *type_of(unsigned status) {
    if (status == 429) return "rate_limit_error";
    if (status == 401 || status == 403) return "permission_error";
    return status >= 500 ? "server_error" : "invalid_request_error";
}

void reply_error(struct buf *out, unsigned status, const char *code, const char *message) {
    cJSON *o = json_new_object(), *error = json_new_object();
    json_put_str(error, "message", message);
    json_put_str(error, "type", type_of(status));
    json_put_str(error, "param", NULL);
    json_put_str(error, "code", code);
    json_put(o, "error", error);
    print(out, o);
}

void reply_models(struct buf *out, const char *model) {
    cJSON *o = json_new_object(), *list = json_new_array(), *m = json_new_object();
    json_put_str(m, "id", model);
    json_put_str(m, "object", "model");
    json_put_int(m, "created", 0);
    json_put_str(m, "owned_by", "admitted");
    BUG_UNLESS(cJSON_AddItemToArray(list, m));
    json_put_str(o, "object", "list");
    json_put(o, "data", list);
    print(out, o);
}

unsigned reply_status_of(enum gw_outcome o, unsigned server_status) {
    switch (o) {
    case GW_REJECTED:
    case GW_UNAUTHORIZED:
    case GW_RATE_LIMITED:
    case GW_SERVER_ERROR: return server_status;
    case GW_TIMED_OUT: return 504;
    case GW_NO_REPLAY: return 409;
    default: return 502;
    }
}

const char *reply_text_of(enum gw_outcome o) {
    switch (o) {
    case GW_REJECTED: return "the model server refused the request";
    case GW_UNAUTHORIZED: return "the model server did not accept the gateway's credentials";
    case GW_RATE_LIMITED: return "the model server is rate limited";
    case GW_SERVER_ERROR: return "the model server failed";
    case GW_UNREACHABLE: return "the model server cannot be reached";
    case GW_TLS: return "the model server could not prove who it is (TLS)";
    case GW_GARBAGE: return "the model server answered something that is not this API";
    case GW_TIMED_OUT: return "the model server took too long";
    case GW_BROKEN: return "the model server's answer ended too early";
    case GW_REDIRECTED: return "the model server redirects elsewhere, which is refused";
    case GW_WRONG_MODEL: return "the model server answered with another model than the one that was asked for";
    case GW_NO_REPLAY: return "the recording has no answer to this request";
    default: return "the request could not be answered";
    }
}
