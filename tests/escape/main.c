/* main.c - runs probes in jails and says what held: for people, as TAP, or as one JSON object.
 *
 * In the jail the same program is called as `inside`, `canary`, `rest` and `privileges`.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <linux/capability.h>
#include <unistd.h>

#include "build_id.h"
#include "common/io.h"
#include "tests/escape/escape.h"

enum { EXIT_HELD = 0, EXIT_NOT_HELD = 1, EXIT_USAGE = 2, EXIT_NO_JAIL = 4, EXIT_SKIPPED = 77 };

static const struct {
    unsigned bit;
    const char *name;
} jails[] = {{ENGINE, "engine"}, {VERIFIER, "verifier"}, {INSPECTOR, "inspector"}, {WORKER, "worker"}};

struct options {
    unsigned jails;
    bool json, fast, list, controls, hold;
    const char *only;
};

struct tally {
    int probes, held, open, exceptions, skipped, unclear, changes;
};

static const char help_text[] =
    "usage: cto-harness-probe [--jail NAME]... [--only WORD] [--json] [--list]\n"
    "Attempts to get out of the jails of this build, on this host, and says which were held. Harmless, also when one "
    "succeeds.\n"
    "\n"
    "  --jail NAME   engine, verifier, inspector or worker (default: all four)\n"
    "  --only WORD   only probes whose name begins with WORD\n"
    "  --json        one JSON object instead of lines\n"
    "  --list        name, row, jails and what each tries; runs nothing\n"
    "\n"
    "Exit 0: none succeeded; 1: one did, or something outside changed; 4: no jail can be built here.\n";

/* --- text -------------------------------------------------------------------------------------------------------------- */
static void put_json(const char *s) {
    putchar('"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\') putchar('\\');
        putchar((unsigned char)*s < 0x20 ? ' ' : *s);
    }
    putchar('"');
}

static const char *result_of(const struct probe *p, const struct answer *a) {
    if (a->verdict == HELD) return "held";
    if (a->verdict == SKIP) return "skipped";
    if (a->verdict == OPEN) return p->flags & EXCEPTION ? "open by design" : "not held";
    return a->verdict == ANSWER_HUNG ? "hung" : "no answer";
}

static void count(const struct probe *p, const struct answer *a, struct tally *t) {
    t->probes++;
    if (a->verdict == HELD)
        t->held++;
    else if (a->verdict == SKIP)
        t->skipped++;
    else if (a->verdict == OPEN && p->flags & EXCEPTION)
        t->exceptions++;
    else if (a->verdict == OPEN)
        t->open++;
    else
        t->unclear++;
}

static int line_number;

static void print_probe(const struct options *o, const char *jail, size_t index, const struct answer *a) {
    size_t n;
    const struct probe *p = probes_all(&n)[index];
    const char *result = result_of(p, a), *detail = a->verdict == OPEN && p->flags & EXCEPTION ? p->why_not : a->detail;
    line_number++;
    if (o->json) {
        printf("%s{\"jail\":\"%s\",\"name\":\"%s\",\"row\":\"%s\",\"subject\":\"%s\",\"tries\":",
               line_number > 1 ? "," : "", jail, p->name, p->row, probe_subject(index));
        put_json(p->tries);
        printf(",\"result\":\"%s\",\"detail\":", result);
        put_json(detail);
        putchar('}');
        return;
    }
    const bool good = a->verdict == HELD || a->verdict == SKIP || (a->verdict == OPEN && p->flags & EXCEPTION);
    printf("%s %d - %s: %s (row %s): %s%s%s\n", good ? "ok" : "not ok", line_number, jail, p->name, p->row, p->tries,
           a->verdict == SKIP ? " # SKIP " : " # ", a->verdict == SKIP ? detail : result);
    if (detail[0] && a->verdict != SKIP) printf("#   %s\n", detail);
}

