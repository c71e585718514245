/* test_sv_engine_file.c - engine files: a full one arrives field by field; each key missing, of a wrong type, too long, unknown or
 * shaped like a secret is refused with its place; words have their places filled in and no others; the program is found below
 * /opt/agent; what the worker is told is what its adapter reads; and every file that is shipped can be used. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "common/io.h"
#include "embedded.h"
#include "supervisor/engine_file.h"
#include "supervisor/engines.h"

#define FULL                                                                                                        \
    "{\"name\":\"my.agent-1\",\"summary\":\"An "                                                                    \
    "agent\",\"command\":[\"{interpreter}\",\"{program}\",\"--task={task}\","                                       \
    "\"{workspace}\",\"{{task}\",\"{Task} {} { "                                                                    \
    "}\",\"-m\",\"x/{model}\"],\"program\":\"packages\",\"interpreter\":\"node\","                                  \
    "\"environment\":[\"UNIT_MOOD\",\"UNIT_ABSENT\"],\"set\":{\"UNIT_API_KEY\":\"{key}\",\"UNIT_DIR\":\"{state}/"   \
    "x:{home}:{tmp}\"},"                                                                                            \
    "\"stdin\":\"task\",\"files\":[{\"path\":\"{state}/a/"                                                          \
    "b.json\",\"json\":{\"url\":\"{base_url}\",\"port\":\"{port}\"}},"                                              \
    "{\"path\":\"{home}/.rc\",\"text\":\"model = {model}\\n\"}],\"read_roots\":[\"/opt/x\"],\"uses_model\":true,"   \
    "\"api\":\"responses\",\"output\":\"codex-jsonl\",\"stop_signal\":\"INT\",\"stop_grace_ms\":700,\"commit\":"    \
    "\"harness\","                                                                                                  \
    "\"end_of_life\":\"exit\",\"grace_ms\":1,\"grace_max_ms\":2,\"timeouts\":{\"backend_s\":3,\"idle_s\":4},"       \
    "\"limits\":{\"memory_bytes\":1048576,\"processes\":2,\"cpu_s\":3,\"disk_bytes\":65536,\"inodes\":16,\"output_" \
    "bytes\":6,"                                                                                                    \
    "\"log_lines\":7},\"tested\":\"yes\",\"version\":\"1.2\"}"

static int parse(struct engine_file *f, const char *text, struct err *e) {
    *e = ERR_INIT;
    return engine_file_parse(f, "engine.json", text, strlen(text), e);
}

static const cJSON *get(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }
static const char *item(const cJSON *a, int i) { return cJSON_GetStringValue(cJSON_GetArrayItem(a, i)); }

static void full(void) {
    struct engine_file f;
    struct err e;
    if (!CHECK(parse(&f, FULL, &e) == 0)) fprintf(stderr, "    %s\n", e.text);
    CHECK(strcmp(f.name, "my.agent-1") == 0 && strcmp(f.summary, "An agent") == 0 && strcmp(f.version, "1.2") == 0);
    CHECK(f.n_command == 8 && f.program == PROGRAM_PACKAGES && strcmp(f.interpreter_name, "node") == 0);
    CHECK(f.n_environment == 2 && f.n_set == 2 && f.n_files == 2 && f.n_read_roots == 1);
    CHECK(f.stdin_task && f.uses_model && f.tested && f.api == API_RESPONSES && f.output == OUTPUT_CODEX_JSONL);
    CHECK(f.stop_signal == SIGINT && f.stop_grace_ms == 700 && f.commit == COMMIT_HARNESS && f.end_of_life == EOL_EXIT);
    CHECK(f.grace_ms == 1 && f.grace_max_ms == 2 && f.backend_ms == 3000 && f.idle_ms == 4000);
    CHECK(f.limits.memory_bytes == 1048576 && f.limits.processes == 2 && f.limits.cpu_s == 3 &&
          f.limits.disk_bytes == 65536 && f.limits.inodes == 16 && f.limits.output_bytes == 6 &&
          f.limits.log_lines == 7);
    CHECK(strlen(f.digest) == 64 && f.sha256[0] == '\0' && !f.shown);
    engine_file_release(&f);
    engine_file_release(&f);
}

static void least(void) {
    struct engine_file f;
    struct err e;
    CHECK(parse(&f, "{\"name\":\"x\",\"command\":[\"/bin/true\"]}", &e) == 0);
    CHECK(!f.stdin_task && !f.uses_model && !f.tested && f.api == API_NONE && f.output == OUTPUT_TEXT &&
          f.stop_signal == 0);
    CHECK(f.commit == -1 && f.end_of_life == -1 && f.grace_ms == -1 && f.backend_ms == -1 && f.idle_ms == -1);
    CHECK(engine_file_find(&f, "UNIT_", true, &e) == 0 && strlen(f.sha256) == 64 && !f.shown);
    char *text = engine_file_config(&f, "", 0);
    CHECK(text && strcmp(text, "{\"argv\":[\"/bin/true\"],\"env\":[],\"stdin\":false,\"files\":[]}") == 0);
    free(text);
    engine_file_release(&f);
}

/* --- what is refused ------------------------------------------------------------------------------------------------------ */

