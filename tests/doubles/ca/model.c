/* model.c - one chat completion, by a plain socket: to the base URL of the provider that config.json names, as models.json has it, with
 * what OPENAI_API_KEY holds. What a real one would not find there ends it: then no request is made, as Case makes none. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/doubles/ca/ca.h"
#include "common/io.h"
#include "common/json.h"

#define ANSWER_MAX (1u << 20)
#define PATIENCE_MS 60000

struct where {
    char model[200], path[200], key[200];
    unsigned port;
};

static const cJSON *get(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }
static const char *text_of(const cJSON *o, const char *key) {
    const char *s = cJSON_GetStringValue(get(o, key));
    return s ? s : "";
}

static cJSON *read_doc(const char *variable, const char *name) {
    AUTO_BUF struct buf text = BUF_INIT(JSON_MAX_BYTES);
    const char *dir = getenv(variable);
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir ? dir : "", name);
    return io_read_file_at(AT_FDCWD, path, JSON_MAX_BYTES, &text, NULL) == 0 ? cJSON_Parse(buf_str(&text)) : NULL;
}

static bool find(struct where *w) {
    cJSON *config = read_doc("CASE_DATA_DIR", "config.json"), *models = read_doc("PI_CODING_AGENT_DIR", "models.json");
    const cJSON *chosen = get(get(config, "models"), "default");
    const cJSON *provider = get(get(models, "providers"), text_of(chosen, "provider"));
    const char *key = getenv("OPENAI_API_KEY");
    int used = 0;
    snprintf(w->model, sizeof w->model, "%s", text_of(chosen, "model"));
    bool good = key && strcmp(key, text_of(provider, "apiKey")) == 0 && strlen(key) < sizeof w->key &&
                strcmp(text_of(chosen, "provider"), "openai") == 0 &&
                strcmp(text_of(provider, "api"), "openai-completions") == 0 &&
                sscanf(text_of(provider, "baseUrl"), "http://127.0.0.1:%u%n", &w->port, &used) == 1;
    snprintf(w->path, sizeof w->path, "%s", good ? text_of(provider, "baseUrl") + used : "");
    snprintf(w->key, sizeof w->key, "%s", key ? key : "");
    cJSON_Delete(config);
    cJSON_Delete(models);
    return good;
}

static char *body_of(const char *model) {
    cJSON *o = json_new_object(), *list = json_new_array(), *m = json_new_object();
    json_put_str(m, "role", "user");
    json_put_str(m, "content", "Do what the task says, and end with the result envelope.");
    BUG_UNLESS(cJSON_AddItemToArray(list, m));
    json_put_str(o, "model", model);
    json_put(o, "messages", list);
    json_put_int(o, "max_tokens", 8192);
    json_put_bool(o, "stream", false);
    char *text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    BUG_UNLESS(text != NULL);
    return text;
}

static int send_request(const struct where *w, const char *model, struct err *e) {
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)w->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    AUTO_BUF struct buf b = BUF_INIT(64u << 10);
    AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) < 0) return err_sys(e, "connect");
    char *body = body_of(model);
    buf_printf(&b,
               "POST %s/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAuthorization: Bearer %s\r\n"
               "Content-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
               w->path, w->port, w->key, strlen(body), body);
    free(body);
    if (io_write_full(fd, b.p, b.len, e) < 0) return -1;
    return take_fd(&fd);
}

/* To its end: the connection is closed then. The document in it is all that is looked at. */
static cJSON *read_answer(int fd) {
    AUTO_BUF struct buf b = BUF_INIT(ANSWER_MAX);
    char chunk[4096];
    ssize_t n = -1;
    while (io_wait(fd, POLLIN, PATIENCE_MS, NULL) == 1 && (n = read(fd, chunk, sizeof chunk)) > 0)
        buf_put(&b, chunk, (size_t)n);
    const char *text = b.bad ? "" : buf_str(&b), *body = strstr(text, "\r\n\r\n");
    printf("saw answer %.*s\n", (int)strcspn(text, "\r\n"), text);
    const char *from = body ? strchr(body, '{') : NULL;
    return from && strncmp(text, "HTTP/1.1 200 ", 13) == 0 ? cJSON_Parse(from) : NULL;
}

enum told ask_model(const char *other) {
    struct where w;
    struct err e = ERR_INIT;
    if (!find(&w)) return TOLD_NOTHING;
    AUTO_FD int fd = send_request(&w, other ? other : w.model, &e);
    cJSON *answer = fd >= 0 ? read_answer(fd) : NULL;
    const char *content = text_of(get(cJSON_GetArrayItem(get(answer, "choices"), 0), "message"), "content");
    const char *begin = strstr(content, "<<<AGENT_RESULT\n"), *end = begin ? strstr(begin, "\nAGENT_RESULT>>>") : NULL;
    const enum told t = end ? TOLD_ENVELOPE : TOLD_NOTHING;
    cJSON_Delete(answer);
    fflush(stdout);
    return t;
}
