/* test_sv_model_route.c - where a model's requests go, from the environment: what is refused is refused without a word of its value. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "embedded.h"
#include "common/json.h"
#include "supervisor/model_route.h"

#define V "CTO_HARNESS_CASE_LOCAL_"
static const char *const names[] = {V "BASE_URL", V "API_KEY", V "CA_FILE", V "IN_FLIGHT"};

static void set(const char *url, const char *key, const char *ca, const char *in_flight) {
    const char *const values[] = {url, key, ca, in_flight};
    for (int i = 0; i < 4; i++)
        if (values[i])
            setenv(names[i], values[i], 1);
        else
            unsetenv(names[i]);
}

static struct model_route r;

static enum route_state state(void) {
    model_route_release(&r);
    model_route_read(&r, engine_find("case"));
    return r.state;
}

static void good(void) {
    set(NULL, NULL, NULL, NULL);
    CHECK(state() == ROUTE_ABSENT);
    set("", "", "", "");
    CHECK(state() == ROUTE_ABSENT);
    set("https://box.example:8443/v1", "a-real-key-0123456789", "/etc/ca.pem", "7");
    CHECK(state() == ROUTE_THERE && r.in_flight == 7 && r.port == ROUTE_PORT &&
          strcmp(r.key, "a-real-key-0123456789") == 0);
    CHECK(strcmp(r.authority, "box.example:8443") == 0 && strcmp(r.ca_file, "/etc/ca.pem") == 0);
    set("http://[::1]:8791/v1", NULL, NULL, NULL);
    CHECK(state() == ROUTE_THERE && r.port == ROUTE_PORT_OTHER && r.key[0] == '\0' && r.in_flight == ROUTE_IN_FLIGHT);
    model_route_release(&r);
    model_route_read(&r, engine_find("fake"));
    CHECK(r.state == ROUTE_ABSENT);
    model_route_release(&r);
}

static void bad(const char *url, const char *key, const char *ca, const char *in_flight, const char *variable) {
    set(url, key, ca, in_flight);
    if (!CHECK(state() == ROUTE_BAD && strncmp(r.why, variable, strlen(variable)) == 0))
        fprintf(stderr, "    %s: state %d, %s\n", variable, r.state, r.why);
    CHECK(!strstr(r.why, "hush") && !strstr(r.why, "box.example"));
}

static void refused(void) {
    const char *url = "https://box.example/v1";
    bad("box.example", NULL, NULL, NULL, V "BASE_URL");
    bad("ftp://box.example/", NULL, NULL, NULL, V "BASE_URL");
    bad("https://hush:hush@box.example/v1", NULL, NULL, NULL, V "BASE_URL");
    bad("https://box.example/v1?key=hush", NULL, NULL, NULL, V "BASE_URL");
    bad("https://box.example:0/v1", NULL, NULL, NULL, V "BASE_URL");
    bad(url, "hush", NULL, NULL, V "API_KEY");
    bad(url, "EMPTY", NULL, NULL, V "API_KEY");
    bad(url, "hush-with a blank", NULL, NULL, V "API_KEY");
    bad(url, "hush-with\na-line", NULL, NULL, V "API_KEY");
    bad(url, NULL, "hush.pem", NULL, V "CA_FILE");
    bad("http://box.example/v1", NULL, "/hush.pem", NULL, V "CA_FILE");
    bad(url, NULL, NULL, "0", V "IN_FLIGHT");
    bad(url, NULL, NULL, "17", V "IN_FLIGHT");
    bad(url, NULL, NULL, "4x", V "IN_FLIGHT");
}

/* What the gateway is told: the server only where there is one to be asked. */
static void config(void) {
    set("https://box.example:8443/v1", "a-real-key-0123456789", NULL, NULL);
    NEED(state() == ROUTE_THERE);
    r.n_addresses = 1;
    snprintf(r.addresses[0], sizeof r.addresses[0], "192.0.2.7");
    struct route_config c = {.run_id = "x", .model = "m", .uid = -1, .budgets = {.requests = 3}};
    char *text = model_route_config(&r, &c);
    CHECK(strstr(text, "https://box.example:8443/v1") && strstr(text, "192.0.2.7") && strstr(text, "a-real-key") &&
          strstr(text, "\"mode\":\"serve\"") && strstr(text, "\"requests\":3") && !strstr(text, "probe_api") &&
          !strstr(text, "idle_ms"));
    free_wiped(text);
    c.idle_ms = ROUTE_IDLE_CODEX_MS;
    text = model_route_config(&r, &c);
    CHECK(strstr(text, "\"limits\":{\"idle_ms\":50000}"));
    free_wiped(text);
    c.replay = true;
    text = model_route_config(&r, &c);
    CHECK(!strstr(text, "box.example") && !strstr(text, "a-real-key") && strstr(text, "\"mode\":\"replay\""));
    free_wiped(text);
    char a[ROUTE_NAME_SIZE], b[ROUTE_NAME_SIZE];
    model_route_name(&r, a);
    set("https://box.example:8443/v2", NULL, NULL, NULL);
    NEED(state() == ROUTE_THERE);
    model_route_name(&r, b);
    CHECK(strlen(a) == 16 && strcmp(a, b) != 0 && !strstr(a, "box"));
    model_route_release(&r);
    CHECK(r.key == NULL && r.url[0] == '\0');
}

/* Codex's own patience with a stream, from what it is told, is longer than the gateway's. */
static void codex_waits_longer(void) {
    static const char key[] = "stream_idle_timeout_ms=";
    const struct embedded_file *codex = engine_shipped("codex");
    NEED(codex != NULL);
    const char *at = strstr(codex->text, key);
    NEED(at != NULL);
    CHECK(atol(at + strlen(key)) >= ROUTE_IDLE_CODEX_MS + 10000);
}

int main(void) {
    good();
    refused();
    config();
    codex_waits_longer();
    return check_done();
}
