/* test_ob_observe.c - a backend's output read into observations: what the real codex and pi printed, mode by mode; Case's lines; and
 * whatever else a hostile log may be, cut anywhere, with the bounds held. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "common/io.h"
#include "common/text.h"
#include "worker/observe/observe.h"

static struct observer o;

/* What its records say, counted by reading them: the same as what the end says. */
static struct {
    int kinds[8], good, failed;
    char first_tool[OBSERVE_TEXT_MAX + 1], last_text[OBSERVE_TEXT_MAX + 1], last_error[OBSERVE_TEXT_MAX + 1];
    char ended[OBSERVE_NAME_MAX + 1], error[OBSERVE_TEXT_MAX + 1];
    uint64_t in, out;
} seen;

static void is_shown(const char *text) {
    for (size_t n = strlen(text); n > 0;) {
        const size_t glyph = text_glyph(text, n);
        if (!CHECK(glyph > 0)) return;
        text += glyph, n -= glyph;
    }
}

static void read_back(void) {
    struct rd rd = rd_over(o.out.p, o.out.len);
    char name[OBSERVE_NAME_MAX + 1], text[OBSERVE_TEXT_MAX + 1];
    int n = 0;
    memset(&seen, 0, sizeof seen);
    NEED(o.out.len <= OBSERVE_BYTES_MAX);
    for (;; n++) {
        const unsigned kind = rd_u8(&rd);
        NEED(!rd.bad && (kind == OBSERVE_END || (kind >= OBSERVE_MESSAGE && kind <= OBSERVE_TURN)));
        if (kind == OBSERVE_END) break;
        rd_str(&rd, name, sizeof name);
        rd_str(&rd, text, sizeof text);
        NEED(!rd.bad);
        is_shown(name), is_shown(text);
        const unsigned ok = rd_u8(&rd);
        CHECK(ok <= OBSERVE_FAILED);
        rd_u64(&rd), rd_u64(&rd);
        seen.kinds[kind]++;
        if (kind == OBSERVE_TOOL) {
            seen.good += ok == OBSERVE_GOOD, seen.failed += ok == OBSERVE_FAILED;
            if (!seen.first_tool[0]) memcpy(seen.first_tool, text, sizeof text);
        }
        if (kind == OBSERVE_MESSAGE) memcpy(seen.last_text, text, sizeof text);
        if (kind == OBSERVE_ERROR) memcpy(seen.last_error, text, sizeof text);
    }
    NEED(n <= OBSERVE_MAX);
    rd_str(&rd, seen.ended, sizeof seen.ended);
    rd_str(&rd, seen.error, sizeof seen.error);
    is_shown(seen.ended), is_shown(seen.error);
    CHECK(rd_u32(&rd) == o.messages && rd_u32(&rd) == o.tools && rd_u32(&rd) == o.errors);
    CHECK(rd_u8(&rd) == o.usage_seen);
    seen.in = rd_u64(&rd), seen.out = rd_u64(&rd);
    CHECK(rd_u64(&rd) == o.lines && rd_u64(&rd) == o.bad_lines && rd_u64(&rd) == o.long_lines);
    CHECK(rd_u8(&rd) == o.left_out && rd_done(&rd));
}

static void feed(const char *format, const void *p, size_t n, size_t step) {
    observer_release(&o);
    observer_init(&o, observe_format_find(format));
    for (size_t at = 0; at < n; at += step) observer_feed(&o, (const char *)p + at, n - at < step ? n - at : step);
    observer_end(&o);
    observer_end(&o); /* once is all */
    read_back();
}

static void text(const char *format, const char *p) { feed(format, p, strlen(p), 7); }

/* --- what they really print ------------------------------------------------------------------------------------------------ */

