/* secret_shape.c - see secret_shape.h. */
#include "supervisor/secret_shape.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX 256

bool secret_shaped_name(const char *name) {
    static const char *const words[] = {"KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", NULL};
    for (int i = 0; words[i]; i++)
        if (strcasestr(name, words[i])) return true;
    return false;
}

static bool begins_like_a_key(const char *v) {
    static const char *const shapes[] = {"sk-",  "ghp_",       "gho_", "github_pat_", "xox",
                                         "AKIA", "-----BEGIN", "eyJ",  "glpat-",      NULL};
    for (int i = 0; shapes[i]; i++)
        if (strncmp(v, shapes[i], strlen(shapes[i])) == 0) return true;
    return false;
}

bool secret_shaped_path(const char *path) {
    for (const char *p = path; *p; p += strcspn(p, "/:.@"), p += *p != '\0') {
        const size_t n = strcspn(p, "/:.@");
        if (n >= 16 && begins_like_a_key(p)) return true; /* as short as a word, it is one: sk-learn, xoxo */
    }
    return false;
}

bool secret_shaped_value(const char *v) {
    if (begins_like_a_key(v)) return true;
    size_t n = strlen(v), digits = 0;
    if (n < 24) return false;
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)v[i]) && v[i] != '_' && v[i] != '-' && v[i] != '+' && v[i] != '=') return false;
        digits += isdigit((unsigned char)v[i]) != 0;
    }
    return digits >= 4;
}

bool secret_shaped_text(const char *text) {
    char word[WORD_MAX];
    while (*text) {
        size_t n = strcspn(text, " \t\n\r\"',;()[]{}<>");
        if (n > 0) {
            size_t keep = n < sizeof word ? n : sizeof word - 1;
            memcpy(word, text, keep);
            word[keep] = '\0';
            /* "name=value" and "name:value" as well as the bare value */
            const char *value = strpbrk(word, "=:");
            if (secret_shaped_value(word) || (value && secret_shaped_value(value + 1))) return true;
        }
        text += n;
        if (*text) text++;
    }
    return false;
}
