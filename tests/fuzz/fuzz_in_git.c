/* fuzz_in_git.c - what an agent may leave in .git and beside it, through the steps that judge it.
 *
 * The input is a list of records {op, a, length (2 bytes, little-endian), body}: objects and packs whose wrapping
 * (header, zlib, checksum) is made right here, so that mutations reach what is inside; and raw files of .git, index,
 * worktree, whose wrapping may be anything. In a body the bytes 0x10, 0x11, 0x12 and 0x1f are escapes: an object of
 * this input as raw or hex id (next byte: which), the baseline's commit, a literal byte.
 *
 * Each input meets a fresh baseline. Asserted: commit step and census never fail, whatever is there; they send one
 * RESULT and frames that the table permits; a committed result can be diffed, its patch is as long as it says, and its
 * checkout fails for the tree's reasons only.
 */
#include <fcntl.h>
#include <git2.h>
#include <git2/sys/odb_backend.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/frame.h"
#include "common/io.h"
#include "common/path.h"
#include "worker/inspect/inspect.h"
#include "worker/inspect/out.h"
#include "worker/inspect/repo.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define OBJECTS_MAX 64
#define ENTRIES_MAX 64

struct world {
    char dir[64], ws[96], odb[96], out[96];
    git_oid commit;
    int frames; /* memfd that the steps write to */
};
struct input {
    int ws; /* directory */
    git_oid objects[OBJECTS_MAX];
    size_t n_objects;
    struct buf pack;
    size_t starts[ENTRIES_MAX], n_entries; /* of the pack being made */
};

static struct world world;

static void need(bool ok, const char *what) {
    if (ok) return;
    fprintf(stderr, "fuzz_in_git: %s\n", what);
    abort();
}

/* --- making objects ------------------------------------------------------------------------------ */

static uint32_t adler32(const uint8_t *p, size_t n) {
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < n; i++) {
        a = (a + p[i]) % 65521;
        b = (b + a) % 65521;
    }
    return (b << 16) | a;
}

/* A zlib stream of stored blocks. */
static void put_zlib(struct buf *b, const uint8_t *p, size_t n) {
    uint32_t sum = adler32(p, n);
    buf_put(b, "\x78\x01", 2);
    for (size_t at = 0; at == 0 || at < n;) {
        size_t take = n - at < 65535 ? n - at : 65535;
        buf_put_u8(b, at + take >= n);
        buf_put_u8(b, (uint8_t)take), buf_put_u8(b, (uint8_t)(take >> 8));
        buf_put_u8(b, (uint8_t)~take), buf_put_u8(b, (uint8_t)(~take >> 8));
        buf_put(b, p + at, take);
        at += take;
        if (n == 0) break;
    }
    for (int shift = 24; shift >= 0; shift -= 8) buf_put_u8(b, (uint8_t)(sum >> shift));
}

static void sha1(const void *p, size_t n, uint8_t out[20]) {
    unsigned len = 0;
    need(EVP_Digest(p, n, out, &len, EVP_sha1(), NULL) == 1 && len == 20, "sha1");
}

static void remember(struct input *in, const char *type, const struct buf *body) {
    AUTO_BUF struct buf whole = BUF_INIT(1u << 20);
    uint8_t id[20];
    if (in->n_objects == OBJECTS_MAX) return;
    buf_printf(&whole, "%s %zu", type, body->len);
    buf_put_u8(&whole, 0);
    buf_put(&whole, buf_str(body), body->len);
    sha1(whole.p, whole.len, id);
    git_oid_fromraw(&in->objects[in->n_objects++], id);
}

static void expand(const struct input *in, const uint8_t *p, size_t n, struct buf *out) {
    char hex[GIT_OID_HEXSZ + 1];
    for (size_t i = 0; i < n; i++) {
        uint8_t c = p[i];
        bool more = i + 1 < n;
        const git_oid *oid = &world.commit;
        if (more && (c == 0x10 || c == 0x11) && in->n_objects > 0) oid = &in->objects[p[++i] % in->n_objects];
        if (c == 0x10)
            buf_put(out, oid->id, GIT_OID_RAWSZ);
        else if (c == 0x11 || c == 0x12)
            buf_puts(out, git_oid_tostr(hex, sizeof hex, oid));
        else
            buf_put_u8(out, c == 0x1f && more ? p[++i] : c);
    }
}

