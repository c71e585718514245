/* filter_gen_emit.c - decisions -> a short BPF program.
 *
 * The kernel translates a filter each time it is installed, and that is a large part of a jail's start: the shorter, the
 * cheaper. libseccomp's program has two instructions for every permitted call and a list per argument. This one is a
 * balanced tree over ranges of numbers with the same answer, and what two answers have in common is there once.
 *
 * Jumps of BPF only go forward, so the program is made backwards, returns first: whatever is jumped to has its place
 * already. A place is counted from the end. A conditional jump reaches 255 instructions; where that is not enough, a
 * stepping stone is put in between.
 *
 * Calls that are permitted or refused by number alone are decided without arithmetic and without looking at an argument:
 * only so does the kernel remember the answer and leave the filter out afterwards.
 *
 * tests/unit/test_sandbox_filter.c runs this program and libseccomp's against each other.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/filter_gen.h"

#define REACH 253 /* of 255: one place less for each stepping stone of the same jump */
#define MAX_MEMO 64
#define MAX_RANGES 1024

typedef size_t place; /* how many instructions come after and with it: the last one has 1 */

struct set {
    uint32_t n;
    struct alternative v[MAX_ALTERNATIVES];
};
/* Code for the same question with the same way out is there once. */
struct memo {
    struct set set;
    place fail, at;
};
/* From `first` up to the next range; all but a few single numbers, each of which costs one comparison instead of two. */
#define MAX_SINGLES 3
struct range {
    uint32_t first;
    place target;
    size_t n_singles;
    struct {
        uint32_t nr;
        place target;
    } single[MAX_SINGLES];
};
struct program {
    struct sock_filter back[BPF_MAXINSNS]; /* back[0] is the last instruction */
    size_t n;
    place allow, refuse, no_such_call, kill;
    struct memo memo[MAX_MEMO];
    size_t n_memo;
};

/* --- instructions ------------------------------------------------------------------------------------------------- */
static place put(struct program *p, unsigned code, unsigned jt, unsigned jf, uint32_t k) {
    if (p->n == BPF_MAXINSNS) die("program too long", E2BIG);
    p->back[p->n++] = (struct sock_filter){(uint16_t)code, (uint8_t)jt, (uint8_t)jf, k};
    return p->n;
}

