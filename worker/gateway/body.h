/* body.h - what an agent's request asks for, read while it arrives: model, stream, stream_options. Pure.
 *
 * A server's parser may take the first of two equal keys or the last, some compare keys without case (a long s is an s to them), and
 * some take a key to end at a NUL. So exactly one top-level key that is "model" in any case may be there, it must be written in lower
 * case, and its value must be the admitted model to the byte. The same for "stream" and "stream_options", by which the gateway itself
 * decides.
 */
#ifndef CTO_WORKER_GATEWAY_BODY_H
#define CTO_WORKER_GATEWAY_BODY_H

#include "common/buf.h"
#include "worker/gateway/config.h"
#include "worker/gateway/jscan.h"

enum body_verdict {
    BODY_FINE,
    BODY_MALFORMED,   /* not one JSON object */
    BODY_NO_MODEL,    /* no model, or one that is no string */
    BODY_TWO_MODELS,  /* or "Model" */
    BODY_OTHER_MODEL, /* another than the admitted one */
    BODY_AMBIGUOUS    /* stream or stream_options twice, or no boolean, or no object; a key with a NUL in it */
};
const char *body_verdict_text(enum body_verdict v); /* a sentence for the agent */

struct body {
    const char *admitted;         /* borrowed */
    char model[GW_MODEL_MAX + 1]; /* as asked for; may hold any bytes */
    bool stream, include_usage;
    /* the rest is body.c's */
    struct jscan scan;
    bool is_object;
    unsigned models, odd_models, streams, options, usages;
    bool model_is_string, model_is_other, ambiguous;
    size_t options_start, options_end;
};

void body_init(struct body *b, const char *admitted);
void body_feed(struct body *b, const void *p, size_t n);
enum body_verdict body_end(struct body *b);
/* A streamed chat answer says its tokens only when it is asked to. Makes `text`, the body that was fed whole, ask; other options of
 * that key are lost. The agent gets one more event, without choices, which every client of this API knows. */
void body_ask_for_usage(const struct body *b, struct buf *text);

#endif