static const struct {
    const char *name, *ended;
    uint32_t messages, tools;
    int failed; /* tools that did */
    bool usage, errors;
} samples[] = {{"codex-fix", "turn.completed", 2, 3, 0, true, false},
               {"codex-catalog", "turn.completed", 2, 3, 0, true, false},
               {"codex-tool-fails", "turn.completed", 2, 3, 2, true, false},
               {"codex-no-diff", "turn.completed", 2, 1, 0, true, false},
               {"codex-linger", "none", 1, 4, 0, false, false},
               {"pi-retry", "stop", 5, 3, 0, true, true},
               {"pi-tool-fails", "stop", 4, 3, 2, true, false},
               {"pi-linger", "toolUse", 4, 4, 0, true, false},
               {"codex-401", "turn.failed", 0, 0, 0, false, true},
               {"codex-429", "turn.failed", 0, 0, 0, false, true},
               {"codex-500", "turn.failed", 0, 0, 0, false, true},
               {"codex-drop", "turn.failed", 0, 0, 0, false, true},
               {"codex-garbage", "turn.failed", 0, 0, 0, false, true},
               {"codex-empty", "turn.completed", 0, 0, 0, true, false},
               {"codex-hang", "none", 0, 0, 0, false, false},
               {"codex-hang-stream", "none", 0, 0, 0, false, false},
               {"codex-reasoning-only", "turn.completed", 0, 0, 0, true, false},
               {"pi-fix", "stop", 4, 3, 0, true, false},
               {"pi-401", "error", 1, 0, 0, true, true},
               {"pi-429", "error", 1, 0, 0, true, true},
               {"pi-500", "error", 1, 0, 0, true, true},
               {"pi-drop", "error", 1, 0, 0, true, true},
               {"pi-garbage", "error", 1, 0, 0, true, true},
               {"pi-hang", "none", 0, 0, 0, false, false},
               {"pi-hang-stream", "none", 0, 0, 0, false, false},
               {"pi-reasoning-only", "stop", 1, 0, 0, true, false}};

static void real_ones(void) {
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        AUTO_BUF struct buf log = BUF_INIT(1u << 20);
        char path[128];
        snprintf(path, sizeof path, "tests/e2e/agents/samples/%s.jsonl", samples[i].name);
        NEED(io_read_file_at(AT_FDCWD, path, 1u << 20, &log, NULL) == 0);
        const char *format = strncmp(samples[i].name, "pi", 2) == 0 ? "pi-jsonl" : "codex-jsonl";
        for (size_t step = 1; step <= 4096; step *= 64) {
            feed(format, log.p, log.len, step);
            if (!CHECK(strcmp(seen.ended, samples[i].ended) == 0 && o.messages == samples[i].messages &&
                       o.tools == samples[i].tools && seen.failed == samples[i].failed &&
                       o.usage_seen == samples[i].usage && (o.errors > 0) == samples[i].errors && o.bad_lines == 0 &&
                       seen.kinds[OBSERVE_TOOL] == (int)o.tools && !o.left_out))
                fprintf(stderr, "    %s: %s, %u messages, %u tools, %d failed, usage %d, %u errors\n", samples[i].name,
                        seen.ended, o.messages, o.tools, seen.failed, o.usage_seen, o.errors);
            CHECK((strcmp(seen.ended, "turn.failed") == 0 || strcmp(seen.ended, "error") == 0) ==
                  (seen.error[0] != '\0'));
        }
    }
}

static void codex(void) {
    AUTO_BUF struct buf log = BUF_INIT(1u << 20);
    NEED(io_read_file_at(AT_FDCWD, "tests/e2e/agents/samples/codex-fix.jsonl", 1u << 20, &log, NULL) == 0);
    feed("codex-jsonl", log.p, log.len, 100);
    const char *in = strstr(buf_str(&log), "\"input_tokens\":"), *out = strstr(buf_str(&log), "\"output_tokens\":");
    NEED(in && out);
    CHECK(seen.in > 0 && seen.in == strtoull(in + 15, NULL, 10) && seen.out == strtoull(out + 16, NULL, 10));
    CHECK(strstr(seen.first_tool, "cat -- strings.py") && seen.good == 3);
    CHECK(strstr(seen.last_text, "Done") && strstr(seen.last_error, "metadata")); /* a note is no error */
    text("codex-jsonl",
         "{\"type\":\"item.started\",\"item\":{\"id\":\"a\",\"type\":\"command_execution\",\"command\":\"sleep 9\"}}\n"
         "{\"type\":\"item.completed\",\"item\":{\"id\":\"b\",\"type\":\"file_change\",\"status\":\"completed\","
         "\"changes\":"
         "[{\"path\":\"x.py\",\"kind\":\"update\"},{\"path\":\"y\",\"kind\":\"add\"}]}}\n"
         "{\"type\":\"item.completed\",\"item\":{\"id\":\"c\",\"type\":\"command_execution\",\"command\":\"false\","
         "\"exit_code\":1}}");
    CHECK(o.tools == 3 && seen.good == 1 && seen.failed == 1 && strcmp(seen.first_tool, "update x.py, add y") == 0);
    CHECK(strcmp(seen.ended, "none") == 0);
    text("codex-jsonl", "{\"type\":\"turn.completed\",\"usage\":{\"input_tokens\":-5,\"output_tokens\":1e300}}\n{"
                        "\"type\":\"turn.failed\"}\n"
                        "{\"type\":\"backend.gate.blocked\"}\n{\"type\":7}\n{\"item\":[]}\n{\"type\":\"item."
                        "completed\",\"item\":\"x\"}\n");
    CHECK(o.usage_seen && seen.in == 0 && seen.out == 0 && strcmp(seen.ended, "turn.failed") == 0 && o.bad_lines == 0);
}

