/* floor_git_direct.c - git operations of a run by libgit2 in this very process, unconfined, in the agent's own repository: the
 * least that a program can do which wants a baseline, a check for cleanliness, a diff and a checkout. It is no model for
 * anything: it would run whatever a hostile repository asks for.
 */
#include <fcntl.h>
#include <git2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "floor.h"

static git_repository *repo;
static git_oid baseline;

static void git_ok(int rc, const char *what) {
    if (rc >= 0) return;
    const git_error *e = git_error_last();
    fprintf(stderr, "floor: %s: %s\n", what, e ? e->message : "?");
    _exit(125);
}
#define GIT(call) git_ok((call), #call)

/* Files belong to whom they would belong in the product. */
static void act_as(uid_t uid) {
    if (syscall(SYS_getuid) != 0) return;
    OK(syscall(SYS_setresgid, -1, uid, -1));
    OK(syscall(SYS_setresuid, -1, uid, -1));
}
static void act_as_root(void) {
    if (syscall(SYS_getuid) != 0) return;
    OK(syscall(SYS_setresuid, -1, 0, -1));
    OK(syscall(SYS_setresgid, -1, 0, -1));
}

static void set_up(void) {
    static const git_config_level_t levels[] = {GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM,
                                                GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL};
    GIT(git_libgit2_init());
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        GIT(git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, levels[i], ""));
    GIT(git_libgit2_opts(GIT_OPT_SET_TEMPLATE_PATH, ""));
    GIT(git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0));
}

void git_baseline(const struct floor_git *g) {
    git_repository_init_options o = {.version = GIT_REPOSITORY_INIT_OPTIONS_VERSION};
    git_index *index;
    git_oid tree_id;
    git_tree *tree;
    git_signature *who;
    o.flags = GIT_REPOSITORY_INIT_MKDIR;
    o.initial_head = "main";
    set_up();
    act_as(g->engine);
    GIT(git_repository_init_ext(&repo, g->ws, &o));
    GIT(git_repository_index(&index, repo));
    GIT(git_index_add_all(index, NULL, 0, NULL, NULL));
    GIT(git_index_write(index));
    GIT(git_index_write_tree(&tree_id, index));
    GIT(git_tree_lookup(&tree, repo, &tree_id));
    GIT(git_signature_new(&who, "floor", "floor@localhost", 1700000000, 0));
    GIT(git_commit_create(&baseline, repo, "HEAD", who, who, NULL, "baseline\n", tree, 0, NULL));
    git_signature_free(who);
    git_tree_free(tree);
    git_index_free(index);
    act_as_root();
}

static void must_be_clean(void) {
    git_status_options o = {.version = GIT_STATUS_OPTIONS_VERSION};
    git_status_list *list;
    o.flags = GIT_STATUS_OPT_INCLUDE_UNTRACKED;
    GIT(git_status_list_new(&list, repo, &o));
    if (git_status_list_entrycount(list) != 0) floor_die("the worktree is not clean");
    git_status_list_free(list);
}

void git_start_check(const struct floor_git *g) {
    act_as(g->engine);
    must_be_clean();
    act_as_root();
}

void git_engine_ended(const struct floor_git *g) { (void)g; }

static int print_line(const git_diff_delta *d, const git_diff_hunk *h, const git_diff_line *l, void *to) {
    (void)d, (void)h;
    if (l->origin == ' ' || l->origin == '+' || l->origin == '-') fputc(l->origin, to);
    fwrite(l->content, 1, l->content_len, to);
    return 0;
}

static void write_diff(const char *path, git_tree *from, git_tree *to) {
    git_diff *diff;
    FILE *f = fopen(path, "we");
    if (!f) floor_die(path);
    GIT(git_diff_tree_to_tree(&diff, repo, from, to, NULL));
    GIT(git_diff_print(diff, GIT_DIFF_FORMAT_PATCH, print_line, f));
    git_diff_free(diff);
    OK(fflush(f));
    OK(fsync(fileno(f)));
    fclose(f);
}

static git_tree *tree_of(const git_oid *commit_id) {
    git_commit *commit;
    git_tree *tree;
    GIT(git_commit_lookup(&commit, repo, commit_id));
    GIT(git_commit_tree(&tree, commit));
    git_commit_free(commit);
    return tree;
}

void git_result(const struct floor_git *g) {
    git_oid head;
    git_index *index;
    GIT(git_repository_index(&index, repo));
    GIT(git_index_read(index, 1));
    git_index_free(index);
    GIT(git_reference_name_to_id(&head, repo, "HEAD"));
    if (git_graph_descendant_of(repo, &head, &baseline) != 1)
        floor_die("the result does not descend from the baseline");
    must_be_clean();
    git_tree *from = tree_of(&baseline), *to = tree_of(&head);
    write_diff(g->patch, from, to);
    git_tree_free(from);
    git_tree_free(to);
}

void git_checkout(const struct floor_git *g) {
    git_checkout_options o = {.version = GIT_CHECKOUT_OPTIONS_VERSION};
    git_object *head;
    o.checkout_strategy = GIT_CHECKOUT_FORCE | GIT_CHECKOUT_DONT_UPDATE_INDEX;
    o.target_directory = g->checkout;
    GIT(git_revparse_single(&head, repo, "HEAD^{tree}"));
    GIT(git_checkout_tree(repo, head, &o)); /* by root, who alone can read both places */
    git_object_free(head);
    git_repository_free(repo);
}
