/* sv_gates_world.h - for the tests of gates: facts that open all of them, and what is said of a gate that one of them closes. */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "check.h"
#include "common/double_mark.h"
#include "common/io.h"
#include "supervisor/double.h"
#include "supervisor/gates.h"
#include "supervisor/stages.h"

static const char *engines[] = {"fake", "codex", "pi", "case", "exec"}, *writes[] = {"src/"}, *actions[] = {"push"};
static struct spec_command command;
static struct cto_case c;
static struct run_record r;
static struct gate_facts f;
static char closed_names[400][24];
static int n_closed;
static bool exec_uses_model;

static inline void put_record(struct fact_record *record, enum admission_kind k, const char *edits) {
    cJSON *doc = admission_template(k), *change = cJSON_Parse(edits), *item = change->child;
    for (cJSON *next; item; item = next) {
        next = item->next;
        cJSON_DetachItemViaPointer(change, item);
        char *name = strdup(item->string);
        cJSON_DeleteItemFromObjectCaseSensitive(doc, name);
        cJSON_AddItemToObject(doc, name, item);
        free(name);
    }
    char *text = cJSON_PrintUnformatted(doc);
    struct err e = ERR_INIT;
    if (record->state == FACT_THERE) admission_release(&record->admission);
    if (admission_read(k, "r", text, strlen(text), &record->admission, &e) < 0) fprintf(stderr, "%s\n", e.text);
    NEED(e.code == ERR_NONE);
    record->state = FACT_THERE;
    cJSON_free(text);
    cJSON_Delete(doc);
    cJSON_Delete(change);
}

#define ADMITTED "{\"status\":\"admitted\"}"
#define LOCAL                                                                                                     \
    "{\"decision_status\":\"local_provider_required\",\"provider\":\"qwen-local\",\"model\":\"qwen3.6-35b-a3b\"," \
    "\"evidence_"                                                                                                 \
    "sources\":[\"x\"]}"

/* A repository as it must be, of the kind that stage and mode ask for. */
static inline void looked_at(void) {
    f.looked = f.pristine_known = true;
    f.repo = (struct repo_facts){.is_repository = true,
                                 .clean = true,
                                 .local_filesystem = true,
                                 .owner_uid = (uint32_t)geteuid(),
                                 .head = "1111111111111111111111111111111111111111",
                                 .branch = "refs/heads/main",
                                 .commits = 2};
}

static inline void sourced(void) {
    f.subject = SUBJECT_SOURCE;
    f.repository = "/srv/notes";
    looked_at();
}

static inline const char *program_of(const char *engine) {
    if (strcmp(engine, "codex") == 0)
        return "{\"status\":\"admitted\",\"executable_path\":\"/opt/x/codex\",\"command_shape\":\"codex exec --json "
               "<prompt on "
               "stdin>\"}";
    if (strcmp(engine, "pi") == 0)
        return "{\"status\":\"admitted\",\"executable_path\":\"/opt/x/cli.js\",\"command_shape\":\"pi --mode json "
               "<prompt on "
               "stdin>\"}";
    return ADMITTED;
}

/* Everything that a run of stage 3 of this engine needs. */
static inline void good(const char *engine) {
    gate_facts_release(&f);
    record_release(&r);
    c = (struct cto_case){.id = "unit",
                          .risk_class = "low",
                          .mutation_mode = "copied-fixture",
                          .backends = {engines, 5},
                          .allowed_writes = {writes, 1},
                          .forbidden_actions = {actions, 1},
                          .verify = &command,
                          .n_verify = 1};
    r = (struct run_record){.c = &c, .engine = engine};
    f = (struct gate_facts){.c = &c,
                            .engine = engine_find(engine),
                            .allowed = true,
                            .stage = 3,
                            .repository = "",
                            .predecessor_proven = true,
                            .interface_proven = true,
                            .provider = "qwen-local",
                            .model = "qwen3.6-35b-a3b",
                            .executable = "/opt/case/ca",
                            .route = {.state = ROUTE_THERE},
                            .probed = true,
                            .probe = {.outcome = GW_OK}};
    put_record(&f.model_record, ADMIT_MODEL, ADMITTED);
    put_record(&f.decision, ADMIT_DECISION, LOCAL);
    put_record(&f.source, ADMIT_SOURCE, ADMITTED);
    put_record(&f.build, ADMIT_EXECUTABLE, program_of(engine));
    f.file = calloc(1, sizeof *f.file);
    NEED(f.file != NULL);
    f.file->uses_model = exec_uses_model;
    if (f.engine->needs & NEED_STAGE) sourced();
}

static inline const struct gate_result *gate(const char *name) {
    const struct gate_result *found = NULL;
    for (int i = 0; i < r.n_gates; i++)
        if (strcmp(r.gates[i].name, name) == 0) found = &r.gates[i];
    NEED(found != NULL);
    return found;
}

static inline bool decision_fits(bool open) {
    cJSON *d = gates_decision(&r);
    const char *selected = cJSON_GetObjectItemCaseSensitive(d, "selected_backend")->valuestring;
    const char *mode = cJSON_GetObjectItemCaseSensitive(d, "allowed_mutation_mode")->valuestring;
    int missing = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(d, "missing_gates"));
    int denied = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(d, "denied_backends"));
    bool fine = strcmp(selected, open ? r.engine : "none") == 0 && (strcmp(mode, "none") == 0) == !open &&
                (missing > 0) == !open && denied == (open ? 0 : 1);
    cJSON_Delete(d);
    return fine;
}

/* Evaluates; only `name` is closed, for this reason; NULL: all are open but the adapter, which this build may not have. */
static inline bool closed(const char *name, const char *status, enum blocker b, const char *word) {
    bool adapter = f.engine->has_adapter, fine = gates_evaluate(&r, &f) == (name == NULL && adapter);
    for (int i = 0; i < r.n_gates; i++) {
        const struct gate_result *g = &r.gates[i];
        bool provider = strcmp(g->name, "provider") == 0, this = name && strcmp(g->name, name) == 0;
        if (provider) {
            fine = fine && (strcmp(g->status, "passed") == 0) == adapter &&
                   (adapter || g->blocker == BLOCKER_provider_unavailable);
            continue;
        }
        fine = fine && strcmp(g->status, this ? status : "passed") == 0 && (g->reason[0] != '\0') == this;
        if (this) fine = fine && g->blocker == b && strstr(g->reason, word);
        if (!fine) fprintf(stderr, "    gate %s: %s: %s\n", g->name, g->status, g->reason);
    }
    NEED(n_closed < 400);
    if (name) snprintf(closed_names[n_closed++], sizeof closed_names[0], "%s", name);
    return fine && decision_fits(name == NULL && adapter);
}

static inline void approved(void) {
    c.approval_required = true;
    f.now_ms = f.seen_ms = 1000;
    f.approval =
        (struct approval_seen){.id = "a", .state = "granted", .actor = "carol", .decided_ms = 900, .expires_ms = 2000};
}

/* Where this build has its programs. */
static inline void programs(char libexec[PATH_MAX]) {
    const char *build = getenv("CTO_BUILD_DIR");
    NEED(build != NULL);
    snprintf(libexec, PATH_MAX, "%.4000s/bin", build);
}
