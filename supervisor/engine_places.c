/* engine_places.c - see engine_places.h. */
#include "supervisor/engine_places.h"

#include <stdio.h>
#include <string.h>

static const char *const names[] = {
#define X(name) #name,
    ENGINE_PLACES(X)
#undef X
};

struct engine_places engine_places_fixed(void) {
    return (struct engine_places){.value = {[PLACE_task] = "/task/task.md",
                                            [PLACE_workspace] = "/workspace",
                                            [PLACE_home] = "/scratch/home",
                                            [PLACE_state] = "/scratch/agent",
                                            [PLACE_tmp] = "/scratch/tmp",
                                            [PLACE_key] = ENGINE_GATEWAY_KEY}};
}

enum piece { LITERAL, PLACE, UNKNOWN };

/* What begins at `p`, and how long it is. */
static enum piece next(const char *p, size_t *ret_len, int *ret_place) {
    *ret_len = 1;
    if (*p != '{') return LITERAL;
    if (p[1] == '{') {
        *ret_len = 2;
        return LITERAL;
    }
    const size_t n = strspn(p + 1, "abcdefghijklmnopqrstuvwxyz_");
    if (n == 0 || p[1 + n] != '}') return LITERAL;
    *ret_len = n + 2;
    for (int i = 0; i < PLACE_COUNT; i++) {
        if (strlen(names[i]) != n || strncmp(names[i], p + 1, n) != 0) continue;
        *ret_place = i;
        return PLACE;
    }
    return UNKNOWN;
}

int engine_places_used(const char *text, unsigned *ret, char unknown[32]) {
    size_t n;
    for (*ret = 0; *text; text += n) {
        int place = 0;
        const enum piece kind = next(text, &n, &place);
        if (kind == PLACE) *ret |= 1u << place;
        if (kind != UNKNOWN) continue;
        snprintf(unknown, 32, "%.*s", (int)(n < 31 ? n : 31), text);
        return -1;
    }
    return 0;
}

void engine_places_fill(struct buf *b, const char *text, const struct engine_places *p) {
    size_t n;
    for (; *text; text += n) {
        int place = 0;
        if (next(text, &n, &place) != PLACE)
            buf_put(b, text, n == 2 && text[0] == '{' && text[1] == '{' ? 1 : n);
        else if (p->value[place])
            buf_puts(b, p->value[place]);
    }
}
