/* gateway_host.c - a test double of what stands around a gateway: the supervisor's socket, the worker's, the listener, the files.
 *
 *   gateway_host GATEWAY CONFIG [--probe] [--record FILE] [--replay FILE] [--slots DIR N] [--uid N] [--listener KIND] [--quiet-config]
 *
 * CONFIG is a file with GW_CONFIG; build_id, run_id, slots, record, replay and uid are put in here. Prints one JSON object a line:
 * {"event":"port"} when the listener was handed over, each frame of the gateway, {"event":"exit"}. End of file on stdin closes the
 * supervisor's side, as the end of a run does. SIGKILL to this process is the supervisor's sudden death.
 *
 * KIND: tcp (default); what a gateway must refuse: unix, udp, unbound (not listening), any (0.0.0.0), v6, two (descriptors), none (the
 * worker closes), never (nothing comes), endpoint:PORT (a listener there)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "build_id.h"
#include "common/frame.h"
#include "common/io.h"
#include "common/json.h"

struct host {
    const char *gateway, *config, *record, *replay, *slots_dir, *kind;
    int slots, uid;
    bool probe, bad_build;
};

static void die(const char *what) {
    fprintf(stderr, "gateway_host: %s: %s\n", what, strerror(errno));
    exit(3);
}

/* --- frames as JSON ----------------------------------------------------------------------------------------------- */
static void print(cJSON *o) {
    char *text = cJSON_PrintUnformatted(o);
    puts(text);
    fflush(stdout);
    free(text);
    cJSON_Delete(o);
}

static void take_str(cJSON *o, const char *key, struct rd *r) {
    char text[1024];
    rd_str(r, text, sizeof text);
    json_put_str(o, key, text);
}

static void take_request(cJSON *o, struct rd *r) {
    json_put_int(o, "number", rd_u32(r));
    json_put_str(o, "path", gw_path_name(rd_u8(r)));
    take_str(o, "asked", r);
    take_str(o, "answered", r);
    json_put_int(o, "status", rd_u16(r));
    json_put_str(o, "outcome", gw_outcome_name(rd_u8(r)));
    json_put_int(o, "tokens_in", (int64_t)rd_u64(r));
    json_put_int(o, "tokens_out", (int64_t)rd_u64(r));
    json_put_int(o, "start_ms", rd_i64(r));
    json_put_int(o, "latency_us", (int64_t)rd_u64(r));
    json_put_int(o, "first_byte_us", (int64_t)rd_u64(r));
    json_put_int(o, "up", (int64_t)rd_u64(r));
    json_put_int(o, "down", (int64_t)rd_u64(r));
    take_str(o, "detail", r);
}

static void take_ready(cJSON *o, struct rd *r) {
    size_t n;
    const uint8_t *p = rd_bytes(r, &n);
    cJSON *ready = p ? cJSON_ParseWithLength((const char *)p, n) : NULL;
    if (!ready) r->bad = true;
    json_put(o, "ready", ready ? ready : json_new_object());
}

static void take_rest(cJSON *o, unsigned type, struct rd *r) {
    switch (type) {
    case MSG_GW_TRAFFIC: json_put_int(o, "bytes", (int64_t)rd_u64(r)); break;
    case MSG_GW_FAILED: take_str(o, "text", r); break;
    case MSG_GW_BUDGET:
        json_put_str(o, "budget", gw_budget_name(rd_u8(r)));
        json_put_int(o, "limit", (int64_t)rd_u64(r));
        json_put_int(o, "seen", (int64_t)rd_u64(r));
        break;
    case MSG_GW_PROBE:
        json_put_str(o, "outcome", gw_outcome_name(rd_u8(r)));
        json_put_int(o, "status", rd_u16(r));
        take_str(o, "answered", r);
        json_put_int(o, "latency_us", (int64_t)rd_u64(r));
        take_str(o, "detail", r);
        break;
    case MSG_GW_DONE:
        json_put_int(o, "requests", rd_u32(r));
        json_put_int(o, "tokens_in", (int64_t)rd_u64(r));
        json_put_int(o, "tokens_out", (int64_t)rd_u64(r));
        json_put_int(o, "up", (int64_t)rd_u64(r));
        json_put_int(o, "down", (int64_t)rd_u64(r));
        break;
    default: r->bad = true;
    }
}

