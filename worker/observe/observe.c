/* observe.c - see observe.h. Lines, cleaning, records; what the lines mean is in codex.c, pi.c and case.c. */
#include "worker/observe/observe.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"

#define END_ROOM 1024 /* the record that ends it always fits */

static const struct observe_format *const formats[] = {&observe_codex, &observe_pi, &observe_case};

const struct observe_format *observe_format_find(const char *name) {
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(formats[i]->name, name) == 0) return formats[i];
    return NULL;
}

void observer_init(struct observer *o, const struct observe_format *f) {
    *o = (struct observer){.format = f, .out = BUF_INIT(OBSERVE_BYTES_MAX), .line = BUF_INIT(OBSERVE_LINE_MAX + 1)};
}

void observer_release(struct observer *o) {
    buf_release(&o->out);
    buf_release(&o->line);
}

/* --- texts ---------------------------------------------------------------------------------------------------------------- */

/* How long the escape sequence at p is, its introducer included: to its final byte, or to the end of the text. */
static size_t escape_length(const char *p) {
    size_t n = 1;
    if (p[1] == '[') {
        for (n = 2; p[n] && !(p[n] >= 0x40 && p[n] <= 0x7e); n++) {
        }
        return p[n] ? n + 1 : n;
    }
    if (p[1] == ']' || p[1] == 'P' || p[1] == '_' || p[1] == '^') {
        for (n = 2; p[n] && p[n] != 0x07 && p[n] != 0x1b; n++) {
        }
        return p[n] == 0x1b && p[n + 1] == '\\' ? n + 2 : p[n] == 0x07 ? n + 1 : n;
    }
    while (p[n] >= 0x20 && p[n] <= 0x2f) n++;
    return p[n] ? n + 1 : n;
}

void observe_clean(const char *text, size_t max, char *out) {
    size_t used = 0;
    for (const char *p = text ? text : ""; *p;) {
        if (*p == 0x1b) {
            p += escape_length(p);
            continue;
        }
        size_t left = 0;
        while (left < 4 && p[left]) left++; /* no character is longer */
        size_t n = text_glyph(p, left);
        const char *put = p;
        if (n == 0) put = strchr("\n\r\t", *p) ? " " : "?";
        if (put != p && *put == ' ' && (used == 0 || out[used - 1] == ' ')) {
            p++;
            continue;
        }
        if (used + (n ? n : 1) > max) break;
        memcpy(out + used, put, n ? n : 1);
        used += n ? n : 1;
        p += n ? n : 1;
    }
    out[used] = '\0';
}

const cJSON *observe_get(const cJSON *o, const char *key) {
    return cJSON_IsObject(o) ? cJSON_GetObjectItemCaseSensitive(o, key) : NULL;
}

const char *observe_text(const cJSON *o, const char *key) { return cJSON_GetStringValue(observe_get(o, key)); }

/* --- records -------------------------------------------------------------------------------------------------------------- */

void observe_put(struct observer *o, enum observe_kind kind, const char *name, const char *text, enum observe_ok ok,
                 uint64_t a, uint64_t b) {
    char clean_name[OBSERVE_NAME_MAX + 1], clean_text[OBSERVE_TEXT_MAX + 1];
    observe_clean(name, OBSERVE_NAME_MAX, clean_name);
    observe_clean(text, OBSERVE_TEXT_MAX, clean_text);
    const size_t size = 1 + 2 + strlen(clean_name) + 2 + strlen(clean_text) + 1 + 8 + 8;
    if (o->n == OBSERVE_MAX || o->out.len + size + END_ROOM > OBSERVE_BYTES_MAX) {
        o->left_out = true;
        return;
    }
    o->n++;
    buf_put_u8(&o->out, (uint8_t)kind);
    buf_put_str(&o->out, clean_name);
    buf_put_str(&o->out, clean_text);
    buf_put_u8(&o->out, (uint8_t)ok);
    buf_put_u64(&o->out, a);
    buf_put_u64(&o->out, b);
}

static void forget(struct observer *o, int i) {
    memmove(&o->pending[i], &o->pending[i + 1], (size_t)(o->n_pending - i - 1) * sizeof o->pending[0]);
    o->n_pending--;
}

/* One that never ended is told as it was left. */
static void give_up(struct observer *o, int i) {
    observe_put(o, OBSERVE_TOOL, o->pending[i].name, o->pending[i].text, OBSERVE_UNKNOWN, 0, 0);
    forget(o, i);
}

