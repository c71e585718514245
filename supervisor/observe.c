/* observe.c - see observe.h. */
#include "supervisor/observe.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "common/text.h"
#include "supervisor/ask.h"
#include "supervisor/binaries.h"

static const struct {
    const char *format, *log;
} formats[] = {
    {"codex-jsonl", "backend/stdout.log"}, {"pi-jsonl", "backend/stdout.log"}, {"case", "backend/stderr.log"}};
#define N_FORMATS (sizeof formats / sizeof formats[0])

const char *observe_format(const char *output) {
    for (size_t i = 0; output && i < N_FORMATS; i++)
        if (strcmp(formats[i].format, output) == 0) return formats[i].format;
    return NULL;
}

void observed_free(struct observed *o) {
    if (!o) return;
    free(o->list);
    free(o);
}

/* --- the answer ------------------------------------------------------------------------------------------------------------ */

/* May it be shown as it is? Only such texts are what the helper promises. */
static bool is_clean(const char *text) {
    for (size_t n = strlen(text); n > 0;) {
        const size_t glyph = text_glyph(text, n);
        if (glyph == 0) return false;
        text += glyph;
        n -= glyph;
    }
    return true;
}

static int refuse(struct err *e) { return err_set(e, ERR_PROTO, "cto-harness-observe: no answer that can be read"); }

static int take_one(struct rd *rd, unsigned kind, struct observed *ret, struct err *e) {
    struct observation v = {.kind = (enum observe_kind)kind};
    rd_str(rd, v.name, sizeof v.name);
    rd_str(rd, v.text, sizeof v.text);
    const unsigned ok = rd_u8(rd);
    v.a = rd_u64(rd);
    v.b = rd_u64(rd);
    if (rd->bad || kind < OBSERVE_MESSAGE || kind > OBSERVE_TURN || ok > OBSERVE_FAILED || ret->n == OBSERVE_MAX ||
        !is_clean(v.name) || !is_clean(v.text) || v.a > INT64_MAX / 1024 || v.b > INT64_MAX / 1024)
        return refuse(e);
    v.ok = (enum observe_ok)ok;
    if (!ret->list) ret->list = calloc(OBSERVE_MAX, sizeof *ret->list); /* touched only as far as it is used */
    BUG_UNLESS(ret->list != NULL);
    ret->list[ret->n++] = v;
    return 0;
}

static int take_end(struct rd *rd, struct observed *ret, struct err *e) {
    rd_str(rd, ret->ended, sizeof ret->ended);
    rd_str(rd, ret->error, sizeof ret->error);
    ret->messages = rd_u32(rd);
    ret->tools = rd_u32(rd);
    ret->errors = rd_u32(rd);
    ret->usage_seen = rd_u8(rd) != 0;
    ret->tokens_in = rd_u64(rd);
    ret->tokens_out = rd_u64(rd);
    ret->lines = rd_u64(rd);
    ret->bad_lines = rd_u64(rd);
    ret->long_lines = rd_u64(rd);
    const bool left_out = rd_u8(rd) != 0;
    const uint64_t most = JSON_EXACT_MAX;
    if (!rd_done(rd) || !is_clean(ret->ended) || !is_clean(ret->error) || ret->tokens_in > most ||
        ret->tokens_out > most || ret->lines > most || ret->bad_lines > ret->lines || ret->long_lines > ret->lines)
        return refuse(e);
    ret->truncated = left_out || ret->long_lines > 0;
    ret->complete = !ret->truncated;
    return 0;
}

int observe_take(const void *p, size_t n, struct observed *ret, struct err *e) {
    if (n > OBSERVE_BYTES_MAX) return refuse(e);
    struct rd rd = rd_over(p, n);
    for (;;) {
        const unsigned kind = rd_u8(&rd);
        if (rd.bad) return refuse(e);
        if (kind == OBSERVE_END) return take_end(&rd, ret, e);
        if (take_one(&rd, kind, ret, e) < 0) return -1;
    }
}

static void start_over(struct observed *o, const char *format) {
    free(o->list);
    *o = (struct observed){.n = 0};
    snprintf(o->format, sizeof o->format, "%s", format);
}