static int on_frame(void *ctx, const struct frame *f, struct err *e) {
    struct rd r = rd_over(f->payload, f->len);
    cJSON *o = json_new_object();
    (void)ctx;
    json_put_str(o, "frame", msg_rule(f->type)->name);
    if (f->type == MSG_GW_REQUEST)
        take_request(o, &r);
    else if (f->type == MSG_GW_READY)
        take_ready(o, &r);
    else
        take_rest(o, f->type, &r);
    const bool good = rd_done(&r);
    json_put_bool(o, "wellformed", good);
    print(o);
    return good ? 0 : err_set(e, ERR_PROTO, "a frame that is not whole");
}

/* --- what is handed over ------------------------------------------------------------------------------------------ */
static int listening(int family, const char *address, uint16_t port, bool listens, uint16_t *ret_port) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    const int one = 1, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr *sa = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    socklen_t n = family == AF_INET ? sizeof v4 : sizeof v6;
    if (fd < 0) die("socket");
    if (family == AF_INET) inet_pton(AF_INET, address, &v4.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, sa, n) < 0 || (listens && listen(fd, 256) < 0)) die("listen");
    if (getsockname(fd, sa, &n) < 0) die("getsockname");
    *ret_port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
    return fd;
}

static int make_listener(const char *kind, uint16_t *ret_port) {
    *ret_port = 0;
    if (strcmp(kind, "unix") == 0) {
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(sa_family_t)) < 0 || listen(fd, 8) < 0) die("unix");
        return fd;
    }
    if (strcmp(kind, "udp") == 0) return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (strcmp(kind, "any") == 0) return listening(AF_INET, "0.0.0.0", 0, true, ret_port);
    if (strcmp(kind, "v6") == 0) return listening(AF_INET6, "", 0, true, ret_port);
    if (strncmp(kind, "endpoint:", 9) == 0)
        return listening(AF_INET, "127.0.0.2", (uint16_t)atoi(kind + 9), true, ret_port);
    return listening(AF_INET, "127.0.0.1", 0, strcmp(kind, "unbound") != 0, ret_port);
}

static void hand_over(int socket, int fd, size_t copies) {
    _Alignas(struct cmsghdr) char space[CMSG_SPACE(2 * sizeof(int))] = {0};
    char byte = 'L';
    struct iovec iov = {&byte, 1};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = CMSG_SPACE(copies * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(copies * sizeof(int));
    for (size_t i = 0; i < copies; i++) memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof fd);
    if (sendmsg(socket, &m, MSG_NOSIGNAL) != 1) die("hand over");
}

static void say_port(uint16_t port, pid_t pid) {
    cJSON *o = json_new_object();
    json_put_str(o, "event", "port");
    json_put_int(o, "port", port);
    json_put_int(o, "pid", pid);
    print(o);
}

/* The listener goes over when the gateway has been started; who connects before it is served waits in its queue. */
static void give_listener(const struct host *h, int *worker, pid_t pid) {
    uint16_t port = 0;
    if (h->probe || strcmp(h->kind, "never") == 0) return;
    if (strcmp(h->kind, "none") != 0) {
        const int fd = make_listener(h->kind, &port);
        hand_over(*worker, fd, strcmp(h->kind, "two") == 0 ? 2 : 1);
        close(fd);
    }
    close(*worker);
    *worker = -1;
    say_port(port, pid);
}

/* --- starting ----------------------------------------------------------------------------------------------------- */
static char *make_config(const struct host *h) {
    struct buf b = BUF_INIT(1 << 20);
    struct err e = ERR_INIT;
    if (io_read_file_at(AT_FDCWD, h->config, 1 << 20, &b, &e) < 0) die(e.text);
    cJSON *o = cJSON_ParseWithLength(buf_str(&b), b.len);
    if (!o) { /* bytes that are no JSON: as they are */
        char *raw = buf_detach(&b);
        return raw;
    }
    json_put_str(o, "build_id", h->bad_build ? "another" : CTO_BUILD_ID);
    json_put_str(o, "run_id", "test-run");
    json_put_int(o, "slots", h->slots);
    json_put_bool(o, "record", h->record != NULL);
    json_put_bool(o, "replay", h->replay != NULL);
    json_put_int(o, "uid", h->uid);
    char *text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    buf_release(&b);
    return text;
}

static void place(int fd, int at) {
    if (fd < 0) die("descriptor");
    if (dup2(fd, at) < 0) die("dup2");
}