static int find_pending(const struct observer *o, const char *id) {
    char clean[OBSERVE_NAME_MAX + 1];
    observe_clean(id, OBSERVE_NAME_MAX, clean);
    for (int i = 0; i < o->n_pending; i++)
        if (strcmp(o->pending[i].id, clean) == 0) return i;
    return -1;
}

void observe_tool_begins(struct observer *o, const char *id, const char *name, const char *text) {
    if (find_pending(o, id) >= 0) return; /* an update */
    o->tools++;
    if (o->n_pending == OBSERVE_PENDING) give_up(o, 0);
    struct pending_tool *t = &o->pending[o->n_pending++];
    observe_clean(id, OBSERVE_NAME_MAX, t->id);
    observe_clean(name, OBSERVE_NAME_MAX, t->name);
    observe_clean(text, OBSERVE_TEXT_MAX, t->text);
}

void observe_tool_ends(struct observer *o, const char *id, const char *name, const char *text, enum observe_ok ok,
                       uint64_t ms) {
    const int i = find_pending(o, id);
    if (i < 0) {
        o->tools++;
        observe_put(o, OBSERVE_TOOL, name, text, ok, ms, 0);
        return;
    }
    observe_put(o, OBSERVE_TOOL, o->pending[i].name, o->pending[i].text, ok, ms, 0);
    forget(o, i);
}

/* Sums of what may be any numbers: they stay where they are exact. */
static void sum(uint64_t *to, uint64_t n) { *to = *to + n < UINT64_C(9000000000000000) ? *to + n : *to; }

void observe_tokens(struct observer *o, const cJSON *in, const cJSON *out) {
    if (!cJSON_IsNumber(in) && !cJSON_IsNumber(out)) return;
    o->usage_seen = true;
    sum(&o->tokens_in, json_exact_count(in));
    sum(&o->tokens_out, json_exact_count(out));
}

void observe_ended(struct observer *o, const char *how, const char *error) {
    observe_clean(how, OBSERVE_NAME_MAX, o->ended);
    observe_clean(error, OBSERVE_TEXT_MAX, o->error);
}

/* --- lines ---------------------------------------------------------------------------------------------------------------- */

static void take_line(struct observer *o) {
    const char *text = buf_str(&o->line);
    const size_t n = o->line.len;
    size_t blank = 0;
    o->lines++;
    while (blank < n && strchr(" \t\r", text[blank]) && text[blank]) blank++;
    if (blank == n) return;
    /* A NUL ends a text for whoever reads it next: two would read two things. */
    cJSON *line = memchr(text, '\0', n) ? NULL : cJSON_ParseWithLength(text, n);
    if (cJSON_IsObject(line))
        o->format->line(o, line);
    else
        o->bad_lines++;
    cJSON_Delete(line);
}

static void end_line(struct observer *o) {
    if (o->skipping) {
        o->lines++;
        o->long_lines++;
    } else {
        take_line(o);
    }
    o->skipping = false;
    buf_reset(&o->line);
}

static void add_to_line(struct observer *o, const char *p, size_t n) {
    if (o->skipping || n == 0) return;
    if (o->line.len + n > OBSERVE_LINE_MAX) {
        o->skipping = true;
        buf_reset(&o->line);
    } else {
        buf_put(&o->line, p, n);
    }
}

void observer_feed(struct observer *o, const void *bytes, size_t n) {
    const char *p = bytes, *end = p + n, *nl;
    while (p < end && (nl = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        add_to_line(o, p, (size_t)(nl - p));
        end_line(o);
        p = nl + 1;
    }
    add_to_line(o, p, (size_t)(end - p));
}

void observer_end(struct observer *o) {
    if (o->closed) return;
    o->closed = true;
    if (o->skipping || o->line.len > 0) end_line(o);
    while (o->n_pending > 0) give_up(o, 0);
    if (o->usage_seen) observe_put(o, OBSERVE_USAGE, "total", "", OBSERVE_UNKNOWN, o->tokens_in, o->tokens_out);
    buf_put_u8(&o->out, OBSERVE_END);
    buf_put_str(&o->out, o->ended[0] ? o->ended : o->format->never);
    buf_put_str(&o->out, o->error);
    buf_put_u32(&o->out, o->messages);
    buf_put_u32(&o->out, o->tools);
    buf_put_u32(&o->out, o->errors);
    buf_put_u8(&o->out, o->usage_seen);
    buf_put_u64(&o->out, o->tokens_in);
    buf_put_u64(&o->out, o->tokens_out);
    buf_put_u64(&o->out, o->lines);
    buf_put_u64(&o->out, o->bad_lines);
    buf_put_u64(&o->out, o->long_lines);
    buf_put_u8(&o->out, o->left_out);
    BUG_UNLESS(!o->out.bad);
}
