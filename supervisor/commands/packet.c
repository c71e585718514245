/* packet.c - `cto-harness packet core-promotion`: what a governed review of the core would be asked to look at. Computed from the
 * store and from evidence that holds; it requests at most, and promotes nothing whatever it says. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build_id.h"
#include "common/clock.h"
#include "common/io.h"
#include "common/json.h"
#include "supervisor/admission.h"
#include "supervisor/cli.h"
#include "supervisor/core_decision.h"
#include "supervisor/core_route.h"
#include "supervisor/ladder.h"
#include "supervisor/locate.h"
#include "supervisor/standing.h"
#include "supervisor/store.h"

const char help_packet[] = "Usage: cto-harness packet core-promotion [--json|--md]\n"
                           "       cto-harness packet core-promotion --decide STATE --actor NAME --why TEXT\n"
                           "\n"
                           "The decision packet for a core review: what is proven on this build, what\n"
                           "stands before it, what a later route would need. Computed from the store and\n"
                           "from evidence that still holds. It requests, it never promotes.\n"
                           "\n"
                           "  --md           as Markdown\n"
                           "  --decide STATE the operator's word: not_decided, core_promotion_requested\n"
                           "                 (asks for a governed review, grants nothing) or\n"
                           "                 core_promotion_deferred (evidence stays local)\n"
                           "  --actor NAME   whose decision it is; never a backend\n"
                           "  --why TEXT     its reason\n"
                           "\n"
                           "Examples:\n"
                           "  cto-harness packet core-promotion\n"
                           "  cto-harness packet core-promotion --json | jq .ready_for_core_review\n"
                           "  cto-harness packet core-promotion --md > packet.md\n"
                           "  cto-harness packet core-promotion --decide core_promotion_deferred \\\n"
                           "      --actor alice --why \"one more month of runs\"\n";

/* What stands before it. None of these can be taken away here: they are the core's. */
static const struct {
    const char *name, *meaning;
} blockers[] = {
    {"no_core_prd", "the core has no PRD for it"},
    {"no_core_issue", "the core has no issue for it"},
    {"no_core_validator", "no validator of the core covers it"},
    {"no_core_evidence", "the core has no evidence of its own"},
    {"no_selected_sequence_route", "no sequence route was selected for it"},
    {"activation_false", "runtime default activation is false, and no command here changes it"},
};
#define N_BLOCKERS (sizeof blockers / sizeof blockers[0])

static const char *const requirements[] = {
    "start from the core workspace",
    "the core route admission guard passes",
    "the object class is decided",
    "the sequence protocol is followed",
    "a PRD and an issue of its own",
    "validator coverage",
    "evidence before claims",
    "activation kept apart from readiness",
    "no secrets, no endpoints, no raw target content",
    "rollback by keeping Case disabled",
};
#define N_REQUIREMENTS (sizeof requirements / sizeof requirements[0])

struct packet {
    struct ladder l;
    struct core_decision d;
    bool ready;
    char now[CLOCK_STAMP_SIZE];
};

/* --- as JSON ------------------------------------------------------------------------------------------------------------------- */

static void put_path(cJSON *o, const char *key, const char *path) {
    json_put(o, key, path[0] ? json_bytes(path, strlen(path)) : cJSON_CreateNull());
}

static cJSON *rung_json(const struct rung *r) {
    cJSON *o = json_new_object();
    char stamp[CLOCK_STAMP_SIZE] = "";
    if (r->status != RUNG_NOT_PROVEN) clock_stamp(r->proven_ms, stamp);
    json_put_str(o, "status", rung_status_name(r->status));
    json_put_str(o, "proof_kind", r->status == RUNG_VALIDATED ? "real" : r->status == RUNG_MECHANICS ? "double" : NULL);
    put_path(o, "report", r->report_path);
    json_put_str(o, "sha256", r->sha256[0] ? r->sha256 : NULL);
    json_put_str(o, "proven_at", stamp[0] ? stamp : NULL);
    json_put_str(o, "why_not", r->status == RUNG_NOT_PROVEN ? r->why : NULL);
    return o;
}

static cJSON *evidence_json(const struct ladder *l) {
    cJSON *o = json_new_object(), *runs = cJSON_CreateArray();
    BUG_UNLESS(runs != NULL);
    for (int i = 1; i <= STAGE_COUNT; i++) {
        char key[32];
        snprintf(key, sizeof key, "stage%d", i);
        json_put(o, key, rung_json(&l->rungs[i]));
    }
    json_put_bool(o, "stage6_comparison_accepted", l->comparison_accepted);
    for (int i = 0; i < l->repeatability_count && i < LADDER_REPEATS; i++) {
        cJSON *r = json_new_object();
        json_put_str(r, "case_id", l->repeats[i].case_id);
        json_put_str(r, "run_id", l->repeats[i].run_id);
        put_path(r, "report", l->repeats[i].report_path);
        json_put_str(r, "sha256", l->repeats[i].sha256);
        cJSON_AddItemToArray(runs, r);
    }
    json_put(o, "accepted_stage5_passes", runs);
    return o;
}

