/* test_sv_gates.c - the gates before a run: a record that passes all of them, then one closed at a time, each with its blocker
 * and its word in the decision; an environment variable opens its gate with "1" and with nothing else. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "supervisor/engines.h"
#include "supervisor/gates.h"

static const char *engines[] = {"fake", "codex"}, *writes[] = {"src/"}, *actions[] = {"push"};
static struct cto_case c;
static struct run_record r;

static void good(void) {
    c = (struct cto_case){.id = "unit",
                          .risk_class = "low",
                          .mutation_mode = "copied-fixture",
                          .backends = {engines, 2},
                          .allowed_writes = {writes, 1},
                          .forbidden_actions = {actions, 1}};
    r = (struct run_record){.c = &c, .engine = "fake"};
}

static const struct gate_result *gate(const char *name) {
    const struct gate_result *found = NULL;
    for (int i = 0; i < r.n_gates; i++)
        if (strcmp(r.gates[i].name, name) == 0) found = &r.gates[i];
    NEED(found != NULL);
    return found;
}

/* Evaluates; only `name` is closed, for this reason, and the decision says so. NULL: all are open. */
static bool closed(const char *name, const char *status, enum blocker b, const char *word) {
    bool fine = gates_evaluate(&r) == (name == NULL);
    for (int i = 0; i < r.n_gates; i++) {
        const struct gate_result *g = &r.gates[i];
        bool this = name && strcmp(g->name, name) == 0;
        fine = fine && strcmp(g->status, this ? status : "passed") == 0 && (g->reason[0] != '\0') == this;
        if (this) fine = fine && g->blocker == b && strstr(g->reason, word);
        if (!fine) fprintf(stderr, "    gate %s: %s: %s\n", g->name, g->status, g->reason);
    }
    cJSON *d = gates_decision(&r);
    const char *selected = cJSON_GetObjectItemCaseSensitive(d, "selected_backend")->valuestring;
    const char *mode = cJSON_GetObjectItemCaseSensitive(d, "allowed_mutation_mode")->valuestring;
    int missing = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(d, "missing_gates"));
    int denied = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(d, "denied_backends"));
    fine =
        fine && strcmp(selected, name ? "none" : r.engine) == 0 && strcmp(mode, name ? "none" : "copied-fixture") == 0;
    fine = fine && missing == (name ? 1 : 0) && denied == missing;
    cJSON_Delete(d);
    return fine;
}

static void contract(void) {
    good();
    CHECK(closed(NULL, "", BLOCKER_COUNT, ""));
    CHECK(r.n_gates == 5 && r.n_gates <= RECORD_MAX_GATES);
    c.allowed_writes.n = 0;
    CHECK(closed("contract", "failed", BLOCKER_eligibility_denied, "no allowed_writes"));
    good();
    c.forbidden_actions.n = 0;
    CHECK(closed("contract", "failed", BLOCKER_eligibility_denied, "no forbidden_actions"));
    good();
    c.approval_required = true;
    CHECK(closed("approval", "missing", BLOCKER_gate_missing, "approval"));
    good();
    c.backends = (struct case_list){engines + 1, 1};
    CHECK(closed("backend", "failed", BLOCKER_eligibility_denied, "not declared for the fake"));
}

/* Every engine that is not open by itself: closed by default, and by every value but "1". */
static void variables(void) {
    static const char *const wrong[] = {"", "0", "11", "1 ", "yes", "true"};
    int gated = 0;
    good();
    r.engine = "codex";
    const char *name = engine_find("codex")->gated_by_env;
    NEED(name != NULL);
    unsetenv(name);
    gates_evaluate(&r);
    CHECK(strcmp(gate("engine")->status, "missing") == 0 && strstr(gate("engine")->reason, name));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        setenv(name, wrong[i], 1);
        gates_evaluate(&r);
        gated +=
            CHECK(strcmp(gate("engine")->status, "missing") == 0 && gate("engine")->blocker == BLOCKER_gate_missing);
    }
    CHECK(gated == sizeof wrong / sizeof wrong[0]);
    setenv(name, "1", 1);
    gates_evaluate(&r);
    CHECK(strcmp(gate("engine")->status, "passed") == 0);
    /* open, and still there is nobody who could do it */
    bool adapter = engine_find("codex")->has_adapter;
    CHECK(strcmp(gate("provider")->status, adapter ? "passed" : "failed") == 0);
    CHECK(adapter || gate("provider")->blocker == BLOCKER_provider_unavailable);
    unsetenv(name);
}

int main(void) {
    contract();
    variables();
    return check_done();
}
