/* progress.c - see progress.h. The live part is redrawn in place ten times a second, with cursor movements only; finished runs
 * scroll by above it as plain lines, the same that a log file gets.
 *
 * It is written from the loop that keeps every deadline of every run, so it must never wait for its reader: a pipe that nobody
 * empties, a terminal stopped with ^S. Pipes and terminals are therefore opened anew without blocking (the flag belongs to the
 * open file, which the operator's shell shares with us: it is not ours to set there), and what does not go through is dropped:
 * the closing table and the reports say all of it again. */
#include "supervisor/progress.h"

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
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
    bool quiet, live_mode, color, socket, alone;
    int out;    /* never waits */
    FILE *text; /* of one update, in memory: bytes, size */
    char *bytes;
    size_t size;
    int total, done, good, shown; /* shown: live lines on the screen now */
    uint64_t start_us, step_us;
    struct live live[LIVE_MAX];
    char step[200]; /* "": no steps, but runs */
};

static int open_outlet(bool *ret_socket) {
    struct stat st;
    bool known = fstat(STDERR_FILENO, &st) == 0;
    *ret_socket = known && S_ISSOCK(st.st_mode);
    int fd = -1;
    if (known && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
        fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    return fd >= 0 ? fd : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
}

/* True: it went out, if only in part. A file never waits; what could not be opened anew is asked first. */
static bool put_out(const struct progress *p) {
    if (p->socket) return send(p->out, p->bytes, p->size, MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
    return io_wait(p->out, POLLOUT, 0, NULL) > 0 && write(p->out, p->bytes, p->size) > 0;
}

/* `lines`: how many live lines the text ends with. What is dropped changes nothing on the screen. */
static void emit(struct progress *p, int lines) {
    fflush(p->text);
    if (p->size > 0 && put_out(p)) p->shown = lines;
    rewind(p->text);
}

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
    p->text = open_memstream(&p->bytes, &p->size);
    BUG_UNLESS(p->text != NULL);
    p->out = open_outlet(&p->socket);
    return p;
}

struct progress *progress_new_alone(bool quiet, bool no_color) {
    struct progress *p = progress_new(1, quiet, no_color);
    p->alone = true;
    p->quiet |= !p->live_mode;
    return p;
}

static void wipe(struct progress *p) {
    for (int i = 0; i < p->shown; i++) fputs("\033[1A\033[2K", p->text);
}

/* A line that wrapped would be two on the screen, and wipe() would leave one of them. */
static int columns(void) {
    int n = table_width(STDERR_FILENO);
    return n > 0 ? n : 80;
}

static int draw_step(struct progress *p, int width) {
    char line[300];
    snprintf(line, sizeof line, "  %d/%d  %s, %.1f s", p->done, p->total, p->step,
             (double)(clock_mono_us() - p->step_us) / 1e6);
    table_line(p->text, width, line);
    return 1;
}

/* Before a run has a worker, there is one thing to wait for: whether its model answers. */
static const char *what(enum run_state s) { return s == RUN_PLANNED ? "asking" : run_state_name(s); }

/* The live lines; returns how many. */
static int draw(struct progress *p) {
    if (!p->live_mode) return 0;
    int width = columns();
    if (p->step[0]) return draw_step(p, width);
    uint64_t now = clock_mono_us();
    double elapsed = (double)(now - p->start_us) / 1e6;
    int running = 0;
    char line[512];
    for (int i = 0; i < LIVE_MAX; i++) {
        if (p->live[i].index < 0) continue;
        running++;
        snprintf(line, sizeof line, "  %-28s %-11s %5.1f s", p->live[i].id, what(p->live[i].state),
                 (double)(now - p->live[i].since_us) / 1e6);
        table_line(p->text, width, line);
    }
    if (p->alone) return running;
    double eta = p->done > 0 ? elapsed / p->done * (p->total - p->done) : 0;
    snprintf(line, sizeof line, "  %d/%d done, %d running, %d unexpected, %.1f s, about %.0f s left", p->done, p->total,
             running, p->done - p->good, elapsed, eta);
    table_line(p->text, width, line);
    return running + 1;
}

static void redraw(struct progress *p) {
    if (!p->live_mode) return;
    wipe(p);
    int lines = draw(p);
    emit(p, lines);
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
    if (p->quiet || p->alone || (p->live_mode && as_expected && isatty(STDOUT_FILENO))) {
        redraw(p);
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
    for (size_t n = strlen(line); n > 0 && line[n - 1] == ' '; n--) line[n - 1] = '\0'; /* most have no reasons */
    if (p->color) fputs(as_expected ? "\033[32m" : "\033[31m", p->text);
    table_line(p->text, p->live_mode ? columns() : 0, line);
    if (p->color) fputs("\033[0m", p->text);
    int lines = draw(p);
    emit(p, lines);
}

void progress_step(struct progress *p, const char *fmt, ...) {
    if (!p || p->quiet) return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p->step, sizeof p->step, fmt, ap);
    va_end(ap);
    p->step_us = clock_mono_us();
    p->done++;
    if (p->live_mode) {
        redraw(p);
        return;
    }
    AUTO_FREE char *line = NULL;
    BUG_UNLESS(asprintf(&line, "%d/%d  %s", p->done, p->total, p->step) > 0);
    table_line(p->text, 0, line);
    emit(p, 0);
}

void progress_now(struct progress *p, int done, const char *fmt, ...) {
    if (!p->live_mode) return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p->step, sizeof p->step, fmt, ap);
    va_end(ap);
    p->step_us = p->start_us;
    p->done = done;
    redraw(p);
}

void progress_tick(struct progress *p) {
    if (p) redraw(p);
}

void progress_hide(struct progress *p) {
    if (!p) return;
    wipe(p);
    emit(p, 0);
}

void progress_free(struct progress *p) {
    if (!p) return;
    progress_hide(p);
    fclose(p->text);
    free(p->bytes);
    if (p->out >= 0) close(p->out);
    free(p);
}
