/* controls.c - the positive controls: no probe is vacuous, and no wall is decoration.
 *
 * Every probe names the walls that hold it, each alone. For each set of walls that occurs:
 *   - one jail without all of them: each of its probes must succeed, and those that change files must be seen to;
 *   - for each wall of the set, one jail that has only that one of them: each of its probes must be held.
 * In the end every wall must have held something. Only the probes that name the set are run in its weakened jail.
 */
#include <stdio.h>
#include <string.h>

#include "tests/escape/escape.h"

#ifdef CTO_SANDBOX_TESTING

struct set {
    uint32_t holds, also;
    unsigned flags; /* ALONE and TTY separate groups */
};

struct controls {
    struct outside *o;
    int jails, seen, bad, skipped, without;
    uint32_t proved, /* walls that alone held something */
        alone;       /* walls whose absence alone let something through */
    const char *only;
};

static uint32_t holds_of(const struct controls *c, const struct probe *p) {
    return outside_world(c->o)->root_mode ? p->holds_root : p->holds_user;
}

static bool chosen(const struct controls *c, const struct probe *p) {
    return !c->only || strncmp(p->name, c->only, strlen(c->only)) == 0;
}

static void put_walls(uint32_t walls) {
    for (unsigned b = 0, first = 1; b < WALL_COUNT; b++) {
        if (!(walls >> b & 1)) continue;
        printf("%s%s", first ? "" : ", ", wall_name(b));
        first = 0;
    }
}

static void complain(struct controls *c, const struct probe *p, uint32_t down, const char *want,
                     const struct answer *a) {
    c->bad++;
    printf("not ok - %s without %s", p->name, down ? "" : "nothing less");
    put_walls(down);
    printf(": should have been %s: verdict %d %s\n", want, a->verdict, a->detail);
}

static bool run(struct controls *c, const struct batch *g, struct outcome *out) {
    driver_run(c->o, g, out);
    c->jails++;
    if (out->started) return true;
    c->bad++;
    printf("not ok - no jail without ");
    put_walls(g->without);
    printf(": %s\n", out->error);
    return false;
}

/* Everything of the set is down: all succeed. Those that were skipped (this host has no such thing) are taken out. */
static void all_down(struct controls *c, const struct set *s, struct batch *g) {
    static struct outcome out;
    size_t n, kept = 0;
    const struct probe *const *all = probes_all(&n);
    bool effect = false;
    g->without = s->holds | s->also;
    if (!run(c, g, &out)) {
        g->n = 0;
        return;
    }
    for (size_t i = 0; i < g->n; i++) {
        const struct probe *p = all[g->index[i]];
        const struct answer *a = &out.answer[g->index[i]];
        if (a->verdict == SKIP) {
            c->skipped++;
            printf("ok - %s # SKIP no control: %s\n", p->name, a->detail);
            continue;
        }
        if (a->verdict != OPEN) {
            complain(c, p, g->without, "open", a);
            continue;
        }
        c->seen++;
        effect |= (p->flags & EFFECT) != 0;
        g->index[kept++] = g->index[i];
        printf("ok - %s succeeds without ", p->name);
        put_walls(s->holds);
        putchar('\n');
    }
    g->n = kept;
    if (effect && out.n_changes == 0) {
        c->bad++;
        printf("not ok - something outside was changed without ");
        put_walls(g->without);
        printf(", and nobody noticed\n");
    }
}

static void one_up(struct controls *c, const struct set *s, const struct batch *g, uint32_t wall) {
    static struct outcome out;
    static struct batch rest;
    size_t n;
    const struct probe *const *all = probes_all(&n);
    if (g->n == 0 || g->jail == INSPECTOR) return; /* an inspector's control is to be free altogether */
    rest = *g;
    rest.without = (s->holds | s->also) & ~wall;
    if (!run(c, &rest, &out)) return;
    for (size_t i = 0; i < g->n; i++) {
        if (out.answer[g->index[i]].verdict == HELD)
            c->proved |= wall;
        else
            complain(c, all[g->index[i]], rest.without, "held", &out.answer[g->index[i]]);
    }
}

static void run_set(struct controls *c, const struct set *s, struct batch *g) {
    all_down(c, s, g);
    if (g->n > 0 && (s->holds & (s->holds - 1)) == 0) c->alone |= s->holds;
    for (unsigned b = 0; b < WALL_COUNT; b++)
        if (s->holds >> b & 1) one_up(c, s, g, 1u << b);
}

static unsigned control_jail(const struct probe *p) {
    return p->jails & ENGINE ? ENGINE : p->jails & VERIFIER ? VERIFIER : INSPECTOR;
}

/* All probes from `first` on that name the same walls; alone when they must. Marks them done. */
static void gather(const struct controls *c, size_t first, bool *done, struct set *s, struct batch *g) {
    size_t n;
    const struct probe *const *all = probes_all(&n);
    *s = (struct set){holds_of(c, all[first]), all[first]->also, all[first]->flags & (ALONE | TTY)};
    *g = (struct batch){.jail = control_jail(all[first])};
    for (size_t i = first; i < n; i++) {
        const struct probe *p = all[i];
        if (done[i] || !chosen(c, p) || holds_of(c, p) != s->holds || p->also != s->also ||
            (p->flags & (ALONE | TTY)) != s->flags || control_jail(p) != g->jail)
            continue;
        done[i] = true;
        g->index[g->n++] = i;
        if (s->flags & ALONE) break;
    }
}

static void say_walls(const struct controls *c) {
    for (unsigned b = 0; b < WALL_COUNT; b++) {
        const uint32_t wall = 1u << b;
        printf("# %-24s %s\n", wall_name(b),
               c->alone & wall    ? "its absence alone lets something through"
               : c->proved & wall ? "holds alone what others hold too"
                                  : "shown by nothing here");
    }
}

/* What takes root to be shown. */
#define ROOT_WALLS (WALL_SETUID | WALL_NODEV | WALL_NOSUID)

int controls_run(struct outside *o, const char *only) {
    static bool done[PROBES_MAX];
    static struct batch g;
    struct controls c = {.o = o, .only = only};
    struct set s;
    size_t n;
    const struct probe *const *all = probes_all(&n);
    for (size_t i = 0; i < n; i++) {
        if (done[i] || !chosen(&c, all[i])) continue;
        if (holds_of(&c, all[i]) == 0) {
            c.without++;
            if (!all[i]->why_not) c.bad++;
            printf("%s - %s # SKIP no control: %s\n", all[i]->why_not ? "ok" : "not ok", all[i]->name,
                   all[i]->why_not ? all[i]->why_not : "and no reason");
            continue;
        }
        gather(&c, i, done, &s, &g);
        run_set(&c, &s, &g);
    }
    const uint32_t need = ((1u << WALL_COUNT) - 1) & (outside_world(o)->root_mode ? ~0u : ~(uint32_t)ROOT_WALLS);
    if (!only && (need & ~(c.proved | c.alone)) != 0) {
        c.bad++;
        printf("not ok - nothing shows what these are for: ");
        put_walls(need & ~(c.proved | c.alone));
        putchar('\n');
    }
    say_walls(&c);
    printf("# controls: %d jails, %d probes succeeded without their walls and are held by each of them, %d not "
           "possible on this host, %d have none, "
           "%d wrong\n",
           c.jails, c.seen, c.skipped, c.without, c.bad);
    return c.bad == 0 ? 0 : 1;
}

#endif
