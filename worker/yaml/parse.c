/* parse.c - see parse.h. libyaml's events are folded into a tree with a stack of our own, so that depth costs no C stack; each
 * event is judged before anything is made of it. The tree of one scalar is its text alone: libyaml has resolved quotes, folding and
 * escapes, and refused what is no UTF-8. */
#include "worker/yaml/parse.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct level {
    cJSON *items; /* the array to which children go: borrowed from the tree */
    bool map;     /* then children are key, value, key, value */
    char *key;    /* of a map: read, its value not yet; owned */
    int key_line;
    int keys;
};

struct fold {
    struct level stack[YAML_DEPTH_MAX];
    int depth, nodes, documents, line, last_line;
    cJSON *root; /* owned */
};

/* What is missing at the end of a text is for libyaml in the line after it, where nobody would look. */
static int line_of(const struct fold *f, const yaml_mark_t *at) {
    return at->line < (size_t)f->last_line ? (int)at->line + 1 : f->last_line;
}

static int complain(struct fold *f, const yaml_mark_t *at, struct err *e, const char *what) {
    f->line = line_of(f, at);
    return err_set(e, ERR_PARSE, "%s", what);
}

static cJSON *node(int line) {
    cJSON *o = cJSON_CreateObject();
    BUG_UNLESS(o != NULL);
    json_put_int(o, "line", line);
    return o;
}

static bool has_key(const cJSON *items, const char *key) {
    const cJSON *i;
    cJSON_ArrayForEach(i, items) {
        if (strcmp(cJSON_GetObjectItemCaseSensitive(i, "key")->valuestring, key) == 0) return true;
    }
    return false;
}

/* A finished place for a node: as the root, in a list, or as the value of the key that waits. Takes `o`. */
static void hang_up(struct fold *f, cJSON *o) {
    if (f->depth == 0) {
        f->root = o;
        return;
    }
    struct level *l = &f->stack[f->depth - 1];
    if (!l->map) {
        cJSON_AddItemToArray(l->items, o);
        return;
    }
    cJSON *pair = cJSON_CreateObject();
    BUG_UNLESS(pair != NULL);
    json_put_str(pair, "key", l->key);
    json_put_int(pair, "line", l->key_line);
    json_put(pair, "value", o);
    free(l->key);
    l->key = NULL;
    cJSON_AddItemToArray(l->items, pair);
}

static bool key_expected(const struct fold *f) {
    return f->depth > 0 && f->stack[f->depth - 1].map && !f->stack[f->depth - 1].key;
}

/* What every node is asked. libyaml gives a tag only where one is written; "!" alone means "text". */
static int judge(struct fold *f, const yaml_event_t *ev, const yaml_char_t *anchor, const yaml_char_t *tag,
                 struct err *e) {
    if (anchor) return complain(f, &ev->start_mark, e, "anchors are not read here: write the value where it is meant");
    if (tag) return complain(f, &ev->start_mark, e, "tags are not read here");
    if (f->documents != 1 || (f->depth == 0 && f->root))
        return complain(f, &ev->start_mark, e, "one document is expected");
    if (++f->nodes > YAML_NODES_MAX) return complain(f, &ev->start_mark, e, "more than 20000 nodes");
    return 0;
}

static int on_scalar(struct fold *f, const yaml_event_t *ev, struct err *e) {
    const char *text = (const char *)ev->data.scalar.value;
    size_t n = ev->data.scalar.length;
    int line = line_of(f, &ev->start_mark);
    if (judge(f, ev, ev->data.scalar.anchor, ev->data.scalar.tag, e) < 0) return -1;
    if (memchr(text, '\0', n)) return complain(f, &ev->start_mark, e, "a NUL byte in a text");
    if (!json_is_utf8(text, n)) return complain(f, &ev->start_mark, e, "a text that is not UTF-8");
    if (key_expected(f)) {
        struct level *l = &f->stack[f->depth - 1];
        if (strcmp(text, "<<") == 0) return complain(f, &ev->start_mark, e, "merge keys are not read here");
        if (++l->keys > YAML_KEYS_MAX) return complain(f, &ev->start_mark, e, "more than 2000 keys in one mapping");
        if (has_key(l->items, text)) return complain(f, &ev->start_mark, e, "the same key twice in one mapping");
        l->key = strdup(text);
        BUG_UNLESS(l->key != NULL);
        l->key_line = line;
        return 0;
    }
    cJSON *o = node(line);
    json_put_str(o, "text", text);
    hang_up(f, o);
    return 0;
}

