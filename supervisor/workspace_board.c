/* workspace_board.c - WORKBOARD.yaml: its entries, what they wait for, and the documents that belong to them; and admission records.
 *
 * Entries are read into a table first; what holds between them is asked afterwards, when all are known. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/admission.h"
#include "supervisor/workspace.h"
#include "supervisor/yaml.h"

enum status { DRAFT, CANDIDATE, BLOCKED, VALIDATED, NO_STATUS };
static const char *const words[] = {"draft", "candidate", "blocked", "validated"};

struct entry {
    const char *id; /* borrowed from the tree; "" when it has none */
    int line;
    enum status status;
    const cJSON *waits; /* list of ids, or one; NULL: for nothing */
    int mark;           /* of the search for circles: 0 new, 1 on the way, 2 done */
};

struct board {
    struct workspace *w;
    const char *file;
    struct entry *v;
    int n;
};

/* The texts of a list, or the one text that stands where a list may; NULL after the last. */
static const cJSON *item(const cJSON *node, int i) {
    if (yaml_is_list(node)) return cJSON_GetArrayItem(yaml_items(node), i);
    return i == 0 && yaml_text(node) && yaml_text(node)[0] ? node : NULL;
}

static const cJSON *either(const cJSON *map, const char *a, const char *b) {
    const cJSON *v = yaml_get(map, a, NULL);
    return v ? v : yaml_get(map, b, NULL);
}

static int find(const struct board *b, const char *id) {
    for (int i = 0; i < b->n; i++)
        if (id[0] && strcmp(b->v[i].id, id) == 0) return i;
    return -1;
}

/* --- documents of an entry -------------------------------------------------------------------------------------------------- */

/* How many there are; each is marked as one that belongs to an entry. */
static int check_documents(struct board *b, const cJSON *node) {
    int n = 0;
    for (const cJSON *x; (x = item(node, n)); n++) {
        const char *path = yaml_text(x);
        char resolved[4096];
        if (!path || !path[0]) {
            ws_bad(b->w, b->file, yaml_line(x), "workboard", "the path of a file is expected");
        } else if (!ws_resolve(b->file, path, resolved, sizeof resolved)) {
            ws_bad(b->w, b->file, yaml_line(x), "reference", "%.200s leads out of the workspace", path);
        } else {
            int at = ws_find(b->w, resolved);
            if (at >= 0)
                b->w->in_board[at] = true;
            else
                ws_bad(b->w, b->file, yaml_line(x), "reference", "%.200s does not exist", path);
        }
    }
    return n;
}

static void check_triple(struct board *b, const cJSON *map, const struct entry *en) {
    if (check_documents(b, yaml_get(map, "prd", NULL)) != 1)
        ws_bad(b->w, b->file, en->line, "triple", "%.100s: one prd is expected", en->id);
    if (check_documents(b, either(map, "issues", "issue")) == 0)
        ws_bad(b->w, b->file, en->line, "triple", "%.100s: no issues", en->id);
    if (check_documents(b, yaml_get(map, "evidence", NULL)) == 0 && en->status == VALIDATED)
        ws_bad(b->w, b->file, en->line, "triple", "%.100s: validated without evidence", en->id);
}

/* --- entries ------------------------------------------------------------------------------------------------------------------ */

static const char *text(const cJSON *map, const char *key) {
    const char *s = yaml_text(yaml_get(map, key, NULL));
    return s ? s : "";
}

static void read_entry(struct board *b, const cJSON *map) {
    struct entry *en = &b->v[b->n];
    *en = (struct entry){.id = text(map, "id"),
                         .line = yaml_line(map),
                         .status = NO_STATUS,
                         .waits = either(map, "blocked_by", "blocked-by")};
    if (!yaml_is_map(map)) {
        ws_bad(b->w, b->file, en->line, "workboard", "an entry has keys and values");
        return;
    }
    if (!en->id[0]) ws_bad(b->w, b->file, en->line, "workboard", "an entry without an id");
    if (find(b, en->id) >= 0)
        ws_bad(b->w, b->file, en->line, "workboard-id", "%.100s stands there twice, first in line %d", en->id,
               b->v[find(b, en->id)].line);
    if (!text(map, "title")[0] && !text(map, "name")[0])
        ws_bad(b->w, b->file, en->line, "workboard", "%.100s: no title", en->id);
    for (int i = 0; i < NO_STATUS; i++)
        if (strcmp(words[i], text(map, "status")) == 0) en->status = (enum status)i;
    if (en->status == NO_STATUS)
        ws_bad(b->w, b->file, en->line, "workboard-status", "%.100s: status is draft, candidate, blocked or validated",
               en->id);
    b->n++;
    check_triple(b, map, en);
}

/* --- what they wait for ------------------------------------------------------------------------------------------------------- */

