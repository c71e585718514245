/* main.c - cto-harness-model-double: a stand-in for a model's server, for validators and tests of cto-harness.
 *
 * It is no model: whatever it is asked, it answers in the one way that its mode says, in the words of the interface
 * (/v1/chat/completions, not streamed). Validators start it to see what the harness makes of such an answer; nobody else has a use for
 * it, and it is known by the mark below, which must stay in the program.
 *
 *   cto-harness-model-double MODE    with a stream socket as descriptor 3
 *
 *   content          an answer with content: a result envelope, as agents of Case end with one
 *   delayed          nothing at all for DELAY_MS, then long reasoning, then that content
 *   reasoning-only   reasoning, and no content, however much room there was
 *   content-from-N   content when there is room for N tokens or more, else only reasoning: a small probe would lie
 *   unauthorized     401, also with the right key
 *   server-error     500
 *   garbage          200 with a page in HTML
 *   wrong-model      content, of another model than was asked for
 *
 * Down the socket comes the key as one line; up goes the port as one line, and after the end of file a JSON line of what was asked.
 * It listens on 127.0.0.1 alone, at a port that the kernel chose; it ends with its parent, with the socket, and by itself after LIFE_S.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "common/double_mark.h"
#include "common/io.h"
#include "common/json.h"

#define SOCKET 3
#define LIFE_S 900
#define DELAY_MS 400
#define BODY_MAX (4u << 20)
#define KEY_SIZE 256

/* Volatile, so that no compiler leaves it out. */
static const volatile char mark[] = DOUBLE_MARK_MODEL;

static const char *const modes[] = {"content",      "delayed", "reasoning-only", "unauthorized",
                                    "server-error", "garbage", "wrong-model"};
#define CONTENT_FROM "content-from-"

static const char *mode;
static int content_from; /* tokens */
static char bearer[KEY_SIZE + 8];

/* What was asked; each connection has a thread. */
static struct {
    pthread_mutex_t lock;
    int requests, authorized, others;
    double max_tokens;
    char model[200];
} asked = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --- answers ------------------------------------------------------------------------------------------------------------------ */

#define ENVELOPE                                                                            \
    "Done.\n\n<<<AGENT_RESULT\n{\"status\":\"completed\",\"summary\":\"a test double of a " \
    "model\",\"artifacts\":{},\"error\":null}\nAGENT_RESULT>>>\n"

static char *completion(const char *model, bool reasoned, bool content) {
    AUTO_BUF struct buf thought = BUF_INIT(64u << 10);
    cJSON *o = json_new_object(), *choices = json_new_array(), *choice = json_new_object(), *m = json_new_object(),
          *usage = json_new_object();
    for (int i = 0; reasoned && i < 400; i++) buf_puts(&thought, "First this is to be thought over. ");
    json_put_str(m, "role", "assistant");
    json_put_str(m, "content", content ? ENVELOPE : NULL);
    if (reasoned) json_put_str(m, "reasoning_content", buf_str(&thought));
    json_put_int(choice, "index", 0);
    json_put(choice, "message", m);
    json_put_str(choice, "finish_reason", content ? "stop" : "length");
    BUG_UNLESS(cJSON_AddItemToArray(choices, choice));
    json_put_int(usage, "prompt_tokens", 11);
    json_put_int(usage, "completion_tokens", 7);
    json_put_int(usage, "total_tokens", 18);
    json_put_str(o, "id", "chatcmpl-double");
    json_put_str(o, "object", "chat.completion");
    json_put_int(o, "created", 1);
    json_put_str(o, "model", model);
    json_put(o, "choices", choices);
    json_put(o, "usage", usage);
    char *text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    BUG_UNLESS(text != NULL);
    return text;
}

static void wait_ms(int ms) {
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) < 0 && errno == EINTR) continue;
}

static enum MHD_Result reply(struct MHD_Connection *c, unsigned status, const char *type, const char *text) {
    struct MHD_Response *r =
        MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    if (!r) return MHD_NO;
    MHD_add_response_header(r, "Content-Type", type);
    const enum MHD_Result rc = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return rc;
}

static enum MHD_Result reply_error(struct MHD_Connection *c, unsigned status, const char *what) {
    char text[200];
    snprintf(text, sizeof text, "{\"error\":{\"message\":\"%s\",\"type\":\"double\"}}", what);
    return reply(c, status, "application/json", text);
}

static bool is(const char *word) { return strcmp(mode, word) == 0; }

static enum MHD_Result answer(struct MHD_Connection *c, const char *model, double max_tokens) {
    const bool content = content_from > 0 ? max_tokens >= content_from : !is("reasoning-only");
    const bool reasoned = content_from > 0 || is("delayed") || is("reasoning-only");
    if (is("unauthorized")) return reply_error(c, MHD_HTTP_UNAUTHORIZED, "no");
    if (is("server-error")) return reply_error(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "it broke");
    if (is("garbage")) return reply(c, MHD_HTTP_OK, "text/html", "<html><body>Welcome</body></html>");
    if (is("delayed")) wait_ms(DELAY_MS);
    char *text = completion(is("wrong-model") ? "another-model" : model, reasoned, content);
    const enum MHD_Result rc = reply(c, MHD_HTTP_OK, "application/json", text);
    free(text);
    return rc;
}

