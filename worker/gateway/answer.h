/* answer.h - what an answer of the model's server says about itself, read while it passes: its model, its tokens, whether it is
 * whole. Pure: bytes in, a verdict out.
 *
 * A JSON answer is one document; a streamed one is Server-Sent Events, each of whose data is a JSON document or "[DONE]". Both APIs:
 * chat completions name model and usage at the top, the responses API inside of "response" too. Every model that is named anywhere
 * there must be the admitted one, and one must be named: what does not say where it comes from is not known to come from there. Only an
 * answer that is an error may do without. No memory beyond this struct is used, whatever comes.
 */
#ifndef CTO_WORKER_GATEWAY_ANSWER_H
#define CTO_WORKER_GATEWAY_ANSWER_H

#include "worker/gateway/config.h"
#include "worker/gateway/jscan.h"

enum answer_verdict {
    ANSWER_FINE,
    ANSWER_WRONG_MODEL, /* names another model */
    ANSWER_NO_MODEL,    /* is whole, is no error, and names none */
    ANSWER_GARBAGE,     /* no JSON where the interface promises it */
    ANSWER_BROKEN       /* ends before its end */
};

struct answer {
    const char *admitted; /* borrowed */
    enum gw_api api;
    bool stream;
    char model[GW_MODEL_MAX + 1]; /* "" : none was named; the wrong one when there is one. May hold any bytes */
    uint64_t tokens_in, tokens_out;
    bool finished, wrong;
    bool named, failed; /* a model was named; it says that it is an error */
    /* the rest is answer.c's */
    struct spell *spell; /* borrowed; NULL: none */
    struct jscan scan;
    bool is_object, bad;
    uint8_t line[8]; /* the beginning of the line, as far as it says which field it is */
    uint8_t line_len, done_len;
    bool in_data, after_cr, has_data, done, not_done, past_first; /* line */
    uint64_t events;
};

struct spell;
void answer_init(struct answer *a, enum gw_api api, bool stream, const char *admitted);
/* The strings of its events go there too. */
void answer_watch(struct answer *a, struct spell *s);
/* FINE, WRONG_MODEL or GARBAGE; what is not FINE sticks. */
enum answer_verdict answer_feed(struct answer *a, const void *p, size_t n);
/* A stream that has said its last word, to the empty line behind it, and is fine. */
bool answer_is_whole(const struct answer *a);
/* The server has ended it. */
enum answer_verdict answer_end(struct answer *a);

#endif
