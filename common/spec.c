/* spec.c - RUN_SPEC on the wire: strict JSON both ways. The two halves list the same keys in the same order; a test emits a
 * full spec, parses it and emits it again. */
#include "common/spec.h"

#include <string.h>

const char *const commit_by_words[] = {"agent", "harness", NULL};

static void put_limits(cJSON *root, const struct spec_limits *l) {
    cJSON *o = cJSON_CreateObject();
    json_put_int(o, "memory_bytes", l->memory_bytes);
    json_put_int(o, "processes", l->processes);
    json_put_int(o, "cpu_s", l->cpu_s);
    json_put_int(o, "disk_bytes", l->disk_bytes);
    json_put_int(o, "inodes", l->inodes);
    json_put_int(o, "open_files", l->open_files);
    json_put_int(o, "file_bytes", l->file_bytes);
    json_put_int(o, "scratch_bytes", l->scratch_bytes);
    json_put_int(o, "output_bytes", l->output_bytes);
    json_put_int(o, "log_lines", l->log_lines);
    json_put(root, "limits", o);
}

static void put_list(cJSON *root, const char *key, const char *const *v, int n) {
    if (n > 0) json_put(root, key, json_strings(v, (size_t)n));
}

static void put_optional(cJSON *root, const char *key, const char *value) {
    if (value) json_put_str(root, key, value);
}

static cJSON *verify_json(const struct run_spec *s) {
    cJSON *a = cJSON_CreateArray();
    for (int i = 0; i < s->n_verify; i++) {
        cJSON *o = cJSON_CreateObject();
        json_put(o, "argv", json_strings(s->verify[i].argv, (size_t)s->verify[i].argc));
        json_put_int(o, "timeout_ms", s->verify[i].timeout_ms);
        BUG_UNLESS(cJSON_AddItemToArray(a, o));
    }
    return a;
}

static cJSON *submodules_json(const struct run_spec *s) {
    cJSON *a = cJSON_CreateArray();
    for (int i = 0; i < s->n_submodules; i++) {
        cJSON *o = cJSON_CreateObject();
        json_put_str(o, "path", s->submodules[i].path);
        json_put_str(o, "fixture", s->submodules[i].fixture);
        BUG_UNLESS(cJSON_AddItemToArray(a, o));
    }
    return a;
}

static void put_baseline(cJSON *root, const struct run_spec *s) {
    json_put_bool(root, "baseline_empty", s->baseline_empty);
    json_put_int(root, "history_commits", s->history_commits);
    put_optional(root, "generate_dir", s->generate_dir);
    json_put_int(root, "generate_count", s->generate_count);
    json_put_int(root, "generate_size", s->generate_size);
    json_put(root, "submodules", submodules_json(s));
    put_optional(root, "dirty_start", s->dirty_start);
    json_put_bool(root, "clean_start_required", s->clean_start_required);
    json_put_bool(root, "diff_required", s->diff_required);
}

char *spec_emit(const struct run_spec *s) {
    cJSON *root = cJSON_CreateObject();
    BUG_UNLESS(root != NULL);
    json_put_str(root, "run_id", s->run_id);
    json_put_str(root, "build_id", s->build_id);
    json_put_str(root, "case_dir", s->case_dir);
    put_optional(root, "fixture", s->fixture);
    json_put_str(root, "work_dir", s->work_dir);
    json_put_str(root, "libexec_dir", s->libexec_dir);
    json_put_int(root, "supervisor_pid", s->supervisor_pid);
    json_put_int(root, "engine_uid", s->engine_uid);
    json_put_int(root, "verifier_uid", s->verifier_uid);
    put_baseline(root, s);
    json_put_str(root, "engine", s->engine);
    put_optional(root, "engine_config", s->engine_config);
    put_optional(root, "program", s->program);
    put_optional(root, "interpreter", s->interpreter);
    put_optional(root, "task", s->task);
    json_put_str(root, "commit", commit_by_words[s->commit]);
    json_put_bool(root, "network_none", s->network_none);
    json_put_int(root, "gateway_port", s->gateway_port);
    json_put_int(root, "inspect_ms", s->inspect_ms);
    put_list(root, "ignore", s->ignore, s->n_ignore);
    put_list(root, "read_roots", s->read_roots, s->n_read_roots);
    put_list(root, "hidden", s->hidden, s->n_hidden);
    put_optional(root, "person_home", s->person_home);
    json_put_int(root, "landlock_abi_min", s->landlock_abi_min);
    put_limits(root, &s->limits);
    json_put(root, "verify", verify_json(s));
    put_list(root, "pristine", s->pristine, s->n_pristine);
    json_put_bool(root, "landing", s->landing);
    json_put_bool(root, "contents", s->contents);
    json_put_bool(root, "keep", s->keep);
    char *text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    BUG_UNLESS(text != NULL);
    return text;
}

