/* outcome.c - a human's word on a landed result: accepted, or rejected, which reverts it. */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "common/clock.h"
#include "common/io.h"
#include "common/log.h"
#include "supervisor/commands/outcome_words.h"
#include "supervisor/comparison.h"
#include "supervisor/engines.h"
#include "supervisor/executor.h"
#include "supervisor/outcome.h"
#include "supervisor/standing.h"

#define OTHERS_US (10 * 1000000ull) /* for another command that is finishing the run */

const char help_outcome[] = "Usage: cto-harness outcome RUN|COMPARISON accepted|rejected --actor NAME\n"
                            "\n"
                            "Says what the operator makes of a result that was landed on a target\n"
                            "repository. Until then the run waits, unsealed. accepted: the landed commit\n"
                            "stays, the run is sealed as a pass. rejected: one commit on top takes back\n"
                            "exactly the landing, the run is a fail. The first word counts.\n"
                            "\n"
                            "Of a comparison of stage 6: what the operator makes of the candidate. It changes\n"
                            "no default; without accepted nothing is eligible.\n"
                            "\n"
                            "  --actor NAME   who says it; never a backend\n"
                            "  --leave-landed seal a rejected run although its landing cannot be taken back\n"
                            "\n"
                            "Accepted is refused (exit 3, nothing said) when the landed commit is no longer\n"
                            "on its branch, the target's admission is another by now, or the run's record in\n"
                            "the store is not the one that its events name. A rejection whose landing cannot\n"
                            "be taken back at once (the target is not clean, is locked, or on another\n"
                            "branch) is kept: exit 3, and every command that writes tries again.\n"
                            "\n"
                            "Exit status: 0 accepted and sealed as a pass, 1 a fail, 3 blocked.\n"
                            "\n"
                            "Examples:\n"
                            "  cto-harness report list --status running\n"
                            "  cto-harness report show 20261127T101502Z-tidy-notes-4711\n"
                            "  cto-harness outcome 20261127T101502Z-tidy-notes-4711 accepted --actor alice\n"
                            "  cto-harness outcome 20261127T101502Z-tidy-notes-4711 rejected --actor alice\n";

const char *outcome_said_beforehand(const char *engine) {
    const struct engine *en = engine_find(engine);
    char name[96];
    if (!en || !en->variables) return NULL;
    snprintf(name, sizeof name, "%sSTAGE5_OPERATOR_OUTCOME", en->variables);
    const char *word = getenv(name);
    if (!word) return NULL;
    if (strcmp(word, OUTCOME_ACCEPTED) == 0) return OUTCOME_ACCEPTED;
    return strcmp(word, OUTCOME_REJECTED) == 0 ? OUTCOME_REJECTED : NULL;
}

int outcome_print_waiting(const struct global_options *g, const char *run_id) {
    if (g->json) {
        cJSON *o = cJSON_CreateObject();
        json_put_str(o, "run_id", run_id);
        json_put_str(o, "status", NULL);
        json_put_str(o, "waits_for", "operator_outcome");
        json_put_str(o, "next_allowed_action", "outcome RUN accepted|rejected --actor NAME");
        return cli_print_json(o, EXIT_BLOCKED);
    }
    printf("waiting  %s\n  The result is verified and landed, and waits for your word:\n"
           "  cto-harness outcome %s accepted|rejected --actor NAME\n"
           "What was done: cto-harness report show %s\n",
           run_id, run_id, run_id);
    return fflush(stdout) == 0 ? EXIT_BLOCKED : EXIT_HARNESS;
}

