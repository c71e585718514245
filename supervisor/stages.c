/* stages.c - see stages.h. */
#include "supervisor/stages.h"

#include <string.h>

#include "common/err.h"

static const struct stage_rules table[STAGE_COUNT] = {
    {"Gated Case engine", "none", "none"},
    {"Artificial fixture", "copied-fixture", "copied artificial case only"},
    {"Copied repo fixture", "copied-fixture", "copied local repository fixture only"},
    {"Disposable sandbox repo", "sandbox-repo", "disposable repository only"},
    {"Owned noncritical repo", "owned-noncritical-repo", "explicitly owned low-risk repository only"},
    {"Candidate default", "candidate-default", "scoped real-repo use only"},
};

const struct stage_rules *stage_rules(int stage) {
    BUG_UNLESS(stage >= 1 && stage <= STAGE_COUNT);
    return &table[stage - 1];
}

static int width(const char *mode) {
    static const char *const modes[] = {"none", "copied-fixture", "sandbox-repo", "owned-noncritical-repo",
                                        "candidate-default"};
    for (int i = 0; i < 5; i++)
        if (strcmp(modes[i], mode) == 0) return i;
    return -1;
}

bool stage_mode_within(const char *mode, const char *widest) {
    int m = width(mode), w = width(widest);
    return m >= 0 && w >= 0 && m <= w;
}

bool stage_allows(int stage, const char *mode) { return stage_mode_within(mode, stage_rules(stage)->mutation_mode); }
