/* verify.c - `cto-harness verify`: the check of verify.h for one run, several, or all of a home, held against the store
 * where there is one. It reads only, works on a copied directory, and needs neither store nor home for that. */
#include <cjson/cJSON.h>
#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/io.h"
#include "common/json.h"
#include "supervisor/cli.h"
#include "supervisor/commands/proof_run.h"
#include "supervisor/locate.h"
#include "supervisor/store.h"
#include "supervisor/table.h"
#include "supervisor/verify.h"

const char help_verify[] = "Usage: cto-harness verify RUN_DIR|RUN_ID... [--json]\n"
                           "       cto-harness verify --all [--json]\n"
                           "\n"
                           "Checks that nothing in a run directory was changed, removed, added or reordered:\n"
                           "the set of files and their digests (SHA256SUMS), the hash chain of the events,\n"
                           "the report against itself, the files and the events, the task contract. Works\n"
                           "offline on a copied directory, of a run or a matrix. Names the first thing that\n"
                           "does not hold.\n"
                           "\n"
                           "Whoever rewrites all of a directory consistently is found out only by digests\n"
                           "that he could not reach: those in the store. A run that the store of this home\n"
                           "knows is held against them, also as a copy elsewhere; where there is no such\n"
                           "store, that is said. There is no signature in this version.\n"
                           "\n"
                           "  --all            every run and matrix of the store, and every directory beside\n"
                           "                   them\n"
                           "\n"
                           "Exit codes: 0 everything holds; 1 something does not; 2 an unknown run.\n"
                           "\n"
                           "Examples:\n"
                           "  cto-harness verify ./copied-run\n"
                           "  cto-harness verify 20261122T111914Z-r1-string-slugify-4711 --json | jq .ok\n"
                           "  cto-harness verify --all\n";

struct tally {
    const struct global_options *g;
    const struct home *h;       /* NULL: there is none, which a path does not need */
    char no_home[ERR_TEXT_MAX]; /* why */
    cJSON *runs;
    int checked, failed, skipped;
    char last[RUN_ID_MAX]; /* paging through the store */
    int seen;
};
#define PAGE 200

/* Was the directory compared with what the store knows of it? Whoever rewrites all of a directory consistently is found out by
 * that only, so where it was not done the answer says so. */
struct comparison {
    bool done;
    char why[700]; /* why not */
};

static cJSON *describe(const struct verify_report *v, const char *dir, const char *skipped,
                       const struct comparison *c) {
    cJSON *o = cJSON_CreateObject();
    BUG_UNLESS(o != NULL);
    json_put_bool(o, "ok", v->ok);
    json_put(o, "run_dir", json_bytes(dir, strlen(dir)));
    json_put(o, "run_id", json_bytes(v->run_id, strlen(v->run_id)));
    json_put_str(o, "status", v->status[0] ? v->status : NULL);
    json_put_str(o, "skipped", skipped);
    json_put_str(o, "file", v->file[0] ? v->file : NULL);
    json_put_str(o, "what", v->what[0] ? v->what : NULL);
    json_put_int(o, "files", v->files);
    json_put_int(o, "events", v->events);
    json_put_int(o, "bytes", (int64_t)v->bytes);
    json_put_str(o, "report_sha256", v->report_sha256[0] ? v->report_sha256 : NULL);
    json_put_bool(o, "held_against_store", c && c->done);
    json_put_str(o, "not_held_because", c && !c->done ? c->why : NULL);
    return o;
}

static void record(struct tally *t, const char *name, const char *dir, const struct verify_report *v,
                   const struct comparison *c) {
    t->checked++;
    t->failed += !v->ok;
    cJSON_AddItemToArray(t->runs, describe(v, dir, NULL, c));
    if (t->g->json || (v->ok && t->g->quiet)) return;
    AUTO_FREE char *line = NULL;
    const char *in_itself = c->done ? "" : " in itself", *gap = c->done ? "" : "; ", *why = c->done ? "" : c->why;
    if (!v->ok)
        BUG_UNLESS(asprintf(&line, "%s: does not hold: %s%s%s", name, v->file, v->file[0] ? " " : "", v->what) > 0);
    else if (v->status[0])
        BUG_UNLESS(asprintf(&line, "%s: ok%s (%s, %d files, %u events)%s%s", name, in_itself, v->status, v->files,
                            v->events, gap, why) > 0);
    else
        BUG_UNLESS(
            asprintf(&line, "%s: ok%s (matrix or comparison, %d files)%s%s", name, in_itself, v->files, gap, why) > 0);
    table_line(stdout, v->ok && c->done ? table_width(STDOUT_FILENO) : 0, line); /* news is said whole */
}