static cJSON *decision_json(const struct core_decision *d) {
    if (d->state == 0) return cJSON_CreateNull();
    cJSON *o = json_new_object();
    char stamp[CLOCK_STAMP_SIZE];
    clock_stamp(d->decided_ms, stamp);
    json_put_str(o, "id", d->id);
    json_put_str(o, "actor", d->actor);
    json_put_str(o, "decided_at", stamp);
    json_put_str(o, "why", d->why);
    return o;
}

static void put_lists(cJSON *o) {
    cJSON *names = cJSON_CreateArray(), *meanings = json_new_object(), *before = cJSON_CreateArray();
    BUG_UNLESS(names && before);
    for (int i = 0; i < CORE_STATES; i++) {
        cJSON_AddItemToArray(names, cJSON_CreateString(core_state(i)->name));
        json_put_str(meanings, core_state(i)->name, core_state(i)->meaning);
    }
    json_put(o, "allowed_decision_states", names);
    json_put(o, "decision_state_meanings", meanings);
    for (size_t i = 0; i < N_BLOCKERS; i++) {
        cJSON *b = json_new_object();
        json_put_str(b, "blocker", blockers[i].name);
        json_put_str(b, "detail", blockers[i].meaning);
        cJSON_AddItemToArray(before, b);
    }
    json_put(o, "blockers_before_promotion", before);
    json_put(o, "future_route_requirements", json_strings(requirements, N_REQUIREMENTS));
}

static cJSON *packet_json(const struct packet *p) {
    cJSON *o = json_new_object();
    json_put_str(o, "packet", "core-promotion");
    json_put_str(o, "generated_at", p->now);
    json_put_str(o, "build_id", CTO_BUILD_ID);
    json_put_str(o, "decision_status", core_state(p->d.state)->name);
    json_put(o, "decision", decision_json(&p->d));
    json_put_str(o, "resolver", CORE_RESOLVER);
    json_put_bool(o, "ready_for_core_review", p->ready);
    json_put_bool(o, "candidate_default_eligible", p->l.candidate_default_eligible);
    json_put_bool(o, "candidate_default_repeatability_eligible", p->l.repeatability_eligible);
    json_put_int(o, "repeatability_required", LADDER_REPEATS);
    json_put_int(o, "repeatability_count", p->l.repeatability_count);
    json_put_str(o, "repeatability_status", p->l.repeatability_status);
    standing_put(o);
    json_put_str(o, "recommended_next_decision", CORE_NEXT_DECISION);
    json_put_str(o, "recommendation_status", CORE_RECOMMENDATION);
    json_put(o, "evidence", evidence_json(&p->l));
    put_lists(o);
    return o;
}

/* --- for people -------------------------------------------------------------------------------------------------------------- */

static void md_evidence(struct buf *b, const struct ladder *l) {
    buf_puts(b, "\n## Evidence\n\n| stage | status | report |\n|---|---|---|\n");
    for (int i = 1; i <= STAGE_COUNT; i++) {
        const struct rung *r = &l->rungs[i];
        buf_printf(b, "| %d %s | %s | ", i, stage_rules(i)->name, rung_status_name(r->status));
        AUTO_FREE char *path = json_quote_path(r->report_path, strlen(r->report_path));
        buf_printf(b, "%s |\n", r->status == RUNG_NOT_PROVEN ? r->why : path);
    }
    buf_printf(b, "\nAccepted stage 5 passes of different cases: %d of %d (%s).\n", l->repeatability_count,
               LADDER_REPEATS, l->repeatability_status);
    for (int i = 0; i < l->repeatability_count && i < LADDER_REPEATS; i++)
        buf_printf(b, "- %s: %s\n", l->repeats[i].case_id, l->repeats[i].run_id);
}

static void md_text(struct buf *b, const struct packet *p) {
    buf_printf(b, "# Core promotion: decision packet\n\n%s, build %.12s. It requests, it never promotes.\n\n", p->now,
               CTO_BUILD_ID);
    buf_printf(b, "- Decision: `%s` (%s). Resolver: %s.\n", core_state(p->d.state)->name,
               core_state(p->d.state)->meaning, CORE_RESOLVER);
    buf_printf(b, "- Ready for a core review: %s\n", p->ready ? "yes" : "no");
    buf_printf(b, "- Candidate default eligible: %s; with repetition: %s\n",
               p->l.candidate_default_eligible ? "yes" : "no", p->l.repeatability_eligible ? "yes" : "no");
    buf_puts(b, "- Recommended next decision: `" CORE_NEXT_DECISION "` (`" CORE_RECOMMENDATION "`)\n");
    buf_puts(b, "- " STANDING_SENTENCE);
    md_evidence(b, &p->l);
    buf_puts(b, "\n## Blockers before promotion\n\n");
    for (size_t i = 0; i < N_BLOCKERS; i++) buf_printf(b, "- `%s`: %s\n", blockers[i].name, blockers[i].meaning);
    buf_puts(b, "\n## What a later route needs\n\n");
    for (size_t i = 0; i < N_REQUIREMENTS; i++) buf_printf(b, "- %s\n", requirements[i]);
    buf_puts(b, "\n## Decision states\n\n");
    for (int i = 0; i < CORE_STATES; i++) buf_printf(b, "- `%s`: %s\n", core_state(i)->name, core_state(i)->meaning);
}

