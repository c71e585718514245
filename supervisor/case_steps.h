/* case_steps.h - the words a fake lane is written in, and their keys ("*" = required).
 *
 * Steps run one after the other in a real child inside the jail, cwd /workspace. A step that fails ends the lane,
 * unless it says may_fail; each step inside expect_fail must fail.
 *
 *   write {path*, one of text | base64 | repeat_byte + size, mode}
 *   append {path*, text*}   replace {path*, old*, new*}   delete {path*}   rename {from*, to*}   chmod {path*, mode*}
 *   symlink {path*, target*}   mkdir {path*}   fifo {path*}
 *   write_many {dir*, count*, size*}   read {path*, expect* "present" | "missing" | "denied"}
 *   git {args*, may_fail}   commit {message*, paths (default: everything)}   exec {argv*, may_fail}
 *   output {stream "stdout" | "stderr", one of text | base64, repeat}   sleep {ms*}   say_done {}   hang {}
 *   exit {code*}   signal {signal* "KILL" | "TERM" | "SEGV" | ...}
 *   spawn {ms*, setsid, ignore_signals, double_fork, hold_stdout, text, then [steps]}
 *   connect {host*, port*, expect "failed" | "refused" | "connected"}   expect_fail {steps*}
 *
 * mode is octal text ("755"); host is an IPv4 address. worker/fake_agent/agent.h says what each of them does.
 * A case that has a step or a key outside this table is refused when it is read, not when it runs.
 */
#ifndef CTO_SUPERVISOR_CASE_STEPS_H
#define CTO_SUPERVISOR_CASE_STEPS_H

#include "common/json.h"

#define CASE_MAX_STEPS 256

/* Checks the array `key` of `o` (which claims it). The first mistake sticks in the document. Returns the number of
 * steps, -1 when the key is absent or something is wrong. */
int case_steps_check(struct json_obj *o, const char *key, enum json_need need);

#endif
