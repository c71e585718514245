/* test_in_args.c - the inspector's command line: each step takes exactly its own options. */
#include <string.h>

#include "tests/unit/check.h"
#include "worker/inspect/inspect.h"

static int parse(struct inspect_args *a, const char *line) {
    static char copy[4096];
    char *argv[300] = {"inspect"};
    int argc = 1;
    struct err e = ERR_INIT;
    snprintf(copy, sizeof copy, "%s", line);
    char *save = NULL;
    for (char *p = strtok_r(copy, " ", &save); p != NULL; p = strtok_r(NULL, " ", &save)) argv[argc++] = p;
    return args_parse(argc, argv, a, &e);
}

int main(void) {
    struct inspect_args a;
    CHECK(
        parse(&a, "watch --ws /w --odb /o --history 5 --submodule s/t --ignore x/ --ignore y --parent 7 --run-id r") ==
        0);
    CHECK(a.step == INSPECT_WATCH && a.history == 5 && a.n_submodules == 1 && a.n_ignore == 2 && a.parent == 7);
    CHECK(strcmp(a.ws, "/w") == 0 && strcmp(a.ignore[1], "y") == 0 && strcmp(a.run_id, "r") == 0);
    CHECK(parse(&a, "census --ws /w --odb /o --made-by-harness --baseline x") == 0 && a.made_by_harness);
    CHECK(parse(&a, "checkout --odb /o --out /c --head x") == 0 && parse(&a, "diff --odb /o --ignore a") == 0);
    static const char *const bad[] = {"",
                                      "watch",
                                      "other --ws /w --odb /o",
                                      "watch --ws w --odb /o",
                                      "watch --ws /w",
                                      "watch --ws /w --odb /o --history -1",
                                      "watch --ws /w --odb /o --history 10001",
                                      "watch --ws /w --odb /o --history 5x",
                                      "watch --ws /w --odb /o --empty --history 1",
                                      "watch --ws /w --odb /o --out /c",
                                      "watch --ws /w --odb /o --parent 0",
                                      "watch --ws /w --odb /o stray",
                                      "watch --ws /w --odb /o --unknown",
                                      "watch --ws /w --odb /o --made-by-harness",
                                      "census --ws /w --odb /o --empty",
                                      "diff --ws /w --odb /o",
                                      "checkout --odb /o",
                                      "diff --odb"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!CHECK(parse(&a, bad[i]) < 0)) fprintf(stderr, "  accepted: %s\n", bad[i]);
    char many[2048] = "watch --ws /w --odb /o";
    size_t used = strlen(many);
    for (int i = 0; i < SPEC_MAX_SUBMODULES; i++)
        used += (size_t)snprintf(many + used, sizeof many - used, " --submodule s");
    CHECK(parse(&a, many) == 0);
    snprintf(many + used, sizeof many - used, " --submodule s");
    CHECK(parse(&a, many) < 0);
    return check_done();
}
