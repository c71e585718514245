/* reply.h - what the gateway itself says to an agent: errors in the shape that clients of this API read, and the list of models. */
#ifndef CTO_WORKER_GATEWAY_REPLY_H
#define CTO_WORKER_GATEWAY_REPLY_H

#include "common/buf.h"
#include "common/msg.h"

/* {"error":{"message":..., "type":..., "param":null, "code":...}}. `message` is ours and plain ASCII; the type follows the status. */
void reply_error(struct buf *out, unsigned status, const char *code, const char *message);
void reply_models(struct buf *out, const char *model);
/* The status and the sentence by which an agent learns that the server's side failed. The server's own status (0: none came) is
 * passed on where clients act by it. */
unsigned reply_status_of(enum gw_outcome o, unsigned server_status);
const char *reply_text_of(enum gw_outcome o);

#endif
