/* observe.h - what cto-harness-observe says of a backend's output, for the supervisor: a row of records, then one that ends it.
 *
 *   record   u8 kind, str name, str text, u8 enum observe_ok, u64 a, u64 b
 *   end      u8 OBSERVE_END, str ended, str error, u32 messages, u32 tools, u32 errors, u8 usage seen, u64 tokens in, u64 tokens out,
 *            u64 lines, u64 bad lines, u64 long lines, u8 something was left out
 *
 * All of it is what an agent claims: data, never an event type of its choosing, never a verdict. Texts are valid UTF-8 without control
 * characters and cut to OBSERVE_TEXT_MAX bytes; the supervisor checks that again. `name` is a word that the observer chose, or a tool's.
 */
#ifndef CTO_COMMON_OBSERVE_H
#define CTO_COMMON_OBSERVE_H

#define OBSERVE_KINDS(X)                                                \
    X(MESSAGE, 1, "backend.message")                                    \
    X(TOOL, 2, "backend.tool")   /* a: milliseconds, when it says so */ \
    X(USAGE, 3, "backend.usage") /* a: tokens in, b: tokens out */      \
    X(ERROR, 4, "backend.error")                                        \
    X(TURN, 5, "backend.turn")
enum observe_kind {
#define X(name, number, event) OBSERVE_##name = (number),
    OBSERVE_KINDS(X)
#undef X
        OBSERVE_END = 15
};
enum observe_ok { OBSERVE_UNKNOWN, OBSERVE_GOOD, OBSERVE_FAILED };

#define OBSERVE_MAX 500                /* records before the end */
#define OBSERVE_BYTES_MAX (256u << 10) /* of all of them, with the end */
#define OBSERVE_TEXT_MAX 400
#define OBSERVE_NAME_MAX 64
#define OBSERVE_LINE_MAX (1u << 20) /* what is longer is skipped, and counted */

#endif
