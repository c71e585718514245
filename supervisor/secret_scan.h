/* secret_scan.h - shapes of credentials in a stream: blocks of private keys, and words that begin as providers' keys do. Findings, for a
 * person to look at: a shape is no proof, so nothing is changed and nothing fails for one. Only counts come out, never a byte.
 *
 * What the harness itself was given is searched byte by byte (redact.h); what people write by hand is asked by secret_shape.h.
 */
#ifndef CTO_SUPERVISOR_SECRET_SCAN_H
#define CTO_SUPERVISOR_SECRET_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECRET_SHAPES(X)                 \
    X(PRIVATE_KEY, "private_key_block")  \
    X(OPENAI, "openai_or_anthropic_key") \
    X(GITHUB, "github_token")            \
    X(GITLAB, "gitlab_token")            \
    X(SLACK, "slack_token")              \
    X(AWS, "aws_access_key_id")          \
    X(HUGGINGFACE, "huggingface_token")  \
    X(JWT, "json_web_token")
enum secret_shape {
#define X(name, text) SHAPE_##name,
    SECRET_SHAPES(X)
#undef X
        SHAPE_COUNT
};
const char *secret_shape_name(enum secret_shape s);

/* One stream; {0} to begin with. */
struct secret_scan {
    uint64_t found[SHAPE_COUNT];
    /* own */
    char word[96]; /* the beginning of the word that the last byte belongs to */
    size_t n;      /* its length, also beyond that */
    bool escaped;  /* the last byte was a backslash */
    int block;     /* how many words after -----BEGIN are to be looked at yet */
    bool is_private;
};
void secret_scan_feed(struct secret_scan *s, const void *p, size_t n);
void secret_scan_end(struct secret_scan *s); /* the last word is whole; counts stay */

#endif
