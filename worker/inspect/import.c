/* import.c - see import.h. The traps, all measured: objects/info/alternates brings in another repository's secrets, a
 * FIFO in the place of a loose object hangs the reader for ever, links are followed, an .idx can lie, and a loose
 * object with more content than its header says makes git_odb_read (libgit2 1.5.1) write beyond its buffer. So:
 * openat2 beneath without links, O_NONBLOCK, regular files only, a cap on each file and on the sum, and nothing is in
 * our odb before its size and its hash have been checked.
 */
#include "worker/inspect/import.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <git2/odb_backend.h>
#include <git2/sys/odb_backend.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/io.h"
#include "worker/inspect/hash.h"
#include "worker/inspect/inspect.h"
#include "worker/inspect/out.h"
#include "worker/inspect/packcost.h"

#define QUARANTINE "cto-quarantine"
#define PACKS_MAX 512u
#define LOOSE_MAX (MAX_BLOB + (1u << 20)) /* zlib's worst case is a little above the size of its input */

int import_open(struct importer *im, int ws_fd, int odb_fd, const char *odb_dir, struct err *e) {
    char path[4300];
    git_odb_backend *loose = NULL;
    *im = (struct importer){.ws_fd = ws_fd, .odb_fd = odb_fd, .odb_dir = odb_dir};
    if (ws_fd < 0) return 0;
    if (io_mkdirs_at(odb_fd, QUARANTINE, 0755, e) < 0) return -1;
    snprintf(path, sizeof path, "%s/" QUARANTINE, odb_dir);
    if (git_odb_new(&im->quarantine) < 0 || git_odb_backend_loose(&loose, path, -1, 0, 0755, 0444) < 0 ||
        git_odb_add_backend(im->quarantine, loose, 1) < 0)
        return out_git_error(e, ERR_INTERNAL, "open the quarantine");
    return 0;
}

void import_release(struct importer *im) {
    git_odb_free(im->quarantine);
    free(im->tried);
    *im = (struct importer){.ws_fd = -1, .odb_fd = -1};
}

/* 1 and an open regular file of at most `max` bytes, 0 when there is none. */
static int open_plain(const struct importer *im, const char *path, uint64_t max, int *ret_fd, struct stat *st,
                      struct err *e) {
    AUTO_FD int fd = io_open_beneath_quiet(im->ws_fd, path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) return 0;
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) return err_sys(e, "open %s", path);
    if (fd < 0) return err_set(e, ERR_PARSE, "%s: %s", path, errno == ELOOP ? "a symbolic link" : strerror(errno));
    if (fstat(fd, st) < 0) return err_sys(e, "stat %s", path);
    if (!S_ISREG(st->st_mode)) return err_set(e, ERR_PARSE, "%s: not a regular file", path);
    if ((uint64_t)st->st_size > max || im->bytes + (uint64_t)st->st_size > MAX_TOTAL)
        return err_set(e, ERR_LIMIT, "%s: too large to import", path);
    *ret_fd = take_fd(&fd);
    return 1;
}

