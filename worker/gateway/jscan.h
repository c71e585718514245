/* jscan.h - JSON looked at while it passes: a strict scanner that is fed any pieces, keeps no tree, and has a fixed size.
 *
 * A tree of cJSON takes thirty times the bytes of a hostile document, and an answer that is streamed may not be kept at all; so what
 * runs through a gateway is scanned. The grammar is RFC 8259 to the letter: what this accepts, cJSON accepts (a fuzz target holds
 * that), but for halves of surrogate pairs, which every JSON.stringify writes. Each value is told to the client when it is whole, with the keys on the
 * way to it. Keys and values are told decoded, so that "model" and "\u006dodel" are the same; one that is longer than there is
 * room for is marked as cut and equals nothing. Duplicate keys are told each time: what they mean is the client's to say.
 */
#ifndef CTO_WORKER_GATEWAY_JSCAN_H
#define CTO_WORKER_GATEWAY_JSCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSCAN_DEPTH 256     /* containers in each other; deeper is an error */
#define JSCAN_KEYS 4        /* keys are kept for the members of so many levels */
#define JSCAN_KEY_SIZE 32   /* longer keys are cut */
#define JSCAN_TEXT_SIZE 160 /* of a string or number */
#define JSCAN_KEY_LONG "\1"
#define JSCAN_KEY_ODD "\2" /* holds a NUL, where some parser may take it to end, or half of a surrogate pair */

enum jscan_kind { JSCAN_STRING, JSCAN_NUMBER, JSCAN_TRUE, JSCAN_FALSE, JSCAN_NULL, JSCAN_OBJECT, JSCAN_ARRAY };

struct jscan;
struct jscan_value {
    enum jscan_kind kind;
    const char *text; /* STRING (decoded), NUMBER (as written); NUL-terminated */
    size_t len;
    bool cut;          /* there was more of it, or it holds what no C string can */
    size_t start, end; /* where it stands in all that was fed */
};
typedef void (*jscan_fn)(void *ctx, const struct jscan *s, const struct jscan_value *v);

typedef void (*jscan_part_fn)(void *ctx, const struct jscan *s, const void *p, size_t n);

struct jscan_text {
    char p[JSCAN_TEXT_SIZE];
    size_t len;
    bool cut;
    const struct jscan *teller; /* of its parts; NULL: they are not told */
};

struct jscan {
    jscan_fn on;
    jscan_part_fn part; /* NULL, or set after jscan_init: all of each string that is a value, decoded, in pieces */
    void *ctx;
    size_t at;      /* bytes fed */
    unsigned depth; /* containers that are open: a member of the outermost one has depth 1 */
    char key[JSCAN_KEYS + 1]
            [JSCAN_KEY_SIZE]; /* key[d]: of the member of depth d; "[]" in an array; JSCAN_KEY_LONG, JSCAN_KEY_ODD */
    /* the rest is jscan.c's */
    uint8_t is_object[JSCAN_DEPTH / 8 + 1];
    uint8_t state, literal, literal_at;
    bool in_key, bad;
    uint32_t unicode, high;
    uint8_t hex;
    struct jscan_text text;
    size_t start[JSCAN_KEYS + 1], value_start; /* of the open containers that a client is told of with a place */
};

void jscan_init(struct jscan *s, jscan_fn on, void *ctx);
/* -1: what was fed is no beginning of a JSON document. Sticks. */
int jscan_feed(struct jscan *s, const void *p, size_t n);
/* Is what was fed exactly one document? Ends a number that stands alone. */
bool jscan_end(struct jscan *s);
/* Is v the member keys[0..n-1] of the document? An element of an array is "[]". */
bool jscan_is(const struct jscan *s, const char *const *keys, unsigned n);

#endif
