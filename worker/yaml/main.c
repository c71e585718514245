/* main.c - cto-harness-yaml: YAML on standard input, JSON on standard output (parse.h), confined.
 *
 * libyaml is a parser of a complicated language, and who writes the files that it reads may be anybody; so it works where it can
 * do nothing but answer. Order: descriptors to the contract -> die with the caller -> no file, no network, no exec, no new process,
 * limits -> read -> parse -> write. The caller keeps the deadline, and takes the answer as data.
 *
 * Exit 0: {"document": node}. Exit 1: {"error": {"line": N, "text": "..."}}. Anything else: it was ended.
 */
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "sandbox/jail.h"
#include "worker/yaml/parse.h"

#define MEMORY_LIMIT (256ull << 20) /* a tree of all nodes that there may be takes a tenth */
#define CPU_S 5u

static int set_up_process(int argc, char **argv, struct err *e) {
    char *end = NULL;
    if (io_sanitize_std_fds(e) < 0) return -1;
    if (close_range(3, ~0u, 0) < 0) return err_sys(e, "close_range");
    signal(SIGPIPE, SIG_IGN);
    if (argc == 1) return 0; /* by hand */
    long parent = argc == 3 && strcmp(argv[1], "--parent") == 0 ? strtol(argv[2], &end, 10) : 0;
    if (parent < 1 || *end) return err_set(e, ERR_USAGE, "usage: cto-harness-yaml [--parent PID] <FILE");
    return jail_bind_life((pid_t)parent, -1) < 0 ? err_set(e, ERR_CONFLICT, "the caller is gone") : 0;
}

static int confine(struct err *e) {
    struct jail_limits limits = {
        .memory_bytes = MEMORY_LIMIT, .cpu_s = CPU_S, .open_files = 8, .file_bytes = 16u << 20};
    struct jail_report report;
    return jail_confine_self(NULL, 0, &limits, true, &report, e);
}

static int read_all(struct buf *in, struct err *e) {
    for (;;) {
        char chunk[16384];
        ssize_t n = io_read_full(0, chunk, sizeof chunk, e);
        if (n < 0) return -1;
        buf_put(in, chunk, (size_t)n);
        if (in->bad) return err_set(e, ERR_LIMIT, "more than %u bytes", YAML_BYTES_MAX);
        if ((size_t)n < sizeof chunk) return 0;
    }
}

static int answer(cJSON *o) {
    char *text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    BUG_UNLESS(text != NULL);
    int rc = io_write_full(1, text, strlen(text), NULL);
    free(text);
    return rc;
}

int main(int argc, char **argv) {
    struct err e = ERR_INIT;
    struct buf in = BUF_INIT(YAML_BYTES_MAX);
    cJSON *tree = NULL, *o = cJSON_CreateObject();
    int line = 0, rc = set_up_process(argc, argv, &e);
    BUG_UNLESS(o != NULL);
    if (rc == 0) rc = confine(&e);
    if (rc == 0) rc = read_all(&in, &e);
    if (rc == 0) rc = yaml_parse(in.p ? (const char *)in.p : "", in.len, &tree, &line, &e);
    if (rc == 0) {
        json_put(o, "document", tree);
    } else {
        cJSON *why = cJSON_CreateObject();
        BUG_UNLESS(why != NULL);
        json_put_int(why, "line", line);
        json_put_str(why, "text", e.text);
        json_put(o, "error", why);
    }
    buf_release(&in);
    if (answer(o) < 0) return 2;
    return rc == 0 ? 0 : 1;
}
