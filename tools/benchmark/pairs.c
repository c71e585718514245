/* pairs.c - times several commands against each other, interleaved.
 *
 *   pairs [--rounds N] [--seconds S] [--warmup N] -- NAME [open:FD=PATH]... COMMAND [ARGUMENT]... -- NAME ...
 *
 * A host is never quiet, and what disturbs it comes and goes: a figure of one command taken now says nothing beside a figure
 * of another taken later. So every round runs each command once, the first place going round, and a ratio is taken inside a
 * round. Statistics are the reader's matter: standard output has one line per round, for each command in the order given its
 * wall time and its CPU time in nanoseconds. CPU time is that of the process and of all that were waited for below it.
 *
 * A command is started with vfork and exec, which is itself the floor of any start. Its standard input and output are
 * /dev/null; open:FD=PATH gives it a file more. A command that does not exit with 0 ends the measurement: what fails early
 * would look fast. It dies with pairs. --seconds ends it too, after a whole round, once at least three rounds are done.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_COMMANDS 16
#define MAX_OPENS 16
#define LEAST_ROUNDS 3

struct command {
    const char *name;
    char **argv;
    int n_opens;
    struct {
        int fd;
        const char *path;
    } opens[MAX_OPENS];
};

struct sample {
    int64_t wall_ns, cpu_ns;
};

static struct command commands[MAX_COMMANDS];
static int n_commands;

static void __attribute__((noreturn)) die(const char *what, const char *detail) {
    fprintf(stderr, "pairs: %s: %s\n", what, detail);
    exit(4);
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t ns_of(struct timeval t) { return (int64_t)t.tv_sec * 1000000000 + (int64_t)t.tv_usec * 1000; }

/* In the vfork child: system calls only. */
static void open_as(const char *path, int flags, int want) {
    const int fd = open(path, flags);
    if (fd < 0) _exit(126);
    if (fd == want) return;
    if (dup2(fd, want) < 0) _exit(126);
    close(fd);
}

static void __attribute__((noreturn)) child(const struct command *c) {
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    open_as("/dev/null", O_RDONLY, STDIN_FILENO);
    open_as("/dev/null", O_WRONLY, STDOUT_FILENO);
    for (int i = 0; i < c->n_opens; i++) open_as(c->opens[i].path, O_RDONLY, c->opens[i].fd);
    execv(c->argv[0], c->argv);
    _exit(127);
}

static struct sample run_once(const struct command *c) {
    struct rusage ru;
    int status = 0;
    const int64_t start = now_ns();
    const pid_t pid = vfork();
    if (pid == 0) child(c);
    if (pid < 0) die("vfork", strerror(errno));
    while (wait4(pid, &status, 0, &ru) < 0)
        if (errno != EINTR) die("wait", strerror(errno));
    const int64_t end = now_ns();
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        char text[64];
        snprintf(text, sizeof text, WIFEXITED(status) ? "exited with %d" : "died of signal %d",
                 WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
        die(c->name, text);
    }
    return (struct sample){end - start, ns_of(ru.ru_utime) + ns_of(ru.ru_stime)};
}

static void run_round(int round, struct sample *ret) {
    for (int i = 0; i < n_commands; i++) {
        const int at = (round + i) % n_commands;
        ret[at] = run_once(&commands[at]);
    }
}

static void print_round(const struct sample *s) {
    for (int i = 0; i < n_commands; i++)
        printf("%s%lld %lld", i > 0 ? " " : "", (long long)s[i].wall_ns, (long long)s[i].cpu_ns);
    putchar('\n');
}

static long parse_number(const char *option, const char *text) {
    char *end;
    errno = 0;
    const long v = strtol(text ? text : "", &end, 10);
    if (!text || errno != 0 || end == text || *end != '\0' || v < 0 || v > 1000000) die(option, "a number is expected");
    return v;
}

static void take_open(struct command *c, char *text) {
    char *eq = strchr(text, '=');
    if (!eq || c->n_opens == MAX_OPENS) die(text, "expected open:FD=PATH, at most 16 times");
    *eq = '\0';
    c->opens[c->n_opens].fd = (int)parse_number("open:", text + strlen("open:"));
    c->opens[c->n_opens++].path = eq + 1;
}

/* argv from the first "--" on. */
static void parse_commands(char **argv) {
    for (char **p = argv; *p;) {
        if (n_commands == MAX_COMMANDS) die("commands", "too many");
        struct command *c = &commands[n_commands++];
        *p++ = NULL; /* the "--": ends the argv of the command before */
        if (!*p) die("--", "a name is expected");
        for (c->name = *p++; *p && strncmp(*p, "open:", 5) == 0; p++) take_open(c, *p);
        if (!*p || strcmp(*p, "--") == 0) die(c->name, "no command given");
        c->argv = p;
        while (*p && strcmp(*p, "--") != 0) p++;
    }
    if (n_commands == 0) die("usage", "pairs [--rounds N] [--seconds S] [--warmup N] -- NAME COMMAND...");
}

int main(int argc, char **argv) {
    long rounds = 100, seconds = 600, warmup = 2;
    int i = 1;
    for (; i < argc && strcmp(argv[i], "--") != 0; i += 2) {
        if (strcmp(argv[i], "--rounds") == 0)
            rounds = parse_number(argv[i], argv[i + 1]);
        else if (strcmp(argv[i], "--seconds") == 0)
            seconds = parse_number(argv[i], argv[i + 1]);
        else if (strcmp(argv[i], "--warmup") == 0)
            warmup = parse_number(argv[i], argv[i + 1]);
        else
            die(argv[i], "unknown option");
    }
    parse_commands(argv + (i < argc ? i : argc));
    struct sample s[MAX_COMMANDS];
    for (int r = 0; r < warmup; r++) run_round(r, s);
    const int64_t end = now_ns() + (int64_t)seconds * 1000000000;
    for (int r = 0; r < rounds && (r < LEAST_ROUNDS || now_ns() < end); r++) {
        run_round(r, s);
        print_round(s);
        fflush(stdout);
    }
    return 0;
}