static void skip(struct tally *t, const char *name, const char *dir, const char *why) {
    struct verify_report none;
    memset(&none, 0, sizeof none);
    snprintf(none.run_id, sizeof none.run_id, "%s", name);
    t->skipped++;
    cJSON_AddItemToArray(t->runs, describe(&none, dir, why, NULL));
    AUTO_FREE char *line = NULL;
    BUG_UNLESS(asprintf(&line, "%s: not checked: %s", name, why) > 0);
    if (!t->g->json && !t->g->quiet) table_line(stdout, 0, line);
}

static void contradict(struct verify_report *v, const char *file, const char *what) {
    v->ok = false;
    snprintf(v->file, sizeof v->file, "%s", file);
    snprintf(v->what, sizeof v->what, "%s", what);
}

/* Against the store's row: the directory as it was when it was sealed, not as somebody made it anew. */
static void hold_against_row(struct verify_report *v, const struct store_run_row *row) {
    if (!v->ok) return;
    if (strcmp(v->report_sha256, row->report_sha256) != 0)
        contradict(v, "report.json", "is not the one that was sealed: the store has another digest");
    else if (row->sums_sha256[0] && strcmp(v->sums_sha256, row->sums_sha256) != 0)
        contradict(v, "SHA256SUMS", "is not the one that was sealed: the store has another digest");
    else if (strcmp(v->status, verdict_name(row->verdict)) != 0)
        contradict(v, "report.json", "has another status than the store");
}

static void hold_against_matrix(struct verify_report *v, const struct store_matrix *m) {
    if (v->ok && strcmp(v->report_sha256, m->report_sha256) != 0)
        contradict(v, strrchr(m->report_path, '/') ? strrchr(m->report_path, '/') + 1 : "report.json",
                   "is not the one that was written: the store has another digest");
}

/* A path: what is in there says which run or matrix it is, and the store of this home may know that one. */
static int compare(const struct tally *t, struct verify_report *v, bool is_matrix, struct comparison *c,
                   struct err *e) {
    struct store *s = NULL;
    struct located *known = calloc(1, sizeof *known);
    BUG_UNLESS(known != NULL);
    if (t->h && locate_store(t->h, &s, e) < 0) {
        free(known);
        return -1;
    }
    if (s && is_matrix && store_matrix_get(s, v->run_id, &known->matrix, NULL) == 0)
        c->done = known->matrix.report_sha256[0] != '\0';
    else if (s && !is_matrix && store_run_get(s, v->run_id, &known->row, NULL) == 0)
        c->done = known->row.state == RUN_DONE;
    if (c->done && is_matrix) hold_against_matrix(v, &known->matrix);
    if (c->done && !is_matrix) hold_against_row(v, &known->row);
    if (!c->done)
        snprintf(c->why, sizeof c->why, "not held against a store, and nothing is signed: %s%.400s%s",
                 !t->h ? "no home ("
                 : s   ? ""
                       : "there is no ",
                 !t->h ? t->no_home : t->h->store,
                 !t->h ? ")"
                 : s   ? " does not know it"
                       : "");
    store_close(s);
    free(known);
    return 0;
}

/* A document of this name that says `key`, and has `list` when that is not NULL. */
static bool says_id(int dir, const char *name, const char *key, const char *list, char id[RUN_ID_MAX]) {
    AUTO_BUF struct buf text = BUF_INIT(0);
    if (io_read_file_at(dir, name, 64u << 20, &text, NULL) < 0) return false;
    cJSON *o = cJSON_ParseWithLength(buf_str(&text), text.len);
    const char *said = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
    bool is = said && strlen(said) < RUN_ID_MAX && (!list || cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(o, list)));
    if (is) snprintf(id, RUN_ID_MAX, "%s", said);
    cJSON_Delete(o);
    return is;
}