static place put_return(struct program *p, uint32_t action) { return put(p, BPF_RET | BPF_K, 0, 0, action); }
static place put_load(struct program *p, size_t offset) {
    return put(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

/* A place with the effect of `target` that the next instruction can jump to. */
static place within_reach(struct program *p, place target) {
    if (p->n - target <= REACH) return target;
    const struct sock_filter *there = &p->back[target - 1];
    if (there->code == (BPF_RET | BPF_K)) return put_return(p, there->k);
    return put(p, BPF_JMP | BPF_JA, 0, 0, (uint32_t)(p->n - target));
}

static place put_jump(struct program *p, unsigned how, uint32_t k, place yes, place no) {
    yes = within_reach(p, yes);
    no = within_reach(p, no);
    return put(p, BPF_JMP | how | BPF_K, (unsigned)(p->n - yes), (unsigned)(p->n - no), k);
}

/* Code that is fallen into must be the last that was put. */
static place fall_into(struct program *p, place target) {
    return target == p->n ? target : put(p, BPF_JMP | BPF_JA, 0, 0, (uint32_t)(p->n - target));
}

/* --- arguments ---------------------------------------------------------------------------------------------------- */
static bool same_question(const struct check *a, const struct check *b) {
    return a->arg == b->arg && a->mask == b->mask;
}

static place put_set(struct program *p, const struct set *s, place fail);

/* What is left to ask of those that begin with this question, once its answer is `value`. */
static place put_rest(struct program *p, const struct set *s, uint32_t value, place fail) {
    struct set rest;
    memset(&rest, 0, sizeof rest); /* compared as bytes */
    for (uint32_t i = 0; i < s->n; i++) {
        const struct alternative *a = &s->v[i];
        if (!same_question(&a->c[0], &s->v[0].c[0]) || a->c[0].value != value) continue;
        if (a->n == 1) return p->allow;
        struct alternative *r = &rest.v[rest.n++];
        r->n = a->n - 1;
        memcpy(r->c, a->c + 1, r->n * sizeof r->c[0]);
    }
    return put_set(p, &rest, fail);
}

static int by_value(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static size_t answers(const struct set *s, uint32_t *ret) {
    size_t n = 0, kept = 0;
    for (uint32_t i = 0; i < s->n; i++)
        if (same_question(&s->v[i].c[0], &s->v[0].c[0])) ret[n++] = s->v[i].c[0].value;
    qsort(ret, n, sizeof *ret, by_value);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || ret[kept - 1] != ret[i]) ret[kept++] = ret[i];
    return kept;
}

/* Rising answers: single ones by equality, three or more in a row as a range. */
static place put_answers(struct program *p, const uint32_t *value, const place *target, size_t n, place fail) {
    place next = fail;
    for (size_t i = n; i-- > 0;) {
        size_t low = i;
        while (low > 0 && value[low - 1] + 1 == value[low] && target[low - 1] == target[i]) low--;
        if (i - low < 2) {
            next = put_jump(p, BPF_JEQ, value[i], target[i], next);
            continue;
        }
        next = put_jump(p, BPF_JGT, value[i], next, target[i]);
        next = put_jump(p, BPF_JGE, value[low], next, fail);
        i = low;
    }
    return next;
}

/* The questions behind this one, for those that do not begin with it. */
static place put_others(struct program *p, const struct set *s, place fail) {
    struct set others;
    memset(&others, 0, sizeof others);
    for (uint32_t i = 0; i < s->n; i++)
        if (!same_question(&s->v[i].c[0], &s->v[0].c[0])) others.v[others.n++] = s->v[i];
    return others.n > 0 ? put_set(p, &others, fail) : fail;
}

static place put_question(struct program *p, const struct set *s, place fail) {
    const struct check *q = &s->v[0].c[0];
    uint32_t value[MAX_ALTERNATIVES];
    place target[MAX_ALTERNATIVES];
    const place otherwise = put_others(p, s, fail);
    const size_t n = answers(s, value);
    for (size_t i = 0; i < n; i++) target[i] = put_rest(p, s, value[i], otherwise);
    if (n == 1 && value[0] == 0 && q->mask != UINT32_MAX) {
        put_jump(p, BPF_JSET, q->mask, otherwise, target[0]);
    } else {
        fall_into(p, put_answers(p, value, target, n, otherwise));
        if (q->mask != UINT32_MAX) put(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, q->mask);
    }
    return put_load(p,
                    offsetof(struct seccomp_data, args) + q->arg * sizeof(uint64_t)); /* little-endian: the low half */
}

static place put_set(struct program *p, const struct set *s, place fail) {
    for (size_t i = 0; i < p->n_memo; i++)
        if (p->memo[i].fail == fail && memcmp(&p->memo[i].set, s, sizeof *s) == 0) return p->memo[i].at;
    const place at = put_question(p, s, fail);
    if (p->n_memo < MAX_MEMO) p->memo[p->n_memo++] = (struct memo){*s, fail, at};
    return at;
}

/* --- numbers ------------------------------------------------------------------------------------------------------ */
static place put_decision(struct program *p, const struct decision *d) {
    struct set s;
    if (d->kind == PERMIT) return p->allow;
    if (d->kind == NO_SUCH_CALL) return p->no_such_call;
    if (d->kind == REFUSE || d->n == 0) return p->refuse;
    memset(&s, 0, sizeof s);
    s.n = d->n;
    memcpy(s.v, d->v, d->n * sizeof s.v[0]);
    return put_set(p, &s, p->refuse);
}

static size_t add_range(struct range *r, size_t n, uint32_t first, place target) {
    if (n > 0 && r[n - 1].target == target) return n;
    if (n == MAX_RANGES) die("too many ranges", E2BIG);
    r[n] = (struct range){.first = first, .target = target};
    return n + 1;
}

static size_t make_ranges(struct program *p, const struct decision *d, struct range *r) {
    size_t n = 0;
    for (uint32_t nr = 0; nr <= SYSCALLS_NEWEST_KNOWN; nr++) n = add_range(r, n, nr, put_decision(p, &d[nr]));
    n = add_range(r, n, SYSCALLS_NEWEST_KNOWN + 1, p->no_such_call);
#if defined(__x86_64__)
    n = add_range(r, n, X32_BIT, p->kill);
    return add_range(r, n, UINT32_MAX, p->refuse); /* -1 is no x32 call: a tracer's way to skip one */
#else
    return add_range(r, n, X32_BIT, p->refuse);
#endif
}

/* A single number between two ranges of one answer becomes an exception of their union. */
static size_t unite(struct range *r, size_t n) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct range u = r[i];
        while (u.n_singles < MAX_SINGLES && i + 2 < n && r[i + 2].target == u.target &&
               r[i + 1].first + 1 == r[i + 2].first) {
            u.single[u.n_singles].nr = r[i + 1].first;
            u.single[u.n_singles++].target = r[i + 1].target;
            i += 2;
        }
        r[kept++] = u;
    }
    return kept;
}

static place put_range(struct program *p, const struct range *r) {
    place at = r->target;
    for (size_t i = 0; i < r->n_singles; i++) at = put_jump(p, BPF_JEQ, r->single[i].nr, r->single[i].target, at);
    return at;
}

static place put_tree(struct program *p, const struct range *r, size_t n) {
    if (n == 1) return put_range(p, r);
    const size_t half = n / 2;
    const place high = put_tree(p, r + half, n - half), low = put_tree(p, r, half);
    return put_jump(p, BPF_JGE, r[half].first, high, low);
}

size_t compile_program(const struct decision *d, uint32_t refuse, struct sock_filter *out, size_t max) {
    static struct program p;
    static struct range ranges[MAX_RANGES];
    p.n = p.n_memo = 0;
    p.kill = put_return(&p, SECCOMP_RET_KILL_PROCESS);
    p.no_such_call = put_return(&p, SECCOMP_RET_ERRNO | ENOSYS);
    p.refuse = put_return(&p, refuse);
    p.allow = put_return(&p, SECCOMP_RET_ALLOW);
    const size_t n = unite(ranges, make_ranges(&p, d, ranges));
    fall_into(&p, put_tree(&p, ranges, n));
    const place number = put_load(&p, offsetof(struct seccomp_data, nr));
    put_jump(&p, BPF_JEQ, NATIVE_AUDIT_ARCH, number, p.kill);
    put_load(&p, offsetof(struct seccomp_data, arch));
    if (p.n > max) die("program too long", E2BIG);
    for (size_t i = 0; i < p.n; i++) out[i] = p.back[p.n - 1 - i];
    return p.n;
}
