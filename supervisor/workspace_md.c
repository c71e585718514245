/* workspace_md.c - the Markdown of a planning workspace: front matter, the sentences that must stand there, issues, links, terms. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "supervisor/claims.h"
#include "supervisor/standing.h"
#include "supervisor/workspace.h"
#include "supervisor/yaml.h"

#define SOT_LINE "Local planning SOT only. Not a Core Protocol. Not active Core authority."
static const char *const guards[] = {"No Core promotion occurs.", "Runtime default activation remains false.",
                                     "Do not activate Case as default backend.", NULL};

/* --- front matter ----------------------------------------------------------------------------------------------------------- */

static const char *value(const cJSON *map, const char *key) {
    const char *s = yaml_text(yaml_get(map, key, NULL));
    return s ? s : "";
}

static void check_date(struct workspace *w, const char *file, int first, const cJSON *map, const char *key,
                       int64_t *ret) {
    int line;
    (void)yaml_get(map, key, &line);
    const char *text = value(map, key);
    if (text[0] && clock_parse_when(text, ret) < 0)
        ws_bad(w, file, first + line - 1, "front-matter", "%s: a date as 2026-11-22 is expected", key);
}

static void check_keys(struct workspace *w, const char *file, int first, const cJSON *map) {
    static const char *const needed[] = {
        "status", "owner", "created", "last_reviewed", "lifecycle_classification", STANDING_PROMOTION_KEY, NULL};
    int64_t created = 0, reviewed = 0;
    int line;
    if (!value(map, "name")[0] && !value(map, "title")[0])
        ws_bad(w, file, first, "front-matter", "name or title is missing");
    for (int i = 0; needed[i]; i++)
        if (!value(map, needed[i])[0]) ws_bad(w, file, first, "front-matter", "%s is missing", needed[i]);
    check_date(w, file, first, map, "created", &created);
    check_date(w, file, first, map, "last_reviewed", &reviewed);
    if (created && reviewed && reviewed < created)
        ws_bad(w, file, first, "front-matter", "last_reviewed lies before created");
    (void)yaml_get(map, STANDING_PROMOTION_KEY, &line);
    const char *status = value(map, STANDING_PROMOTION_KEY);
    if (status[0] && strcmp(status, STANDING_PROMOTION) != 0)
        ws_bad(w, file, first + line - 1, "front-matter", STANDING_PROMOTION_KEY " must be " STANDING_PROMOTION);
    const cJSON *activation = yaml_get(map, STANDING_ACTIVATION_KEY, &line);
    if (activation && strcmp(value(map, STANDING_ACTIVATION_KEY), "false") != 0)
        ws_bad(w, file, first + line - 1, "front-matter", STANDING_ACTIVATION_KEY " must be false");
}

/* --- the body --------------------------------------------------------------------------------------------------------------- */

static bool has_sentence(const struct front_matter *m, const char *sentence) {
    return memmem(m->body, m->body_len, sentence, strlen(sentence)) != NULL;
}

static bool has_line(const struct front_matter *m, const char *wanted) {
    const char *line;
    size_t at = 0, len;
    while (next_line(m->body, m->body_len, &at, &line, &len)) {
        while (len > 0 && strchr("> *_", *line)) line++, len--; /* quoted or set in bold */
        while (len > 0 && strchr(" *_", line[len - 1])) len--;
        if (len == strlen(wanted) && memcmp(line, wanted, len) == 0) return true;
    }
    return false;
}

static bool closes_work(const char *file, const cJSON *map) {
    static const char *const words[] = {"validated", "closed", "done", "complete", "completed", NULL};
    for (int i = 0; words[i]; i++)
        if (strcasecmp(value(map, "status"), words[i]) == 0) return true;
    const char *slash = strrchr(file, '/');
    return yaml_get(map, "closes", NULL) || strcasestr(slash ? slash : file, "closeout");
}

/* "Type: AFK", "**Type:** HITL", "- Type AFK". */
static bool is_type_line(const char *line, size_t n) {
    while (n > 0 && strchr(" \t*_->#", *line)) line++, n--;
    if (n < 4 || strncasecmp(line, "type", 4) != 0) return false;
    for (line += 4, n -= 4; n > 0 && strchr(" \t:*_`", *line); line++) n--;
    for (int i = 0; i < 2; i++) {
        const char *word = i ? "HITL" : "AFK";
        size_t k = strlen(word);
        if (n >= k && memcmp(line, word, k) == 0 && (n == k || !isalnum((unsigned char)line[k]))) return true;
    }
    return false;
}

static void check_issue(struct workspace *w, const char *file, const struct front_matter *m, const cJSON *map) {
    const char *line, *type = value(map, "type");
    size_t at = 0, len;
    if (strcmp(type, "AFK") == 0 || strcmp(type, "HITL") == 0) return;
    while (next_line(m->body, m->body_len, &at, &line, &len))
        if (is_type_line(line, len)) return;
    ws_bad(w, file, m->body_line, "issue-type", "an issue says Type: AFK or Type: HITL");
}

