/* test_common_msg.c - the protocol's table makes sense: numbers and names are unique and fit the wire and the once-bits, every
 * frame is permitted somewhere, bulk never while nobody reads it; names of states and kinds. */
#include <string.h>

#include "check.h"
#include "common/msg.h"

static void unique(void) {
    size_t n;
    const struct msg_rule *r = msg_rules(&n);
    CHECK(n >= 20);
    for (size_t i = 0; i < n; i++) {
        CHECK(r[i].type != 0 && r[i].name && r[i].name[0]);
        CHECK(msg_rule(r[i].type) == &r[i]);
        for (size_t k = 0; k < i; k++) {
            CHECK(r[i].type != r[k].type && strcmp(r[i].name, r[k].name) != 0);
            /* run_frames.c keeps what was seen in 64 bits, by the low six of the number */
            if ((r[i].flags & MSG_ONCE) && (r[k].flags & MSG_ONCE)) CHECK((r[i].type & 63) != (r[k].type & 63));
        }
    }
    CHECK(msg_rule(0) == NULL && msg_rule(3) == NULL && msg_rule(0xffff) == NULL && msg_rule(0x10010) == NULL);
}

static void sane(void) {
    size_t n;
    const struct msg_rule *r = msg_rules(&n);
    const uint32_t worker_lives = IN_WORK | IN(COLLECTING);
    for (size_t i = 0; i < n; i++) {
        CHECK(r[i].states != 0 && (r[i].states & ~worker_lives) == 0);
        CHECK((r[i].flags & ~MSG_ONCE) == 0 && (r[i].steps & ~INSPECT_ANY) == 0);
        CHECK(r[i].largest <= 256u << 10);
        CHECK(r[i].direction == MSG_TO_WORKER || r[i].direction == MSG_TO_SUPERVISOR);
        if (r[i].direction == MSG_TO_WORKER)
            CHECK(r[i].channel != MSG_BULK && (r[i].flags & MSG_ONCE) && r[i].steps == 0);
        if (r[i].channel == MSG_BULK)
            CHECK((r[i].states & (IN(STARTING) | IN(BASELINE))) == 0 && (r[i].states & IN_BULK) == IN_BULK &&
                  r[i].largest <= 32u << 10);
    }
    /* what an inspector, which parses hostile bytes, may never say */
    static const unsigned never[] = {MSG_HELLO,        MSG_READY,      MSG_STARTED,     MSG_ENGINE_END,
                                     MSG_VERIFY_START, MSG_VERIFY_END, MSG_VERIFY_SKIP, MSG_OUTPUT};
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) CHECK(msg_rule(never[i])->steps == 0);
    CHECK(msg_rule(MSG_RESULT)->steps == INSPECT_CENSUS && msg_rule(MSG_CHANGE)->steps == INSPECT_DIFF);
}

static void names(void) {
    CHECK(strcmp(run_state_name(RUN_PLANNED), "planned") == 0 && strcmp(run_state_name(RUN_DONE), "done") == 0);
    CHECK(strcmp(run_state_name(RUN_SEALING), "sealing") == 0 &&
          strcmp(run_state_name(RUN_STATE_COUNT), "invalid") == 0);
    for (int i = 0; i < RUN_STATE_COUNT; i++)
        for (int k = 0; k < i; k++)
            CHECK(strcmp(run_state_name((enum run_state)i), run_state_name((enum run_state)k)) != 0);
    CHECK(strcmp(end_kind_name(END_EXITED), "exited") == 0 && strcmp(end_kind_name(END_LIMIT), "limit") == 0);
    CHECK(strcmp(end_kind_name(0), "invalid") == 0 && strcmp(end_kind_name(END_LIMIT + 1), "invalid") == 0);
    CHECK(strcmp(result_kind_name(RESULT_NONE), "none") == 0 &&
          strcmp(result_kind_name(RESULT_TOO_LARGE), "too_large") == 0);
    CHECK(strcmp(result_kind_name(0), "invalid") == 0 && strcmp(result_kind_name(6), "invalid") == 0);
}

int main(void) {
    unique();
    sane();
    names();
    return check_done();
}