static int read_list(struct json_obj *o, const char *key, const char **out, int max, size_t max_len) {
    const cJSON *a;
    int n = json_array(o, key, JSON_OPTIONAL, max, &a);
    for (int i = 0; i < n; i++) out[i] = json_elem_str(o, key, a, i, max_len);
    return n < 0 ? 0 : n;
}

#define SPEC_INT(o, key) json_int((o), (key), 0, 0, INT64_C(1) << 50)

static void read_limits(struct json_obj *root, struct spec_limits *l) {
    struct json_obj o;
    if (!json_child(root, "limits", JSON_REQUIRED, &o)) return;
    l->memory_bytes = SPEC_INT(&o, "memory_bytes");
    l->processes = SPEC_INT(&o, "processes");
    l->cpu_s = SPEC_INT(&o, "cpu_s");
    l->disk_bytes = SPEC_INT(&o, "disk_bytes");
    l->inodes = SPEC_INT(&o, "inodes");
    l->open_files = SPEC_INT(&o, "open_files");
    l->file_bytes = SPEC_INT(&o, "file_bytes");
    l->scratch_bytes = SPEC_INT(&o, "scratch_bytes");
    l->output_bytes = SPEC_INT(&o, "output_bytes");
    l->log_lines = SPEC_INT(&o, "log_lines");
    json_end(&o);
}

static void read_verify(struct json_obj *root, struct run_spec *s) {
    const cJSON *a, *argv;
    s->n_verify = json_array(root, "verify", JSON_REQUIRED, SPEC_MAX_VERIFY, &a);
    if (s->n_verify < 0) s->n_verify = 0;
    for (int i = 0; i < s->n_verify; i++) {
        struct json_obj o;
        struct spec_command *c = &s->verify[i];
        if (!json_elem_obj(root, "verify", a, i, &o)) return;
        int n = json_array(&o, "argv", JSON_REQUIRED, SPEC_MAX_ARGV, &argv);
        if (n < 1) {
            json_fail(&o, "argv", "a command is expected");
            return;
        }
        for (int k = 0; k < n; k++) c->argv[k] = json_elem_str(&o, "argv", argv, k, 4096);
        c->argc = n;
        c->timeout_ms = json_int(&o, "timeout_ms", JSON_INT_REQUIRED, 1, INT64_C(7) * 86400000);
        json_end(&o);
    }
}

static void read_submodules(struct json_obj *root, struct run_spec *s) {
    const cJSON *a;
    s->n_submodules = json_array(root, "submodules", JSON_REQUIRED, SPEC_MAX_SUBMODULES, &a);
    if (s->n_submodules < 0) s->n_submodules = 0;
    for (int i = 0; i < s->n_submodules; i++) {
        struct json_obj o;
        if (!json_elem_obj(root, "submodules", a, i, &o)) return;
        s->submodules[i].path = json_str(&o, "path", JSON_REQUIRED, 1024);
        s->submodules[i].fixture = json_str(&o, "fixture", JSON_REQUIRED, 1024);
        json_end(&o);
    }
}

