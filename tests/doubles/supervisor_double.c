/* supervisor_double.c - a test double: plays the supervisor towards one real worker and prints every frame as a line.
 *
 *   supervisor_double --worker PROGRAM --spec FILE [options]
 *     --libexec DIR        default: the worker's directory          --save DIR     streams as DIR/out.1 .2 .3, patch
 *     --stop-on-commit     STOP at the first LOOK moved and clean   --stop-after MS   STOP (timeout) after STARTED
 *     --die-at FRAME       SIGKILL to itself at that frame          --stall-bulk MS   read bulk only after MS
 *     --wake-ms N          wake the inspector each N ms (20)        --timeout S       give up (60)
 *     --die-after MS       SIGKILL to itself then   --die-from FRAME   so long after that frame, not after the start
 *     --raw TEXT           send these bytes instead of the RUN_SPEC
 *
 * FILE is a RUN_SPEC in JSON; what every run needs and it does not say (ids, uids, limits, empty lists) is filled in.
 * Lines go to stdout: "WORKER pid", "NAME field=value ...", at the end "TOTAL ..." and "EXIT code" or "SIGNAL n". The
 * exit code is the worker's, 99 when the double itself failed or gave up.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "build_id.h"
#include "common/clock.h"
#include "common/frame.h"
#include "common/io.h"
#include "common/json.h"

struct options {
    const char *worker, *spec, *libexec, *save, *die_at, *die_from, *raw;
    bool stop_on_commit;
    long stop_after_ms, stall_bulk_ms, wake_ms, timeout_s, die_after_ms;
};

struct session {
    struct options o;
    pid_t pid;
    int control, bulk, wake;
    struct frame_reader control_reader, bulk_reader;
    bool control_open, bulk_open, stopped;
    uint64_t begin_us, die_from_us, started_us, woken_us, total[4], patch;
    int save[5];
};

static _Noreturn void die(const char *what, const struct err *e) {
    fprintf(stderr, "supervisor_double: %s: %s\n", what, e != NULL ? e->text : strerror(errno));
    exit(99);
}

/* --- the spec --------------------------------------------------------------------------------------------------- */

static void dflt_str(cJSON *o, const char *key, const char *value) {
    if (!cJSON_HasObjectItem(o, key)) json_put_str(o, key, value);
}

static void dflt_int(cJSON *o, const char *key, int64_t value) {
    if (!cJSON_HasObjectItem(o, key)) json_put_int(o, key, value);
}

static char *make_spec(const struct options *o) {
    struct err e = ERR_INIT;
    AUTO_BUF struct buf text = BUF_INIT(1u << 20);
    if (io_read_file_at(AT_FDCWD, o->spec, text.max, &text, &e) < 0) die("spec", &e);
    cJSON *root = cJSON_Parse(buf_str(&text));
    if (root == NULL) die("spec: not JSON", NULL);
    bool is_root = geteuid() == 0;
    dflt_str(root, "run_id", "20260101T000000Z-test-1");
    dflt_str(root, "build_id", CTO_BUILD_ID);
    dflt_str(root, "libexec_dir", o->libexec);
    dflt_str(root, "engine", "fake");
    dflt_str(root, "commit", "agent");
    dflt_int(root, "supervisor_pid", getpid());
    dflt_int(root, "engine_uid", is_root ? 61101 : -1);
    dflt_int(root, "verifier_uid", is_root ? 61102 : -1);
    if (!cJSON_HasObjectItem(root, "limits")) json_put(root, "limits", cJSON_CreateObject());
    if (!cJSON_HasObjectItem(root, "verify")) json_put(root, "verify", cJSON_CreateArray());
    if (!cJSON_HasObjectItem(root, "submodules")) json_put(root, "submodules", cJSON_CreateArray());
    char *out = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    if (out == NULL) die("memory", NULL);
    return out;
}

/* --- the worker ------------------------------------------------------------------------------------------------- */

static void child_main(const struct options *o, pid_t parent, const int fds[3]) {
    char pid_text[16];
    snprintf(pid_text, sizeof pid_text, "%d", (int)parent);
    int high[3], null = fcntl(open("/dev/null", O_RDWR | O_CLOEXEC), F_DUPFD_CLOEXEC, 20);
    for (int i = 0; i < 3; i++) high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 20);
    dup2(null, WORKER_FD_STDIN);
    dup2(null, WORKER_FD_STDOUT);
    for (int i = 0; i < 3; i++) dup2(high[i], WORKER_FD_CONTROL + i);
    const char *const argv[] = {o->worker, "--supervisor-pid", pid_text, NULL};
    static const char *const env[] = {"PATH=/usr/bin:/bin", "ASAN_OPTIONS=detect_leaks=0:abort_on_error=1", NULL};
    execve(o->worker, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)env);
    _exit(127);
}