static int print_end(const struct global_options *g, const char *run_id, const char *word,
                     const struct outcome_end *end) {
    const int code = verdict_exit_code(end->verdict);
    if (g->json) {
        cJSON *o = cJSON_CreateObject();
        json_put_str(o, "run_id", run_id);
        json_put_str(o, "status", verdict_name(end->verdict));
        json_put_str(o, "operator_outcome", word);
        json_put_str(o, "target_commit", end->commit);
        json_put_str(o, "target_revert_commit", end->revert_commit[0] ? end->revert_commit : NULL);
        json_put_str(o, "why", end->why[0] ? end->why : NULL);
        json_put_str(o, "report", end->report_path);
        return cli_print_json(o, code);
    }
    printf("%s  %s\n", verdict_name(end->verdict), run_id);
    if (end->why[0]) printf("  %s\n", end->why);
    printf("  landed as %.12s%s%.12s\n  report: %s\n", end->commit, end->revert_commit[0] ? ", reverted by " : "",
           end->revert_commit, end->report_path);
    return fflush(stdout) == 0 ? code : EXIT_HARNESS;
}

static void warn(const char *text) { log_line("%s", text); }

/* Before anything is said: is there such a run, and does it wait? */
static int check_waiting(struct store *s, const char *run_id, struct err *e) {
    struct store_run_row *row = calloc(1, sizeof *row);
    struct store_waiting w = {0};
    BUG_UNLESS(row != NULL);
    int rc = store_run_get(s, run_id, row, e);
    if (rc < 0 && e->code == ERR_MISSING)
        rc = err_set(e, ERR_USAGE, "no run or comparison %.150s here; 'cto-harness report list'", run_id);
    if (rc == 0 && row->state == RUN_DONE)
        rc = err_set(e, ERR_USAGE, "run %s is over: %s", run_id, verdict_name(row->verdict));
    if (rc == 0 && (row->state != RUN_OUTCOME || store_waiting_get(s, run_id, &w, NULL) < 0))
        rc = err_set(e, ERR_USAGE, "run %s does not wait for an outcome: it is %s", run_id, run_state_name(row->state));
    free(w.record);
    free(row);
    return rc;
}

static int print_said(const struct global_options *g, const char *id, const char *word, const char *actor) {
    if (g->json) {
        cJSON *o = cJSON_CreateObject();
        json_put_str(o, "comparison_id", id);
        json_put_str(o, "outcome", word);
        json_put_str(o, "actor", actor);
        standing_put(o);
        return cli_print_json(o, EXIT_PASS);
    }
    printf("%s  %s\n  " STANDING_SENTENCE, word, id);
    return fflush(stdout) == 0 ? EXIT_PASS : EXIT_HARNESS;
}

/* Of one that still is what was written. -1 with ERR_MISSING: there is no such comparison. */
static int say_of_comparison(const struct home *h, const char *id, const char *word, const char *actor, struct err *e) {
    enum comparison_kind kind;
    struct comparison c;
    struct store *s = NULL;
    cJSON *doc = NULL;
    if (store_open(h->store, true, &s, e) < 0) return -1;
    int rc = comparison_known(s, id, &kind) ? 0 : err_set(e, ERR_MISSING, "no comparison %.150s", id);
    if (rc == 0) rc = comparison_read(&c, h, s, kind, id, NULL, &doc, e);
    if (rc == 0 && kind != COMPARISON_STAGE6)
        rc = err_set(e, ERR_USAGE, "%.150s imports what was accepted before; the outcome is of its runs", id);
    if (rc == 0) rc = store_outcome_say(s, id, word, actor, clock_real_ms(), e);
    if (rc < 0 && e->code == ERR_CONFLICT) e->code = ERR_USAGE;
    cJSON_Delete(doc);
    store_close(s);
    return rc;
}

static bool is_comparison(const struct home *h, const char *id) {
    enum comparison_kind kind;
    struct store *s = NULL;
    const bool is = store_open(h->store, false, &s, NULL) == 0 && comparison_known(s, id, &kind);
    store_close(s);
    return is;
}

/* The word is kept before anything else is done here: recovery, which comes with opening an executor, would call a run whose time
 * is over forgotten, while somebody is just speaking. */