/* Before 1.x each update held the whole message so far. */
static void pi(void) {
    text("pi-jsonl", "{\"type\":\"message_update\",\"message\":{\"role\":\"assistant\",\"content\":[{\"type\":\"text\","
                     "\"text\":\"I\"}]}}\n"
                     "{\"type\":\"message_update\",\"message\":{\"role\":\"assistant\",\"content\":[{\"type\":\"text\","
                     "\"text\":\"I am\"}]}}\n"
                     "{\"type\":\"message_end\",\"message\":{\"role\":\"assistant\",\"content\":[{\"type\":\"text\","
                     "\"text\":\"I am done\"}],"
                     "\"stopReason\":\"stop\",\"usage\":{\"input\":3,\"output\":4}}}\n"
                     "{\"type\":\"turn_end\",\"message\":{\"role\":\"assistant\",\"content\":[{\"type\":\"text\","
                     "\"text\":\"I am done\"}],"
                     "\"usage\":{\"input\":3,\"output\":4}}}\n"
                     "{\"type\":\"agent_end\",\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"text\","
                     "\"text\":\"I am done\"}]}]}\n");
    CHECK(o.messages == 1 && seen.kinds[OBSERVE_MESSAGE] == 1 && seen.in == 3 && seen.out == 4);
    CHECK(strcmp(seen.ended, "stop") == 0 && strcmp(seen.last_text, "I am done") == 0);
    text(
        "pi-jsonl",
        "{\"type\":\"message_end\",\"message\":{\"role\":\"user\",\"content\":\"x\",\"stopReason\":\"stop\"}}\n"
        "{\"type\":\"tool_execution_start\",\"toolCallId\":\"1\",\"toolName\":\"bash\",\"args\":{\"command\":\"ls\"}}\n"
        "{\"type\":\"tool_execution_update\",\"toolCallId\":\"1\"}\n"
        "{\"type\":\"tool_execution_end\",\"toolCallId\":\"1\",\"toolName\":\"bash\",\"isError\":true,\"durationMs\":"
        "12}\n"
        "{\"type\":\"auto_retry_start\",\"errorMessage\":\"again\"}\n");
    CHECK(o.messages == 0 && o.tools == 1 && seen.failed == 1 && strcmp(seen.first_tool, "ls") == 0 && o.errors == 1);
    CHECK(strcmp(seen.ended, "none") == 0);
}

static void wos_case(void) {
    text("case",
         "starting\n{\"level\":\"info\",\"msg\":\"phase started\",\"phase\":\"scout\"}\n"
         "{\"level\":\"error\",\"msg\":\"agent failed\",\"error\":\"AGENT_RESULT start delimiter not found\"}\n"
         "{\"msg\":\"pipeline finished\",\"outcome\":\"failed\",\"failedAgent\":\"implementer\",\"eventLog\":\"x\"}\n");
    CHECK(strcmp(seen.ended, "failed") == 0 && strcmp(seen.error, "implementer") == 0 && o.errors == 1 &&
          o.bad_lines == 1);
    text("case", "{\"msg\":\"pipeline finished\",\"outcome\":\"completed\",\"failedAgent\":null}");
    CHECK(strcmp(seen.ended, "completed") == 0 && !seen.error[0]);
}

/* --- what else may come ------------------------------------------------------------------------------------------------------ */

#define MESSAGE(t) "{\"type\":\"item.completed\",\"item\":{\"type\":\"agent_message\",\"text\":\"" t "\"}}\n"

