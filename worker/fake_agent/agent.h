/* agent.h - cto-harness-fake-agent STEPS.json: an agent that does exactly what a case says, in its working directory.
 *
 * It is a real process with real children in the same jail as any agent; the harness has no other way to run steps. The
 * file is {"steps": [step, ...]}; all of it is checked before the first step is done. Every step is an object with
 * "do":
 *
 *   files (paths relative to the working directory or absolute; missing parent directories of new files are made)
 *     write       {path, text | base64 | repeat_byte 0..255 + size, mode? "644"}   creates or replaces
 *     append      {path, text}
 *     replace     {path, old, new}                 the first occurrence, which must exist
 *     delete      {path}                           a file, a link, or a directory with all in it
 *     rename      {from, to}
 *     chmod       {path, mode "755"}
 *     symlink     {path, target}
 *     mkdir       {path}
 *     fifo        {path}
 *     write_many  {dir, count, size}               files f000000.txt ... of `size` bytes
 *     read        {path, expect "present" | "missing" | "denied"}
 *   git
 *     git         {args [..], may_fail?}           /usr/bin/git; a failing one fails the step
 *     commit      {message, paths? [..]}           `git add -A` or of these paths, then `git commit`
 *   processes
 *     output      {stream? "stdout" | "stderr", text | base64, repeat? 1}
 *     sleep       {ms}
 *     spawn       {ms, setsid?, ignore_signals?, double_fork?, hold_stdout?, text?, then? [steps]}
 *                 a child that sleeps, says the text, does the steps and exits; it keeps stdout and stderr only with
 *                 hold_stdout
 *     exec        {argv [..], may_fail?}           found in PATH, waited for
 *     connect     {host "127.0.0.1", port, expect? "failed" | "refused" | "connected"}   TCP, IPv4 address, one second
 *     say_done    {}                               claims success on stdout
 *     hang        {}                               ignores what can be ignored and never returns
 *     exit        {code}
 *     signal      {signal "KILL" | "TERM" | "SEGV" | ...}   to itself
 *   checks
 *     expect_fail {steps [..]}                     each of these must fail, else exit 66
 *
 * Exit: 0 after the last step; 64 the file is wrong; 65 a step failed; 66 a step that must fail did not.
 */
#ifndef CTO_WORKER_FAKE_AGENT_AGENT_H
#define CTO_WORKER_FAKE_AGENT_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"

enum { AGENT_EXIT_FILE = 64, AGENT_EXIT_STEP = 65, AGENT_EXIT_EXPECT = 66 };
#define AGENT_MAX_STEPS 10000
#define AGENT_MAX_ARGS 128
#define AGENT_MAX_TEXT (1u << 20)

/* A step reads its keys, calls step_read(), and goes on only when that says so: the same function checks and does. */
typedef int (*step_fn)(struct json_obj *o, struct err *e);
struct step_type {
    const char *name;
    step_fn run;
};
extern const struct step_type steps_file[], steps_git[], steps_process[]; /* end at a NULL name */

/* 1: do it. 0: this was the check, return 0. -1: the keys are wrong, return -1. */
int step_read(struct json_obj *o, struct err *e);
#define STEP_KEYS_END(o, e)            \
    do {                               \
        int go_ = step_read((o), (e)); \
        if (go_ <= 0) return go_;      \
    } while (0)

/* Checks or does an array of steps, which `key` of `o` names; absent: nothing. */
int steps_nested(struct json_obj *o, const char *key, const cJSON *array, int n, struct err *e);
/* Each of them must fail. */
int steps_must_fail(struct json_obj *o, const char *key, const cJSON *array, int n, struct err *e);

/* text or base64 (exactly one of them) into `out`. */
int step_content(struct json_obj *o, struct buf *out);
/* Strings of an array, NULL-terminated, from argv[at] on; returns how many there are in all. */
int step_strings(struct json_obj *o, const char *key, enum json_need need, const char *argv[AGENT_MAX_ARGS + 1],
                 int at);
/* Runs a program and waits; argv[0] is looked up in PATH. may_fail: any end is fine, also one that could not start. */
int step_program(const char *const *argv, bool may_fail, struct err *e);

#endif
