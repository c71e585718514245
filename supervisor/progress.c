/* progress.c - see progress.h. The live part is redrawn in place ten times a second, with cursor movements only; finished runs
 * scroll by above it as plain lines, the same that a log file gets. */
#include "supervisor/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor/table.h"

#define LIVE_MAX 8

struct live {
    int index; /* -1: free */
    char id[CASE_ID_MAX + 1];
    enum run_state state;
    uint64_t since_us;
};

struct progress {
    bool quiet, live_mode, color;
    int total, done, good, drawn; /* drawn: live lines on the screen now */
    uint64_t start_us;
    struct live live[LIVE_MAX];
};

struct progress *progress_new(int total, bool quiet, bool no_color) {
    struct progress *p = calloc(1, sizeof *p);
    BUG_UNLESS(p != NULL);
    const char *term = getenv("TERM");
    p->quiet = quiet;
    p->total = total;
    p->start_us = clock_mono_us();
    p->live_mode = !quiet && isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
    p->color = p->live_mode && !no_color;
    for (int i = 0; i < LIVE_MAX; i++) p->live[i].index = -1;
    return p;
}

static void wipe(struct progress *p) {
    for (; p->drawn > 0; p->drawn--) fputs("\033[1A\033[2K", stderr);
}

/* A line that wrapped would be two on the screen, and wipe() would leave one of them. */
static int columns(void) {
    int n = table_width(STDERR_FILENO);
    return n > 0 ? n : 80;
}

static void draw(struct progress *p) {
    if (!p->live_mode) return;
    int width = columns();
    uint64_t now = clock_mono_us();
    double elapsed = (double)(now - p->start_us) / 1e6;
    int running = 0;
    char line[512];
    wipe(p);
    for (int i = 0; i < LIVE_MAX; i++) {
        if (p->live[i].index < 0) continue;
        running++;
        snprintf(line, sizeof line, "  %-28s %-11s %5.1f s", p->live[i].id, run_state_name(p->live[i].state),
                 (double)(now - p->live[i].since_us) / 1e6);
        table_line(stderr, width, line);
        p->drawn++;
    }
    double eta = p->done > 0 ? elapsed / p->done * (p->total - p->done) : 0;
    snprintf(line, sizeof line, "  %d/%d done, %d running, %d unexpected, %.1f s, about %.0f s left", p->done, p->total,
             running, p->done - p->good, elapsed, eta);
    table_line(stderr, width, line);
    p->drawn++;
    fflush(stderr);
}

void progress_state(struct progress *p, int i, const struct run_record *rec, enum run_state s) {
    if (!p->live_mode) return;
    struct live *slot = NULL;
    for (int k = 0; k < LIVE_MAX; k++) {
        if (p->live[k].index == i) {
            slot = &p->live[k];
            break;
        }
        if (p->live[k].index < 0 && !slot) slot = &p->live[k];
    }
    if (!slot) return;
    if (slot->index != i) {
        *slot = (struct live){.index = i, .since_us = clock_mono_us()};
        snprintf(slot->id, sizeof slot->id, "%s", rec->c->id);
    }
    slot->state = s;
    if (s == RUN_DONE) slot->index = -1;
}

void progress_done(struct progress *p, int i, const char *id, const struct run_record *rec, bool as_expected,
                   const char *note) {
    char reasons[160] = "";
    for (int k = 0; k < LIVE_MAX; k++)
        if (p->live[k].index == i) p->live[k].index = -1;
    p->done++;
    p->good += as_expected;
    /* on a terminal the closing table says it again: only news scrolls by */
    if (p->quiet || (p->live_mode && as_expected && isatty(STDOUT_FILENO))) {
        draw(p);
        return;
    }
    size_t used = 0;
    for (int k = 0; rec && k < rec->n_blockers && used < sizeof reasons; k++)
        used += (size_t)snprintf(reasons + used, sizeof reasons - used, "%s%s", k ? "," : "",
                                 blocker_rule(rec->blockers[k].id)->reason);
    wipe(p);
    AUTO_FREE char *line = NULL;
    BUG_UNLESS(asprintf(&line, "%-7s %-28s %6.2f s  %s%s%s", rec ? verdict_name(rec->verdict) : "not run", id,
                        rec ? (double)(rec->finished_ms - rec->started_ms) / 1000 : 0.0, reasons, note[0] ? "  " : "",
                        note) > 0);
    if (p->color) fputs(as_expected ? "\033[32m" : "\033[31m", stderr);
    table_line(stderr, p->live_mode ? columns() : 0, line);
    if (p->color) fputs("\033[0m", stderr);
    draw(p);
}

void progress_tick(struct progress *p) { draw(p); }

void progress_free(struct progress *p) {
    wipe(p);
    free(p);
}
