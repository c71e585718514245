/* answer.c - the lines of Server-Sent Events around the scanner of JSON. */
#include "worker/gateway/answer.h"

#include <string.h>

#include "worker/gateway/spell.h"

#define PATH(...) (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)

static uint64_t number(const struct jscan_value *v) {
    uint64_t n = 0;
    if (v->cut || v->len == 0 || v->len > 15) return 0;
    for (size_t i = 0; i < v->len; i++) {
        if (v->text[i] < '0' || v->text[i] > '9') return 0;
        n = n * 10 + (uint64_t)(v->text[i] - '0');
    }
    return n;
}

static void take_model(struct answer *a, const struct jscan_value *v) {
    const bool same = v->kind == JSCAN_STRING && !v->cut && strcmp(v->text, a->admitted) == 0;
    if (v->kind == JSCAN_NULL || a->wrong) return; /* null names nothing */
    a->named = true;
    size_t n = v->kind == JSCAN_STRING ? v->len : 0;
    if (n > GW_MODEL_MAX) n = GW_MODEL_MAX;
    memcpy(a->model, v->text, n);
    a->model[n] = 0;
    a->wrong = !same;
}

static void take_usage(struct answer *a, const struct jscan *s, const struct jscan_value *v) {
    const char *key = s->key[s->depth];
    if (v->kind != JSCAN_NUMBER) return;
    /* Some servers repeat the usage in each event, growing: the last one counts, and never a smaller one. */
    if (strcmp(key, "prompt_tokens") == 0 || strcmp(key, "input_tokens") == 0) {
        if (number(v) > a->tokens_in) a->tokens_in = number(v);
    } else if (strcmp(key, "completion_tokens") == 0 || strcmp(key, "output_tokens") == 0) {
        if (number(v) > a->tokens_out) a->tokens_out = number(v);
    }
}

static void take_end(struct answer *a, const struct jscan *s, const struct jscan_value *v) {
    static const char *const ends[] = {"response.completed", "response.incomplete", "response.failed", "error"};
    if (v->kind != JSCAN_STRING) return;
    if (jscan_is(s, PATH("choices", "[]", "finish_reason"))) a->finished = true;
    if (!jscan_is(s, PATH("type"))) return;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (strcmp(v->text, ends[i]) == 0) a->finished = true;
    if (strcmp(v->text, "error") == 0) a->failed = true;
}

static void on_value(void *ctx, const struct jscan *s, const struct jscan_value *v) {
    struct answer *a = ctx;
    if (s->depth == 0) {
        a->is_object = v->kind == JSCAN_OBJECT;
        return;
    }
    if (s->depth > 3) return;
    if (jscan_is(s, PATH("model")) || jscan_is(s, PATH("response", "model"))) take_model(a, v);
    if ((s->depth == 2 && strcmp(s->key[1], "usage") == 0) ||
        (s->depth == 3 && strcmp(s->key[1], "response") == 0 && strcmp(s->key[2], "usage") == 0))
        take_usage(a, s, v);
    if (a->stream) take_end(a, s, v);
    /* {"error": {...}} in place of an event is how servers end a stream that failed, and in place of an answer how some of them fail. */
    if (v->kind == JSCAN_OBJECT && jscan_is(s, PATH("error"))) a->finished = a->failed = true;
}

void answer_init(struct answer *a, enum gw_api api, bool stream, const char *admitted) {
    memset(a, 0, sizeof *a);
    a->api = api;
    a->stream = stream;
    a->admitted = admitted;
    jscan_init(&a->scan, on_value, a);
}

static void on_part(void *ctx, const struct jscan *s, const void *p, size_t n) {
    struct answer *a = ctx;
    spell_put(a->spell, s->depth, s->depth <= JSCAN_KEYS ? s->key[s->depth] : "", p, n);
}

void answer_watch(struct answer *a, struct spell *s) {
    a->spell = s;
    a->scan.part = s ? on_part : NULL;
}

/* --- Server-Sent Events ------------------------------------------------------------------------------------------- */
static void begin_event(struct answer *a) {
    jscan_init(&a->scan, on_value, a);
    answer_watch(a, a->spell);
    a->is_object = a->has_data = a->not_done = false;
    a->done_len = 0;
}

static void end_event(struct answer *a) {
    if (a->has_data) {
        a->events++;
        if (!a->not_done && a->done_len == 6)
            a->done = a->finished = true;
        else if (!jscan_end(&a->scan) || !a->is_object)
            a->bad = true;
    }
    if (a->has_data && a->spell) spell_event(a->spell);
    begin_event(a);
}