static void check_waiting(struct board *b, const struct entry *en) {
    int open = 0;
    const cJSON *x;
    for (int k = 0; (x = item(en->waits, k)); k++) {
        const char *id = yaml_text(x);
        int at = id ? find(b, id) : -1;
        if (at < 0) {
            ws_bad(b->w, b->file, yaml_line(x), "workboard-order", "%.100s waits for %.100s, which is no entry", en->id,
                   id ? id : "something");
            continue;
        }
        if (b->v[at].status == VALIDATED) continue;
        open++;
        if (en->status == VALIDATED)
            ws_bad(b->w, b->file, yaml_line(x), "workboard-status",
                   "%.100s is validated, and %.100s, for which it waits, is not", en->id, id);
    }
    if (en->status == BLOCKED && open == 0)
        ws_bad(b->w, b->file, en->line, "workboard-status", "%.100s is blocked by nothing", en->id);
}

/* Depth-first with a stack of our own: a chain may be as long as the board. */
static void find_circle(struct board *b, int from, int *stack, int *next) {
    int depth = 0;
    stack[depth] = from;
    next[depth] = 0;
    b->v[from].mark = 1;
    while (depth >= 0) {
        struct entry *en = &b->v[stack[depth]];
        const cJSON *x = item(en->waits, next[depth]++);
        if (!x) {
            en->mark = 2;
            depth--;
            continue;
        }
        int at = yaml_text(x) ? find(b, yaml_text(x)) : -1;
        if (at < 0 || b->v[at].mark == 2) continue;
        if (b->v[at].mark == 1) {
            ws_bad(b->w, b->file, yaml_line(x), "workboard-order", "%.100s waits for %.100s in a circle", en->id,
                   b->v[at].id);
            continue;
        }
        b->v[at].mark = 1;
        stack[++depth] = at;
        next[depth] = 0;
    }
}

static const cJSON *entries_of(const cJSON *tree) {
    static const char *const keys[] = {"entries", "items", "work_items", "workboard", NULL};
    if (yaml_is_list(tree)) return tree;
    for (int i = 0; keys[i]; i++) {
        const cJSON *list = yaml_get(tree, keys[i], NULL);
        if (yaml_is_list(list)) return list;
    }
    return NULL;
}

static void check_entries(struct board *b, const cJSON *list) {
    int size = cJSON_GetArraySize(yaml_items(list));
    b->v = calloc((size_t)size + 1, sizeof *b->v);
    int *stack = calloc((size_t)size + 1, 2 * sizeof *stack), *next = stack ? stack + size + 1 : NULL;
    BUG_UNLESS(b->v && stack && next);
    const cJSON *x;
    cJSON_ArrayForEach(x, yaml_items(list)) read_entry(b, x);
    for (int i = 0; i < b->n; i++) check_waiting(b, &b->v[i]);
    for (int i = 0; i < b->n; i++)
        if (b->v[i].mark == 0) find_circle(b, i, stack, next);
    free(stack);
    free(b->v);
}

void ws_check_board(struct workspace *w, const char *file, const char *p, size_t n) {
    struct board b = {.w = w, .file = file};
    cJSON *tree = ws_yaml(w, file, "workboard", 1, p, n);
    if (!tree) return;
    const cJSON *list = entries_of(tree);
    if (list)
        check_entries(&b, list);
    else
        ws_bad(w, file, yaml_line(tree), "workboard", "a list of entries is expected, or a key \"entries\" with one");
    cJSON_Delete(tree);
}

void ws_check_orphans(struct workspace *w) {
    static const char *const folders[] = {"prd", "prds", "issues", "evidence", NULL};
    for (int i = 0; i < w->n_files; i++)
        for (int k = 0; folders[k]; k++)
            if (ws_in_folder(w->files[i], folders[k]) && strcasestr(w->files[i], ".md") && !w->in_board[i]) {
                ws_bad(w, w->files[i], 0, "triple", "it belongs to no entry of the workboard");
                break;
            }
}

/* --- admission records ---------------------------------------------------------------------------------------------------------- */

/* By a field that only one kind has. */
static enum admission_kind kind_of(const char *p, size_t n) {
    static const struct {
        const char *field;
        enum admission_kind kind;
    } marks[] = {{"decision_status", ADMIT_DECISION},
                 {"admission_status", ADMIT_TARGET},
                 {"source_name", ADMIT_SOURCE},
                 {"executable_path", ADMIT_EXECUTABLE}};
    cJSON *o = cJSON_ParseWithLength(p, n);
    enum admission_kind kind = ADMIT_MODEL;
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (cJSON_GetObjectItemCaseSensitive(o, marks[i].field)) {
            kind = marks[i].kind;
            break;
        }
    cJSON_Delete(o);
    return kind;
}

void ws_check_admission(struct workspace *w, const char *file, const char *p, size_t n) {
    struct admission a;
    struct err e = ERR_INIT;
    if (admission_read(kind_of(p, n), "record", p, n, &a, &e) == 0) {
        admission_release(&a);
        return;
    }
    int line = 0, used = 0; /* "record:LINE: what", from the strict reader */
    if (sscanf(e.text, "record:%d: %n", &line, &used) != 1 || used == 0) line = 0, used = 0;
    ws_bad(w, file, line, "admission", "%.300s", e.text + used);
}
