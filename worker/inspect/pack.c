/* pack.c - libgit2's mempack collects objects without touching a disk; a packbuilder makes one pack of them, which
 * goes through libgit2's indexer, which writes pack and index. git_mempack_dump would do the same with a thread per
 * processor and a search for deltas, which costs more than it saves here. One pack instead of thousands of loose files
 * is what makes a start with 5,000 files affordable, and what lets later steps ask "is this object the baseline's?"
 * with one look-up.
 */
#include "worker/inspect/pack.h"

#include <fcntl.h>
#include <git2/sys/commit.h>
#include <git2/sys/mempack.h>
#include <git2/sys/odb_backend.h>
#include <git2/sys/repository.h>
#include <stdio.h>
#include <unistd.h>

#include "common/io.h"
#include "worker/inspect/inspect.h"
#include "worker/inspect/out.h"

/* A packbuilder takes its settings from the repository's configuration only, so there has to be one for a moment. The
 * size above which it looks for no delta is read from pack.deltaCacheSize (libgit2 1.5 names the wrong key there). */
static int forgo_deltas(struct workshop *w, const char *scratch, struct err *e) {
    static const char text[] = "[pack]\n\tdeltaCacheSize = 1\n[core]\n\tbigFileThreshold = 1\n";
    char path[4200];
    git_config *config = NULL;
    AUTO_FD int dir = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return err_sys(e, "open %s", scratch);
    if (io_replace_file_at(dir, "cto-pack-config", text, sizeof text - 1, 0600, 0, e) < 0) return -1;
    snprintf(path, sizeof path, "%s/cto-pack-config", scratch);
    int r = git_config_open_ondisk(&config, path);
    if (r == 0) r = git_repository_set_config(w->repo, config);
    if (r == 0) r = git_packbuilder_new(&w->pack, w->repo);
    if (r == 0) git_packbuilder_set_threads(w->pack, 1);
    git_config_free(config);
    unlinkat(dir, "cto-pack-config", 0);
    return r < 0 ? out_git_error(e, ERR_INTERNAL, "a pack in memory") : 0;
}

int workshop_open(struct workshop *w, const char *scratch, struct err *e) {
    *w = (struct workshop){0};
    git_odb_backend *memory = NULL;
    if (git_odb_new(&w->odb) == 0 && git_mempack_new(&memory) == 0 && git_odb_add_backend(w->odb, memory, 1) == 0 &&
        git_repository_wrap_odb(&w->repo, w->odb) == 0) {
        if (forgo_deltas(w, scratch, e) == 0) return 0;
    } else {
        out_git_error(e, ERR_INTERNAL, "an object database in memory");
    }
    workshop_release(w);
    return -1;
}

void workshop_release(struct workshop *w) {
    git_packbuilder_free(w->pack);
    git_repository_free(w->repo);
    git_odb_free(w->odb);
    *w = (struct workshop){0};
}

int workshop_blob(struct workshop *w, const void *p, size_t n, git_oid *ret, struct err *e) {
    return git_odb_write(ret, w->odb, n > 0 ? p : "", n, GIT_OBJECT_BLOB) < 0
               ? out_git_error(e, ERR_INTERNAL, "make a blob")
               : 0;
}

int workshop_commit(struct workshop *w, const git_oid *tree, const git_oid *parent, int seconds, const char *message,
                    git_oid *ret, struct err *e) {
    git_signature *who = NULL;
    const git_oid *parents[1] = {parent};
    int r = git_signature_new(&who, INSPECT_NAME, INSPECT_EMAIL, INSPECT_EPOCH + seconds, 0);
    if (r == 0)
        r = git_commit_create_from_ids(ret, w->repo, NULL, who, who, NULL, message, tree, parent != NULL, parents);
    git_signature_free(who);
    if (r == 0) r = git_packbuilder_insert_commit(w->pack, ret);
    return r < 0 ? out_git_error(e, ERR_INTERNAL, "make a commit") : 0;
}

static int write_pack(const git_buf *pack, const char *dir, char name[PACK_NAME_SIZE], uint32_t *ret_objects,
                      struct err *e) {
    git_indexer *ix = NULL;
    git_indexer_progress progress = {0};
    int r = git_indexer_new(&ix, dir, 0444, NULL, NULL);
    if (r == 0) r = git_indexer_append(ix, pack->ptr, pack->size, &progress);
    if (r == 0) r = git_indexer_commit(ix, &progress);
    if (r == 0) {
        snprintf(name, PACK_NAME_SIZE, "pack-%s", git_indexer_name(ix));
        *ret_objects = progress.total_objects;
    } else {
        out_git_error(e, ERR_INTERNAL, "write the baseline's pack");
    }
    git_indexer_free(ix);
    return r < 0 ? -1 : 0;
}

int workshop_pack(struct workshop *w, const char *objects_dir, char name[PACK_NAME_SIZE], uint32_t *ret_objects,
                  struct err *e) {
    char dir[4200];
    git_buf pack = GIT_BUF_INIT;
    snprintf(dir, sizeof dir, "%s/pack", objects_dir);
    if (git_packbuilder_write_buf(&pack, w->pack) < 0) return out_git_error(e, ERR_INTERNAL, "pack the baseline");
    int r = write_pack(&pack, dir, name, ret_objects, e);
    git_buf_dispose(&pack);
    return r;
}