/* --- putting things where the agent can ---------------------------------------------------------- */

static const char *const places[] = {
    ".git/HEAD",
    ".git/refs/heads/main",
    ".git/packed-refs",
    ".git/index",
    ".git/config",
    ".git/refs/heads/other",
    ".git/objects/info/alternates",
    ".git/info/grafts",
    ".git/shallow",
    ".git/objects/pack/pack-00.pack",
    ".git/objects/pack/pack-00.idx",
    ".git/objects/pack",
    ".git/objects",
    ".git/refs",
    ".git",
    ".gitmodules",
    ".gitattributes",
    ".gitignore",
    "a.py",
    "dir",
    "dir/b.txt",
    ".git/commondir",
};
#define PLACES (sizeof places / sizeof *places)

static void put_at(int dir, const char *path, const void *p, size_t n, mode_t mode) {
    struct err e = ERR_INIT;
    char parent[4096];
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash != NULL) *slash = '\0';
    if (slash != NULL && io_mkdirs_at(dir, parent, 0755, &e) < 0) return;
    AUTO_FD int fd = io_open_beneath_quiet(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK, mode);
    if (fd >= 0) (void)!write(fd, p, n);
}

static void put_object(struct input *in, uint8_t a, const struct buf *body) {
    static const char *const types[] = {"blob", "tree", "commit", "tag", "thing"};
    AUTO_BUF struct buf whole = BUF_INIT(1u << 20), packed = BUF_INIT(1u << 20);
    char path[80], hex[GIT_OID_HEXSZ + 1];
    const char *type = types[a % 5];
    size_t kept = in->n_objects;
    remember(in, type, body);
    if (in->n_objects == kept) return;
    buf_printf(&whole, "%s %zu", type, body->len + (a >= 0xf0 ? a : 0)); /* the size may be a lie */
    buf_put_u8(&whole, 0);
    buf_put(&whole, buf_str(body), body->len);
    put_zlib(&packed, whole.p, whole.len);
    git_oid_tostr(hex, sizeof hex, &in->objects[kept]);
    snprintf(path, sizeof path, ".git/objects/%.2s/%s", hex, hex + 2);
    put_at(in->ws, path, packed.p, packed.len, 0444);
}

static void put_entry_header(struct buf *b, unsigned type, uint64_t size) {
    uint8_t c = (uint8_t)((type << 4) | (size & 15));
    for (size >>= 4; size > 0; size >>= 7) {
        buf_put_u8(b, c | 0x80);
        c = size & 0x7f;
    }
    buf_put_u8(b, c);
}

static void put_distance(struct buf *b, uint64_t n) {
    uint8_t bytes[10];
    int i = 9;
    bytes[i] = n & 0x7f;
    while ((n >>= 7) > 0 && i > 0) bytes[--i] = (uint8_t)(0x80 | (--n & 0x7f));
    buf_put(b, bytes + i, (size_t)(10 - i));
}

/* a: type in the low bits; 8: the size is a lie; high bits: which earlier entry is the base, or 15 for any distance. */
static void add_entry(struct input *in, uint8_t a, const struct buf *body) {
    static const char *const types[] = {"blob", "commit", "tree", "blob", "tag"};
    const uint8_t *p = (const uint8_t *)buf_str(body);
    size_t n = body->len;
    unsigned type = a & 7;
    if (in->n_entries == ENTRIES_MAX) return;
    if (in->n_entries == 0) {
        buf_reset(&in->pack);
        buf_put(&in->pack, "PACK\0\0\0\2\0\0\0\0", 12);
    }
    size_t start = in->pack.len, base = 20;
    if (type >= 1 && type <= 4) remember(in, types[type], body);
    if (type == 7 && n < 20) type = 6;
    put_entry_header(&in->pack, type, (type == 7 ? n - 20 : n) + (a & 8 ? 1u << (a >> 4) : 0));
    if (type == 6) {
        size_t which = a >> 4;
        base = which < in->n_entries ? start - in->starts[which] : which;
        put_distance(&in->pack, base);
    } else if (type == 7) {
        buf_put(&in->pack, p, 20);
        p += 20;
        n -= 20;
    }
    put_zlib(&in->pack, p, n);
    in->starts[in->n_entries++] = start;
}

