/* config.c - GW_CONFIG read strictly. What contradicts itself is refused here, before anything is opened. No error repeats a value:
 * endpoint and key are among them. */
#include "worker/gateway/config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "build_id.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define COUNT_MAX (INT64_C(1) << 53) /* what JSON can say exactly */
#define KEY_MAX 4096

static void check_build(struct json_obj *o) {
    const char *id = json_str(o, "build_id", JSON_REQUIRED, 128);
    if (id && strcmp(id, CTO_BUILD_ID) != 0)
        json_fail(o, "build_id", "the gateway is of another build than its supervisor");
}

/* Printable ASCII without what JSON escapes: the name then looks the same in every encoding of it. */
static void check_model(struct json_obj *o, const char *model) {
    if (!model) return;
    if (!*model) json_fail(o, "model", "empty");
    for (const char *p = model; *p; p++)
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f || *p == '"' || *p == '\\')
            json_fail(o, "model", "only printable ASCII without blank, quote and backslash may be in it");
}

/* It becomes the value of a header. */
static void check_key(struct json_obj *o, const char *key) {
    const size_t n = strlen(key);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)key[i] <= 0x20 || (unsigned char)key[i] >= 0x7f)
            json_fail(o, "key", "a character in it is not printable ASCII");
    if (n > 0 && n < GW_REDACT_VALUE_MIN)
        json_fail(o, "key", "shorter than %d bytes: it could not be redacted", GW_REDACT_VALUE_MIN);
}

static void read_address(struct gw_config *c, struct json_obj *o, const char *text) {
    struct gw_address *a = &c->addresses[c->n_addresses];
    struct sockaddr_in *v4 = (struct sockaddr_in *)&a->sa;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a->sa;
    if (!text) return;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(c->endpoint.port);
        a->len = sizeof *v4;
    } else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(c->endpoint.port);
        a->len = sizeof *v6;
    } else {
        json_fail(o, "addresses", "one of them is not a numeric address");
    }
    c->n_addresses++;
}

static void read_endpoint(struct gw_config *c, struct json_obj *o, bool probe) {
    const cJSON *list;
    struct err e = ERR_INIT;
    c->endpoint_url = json_str(o, "endpoint", JSON_OPTIONAL, ENDPOINT_MAX - 1);
    c->ca_file = json_str(o, "ca_file", JSON_OPTIONAL, 4096);
    c->key = json_str(o, "key", JSON_OPTIONAL, KEY_MAX);
    const int n = json_array(o, "addresses", JSON_OPTIONAL, GW_ADDRESSES_MAX, &list);
    if (!c->key) c->key = "";
    check_key(o, c->key);
    if (c->mode == GW_REPLAY_MODE) {
        if (c->endpoint_url || n > 0 || c->ca_file || *c->key)
            json_fail(o, "endpoint", "replay has no server: no endpoint, addresses, ca_file and key");
        if (probe) json_fail(o, "mode", "a probe asks a server: replay has none");
        return;
    }
    if (!c->endpoint_url) {
        json_fail(o, "endpoint", "required");
        return;
    }
    if (endpoint_parse(c->endpoint_url, &c->endpoint, &e) < 0) json_fail(o, "endpoint", "%s", e.text);
    if (c->ca_file && !c->endpoint.tls) json_fail(o, "ca_file", "the endpoint is not https");
    if (n < 1) json_fail(o, "addresses", "at least one is required");
    for (int i = 0; i < n; i++) read_address(c, o, json_elem_str(o, "addresses", list, i, INET6_ADDRSTRLEN));
}

static void read_budgets(struct gw_budgets *b, struct json_obj *root) {
    struct json_obj o;
    if (!json_child(root, "budgets", JSON_OPTIONAL, &o)) return;
    b->requests = (uint64_t)json_int(&o, "requests", 0, 0, COUNT_MAX);
    b->tokens_in = (uint64_t)json_int(&o, "tokens_in", 0, 0, COUNT_MAX);
    b->tokens_out = (uint64_t)json_int(&o, "tokens_out", 0, 0, COUNT_MAX);
    b->bytes = (uint64_t)json_int(&o, "bytes", 0, 0, COUNT_MAX);
    b->wall_ms = (uint64_t)json_int(&o, "wall_ms", 0, 0, COUNT_MAX);
    json_end(&o);
}

/* A completion of a big model on a busy box takes minutes until its first byte; a request of an agent with a long history is some
 * MiB. */
