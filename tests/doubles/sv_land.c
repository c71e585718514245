/* sv_land.c - the supervisor's repository and landing functions on the command line, for tests/lib/landing.py and the tracer. Not a
 * double of anything: it calls the functions of the product.
 *
 *   sv_land look PATH                      facts, one `name value` a line
 *   sv_land export PATH HEAD TO
 *   sv_land lacks PATH HEAD NAME...        the first of the names that is not there, or nothing
 *   sv_land digest PATH
 *   sv_land create PATH FROM BRANCH
 *   sv_land land STORE ORDER               ORDER: `name value` lines, then `change MODE OID PATH` lines; paths end with the line
 *   sv_land revert STORE RUN REASON
 *   sv_land recover STORE                  warnings on stdout
 *   sv_land journal STORE                  what is not finished, as `run kind state`
 *
 * Exit status: 0, or 10 + the error's code, with its text on stderr.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "supervisor/land.h"

static int fail(const struct err *e) {
    fprintf(stderr, "%s\n", e->text);
    return 10 + (int)e->code;
}

static int usage(void) {
    fprintf(stderr, "sv_land: see its source\n");
    return 2;
}

static void print_facts(const struct repo_facts *f) {
    printf(
        "is_repository %d\nbare %d\nlinked_worktree %d\ndetached %d\nunborn %d\nshallow %d\nsubmodules %d\nbusy %d\n",
        f->is_repository, f->bare, f->linked_worktree, f->detached, f->unborn, f->shallow, f->submodules, f->busy);
    printf("clean %d\nonly_dirty %d\nremotes %d\nhooks %d\nalternates %d\nlocal_filesystem %d\nowner_uid %u\n",
           f->clean, f->only_dirty, f->remotes, f->hooks, f->alternates, f->local_filesystem, f->owner_uid);
    printf("head %s\ntree %s\nbranch %s\ncommits %llu\nwhy %s\n", f->head, f->tree, f->branch,
           (unsigned long long)f->commits, f->why);
}

static int repository(int argc, char **argv) {
    struct err e = ERR_INIT;
    struct repo_facts facts;
    char digest[DIGEST_HEX_SIZE];
    if (strcmp(argv[1], "look") == 0 && argc == 3) {
        if (repo_look(argv[2], &facts, &e) < 0) return fail(&e);
        print_facts(&facts);
    } else if (strcmp(argv[1], "export") == 0 && argc == 5) {
        if (repo_export(argv[2], argv[3], argv[4], &e) < 0) return fail(&e);
    } else if (strcmp(argv[1], "lacks") == 0 && argc >= 4) {
        int at = 0;
        if (repo_lacks(argv[2], argv[3], (const char *const *)(argv + 4), argc - 4, &at, &e) < 0) return fail(&e);
        if (at < argc - 4) printf("%s\n", argv[4 + at]);
    } else if (strcmp(argv[1], "digest") == 0 && argc == 3) {
        if (repo_content_digest(argv[2], digest, &e) < 0) return fail(&e);
        printf("%s\n", digest);
    } else if (strcmp(argv[1], "create") == 0 && argc == 5) {
        if (repo_create(argv[2], argv[3], argv[4], &facts, &e) < 0) return fail(&e);
        print_facts(&facts);
    } else {
        return usage();
    }
    return 0;
}

/* --- landing ------------------------------------------------------------------------------------------------------- */

struct order {
    struct land_order o;
    struct land_change changes[4096];
    int n;
};

static void set(struct order *r, const char *name, char *value) {
    const struct {
        const char *name;
        const char **at;
    } fields[] = {{"target", &r->o.target},      {"branch", &r->o.branch},      {"old_head", &r->o.old_head},
                  {"tree", &r->o.expect_tree},   {"blobs", &r->o.blob_dir},     {"message", &r->o.message},
                  {"author", &r->o.author_name}, {"email", &r->o.author_email}, {"run", &r->o.run_id}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (strcmp(fields[i].name, name) == 0) *fields[i].at = value;
    if (strcmp(name, "when") == 0) r->o.when_s = strtoll(value, NULL, 10);
    if (strcmp(name, "change") != 0 || r->n == 4096) return;
    struct land_change *c = &r->changes[r->n++];
    char *save = NULL, *mode = strtok_r(value, " ", &save), *oid = strtok_r(NULL, " ", &save);
    c->mode = (uint32_t)strtoul(mode ? mode : "", NULL, 8);
    snprintf(c->oid, sizeof c->oid, "%s", oid ? oid : "");
    c->path = save;
}

static void parse_order(struct order *r, char *text) {
    for (char *line, *save = NULL; (line = strtok_r(text, "\n", &save)); text = NULL) {
        char *value = strchr(line, ' ');
        if (!value) continue;
        *value++ = '\0';
        set(r, line, value);
    }
    r->o.changes = r->changes;
    r->o.n_changes = r->n;
}

static int do_land(struct store *s, const char *file) {
    static struct order r;
    struct err e = ERR_INIT;
    char commit[REPO_ID_SIZE];
    AUTO_BUF struct buf text = BUF_INIT(4u << 20);
    if (io_read_file_at(AT_FDCWD, file, 4u << 20, &text, &e) < 0) return fail(&e);
    parse_order(&r, (char *)text.p);
    const int rc = land(s, &r.o, commit, &e);
    printf("%s\n", commit);
    return rc < 0 ? fail(&e) : 0;
}

static void warn(void *ctx, const char *text) {
    (void)ctx;
    printf("%s\n", text);
}

static int print_row(void *ctx, const struct store_landing *l) {
    (void)ctx;
    printf("%s %s %s\n", l->run_id, l->kind, l->state);
    return 0;
}

static int landing(struct store *s, int argc, char **argv) {
    struct err e = ERR_INIT;
    char commit[REPO_ID_SIZE];
    if (strcmp(argv[1], "land") == 0 && argc == 4) return do_land(s, argv[3]);
    if (strcmp(argv[1], "revert") == 0 && argc == 5) {
        const int rc = land_revert(s, argv[3], argv[4], commit, &e);
        printf("%s\n", commit);
        return rc < 0 ? fail(&e) : 0;
    }
    if (strcmp(argv[1], "recover") == 0 && argc == 3) return land_recover(s, warn, NULL, &e) < 0 ? fail(&e) : 0;
    if (strcmp(argv[1], "journal") == 0 && argc == 3)
        return store_landings_unfinished(s, print_row, NULL, &e) < 0 ? fail(&e) : 0;
    return usage();
}

int main(int argc, char **argv) {
    static const char *const with_store[] = {"land", "revert", "recover", "journal"};
    struct err e = ERR_INIT;
    if (argc < 3) return usage();
    for (size_t i = 0; i < sizeof with_store / sizeof *with_store; i++) {
        struct store *s = NULL;
        if (strcmp(argv[1], with_store[i]) != 0) continue;
        if (store_open(argv[2], true, &s, &e) < 0) return fail(&e);
        const int rc = landing(s, argc, argv);
        store_close(s);
        return rc;
    }
    return repository(argc, argv);
}