static int keep_word(const struct home *h, const char *run_id, const char *word, const char *actor, bool leave,
                     struct err *e) {
    struct store *s = NULL;
    char run[PATH_MAX];
    struct store_outcome sealed;
    snprintf(run, sizeof run, "%.3900s/%s", h->runs, run_id);
    int rc = store_open(h->store, false, &s, e);
    if (rc == 0) rc = check_waiting(s, run_id, e);
    if (rc == 0 && outcome_is_sealed(run, run_id, &sealed)) {
        store_close(s);
        if (strcmp(sealed.outcome, word) == 0) return 0; /* the store is told of it */
        return err_set(e, ERR_USAGE,
                       "run %s is over: its evidence is sealed (%s), and only the store has not heard of it; the next "
                       "command that writes tells it",
                       run_id, sealed.outcome[0] ? sealed.outcome : "nobody had said anything");
    }
    if (rc == 0 && strcmp(word, OUTCOME_ACCEPTED) == 0) rc = outcome_may_accept(h, s, run_id, e);
    store_close(s);
    s = NULL;
    if (rc == 0) rc = store_open(h->store, true, &s, e);
    if (rc == 0) rc = store_waiting_say(s, run_id, word, actor, clock_real_ms(), e);
    if (rc < 0 && leave &&
        e->code == ERR_CONFLICT) { /* it was forgotten, or rejected by somebody else: to be left all the same */
        *e = ERR_INIT;
        rc = 0;
    }
    if (rc < 0 && e->code == ERR_CONFLICT) e->code = ERR_USAGE; /* said too late, as of a run that is over */
    store_close(s);
    return rc;
}

/* What became of a run that recovery has finished with the word that was just kept. */
static int read_end(struct store *s, const char *run_id, struct outcome_end *ret, struct err *e) {
    struct store_run_row *row = calloc(1, sizeof *row);
    BUG_UNLESS(row != NULL);
    int rc = store_run_get(s, run_id, row, e);
    if (rc == 0 && row->state != RUN_DONE) rc = err_set(e, ERR_CONFLICT, "run %s is not finished", run_id);
    if (rc == 0) {
        *ret = (struct outcome_end){.verdict = row->verdict};
        snprintf(ret->report_path, sizeof ret->report_path, "%.4000s/" EVIDENCE_REPORT, row->run_dir);
        snprintf(ret->why, sizeof ret->why, "%s", row->reasons);
    }
    free(row);
    return rc;
}

static void put_commits(struct store *s, const char *run_id, struct outcome_end *end) {
    struct store_landing *l = calloc(1, sizeof *l);
    BUG_UNLESS(l != NULL);
    if (store_landing_get(s, run_id, "land", l, NULL) == 0)
        snprintf(end->commit, sizeof end->commit, "%s", l->new_head);
    if (store_landing_get(s, run_id, "revert", l, NULL) == 0)
        snprintf(end->revert_commit, sizeof end->revert_commit, "%s", l->new_head);
    free(l);
}

/* Any command that writes finishes what a word was said of, also with the one that was just kept here: whoever does it now has the
 * run's directory locked, and gets the time for it. */