static void refuses(const cJSON *doc, const char *want) {
    struct engine_file f;
    struct err e;
    char *text = cJSON_PrintUnformatted(doc);
    NEED(text != NULL);
    const bool no = parse(&f, text, &e) < 0;
    if (!CHECK(no && strstr(e.text, want))) fprintf(stderr, "    got \"%s\", want \"%s\"\n", e.text, want);
    if (!no) engine_file_release(&f);
    free(text);
}

/* The full file with one key changed; `json` NULL: removed. */
static void with(const char *key, const char *json, const char *want) {
    cJSON *o = cJSON_Parse(FULL), *value = json ? cJSON_Parse(json) : NULL;
    NEED(o && (!json || value));
    cJSON_DeleteItemFromObjectCaseSensitive(o, key);
    if (value) cJSON_AddItemToObject(o, key, value);
    refuses(o, want);
    cJSON_Delete(o);
}

static void each_key(void) {
    cJSON *o = cJSON_Parse(FULL);
    for (int i = 0, n = cJSON_GetArraySize(o); i < n; i++) {
        const char *key = cJSON_GetArrayItem(o, i)->string;
        char want[80];
        snprintf(want, sizeof want, "engine.json:1: %s", key);
        with(key, "null", want);
        with(key, cJSON_IsNumber(cJSON_GetArrayItem(o, i)) ? "\"5\"" : "5", want);
        with(key, "[[]]", want);
    }
    cJSON_AddTrueToObject(o, "zz");
    refuses(o, "zz: unknown key");
    cJSON_Delete(o);
    with("name", NULL, "name: is missing");
    with("command", NULL, "command: is missing");
    with("api", NULL, "api: is missing");
    with("version", NULL, "tested with which one");
    with("program", NULL, "needs a program");
    with("uses_model", NULL, "of no model");
    with("stop_signal", NULL, "no stop_signal to wait after");
    with("interpreter", NULL, "does not say interpreter");
}

