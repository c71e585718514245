/* core_guard.c - see core_guard.h: the checks in their order, the main worktree, the route file, the names. */
#include "supervisor/core_guard.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "common/json.h"
#include "common/path.h"
#include "supervisor/claims.h"
#include "supervisor/repo.h"

#define ROUTE_BYTES_MAX (1u << 20)

const char *guard_check_name(int i) {
    static const char *const names[GUARD_CHECKS] = {"worktree_list",
                                                    "main_status",
                                                    "active_worktree_status",
                                                    "sequence_route_file",
                                                    "running_validation_processes",
                                                    "idle_route",
                                                    "no_conflicting_worktree"};
    BUG_UNLESS(i >= 0 && i < GUARD_CHECKS);
    return names[i];
}

void guard_pass(struct core_guard *g, enum guard_check_id id) {
    if (g->checks[id].asked) return; /* a doubt stays */
    g->checks[id].asked = g->checks[id].passed = true;
}

void guard_doubt(struct core_guard *g, enum guard_check_id id, const char *fmt, ...) {
    if (g->checks[id].asked && !g->checks[id].passed) return;
    g->checks[id].asked = true;
    g->checks[id].passed = false;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(g->checks[id].why, sizeof g->checks[id].why, fmt, ap);
    va_end(ap);
}

/* The looks of repo.h take the owner's word only. Root, who alone can see everybody's processes, asks as the owner, and has no more
 * rights than he has while his repository is parsed. */
static int as_owner(const char *path, gid_t *ret_group, struct err *e) {
    struct stat st;
    *ret_group = getegid();
    if (geteuid() != 0 || lstat(path, &st) < 0 || st.st_uid == 0) return 0;
    return setegid(st.st_gid) < 0 || seteuid(st.st_uid) < 0 ? err_sys(e, "become its owner") : 1;
}

int guard_repo_look(const char *core, const struct guard_worktree *t, struct repo_facts *f, struct err *e) {
    gid_t group;
    memset(f, 0, sizeof *f);
    int other = as_owner(core, &group, e);
    if (other < 0) return -1;
    int rc = t ? repo_look_linked(core, t->name, t->path, f, e) : repo_look(core, f, e);
    BUG_UNLESS(!other || (seteuid(0) == 0 && setegid(group) == 0));
    return rc;
}

/* --- the main worktree ---------------------------------------------------------------------------------------------------- */

static void look_at_main(struct core_guard *g) {
    struct err e = ERR_INIT;
    struct repo_facts f;
    if (guard_repo_look(g->q->core, NULL, &f, &e) < 0) {
        guard_doubt(g, GUARD_MAIN_STATUS, "it cannot be seen: %.250s", e.text);
        return;
    }
    snprintf(g->main_commit, sizeof g->main_commit, "%s", f.head);
    if (!f.is_repository)
        guard_doubt(g, GUARD_MAIN_STATUS, "no repository: %.250s", f.why);
    else if (f.busy)
        guard_doubt(g, GUARD_MAIN_STATUS, "a merge, rebase, cherry-pick, revert or bisect is not finished");
    else if (f.only_dirty) /* nobody is told to put away what others work on */
        guard_doubt(g, GUARD_MAIN_STATUS, "it is not clean: somebody may be at work in it");
    else if (f.why[0])
        guard_doubt(g, GUARD_MAIN_STATUS, "%.300s", f.why);
    else if (!f.clean || f.bare || f.linked_worktree || f.unborn)
        guard_doubt(g, GUARD_MAIN_STATUS, "not a clean main worktree with a commit");
    else
        guard_pass(g, GUARD_MAIN_STATUS);
}

/* --- the route file ------------------------------------------------------------------------------------------------------- */

static int read_route(int core, const char *path, struct buf *out, struct err *e) {
    if (!path_is_plain_relative(path, strlen(path))) return err_set(e, ERR_USAGE, "no plain path in the repository");
    AUTO_FD int fd = io_open_beneath(core, path, O_RDONLY | O_NONBLOCK, 0, e);
    struct stat st;
    if (fd < 0) return -1;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) return err_set(e, ERR_PARSE, "not a regular file");
    char at[64];
    snprintf(at, sizeof at, "/proc/self/fd/%d", fd);
    return io_read_file_at(AT_FDCWD, at, ROUTE_BYTES_MAX, out, e);
}

