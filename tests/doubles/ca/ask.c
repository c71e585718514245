/* ask.c - what a real ca needs to find, checked one after the other. What is wrong here is a mistake of the harness, so the first
 * of them ends the double with a sentence instead of work. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/doubles/ca/ca.h"
#include "common/io.h"
#include "common/json.h"

extern char **environ;

static int read_doc(const char *path, struct buf *text, cJSON **ret, struct err *e) {
    if (io_read_file_at(AT_FDCWD, path, JSON_MAX_BYTES, text, e) < 0) return -1;
    *ret = cJSON_Parse(buf_str(text));
    return *ret ? 0 : err_set(e, ERR_PARSE, "%s is no JSON", path);
}

static const char *text_of(const cJSON *o, const char *key) {
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
    return s ? s : "";
}

static int show_file(const char *path, struct err *e) {
    AUTO_BUF struct buf b = BUF_INIT(JSON_MAX_BYTES);
    if (io_read_file_at(AT_FDCWD, path, JSON_MAX_BYTES, &b, e) < 0) return -1;
    printf("saw %s:\n%s\n", path, buf_str(&b));
    return 0;
}

static void show(char **argv) {
    char cwd[PATH_MAX] = "?";
    if (!getcwd(cwd, sizeof cwd)) cwd[0] = '?';
    for (char **p = argv; *p; p++) printf("saw argument %s\n", *p);
    for (char **p = environ; *p; p++) printf("saw variable %s\n", *p);
    printf("saw directory %s\n", cwd);
}

/* --- the parts ---------------------------------------------------------------------------------------------------------------- */

static int ask_task(struct asked *a, const char *file, struct err *e) {
    static const char *const wanted[] = {
        "\n## Allowed Paths\n",    "\n## Forbidden Actions\n", "\n## Verification\n", "\n## Evidence Expectations\n",
        "\n- filesChanged: only ", "<<<AGENT_RESULT\n",        "\nAGENT_RESULT>>>\n"};
    static const char ending[] = ".task.json";
    AUTO_BUF struct buf json = BUF_INIT(JSON_MAX_BYTES), md = BUF_INIT(JSON_MAX_BYTES);
    char path[PATH_MAX];
    cJSON *task = NULL;
    const size_t n = strlen(file), end = sizeof ending - 1;
    if (file[0] != '/' || n <= end || strcmp(file + n - end, ending) != 0 || n >= sizeof path)
        return err_set(e, ERR_USAGE, "the task is no absolute path of a .task.json");
    if (read_doc(file, &json, &task, e) < 0) return -1;
    snprintf(a->id, sizeof a->id, "%s", text_of(task, "id"));
    const bool good = a->id[0] && strcmp(text_of(task, "mode"), "unattended") == 0 &&
                      strcmp(text_of(task, "status"), "active") == 0 && strcmp(text_of(task, "repo"), "fixture") == 0;
    cJSON_Delete(task);
    if (!good) return err_set(e, ERR_PARSE, "the task is not an active, unattended one of the fixture");
    snprintf(path, sizeof path, "%.*s.md", (int)(n - end), file);
    if (io_read_file_at(AT_FDCWD, path, JSON_MAX_BYTES, &md, e) < 0) return -1;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (!strstr(buf_str(&md), wanted[i]))
            return err_set(e, ERR_PARSE, "the task says nothing of \"%s\"", wanted[i]);
    for (const char *p = strstr(buf_str(&md), wanted[0]) + strlen(wanted[0]); *p == '\n' || *p == '-';) {
        const size_t line = strcspn(p + 1, "\n");
        if (*p == '-' && line > 2 && p[line] != '/' && !a->allowed[0])
            snprintf(a->allowed, sizeof a->allowed, "%.*s", (int)line - 1, p + 2);
        p += *p == '-' ? line + 1 : 1;
    }
    return show_file(file, e) < 0 ? -1 : show_file(path, e);
}

static int ask_state(const char *dir, char *repo, size_t size, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(JSON_MAX_BYTES), more = BUF_INIT(JSON_MAX_BYTES);
    char path[PATH_MAX];
    cJSON *config = NULL, *projects = NULL;
    snprintf(path, sizeof path, "%s/config.json", dir);
    if (read_doc(path, &text, &config, e) < 0 || show_file(path, e) < 0) return -1;
    const cJSON *chosen =
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(config, "models"), "default");
    const bool has_model = text_of(chosen, "provider")[0] && text_of(chosen, "model")[0];
    cJSON_Delete(config);
    if (!has_model)
        return err_set(e, ERR_PARSE, "models.default is not set: Case would choose a hosted model by itself");
    snprintf(path, sizeof path, "%s/projects.json", dir);
    if (read_doc(path, &more, &projects, e) < 0 || show_file(path, e) < 0) return -1;
    snprintf(repo, size, "%s",
             text_of(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(projects, "repos"), 0), "path"));
    cJSON_Delete(projects);
    snprintf(path, sizeof path, "%s/log", dir); /* Case writes there */
    AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) return err_sys(e, "CASE_DATA_DIR cannot be written");
    return repo[0] == '/' ? 0 : err_set(e, ERR_PARSE, "projects.json has no repository");
}

static int ask_environment(const char **ret_dir, struct err *e) {
    const char *dir = getenv("CASE_DATA_DIR"), *agent = getenv("PI_CODING_AGENT_DIR");
    const char *python = getenv("PYTHONDONTWRITEBYTECODE");
    char path[PATH_MAX];
    if (!dir || !agent || strncmp(agent, dir, strlen(dir)) != 0 || agent[strlen(dir)] != '/')
        return err_set(e, ERR_USAGE, "PI_CODING_AGENT_DIR does not lie in CASE_DATA_DIR");
    if (!python || strcmp(python, "1") != 0) return err_set(e, ERR_USAGE, "PYTHONDONTWRITEBYTECODE is not 1");
    snprintf(path, sizeof path, "%s/auth.json", agent);
    *ret_dir = dir;
    return show_file(path, e);
}

static int ask_script(struct asked *a, struct err *e) {
    AUTO_BUF struct buf text = BUF_INIT(JSON_MAX_BYTES);
    cJSON *script = NULL;
    if (read_doc("/task/double.json", &text, &script, e) < 0) return -1;
    const cJSON *code = cJSON_GetObjectItemCaseSensitive(script, "code");
    snprintf(a->mode, sizeof a->mode, "%s", text_of(script, "mode"));
    a->code = cJSON_IsNumber(code) ? code->valueint : 0;
    cJSON_Delete(script);
    return 0;
}

int ask(struct asked *ret, char **argv, struct err *e) {
    char cwd[PATH_MAX], repo[PATH_MAX];
    const char *dir = "";
    show(argv);
    if (!getcwd(cwd, sizeof cwd)) return err_sys(e, "the current directory");
    if (ask_environment(&dir, e) < 0 || ask_task(ret, argv[3], e) < 0 || ask_state(dir, repo, sizeof repo, e) < 0 ||
        ask_script(ret, e) < 0)
        return -1;
    const size_t n = strlen(repo);
    if (strncmp(cwd, repo, n) == 0 && (cwd[n] == '/' || cwd[n] == '\0'))
        return err_set(e, ERR_USAGE, "it was started in the repository, whose .env and bunfig.toml it would obey");
    if (strncmp(argv[3], repo, n) != 0 || argv[3][n] != '/')
        return err_set(e, ERR_USAGE, "the task does not lie in the repository");
    fflush(stdout);
    return chdir(repo) < 0 ? err_sys(e, "the repository") : 0;
}