static void spawn(struct session *s) {
    int pair[2], pipe_fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 || pipe2(pipe_fds, O_CLOEXEC) < 0)
        die("pipes", NULL);
    s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pid_t parent = getpid();
    s->pid = fork();
    if (s->pid < 0) die("fork", NULL);
    if (s->pid == 0) child_main(&s->o, parent, (const int[3]){pair[1], pipe_fds[1], s->wake});
    close(pair[1]);
    close(pipe_fds[1]);
    s->control = pair[0];
    s->bulk = pipe_fds[0];
    s->control_open = s->bulk_open = true;
    frame_reader_init(&s->control_reader, MSG_TO_SUPERVISOR, MSG_CONTROL);
    frame_reader_init(&s->bulk_reader, MSG_TO_SUPERVISOR, MSG_BULK);
    printf("WORKER %d\n", (int)s->pid);
    fflush(stdout);
}

static void send_stop(struct session *s, enum stop_reason why) {
    uint8_t reason = (uint8_t)why;
    if (s->stopped) return;
    s->stopped = true;
    struct err e = ERR_INIT;
    if (frame_write(s->control, MSG_STOP, NULL, 0, &reason, 1, &e) < 0)
        printf("STOP not sent: %s\n", e.text);
    else
        printf("(STOP %d)\n", (int)why);
}

/* --- frames as text --------------------------------------------------------------------------------------------- */

static void put_quoted(const uint8_t *p, size_t n, size_t most) {
    putchar('"');
    for (size_t i = 0; i < n && i < most; i++)
        if (p[i] >= 32 && p[i] < 127 && p[i] != '"' && p[i] != '\\')
            putchar(p[i]);
        else
            printf("\\%03o", p[i]);
    printf(n > most ? "\"..." : "\"");
}

static void field(struct rd *r, const char *name, char kind) {
    size_t n = 0;
    printf(" %s=", name);
    switch (kind) {
    case 'b': printf("%u", rd_u8(r)); break;
    case 'l': printf("%c", rd_u8(r)); break;
    case 'e': printf("%s", end_kind_name(rd_u8(r))); break;
    case 'r': printf("%s", result_kind_name(rd_u8(r))); break;
    case 'h': printf("%u", rd_u16(r)); break;
    case 'u': printf("%u", rd_u32(r)); break;
    case 'i': printf("%d", (int32_t)rd_u32(r)); break;
    case 'o': printf("%o", rd_u32(r)); break;
    case 'q': printf("%llu", (unsigned long long)rd_u64(r)); break;
    default: {
        const uint8_t *p = rd_bytes(r, &n);
        put_quoted(p, p != NULL ? n : 0, 4000);
    }
    }
}

static const struct {
    unsigned type;
    const char *fields; /* "kind:name ..." */
} layouts[] = {
    {MSG_HELLO, "s:build u:pid"},
    {MSG_READY, "s:sandbox"},
    {MSG_BASELINE, "s:oid b:clean u:files q:bytes u:commits"},
    {MSG_STARTED, ""},
    {MSG_LOOK, "b:moved b:clean s:head q:fingerprint"},
    {MSG_ENGINE_END, "e:kind i:code q:cpu_us q:rss_kib q:processes q:output q:dropped s:detail"},
    {MSG_RESULT, "r:kind s:head b:clean u:dirty u:commits b:by_harness s:detail"},
    {MSG_DIRTY, "l:letter s:path"},
    {MSG_COMMIT, "s:oid b:parents q:time s:author s:subject"},
    {MSG_ATTEMPT, "b:kind s:name"},
    {MSG_DENIED, "b:by h:command b:kind s:syscall q:count q:a0 q:a1 q:a2"},
    {MSG_CHANGE, "b:scope l:letter o:old o:new s:path"},
    {MSG_VERIFY_START, "h:index"},
    {MSG_VERIFY_END, "h:index e:kind i:code q:us q:output q:dropped s:detail"},
    {MSG_VERIFY_SKIP, "s:reason"},
    {MSG_TRACE, "s:step q:start q:us b:ok s:detail"},
    {MSG_FAILED, "b:class u:code u:errno s:text"},
    {MSG_DONE, ""},
    {MSG_ARTIFACT_END, "b:id q:size"},
};

