/* model_route.c - see model_route.h. */
#include "supervisor/model_route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build_id.h"
#include "common/digest.h"
#include "common/json.h"

#define KEY_MIN 8
#define KEY_MAX 4096

static const char *setting(const struct engine *en, const char *name, char variable[96]) {
    snprintf(variable, 96, "%s%s", en->variables, name);
    const char *v = getenv(variable);
    return v && v[0] ? v : NULL;
}

static void bad(struct model_route *r, const char *variable, const char *why) {
    r->state = ROUTE_BAD;
    snprintf(r->why, sizeof r->why, "%.90s: %.100s", variable, why);
}

static void read_key(struct model_route *r, const char *variable, const char *key) {
    size_t n = strlen(key);
    if (strcmp(key, "EMPTY") == 0 || n < KEY_MIN)
        bad(r, variable,
            "at least 8 bytes: what is shorter could not be found and redacted; unset it when there is none");
    if (n > KEY_MAX) bad(r, variable, "longer than a key is");
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)key[i] <= 0x20 || (unsigned char)key[i] >= 0x7f)
            bad(r, variable, "a character in it is no printable ASCII");
}

static void read_in_flight(struct model_route *r, const char *variable, const char *text) {
    char *end;
    long n = strtol(text, &end, 10);
    if (*end || n < 1 || n > 16)
        bad(r, variable, "a number from 1 to 16");
    else
        r->in_flight = (int)n;
}

static int take_url(struct model_route *r, const char *url, struct err *e) {
    if (endpoint_parse(url, &r->endpoint, e) < 0) return -1;
    snprintf(r->url, sizeof r->url, "%s", url);
    endpoint_authority(&r->endpoint, r->authority);
    if (r->endpoint.port == ROUTE_PORT) r->port = ROUTE_PORT_OTHER;
    return 0;
}

void model_route_make(struct model_route *r, const char *url, const char *key) {
    *r = (struct model_route){.state = ROUTE_THERE, .port = ROUTE_PORT, .key = strdup(key)};
    BUG_UNLESS(r->key != NULL && take_url(r, url, NULL) == 0);
}

void model_route_read(struct model_route *r, const struct engine *en) {
    char variable[96];
    struct err e = ERR_INIT;
    *r = (struct model_route){.in_flight = ROUTE_IN_FLIGHT, .port = ROUTE_PORT};
    if (!en->variables) return;
    const char *key = setting(en, "LOCAL_API_KEY", variable);
    r->key = strdup(key ? key : "");
    BUG_UNLESS(r->key != NULL);
    const char *url = setting(en, "LOCAL_BASE_URL", variable);
    if (!url) return;
    r->state = ROUTE_THERE;
    if (take_url(r, url, &e) < 0) bad(r, variable, e.text);
    if (key) {
        setting(en, "LOCAL_API_KEY", variable);
        read_key(r, variable, key);
    }
    r->ca_file = setting(en, "LOCAL_CA_FILE", variable);
    if (r->ca_file && r->ca_file[0] != '/') bad(r, variable, "not an absolute path");
    if (r->ca_file && !r->endpoint.tls) bad(r, variable, "the endpoint is not https");
    const char *in_flight = setting(en, "LOCAL_IN_FLIGHT", variable);
    if (in_flight) read_in_flight(r, variable, in_flight);
}

static void wipe(char *text) {
    for (volatile char *p = text; p && *p; p++) *p = 0;
}

void free_wiped(char *text) {
    wipe(text);
    free(text);
}

void model_route_release(struct model_route *r) {
    free_wiped(r->key);
    r->key = NULL;
    wipe(r->url);
    r->state = ROUTE_ABSENT;
}

void model_route_name(const struct model_route *r, char out[ROUTE_NAME_SIZE]) {
    char hex[DIGEST_HEX_SIZE];
    digest_bytes(r->url, strlen(r->url), hex);
    memcpy(out, hex, ROUTE_NAME_SIZE - 1);
    out[ROUTE_NAME_SIZE - 1] = '\0';
}

static void put_server(cJSON *o, const struct model_route *r) {
    cJSON *a = json_new_array();
    for (int i = 0; i < r->n_addresses; i++) cJSON_AddItemToArray(a, cJSON_CreateString(r->addresses[i]));
    json_put_str(o, "endpoint", r->url);
    json_put(o, "addresses", a);
    if (r->ca_file) json_put_str(o, "ca_file", r->ca_file);
    if (r->key[0]) json_put_str(o, "key", r->key);
}

char *model_route_config(const struct model_route *r, const struct route_config *c) {
    cJSON *o = json_new_object(), *b = json_new_object(), *l = json_new_object();
    json_put_str(o, "build_id", CTO_BUILD_ID);
    json_put_str(o, "run_id", c->run_id);
    json_put_str(o, "mode", c->replay ? "replay" : "serve");
    json_put_str(o, "model", c->model);
    if (!c->replay) put_server(o, r);
    if (c->probe) json_put_str(o, "probe_api", c->responses_api ? "responses" : "chat");
    json_put_int(b, "requests", c->budgets.requests);
    json_put_int(b, "tokens_in", c->budgets.tokens_in);
    json_put_int(b, "tokens_out", c->budgets.tokens_out);
    json_put_int(b, "bytes", c->budgets.bytes);
    json_put_int(b, "wall_ms", c->budgets.wall_ms);
    json_put(o, "budgets", b);
    if (c->total_ms > 0) json_put_int(l, "total_ms", c->total_ms);
    if (c->idle_ms > 0) json_put_int(l, "idle_ms", c->idle_ms);
    json_put(o, "limits", l);
    json_put_int(o, "slots", c->slots);
    json_put_bool(o, "record", c->record);
    json_put_bool(o, "replay", c->replay);
    json_put_int(o, "uid", c->uid);
    char *text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    BUG_UNLESS(text != NULL);
    return text;
}