static void wrong_values(void) {
    with("name", "\"\"", "lower-case");
    with("name", "\"Upper\"", "lower-case");
    with("command", "[]", "begins with");
    with("command", "[\"sh\"]", "begins with");
    with("command", "[\"{task}\"]", "begins with");
    with("command", "[\"/bin/sh\"]", "has no {program}");
    with("command", "[\"{program}\",\"{endpoint}\"]", "{endpoint} is no place");
    with("program", "\"tree\"", "is not one of file, package, packages");
    with("interpreter", "\"../node\"", "lower-case");
    with("set", "{\"A-B\":\"x\"}", "no name of a variable");
    with("set", "{\"PATH\":\"/x\"}", "own");
    with("set", "{\"LD_PRELOAD\":\"/x\"}", "own");
    with("set", "{\"CTO_HOME\":\"/x\"}", "own");
    with("set", "{\"UNIT_MOOD\":\"x\"}", "handed on");
    with("set", "{\"X_TOKEN\":\"x{key}\"}", "named like a secret");
    with("set", "{\"X\":\"{real_key}\"}", "{real_key} is no place");
    with("set", "{\"X\":\"a\\nb\"}", "control character");
    with("set", "{\"X\":\"sk-0123456789abcdef0123\"}", "looks like a secret");
    with("set", "{\"X\":7}", "set.X");
    with("stdin", "\"prompt\"", "is not one of");
    with("files", "[{\"path\":\"/etc/passwd\",\"text\":\"\"}]", "below {home}/");
    with("files", "[{\"path\":\"{home}/../x\",\"text\":\"\"}]", "below {home}/");
    with("files", "[{\"path\":\"{home}/\",\"text\":\"\"}]", "below {home}/");
    with("files", "[{\"path\":\"{tmp}/x\",\"text\":\"\"}]", "below {home}/");
    with("files", "[{\"path\":\"{home}/{model}\",\"text\":\"\"}]", "below {home}/");
    with("files", "[{\"path\":\"{home}/x\",\"text\":\"\"},{\"path\":\"{home}/x\",\"text\":\"\"}]", "named twice");
    with("files", "[{\"path\":\"{home}/x\"}]", "one of text and json");
    with("files", "[{\"path\":\"{home}/x\",\"text\":\"\",\"json\":1}]", "one of text and json");
    with("files", "[{\"path\":\"{home}/x\",\"text\":\"\",\"mode\":1}]", "files[0].mode: unknown key");
    with("files", "[{\"path\":\"{home}/x\",\"text\":\"a\\u0007\"}]", "control character");
    with("files", "[{\"path\":\"{home}/x\",\"text\":\"{host}\"}]", "{host} is no place");
    with("files", "[{\"path\":\"{home}/x\",\"json\":{\"k\":\"ghp_0123456789abcdef0123\"}}]", "looks like a secret");
    with("read_roots", "[\"opt\"]", "not absolute");
    with("api", "\"none\"", "is not one of chat, responses");
    with("output", "\"json\"", "is not one of");
    with("stop_signal", "\"KILL\"", "is not one of TERM, INT, HUP, QUIT");
    with("stop_grace_ms", "0", "outside");
    with("stop_grace_ms", "10001", "outside");
    with("tested", "true", "a string");
    with("summary", "\"a\\tb\"", "control character");
    with("summary", "\"sk-0123456789abcdef0123\"", "looks like a secret");
    with("version", "\"sk-0123456789abcdef0123\"", "looks like a secret");
    setenv("UNIT_ABSENT", "ghp_0123456789abcdef0123", 1);
    with("version", "\"2\"", "UNIT_ABSENT is named or shaped");
    setenv("UNIT_ABSENT", "\xff", 1);
    with("version", "\"2\"", "UNIT_ABSENT is not UTF-8");
    unsetenv("UNIT_ABSENT");
}

/* n times `one`, in which '#' is the number of the time. */
static char *repeat(const char *before, const char *one, int n, const char *after) {
    AUTO_BUF struct buf b = BUF_INIT(1u << 20);
    buf_puts(&b, before);
    for (int i = 0; i < n; i++)
        for (const char *p = one; *p; p++) {
            if (*p == '#')
                buf_printf(&b, "%d", i);
            else
                buf_put(&b, p, 1);
        }
    buf_puts(&b, after);
    return buf_detach(&b);
}