/* "[DONE]" is no JSON: it is compared on the way, and what begins like it is fed to the scanner when it turns out not to be. */
static void feed_data(struct answer *a, const uint8_t *p, size_t n) {
    static const char done[] = "[DONE]";
    while (n > 0 && !a->not_done) {
        if (a->done_len < 6 && (uint8_t)done[a->done_len] == *p) {
            a->done_len++;
            p++;
            n--;
        } else if ((a->done_len == 0 || a->done_len == 6) && (*p == ' ' || *p == '\t')) {
            p++;
            n--;
        } else {
            a->not_done = true;
            if (jscan_feed(&a->scan, done, a->done_len) < 0) a->bad = true;
        }
    }
    if (n > 0 && jscan_feed(&a->scan, p, n) < 0) a->bad = true;
}

static void end_line(struct answer *a) {
    a->past_first = true;
    if (a->in_data)
        a->in_data = false;
    else if (a->line_len == 0)
        end_event(a);
    else if (a->line_len == 4 && memcmp(a->line, "data", 4) == 0)
        a->has_data = true; /* without a colon: an empty line of data */
    a->line_len = 0;
}

/* Within a line that is not yet known to be data. */
static void name_byte(struct answer *a, uint8_t c) {
    if (a->line_len < sizeof a->line) a->line[a->line_len++] = c;
    if (!a->past_first && a->line_len == 3 && memcmp(a->line, "\xef\xbb\xbf", 3) == 0) {
        a->past_first =
            true; /* a byte order mark is no part of the line, to whoever reads events as they are specified */
        a->line_len = 0;
        return;
    }
    if (a->line_len != 5 || memcmp(a->line, "data:", 5) != 0) return;
    if (a->has_data) feed_data(a, (const uint8_t *)"\n", 1);
    a->in_data = a->has_data = true;
}

static void feed_events(struct answer *a, const uint8_t *p, size_t n) {
    while (n > 0 && !a->bad && !a->wrong) {
        const uint8_t c = *p;
        if (c == '\n' && a->after_cr) {
            a->after_cr = false;
            p++;
            n--;
            continue;
        }
        a->after_cr = c == '\r';
        if (c == '\n' || c == '\r') {
            end_line(a);
            p++;
            n--;
            continue;
        }
        if (!a->in_data) {
            name_byte(a, c);
            p++;
            n--;
            continue;
        }
        const uint8_t *nl = memchr(p, '\n', n);
        size_t run = nl ? (size_t)(nl - p) : n;
        const uint8_t *cr = memchr(p, '\r', run);
        if (cr) run = (size_t)(cr - p);
        feed_data(a, p, run);
        p += run;
        n -= run;
    }
}

/* --- both --------------------------------------------------------------------------------------------------------- */
static enum answer_verdict verdict(const struct answer *a) {
    if (a->wrong) return ANSWER_WRONG_MODEL;
    return a->bad ? ANSWER_GARBAGE : ANSWER_FINE;
}

static bool is_of_a_model(const struct answer *a) { return a->named || a->failed; }

bool answer_is_whole(const struct answer *a) {
    return a->stream && a->finished && !a->has_data && is_of_a_model(a) && verdict(a) == ANSWER_FINE;
}

static enum answer_verdict named_verdict(const struct answer *a) {
    const enum answer_verdict v = verdict(a);
    return v == ANSWER_FINE && !is_of_a_model(a) ? ANSWER_NO_MODEL : v;
}

enum answer_verdict answer_feed(struct answer *a, const void *p, size_t n) {
    if (a->stream)
        feed_events(a, p, n);
    else if (!a->bad && jscan_feed(&a->scan, p, n) < 0)
        a->bad = true;
    return verdict(a);
}

enum answer_verdict answer_end(struct answer *a) {
    if (!a->stream) {
        if (!jscan_end(&a->scan) || !a->is_object) a->bad = true;
        return named_verdict(a);
    }
    if (verdict(a) != ANSWER_FINE) return verdict(a);
    /* The empty line behind the last event is missing. */
    if (a->has_data && a->done_len == 6 && !a->not_done) a->finished = true;
    if (a->events == 0 && !a->has_data) return ANSWER_GARBAGE;
    return a->finished ? named_verdict(a) : ANSWER_BROKEN;
}