static void print_frame(const struct frame *f) {
    printf("%s", msg_rule(f->type)->name);
    struct rd r = rd_over(f->payload, f->len);
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        if (layouts[i].type != f->type) continue;
        for (const char *p = layouts[i].fields; *p != '\0';) {
            char name[32];
            size_t n = strcspn(p, " ");
            snprintf(name, sizeof name, "%.*s", (int)n - 2, p + 2);
            field(&r, name, p[0]);
            p += n + (p[n] == ' ');
        }
        if (!rd_done(&r)) printf(" MALFORMED");
    }
    putchar('\n');
    fflush(stdout);
}

static void react(struct session *s, const struct frame *f) {
    const char *name = msg_rule(f->type)->name;
    if (s->o.die_at != NULL && strcmp(s->o.die_at, name) == 0) kill(getpid(), SIGKILL);
    if (s->o.die_from != NULL && s->die_from_us == 0 && strcmp(s->o.die_from, name) == 0)
        s->die_from_us = clock_mono_us();
    if (f->type == MSG_STARTED) s->started_us = clock_mono_us();
    if (f->type == MSG_ENGINE_END) s->started_us = 0;
    if (f->type == MSG_LOOK && s->o.stop_on_commit && s->started_us != 0 && f->len > 2 && f->payload[0] == 1 &&
        f->payload[1] == 1)
        send_stop(s, STOP_COMMITTED);
}

static int on_control(void *ctx, const struct frame *f, struct err *e) {
    (void)e;
    print_frame(f);
    react(ctx, f);
    return 0;
}

static int on_bulk(void *ctx, const struct frame *f, struct err *e) {
    struct session *s = ctx;
    if (f->type == MSG_ARTIFACT_END) {
        print_frame(f);
        return 0;
    }
    if (f->len < 1) return err_set(e, ERR_PROTO, "empty bulk frame");
    int file = f->type == MSG_ARTIFACT ? 4 : f->payload[0];
    if (file < 1 || file > 4) return err_set(e, ERR_PROTO, "bulk stream %d", file);
    if (f->type == MSG_ARTIFACT)
        s->patch += f->len - 1;
    else
        s->total[file] += f->len - 1;
    if (s->o.save == NULL) return 0;
    return io_write_full(s->save[file], f->payload + 1, f->len - 1, e);
}

/* --- the loop --------------------------------------------------------------------------------------------------- */

static void read_channel(struct session *s, int fd, struct frame_reader *r, frame_fn on, bool *open) {
    static char chunk[64 << 10];
    struct err e = ERR_INIT;
    ssize_t n = read(fd, chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) return;
    if (n <= 0) {
        if (n < 0) printf("READ ERROR %s\n", strerror(errno));
        *open = false;
        if (frame_finish(r, &e) < 0) printf("PROTOCOL %s\n", e.text);
    } else if (frame_feed(r, chunk, (size_t)n, on, s, &e) < 0) {
        die("protocol", &e);
    }
}

static void tick(struct session *s) {
    uint64_t one = 1, now = clock_mono_us();
    if (now - s->begin_us > (uint64_t)s->o.timeout_s * 1000000) {
        printf("GIVING UP\n");
        fflush(stdout);
        kill(s->pid, SIGKILL);
        exit(99);
    }
    if (s->o.die_after_ms >= 0 && s->die_from_us != 0 && now - s->die_from_us >= (uint64_t)s->o.die_after_ms * 1000)
        kill(getpid(), SIGKILL);
    if (s->started_us == 0) return;
    if (now - s->woken_us >= (uint64_t)s->o.wake_ms * 1000) {
        if (write(s->wake, &one, sizeof one) < 0 && errno != EAGAIN) die("wake", NULL);
        s->woken_us = now;
    }
    if (s->o.stop_after_ms >= 0 && now - s->started_us > (uint64_t)s->o.stop_after_ms * 1000)
        send_stop(s, STOP_TIMEOUT);
}