static void let_finish(const struct home *h, const char *run_id) {
    char run[PATH_MAX];
    snprintf(run, sizeof run, "%.3900s/%s", h->runs, run_id);
    AUTO_FD int fd = open(run, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    for (const uint64_t until = clock_mono_us() + OTHERS_US; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;) {
        if (clock_mono_us() >= until) return;
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
}

static int settle(const struct home *h, struct executor *x, const char *run_id, bool leave, struct outcome_end *ret,
                  struct err *e) {
    const struct outcome_place p = {.home = h,
                                    .store = executor_store(x),
                                    .env = executor_environment(x),
                                    .self = executor_id(x),
                                    .leave_landed = leave};
    struct err why = ERR_INIT;
    int rc = read_end(p.store, run_id, ret, NULL) == 0 ? 0 : outcome_settle(&p, run_id, ret, &why);
    if (rc < 0 && (why.code == ERR_CONFLICT || why.code == ERR_MISSING)) { /* they are at it, or were */
        let_finish(h, run_id);
        why = ERR_INIT;
        rc = read_end(p.store, run_id, ret, NULL) == 0 ? 0 : outcome_settle(&p, run_id, ret, &why);
    }
    if (rc < 0) {
        *e = why;
        return -1;
    }
    put_commits(p.store, run_id, ret);
    return 0;
}

/* Its record was of no use, and was given up: recovery seals it without one. */
static bool given_up(struct store *s, const char *run_id) {
    struct store_waiting w = {0};
    struct err e = ERR_INIT;
    const bool gone = store_waiting_get(s, run_id, &w, &e) < 0 && e.code == ERR_MISSING;
    free(w.record);
    return gone;
}

static int say_of_run(const struct home *h, const char *run_id, const char *word, const char *actor, bool leave,
                      struct outcome_end *ret, struct err *e) {
    struct executor *x = NULL;
    struct err why = ERR_INIT;
    int rc = keep_word(h, run_id, word, actor, leave, e);
    if (rc == 0) rc = executor_open(h, warn, &x, e);
    bool again = rc == 0 && (rc = settle(h, x, run_id, leave, ret, &why)) < 0 && given_up(executor_store(x), run_id);
    executor_close(x);
    x = NULL;
    if (again) {
        why = ERR_INIT;
        if ((rc = executor_open(h, warn, &x, e)) == 0) rc = settle(h, x, run_id, leave, ret, &why);
        executor_close(x);
    }
    if (rc < 0 && why.code != ERR_NONE) *e = why;
    return rc;
}

int outcome_say(const struct home *h, const char *run_id, const char *word, const char *actor, struct outcome_end *ret,
                struct err *e) {
    return say_of_run(h, run_id, word, actor, false, ret, e);
}

static int say(const struct global_options *g, const char *run_id, const char *word, const char *actor, bool leave) {
    struct home h;
    struct outcome_end end = {0};
    struct err e = ERR_INIT;
    int rc = home_resolve(&h, &g->home, &e);
    if (rc == 0 && is_comparison(&h, run_id))
        return say_of_comparison(&h, run_id, word, actor, &e) < 0 ? cli_error(&e) : print_said(g, run_id, word, actor);
    if (rc == 0) rc = say_of_run(&h, run_id, word, actor, leave, &end, &e);
    return rc == 0 ? print_end(g, run_id, word, &end) : cli_error(&e);
}

int cmd_outcome(const struct global_options *g, int argc, char **argv) {
    static const struct option options[] = {
        {"actor", required_argument, NULL, 'a'}, {"leave-landed", no_argument, NULL, 'l'}, {0}};
    const char *actor = NULL;
    struct err e = ERR_INIT;
    bool leave = false;
    int c, rc = 0;
    optind = 0;
    while (rc == 0 && (c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (c == 'l')
            leave = true;
        else
            rc = c == 'a' ? cli_once("outcome", "--actor", &actor, optarg) : cli_bad_option("outcome", c, argv);
    }
    if (rc != 0) return rc;
    if (argc - optind != 2) return cli_usage("outcome", "RUN or COMPARISON, and accepted or rejected, are expected");
    const char *word = argv[optind + 1];
    if (strcmp(word, OUTCOME_ACCEPTED) != 0 && strcmp(word, OUTCOME_REJECTED) != 0)
        return cli_usage("outcome", "\"%.40s\": accepted or rejected is expected", word);
    if (!admission_actor_ok(actor, &e)) return cli_error(&e);
    if (leave && strcmp(word, OUTCOME_REJECTED) != 0) return cli_usage("outcome", "--leave-landed goes with rejected");
    return say(g, argv[optind], word, actor, leave);
}