static void end_pack(struct input *in, uint8_t a) {
    if (in->n_entries == 0 || in->pack.bad) return;
    uint8_t id[20];
    char path[128];
    size_t count = in->n_entries + (a & 0x80 ? a & 0x7f : 0);
    in->pack.p[11] = (uint8_t)count;
    sha1(in->pack.p, in->pack.len, id);
    if (a & 0x40) id[3] ^= 1;
    buf_put(&in->pack, id, 20);
    snprintf(path, sizeof path, ".git/objects/pack/pack-%02x%02x.pack", a & 15, (unsigned)in->n_entries);
    put_at(in->ws, path, in->pack.p, in->pack.len, 0444);
    in->n_entries = 0;
}

static void put_file(struct input *in, uint8_t a, const struct buf *body) {
    const char *path = buf_str(body);
    size_t n = strlen(path);
    const char *content = n < body->len ? path + n + 1 : "";
    size_t size = n < body->len ? body->len - n - 1 : 0;
    struct err e = ERR_INIT;
    if (!path_is_plain_relative(path, n) || n > 1000) return;
    switch (a % 5) {
    case 0: put_at(in->ws, path, content, size, 0644); break;
    case 1: put_at(in->ws, path, content, size, 0755); break;
    case 2: (void)!symlinkat(size > 0 ? content : "nowhere", in->ws, path); break;
    case 3: (void)!mkfifoat(in->ws, path, 0644); break;
    default: (void)io_mkdirs_at(in->ws, path, 0755, &e); break;
    }
}

static void change_place(struct input *in, uint8_t a, const struct buf *body) {
    struct err e = ERR_INIT;
    const char *path = places[a % PLACES], *text = buf_str(body);
    (void)io_remove_tree_at(in->ws, path, &e);
    switch (a / PLACES) {
    case 0: break;
    case 1: (void)!mkfifoat(in->ws, path, 0644); break;
    case 2: (void)!symlinkat(text[0] != '\0' ? text : "/etc/passwd", in->ws, path); break;
    default: (void)!mkdirat(in->ws, path, 0755); break;
    }
}

static void play(struct input *in, const uint8_t *p, size_t n) {
    for (size_t at = 0; at + 4 <= n;) {
        uint8_t op = p[at] % 6, a = p[at + 1];
        size_t len = p[at + 2] | (size_t)p[at + 3] << 8;
        at += 4;
        if (len > n - at) len = n - at;
        AUTO_BUF struct buf body = BUF_INIT(1u << 18);
        expand(in, p + at, len, &body);
        at += len;
        if (body.bad) continue;
        if (op == 0) put_object(in, a, &body);
        if (op == 1) put_at(in->ws, places[a % PLACES], buf_str(&body), body.len, 0644);
        if (op == 2) add_entry(in, a, &body);
        if (op == 3) end_pack(in, a);
        if (op == 4) put_file(in, a, &body);
        if (op == 5) change_place(in, a, &body);
    }
    end_pack(in, 0);
}

/* --- one run ------------------------------------------------------------------------------------- */

static void remove_dir(const char *path) {
    struct err e = ERR_INIT;
    need(io_remove_tree_at(AT_FDCWD, path, &e) == 0, e.text);
}

static void put_text(int dir, const char *path, const char *text) { put_at(dir, path, text, strlen(text), 0644); }

static void at_exit(void) { remove_dir(world.dir); }

static void make_world(void) {
    const char *tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(world.dir, sizeof world.dir, "%s/cto-fuzz-git.XXXXXX", tmp);
    need(git_libgit2_init() > 0 && mkdtemp(world.dir) != NULL, "a directory to work in");
    need(git_libgit2_opts(GIT_OPT_SET_PACK_MAX_OBJECTS, (size_t)MAX_OBJECTS) == 0, "options");
    need(git_libgit2_opts(GIT_OPT_SET_PACK_MAX_OBJECT_SIZE, (size_t)MAX_BLOB) == 0, "options");
    need(git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 0) == 0, "options");
    snprintf(world.ws, sizeof world.ws, "%s/ws", world.dir);
    snprintf(world.odb, sizeof world.odb, "%s/odb", world.dir);
    snprintf(world.out, sizeof world.out, "%s/out", world.dir);
    world.frames = memfd_create("frames", MFD_CLOEXEC);
    need(world.frames >= 0, "memfd");
    out_set_fd(world.frames);
    atexit(at_exit);
}

