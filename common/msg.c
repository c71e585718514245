/* msg.c - the table of msg.h as data. */
#include "common/msg.h"

static const struct msg_rule rules[] = {
#define X(name, number, dir, chan, states, flags, steps, largest) \
    {#name, (number), (dir), (chan), (states), (flags), (steps), (largest)},
    MSG_TABLE(X)
#undef X
};

const struct msg_rule *msg_rules(size_t *ret_count) {
    *ret_count = sizeof rules / sizeof rules[0];
    return rules;
}

const struct msg_rule *msg_rule(unsigned type) {
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (rules[i].type == type) return &rules[i];
    return NULL;
}

const char *run_state_name(enum run_state s) {
    static const char *const names[] = {
#define X(name, text) text,
        RUN_STATES(X)
#undef X
    };
    return (unsigned)s < RUN_STATE_COUNT ? names[s] : "invalid";
}

const char *end_kind_name(unsigned k) {
    switch (k) {
#define X(name, number, text) \
    case (number): return text;
        END_KINDS(X)
#undef X
    default: return "invalid";
    }
}

const char *attempt_action(unsigned k) {
    switch (k) {
#define X(name, number, action, text) \
    case (number): return action;
        ATTEMPT_KINDS(X)
#undef X
    default: return NULL;
    }
}

const char *attempt_text(unsigned k) {
    switch (k) {
#define X(name, number, action, text) \
    case (number): return text;
        ATTEMPT_KINDS(X)
#undef X
    default: return NULL;
    }
}

const char *result_kind_name(unsigned k) {
    switch (k) {
#define X(name, number, text) \
    case (number): return text;
        RESULT_KINDS(X)
#undef X
    default: return "invalid";
    }
}

const char *gw_path_name(unsigned k) {
    switch (k) {
#define X(name, number, text) \
    case (number): return text;
        GW_PATHS(X)
#undef X
    default: return "invalid";
    }
}

const char *gw_outcome_name(unsigned k) {
    switch (k) {
#define X(name, number, text, infrastructure) \
    case (number): return text;
        GW_OUTCOMES(X)
#undef X
    default: return "invalid";
    }
}

bool gw_outcome_is_infrastructure(unsigned k) {
    switch (k) {
#define X(name, number, text, infrastructure) \
    case (number): return (infrastructure) != 0;
        GW_OUTCOMES(X)
#undef X
    default: return false;
    }
}

const char *gw_budget_name(unsigned k) {
    switch (k) {
#define X(name, number, text) \
    case (number): return text;
        GW_BUDGETS(X)
#undef X
    default: return "invalid";
    }
}
