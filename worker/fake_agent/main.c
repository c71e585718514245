/* main.c - reads the steps, checks all of them, then does them in order. See agent.h for the vocabulary.
 *
 * Each kind of step is one function, called twice: in the first pass step_read() ends it after its keys were read, so
 * that a mistake in the last step is found before the first one has changed anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/log.h"
#include "worker/fake_agent/agent.h"

static bool checking;

int step_read(struct json_obj *o, struct err *e) {
    json_end(o);
    if (o->doc->bad) {
        if (e != NULL) *e = o->doc->err;
        return -1;
    }
    return checking ? 0 : 1;
}

static step_fn find_step(const char *name) {
    const struct step_type *const tables[] = {steps_file, steps_git, steps_process};
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const struct step_type *s = tables[t]; s->name != NULL; s++)
            if (strcmp(s->name, name) == 0) return s->run;
    return NULL;
}

static int one_step(struct json_obj *o, struct err *e) {
    const char *name = json_str(o, "do", JSON_REQUIRED, 32);
    step_fn run = name != NULL ? find_step(name) : NULL;
    if (run == NULL && !o->doc->bad) json_fail(o, "do", "there is no step \"%s\"", name);
    if (o->doc->bad) {
        if (e != NULL) *e = o->doc->err;
        return -1;
    }
    return run(o, e) < 0 ? err_ctx(e, "%s", name) : 0;
}

int steps_nested(struct json_obj *o, const char *key, const cJSON *array, int n, struct err *e) {
    for (int i = 0; i < n; i++) {
        struct json_obj step;
        if (!json_elem_obj(o, key, array, i, &step)) {
            if (e != NULL) *e = o->doc->err;
            return -1;
        }
        if (one_step(&step, e) < 0) return checking ? -1 : err_ctx(e, "step %d", i + 1);
    }
    return 0;
}

int steps_must_fail(struct json_obj *o, const char *key, const cJSON *array, int n, struct err *e) {
    if (checking) return steps_nested(o, key, array, n, e);
    for (int i = 0; i < n; i++) {
        struct json_obj step;
        struct err why = ERR_INIT;
        if (!json_elem_obj(o, key, array, i, &step)) continue;
        if (one_step(&step, &why) == 0) {
            fprintf(stderr, "cto-harness-fake-agent: %s %d must fail and did not\n", key, i + 1);
            fflush(NULL);
            _exit(AGENT_EXIT_EXPECT);
        }
        fprintf(stderr, "refused as it must be: %s\n", why.text);
    }
    return 0;
}

static int pass(struct json_doc *doc, bool check, struct err *e) {
    struct json_obj root = json_root(doc);
    const cJSON *array = NULL;
    checking = check;
    int n = json_array(&root, "steps", JSON_REQUIRED, AGENT_MAX_STEPS, &array);
    json_end(&root);
    if (doc->bad) {
        *e = doc->err;
        return -1;
    }
    return steps_nested(&root, "steps", array, n, e);
}

static int fail(int code, const struct err *e) {
    fflush(stdout);
    log_line("%s", e->text);
    return code;
}

int main(int argc, char **argv) {
    log_open("cto-harness-fake-agent");
    if (argc != 2 || strcmp(argv[1], "--help") == 0) {
        fputs("usage: cto-harness-fake-agent STEPS.json\n\nDoes what a case of cto-harness says, in the working "
              "directory.\n",
              argc == 2 ? stdout : stderr);
        return argc == 2 ? 0 : 2;
    }
    struct err e = ERR_INIT;
    AUTO_BUF struct buf text = BUF_INIT(JSON_MAX_BYTES);
    struct json_doc doc;
    if (io_sanitize_std_fds(&e) < 0 || io_read_file_at(AT_FDCWD, argv[1], JSON_MAX_BYTES, &text, &e) < 0 ||
        json_parse(&doc, argv[1], buf_str(&text), text.len, &e) < 0)
        return fail(AGENT_EXIT_FILE, &e);
    int code = 0;
    if (pass(&doc, true, &e) < 0)
        code = fail(AGENT_EXIT_FILE, &e);
    else if (pass(&doc, false, &e) < 0)
        code = fail(AGENT_EXIT_STEP, &e);
    json_release(&doc);
    return code;
}
