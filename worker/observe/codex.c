/* codex.c - what `codex exec --json` prints. A turn ends in exactly one of turn.completed and turn.failed, in neither when the program
 * was ended. An `error` item is a note (an unknown model's metadata, each run), a top-level `error` a try that is made again: neither is
 * an end. */
#include <stdio.h>
#include <string.h>

#include "worker/observe/observe.h"

/* "update strings.py, add new.py" */
static void put_changes(struct observer *o, const cJSON *item, enum observe_ok ok) {
    char text[OBSERVE_TEXT_MAX + 1] = "";
    size_t used = 0;
    const cJSON *c;
    cJSON_ArrayForEach(c, observe_get(item, "changes")) {
        const char *path = observe_text(c, "path"), *kind = observe_text(c, "kind");
        int n = snprintf(text + used, sizeof text - used, "%s%.20s %.200s", used ? ", " : "", kind ? kind : "change",
                         path ? path : "?");
        if (n < 0 || used + (size_t)n >= sizeof text) break;
        used += (size_t)n;
    }
    observe_tool_ends(o, observe_text(item, "id"), "file_change", text, ok, 0);
}

static enum observe_ok outcome(const cJSON *item) {
    const char *status = observe_text(item, "status");
    const cJSON *code = observe_get(item, "exit_code");
    if (cJSON_IsNumber(code)) return code->valuedouble == 0 ? OBSERVE_GOOD : OBSERVE_FAILED;
    if (!status) return OBSERVE_UNKNOWN;
    return strcmp(status, "completed") == 0 ? OBSERVE_GOOD
           : strcmp(status, "failed") == 0  ? OBSERVE_FAILED
                                            : OBSERVE_UNKNOWN;
}

static bool is_tool(const char *type) {
    static const char *const tools[] = {"command_execution", "file_change", "mcp_tool_call", "web_search", NULL};
    for (int i = 0; tools[i]; i++)
        if (strcmp(type, tools[i]) == 0) return true;
    return false;
}

static const char *words_of(const cJSON *item) {
    static const char *const keys[] = {"command", "tool", "query", NULL};
    for (int i = 0; keys[i]; i++)
        if (observe_text(item, keys[i])) return observe_text(item, keys[i]);
    return "";
}

static void completed(struct observer *o, const cJSON *item, const char *type) {
    if (strcmp(type, "agent_message") == 0) {
        o->messages++;
        observe_put(o, OBSERVE_MESSAGE, "assistant", observe_text(item, "text"), OBSERVE_UNKNOWN, 0, 0);
    } else if (strcmp(type, "reasoning") == 0) {
        observe_put(o, OBSERVE_MESSAGE, "reasoning", observe_text(item, "text"), OBSERVE_UNKNOWN, 0, 0);
    } else if (strcmp(type, "error") == 0) {
        observe_put(o, OBSERVE_ERROR, "note", observe_text(item, "message"), OBSERVE_UNKNOWN, 0, 0);
    } else if (strcmp(type, "file_change") == 0) {
        put_changes(o, item, outcome(item));
    } else if (is_tool(type)) {
        observe_tool_ends(o, observe_text(item, "id"), type, words_of(item), outcome(item), 0);
    }
}

static void take(struct observer *o, const cJSON *line) {
    const char *type = observe_text(line, "type");
    const cJSON *item = observe_get(line, "item"), *usage = observe_get(line, "usage");
    const char *kind = observe_text(item, "type");
    if (!type) return;
    if (strcmp(type, "item.completed") == 0 && kind) {
        completed(o, item, kind);
    } else if (strcmp(type, "item.started") == 0 && kind && is_tool(kind) && strcmp(kind, "file_change") != 0) {
        observe_tool_begins(o, observe_text(item, "id"), kind, words_of(item));
    } else if (strcmp(type, "turn.started") == 0) {
        observe_put(o, OBSERVE_TURN, "started", "", OBSERVE_UNKNOWN, 0, 0);
    } else if (strcmp(type, "turn.completed") == 0) {
        observe_tokens(o, observe_get(usage, "input_tokens"), observe_get(usage, "output_tokens"));
        observe_put(o, OBSERVE_TURN, "completed", "", OBSERVE_GOOD, 0, 0);
        observe_ended(o, "turn.completed", "");
    } else if (strcmp(type, "turn.failed") == 0) {
        const char *why = observe_text(observe_get(line, "error"), "message");
        observe_put(o, OBSERVE_TURN, "failed", why, OBSERVE_FAILED, 0, 0);
        observe_ended(o, "turn.failed", why);
    } else if (strcmp(type, "error") == 0) {
        o->errors++;
        observe_put(o, OBSERVE_ERROR, "stream", observe_text(line, "message"), OBSERVE_FAILED, 0, 0);
    }
}

const struct observe_format observe_codex = {"codex-jsonl", take, "none"};