static bool is_elsewhere(const char *target) {
    size_t scheme = strspn(target, "abcdefghijklmnopqrstuvwxyz+");
    return !target[0] || (scheme > 0 && target[scheme] == ':'); /* a part of this page; an address */
}

static void check_links(struct workspace *w, const char *file, const struct front_matter *m) {
    const char *line;
    size_t at = 0, len;
    bool code = false;
    for (int number = m->body_line; next_line(m->body, m->body_len, &at, &line, &len); number++) {
        if (len >= 3 && (memcmp(line, "```", 3) == 0 || memcmp(line, "~~~", 3) == 0)) code = !code;
        char target[2048], path[4096];
        for (size_t in = 0; !code && ws_next_link(line, len, &in, target, sizeof target);) {
            if (is_elsewhere(target)) continue;
            if (!ws_resolve(file, target, path, sizeof path))
                ws_bad(w, file, number, "reference", "%.200s leads out of the workspace", target);
            else if (!ws_exists(w, path))
                ws_bad(w, file, number, "reference", "%.200s does not exist", target);
        }
    }
}

void ws_check_markdown(struct workspace *w, const char *file, const char *text, size_t n) {
    struct front_matter m;
    cJSON *map = NULL;
    if (!front_matter_find(text, n, &m)) {
        ws_bad(w, file, 1, "front-matter", "it does not begin with front matter between two lines ---");
    } else if ((map = ws_yaml(w, file, "front-matter", m.yaml_line, m.yaml, m.yaml_len))) {
        if (yaml_is_map(map))
            check_keys(w, file, m.yaml_line, map);
        else
            ws_bad(w, file, m.yaml_line, "front-matter", "keys and values are expected");
    }
    if (!has_line(&m, SOT_LINE)) ws_bad(w, file, m.body_line, "sot-line", "the line \"" SOT_LINE "\" is missing");
    for (int i = 0; guards[i] && closes_work(file, map); i++)
        if (!has_sentence(&m, guards[i]))
            ws_bad(w, file, m.body_line, "closing-guards", "it closes work without \"%s\"", guards[i]);
    if (ws_in_folder(file, "issues")) check_issue(w, file, &m, map);
    check_links(w, file, &m);
    if (strcmp(file, "CONTEXT.md") == 0) ws_check_context(w, file, &m);
    cJSON_Delete(map);
}

/* --- terms ------------------------------------------------------------------------------------------------------------------ */

#define TERMS_MAX 500
struct terms {
    char names[TERMS_MAX][64];
    int n;
};

/* "**Term**: what it is", "- **Term** - what it is", "| Term | what it is |". False: no such line; *ret_rest is what it is. */
static bool is_term(const char *line, size_t n, char name[64], const char **ret_rest, size_t *ret_n) {
    const char *end = NULL;
    while (n > 0 && strchr(" -+", *line)) line++, n--;
    if (n > 4 && line[0] == '*' && line[1] == '*') {
        line += 2, n -= 2;
        end = memmem(line, n, "**", 2);
    } else if (n > 2 && line[0] == '|') {
        line++, n--;
        end = memchr(line, '|', n);
    }
    if (!end) return false;
    *ret_rest = end;
    *ret_n = n - (size_t)(end - line);
    while (line < end && strchr(" *`", *line)) line++;
    while (end > line && strchr(" *`:", end[-1])) end--;
    if (line == end || end - line >= 64 || *line == '-' || *line == ':')
        return false; /* nothing, a sentence, a rule of a table */
    snprintf(name, 64, "%.*s", (int)(end - line), line);
    return true;
}

static void take_term(struct workspace *w, const char *file, int number, struct terms *t, const char *name,
                      const char *rest, size_t n) {
    while (n > 0 && !isalnum((unsigned char)*rest) && (unsigned char)*rest < 0x80) rest++, n--;
    if (n == 0) ws_bad(w, file, number, "context-terms", "%s has no definition", name);
    for (int i = 0; i < t->n; i++)
        if (strcasecmp(t->names[i], name) == 0) ws_bad(w, file, number, "context-terms", "%s is defined twice", name);
    if (t->n < TERMS_MAX) snprintf(t->names[t->n++], 64, "%s", name);
}

void ws_check_context(struct workspace *w, const char *file, const struct front_matter *m) {
    static const char *const needed[] = {"Cortex", "Hermes", "CTO", "Harness", "Case", "target repository", NULL};
    struct terms *t = calloc(1, sizeof *t);
    BUG_UNLESS(t != NULL);
    const char *line, *rest;
    size_t at = 0, len, n;
    char name[64];
    for (int number = m->body_line; next_line(m->body, m->body_len, &at, &line, &len); number++)
        if (is_term(line, len, name, &rest, &n)) take_term(w, file, number, t, name, rest, n);
    for (int i = 0; needed[i]; i++) {
        bool there = false;
        for (int k = 0; k < t->n; k++) there = there || name_in(t->names[k], needed[i]);
        if (!there) ws_bad(w, file, m->body_line, "context-terms", "%s is not defined", needed[i]);
    }
    free(t);
}