/* In the child. Descriptors were made above 100, so that none is in the way. */
static void exec_gateway(const struct host *h, int control, int listener) {
    char path[512];
    char *argv[] = {(char *)(uintptr_t) "cto-harness-gateway", h->probe ? (char *)(uintptr_t) "--probe" : NULL, NULL};
    /* Must mean nothing to it. */
    char *envp[] = {
        (char *)(uintptr_t) "http_proxy=http://127.0.0.1:1", (char *)(uintptr_t) "https_proxy=http://127.0.0.1:1",
        (char *)(uintptr_t) "ALL_PROXY=http://127.0.0.1:1",  (char *)(uintptr_t) "SSLKEYLOGFILE=/tmp/keys",
        (char *)(uintptr_t) "SSL_CERT_FILE=/dev/null",       NULL};
    const int nothing = open("/dev/null", O_RDWR);
    place(nothing, 0);
    place(nothing, 1);
    place(control, GATEWAY_FD_CONTROL);
    place(listener, GATEWAY_FD_LISTENER);
    if (h->record) place(open(h->record, O_RDWR | O_CREAT | O_TRUNC, 0600), GATEWAY_FD_RECORD);
    if (h->replay) place(open(h->replay, O_RDONLY), GATEWAY_FD_REPLAY);
    for (int i = 0; i < h->slots; i++) {
        snprintf(path, sizeof path, "%s/slot%d", h->slots_dir, i);
        place(open(path, O_RDWR | O_CREAT, 0600), GATEWAY_FD_SLOTS + i);
    }
    execve(h->gateway, argv, envp);
    die("exec");
}

static int above(int fd) {
    const int r = fcntl(fd, F_DUPFD_CLOEXEC, 100);
    if (r < 0) die("fcntl");
    close(fd);
    return r;
}

static pid_t start(const struct host *h, int *ret_control, int *ret_worker) {
    int control[2], worker[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, worker) < 0)
        die("socketpair");
    for (int i = 0; i < 2; i++) {
        control[i] = above(control[i]);
        worker[i] = above(worker[i]);
    }
    const pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid == 0) exec_gateway(h, control[1], worker[1]);
    close(control[1]);
    close(worker[1]);
    *ret_control = control[0];
    *ret_worker = worker[0];
    return pid;
}

/* Passes frames on until the gateway closes; end of file on stdin ends the run. */
static void pump(int control) {
    struct frame_reader reader;
    struct pollfd p[2] = {{.fd = control, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    struct err e = ERR_INIT;
    frame_reader_init(&reader, MSG_TO_SUPERVISOR, MSG_GATEWAY);
    for (;;) {
        char bytes[65536];
        if (poll(p, 2, -1) < 0) continue;
        if (p[1].revents != 0 && read(0, bytes, sizeof bytes) <= 0) {
            shutdown(control, SHUT_WR);
            p[1].fd = -1;
        }
        if (p[0].revents == 0) continue;
        const ssize_t n = read(control, bytes, sizeof bytes);
        if (n <= 0) break;
        if (frame_feed(&reader, bytes, (size_t)n, on_frame, NULL, &e) < 0) {
            fprintf(stderr, "gateway_host: %s\n", e.text);
            exit(4);
        }
    }
    frame_reader_release(&reader);
}

static void parse(struct host *h, int argc, char **argv) {
    *h = (struct host){.kind = "tcp", .uid = -1};
    if (argc < 3) {
        fprintf(stderr, "usage: gateway_host GATEWAY CONFIG [options]\n");
        exit(2);
    }
    h->gateway = argv[1];
    h->config = argv[2];
    for (int i = 3; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--probe") == 0) h->probe = true;
        if (strcmp(argv[i], "--bad-build") == 0) h->bad_build = true;
        if (strcmp(argv[i], "--record") == 0) h->record = value;
        if (strcmp(argv[i], "--replay") == 0) h->replay = value;
        if (strcmp(argv[i], "--uid") == 0) h->uid = atoi(value);
        if (strcmp(argv[i], "--listener") == 0) h->kind = value;
        if (strcmp(argv[i], "--slots") == 0 && i + 2 < argc) {
            h->slots_dir = value;
            h->slots = atoi(argv[i + 2]);
        }
    }
}

int main(int argc, char **argv) {
    struct host h;
    int control, worker, status = 0;
    struct err e = ERR_INIT;
    signal(SIGPIPE, SIG_IGN);
    parse(&h, argc, argv);
    char *config = make_config(&h);
    const pid_t pid = start(&h, &control, &worker);
    if (frame_write(control, MSG_GW_CONFIG, NULL, 0, config, strlen(config), &e) < 0)
        fprintf(stderr, "gateway_host: %s\n", e.text);
    free(config);
    give_listener(&h, &worker, pid);
    pump(control);
    if (waitpid(pid, &status, 0) < 0) die("waitpid");
    cJSON *o = json_new_object();
    json_put_str(o, "event", "exit");
    json_put_int(o, "code", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    json_put_int(o, "signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    print(o);
    return 0;
}
