/* test_sv_case_log.c - the marks in Case's log: found wherever a border of a piece falls, through the noise of a terminal, and not when
 * they are merely similar; a log beyond the bound is said to be unread. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "supervisor/case_log.h"
#include "sv_fixture.h"

static struct case_log l;

static unsigned all_at_once(const char *text) {
    memset(&l, 0, sizeof l);
    case_log_feed(&l, text, strlen(text));
    return l.marks;
}

static const struct {
    const char *text;
    unsigned marks;
} rows[] = {
    {"", 0},
    {"[unattended] Pipeline completed successfully.\n", 0},
    {"[unattended] Pipeline failed at reviewer phase.\n", CASE_MARK_REVIEWER},
    {"[unattended] Pipeline failed at implementer phase.\n", 0},
    {"{\"msg\":\"pipeline finished\",\"outcome\":\"failed\",\"failedAgent\":\"reviewer\",\"eventLog\":\"x\"}\n",
     CASE_MARK_REVIEWER},
    {"{\"failedAgent\":\"verifier\"}\n", 0},
    {"AGENT_RESULT start delimiter not found", CASE_MARK_PROTOCOL},
    {"AGENT_RESULT end delimiter not found", CASE_MARK_PROTOCOL},
    {"{\"msg\":\"agent-protocol-error\"}", CASE_MARK_PROTOCOL},
    {"AGENT_RESULT start  delimiter not found; agent_protocol_error; pipeline failed at reviewer phase", 0},
    {"Pipeline failed at reviewer\n phase", 0},
    {"\033[31mPipeline failed at \033[1;4mreviewer\033[0m phase.\n", CASE_MARK_REVIEWER},
    {"AGENT_RESULT\033[38;5;9m start\033(B delimiter \033]0;a title\007not found", CASE_MARK_PROTOCOL},
    {"AGENT_RESULT start \033]8;;https://example.invalid\033\\delimiter not found", CASE_MARK_PROTOCOL},
    /* a sequence that never ends hides no more than its line */
    {"\033]0;never ended Pipeline failed at reviewer phase\nPipeline failed at reviewer phase", CASE_MARK_REVIEWER},
    {"\033[Pipeline failed at reviewer phase", 0},
    {"Pipeline failed at reviewer phase AGENT_RESULT end delimiter not found", CASE_MARK_REVIEWER | CASE_MARK_PROTOCOL},
};
#define N_ROWS (sizeof rows / sizeof rows[0])

static void marks(void) {
    for (size_t i = 0; i < N_ROWS; i++)
        if (!CHECK(all_at_once(rows[i].text) == rows[i].marks)) fprintf(stderr, "    %s: %u\n", rows[i].text, l.marks);
}

/* Each row in two pieces, at every place; and each byte on its own. */
static void borders(void) {
    for (size_t i = 0; i < N_ROWS; i++) {
        const size_t n = strlen(rows[i].text);
        for (size_t cut = 0; cut <= n; cut++) {
            memset(&l, 0, sizeof l);
            case_log_feed(&l, rows[i].text, cut);
            case_log_feed(&l, rows[i].text + cut, n - cut);
            if (!CHECK(l.marks == rows[i].marks)) fprintf(stderr, "    row %zu cut at %zu\n", i, cut);
        }
        memset(&l, 0, sizeof l);
        for (size_t k = 0; k < n; k++) case_log_feed(&l, rows[i].text + k, 1);
        CHECK(l.marks == rows[i].marks);
    }
}

/* Behind so much that the inner buffer is full at every place of the mark. */
static void deep(void) {
    static const char mark[] = "Pipeline failed at reviewer phase";
    const size_t room = sizeof l.text + 200;
    char *text = malloc(room + sizeof mark);
    NEED(text != NULL);
    for (size_t before = sizeof l.text - 100; before < sizeof l.text + 100; before++) {
        memset(text, 'x', before);
        memcpy(text + before, mark, sizeof mark - 1);
        memset(&l, 0, sizeof l);
        case_log_feed(&l, text, before + sizeof mark - 1);
        CHECK(l.marks == CASE_MARK_REVIEWER);
    }
    memset(text, 0, room); /* NUL bytes are bytes */
    memcpy(text + 500, mark, sizeof mark - 1);
    memset(&l, 0, sizeof l);
    case_log_feed(&l, text, 1000);
    CHECK(l.marks == CASE_MARK_REVIEWER);
    free(text);
}

static void bound(void) {
    static char piece[1 << 20];
    memset(piece, 'x', sizeof piece);
    memset(&l, 0, sizeof l);
    for (unsigned i = 0; i < CASE_LOG_MAX / sizeof piece; i++) case_log_feed(&l, piece, sizeof piece);
    CHECK(l.marks == 0);
    case_log_feed(&l, "x", 1);
    CHECK(l.marks == CASE_MARK_UNREAD);
    case_log_feed(&l, "Pipeline failed at reviewer phase", 33);
    CHECK(l.marks == CASE_MARK_UNREAD); /* and nothing is made up of what was not looked at */
    memset(&l, 0, sizeof l);            /* the last bytes that are looked at */
    for (unsigned i = 0; i + 1 < CASE_LOG_MAX / sizeof piece; i++) case_log_feed(&l, piece, sizeof piece);
    memcpy(piece + sizeof piece - 33, "Pipeline failed at reviewer phase", 33);
    case_log_feed(&l, piece, sizeof piece);
    CHECK(l.marks == CASE_MARK_REVIEWER);
}

static void files(void) {
    struct fixture f;
    char path[200];
    fixture_home(&f);
    CHECK(case_log_read("/there/is/nothing") == CASE_MARK_UNREAD);
    CHECK(case_log_read(f.dir) == 0); /* it said nothing */
    snprintf(path, sizeof path,
             "cd %s && mkdir backend && echo 'Pipeline failed at reviewer phase' >backend/stderr.log", f.dir);
    CHECK(fixture_sh(path) == 0 && case_log_read(f.dir) == CASE_MARK_REVIEWER);
    snprintf(path, sizeof path, "cd %s && echo agent-protocol-error >backend/stdout.log", f.dir);
    CHECK(fixture_sh(path) == 0 && case_log_read(f.dir) == (CASE_MARK_REVIEWER | CASE_MARK_PROTOCOL));
    snprintf(path, sizeof path, "cd %s && rm backend/stderr.log && head -c 17000000 /dev/zero >backend/stdout.log",
             f.dir);
    CHECK(fixture_sh(path) == 0 && case_log_read(f.dir) == CASE_MARK_UNREAD);
    snprintf(path, sizeof path, "cd %s && rm backend/stdout.log && ln -s /etc/passwd backend/stdout.log", f.dir);
    CHECK(fixture_sh(path) == 0 && case_log_read(f.dir) == CASE_MARK_UNREAD);
    fixture_free(&f);
}

int main(void) {
    marks();
    borders();
    deep();
    bound();
    files();
    return check_done();
}