/* At most `max` bytes from one to the other: the file may have grown since its size was looked at. */
static int copy_bounded(int from, int to, uint64_t max, uint64_t *total, struct err *e) {
    static char chunk[64 << 10];
    for (uint64_t done = 0;;) {
        ssize_t n = read(from, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return err_set(e, ERR_PARSE, "an object cannot be read: %s", strerror(errno));
        if (n == 0) return 0;
        done += (uint64_t)n;
        *total += (uint64_t)n;
        if (done > max) return err_set(e, ERR_LIMIT, "an object grew while it was read");
        if (io_write_full(to, chunk, (size_t)n, e) < 0) return -1;
    }
}

/* git_odb_open_rstream reads the header into a buffer that it bounds, and its read fills no more than it is given. The
 * older format of loose objects, which git itself no longer reads, has other code: its first bytes are refused. */
static int verify_quarantined(const struct importer *im, const git_oid *oid, const unsigned char magic[2],
                              struct err *e) {
    git_odb_stream *stream = NULL;
    size_t size = 0;
    git_object_t type = GIT_OBJECT_INVALID;
    git_oid actual = {{0}};
    if ((magic[0] & 0x8f) != 0x08 || ((magic[0] << 8) | magic[1]) % 31 != 0)
        return err_set(e, ERR_PARSE, "corrupt: not a zlib stream");
    if (git_odb_open_rstream(&stream, &size, &type, im->quarantine, oid) < 0)
        return out_git_error(e, ERR_PARSE, "corrupt");
    int r = 0;
    if (size > MAX_BLOB)
        r = err_set(e, ERR_LIMIT, "it has %zu bytes, more than %u", size, MAX_BLOB);
    else if (type < GIT_OBJECT_COMMIT || type > GIT_OBJECT_TAG)
        r = err_set(e, ERR_PARSE, "corrupt: of no known type");
    else if (hash_object_stream(stream, type, size, &actual) != 0 || !git_oid_equal(&actual, oid))
        r = err_set(e, ERR_PARSE, "corrupt: its content is not what its name and size say");
    git_odb_stream_free(stream);
    return r;
}

/* Readable by the verifier's uid, which checks the result out; the directory above our repository is 0700. */
static int copy_to_quarantine(struct importer *im, int from, const char *path, unsigned char magic[2], struct err *e) {
    unlinkat(im->odb_fd, path, 0); /* left by an inspector that was ended in the middle of an import */
    AUTO_FD int out = io_open_beneath(im->odb_fd, path, O_RDWR | O_CREAT | O_EXCL, 0444, e);
    if (out < 0 || copy_bounded(from, out, LOOSE_MAX, &im->bytes, e) < 0) return -1;
    if (pread(out, magic, 2, 0) != 2) return err_set(e, ERR_PARSE, "corrupt: too short");
    return 0;
}

int import_loose(struct importer *im, const git_oid *oid, struct err *e) {
    if (im->ws_fd < 0) return 0;
    char hex[GIT_OID_HEXSZ + 1], from[80], dir[40], to[80], held[80];
    unsigned char magic[2];
    git_oid_tostr(hex, sizeof hex, oid);
    snprintf(from, sizeof from, ".git/objects/%.2s/%s", hex, hex + 2);
    snprintf(held, sizeof held, QUARANTINE "/%.2s/%s", hex, hex + 2);
    snprintf(to, sizeof to, "objects/%.2s/%s", hex, hex + 2);
    AUTO_FD int in = -1;
    struct stat st;
    int r = open_plain(im, from, LOOSE_MAX, &in, &st, e);
    if (r <= 0) return r;
    snprintf(dir, sizeof dir, QUARANTINE "/%.2s", hex);
    if (io_mkdirs_at(im->odb_fd, dir, 0755, e) < 0) return -1;
    snprintf(dir, sizeof dir, "objects/%.2s", hex);
    if (io_mkdirs_at(im->odb_fd, dir, 0755, e) < 0) return -1;
    if (copy_to_quarantine(im, in, held, magic, e) < 0 || verify_quarantined(im, oid, magic, e) < 0) {
        unlinkat(im->odb_fd, held, 0);
        return -1;
    }
    if (renameat(im->odb_fd, held, im->odb_fd, to) < 0) return err_sys(e, "take over an imported object");
    im->loose++;
    return 1;
}

static bool is_tried(const struct importer *im, const struct import_pack *p) {
    for (size_t i = 0; i < im->n_tried; i++) {
        const struct import_pack *q = &im->tried[i];
        if (q->inode == p->inode && q->size == p->size && q->mtime_ns == p->mtime_ns && strcmp(q->name, p->name) == 0)
            return true;
    }
    return false;
}

static int note_tried(struct importer *im, const struct import_pack *p, struct err *e) {
    if (im->n_tried == PACKS_MAX) return err_set(e, ERR_LIMIT, "more than %u packs", PACKS_MAX);
    if (im->n_tried == im->cap_tried) {
        size_t cap = im->cap_tried == 0 ? 8 : im->cap_tried * 2;
        struct import_pack *v = realloc(im->tried, cap * sizeof *v);
        if (v == NULL) return err_set(e, ERR_INTERNAL, "no memory for a list of packs");
        im->tried = v;
        im->cap_tried = cap;
    }
    im->tried[im->n_tried++] = *p;
    return 0;
}

/* libgit2 writes a pack and an index of its own; every object in it has been hashed then. What it would cost was
 * looked up before, because nothing can interrupt it. */
static int index_pack(struct importer *im, int fd, uint64_t size, struct err *e) {
    static char chunk[64 << 10];
    char dir[4200];
    snprintf(dir, sizeof dir, "%s/objects/pack", im->odb_dir);
    git_indexer *ix = NULL;
    git_indexer_progress progress = {0};
    if (pack_cost(fd, size, &im->work, e) < 0) return -1;
    if (git_indexer_new(&ix, dir, 0444, NULL, NULL) < 0) return out_git_error(e, ERR_INTERNAL, "import a pack");
    uint64_t done = 0;
    int r = 0;
    for (ssize_t n; r == 0 && (n = read(fd, chunk, sizeof chunk)) != 0;) {
        if (n < 0 || (done += (uint64_t)n) > size) {
            r = err_set(e, ERR_PARSE, "a pack changed while it was read");
        } else if (git_indexer_append(ix, chunk, (size_t)n, &progress) < 0) {
            r = out_git_error(e, ERR_PARSE, "a pack is corrupt");
        }
    }
    im->bytes += done;
    if (r == 0 && git_indexer_commit(ix, &progress) < 0) r = out_git_error(e, ERR_PARSE, "a pack is corrupt");
    git_indexer_free(ix);
    return r;
}

/* 1 when it is in, 0 when it was tried before or is no good, -1 when we cannot go on. */
static int try_pack(struct importer *im, const char *name, struct err *e) {
    char path[128];
    struct import_pack p = {0};
    struct stat st;
    struct err why = ERR_INIT;
    AUTO_FD int fd = -1;
    snprintf(p.name, sizeof p.name, "%s", name);
    snprintf(path, sizeof path, ".git/objects/pack/%s", name);
    int r = open_plain(im, path, MAX_TOTAL, &fd, &st, &why);
    if (r == 1) {
        p.size = (uint64_t)st.st_size;
        p.inode = st.st_ino;
        p.mtime_ns = st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
        if (is_tried(im, &p)) return 0;
        if (note_tried(im, &p, e) < 0) return -1;
        r = index_pack(im, fd, p.size, &why);
        if (r == 0) {
            im->packs++;
            return 1;
        }
    }
    if (r < 0 && !inspect_is_finding(&why)) {
        *e = why;
        return -1;
    }
    if (r < 0 && im->refused.code != ERR_LIMIT) im->refused = why;
    return 0;
}

int import_packs(struct importer *im, struct err *e) {
    if (im->ws_fd < 0) return 0;
    int fd = io_open_beneath_quiet(im->ws_fd, ".git/objects/pack", O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        if (fd >= 0) close(fd);
        return 0;
    }
    int in = 0, r = 0;
    unsigned seen = 0;
    for (struct dirent *de; r >= 0 && (de = readdir(dir)) != NULL;) {
        size_t n = strlen(de->d_name);
        if (++seen > PACKS_MAX * 8) break;
        if (n < 10 || n >= 60 || strncmp(de->d_name, "pack-", 5) != 0 || strcmp(de->d_name + n - 5, ".pack") != 0)
            continue;
        if (strspn(de->d_name + 5, "0123456789abcdef") != n - 10) continue;
        r = try_pack(im, de->d_name, e);
        if (r > 0) in++;
    }
    closedir(dir);
    return r < 0 ? -1 : in;
}
