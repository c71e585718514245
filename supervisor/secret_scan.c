/* secret_scan.c - see secret_scan.h. Words of letters, digits and "_-." are kept up to a bound and judged at their end; most are given up
 * at their first byte, since no shape begins so. */
#include "supervisor/secret_scan.h"

#include <string.h>

#define BLOCK_WORDS 5 /* "-----BEGIN OPENSSH PRIVATE KEY-----" has three, some have more */

const char *secret_shape_name(enum secret_shape s) {
    static const char *const names[] = {
#define X(name, text) text,
        SECRET_SHAPES(X)
#undef X
    };
    return names[s];
}

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
static const struct {
    const char *prefix;
    enum secret_shape shape;
    size_t least, most; /* of what follows */
    const char *of;
} shapes[] = {{"sk-", SHAPE_OPENAI, 20, 400, ALNUM "_-"},
              {"ghp_", SHAPE_GITHUB, 30, 80, ALNUM},
              {"gho_", SHAPE_GITHUB, 30, 80, ALNUM},
              {"ghs_", SHAPE_GITHUB, 30, 80, ALNUM},
              {"ghu_", SHAPE_GITHUB, 30, 80, ALNUM},
              {"github_pat_", SHAPE_GITHUB, 30, 120, ALNUM "_"},
              {"glpat-", SHAPE_GITLAB, 18, 80, ALNUM "_-"},
              {"xoxb-", SHAPE_SLACK, 16, 120, ALNUM "-"},
              {"xoxp-", SHAPE_SLACK, 16, 120, ALNUM "-"},
              {"AKIA", SHAPE_AWS, 16, 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"},
              {"ASIA", SHAPE_AWS, 16, 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"},
              {"hf_", SHAPE_HUGGINGFACE, 30, 60, ALNUM},
              {"eyJ", SHAPE_JWT, 40, 8192, ALNUM "_-."}};

/* What is beyond the kept beginning of a word is taken to be like it. */
static void judge(struct secret_scan *s) {
    const size_t kept = s->n < sizeof s->word ? s->n : sizeof s->word - 1;
    s->word[kept] = '\0';
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        const size_t n = strlen(shapes[i].prefix);
        if (kept < n || memcmp(s->word, shapes[i].prefix, n) != 0) continue;
        const size_t rest = s->n - n;
        if (rest < shapes[i].least || rest > shapes[i].most || strspn(s->word + n, shapes[i].of) != kept - n) continue;
        if (shapes[i].shape == SHAPE_JWT && !strchr(s->word, '.')) continue;
        s->found[shapes[i].shape]++;
        return;
    }
    if (strcmp(s->word, "-----BEGIN") == 0) {
        s->block = BLOCK_WORDS;
        s->is_private = false;
    } else if (s->block > 0) {
        s->block--;
        if (strcmp(s->word, "PRIVATE") == 0) s->is_private = true;
        if (s->is_private && strncmp(s->word, "KEY-----", 8) == 0) s->found[SHAPE_PRIVATE_KEY]++;
        if (strstr(s->word, "-----")) s->block = 0;
    }
}

static bool is_word(unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
}

/* Can a shape, or a word that matters, begin so? Behind -----BEGIN any may. */
static bool may_begin(const struct secret_scan *s, unsigned char c) {
    return s->block > 0 || (c != '\0' && strchr("sghxAe-", c) != NULL);
}

#define GIVEN_UP (sizeof(((struct secret_scan *)0)->word) + (size_t)100000)

void secret_scan_feed(struct secret_scan *s, const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++) {
        if (s->escaped) { /* "\n-----BEGIN" of a text in JSON */
            s->escaped = false;
            continue;
        }
        if (!is_word(p[i])) {
            if (s->n > 0 && s->n < GIVEN_UP) judge(s);
            if (p[i] == '\n') s->block = 0;
            s->escaped = p[i] == '\\';
            s->n = 0;
        } else if (s->n == 0 && !may_begin(s, p[i])) {
            s->n = GIVEN_UP;
        } else if (s->n < GIVEN_UP) {
            if (s->n < sizeof s->word - 1) s->word[s->n] = (char)p[i];
            s->n++;
        }
    }
}

void secret_scan_end(struct secret_scan *s) {
    if (s->n > 0 && s->n < GIVEN_UP) judge(s);
    s->n = 0;
    s->block = 0;
    s->escaped = false;
}