static void read_limits(struct gw_limits *l, struct json_obj *root) {
    struct json_obj o;
    *l = (struct gw_limits){.connect_ms = 10000,
                            .first_byte_ms = 300000,
                            .idle_ms = 120000,
                            .total_ms = 1800000,
                            .body_bytes = 16 << 20,
                            .stream_bytes = 64 << 20,
                            .header_bytes = 16 << 10,
                            .connections = 128};
    if (!json_child(root, "limits", JSON_OPTIONAL, &o)) return;
    l->connect_ms = json_int(&o, "connect_ms", l->connect_ms, 1, DAY_MS);
    l->first_byte_ms = json_int(&o, "first_byte_ms", l->first_byte_ms, 1, DAY_MS);
    l->idle_ms = json_int(&o, "idle_ms", l->idle_ms, 1, DAY_MS);
    l->total_ms = json_int(&o, "total_ms", l->total_ms, 1, DAY_MS);
    l->body_bytes = json_int(&o, "body_bytes", l->body_bytes, 1024, 64 << 20);
    l->stream_bytes = json_int(&o, "stream_bytes", l->stream_bytes, 1024, INT64_C(1) << 40);
    l->header_bytes = json_int(&o, "header_bytes", l->header_bytes, 4096, 256 << 10);
    l->connections = json_int(&o, "connections", l->connections, 1, 1024);
    json_end(&o);
}

static void read_redact(struct gw_config *c, struct json_obj *root) {
    const cJSON *list;
    struct json_obj o;
    const int n = json_array(root, "redact", JSON_OPTIONAL, GW_REDACT_MAX, &list);
    for (int i = 0; i < n; i++) {
        if (!json_elem_obj(root, "redact", list, i, &o)) return;
        struct gw_known *k = &c->redact[c->n_redact++];
        k->name = json_str(&o, "name", JSON_REQUIRED, 64);
        k->value = json_str(&o, "value", JSON_REQUIRED, KEY_MAX);
        if (k->value && strlen(k->value) < GW_REDACT_VALUE_MIN)
            json_fail(&o, "value", "shorter than %d bytes", GW_REDACT_VALUE_MIN);
        for (const char *p = k->name; p && *p; p++)
            if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f || strchr("\"\\]", *p))
                json_fail(&o, "name", "not a plain word");
        json_end(&o);
    }
}

static void read_descriptors(struct gw_config *c, struct json_obj *o, bool probe) {
    c->slots = (int)json_int(o, "slots", 0, 0, GW_SLOTS_MAX);
    c->record = json_bool(o, "record", false);
    c->replay = json_bool(o, "replay", false);
    if (c->replay != (c->mode == GW_REPLAY_MODE)) json_fail(o, "replay", "true exactly in mode replay");
    if (c->replay && c->slots > 0) json_fail(o, "slots", "replay asks nobody: no slots");
    if (c->record && (c->replay || probe)) json_fail(o, "record", "only a run that asks a server can be recorded");
}

int gw_config_parse(struct gw_config *ret, const char *text, size_t len, bool probe, struct err *e) {
    static const char *const modes[] = {"serve", "replay", NULL}, *const apis[] = {"chat", "responses", NULL};
    struct gw_config c = {.uid = -1};
    if (json_parse(&c.doc, "GW_CONFIG", text, len, e) < 0) return -1;
    struct json_obj o = json_root(&c.doc);
    check_build(&o);
    c.run_id = json_str(&o, "run_id", JSON_REQUIRED, 256);
    c.mode = json_enum(&o, "mode", modes, -1) == 1 ? GW_REPLAY_MODE : GW_SERVE;
    read_endpoint(&c, &o, probe);
    c.model = json_str(&o, "model", JSON_REQUIRED, GW_MODEL_MAX);
    check_model(&o, c.model);
    c.probe_api = json_enum(&o, "probe_api", apis, GW_API_CHAT) == GW_API_RESPONSES ? GW_API_RESPONSES : GW_API_CHAT;
    read_budgets(&c.budgets, &o);
    read_limits(&c.limits, &o);
    read_descriptors(&c, &o, probe);
    read_redact(&c, &o);
    c.uid = json_int(&o, "uid", -1, -1, UINT32_MAX - 1);
    if (c.uid == 0) json_fail(&o, "uid", "0 is not an unprivileged one");
    json_end(&o);
    if (c.doc.bad) {
        const struct err found = c.doc.err;
        json_release(&c.doc);
        return err_set(e, found.code, "%s", found.text);
    }
    *ret = c;
    return 0;
}

void gw_config_release(struct gw_config *c) { json_release(&c->doc); }
