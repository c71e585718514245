/* claims.c - see claims.h. A line is cut into sentences, a sentence into words: letters and digits, with '-' and '_' taken as blanks, so
 * that "not-promoted" and "core_promotion_status: promoted" are read as a person reads them. */
#include "supervisor/claims.h"

#include <ctype.h>
#include <string.h>

#define WORD_MAX 24 /* a longer one is none that counts */

struct sentence {
    bool promoted, activated, backend, is_default, lane_is_fake, gated, taken_back, states_true, activation, promotion;
    bool candidate; /* the word before was: a candidate default is no default */
};

static bool any(const char *word, const char *const *list) {
    for (; *list; list++)
        if (strcmp(word, *list) == 0) return true;
    return false;
}

static void count_word(struct sentence *s, const char *word) {
    static const char *const back[] = {"not",     "no",      "never",  "none",    "nothing", "nobody",  "without",
                                       "neither", "nor",     "cannot", "false",   "isn",     "aren",    "wasn",
                                       "don",     "doesn",   "mustn",  "nowhere", "refuse",  "refused", "forbidden",
                                       "forbid",  "forbids", "unless", NULL};
    static const char *const gated[] = {"case", "codex", "pi", "exec", "ca", NULL};
    static const char *const states[] = {"true", "yes", "enabled", "complete", NULL};
    s->promoted |= strcmp(word, "promoted") == 0;
    s->activated |= strcmp(word, "activated") == 0;
    s->backend |= strcmp(word, "backend") == 0 || strcmp(word, "engine") == 0 || strcmp(word, "lane") == 0;
    s->is_default |= strcmp(word, "default") == 0 && !s->candidate;
    s->candidate = strcmp(word, "candidate") == 0;
    s->lane_is_fake |= strcmp(word, "fake") == 0;
    s->activation |= strcmp(word, "activation") == 0;
    s->promotion |= strcmp(word, "promotion") == 0;
    s->gated |= any(word, gated);
    s->taken_back |= any(word, back);
    s->states_true |= any(word, states);
}

static const char *judge(const struct sentence *s) {
    if (s->taken_back) return NULL;
    if (s->promoted || (s->promotion && s->states_true)) return "promoted";
    if (s->activated || (s->activation && s->states_true)) return "activated";
    if (s->backend && s->is_default && (s->gated || !s->lane_is_fake)) return "default-backend";
    return NULL;
}

static bool ends_sentence(const char *p, const char *end) {
    if (!strchr(".!?;", *p)) return false;
    return p + 1 == end || isspace((unsigned char)p[1]); /* not the dot of a name */
}

const char *claim_in(const char *line, size_t n) {
    struct sentence s = {0};
    char word[WORD_MAX];
    size_t len = 0;
    for (const char *p = line, *end = line + n; p <= end; p++) {
        bool letter = p < end && isalnum((unsigned char)*p);
        if (letter) {
            if (len < sizeof word) word[len] = (char)tolower((unsigned char)*p);
            len++;
            continue;
        }
        if (len > 0 && len < sizeof word) {
            word[len] = '\0';
            count_word(&s, word);
        }
        len = 0;
        if (p < end && !ends_sentence(p, end)) continue;
        const char *claim = judge(&s);
        if (claim) return claim;
        s = (struct sentence){0};
    }
    return NULL;
}

bool name_in(const char *text, const char *name) {
    size_t n = strlen(name);
    for (const char *p = text; n > 0 && (p = strcasestr(p, name)); p++) {
        bool begins = p == text || !isalnum((unsigned char)p[-1]);
        if (begins && !isalnum((unsigned char)p[n])) return true; /* CORE-17 is not in CORE-172 */
    }
    return false;
}