static int print_text(const struct packet *p, bool md) {
    AUTO_BUF struct buf b = BUF_INIT(1u << 20);
    if (md) {
        md_text(&b, p);
    } else {
        buf_printf(&b, "decision: %s (%s)\n", core_state(p->d.state)->name, core_state(p->d.state)->meaning);
        for (int i = 1; i <= STAGE_COUNT; i++)
            buf_printf(&b, "stage %d: %s%s%s\n", i, rung_status_name(p->l.rungs[i].status),
                       p->l.rungs[i].why[0] ? ": " : "", p->l.rungs[i].why);
        buf_printf(&b, "repeatability: %d of %d, %s\nready for a core review: %s\n", p->l.repeatability_count,
                   LADDER_REPEATS, p->l.repeatability_status, p->ready ? "yes" : "no");
        buf_puts(&b, "next: " CORE_NEXT_DECISION "\n" STANDING_SENTENCE);
    }
    return fputs(buf_str(&b), stdout) >= 0 && fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
}

/* --- the command ------------------------------------------------------------------------------------------------------------- */

static int show(const struct global_options *g, bool md) {
    struct err e = ERR_INIT;
    struct home h;
    struct store *s = NULL;
    struct packet *p = calloc(1, sizeof *p);
    BUG_UNLESS(p != NULL);
    int rc = home_resolve(&h, &g->home, &e);
    if (rc == 0) rc = locate_store(&h, &s, &e);
    if (rc == 0) rc = ladder_read(&p->l, &h, s, LADDER_BACKEND, &e);
    if (rc == 0) rc = core_decision_read(&p->d, s, &e);
    store_close(s);
    clock_stamp(clock_real_ms(), p->now);
    p->ready = p->l.repeatability_eligible;
    int code = rc < 0 ? cli_error(&e) : g->json ? cli_print_json(packet_json(p), EXIT_PASS) : print_text(p, md);
    free(p);
    return code;
}

static int decide(const struct global_options *g, const char *state, const char *actor, const char *why) {
    struct err e = ERR_INIT;
    struct home h;
    struct store *s = NULL;
    char id[96];
    int k = core_state_by_name(state);
    if (k < 0)
        return cli_usage("packet",
                         "--decide: no state \"%.40s\"; there are not_decided, core_promotion_requested and "
                         "core_promotion_deferred",
                         state);
    if (!admission_actor_ok(actor, &e) || !admission_why_ok(why, false, &e)) return cli_error(&e);
    int rc = home_resolve(&h, &g->home, &e);
    if (rc == 0) rc = home_prepare(&h, &e);
    if (rc == 0) rc = store_open(h.store, true, &s, &e);
    if (rc == 0) rc = core_decision_record(s, k, actor, why, id, &e);
    store_close(s);
    if (rc < 0) return cli_error(&e);
    if (g->json) {
        cJSON *o = json_new_object();
        json_put_bool(o, "ok", true);
        json_put_str(o, "id", id);
        json_put_str(o, "decision_status", core_state(k)->name);
        standing_put(o);
        return cli_print_json(o, EXIT_PASS);
    }
    printf("%s%s\n", g->quiet ? "" : "recorded ", id);
    return fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
}

int cmd_packet(const struct global_options *g, int argc, char **argv) {
    static const struct option options[] = {{"md", no_argument, NULL, 'm'},
                                            {"decide", required_argument, NULL, 'd'},
                                            {"actor", required_argument, NULL, 'a'},
                                            {"why", required_argument, NULL, 'w'},
                                            {0}};
    const char *state = NULL, *actor = NULL, *why = NULL;
    bool md = false;
    int c, rc = 0;
    optind = 0;
    while (rc == 0 && (c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        switch (c) {
        case 'm': md = true; break;
        case 'd': rc = cli_once("packet", "--decide", &state, optarg); break;
        case 'a': rc = cli_once("packet", "--actor", &actor, optarg); break;
        case 'w': rc = cli_once("packet", "--why", &why, optarg); break;
        default: rc = cli_bad_option("packet", c, argv);
        }
    }
    if (rc != 0) return rc;
    if (argc - optind != 1 || strcmp(argv[optind], "core-promotion") != 0)
        return cli_usage("packet", "one packet is expected: core-promotion");
    if (md && g->json) return cli_usage("packet", "--json or --md, not both");
    if (state) return md ? cli_usage("packet", "--md shows a packet, --decide records") : decide(g, state, actor, why);
    return actor || why ? cli_usage("packet", "--actor and --why go with --decide") : show(g, md);
}