/* --- requests ----------------------------------------------------------------------------------------------------------------- */

static enum MHD_Result take(struct MHD_Connection *c, const char *url, const char *method, const struct buf *body) {
    static const char end[] = "/chat/completions";
    const size_t n = strlen(url), m = sizeof end - 1;
    const char *given = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization");
    const bool known = given && strcmp(given, bearer) == 0;
    cJSON *o = body->len > 0 && !body->bad ? cJSON_ParseWithLength((const char *)body->p, body->len) : NULL;
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "model"));
    const cJSON *room = cJSON_GetObjectItemCaseSensitive(o, "max_tokens");
    char model[sizeof asked.model];
    const bool good = name && strcmp(method, "POST") == 0 && n >= m && strcmp(url + n - m, end) == 0;
    const double max_tokens = cJSON_IsNumber(room) ? room->valuedouble : 1e9;
    snprintf(model, sizeof model, "%s", name ? name : "");
    cJSON_Delete(o);
    pthread_mutex_lock(&asked.lock);
    asked.requests += good;
    asked.others += !good;
    asked.authorized += good && known;
    if (good) asked.max_tokens = max_tokens;
    if (good) memcpy(asked.model, model, sizeof model);
    pthread_mutex_unlock(&asked.lock);
    if (!good) return reply_error(c, MHD_HTTP_NOT_FOUND, "only chat completions are answered here");
    if (!known) return reply_error(c, MHD_HTTP_UNAUTHORIZED, "another key");
    return answer(c, model, max_tokens);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **state) {
    (void)cls;
    (void)version;
    struct buf *body = *state;
    if (!body) { /* the headers are there, the body is not */
        body = malloc(sizeof *body);
        if (!body) return MHD_NO;
        *body = BUF_INIT(BODY_MAX);
        *state = body;
        return MHD_YES;
    }
    if (*size == 0) return take(c, url, method, body);
    buf_put(body, data, *size);
    *size = 0;
    return MHD_YES;
}

static void on_completed(void *cls, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode why) {
    (void)cls;
    (void)c;
    (void)why;
    struct buf *body = *state;
    if (body) buf_release(body);
    free(body);
    *state = NULL;
}

/* --- life --------------------------------------------------------------------------------------------------------------------- */

static bool set_mode(const char *word) {
    mode = word;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (strcmp(modes[i], word) == 0) return true;
    if (strncmp(word, CONTENT_FROM, sizeof CONTENT_FROM - 1) != 0) return false;
    char *rest;
    const long n = strtol(word + sizeof CONTENT_FROM - 1, &rest, 10);
    content_from = (int)n;
    return *rest == '\0' && n > 0 && n <= 1000000;
}

/* One line; the rest of the socket is its end of file. */
static bool read_key(void) {
    size_t n = (size_t)snprintf(bearer, sizeof bearer, "Bearer ");
    while (n < sizeof bearer - 1 && read(SOCKET, bearer + n, 1) == 1) {
        if (bearer[n] != '\n') {
            n++;
            continue;
        }
        bearer[n] = '\0';
        return true;
    }
    return false;
}

static void await_end(void) {
    char scrap[64];
    ssize_t n;
    while ((n = read(SOCKET, scrap, sizeof scrap)) > 0 || (n < 0 && errno == EINTR)) continue;
}

static int say(const char *text) { return io_write_full(SOCKET, text, strlen(text), NULL); }

static int serve(void) {
    const struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char line[512];
    struct MHD_Daemon *d = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION, 0, NULL, NULL, on_request, NULL,
        MHD_OPTION_SOCK_ADDR, (const struct sockaddr *)&here, MHD_OPTION_CONNECTION_LIMIT, 64u,
        MHD_OPTION_CONNECTION_TIMEOUT, 60u, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
    const union MHD_DaemonInfo *info = d ? MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT) : NULL;
    if (!info) return 1;
    snprintf(line, sizeof line, "%u\n", (unsigned)info->port);
    if (say(line) < 0) return 1;
    await_end();
    MHD_stop_daemon(d);
    snprintf(line, sizeof line,
             "{\"requests\":%d,\"authorized\":%d,\"others\":%d,\"max_tokens\":%.0f,\"model\":\"%.180s\"}\n",
             asked.requests, asked.authorized, asked.others, asked.max_tokens,
             strpbrk(asked.model, "\"\\\n") ? "?" : asked.model);
    return say(line) < 0;
}

int main(int argc, char **argv) {
    const pid_t parent = getppid();
    struct err e = ERR_INIT;
    if (io_sanitize_std_fds(&e) < 0 || mark[0] == '\0') return 2;
    if (argc != 2 || !set_mode(argv[1])) {
        fprintf(stderr, "cto-harness-model-double: a test double of a model's server; only validators start it\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    alarm(LIFE_S);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || !read_key()) return 2;
    return serve();
}
