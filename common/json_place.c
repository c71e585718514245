/* json_place.c - finds the line of a key in JSON text that cJSON has accepted. It only skips: values are never interpreted,
 * so a mistake here can spoil a line number and nothing else. */
#include "common/json_place.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct cursor {
    const char *text, *end, *p;
};

static void skip_space(struct cursor *c) {
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\n' || *c->p == '\r')) c->p++;
}

static void skip_string(struct cursor *c) {
    for (c->p++; c->p < c->end && *c->p != '"'; c->p++)
        if (*c->p == '\\' && c->p + 1 < c->end) c->p++;
    if (c->p < c->end) c->p++;
}

static void skip_value(struct cursor *c) {
    int depth = 0;
    do {
        skip_space(c);
        if (c->p >= c->end) return;
        char ch = *c->p;
        if (ch == '"') {
            skip_string(c);
        } else if (ch == '{' || ch == '[') {
            depth++;
            c->p++;
        } else if (ch == '}' || ch == ']') {
            depth--;
            c->p++;
        } else if (ch == ',' || ch == ':') {
            c->p++;
        } else {
            while (c->p < c->end && !strchr(",]} \t\r\n", *c->p)) c->p++;
        }
    } while (depth > 0);
}

/* At '{': to the value of `key`; *ret_key is where the key stands (the last one of that name). */
static bool enter_key(struct cursor *c, const char *key, size_t n, const char **ret_key) {
    bool found = false;
    struct cursor hit = *c;
    c->p++;
    for (;;) {
        skip_space(c);
        if (c->p >= c->end || *c->p != '"') break;
        const char *start = c->p;
        skip_string(c);
        bool same = (size_t)(c->p - start) == n + 2 && memcmp(start + 1, key, n) == 0;
        skip_space(c);
        if (c->p < c->end && *c->p == ':') c->p++;
        skip_space(c);
        if (same) {
            found = true;
            hit = *c;
            *ret_key = start;
        }
        skip_value(c);
        skip_space(c);
        if (c->p < c->end && *c->p == ',') c->p++;
    }
    if (found) *c = hit;
    return found;
}

/* At '[': to element i. */
static bool enter_index(struct cursor *c, long i) {
    c->p++;
    for (; i > 0; i--) {
        skip_value(c);
        skip_space(c);
        if (c->p >= c->end || *c->p != ',') return false;
        c->p++;
    }
    skip_space(c);
    return c->p < c->end && *c->p != ']';
}

int json_place_line(const char *text, size_t len, const char *path) {
    struct cursor c = {.text = text, .end = text + len, .p = text};
    const char *at = text;
    skip_space(&c);
    if (c.p < c.end) at = c.p;
    while (*path) {
        skip_space(&c);
        if (c.p >= c.end) break;
        if (*path == '[') {
            if (*c.p != '[' || !enter_index(&c, strtol(path + 1, NULL, 10))) break;
            at = c.p;
            path = strchr(path, ']');
            if (!path) break;
            path++;
        } else {
            size_t n = strcspn(path, ".[");
            if (*c.p != '{' || !enter_key(&c, path, n, &at)) break;
            path += n;
        }
        if (*path == '.') path++;
    }
    int line = 1;
    for (const char *p = text; p < at; p++) line += *p == '\n';
    return line;
}
