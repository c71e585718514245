/* spell.c - see spell.h. A row keeps only what may be the beginning of a value; mostly that is nothing. A value that stands in one event
 * is not ours: it is replaced there, in its bytes. */
#include "worker/gateway/spell.h"

#include <stdlib.h>
#include <string.h>

#define ROWS 12
#define ROW_MAX (256u << 10)
#define ROW_LOOK (32u << 10) /* of an event: then it is looked at before the event ends */

struct row {
    unsigned depth;
    char key[40];
    struct buf text;
    size_t old; /* bytes of it that earlier events had */
};

struct spell {
    const struct redact *r;
    struct row rows[ROWS], *last;
    int n;
    bool found;
};

struct spell *spell_new(const struct redact *r) {
    struct spell *s = calloc(1, sizeof *s);
    if (s) s->r = r;
    return s;
}

void spell_free(struct spell *s) {
    if (!s) return;
    for (int i = 0; i < s->n; i++) buf_release(&s->rows[i].text);
    free(s);
}

static struct row *row_of(struct spell *s, unsigned depth, const char *key) {
    if (s->last && s->last->depth == depth && strcmp(s->last->key, key) == 0) return s->last;
    for (int i = 0; i < s->n; i++)
        if (s->rows[i].depth == depth && strcmp(s->rows[i].key, key) == 0) return s->last = &s->rows[i];
    if (s->n == ROWS || strlen(key) >= sizeof s->rows[0].key) return NULL;
    struct row *row = &s->rows[s->n++];
    *row = (struct row){.depth = depth, .text = BUF_INIT(ROW_MAX)};
    memcpy(row->key, key, strlen(key) + 1);
    return row;
}

static enum spelled look(struct spell *s, struct row *row) {
    const struct buf *t = &row->text;
    size_t i = 0, n = 0;
    while ((i = redact_find(s->r, t->p, t->len, i, &n)) < t->len && n > 0) {
        if (i < row->old && i + n > row->old) s->found = true;
        i += n;
    }
    buf_consume(&row->text, i);
    row->old = row->old > i ? row->old - i : 0;
    return row->text.len >= SPELL_LEAST ? SPELL_BEGINNING : SPELL_NOTHING;
}

/* Of a long piece only its beginning can end what earlier events began, and only its end can begin what later ones go on with. */
void spell_put(struct spell *s, unsigned depth, const char *key, const void *piece, size_t n) {
    const size_t most = redact_longest(s->r);
    const uint8_t *p = piece;
    struct row *row = row_of(s, depth, key);
    if (!row) return;
    if (row->text.len > 0 && n > most) {
        buf_put(&row->text, p, most);
        look(s, row);
        p += most;
        n -= most;
    }
    if (n > most) {
        buf_reset(&row->text);
        row->old = 0;
        p += n - most;
        n = most;
    }
    buf_put(&row->text, p, n);
    if (row->text.len > ROW_LOOK) look(s, row);
    if (row->text.bad) s->found = true; /* what cannot be looked at does not pass */
}

void spell_event(struct spell *s) {
    for (int i = 0; i < s->n; i++) {
        look(s, &s->rows[i]);
        s->rows[i].old = s->rows[i].text.len;
    }
}

enum spelled spell_look(struct spell *s) {
    enum spelled most = SPELL_NOTHING;
    for (int i = 0; i < s->n; i++)
        if (s->rows[i].text.len > 0 && look(s, &s->rows[i]) == SPELL_BEGINNING) most = SPELL_BEGINNING;
    return s->found ? SPELL_VALUE : most;
}
