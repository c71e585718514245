/* events.c - what Case leaves beside the code: .case/ID/events/run-RUN.jsonl, and the state of its task. In the form that was seen of the
 * real one: each line has `event`, `ts`, `sequence` and `runId`. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/doubles/ca/ca.h"
#include "common/clock.h"
#include "common/io.h"
#include "common/json.h"

#define RUN_ID "double"

static int sequence;

/* Takes `o`. The directory was made with the first event; what cannot be written is missed by whoever looks for it. */
static void append(const struct asked *a, cJSON *o) {
    char path[512], now[CLOCK_STAMP_SIZE];
    clock_stamp(clock_real_ms(), now);
    json_put_str(o, "ts", now);
    json_put_int(o, "sequence", ++sequence);
    json_put_str(o, "runId", RUN_ID);
    char *text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    BUG_UNLESS(text != NULL);
    snprintf(path, sizeof path, ".case/%s/events/run-" RUN_ID ".jsonl", a->id);
    AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd >= 0 && io_write_full(fd, text, strlen(text), NULL) == 0) (void)io_write_full(fd, "\n", 1, NULL);
    cJSON_free(text);
}

static cJSON *of(const char *event, const char *phase, const char *agent) {
    cJSON *o = json_new_object();
    json_put_str(o, "event", event);
    if (phase) json_put_str(o, "phase", phase);
    if (agent) json_put_str(o, "agent", agent);
    return o;
}

void event_pipeline_start(const struct asked *a) {
    char path[512];
    cJSON *o = of("pipeline_start", NULL, NULL);
    snprintf(path, sizeof path, ".case/%s/events", a->id);
    (void)io_mkdirs_at(AT_FDCWD, path, 0755, NULL);
    json_put_str(o, "taskId", a->id);
    json_put_str(o, "profile", "standard");
    json_put(o, "plan", json_new_object());
    append(a, o);
}

void event_phase_start(const struct asked *a, const char *phase, const char *agent) {
    append(a, of("phase_start", phase, agent));
}

void event_tool(const struct asked *a, const char *phase, const char *agent, const char *tool, const char *args) {
    for (int end = 0; end < 2; end++) {
        cJSON *o = of(end ? "tool_end" : "tool_start", phase, agent);
        json_put_str(o, "toolCallId", "call-1");
        json_put_str(o, "tool", tool);
        if (end) {
            json_put_int(o, "durationMs", 1);
            json_put_bool(o, "isError", false);
            json_put_str(o, "result", "");
        } else {
            json_put_str(o, "args", args);
        }
        append(a, o);
    }
}

void event_phase_end(const struct asked *a, const char *phase, const char *agent, bool good, const char *result) {
    cJSON *o = of("phase_end", phase, agent);
    json_put_str(o, "outcome", good ? "completed" : "failed");
    json_put_int(o, "durationMs", 1);
    if (result) json_put(o, "result", cJSON_Parse(result));
    append(a, o);
}

void event_pipeline_end(const struct asked *a, const char *failed) {
    cJSON *o = of("pipeline_end", NULL, NULL);
    json_put_str(o, "outcome", failed ? "failed" : "completed");
    if (failed) json_put_str(o, "failedAgent", failed);
    json_put_int(o, "durationMs", 1);
    append(a, o);
}

void leave_task(const struct asked *a) {
    AUTO_BUF struct buf text = BUF_INIT(JSON_MAX_BYTES);
    char path[512];
    snprintf(path, sizeof path, ".case/tasks/active/%s.task.json", a->id);
    cJSON *task =
        io_read_file_at(AT_FDCWD, path, JSON_MAX_BYTES, &text, NULL) == 0 ? cJSON_Parse(buf_str(&text)) : NULL;
    if (!task) return;
    cJSON_DeleteItemFromObjectCaseSensitive(task, "tested");
    json_put_bool(task, "tested", true);
    char *now = cJSON_Print(task);
    cJSON_Delete(task);
    BUG_UNLESS(now != NULL);
    (void)io_replace_file_at(AT_FDCWD, path, now, strlen(now), 0644, 0, NULL);
    cJSON_free(now);
    snprintf(path, sizeof path, ".case/tasks/active/%s.md", a->id);
    AUTO_FD int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    static const char line[] = "\n- a test double was here\n";
    if (fd >= 0) (void)io_write_full(fd, line, sizeof line - 1, NULL);
}
