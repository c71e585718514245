/* known_values.c - see known_values.h. */
#include "supervisor/known_values.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define URL_NAME "LOCAL_BASE_URL"
#define KEY_NAME "LOCAL_API_KEY"

struct list {
    struct redact_value v[REDACT_VALUES_MAX];
    size_t n;
    char text[6][REDACT_VALUE_MAX + 1];
    int n_texts;
};

static const char *copy(struct list *l, const char *p, size_t n, bool lower) {
    char *to = l->text[l->n_texts++];
    for (size_t i = 0; i < n; i++) to[i] = lower ? (char)tolower((unsigned char)p[i]) : p[i];
    to[n] = '\0';
    return to;
}

static void add(struct list *l, const char *name, const char *value) {
    l->v[l->n++] = (struct redact_value){name, value};
}

/* Host and port, as they stand between the scheme (and a user, which a base URL should not have) and the path. */
static const char *authority(const char *url, size_t *ret_n) {
    const char *at = strstr(url, "://");
    at = at ? at + 3 : url;
    *ret_n = strcspn(at, "/?#");
    const char *user = memrchr(at, '@', *ret_n);
    if (user) {
        *ret_n -= (size_t)(user + 1 - at);
        at = user + 1;
    }
    return at;
}

static int add_url(struct list *l, const char *url, struct err *e) {
    size_t n = strlen(url), n_host;
    if (redact_value_check(URL_NAME, url, e) < 0) return -1;
    const char *host = authority(url, &n_host);
    if (n_host < REDACT_VALUE_MIN)
        return err_set(e, ERR_USAGE,
                       URL_NAME
                       ": host and port have %zu bytes together, too few to be told from other text: write the "
                       "port, or a longer name of the host",
                       n_host);
    add(l, URL_NAME, url);
    add(l, URL_NAME, copy(l, url, n, true));
    while (n > 0 && url[n - 1] == '/') n--;
    if (n >= REDACT_VALUE_MIN && url[n]) {
        add(l, URL_NAME, copy(l, url, n, false));
        add(l, URL_NAME, copy(l, url, n, true));
    }
    add(l, URL_NAME, copy(l, host, n_host, false));
    add(l, URL_NAME, copy(l, host, n_host, true));
    return 0;
}

int known_values_of(const char *base_url, const char *api_key, struct redactor **ret, struct err *e) {
    struct list *l = calloc(1, sizeof *l);
    BUG_UNLESS(l != NULL);
    *ret = NULL;
    int rc = base_url ? add_url(l, base_url, e) : 0;
    if (rc == 0 && api_key) rc = redact_value_check(KEY_NAME, api_key, e);
    if (rc == 0 && api_key) add(l, KEY_NAME, api_key);
    if (rc == 0 && l->n > 0) rc = redactor_new(l->v, l->n, ret, e);
    explicit_bzero(l, sizeof *l);
    free(l);
    return rc;
}

static const char *variable(const struct engine *en, const char *name) {
    char full[96];
    if (!en->variables) return NULL;
    snprintf(full, sizeof full, "%s%s", en->variables, name);
    const char *value = getenv(full);
    return value && value[0] ? value : NULL;
}

int known_values(const struct engine *en, struct redactor **ret, struct err *e) {
    return known_values_of(variable(en, URL_NAME), variable(en, KEY_NAME), ret, e) == 0
               ? 0
               : err_ctx(e, "%s*", en->variables);
}
