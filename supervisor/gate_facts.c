/* gate_facts.c - see gate_facts.h. */
#include "supervisor/gate_facts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build_id.h"
#include "embedded.h"
#include "common/io.h"
#include "common/clock.h"
#include "common/text.h"
#include "supervisor/admission_host.h"
#include "supervisor/approval.h"
#include "supervisor/double.h"
#include "supervisor/known_values.h"
#include "supervisor/secret_shape.h"
#include "supervisor/store.h"

#define WHY_SIZE 300

/* A setting of this engine: CTO_HARNESS_CASE_STAGE and so on. "" when it is not set. */
static const char *setting(const struct engine *en, const char *name) {
    char variable[96];
    if (!en->variables) return "";
    snprintf(variable, sizeof variable, "%s%s", en->variables, name);
    const char *v = getenv(variable);
    return v ? v : "";
}

static int stage_of(const char *text) {
    if (!text[0]) return 0;
    return text[1] == '\0' && text[0] >= '0' + STAGE_FIRST && text[0] <= '0' + STAGE_LAST ? text[0] - '0' : -1;
}

static int timeout_of(const char *text) {
    char *end;
    if (!text[0]) return 0;
    const long n = strtol(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && n >= 1 && n <= TIMEOUT_S_MAX ? (int)n : -1;
}

/* What is wrong ends in reports, and a reader's message may quote what it read. */
static const char *harmless(const char *why) {
    return secret_shaped_text(why) || strstr(why, "://") ? "it holds something that must not be repeated here" : why;
}

static void bad(struct fact_record *r, const char *why) {
    r->state = FACT_BAD;
    snprintf(r->why, sizeof r->why, "%.290s", harmless(why));
}

/* The message of a reader ("PATH:LINE: what", "PATH: what", "open PATH: what") without the path: it ends in reports. */
static const char *without_path(const struct err *e, const char *file, char out[WHY_SIZE]) {
    const size_t n = strlen(file);
    const bool open = strncmp(e->text, "open ", 5) == 0;
    const char *at = e->text + (open ? 5 : 0);
    if (strncmp(at, file, n) != 0 || at[n] != ':') return "it cannot be read";
    const char *rest = at + n + 1 + strspn(at + n + 1, " ");
    const char *before = open ? "it cannot be read: " : rest[0] >= '0' && rest[0] <= '9' ? "line " : "";
    snprintf(out, WHY_SIZE, "%s%.270s", before, rest);
    return out;
}

static void read_text(struct fact_record *r, enum admission_kind k, const char *file, const char *text, size_t len) {
    struct err e = ERR_INIT;
    char why[WHY_SIZE];
    if (admission_read(k, file, text, len, &r->admission, &e) < 0)
        bad(r, without_path(&e, file, why));
    else
        r->state = FACT_THERE;
}

static void read_file(struct fact_record *r, enum admission_kind k, const char *file) {
    AUTO_BUF struct buf text = BUF_INIT(0);
    struct err e = ERR_INIT;
    char why[WHY_SIZE];
    if (!file[0]) return;
    snprintf(r->file, sizeof r->file, "%s", file);
    if (io_read_file_at(AT_FDCWD, file, ADMISSION_BYTES_MAX, &text, &e) < 0)
        bad(r, without_path(&e, file, why));
    else
        read_text(r, k, file, buf_str(&text), text.len);
}

/* The newest of its subject, unless it was revoked: then an older one does not count either. */
static void read_store(struct fact_record *r, enum admission_kind k, const char *subject, struct store *s) {
    struct err e = ERR_INIT;
    struct store_admission *row = calloc(1, sizeof *row);
    BUG_UNLESS(row != NULL);
    if (s && subject[0] && store_admission_newest(s, admission_rules(k)->name, subject, row, &e) == 0) {
        if (row->revoked_ms)
            bad(r, "it was revoked");
        else
            read_text(r, k, row->id, row->record, strlen(row->record));
        free(row->record);
    } else if (e.code != ERR_NONE && e.code != ERR_MISSING) {
        bad(r, "the store cannot be read");
    }
    free(row);
}

static void read_models(struct gate_facts *f, struct store *s) {
    f->provider = setting(f->engine, "MODEL_PROVIDER");
    f->model = setting(f->engine, "MODEL");
    f->auth_bridge = strcmp(setting(f->engine, "OPENAI_CODEX_AUTH_BRIDGE"), "1") == 0;
    model_route_read(&f->route, f->engine);
    read_file(&f->model_record, ADMIT_MODEL, setting(f->engine, "MODEL_ADMISSION_FILE"));
    read_file(&f->decision, ADMIT_DECISION, setting(f->engine, "PROVIDER_DECISION_FILE"));
    if (f->decision.state == FACT_ABSENT) read_store(&f->decision, ADMIT_DECISION, "provider", s);
}

static void read_program(struct gate_facts *f, struct store *s) {
    struct err e = ERR_INIT;
    f->executable = setting(f->engine, "BIN");
    read_store(&f->build, ADMIT_EXECUTABLE, f->executable, s);
    if (f->build.state == FACT_THERE) {
        if (admission_fits_host(&f->build.admission, &e) == 0) {
            snprintf(f->executable_sha256, sizeof f->executable_sha256, "%s",
                     admission_text(&f->build.admission, "sha256"));
        } else {
            admission_release(&f->build.admission);
            bad(&f->build, e.text);
        }
    }
    if (f->engine->source) read_store(&f->source, ADMIT_SOURCE, f->engine->source, s);
}

/* What somebody wrote, for reports: where the repository is must not stand in them. */
static void put_without_place(const struct gate_facts *f, char *out, size_t size, const char *text) {
    AUTO_BUF struct buf b = BUF_INIT(4096);
    const char *place = f->repository, *at = text;
    for (const char *hit; place[0] && (hit = strstr(at, place)); at = hit + strlen(place)) {
        buf_put(&b, at, (size_t)(hit - at));
        buf_puts(&b, "the repository");
    }
    buf_puts(&b, at);
    const char *told = b.bad ? "" : buf_str(&b);
    snprintf(out, size, "%.*s", (int)text_fits(told, size - 1), told);
}

/* Newest first. A word that says no is final, whatever was said before it; else a grant that is still good counts, however old;
 * else the newest word says why there is none. Non-zero ends the search. */
static int consider(void *ctx, const struct store_approval *a) {
    struct gate_facts *f = ctx;
    bool denied = strcmp(a->state, "denied") == 0, revoked = strcmp(a->state, "revoked") == 0;
    const bool whole = strcmp(a->scope, f->scope) == 0 && strcmp(a->request_scope, f->scope) == 0;
    if (!whole && !denied && !revoked) return 0; /* no grant of what its request did not ask for */
    bool good = strcmp(a->state, "granted") == 0 && a->expires_ms > f->seen_ms && a->decided_ms <= f->now_ms;
    if (f->approval.id[0] && revoked)
        return 1; /* what is older counts no more, and the newest says why there is none */
    if (f->approval.id[0] && !good && !denied) return 0;
    struct approval_seen *to = &f->approval;
    snprintf(to->id, sizeof to->id, "%s", a->id);
    snprintf(to->request_id, sizeof to->request_id, "%s", a->request_id);
    snprintf(to->state, sizeof to->state, "%s", a->state);
    put_without_place(f, to->actor, sizeof to->actor, a->actor);
    put_without_place(f, to->requester, sizeof to->requester, a->requester);
    put_without_place(f, to->why, sizeof to->why, a->why);
    snprintf(to->scope, sizeof to->scope, "%s", a->scope);
    to->requested_ms = a->requested_ms;
    to->decided_ms = a->decided_ms;
    to->expires_ms = a->expires_ms;
    return good || denied || revoked;
}

/* A record in a file counts only while the store has the same one, newest of its repository and not revoked: whatever is changed in
 * the file has to be admitted anew. */
static void read_target(struct gate_facts *f, struct store *s) {
    struct fact_record *r = &f->target;
    struct err e = ERR_INIT;
    read_file(r, ADMIT_TARGET, setting(f->engine, "STAGE5_TARGET_ADMISSION_FILE"));
    if (r->state != FACT_THERE) return;
    struct store_admission *row = calloc(1, sizeof *row);
    BUG_UNLESS(row != NULL);
    if (!s || store_admission_newest(s, "target", r->admission.subject, row, &e) < 0)
        bad(r, "it is not recorded; admit target --record");
    else if (row->revoked_ms)
        bad(r, "it was revoked");
    else if (strcmp(row->digest, r->admission.digest) != 0)
        bad(r, "it is not the one that was recorded last; admit target --record");
    else
        snprintf(f->target_id, sizeof f->target_id, "%s", row->id);
    free(row->record);
    free(row);
    if (r->state == FACT_BAD)
        admission_release(&r->admission);
    else
        f->repository = r->admission.subject;
}

static void read_source_repository(struct gate_facts *f, struct store *s) {
    f->repository = setting(f->engine, "STAGE3_SOURCE_REPOSITORY");
    struct store_admission *row = calloc(1, sizeof *row);
    BUG_UNLESS(row != NULL);
    f->source_is_target = s && f->repository[0] && store_admission_newest(s, "target", f->repository, row, NULL) == 0;
    free(row->record);
    free(row);
}

bool gate_facts_need_look(const struct gate_facts *f) {
    return !f->looked && (f->subject == SUBJECT_SOURCE || f->subject == SUBJECT_TARGET);
}

static void read_approval(struct gate_facts *f, struct store *s);

/* The copy that a run works on is what HEAD has, and nothing else can be brought back from it. */
static void look_pristine(struct gate_facts *f) {
    const struct case_list *l = &f->c->pristine;
    int lacks = l->n;
    f->pristine_known = l->n == 0 || ((!f->repo.why[0] || f->repo.only_dirty) &&
                                      repo_lacks(f->repository, f->repo.head, l->v, l->n, &lacks, NULL) == 0);
    f->pristine_lacks = lacks < l->n ? l->v[lacks] : NULL;
}

void gate_facts_look(struct gate_facts *f, struct store *s) {
    struct err e = ERR_INIT;
    f->looked = true;
    if (repo_look(f->repository, &f->repo, &e) < 0)
        snprintf(f->repo_why, sizeof f->repo_why, "%s",
                 e.sys ? strerror(e.sys)
                 : e.code == ERR_USAGE
                     ? "its path must be absolute and in its shortest form, without a slash at its end"
                     : "it cannot be looked at");
    look_pristine(f);
    if (f->c->approval_required) read_approval(f, s);
}

struct approval_for gate_facts_approval(const struct gate_facts *f) {
    const bool target = f->subject == SUBJECT_TARGET && f->target.state == FACT_THERE;
    return (struct approval_for){.engine = f->engine->name,
                                 .file = f->file ? f->file->digest : "",
                                 .program = f->executable_sha256,
                                 .provider = f->provider,
                                 .model = f->model,
                                 .path = target ? f->repository : "",
                                 .target = target ? f->target_id : "",
                                 .target_sha256 = target ? f->target.admission.digest : "",
                                 .head = target && f->looked ? f->repo.head : "",
                                 .roots = f->file ? f->file->bound : NULL,
                                 .n_roots = f->file ? f->file->n_bound : 0,
                                 .n_read_roots = f->file ? f->file->n_read_roots : 0};
}

cJSON *gate_facts_scope(const struct gate_facts *f, struct err *e) {
    const struct approval_for of = gate_facts_approval(f);
    return approval_scope(f->c, &of, e);
}

static void read_approval(struct gate_facts *f, struct store *s) {
    struct err e = ERR_INIT;
    cJSON *scope = gate_facts_scope(f, &e);
    if (!scope) { /* then nothing that was granted fits */
        snprintf(f->scope_why, sizeof f->scope_why, "%.290s",
                 e.code == ERR_USAGE ? e.text : "the case's folder cannot be read");
        return;
    }
    approval_scope_digest(scope, f->scope);
    cJSON_Delete(scope);
    if (s && (store_seen_ms(s, f->now_ms, &f->seen_ms, NULL) < 0 ||
              store_approvals(s, f->scope, NULL, NULL, consider, f, NULL) < 0))
        f->approval.id[0] = '\0';
}

/* The endpoint or the key is one by another name, too. */
static int check_environment(const struct engine *en, const struct engine_file *file, struct err *e) {
    struct redactor *known = NULL;
    int rc = 0;
    (void)known_values(en, &known, NULL); /* what is wrong with them is said by their own gate */
    for (int i = 0; known && i < file->n_environment && rc == 0; i++) {
        uint64_t found[REDACT_VALUES_MAX] = {0};
        const char *value = getenv(file->environment[i]);
        char *clean = value ? redact_text(known, value, strlen(value), NULL, found) : NULL;
        if (clean)
            rc = err_set(e, ERR_USAGE, "environment: the endpoint or its key is in %.60s; no backend is handed one",
                         file->environment[i]);
        free(clean);
    }
    redactor_free(known);
    return rc;
}

static void read_engine_file(struct gate_facts *f) {
    const char *path = setting(f->engine, "ENGINE_FILE");
    struct err e = ERR_INIT;
    char why[WHY_SIZE];
    if (!path[0]) return;
    struct engine_file *file = calloc(1, sizeof *file);
    BUG_UNLESS(file != NULL);
    if (engine_file_read(file, path, &e) < 0) {
        snprintf(f->file_why, sizeof f->file_why, "%.290s", harmless(without_path(&e, path, why)));
        free(file);
    } else if (check_environment(f->engine, file, &e) < 0 ||
               engine_file_find(file, f->engine->variables, true, &e) < 0 ||
               engine_file_there(file, f->engine->variables, &e) < 0) {
        snprintf(f->file_why, sizeof f->file_why, "%.290s", harmless(e.text));
        engine_file_release(file);
        free(file);
    } else {
        f->file = file;
        snprintf(f->executable_sha256, sizeof f->executable_sha256, "%s", file->sha256);
    }
}

/* Ours; what it needs of this host is asked for by the gate of the executable. */
static void read_built_in(struct gate_facts *f) {
    const struct embedded_file *text = engine_shipped(f->engine->file);
    struct err e = ERR_INIT;
    f->file = calloc(1, sizeof *f->file);
    BUG_UNLESS(text && f->file);
    if (engine_file_parse(f->file, text->name, text->text, text->len, &e) < 0) err_bug(__FILE__, __LINE__, e.text);
    memcpy(f->file->sha256, f->executable_sha256, sizeof f->file->sha256);
    if (!f->executable[0] || (engine_file_find(f->file, f->engine->variables, false, &e) == 0 &&
                              engine_file_there(f->file, f->engine->variables, &e) == 0))
        return;
    if (f->build.state == FACT_THERE) admission_release(&f->build.admission);
    bad(&f->build, e.text);
}

unsigned gate_facts_needs(const struct gate_facts *f) {
    return f->engine->needs | (f->file && f->file->uses_model ? NEED_MODEL : 0u);
}

static void read_known_values(struct gate_facts *f) {
    struct redactor *known = NULL;
    struct err e = ERR_INIT;
    if (known_values(f->engine, &known, &e) < 0) snprintf(f->local_why, sizeof f->local_why, "%.190s", e.text);
    redactor_free(known);
}

/* What was said of a target is read when its HEAD is known: gate_facts_look(). */
static void read_subject(struct gate_facts *f, struct store *s) {
    if (f->engine->needs & NEED_STAGE) f->subject = subject_kind_of(f->c, f->stage);
    if (f->subject == SUBJECT_TARGET) read_target(f, s);
    if (f->subject == SUBJECT_SOURCE) read_source_repository(f, s);
    if (f->c->approval_required && f->subject != SUBJECT_TARGET) read_approval(f, s);
}

static void begin(struct gate_facts *f, const struct cto_case *c, const char *engine) {
    *f = (struct gate_facts){
        .c = c, .engine = engine_find(engine), .provider = "", .model = "", .executable = "", .repository = ""};
    BUG_UNLESS(f->engine != NULL);
    f->now_ms = f->seen_ms = clock_real_ms();
}

void gate_facts_read_double(struct gate_facts *f, const struct cto_case *c, const char *engine, struct store *s,
                            const char *libexec, int stage) {
    begin(f, c, engine);
    double_facts(f, libexec, stage);
    read_subject(f, s);
}

void gate_facts_read(struct gate_facts *f, const struct cto_case *c, const char *engine, struct store *s) {
    begin(f, c, engine);
    const char *v = f->engine->gated_by_env ? getenv(f->engine->gated_by_env) : NULL;
    f->allowed = !f->engine->gated_by_env || (v && strcmp(v, "1") == 0);
    if (f->engine->needs & NEED_STAGE) {
        f->stage = stage_of(setting(f->engine, "STAGE"));
        f->predecessor_proven = s && f->stage > 0 && store_stage_proven(s, engine, f->stage - 1, CTO_BUILD_ID);
    }
    f->timeout_s = timeout_of(setting(f->engine, "TIMEOUT_SECONDS"));
    if (f->engine->needs & NEED_EXECUTABLE) read_program(f, s);
    if (f->engine->file) read_built_in(f);
    if (f->engine->needs & NEED_FILE) read_engine_file(f);
    read_known_values(f);
    if (gate_facts_needs(f) & NEED_MODEL) {
        f->interface_proven = s && store_interface_proven(s, CTO_BUILD_ID);
        read_models(f, s);
    }
    read_subject(f, s);
}

void gate_facts_release(struct gate_facts *f) {
    struct fact_record *all[] = {&f->model_record, &f->decision, &f->source, &f->build, &f->target};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i]->state == FACT_THERE) admission_release(&all[i]->admission);
    if (f->file) engine_file_release(f->file);
    free(f->file);
    model_route_release(&f->route);
    *f = (struct gate_facts){0};
}