static void print_changes(const struct options *o, const char *jail, const struct outcome *out, struct tally *t) {
    t->changes += out->n_changes;
    for (int i = 0; i < out->n_changes && !o->json; i++) printf("# %s: outside %s\n", jail, out->changes[i]);
    for (int i = 0; i < out->n_changes && o->json; i++)
        fprintf(stderr, "cto-harness-probe: %s: outside %s\n", jail, out->changes[i]);
}

/* --- one jail ---------------------------------------------------------------------------------------------------------- */
static bool wanted(const struct options *o, const struct probe *p, unsigned jail) {
    if (!(p->jails & jail) || (o->fast && p->flags & SLOW)) return false;
    return !o->only || strncmp(p->name, o->only, strlen(o->only)) == 0;
}

static int run_group(struct outside *w, const struct options *o, const char *name, const struct batch *g,
                     struct tally *t) {
    static struct outcome out;
    size_t n;
    const struct probe *const *all = probes_all(&n);
    driver_run(w, g, &out);
    if (!out.started) {
        fprintf(stderr, "cto-harness-probe: %s: %s\n", name, out.error[0] ? out.error : "the jail did not start");
        return -1;
    }
    for (size_t i = 0; i < g->n; i++) {
        count(all[g->index[i]], &out.answer[g->index[i]], t);
        print_probe(o, name, g->index[i], &out.answer[g->index[i]]);
    }
    print_changes(o, name, &out, t);
    return 0;
}

/* Together what may be together: with a file as standard input, then with a terminal; then one by one. */
static int run_jail(struct outside *w, const struct options *o, unsigned bit, const char *name, struct tally *t) {
    static struct batch g;
    size_t n;
    const struct probe *const *all = probes_all(&n);
    for (unsigned tty = 0; tty <= TTY; tty += TTY) {
        g = (struct batch){.jail = bit};
        for (size_t i = 0; i < n; i++)
            if (wanted(o, all[i], bit) && !(all[i]->flags & ALONE) && (all[i]->flags & TTY) == tty) g.index[g.n++] = i;
        if (g.n > 0 && run_group(w, o, name, &g, t) < 0) return -1;
    }
    for (size_t i = 0; i < n; i++) {
        if (!wanted(o, all[i], bit) || !(all[i]->flags & ALONE)) continue;
        g = (struct batch){.jail = bit, .index = {i}, .n = 1};
        if (run_group(w, o, name, &g, t) < 0) return -1;
    }
    return 0;
}

static int summary(const struct options *o, const struct tally *t, int rc) {
    const bool good = rc == 0 && t->open == 0 && t->unclear == 0 && t->changes == 0 && t->probes > 0;
    if (o->json) {
        printf("],\"probes\":%d,\"held\":%d,\"not_held\":%d,\"open_by_design\":%d,\"skipped\":%d,\"unclear\":%d,"
               "\"changes\":%d,\"ok\":%s}\n",
               t->probes, t->held, t->open, t->exceptions, t->skipped, t->unclear, t->changes, good ? "true" : "false");
    } else {
        printf("1..%d\n", line_number);
        printf("# %d probes, %d held, %d not held, %d open by design, %d skipped, %d without an answer, %d changes "
               "outside\n",
               t->probes, t->held, t->open, t->exceptions, t->skipped, t->unclear, t->changes);
    }
    if (rc < 0) return EXIT_NO_JAIL;
    return good ? EXIT_HELD : EXIT_NOT_HELD;
}

static int run(const struct options *o) {
    struct outside *w = NULL;
    struct err e = ERR_INIT;
    struct tally t = {.probes = 0};
    int rc = 0;
    if (outside_make(&w, !o->hold, &e) < 0) {
        fprintf(stderr, "cto-harness-probe: %s\n", e.text);
        return EXIT_NO_JAIL;
    }
#ifdef CTO_SANDBOX_TESTING
    if (o->controls || o->hold) {
        rc = o->hold ? hold_run(w) : controls_run(w, o->only);
        outside_free(w);
        return rc;
    }
#endif
    if (o->json)
        printf("{\"build_id\":\"%s\",\"mode\":\"%s\",\"results\":[", CTO_BUILD_ID,
               outside_world(w)->root_mode ? "root" : "user");
    for (size_t i = 0; i < 4 && rc == 0; i++)
        if (o->jails & jails[i].bit) rc = run_jail(w, o, jails[i].bit, jails[i].name, &t);
    outside_free(w);
    return summary(o, &t, rc);
}

