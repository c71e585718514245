/* main.c - cto-harness-gateway: between an agent and the model's server, confined.
 *
 * Order: descriptors to the contract -> no environment -> die with the supervisor -> GW_CONFIG -> what needs files: libraries,
 * certificates -> confined: no file, one port -> GW_READY -> the loop. Nothing of the agent's or the server's is read before the
 * confinement. `--probe` asks the server one thing and ends.
 *
 * Exit 0: GW_DONE or GW_PROBE was said. Exit 1: GW_FAILED was said, when anybody listened. Exit 2: started wrongly.
 */
#include <linux/close_range.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/io.h"
#include "sandbox/jail.h"
#include "worker/gateway/control.h"
#include "worker/gateway/life.h"
#include "worker/gateway/record.h"
#include "worker/gateway/redact.h"
#include "worker/gateway/replay.h"
#include "worker/gateway/server.h"
#include "worker/gateway/slots.h"
#include "worker/gateway/upstream.h"

#define CONFIG_MS 10000
#define MEMORY_BASE (UINT64_C(320) << 20) /* GW_HELD_MAX twice, since buffers grow by copying, and what runs */

static int set_up_process(struct err *e) {
    if (io_sanitize_std_fds(e) < 0) return -1;
    if (close_range(GATEWAY_FD_COUNT, ~0u, 0) < 0) return err_sys(e, "close_range");
    clearenv(); /* proxies, key logs, configuration of libraries */
    signal(SIGPIPE, SIG_IGN);
    umask(077);
    /* Large bodies are mappings of their own, so that their memory goes back when they are done. */
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    mallopt(M_TRIM_THRESHOLD, 128 << 10);
    return 0;
}

/* What the configuration does not name is closed, whatever it is. */
static int close_the_rest(const struct gw_config *c, bool probe, struct err *e) {
    if (!c->record) close(GATEWAY_FD_RECORD);
    if (!c->replay) close(GATEWAY_FD_REPLAY);
    if (probe) close(GATEWAY_FD_LISTENER);
    if (close_range((unsigned)(GATEWAY_FD_SLOTS + c->slots), ~0u, 0) < 0) return err_sys(e, "close_range");
    return 0;
}

/* Whatever the libraries read or make at their first use, they do now. */
static int prepare(struct gw *g, struct err *e) {
    char hex[DIGEST_HEX_SIZE];
    if (uv_loop_init(&g->loop) < 0) return err_set(e, ERR_INTERNAL, "the loop cannot be made");
    digest_bytes("", 0, hex);
    tzset();
    g->redact = redact_new(&g->config);
    struct gw_config secrets = g->config;
    secrets.endpoint_url = NULL;
    g->secrets = redact_new(&secrets);
    budget_init(&g->budget, &g->config.budgets);
    return g->config.mode == GW_SERVE ? upstream_prepare(g, e) : 0;
}

static int confine(struct gw *g, pid_t parent, struct jail_report *report, struct err *e) {
    const struct gw_config *c = &g->config;
    const struct jail_gateway_spec spec = {
        .limits = {.memory_bytes = MEMORY_BASE + (uint64_t)c->limits.body_bytes * 4,
                   .open_files = 64 + 3 * (uint64_t)c->limits.connections},
        .uid = c->uid > 0 ? (uid_t)c->uid : 0,
        .port = c->mode == GW_SERVE ? c->endpoint.port : 0,
        .parent = parent,
        .lifeline = GATEWAY_FD_CONTROL,
    };
    return jail_confine_gateway(&spec, report, e);
}

static int say_ready(const struct jail_report *r, struct err *e) {
    cJSON *o = json_new_object(), *list = json_new_array();
    for (unsigned i = 0; i < JAIL_M_COUNT; i++)
        if (r->in_force >> i & 1) BUG_UNLESS(cJSON_AddItemToArray(list, cJSON_CreateString(jail_mechanism_name(i))));
    json_put(o, "mechanisms", list);
    json_put_int(o, "landlock_abi", r->landlock_abi);
    json_put_int(o, "seccomp_instructions", r->seccomp_instructions);
    json_put_int(o, "pid", getpid());
    char *text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    BUG_UNLESS(text != NULL);
    struct buf b = BUF_INIT(2048);
    buf_put_bytes(&b, text, strlen(text));
    free(text);
    const int rc = control_say(GATEWAY_FD_CONTROL, MSG_GW_READY, b.p, b.len, e);
    buf_release(&b);
    return rc;
}

static int work(struct gw *g, bool probe, pid_t parent, struct err *e) {
    struct buf text = BUF_INIT(256u << 10);
    struct jail_report report;
    int rc = control_read_config(GATEWAY_FD_CONTROL, &text, clock_mono_us() + CONFIG_MS * 1000, e);
    if (rc == 0) rc = gw_config_parse(&g->config, (const char *)text.p, text.len, probe, e);
    if (text.p) explicit_bzero(text.p, text.len);
    buf_release(&text);
    if (rc < 0) return rc;
    if (close_the_rest(&g->config, probe, e) < 0 || prepare(g, e) < 0 || confine(g, parent, &report, e) < 0) return -1;
    if (probe) return life_probe(g, e);
    return say_ready(&report, e) < 0 ? -1 : life_serve(g, e);
}

static void free_all(struct gw *g) {
    upstream_free(g->upstream);
    slots_free(g->slots);
    recorder_free(g->recorder);
    replay_free(g->replay);
    server_free(g->server);
    control_free(g->control);
    redact_free(g->redact);
    redact_free(g->secrets);
    gw_config_release(&g->config);
    uv_loop_close(&g->loop);
}

int main(int argc, char **argv) {
    static struct gw g;
    struct err e = ERR_INIT;
    const pid_t parent = getppid();
    const bool probe = argc == 2 && strcmp(argv[1], "--probe") == 0;
    if (argc != 1 && !probe) {
        fprintf(stderr, "cto-harness-gateway: only the supervisor starts it, with nothing or with --probe\n");
        return 2;
    }
    if (set_up_process(&e) < 0 || jail_bind_life(parent, GATEWAY_FD_CONTROL) < 0) {
        fprintf(stderr, "cto-harness-gateway: descriptor 3 must be a socket to the supervisor, which must live\n");
        return 2;
    }
    if (work(&g, probe, parent, &e) == 0) {
        free_all(&g);
        return 0;
    }
    control_say_failed(GATEWAY_FD_CONTROL, &e);
    return 1; /* half-built things end with the process */
}