static int look(const char *libexec, const char *run_dir, const char *format, struct observed *o, struct err *e) {
    char program[4096], parent[24];
    size_t i = 0;
    while (i < N_FORMATS && strcmp(formats[i].format, format) != 0) i++;
    if (i == N_FORMATS) return err_set(e, ERR_INTERNAL, "nobody reads the format %.20s", format);
    if (snprintf(program, sizeof program, "%s/cto-harness-observe", libexec) >= (int)sizeof program)
        return err_set(e, ERR_LIMIT, "path too long");
    if (binaries_check_file(program, e) < 0) return -1;
    AUTO_FD int dir = open(run_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    AUTO_FD int log = dir < 0 ? -1 : io_open_beneath_quiet(dir, formats[i].log, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0);
    if (log < 0) log = open("/dev/null", O_RDONLY | O_CLOEXEC); /* it said nothing there */
    if (log < 0) return err_sys(e, "open %s", formats[i].log);
    AUTO_BUF struct buf out = BUF_INIT(OBSERVE_BYTES_MAX);
    snprintf(parent, sizeof parent, "%d", (int)getpid());
    const char *const argv[] = {program, format, "--parent", parent, NULL};
    const int code = ask(argv, log, &out, OBSERVE_DEADLINE_MS, e);
    if (code != 0) return code < 0 ? -1 : err_set(e, ERR_LIMIT, "cto-harness-observe: ended with status %d", code);
    return observe_take(out.p, out.len, o, e);
}

/* In a thread of the pool: a child of that thread is none of those that orphans.h looks at, which are the main thread's. */
struct observed *observe_log(const char *libexec, const char *run_dir, const char *format) {
    struct err e = ERR_INIT;
    struct observed *o = calloc(1, sizeof *o);
    BUG_UNLESS(o != NULL);
    start_over(o, format);
    if (look(libexec, run_dir, format, o, &e) == 0) return o;
    start_over(o, format); /* half an answer is none */
    snprintf(o->problem, sizeof o->problem, "%.190s", e.text);
    return o;
}

/* --- what is told of it ---------------------------------------------------------------------------------------------------- */

static void put_ok(cJSON *o, enum observe_ok ok) {
    json_put(o, "ok", ok == OBSERVE_UNKNOWN ? cJSON_CreateNull() : cJSON_CreateBool(ok == OBSERVE_GOOD));
}

const char *observation_event(const struct observation *v, cJSON **ret_data) {
    cJSON *o = *ret_data = json_new_object();
    switch (v->kind) {
    case OBSERVE_MESSAGE:
        json_put_str(o, "of", v->name);
        json_put_str(o, "text", v->text);
        return "backend.message";
    case OBSERVE_TOOL:
        json_put_str(o, "tool", v->name);
        json_put_str(o, "text", v->text);
        put_ok(o, v->ok);
        json_put(o, "duration_ms", v->a ? cJSON_CreateNumber((double)v->a) : cJSON_CreateNull());
        return "backend.tool";
    case OBSERVE_USAGE:
        json_put_int(o, "input_tokens", (int64_t)v->a);
        json_put_int(o, "output_tokens", (int64_t)v->b);
        return "backend.usage";
    case OBSERVE_ERROR:
        json_put_str(o, "of", v->name);
        json_put_str(o, "text", v->text);
        return "backend.error";
    case OBSERVE_TURN:
    case OBSERVE_END: break;
    }
    json_put_str(o, "what", v->name);
    json_put_str(o, "text", v->text);
    put_ok(o, v->ok);
    return "backend.turn";
}

static void put_text(cJSON *o, const char *key, const char *text) { json_put_str(o, key, text[0] ? text : NULL); }

cJSON *observed_json(const struct observed *v) {
    if (!v) return cJSON_CreateNull();
    cJSON *o = json_new_object();
    json_put_str(o, "format", v->format);
    put_text(o, "ended", v->ended);
    put_text(o, "error", v->error);
    json_put_int(o, "messages", v->messages);
    json_put_int(o, "tools", v->tools);
    json_put_int(o, "errors", v->errors);
    cJSON *usage = v->usage_seen ? json_new_object() : cJSON_CreateNull();
    if (v->usage_seen) {
        json_put_int(usage, "input_tokens", (int64_t)v->tokens_in);
        json_put_int(usage, "output_tokens", (int64_t)v->tokens_out);
    }
    json_put(o, "usage", usage);
    json_put_int(o, "lines", (int64_t)v->lines);
    json_put_int(o, "bad_lines", (int64_t)v->bad_lines);
    json_put_int(o, "long_lines", (int64_t)v->long_lines);
    json_put_bool(o, "truncated", v->truncated);
    json_put_bool(o, "complete", v->complete);
    put_text(o, "problem", v->problem);
    return o;
}

static const cJSON *get(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }

static uint64_t number(const cJSON *o, const char *key) { return json_exact_count(get(o, key)); }

static void copy(const cJSON *o, const char *key, char *out, size_t size) {
    const char *text = cJSON_GetStringValue(get(o, key));
    snprintf(out, size, "%s", text ? text : "");
}

struct observed *observed_from_json(const cJSON *o) {
    if (!cJSON_IsObject(o)) return NULL;
    struct observed *v = calloc(1, sizeof *v);
    BUG_UNLESS(v != NULL);
    copy(o, "format", v->format, sizeof v->format);
    copy(o, "ended", v->ended, sizeof v->ended);
    copy(o, "error", v->error, sizeof v->error);
    copy(o, "problem", v->problem, sizeof v->problem);
    v->messages = (uint32_t)number(o, "messages");
    v->tools = (uint32_t)number(o, "tools");
    v->errors = (uint32_t)number(o, "errors");
    v->usage_seen = cJSON_IsObject(get(o, "usage"));
    v->tokens_in = number(get(o, "usage"), "input_tokens");
    v->tokens_out = number(get(o, "usage"), "output_tokens");
    v->lines = number(o, "lines");
    v->bad_lines = number(o, "bad_lines");
    v->long_lines = number(o, "long_lines");
    v->truncated = cJSON_IsTrue(get(o, "truncated"));
    v->complete = cJSON_IsTrue(get(o, "complete"));
    return v;
}
