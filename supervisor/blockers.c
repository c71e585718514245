/* blockers.c - expands the table of blockers.h. The order of the table is the order of the design's list, and the first
 * twelve rows are its twelve failure classes; nothing here adds meaning of its own. */
#include "supervisor/blockers.h"

#include <string.h>

#include "common/err.h"

const char *verdict_name(enum verdict v) {
    switch (v) {
    case VERDICT_PASS: return "pass";
    case VERDICT_FAIL: return "fail";
    case VERDICT_BLOCKED: return "blocked";
    case VERDICT_NONE: break;
    }
    return "none";
}

int verdict_exit_code(enum verdict v) {
    switch (v) {
    case VERDICT_PASS: return 0;
    case VERDICT_FAIL: return 1;
    case VERDICT_BLOCKED: return 3;
    case VERDICT_NONE: break;
    }
    return 4;
}

const char *blocker_class_name(enum blocker_class c) {
    switch (c) {
    case CLASS_VERDICT: return "verdict";
    case CLASS_INFRASTRUCTURE: return "infrastructure";
    case CLASS_POLICY: return "policy";
    }
    return "invalid";
}

#define OF_THE_TWELVE(b) ((b) <= BLOCKER_provider_unavailable)
static const struct blocker_rule rules[BLOCKER_COUNT] = {
#define X(name, status, event, class, marker, meaning) \
    [BLOCKER_##name] = {#name, VERDICT_##status, event, CLASS_##class, marker, meaning, OF_THE_TWELVE(BLOCKER_##name)},
    BLOCKER_TABLE(X)
#undef X
};
_Static_assert(BLOCKER_provider_unavailable == 11, "the first twelve rows are the twelve failure classes");

const struct blocker_rule *blocker_rule(enum blocker b) {
    BUG_UNLESS((unsigned)b < BLOCKER_COUNT);
    return &rules[b];
}

enum blocker blocker_by_reason(const char *reason) {
    for (int i = 0; i < BLOCKER_COUNT; i++)
        if (strcmp(rules[i].reason, reason) == 0) return (enum blocker)i;
    return BLOCKER_COUNT;
}
