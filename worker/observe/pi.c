/* pi.c - what `pi --mode json` prints. Each message is told three times and more (start, updates, end, turn_end, agent_end; before 1.x
 * every update holds all of it again): only message_end counts, and only the assistant's. How it ended is the stopReason of the last of
 * them; pi itself exits 0 whatever that was. */
#include <string.h>

#include "worker/observe/observe.h"

static void put_content(struct observer *o, const cJSON *message) {
    const cJSON *c, *content = observe_get(message, "content");
    if (cJSON_IsString(content))
        observe_put(o, OBSERVE_MESSAGE, "assistant", content->valuestring, OBSERVE_UNKNOWN, 0, 0);
    if (!cJSON_IsArray(content)) return;
    cJSON_ArrayForEach(c, content) {
        const char *type = observe_text(c, "type");
        if (type && strcmp(type, "text") == 0)
            observe_put(o, OBSERVE_MESSAGE, "assistant", observe_text(c, "text"), OBSERVE_UNKNOWN, 0, 0);
        if (type && strcmp(type, "thinking") == 0)
            observe_put(o, OBSERVE_MESSAGE, "reasoning", observe_text(c, "thinking"), OBSERVE_UNKNOWN, 0, 0);
    }
}

static void message_end(struct observer *o, const cJSON *message) {
    const char *role = observe_text(message, "role"), *stop = observe_text(message, "stopReason");
    const char *error = observe_text(message, "errorMessage");
    const cJSON *usage = observe_get(message, "usage");
    if (!role || strcmp(role, "assistant") != 0) return;
    o->messages++;
    put_content(o, message);
    observe_tokens(o, observe_get(usage, "input"), observe_get(usage, "output"));
    const bool failed = stop && (strcmp(stop, "error") == 0 || strcmp(stop, "aborted") == 0);
    observe_put(o, OBSERVE_TURN, stop, error, failed ? OBSERVE_FAILED : OBSERVE_UNKNOWN, 0, 0);
    if (failed) o->errors++;
    if (stop) observe_ended(o, stop, error);
}

static enum observe_ok outcome(const cJSON *line) {
    const cJSON *bad = observe_get(line, "isError");
    return !cJSON_IsBool(bad) ? OBSERVE_UNKNOWN : cJSON_IsTrue(bad) ? OBSERVE_FAILED : OBSERVE_GOOD;
}

static uint64_t duration(const cJSON *line) {
    const cJSON *ms = observe_get(line, "durationMs");
    return cJSON_IsNumber(ms) && ms->valuedouble > 0 && ms->valuedouble < 1e12 ? (uint64_t)ms->valuedouble : 0;
}

static void tool_begins(struct observer *o, const cJSON *line) {
    const cJSON *args = observe_get(line, "args");
    const char *words = observe_text(args, "command");
    if (!words) words = observe_text(args, "path");
    observe_tool_begins(o, observe_text(line, "toolCallId"), observe_text(line, "toolName"), words);
}

static void take(struct observer *o, const cJSON *line) {
    const char *type = observe_text(line, "type");
    if (!type) return;
    if (strcmp(type, "message_end") == 0) {
        message_end(o, observe_get(line, "message"));
    } else if (strcmp(type, "tool_execution_start") == 0) {
        tool_begins(o, line);
    } else if (strcmp(type, "tool_execution_end") == 0) {
        observe_tool_ends(o, observe_text(line, "toolCallId"), observe_text(line, "toolName"), "", outcome(line),
                          duration(line));
    } else if (strcmp(type, "auto_retry_start") == 0) {
        o->errors++;
        observe_put(o, OBSERVE_ERROR, "retry", observe_text(line, "errorMessage"), OBSERVE_FAILED, 0, 0);
    }
}

const struct observe_format observe_pi = {"pi-jsonl", take, "none"};
