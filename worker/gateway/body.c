/* body.c - see body.h. The text is never printed anew from a tree: numbers would change. */
#include "worker/gateway/body.h"

#include <string.h>

const char *body_verdict_text(enum body_verdict v) {
    switch (v) {
    case BODY_MALFORMED: return "the body is not one JSON object";
    case BODY_NO_MODEL: return "the body names no model";
    case BODY_TWO_MODELS: return "the body has more than one \"model\"";
    case BODY_OTHER_MODEL: return "this run may not use that model";
    case BODY_AMBIGUOUS:
        return "\"stream\" or \"stream_options\" is there twice, or of another type, or a key is no text";
    default: return "fine";
    }
}

static void take_model(struct body *b, const struct jscan_value *v) {
    b->models++;
    b->model_is_string = v->kind == JSCAN_STRING;
    if (!b->model_is_string) return;
    const size_t n = v->len < GW_MODEL_MAX ? v->len : GW_MODEL_MAX;
    memcpy(b->model, v->text, n);
    b->model[n] = 0;
    if (v->cut || strcmp(v->text, b->admitted) != 0) b->model_is_other = true;
}

static void take_stream(struct body *b, const struct jscan_value *v) {
    b->streams++;
    b->stream = v->kind == JSCAN_TRUE;
    if (v->kind != JSCAN_TRUE && v->kind != JSCAN_FALSE && v->kind != JSCAN_NULL) b->ambiguous = true;
}

static void take_options(struct body *b, const struct jscan_value *v) {
    b->options++;
    b->options_start = v->start;
    b->options_end = v->end;
    if (v->kind != JSCAN_OBJECT && v->kind != JSCAN_NULL) b->ambiguous = true;
}

/* As the most lenient of servers compares: without case, and by Unicode's folding of it, where a long s is an s. */
static bool is_key(const char *key, const char *name) {
    for (; *name; name++) {
        if (*name == 's' && strncmp(key, "\xc5\xbf", 2) == 0)
            key += 2;
        else if (*name == (*key >= 'A' && *key <= 'Z' ? *key + 32 : *key))
            key++;
        else
            return false;
    }
    return *key == 0;
}

static void on_value(void *ctx, const struct jscan *s, const struct jscan_value *v) {
    struct body *b = ctx;
    if (s->depth == 0) b->is_object = v->kind == JSCAN_OBJECT;
    if (s->depth == 2 && strcmp(s->key[1], "stream_options") == 0 && is_key(s->key[2], "include_usage")) {
        b->usages++;
        b->include_usage = b->usages == 1 && v->kind == JSCAN_TRUE && strcmp(s->key[2], "include_usage") == 0;
    }
    if (s->depth != 1) return;
    if (strcmp(s->key[1], "model") == 0)
        take_model(b, v);
    else if (is_key(s->key[1], "model"))
        b->odd_models++;
    else if (strcmp(s->key[1], "stream") == 0)
        take_stream(b, v);
    else if (strcmp(s->key[1], "stream_options") == 0)
        take_options(b, v);
    else if (strcmp(s->key[1], JSCAN_KEY_ODD) == 0 || is_key(s->key[1], "stream") ||
             is_key(s->key[1], "stream_options"))
        b->ambiguous = true;
}

void body_init(struct body *b, const char *admitted) {
    memset(b, 0, sizeof *b);
    b->admitted = admitted;
    jscan_init(&b->scan, on_value, b);
}

void body_feed(struct body *b, const void *p, size_t n) { (void)jscan_feed(&b->scan, p, n); }

enum body_verdict body_end(struct body *b) {
    if (!jscan_end(&b->scan) || !b->is_object) return BODY_MALFORMED;
    if (b->models + b->odd_models > 1) return BODY_TWO_MODELS;
    if (b->models == 0 || !b->model_is_string) return BODY_NO_MODEL;
    if (b->model_is_other) return BODY_OTHER_MODEL;
    if (b->ambiguous || b->streams > 1 || b->options > 1) return BODY_AMBIGUOUS;
    return BODY_FINE;
}

void body_ask_for_usage(const struct body *b, struct buf *text) {
    static const char value[] = "{\"include_usage\":true}", member[] = "\"stream_options\":{\"include_usage\":true},";
    const char *what = b->options > 0 ? value : member;
    size_t from = b->options_start, to = b->options_end;
    if (b->options == 0) {
        const uint8_t *brace = memchr(text->p, '{', text->len);
        BUG_UNLESS(brace != NULL);
        from = to = (size_t)(brace - text->p) + 1; /* a member follows: there is a model */
    }
    BUG_UNLESS(from <= to && to <= text->len);
    const size_t n = strlen(what), tail = text->len - to;
    const size_t grow = n > to - from ? n - (to - from) : 0;
    static const char room[sizeof member] = {0};
    text->max += sizeof member; /* what the agent may send was counted before */
    buf_put(text, room, grow);
    if (text->bad) return;
    memmove(text->p + from + n, text->p + to, tail);
    memcpy(text->p + from, what, n);
    text->len = from + n + tail;
    text->p[text->len] = 0;
}