/* The directory of a matrix or comparison has its id in its document, and none of the files that a run must have. */
static bool is_matrix_dir(const char *dir, char id[RUN_ID_MAX]) {
    struct stat sb;
    AUTO_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstatat(fd, EVIDENCE_EVENTS, &sb, AT_SYMLINK_NOFOLLOW) == 0 ||
        fstatat(fd, EVIDENCE_CONTRACT, &sb, AT_SYMLINK_NOFOLLOW) == 0)
        return false;
    return says_id(fd, EVIDENCE_REPORT, "matrix_id", "rows", id) ||
           says_id(fd, VERIFY_STAGE6_FILE, "comparison_id", NULL, id) ||
           says_id(fd, VERIFY_REFRESH_FILE, "comparison_id", NULL, id);
}

/* A run that the store knows and the disk does not is lost evidence, not an unknown run. */
static int check_one(struct tally *t, const char *name, const struct located *at, struct err *e) {
    struct verify_report v;
    struct err why = ERR_INIT;
    struct comparison c = {.done = at->in_store};
    char matrix_id[RUN_ID_MAX] = "";
    bool matrix = at->is_matrix || (!at->in_store && is_matrix_dir(at->dir, matrix_id));
    bool done = !at->in_store || (at->is_matrix ? at->matrix.finished_ms != 0 : at->row.state == RUN_DONE);
    if (at->in_store && at->is_matrix && done && at->matrix.report_path[0] == '\0') {
        skip(t, name, at->dir, "the matrix was interrupted before it had a report; its runs are checked on their own");
        return 0;
    }
    if (!done) {
        skip(t, name, at->dir, at->is_matrix ? "the matrix is not finished" : "the run is not finished");
        return 0;
    }
    const enum proof_dir_kind validation = at->in_store ? PROOF_DIR_NONE : proof_dir_kind(at->dir);
    if (validation == PROOF_DIR_ENDED) {
        skip(t, name, at->dir, "a validation that was ended before it was over");
        return 0;
    }
    int rc = validation ? proof_dir_verify(at->dir, &v, &why)
             : matrix   ? verify_matrix_dir(at->dir, &v, &why)
                        : verify_run_dir(at->dir, at->id[0] ? at->id : NULL, &v, &why);
    if (matrix_id[0]) snprintf(v.run_id, sizeof v.run_id, "%s", matrix_id);
    if (rc < 0 && !(at->in_store && why.code == ERR_MISSING)) {
        if (e) *e = why;
        return -1;
    }
    if (rc < 0) contradict(&v, "", "the directory is missing, but the store knows it");
    if (at->is_matrix) hold_against_matrix(&v, &at->matrix);
    if (at->in_store && !at->is_matrix) hold_against_row(&v, &at->row);
    if (!at->in_store && compare(t, &v, matrix, &c, e) < 0) return -1;
    record(t, name, at->dir, &v, &c);
    return 0;
}

static int on_row(void *ctx, const struct store_run_row *row) {
    struct tally *t = ctx;
    struct err e = ERR_INIT;
    struct located *at = calloc(1, sizeof *at);
    BUG_UNLESS(at != NULL);
    snprintf(t->last, sizeof t->last, "%s", row->run_id);
    t->seen++;
    int rc = locate(t->h, row->run_id, at, &e);
    if (rc == 0) rc = check_one(t, row->run_id, at, &e);
    free(at);
    return rc == 0 ? 0 : cli_error(&e);
}

static int on_matrix(void *ctx, const struct store_matrix *m) {
    struct tally *t = ctx;
    struct err e = ERR_INIT;
    struct located *at = calloc(1, sizeof *at);
    BUG_UNLESS(at != NULL);
    int rc = locate(t->h, m->id, at, &e);
    if (rc == 0) rc = check_one(t, m->id, at, &e);
    free(at);
    return rc == 0 ? 0 : cli_error(&e);
}