static void texts(void) {
    text("codex-jsonl", MESSAGE("\\u001b[31mred\\u001b[0m \\u001b]0;title\\u0007and\\n\\n\\tplain\\u0000hidden"));
    CHECK(strcmp(seen.last_text, "red and plain") == 0);
    text("codex-jsonl", MESSAGE("a\\u202eb\\u200bc\\u0085d\\ud800e"));
    CHECK(strchr(seen.last_text, '\033') == NULL); /* or no JSON at all: a lone surrogate */
    text("codex-jsonl", MESSAGE("bad \xff\xfe utf \xc3"));
    CHECK(strcmp(seen.last_text, "bad ?? utf ?") == 0);
    static char big[3000];
    memset(big, 'x', sizeof big - 1);
    memcpy(big, "{\"type\":\"item.completed\",\"item\":{\"type\":\"agent_message\",\"text\":\"", 65);
    for (size_t i = 65; i + 40 < sizeof big; i += 2) memcpy(big + i, "\xc3\xa9", 2);
    memcpy(big + sizeof big - 5, "\"}}\n", 5);
    for (size_t i = 0; i < sizeof big; i++)
        if (big[i] == '\0') big[i] = i + 1 < sizeof big ? 'x' : '\0';
    text("codex-jsonl", big);
    CHECK(strlen(seen.last_text) <= OBSERVE_TEXT_MAX && strlen(seen.last_text) >= OBSERVE_TEXT_MAX - 1);
}

static void lines(void) {
    const char nul[] = MESSAGE("a") "{\"type\":\"turn.completed\"\0}\n" MESSAGE("b");
    feed("codex-jsonl", nul, sizeof nul - 1, 3);
    CHECK(o.lines == 3 && o.bad_lines == 1 && o.messages == 2);
    text("codex-jsonl", "\n\n  \r\n[1,2]\n\"x\"\n{\"a\":\n{}\r\n{} x");
    CHECK(o.lines == 8 && o.bad_lines == 3 + (o.bad_lines == 4));
    const size_t n = 3u << 20;
    char *huge = malloc(n + 200);
    NEED(huge != NULL);
    memset(huge, 'y', n);
    memcpy(huge, MESSAGE("first"), strlen(MESSAGE("first")));
    huge[n] = '\n';
    memcpy(huge + n + 1, MESSAGE("last"), strlen(MESSAGE("last")));
    feed("codex-jsonl", huge, n + 1 + strlen(MESSAGE("last")), 4096);
    CHECK(o.lines == 3 && o.long_lines == 1 && o.bad_lines == 0 && o.messages == 2 &&
          strcmp(seen.last_text, "last") == 0);
    for (size_t i = 0; i < n; i++) huge[i] = "[{"[i & 1]; /* a bomb of depth, just short enough */
    feed("codex-jsonl", huge, OBSERVE_LINE_MAX, 1u << 16);
    CHECK(o.lines == 1 && o.bad_lines == 1);
    memset(huge, '[', n);
    huge[0] = '{', huge[1] = '"', huge[2] = 'a', huge[3] = '"', huge[4] = ':';
    feed("codex-jsonl", huge, OBSERVE_LINE_MAX, 1u << 16);
    CHECK(o.bad_lines == 1);
    free(huge);
}

static void bounds(void) {
    struct buf many = BUF_INIT(8u << 20);
    for (int i = 0; i < 2000; i++) buf_printf(&many, MESSAGE("%0*d"), 390, i);
    feed("codex-jsonl", many.p, many.len, 1000);
    CHECK(o.messages == 2000 && o.left_out && seen.kinds[OBSERVE_MESSAGE] <= OBSERVE_MAX &&
          seen.kinds[OBSERVE_MESSAGE] > 400);
    buf_reset(&many);
    for (int i = 0; i < 100; i++) /* more that began than are kept */
        buf_printf(&many,
                   "{\"type\":\"item.started\",\"item\":{\"id\":\"%d\",\"type\":\"web_search\",\"query\":\"q%d\"}}\n",
                   i, i);
    feed("codex-jsonl", many.p, many.len, 1000);
    CHECK(o.tools == 100 && seen.kinds[OBSERVE_TOOL] == 100 && seen.good == 0 && strcmp(seen.first_tool, "q0") == 0);
    buf_release(&many);
}

int main(void) {
    CHECK(observe_format_find("text") == NULL && observe_format_find("") == NULL);
    real_ones();
    codex();
    pi();
    wos_case();
    texts();
    lines();
    bounds();
    observer_release(&o);
    return check_done();
}
