/* One gate after the other says nothing any more (supervisor/flip.h): does the part of `validate provider-adapter` that asks the gates
 * notice, and say so in a check of its own? Gates that are about a repository, or about another backend, are those of
 * e2e/stages_flipped.sh, which also looks that none is missing in both. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "supervisor/commands/adapter_check.h"
#include "supervisor/flip.h"

static const struct {
    const char *gate, *check;
} table[] = {
    {"engine", "eligibility_decision_shape"},        {"stage", "eligibility_decision_shape"},
    {"backend", "wrong_task_contract_blocks"},       {"contract", "wrong_task_contract_blocks"},
    {"interface", "eligibility_decision_shape"},     {"source", "eligibility_decision_shape"},
    {"executable", "wrong_executable_blocks"},       {"decision", "provider_decision_blocks"},
    {"model", "model_provider_gate_blocks"},         {"auth_bridge", "codex_auth_gap_blocks"},
    {"local_config", "missing_local_config_blocks"}, {"provider", "eligibility_decision_shape"},
    {"approval", "eligibility_decision_shape"},      {"response_shape", "eligibility_decision_shape"},
};

/* The errors of all checks; the caller owns them. */
static cJSON *ask(const char *flips) {
    static struct global_options g;
    struct adapter_check a = {.g = &g, .name = "", .checked = cJSON_CreateArray(), .errors = cJSON_CreateArray()};
    const char *build = getenv("CTO_BUILD_DIR");
    struct err e = ERR_INIT;
    char cases[PATH_MAX];
    NEED(build && realpath("cases", cases));
    snprintf(a.home.libexec, sizeof a.home.libexec, "%.4000s/bin", build);
    snprintf(a.home.cases, sizeof a.home.cases, "%s", cases);
    snprintf(a.home.home, sizeof a.home.home, "/nonexistent/home");
    snprintf(a.home.runs, sizeof a.home.runs, "/nonexistent/runs");
    NEED(case_load(&a.subject, cases, LANE_SUBJECT, &e) == 0);
    NEED(setenv("CTO_TEST_FLIP", flips, 1) == 0);
    adapter_gates(&a);
    case_release(&a.subject);
    cJSON_Delete(a.checked);
    return a.errors;
}

static bool names(const cJSON *errors, const char *check) {
    const cJSON *x;
    const size_t n = strlen(check);
    cJSON_ArrayForEach(x, errors) if (strncmp(x->valuestring, check, n) == 0 && x->valuestring[n] == ':') return true;
    return false;
}

int main(void) {
    cJSON *errors = ask("");
    if (!CHECK(cJSON_GetArraySize(errors) == 0))
        fprintf(stderr, "    %s\n", cJSON_GetArrayItem(errors, 0)->valuestring);
    cJSON_Delete(errors);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        CHECK(!flipped(table[i].gate));
        errors = ask(table[i].gate);
        CHECK(flipped(table[i].gate));
        if (!CHECK(names(errors, table[i].check)))
            fprintf(stderr, "    with %s flipped %s says nothing\n", table[i].gate, table[i].check);
        cJSON_Delete(errors);
        NEED(unsetenv("CTO_TEST_FLIP") == 0);
    }
    return check_done();
}