/* Directories that no row leads to: what came from elsewhere holds, or it does not. */
static int check_strangers(struct tally *t, struct store *s, struct err *e) {
    DIR *d = opendir(t->h->runs);
    if (!d) return 0; /* no run was ever made */
    int rc = 0;
    struct located *at = calloc(1, sizeof *at);
    BUG_UNLESS(at != NULL);
    for (struct dirent *entry; rc == 0 && (entry = readdir(d)) != NULL;) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || store_knows(s, name)) continue;
        int n = snprintf(at->dir, sizeof at->dir, "%s/%s", t->h->runs, name);
        if (n < 0 || (size_t)n >= sizeof at->dir)
            rc = err_set(e, ERR_LIMIT, "%s: the path is too long", t->h->runs);
        else
            rc = check_one(t, name, at, e);
    }
    free(at);
    closedir(d);
    return rc;
}

/* 0, or the exit code of what could not be done. */
static int check_all(struct tally *t) {
    struct err e = ERR_INIT;
    struct store *s = NULL;
    if (store_open(t->h->store, false, &s, &e) < 0) return cli_error(&e);
    int rc = 0;
    do { /* by pages, so that no read transaction stays open for as long as all the hashing takes */
        char before[RUN_ID_MAX];
        memcpy(before, t->last, sizeof before);
        struct store_filter f = {.limit = PAGE, .before = before[0] ? before : NULL};
        t->seen = 0;
        rc = store_runs_list(s, &f, on_row, t, &e);
        if (rc < 0) rc = cli_error(&e);
    } while (rc == 0 && t->seen == PAGE);
    if (rc == 0 && (rc = store_matrices(s, on_matrix, t, &e)) < 0) rc = cli_error(&e);
    if (rc == 0 && check_strangers(t, s, &e) < 0) rc = cli_error(&e);
    store_close(s);
    return rc;
}

static int check_named(struct tally *t, int argc, char **argv) {
    struct err e = ERR_INIT;
    int rc = 0;
    struct located *at = calloc(1, sizeof *at);
    BUG_UNLESS(at != NULL);
    for (int i = 0; rc == 0 && i < argc; i++) {
        if (locate(t->h, argv[i], at, &e) < 0 || check_one(t, argv[i], at, &e) < 0)
            rc = cli_error(&e);
        else if (t->skipped > 0)
            rc = cli_usage("verify", "run %s is not finished", argv[i]);
    }
    free(at);
    return rc;
}

static int finish(struct tally *t, bool single) {
    int code = t->failed > 0 ? EXIT_FAIL : EXIT_PASS;
    if (t->g->json && single) return cli_print_json(cJSON_DetachItemFromArray(t->runs, 0), code);
    if (t->g->json) {
        cJSON *o = cJSON_CreateObject();
        BUG_UNLESS(o != NULL);
        json_put_bool(o, "ok", code == EXIT_PASS);
        json_put_int(o, "checked", t->checked);
        json_put_int(o, "failed", t->failed);
        json_put_int(o, "skipped", t->skipped);
        json_put(o, "runs", TAKE_PTR(t->runs));
        return cli_print_json(o, code);
    }
    if (!single && !t->g->quiet) printf("%d checked, %d do not hold, %d skipped\n", t->checked, t->failed, t->skipped);
    return fflush(stdout) == 0 ? code : EXIT_HARNESS;
}

int cmd_verify(const struct global_options *g, int argc, char **argv) {
    static const struct option options[] = {{"all", no_argument, NULL, 'a'}, {0}};
    struct err e = ERR_INIT;
    struct home h;
    bool all = false;
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, ":a", options, NULL)) != -1;) {
        if (c != 'a') return cli_bad_option("verify", c, argv);
        all = true;
    }
    if (all == (optind < argc)) return cli_usage("verify", "name a run directory or run id, or say --all");
    struct tally t = {.g = g, .h = &h};
    if (home_resolve(&h, &g->home, &e) < 0) { /* whoever has a copy needs neither home nor cases of his own */
        bool needed = all || g->home.home || g->home.cases || g->home.env_file;
        for (int i = optind; i < argc; i++) needed |= strchr(argv[i], '/') == NULL && strcmp(argv[i], ".") != 0;
        if (needed) return cli_error(&e);
        t.h = NULL;
        snprintf(t.no_home, sizeof t.no_home, "%s", e.text);
    }
    t.runs = cJSON_CreateArray();
    BUG_UNLESS(t.runs != NULL);
    int rc = all ? check_all(&t) : check_named(&t, argc - optind, argv + optind);
    if (rc == 0) rc = finish(&t, !all && argc - optind == 1);
    cJSON_Delete(t.runs);
    return rc;
}
