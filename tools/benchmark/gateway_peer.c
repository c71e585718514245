/* gateway_peer.c - both ends of the gateway's benchmark: a server that answers at once, and who asks and takes the time. A thread per
 * connection, bytes as they are; neither is measured, both are the same for all that is.
 *
 *   gateway_peer serve                          prints its port; ends with its standard input
 *   gateway_peer small PORT N CONNECTIONS       N plain requests; prints microseconds of the whole
 *   gateway_peer first PORT N                   N streamed ones, one after the other; prints microseconds to the first token of each
 *   gateway_peer bytes PORT N                   N streamed ones of STREAM_BYTES; prints microseconds and bytes
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STREAM_BYTES (32u << 20)
#define EVENT_BYTES 8192u

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int number(const char *text) { return (int)strtol(text, NULL, 10); }

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void put(int fd, const void *bytes, size_t n) {
    const char *p = bytes;
    while (n > 0) {
        const ssize_t w = send(fd, p, n, MSG_NOSIGNAL);
        if (w <= 0) pthread_exit(NULL);
        p += w;
        n -= (size_t)w;
    }
}

/* --- the server --------------------------------------------------------------------------------------------------- */
#define MODEL "\"model\":\"bench-1\""
static const char plain[] = "{\"id\":\"c\",\"object\":\"chat.completion\"," MODEL
                            ",\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":{\"role\":"
                            "\"assistant\",\"content\":\"A small answer of the usual "
                            "kind.\"}}],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7}}";
static const char token[] = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\"," MODEL
                            ",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n";
static const char last[] =
    "data: {" MODEL ",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
static const char stream_head[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

static void put_chunk(int fd, const char *p, size_t n) {
    static __thread char b[EVENT_BYTES + 64];
    const int head = snprintf(b, sizeof b, "%zx\r\n", n);
    memcpy(b + head, p, n);
    memcpy(b + head + n, "\r\n", 2);
    put(fd, b, (size_t)head + n + 2);
}

static void answer(int fd, const char *body) {
    char head[128];
    if (strstr(body, "\"stream\":true") == NULL) {
        const int n = snprintf(head, sizeof head,
                               "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                               sizeof plain - 1);
        put(fd, head, (size_t)n);
        put(fd, plain, sizeof plain - 1);
        return;
    }
    put(fd, stream_head, sizeof stream_head - 1);
    if (strstr(body, "MANY") != NULL) {
        static char event[EVENT_BYTES];
        const int n =
            snprintf(event, sizeof event, "data: {" MODEL ",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"");
        memset(event + n, 'x', sizeof event - (size_t)n - 7);
        memcpy(event + sizeof event - 7, "\"}}]}\n\n", 7);
        for (size_t sent = 0; sent < STREAM_BYTES; sent += sizeof event) put_chunk(fd, event, sizeof event);
    } else {
        put_chunk(fd, token, sizeof token - 1);
    }
    put_chunk(fd, last, sizeof last - 1);
    put(fd, "0\r\n\r\n", 5);
}

static void *serve(void *ctx) {
    const int fd = (int)(intptr_t)ctx, one = 1;
    static __thread char b[65536];
    size_t have = 0;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    for (;;) {
        const ssize_t n = recv(fd, b + have, sizeof b - 1 - have, 0);
        if (n <= 0) break;
        have += (size_t)n;
        b[have] = 0;
        char *body = strstr(b, "\r\n\r\n"), *length = strcasestr(b, "content-length:");
        if (!body || !length) continue;
        body += 4;
        if (have < (size_t)(body - b) + (size_t)number(length + 15)) continue;
        answer(fd, body);
        have = 0;
    }
    close(fd);
    return NULL;
}

static __attribute__((noreturn)) void run_server(void) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) < 0 || listen(fd, 256) < 0 ||
        getsockname(fd, (struct sockaddr *)&a, &n) < 0)
        die("listen");
    printf("%d\n", ntohs(a.sin_port));
    fflush(stdout);
    for (;;) {
        pthread_t t;
        const int c = accept(fd, NULL, NULL);
        if (c < 0 || pthread_create(&t, NULL, serve, (void *)(intptr_t)c) != 0) die("accept");
        pthread_detach(t);
    }
}

static void *end_with_stdin(void *ctx) {
    char c;
    (void)ctx;
    while (read(0, &c, 1) > 0) continue;
    exit(0);
}

/* --- who asks ----------------------------------------------------------------------------------------------------- */
static int port;
static char request[4096];
static size_t request_len;

static int reach(void) {
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    const int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void make_request(const char *more) {
    char body[2048];
    /* A little history, as an agent has. */
    snprintf(
        body, sizeof body,
        "{" MODEL
        ",\"messages\":[{\"role\":\"system\",\"content\":\"%0512d\"},{\"role\":\"user\",\"content\":\"Go on.\"}]%s}",
        7, more);
    request_len = (size_t)snprintf(request, sizeof request,
                                   "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: "
                                   "application/json\r\nAuthorization: Bearer dummy\r\n"
                                   "Content-Length: %zu\r\n\r\n%s",
                                   strlen(body), body);
}

/* Reads one answer to its end. Returns when the first byte of the body came. */
static double take(int fd, size_t *bytes) {
    static __thread char b[1 << 18];
    size_t have = 0, body = 0, want = 0;
    double first = 0;
    int chunked = 0;
    for (;;) {
        const ssize_t n = recv(fd, b + have, sizeof b - 1 - have, 0);
        if (n <= 0) die("the answer ended too early");
        have += (size_t)n;
        *bytes += (size_t)n;
        b[have] = 0;
        if (body == 0) {
            char *end = strstr(b, "\r\n\r\n"), *length = strcasestr(b, "content-length:");
            if (!end) continue;
            body = (size_t)(end + 4 - b);
            chunked = length == NULL || length > end;
            want = chunked ? 0 : (size_t)number(length + 15);
            if (strncmp(b, "HTTP/1.1 200", 12) != 0) die("not 200");
        }
        if (have > body && first == 0) first = now_us();
        if (!chunked && have - body >= want) return first;
        if (chunked && have >= 5 && memcmp(b + have - 5, "0\r\n\r\n", 5) == 0 && first != 0) return first;
        if (chunked && have > 8) { /* only its end matters */
            memmove(b + body, b + have - 8 > b + body ? b + have - 8 : b + body, have - body < 8 ? have - body : 8);
            have = body + (have - body < 8 ? have - body : 8);
        }
    }
}

static int each;
static void *ask_many(void *ctx) {
    const int fd = reach();
    size_t bytes = 0;
    (void)ctx;
    for (int i = 0; i < each; i++) {
        put(fd, request, request_len);
        take(fd, &bytes);
    }
    close(fd);
    return NULL;
}

static void small(int n, int connections) {
    pthread_t t[64];
    make_request("");
    each = n / connections;
    const double begun = now_us();
    for (int i = 0; i < connections; i++)
        if (pthread_create(&t[i], NULL, ask_many, NULL) != 0) die("thread");
    for (int i = 0; i < connections; i++) pthread_join(t[i], NULL);
    printf("%.1f\n", now_us() - begun);
}

static void first(int n) {
    const int fd = reach();
    make_request(",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
    for (int i = 0; i < n; i++) {
        size_t bytes = 0;
        const double begun = now_us();
        put(fd, request, request_len);
        printf("%.1f\n", take(fd, &bytes) - begun);
    }
}

static void many_bytes(int n) {
    const int fd = reach();
    size_t bytes = 0;
    make_request(",\"stream\":true,\"stream_options\":{\"include_usage\":true},\"x\":\"MANY\"");
    const double begun = now_us();
    for (int i = 0; i < n; i++) {
        put(fd, request, request_len);
        take(fd, &bytes);
    }
    printf("%.1f %zu\n", now_us() - begun, bytes);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "serve") == 0) {
        pthread_t t;
        if (pthread_create(&t, NULL, end_with_stdin, NULL) != 0) die("thread");
        run_server();
    }
    if (argc < 4) {
        fprintf(stderr, "usage: gateway_peer serve | small PORT N CONNECTIONS | first PORT N | bytes PORT N\n");
        return 2;
    }
    port = number(argv[2]);
    const int n = number(argv[3]);
    if (strcmp(argv[1], "small") == 0) small(n, argc > 4 ? number(argv[4]) : 1);
    if (strcmp(argv[1], "first") == 0) first(n);
    if (strcmp(argv[1], "bytes") == 0) many_bytes(n);
    return 0;
}