static void loop(struct session *s) {
    while (s->control_open || s->bulk_open) {
        bool stalled = clock_mono_us() - s->begin_us < (uint64_t)s->o.stall_bulk_ms * 1000;
        struct pollfd p[2] = {
            {.fd = s->control_open ? s->control : -1, .events = POLLIN},
            {.fd = s->bulk_open && !stalled ? s->bulk : -1, .events = POLLIN},
        };
        if (poll(p, 2, (int)s->o.wake_ms) < 0 && errno != EINTR) die("poll", NULL);
        tick(s);
        if (p[0].revents) read_channel(s, s->control, &s->control_reader, on_control, &s->control_open);
        if (p[1].revents) read_channel(s, s->bulk, &s->bulk_reader, on_bulk, &s->bulk_open);
    }
}

static void open_save(struct session *s) {
    static const char *const names[] = {NULL, "out.1", "out.2", "out.3", "patch"};
    for (int i = 1; i <= 4 && s->o.save != NULL; i++) {
        char path[4200];
        snprintf(path, sizeof path, "%s/%s", s->o.save, names[i]);
        s->save[i] = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (s->save[i] < 0) die(path, NULL);
    }
}

static int finish(struct session *s) {
    int status = 0;
    while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR) continue;
    printf("TOTAL stdout=%llu stderr=%llu verify=%llu patch=%llu\n", (unsigned long long)s->total[1],
           (unsigned long long)s->total[2], (unsigned long long)s->total[3], (unsigned long long)s->patch);
    if (WIFSIGNALED(status))
        printf("SIGNAL %d\n", WTERMSIG(status));
    else
        printf("EXIT %d\n", WEXITSTATUS(status));
    return WIFSIGNALED(status) ? 98 : WEXITSTATUS(status);
}

static void parse(int argc, char **argv, struct options *o) {
    static const struct option names[] = {
        {"worker", 1, NULL, 'w'},     {"spec", 1, NULL, 's'},
        {"libexec", 1, NULL, 'l'},    {"save", 1, NULL, 'o'},
        {"die-at", 1, NULL, 'd'},     {"stop-on-commit", 0, NULL, 'c'},
        {"stop-after", 1, NULL, 't'}, {"stall-bulk", 1, NULL, 'b'},
        {"wake-ms", 1, NULL, 'k'},    {"timeout", 1, NULL, 'x'},
        {"raw", 1, NULL, 'r'},        {"die-after", 1, NULL, 'a'},
        {"die-from", 1, NULL, 'f'},   {0},
    };
    *o = (struct options){.stop_after_ms = -1, .die_after_ms = -1, .wake_ms = 20, .timeout_s = 60};
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (c) {
        case 'w': o->worker = optarg; break;
        case 's': o->spec = optarg; break;
        case 'l': o->libexec = optarg; break;
        case 'o': o->save = optarg; break;
        case 'd': o->die_at = optarg; break;
        case 'c': o->stop_on_commit = true; break;
        case 't': o->stop_after_ms = strtol(optarg, NULL, 10); break;
        case 'b': o->stall_bulk_ms = strtol(optarg, NULL, 10); break;
        case 'k': o->wake_ms = strtol(optarg, NULL, 10); break;
        case 'x': o->timeout_s = strtol(optarg, NULL, 10); break;
        case 'a': o->die_after_ms = strtol(optarg, NULL, 10); break;
        case 'f': o->die_from = optarg; break;
        case 'r': o->raw = optarg; break;
        default: exit(99);
        }
    }
    if (o->worker == NULL || o->spec == NULL) exit(99);
}

int main(int argc, char **argv) {
    struct session s = {0};
    char dir[4096];
    parse(argc, argv, &s.o);
    snprintf(dir, sizeof dir, "%s", s.o.worker);
    char *slash = strrchr(dir, '/');
    if (slash != NULL) *slash = '\0';
    if (s.o.libexec == NULL) s.o.libexec = dir;
    signal(SIGPIPE, SIG_IGN);
    s.begin_us = clock_mono_us();
    if (s.o.die_from == NULL) s.die_from_us = s.begin_us;
    open_save(&s);
    char *spec = make_spec(&s.o);
    spawn(&s);
    struct err e = ERR_INIT;
    int rc = s.o.raw != NULL ? io_write_full(s.control, s.o.raw, strlen(s.o.raw), &e)
                             : frame_write(s.control, MSG_RUN_SPEC, NULL, 0, spec, strlen(spec), &e);
    if (rc < 0) printf("SPEC not sent: %s\n", e.text);
    free(spec);
    loop(&s);
    return finish(&s);
}