static int on_open(struct fold *f, const yaml_event_t *ev, bool map, struct err *e) {
    const yaml_char_t *anchor = map ? ev->data.mapping_start.anchor : ev->data.sequence_start.anchor;
    const yaml_char_t *tag = map ? ev->data.mapping_start.tag : ev->data.sequence_start.tag;
    if (judge(f, ev, anchor, tag, e) < 0) return -1;
    if (key_expected(f)) return complain(f, &ev->start_mark, e, "a key must be a text");
    if (f->depth == YAML_DEPTH_MAX) return complain(f, &ev->start_mark, e, "nested deeper than 32");
    cJSON *o = node(line_of(f, &ev->start_mark)), *items = cJSON_CreateArray();
    BUG_UNLESS(items != NULL);
    json_put(o, map ? "map" : "list", items);
    hang_up(f, o);
    f->stack[f->depth++] = (struct level){.items = items, .map = map};
    return 0;
}

/* 1: the stream ended; 0: go on; -1: refused. */
static int on_event(struct fold *f, const yaml_event_t *ev, struct err *e) {
    switch (ev->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++f->documents > 1) return complain(f, &ev->start_mark, e, "one document is expected");
        if (ev->data.document_start.tag_directives.start != ev->data.document_start.tag_directives.end)
            return complain(f, &ev->start_mark, e, "%TAG is not read here");
        return 0;
    case YAML_SCALAR_EVENT: return on_scalar(f, ev, e);
    case YAML_SEQUENCE_START_EVENT: return on_open(f, ev, false, e);
    case YAML_MAPPING_START_EVENT: return on_open(f, ev, true, e);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        BUG_UNLESS(f->depth > 0);
        f->depth--;
        return 0;
    case YAML_ALIAS_EVENT:
        return complain(f, &ev->start_mark, e, "aliases are not read here: write the value where it is meant");
    case YAML_STREAM_END_EVENT: return 1;
    default: return 0;
    }
}

/* The library's own complaint, with its place. Its texts are constants; nothing of the input is in them. */
static int broken(struct fold *f, const yaml_parser_t *y, struct err *e) {
    if (y->error == YAML_MEMORY_ERROR) return err_set(e, ERR_LIMIT, "out of memory");
    f->line = line_of(f, &y->problem_mark);
    return err_set(e, ERR_PARSE, "no YAML: %.200s", y->problem ? y->problem : "unreadable");
}

static int run(struct fold *f, yaml_parser_t *y, struct err *e) {
    for (;;) {
        yaml_event_t ev;
        if (!yaml_parser_parse(y, &ev)) return broken(f, y, e);
        int rc = on_event(f, &ev, e);
        yaml_event_delete(&ev);
        if (rc != 0) return rc < 0 ? -1 : 0;
    }
}

static int lines_of(const char *p, size_t n) {
    int lines = 1;
    for (size_t i = 0; i + 1 < n; i++) lines += p[i] == '\n';
    return lines;
}

int yaml_parse(const void *p, size_t n, cJSON **ret, int *ret_line, struct err *e) {
    yaml_parser_t y;
    struct fold f = {.line = 0};
    *ret_line = 0;
    if (n > YAML_BYTES_MAX) return err_set(e, ERR_LIMIT, "more than %u bytes", YAML_BYTES_MAX);
    f.last_line = lines_of(p, n);
    if (!yaml_parser_initialize(&y)) return err_set(e, ERR_LIMIT, "out of memory");
    yaml_parser_set_encoding(&y, YAML_UTF8_ENCODING); /* guessed, it would also be UTF-16 */
    yaml_parser_set_input_string(&y, p, n);
    int rc = run(&f, &y, e);
    yaml_parser_delete(&y);
    while (f.depth > 0) free(f.stack[--f.depth].key);
    if (rc == 0 && !f.root) {
        f.root = node(1);
        json_put_str(f.root, "text", "");
    }
    if (rc < 0) {
        cJSON_Delete(f.root);
        *ret_line = f.line;
        return -1;
    }
    *ret = f.root;
    return 0;
}