static void too_much(void) {
    static const struct {
        const char *key, *before, *one;
        int n;
        const char *after, *want;
    } rows[] = {
        {"name", "\"", "a", 65, "\"", "name"},
        {"summary", "\"", "a", 201, "\"", "summary"},
        {"version", "\"", "1", 65, "\"", "version"},
        {"command", "[\"{program}\"", ",\"a#\"", 63, "]", "command"},
        {"command", "[\"{program}\",\"", "a ", 2049, "\"]", "command"},
        {"environment", "[\"A\"", ",\"A#\"", 24, "]", "environment"},
        {"set", "{\"A\":\"\"", ",\"A#\":\"\"", 20, "}", "set"},
        {"set", "{\"A\":\"", "a ", 2049, "\"}", "set.A"},
        {"set", "{\"A", "A", 128, "\":\"\"}", "no name of a variable"},
        {"files", "[{\"path\":\"{home}/x\",\"text\":\"\"}", ",{\"path\":\"{home}/x#\",\"text\":\"\"}", 8, "]", "files"},
        {"files", "[{\"path\":\"{home}/x\",\"text\":\"", "a ", 16385, "\"}]", "files[0].text"},
        {"files", "[{\"path\":\"{home}/", "a", 256, "\",\"text\":\"\"}]", "files[0].path"},
        {"read_roots", "[\"/a\"", ",\"/a#\"", 16, "]", "read_roots"},
        {"interpreter", "\"", "a", 33, "\"", "interpreter"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *json = repeat(rows[i].before, rows[i].one, rows[i].n, rows[i].after);
        with(rows[i].key, json, rows[i].want);
        free(json);
    }
}

/* What is within every bound alone can be too long together: then there is no configuration, and not a part of one. */
static void too_long_together(void) {
    struct engine_file f;
    struct err e;
    char *text = repeat("{\"name\":\"x\",\"command\":[\"/bin/true\"],\"files\":[{\"path\":\"{home}/x\",\"text\":\"",
                        "{workspace}\\n", 2600, "\"}],\"environment\":[\"UNIT_A\"]}");
    char *value = repeat("", "b ", 2000, "");
    setenv("UNIT_A", value, 1);
    CHECK(parse(&f, text, &e) == 0);
    char *config = engine_file_config(&f, "", 0);
    CHECK(config != NULL && strlen(config) < ENGINE_FILE_CONFIG_MAX);
    free(config);
    engine_file_release(&f);
    free(text);
    text = repeat("{\"name\":\"x\",\"uses_model\":true,\"api\":\"chat\",\"command\":[\"/bin/true\"",
                  ",\"{model}{model}{model}{model}#\"", 60, "]}");
    CHECK(parse(&f, text, &e) == 0);
    char *model = repeat("", "m", 3000, "");
    CHECK(engine_file_config(&f, model, 1) == NULL);
    free(model);
    engine_file_release(&f);
    free(text);
    free(value);
    unsetenv("UNIT_A");
}

/* --- use ------------------------------------------------------------------------------------------------------------------ */

static void as_told(void) {
    static const char *const argv[] = {"/opt/agent/bin/node",
                                       "/opt/agent/node_modules/@a/b/cli.js",
                                       "--task=/task/task.md",
                                       "/workspace",
                                       "{task}",
                                       "{Task} {} { }",
                                       "-m",
                                       "x/some-model"};
    struct engine_file f;
    struct err e;
    setenv("UNIT_BIN", "/srv/node_modules/old/node_modules/@a/b/cli.js", 1);
    setenv("UNIT_NODE", "/usr/bin/env", 1);
    setenv("UNIT_MOOD", "good {task}", 1);
    NEED(parse(&f, FULL, &e) == 0);
    NEED(engine_file_find(&f, "UNIT_", false, &e) == 0);
    CHECK(strcmp(f.shown, "/srv/node_modules/old/node_modules") == 0 &&
          strcmp(f.shown_at, "/opt/agent/node_modules") == 0);
    CHECK(f.n_bound == 3 && strcmp(f.bound[0], "/opt/x") == 0 && f.bound[1] == f.shown && f.bound[2] == f.interpreter);
    CHECK(strcmp(f.interpreter, "/usr/bin/env") == 0 && strlen(f.interpreter_sha256) == 64 && f.sha256[0] == '\0');
    AUTO_FREE char *text = engine_file_config(&f, "some-model", 8791);
    cJSON *o = cJSON_Parse(text);
    NEED(o != NULL);
    CHECK(cJSON_GetArraySize(get(o, "argv")) == 8);
    for (int i = 0; i < 8; i++) CHECK(strcmp(item(get(o, "argv"), i), argv[i]) == 0);
    /* what is handed on is a value, in which nothing is a place */
    CHECK(cJSON_GetArraySize(get(o, "env")) == 3 && strcmp(item(get(o, "env"), 0), "UNIT_MOOD=good {task}") == 0 &&
          strcmp(item(get(o, "env"), 1), "UNIT_API_KEY=" ENGINE_GATEWAY_KEY) == 0 &&
          strcmp(item(get(o, "env"), 2), "UNIT_DIR=/scratch/agent/x:/scratch/home:/scratch/tmp") == 0);
    const cJSON *a = cJSON_GetArrayItem(get(o, "files"), 0), *b = cJSON_GetArrayItem(get(o, "files"), 1);
    CHECK(strcmp(cJSON_GetStringValue(get(a, "path")), "agent/a/b.json") == 0 &&
          strcmp(cJSON_GetStringValue(get(b, "path")), "home/.rc") == 0);
    CHECK(strcmp(cJSON_GetStringValue(get(b, "text")), "model = some-model\n") == 0);
    cJSON *made = cJSON_Parse(cJSON_GetStringValue(get(a, "text")));
    CHECK(made && strcmp(cJSON_GetStringValue(get(made, "url")), "http://127.0.0.1:8791/v1") == 0 &&
          strcmp(cJSON_GetStringValue(get(made, "port")), "8791") == 0);
    cJSON_Delete(made);
    CHECK(get(o, "stop_signal")->valueint == SIGINT && get(o, "stop_grace_ms")->valueint == 700 &&
          cJSON_IsTrue(get(o, "stdin")));
    CHECK(strcmp(cJSON_GetStringValue(get(o, "program")), f.shown_at) == 0 &&
          strcmp(cJSON_GetStringValue(get(o, "interpreter")), "/opt/agent/bin/node") == 0);
    cJSON_Delete(o);
    /* the evidence has no value that was handed on, and no path of this host */
    AUTO_FREE char *evidence = engine_file_evidence(&f, "some-model", 8791);
    CHECK(!strstr(evidence, "good") && !strstr(evidence, "/srv") && !strstr(evidence, "/usr/bin/env") &&
          strstr(evidence, "UNIT_MOOD") && strstr(evidence, f.interpreter_sha256) &&
          strstr(evidence, "/scratch/agent/a/b.json"));
    AUTO_FREE char *rc = engine_file_text(&f, 1, "some-model", 8791);
    CHECK(strcmp(rc, "model = some-model\n") == 0);
    engine_file_release(&f);
}

static void not_found(void) {
    static const struct {
        const char *bin, *node, *want;
    } rows[] = {{NULL, NULL, "set UNIT_BIN"},
                {"", NULL, "set UNIT_BIN"},
                {"cli.js", NULL, "UNIT_BIN is no absolute path"},
                {"/a/../node_modules/x", NULL, "UNIT_BIN is no absolute path"},
                {"/a//node_modules/x", NULL, "UNIT_BIN is no absolute path"},
                {"/a/cli.js", NULL, "in no package"},
                {"/a/node_modules", NULL, "in no package"},
                {"/a/node_modules/x/cli.js", "node", "UNIT_NODE is no absolute path"},
                {"/a/node_modules/cli.js", NULL, "in no package"},
                {"/a/node_modules/@x/cli.js", NULL, "in no package"},
                {"/a/node_modules/x/cli.js", NULL, NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct engine_file f;
        struct err e;
        rows[i].bin ? setenv("UNIT_BIN", rows[i].bin, 1) : unsetenv("UNIT_BIN");
        rows[i].node ? setenv("UNIT_NODE", rows[i].node, 1) : unsetenv("UNIT_NODE");
        NEED(parse(&f, FULL, &e) == 0);
        const int rc = engine_file_find(&f, "UNIT_", true, &e);
        CHECK(rows[i].want ? rc < 0 && strstr(e.text, rows[i].want) && !strstr(e.text, "cli.js") : rc == 0);
        /* without a setting it is the jail's, by name */
        if (rc == 0) CHECK(f.interpreter == NULL && strcmp(f.interpreter_at, "node") == 0);
        engine_file_release(&f);
    }
}

static void alone(void) {
    char dir[] = "/tmp/cto-unit-engine-XXXXXX", path[64];
    struct engine_file f;
    struct err e;
    NEED(mkdtemp(dir) != NULL);
    snprintf(path, sizeof path, "%s/tool", dir);
    AUTO_FD int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    NEED(io_replace_file_at(at, "tool", "hello", 5, 0755, 0, &e) == 0);
    setenv("UNIT_BIN", path, 1);
    NEED(parse(&f, "{\"name\":\"x\",\"program\":\"file\",\"command\":[\"{program}\"]}", &e) == 0);
    NEED(engine_file_find(&f, "UNIT_", true, &e) == 0);
    CHECK(strcmp(f.shown, path) == 0 && strcmp(f.shown_at, "/opt/agent/tool") == 0 &&
          strcmp(f.program_at, f.shown_at) == 0);
    CHECK(strcmp(f.sha256, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824") == 0);
    engine_file_release(&f);
    unsetenv("UNIT_BIN");
    NEED(io_remove_tree_at(AT_FDCWD, dir, NULL) == 0);
}

/* What a jail cannot be shown is told before a run, by its setting and without its path. */
static void there(void) {
    char dir[] = "/tmp/cto-unit-engine-XXXXXX", tool[64], link[64], through[80];
    struct err e = ERR_INIT;
    NEED(mkdtemp(dir) != NULL);
    snprintf(tool, sizeof tool, "%s/tool", dir);
    snprintf(link, sizeof link, "%s/link", dir);
    snprintf(through, sizeof through, "%s/here/tool", dir);
    AUTO_FD int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    NEED(io_replace_file_at(at, "tool", "hello", 5, 0755, 0, &e) == 0);
    NEED(symlinkat("tool", at, "link") == 0 && symlinkat(".", at, "here") == 0);
    const struct {
        const char *bin, *node, *want;
    } rows[] = {{tool, tool, NULL},
                {tool, NULL, NULL},
                {link, NULL, "UNIT_BIN holds a symbolic link"},
                {through, NULL, "UNIT_BIN holds a symbolic link"},
                {dir, NULL, "UNIT_BIN names is no file"},
                {"/tmp/cto-unit-engine-none", NULL, "UNIT_BIN names: No such file"},
                {tool, link, "UNIT_NODE holds a symbolic link"},
                {tool, "/tmp/cto-unit-engine-none", "UNIT_NODE names: No such file"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct engine_file f;
        setenv("UNIT_BIN", rows[i].bin, 1);
        rows[i].node ? setenv("UNIT_NODE", rows[i].node, 1) : unsetenv("UNIT_NODE");
        NEED(parse(&f,
                   "{\"name\":\"x\",\"program\":\"file\",\"interpreter\":\"node\",\"command\":[\"{interpreter}\",\"{"
                   "program}\"]}",
                   &e) == 0);
        NEED(engine_file_find(&f, "UNIT_", false, &e) == 0);
        const int rc = engine_file_there(&f, "UNIT_", &e);
        CHECK(rows[i].want ? rc < 0 && strstr(e.text, rows[i].want) && !strstr(e.text, "/tmp") : rc == 0);
        engine_file_release(&f);
    }
    unsetenv("UNIT_BIN");
    unsetenv("UNIT_NODE");
    NEED(io_remove_tree_at(AT_FDCWD, dir, NULL) == 0);
}

/* Codex and pi: just what was seen to work (design: backends). The others can be read, and say whether they were tried. */
static void shipped(void) {
    int n = 0, tested = 0;
    for (const struct embedded_file *t; (t = engine_shipped_at(n)) != NULL; n++) {
        struct engine_file f;
        struct err e = ERR_INIT;
        if (!CHECK(engine_file_parse(&f, t->name, t->text, t->len, &e) == 0)) {
            fprintf(stderr, "    %s\n", e.text);
            continue;
        }
        CHECK(strcmp(f.name, t->name) == 0 && f.summary && engine_shipped(t->name) == t);
        tested += f.tested;
        setenv("UNIT_BIN", "/a/node_modules/x/tool", 1);
        CHECK(engine_file_find(&f, "UNIT_", false, &e) == 0);
        char *config = engine_file_config(&f, "m", 1), *evidence = engine_file_evidence(&f, "m", 1);
        CHECK(config && evidence && !strstr(config, "{model}") && !strstr(config, "{base_url}"));
        free(config);
        free(evidence);
        engine_file_release(&f);
    }
    CHECK(n >= 6 && tested >= 3 && engine_shipped("shell") && !engine_shipped("nobody") && !engine_shipped_at(-1));
    for (int i = 0; engine_at(i); i++) CHECK(!engine_at(i)->file || engine_shipped(engine_at(i)->file));
}

static void codex_and_pi(void) {
    struct engine_file f;
    struct err e = ERR_INIT;
    const struct embedded_file *t = engine_shipped("codex");
    setenv("UNIT_BIN", "/srv/bin/codex", 1);
    NEED(engine_file_parse(&f, "codex", t->text, t->len, &e) == 0 && engine_file_find(&f, "UNIT_", false, &e) == 0);
    char *config = engine_file_config(&f, "M", 8791);
    CHECK(strstr(
        config, "\"/opt/agent/"
                "codex\",\"exec\",\"--json\",\"--ephemeral\",\"--ignore-user-config\",\"--skip-git-repo-check\",\"-C\","
                "\"/workspace\",\"-m\",\"M\""));
    CHECK(strstr(
        config, "base_url=\\\"http://127.0.0.1:8791/v1\\\",wire_api=\\\"responses\\\",env_key=\\\"LOCAL_API_KEY\\\"}"));
    CHECK(strstr(config,
                 "\"--dangerously-bypass-approvals-and-sandbox\",\"-o\",\"/scratch/agent/last-message.txt\",\"-\"]"));
    CHECK(strstr(config, "\"CODEX_HOME=/scratch/agent\"") && strstr(config, "\"stdin\":true"));
    CHECK(f.api == API_RESPONSES && f.output == OUTPUT_CODEX_JSONL && f.stop_signal == SIGINT);
    free(config);
    engine_file_release(&f);
    t = engine_shipped("pi");
    setenv("UNIT_BIN", "/srv/node_modules/@earendil-works/pi-coding-agent/dist/cli.js", 1);
    NEED(engine_file_parse(&f, "pi", t->text, t->len, &e) == 0 && engine_file_find(&f, "UNIT_", false, &e) == 0);
    /* just its own package, and that is what an approval binds */
    CHECK(strcmp(f.shown, "/srv/node_modules/@earendil-works/pi-coding-agent") == 0 &&
          strcmp(f.shown_at, "/opt/agent/node_modules/@earendil-works/pi-coding-agent") == 0 && f.n_bound == 1 &&
          f.bound[0] == f.shown);
    config = engine_file_config(&f, "M", 8791);
    CHECK(strstr(config, "\"argv\":[\"node\",\"/opt/agent/node_modules/@earendil-works/pi-coding-agent/dist/"
                         "cli.js\",\"--mode\",\"json\",\"--no-session\","
                         "\"--model\",\"local/M\",\"--tools\",\"read,bash,edit,write\""));
    CHECK(strstr(config, "\"PI_CODING_AGENT_DIR=/scratch/agent\"") && strstr(config, "agent/models.json") &&
          strstr(config, "agent/settings.json"));
    CHECK(f.api == API_CHAT && f.output == OUTPUT_PI_JSONL && f.stop_signal == SIGTERM);
    free(config);
    engine_file_release(&f);
    unsetenv("UNIT_BIN");
}

int main(void) {
    full();
    least();
    each_key();
    wrong_values();
    too_much();
    too_long_together();
    as_told();
    not_found();
    alone();
    there();
    shipped();
    codex_and_pi();
    return check_done();
}