static void read_baseline(struct json_obj *o, struct run_spec *s) {
    s->baseline_empty = json_bool(o, "baseline_empty", false);
    s->history_commits = json_int(o, "history_commits", 0, 0, 10000);
    s->generate_dir = json_str(o, "generate_dir", JSON_OPTIONAL, 1024);
    s->generate_count = json_int(o, "generate_count", 0, 0, 1000000);
    s->generate_size = json_int(o, "generate_size", 0, 0, 1 << 20);
    read_submodules(o, s);
    s->dirty_start = json_str(o, "dirty_start", JSON_OPTIONAL, 65536);
    s->clean_start_required = json_bool(o, "clean_start_required", true);
    s->diff_required = json_bool(o, "diff_required", true);
}

static void read_identity(struct json_obj *o, struct run_spec *s) {
    s->run_id = json_str(o, "run_id", JSON_REQUIRED, 256);
    s->build_id = json_str(o, "build_id", JSON_REQUIRED, 128);
    s->case_dir = json_str(o, "case_dir", JSON_REQUIRED, 4096);
    s->fixture = json_str(o, "fixture", JSON_OPTIONAL, 1024);
    s->work_dir = json_str(o, "work_dir", JSON_REQUIRED, 4096);
    s->libexec_dir = json_str(o, "libexec_dir", JSON_REQUIRED, 4096);
    s->supervisor_pid = json_int(o, "supervisor_pid", JSON_INT_REQUIRED, 1, INT32_MAX);
    s->engine_uid = json_int(o, "engine_uid", JSON_INT_REQUIRED, -1, UINT32_MAX - 1);
    s->verifier_uid = json_int(o, "verifier_uid", JSON_INT_REQUIRED, -1, UINT32_MAX - 1);
}

int spec_parse(struct run_spec *ret, const void *p, size_t n, struct err *e) {
    struct run_spec s = {0};
    if (json_parse(&s.doc, "run spec", p, n, e) < 0) return -1;
    struct json_obj o = json_root(&s.doc);
    read_identity(&o, &s);
    read_baseline(&o, &s);
    s.engine = json_str(&o, "engine", JSON_REQUIRED, 64);
    s.engine_config = json_str(&o, "engine_config", JSON_OPTIONAL, 128u << 10);
    s.program = json_str(&o, "program", JSON_OPTIONAL, 4096);
    s.interpreter = json_str(&o, "interpreter", JSON_OPTIONAL, 4096);
    s.task = json_str(&o, "task", JSON_OPTIONAL, 64u << 10);
    s.commit = (enum commit_by)json_enum(&o, "commit", commit_by_words, -1);
    s.network_none = json_bool(&o, "network_none", false);
    s.gateway_port = json_int(&o, "gateway_port", 0, 0, 65535);
    s.inspect_ms = json_int(&o, "inspect_ms", 0, 0, INT64_C(7) * 86400000);
    s.n_ignore = read_list(&o, "ignore", s.ignore, SPEC_MAX_PATHS, 512);
    s.n_read_roots = read_list(&o, "read_roots", s.read_roots, SPEC_MAX_PATHS, 4096);
    s.n_hidden = read_list(&o, "hidden", s.hidden, SPEC_MAX_HIDDEN, 4096);
    s.person_home = json_str(&o, "person_home", JSON_OPTIONAL, 4096);
    s.landlock_abi_min = json_int(&o, "landlock_abi_min", 0, 0, 1000);
    read_limits(&o, &s.limits);
    read_verify(&o, &s);
    s.n_pristine = read_list(&o, "pristine", s.pristine, SPEC_MAX_PATHS, 512);
    s.landing = json_bool(&o, "landing", false);
    s.contents = json_bool(&o, "contents", false);
    s.keep = json_bool(&o, "keep", false);
    json_end(&o);
    if (s.doc.bad) {
        if (e) *e = s.doc.err;
        json_release(&s.doc);
        return -1;
    }
    s.doc.file = "run spec";
    *ret = s;
    return 0;
}

void spec_release(struct run_spec *s) { json_release(&s->doc); }