/* --- lists ------------------------------------------------------------------------------------------------------------- */
static void list_probes(const struct options *o) {
    size_t n;
    const struct probe *const *all = probes_all(&n);
    for (size_t i = 0; i < n; i++) {
        if (!(all[i]->jails & o->jails)) continue;
        printf("%s\t%s\t%s\t", all[i]->row, all[i]->name, probe_subject(i));
        for (size_t j = 0; j < 4; j++)
            if (all[i]->jails & jails[j].bit) printf("%.1s", jails[j].name);
        putchar('\t');
        for (unsigned b = 0, first = 1; b < WALL_COUNT; b++) {
            if (!((all[i]->holds_root | all[i]->holds_user) >> b & 1)) continue;
            printf("%s%s", first ? "" : ", ", wall_name(b));
            first = 0;
        }
        printf("\t%s\n", all[i]->tries);
    }
}

/* --- inside ------------------------------------------------------------------------------------------------------------ */
static int privileges(void) {
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct d[2];
    memset(d, 0, sizeof d);
    if (syscall(SYS_capget, &h, d) == 0 && (d[0].effective | d[1].effective)) return geteuid() == 0 ? 90 : 91;
    return geteuid() == 0 ? 90 : 0;
}

static int rest(const char *tag) {
    prctl(PR_SET_NAME, tag, 0, 0, 0);
    for (int i = 0; i < 40; i++) sleep(1);
    return 0;
}

static int other_main(int argc, char **argv) {
    if (argc < 2) return -1;
    if (strcmp(argv[1], "inside") == 0) return inside_main(argc, argv);
    if (strcmp(argv[1], "canary") == 0) return canary_main();
    if (strcmp(argv[1], "privileges") == 0) return privileges();
    if (strcmp(argv[1], "rest") == 0 && argc > 2) return rest(argv[2]);
    return -1;
}

static int usage(const char *what) {
    fprintf(stderr, "cto-harness-probe: %s (see --help)\n", what);
    return EXIT_USAGE;
}

static unsigned jail_bit(const char *name) {
    for (size_t i = 0; i < 4; i++)
        if (strcmp(jails[i].name, name) == 0) return jails[i].bit;
    return 0;
}

int main(int argc, char **argv) {
    static const struct option longs[] = {{"jail", required_argument, NULL, 'j'},
                                          {"only", required_argument, NULL, 'o'},
                                          {"json", no_argument, NULL, 'J'},
                                          {"fast", no_argument, NULL, 'f'},
                                          {"list", no_argument, NULL, 'l'},
                                          {"controls", no_argument, NULL, 'c'},
                                          {"hold", no_argument, NULL, 'H'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct options o = {.jails = 0};
    struct err e = ERR_INIT;
    const int other = other_main(argc, argv);
    if (other >= 0) return other;
    if (io_sanitize_std_fds(&e) < 0) return EXIT_NO_JAIL;
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (c) {
        case 'j':
            if (jail_bit(optarg) == 0) return usage("--jail: engine, verifier, inspector or worker");
            o.jails |= jail_bit(optarg);
            break;
        case 'o': o.only = optarg; break;
        case 'J': o.json = true; break;
        case 'f': o.fast = true; break;
        case 'l': o.list = true; break;
        case 'H': o.hold = true; break;
        case 'c': o.controls = true; break;
        case 'h': fputs(help_text, stdout); return 0;
        default: return usage("unknown option");
        }
    }
    if (optind < argc) return usage("unexpected argument");
    if (o.jails == 0) o.jails = PROGRAM | INSPECTOR | WORKER;
    if (o.list) {
        list_probes(&o);
        return 0;
    }
    return run(&o);
}