/* The same each time: the baseline's id depends on its content only. */
static int make_baseline(void) {
    struct err e = ERR_INIT;
    struct baseline made;
    struct inspect_args a = {.step = INSPECT_WATCH, .ws = world.ws, .odb = world.odb, .run_id = "fuzz"};
    need(mkdir(world.ws, 0755) == 0 && mkdir(world.odb, 0755) == 0 && mkdir(world.out, 0755) == 0, "mkdir");
    int ws = open(world.ws, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    put_text(ws, "a.py", "print(1)\n");
    put_text(ws, "dir/b.txt", "b\n");
    put_text(ws, ".gitignore", "*.log\n");
    need(baseline_make(&a, ws, &made, &e) == 0, e.text);
    world.commit = made.commit;
    baseline_release(&made);
    return ws;
}

/* The kind and head of the RESULT frame, and how much of a patch went by; every frame must be one that msg.h permits. */
struct seen {
    unsigned results, kind;
    char head[65];
    uint64_t patch, patch_end;
};

static void read_frames(struct seen *s) {
    uint8_t header[8], payload[16 << 10];
    *s = (struct seen){.patch_end = UINT64_MAX};
    for (off_t at = 0; pread(world.frames, header, 8, at) == 8;) {
        struct rd rd = rd_over(header, 8);
        uint32_t len = rd_u32(&rd);
        uint16_t type = rd_u16(&rd);
        const struct msg_rule *rule = msg_rule(type);
        need(rule != NULL && len <= rule->largest && len <= sizeof payload, "a frame that is not permitted");
        need(pread(world.frames, payload, len, at + 8) == (ssize_t)len, "half a frame");
        at += 8 + (off_t)len;
        rd = rd_over(payload, len);
        if (type == MSG_RESULT) {
            s->results++;
            s->kind = rd_u8(&rd);
            rd_str(&rd, s->head, sizeof s->head);
        }
        if (type == MSG_ARTIFACT) s->patch += len - 1;
        if (type == MSG_ARTIFACT_END) {
            rd_u8(&rd);
            s->patch_end = rd_u64(&rd);
        }
    }
    need(ftruncate(world.frames, 0) == 0 && lseek(world.frames, 0, SEEK_SET) == 0, "truncate");
}

static void judge(bool harness_commits) {
    struct err e = ERR_INIT;
    struct seen seen;
    struct inspect_args a = {.ws = world.ws, .odb = world.odb, .run_id = "fuzz"};
    if (harness_commits) {
        a.step = INSPECT_COMMIT;
        need(step_commit(&a, &e) == 0, e.text);
        a.made_by_harness = true;
    }
    a.step = INSPECT_CENSUS;
    need(step_census(&a, &e) == 0, e.text);
    read_frames(&seen);
    need(seen.results == 1 && seen.kind >= RESULT_NONE && seen.kind <= RESULT_TOO_LARGE, "one result");
    if (seen.kind != RESULT_COMMITTED) return;
    a = (struct inspect_args){.step = INSPECT_DIFF, .odb = world.odb, .run_id = "fuzz"};
    need(step_diff(&a, &e) == 0, e.text);
    read_frames(&seen);
    need(seen.patch == seen.patch_end, "the patch is as long as its end says");
    a.step = INSPECT_CHECKOUT;
    a.out = world.out;
    int r = step_checkout(&a, &e);
    need(r == 0 || inspect_is_finding(&e), e.text);
    read_frames(&seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    if (world.dir[0] == '\0') make_world();
    if (n < 1) return 0;
    struct input in = {.ws = make_baseline(), .pack = BUF_INIT(1u << 20)};
    play(&in, p + 1, n - 1);
    judge((p[0] & 1) != 0);
    buf_release(&in.pack);
    close(in.ws);
    remove_dir(world.ws), remove_dir(world.odb), remove_dir(world.out);
    return 0;
}