static void judge_route(struct core_guard *g, const cJSON *o) {
    const cJSON *status = cJSON_GetObjectItemCaseSensitive(o, "route_status");
    const cJSON *active = cJSON_GetObjectItemCaseSensitive(o, "active_route");
    const char *name = cJSON_GetStringValue(active);
    if (name) snprintf(g->active_route, sizeof g->active_route, "%s", name);
    if (!cJSON_IsString(status))
        guard_doubt(g, GUARD_IDLE, "the route file has no route_status");
    else if (strcmp(status->valuestring, "idle") != 0)
        guard_doubt(g, GUARD_IDLE, "route_status is not idle");
    else if (active && !cJSON_IsNull(active) && !(name && !name[0]))
        guard_doubt(g, GUARD_IDLE, "the route file names an active route");
    else
        guard_pass(g, GUARD_IDLE);
}

static void look_at_route(struct core_guard *g, int core) {
    AUTO_BUF struct buf text = BUF_INIT(0);
    struct err e = ERR_INIT;
    struct json_doc doc;
    if (read_route(core, g->q->route_file, &text, &e) < 0 ||
        json_parse(&doc, g->q->route_file, buf_str(&text), text.len, &e) < 0) {
        guard_doubt(g, GUARD_ROUTE, "%.300s", e.text);
        guard_doubt(g, GUARD_IDLE, "the route file cannot be read");
        return;
    }
    guard_pass(g, GUARD_ROUTE);
    judge_route(g, doc.root);
    json_release(&doc);
}

/* --- names that always conflict ------------------------------------------------------------------------------------------- */

static void look_at_name(struct core_guard *g, int core, const char *name) {
    struct stat st;
    for (int i = 0; i < g->n_trees; i++)
        if (name_in(g->trees[i].name, name) || name_in(g->trees[i].path, name) || name_in(g->trees[i].head, name))
            guard_doubt(g, GUARD_CONFLICTS, "%.120s: there is a worktree of that name", name);
    if (name_in(g->main_head, name))
        guard_doubt(g, GUARD_CONFLICTS, "%.120s: the main worktree is on a branch of that name", name);
    if (name_in(g->active_route, name)) guard_doubt(g, GUARD_CONFLICTS, "%.120s: the route file names it", name);
    if (path_is_plain_relative(name, strlen(name)) && fstatat(core, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        guard_doubt(g, GUARD_CONFLICTS, "%.120s: it is there, in the repository", name);
}

static void look_at_names(struct core_guard *g, int core) {
    for (int i = 0; i < g->q->n_conflicts; i++) look_at_name(g, core, g->q->conflicts[i]);
    if (g->checks[GUARD_WORKTREE_LIST].passed)
        guard_pass(g, GUARD_CONFLICTS);
    else
        guard_doubt(g, GUARD_CONFLICTS, "the worktrees are not known");
}

/* --- all of it ------------------------------------------------------------------------------------------------------------ */

void core_guard_look(struct core_guard *g, const struct guard_question *q) {
    memset(g, 0, sizeof *g);
    g->q = q;
    AUTO_FD int core = open(q->core, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (core < 0) {
        for (int i = 0; i < GUARD_CHECKS; i++)
            guard_doubt(g, (enum guard_check_id)i, "the repository cannot be opened");
        return;
    }
    look_at_main(g); /* first: the others are held against its commit */
    guard_look_at_worktrees(g, core);
    look_at_route(g, core);
    guard_look_at_processes(g);
    look_at_names(g, core);
}

bool core_guard_clear(const struct core_guard *g) {
    for (int i = 0; i < GUARD_CHECKS; i++)
        if (!g->checks[i].asked || !g->checks[i].passed) return false;
    return true;
}

void core_guard_release(struct core_guard *g) {
    free(g->trees);
    g->trees = NULL;
    g->n_trees = 0;
}
