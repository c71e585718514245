/* main.c - cto-harness-sandbox: one command in a jail, for people, scripts and probes.
 *
 * Static, libc only, filters compiled in: loading the libraries of the supervisor would cost more than the jail.
 * Signals need no forwarding: when this process dies, of whatever, the jail dies. The exit status is the command's
 * own; 128+N for a signal; the other numbers are what shells and timeout(1) use.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build_id.h"
#include "common/io.h"
#include "common/log.h"
#include "sandbox/jail.h"
#include "sandbox/notes.h"
#include "sandbox/status_json.h"

#define DIE_MS 60000 /* from the kill to the last process; longer means that one is stuck in the kernel */
#define MAX_BINDS 128
#define MAX_ENV 256
#define DEFAULT_ROOT_UID 0x70000000u
enum {
    EXIT_USAGE = 2,
    EXIT_NO_JAIL = 4,
    EXIT_TIMEOUT = 124,
    EXIT_NOT_EXECUTABLE = 126,
    EXIT_NOT_FOUND = 127,
    EXIT_SIGNAL = 128
};

struct options {
    struct jail_spec spec;
    struct jail_bind binds[MAX_BINDS];
    const char *env[MAX_ENV + 1];
    size_t n_env;
    const char *first_write, *chdir;
    int timeout_ms, json_fd, denied_fd;
    struct jail_observer observer;
    bool uid_given;
};

static void usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
static void usage_error(const char *fmt, ...) {
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    log_line("%s (see --help)", text);
    exit(EXIT_USAGE);
}

static const char help_text[] = "Usage: cto-harness-sandbox [OPTION]... -- CMD [ARG]...\n"
                                "\n"
                                "Run CMD in a jail: own namespaces, minimal read-only root, Landlock, seccomp, no\n"
                                "capabilities, limits.\n"
                                "\n"
                                "  --profile NAME     engine (default) or verifier\n"
                                "  --write DIR        DIR is writable inside, at the same path (links resolved);\n"
                                "                     may be repeated\n"
                                "  --read DIR         DIR is readable inside, at the same path\n"
                                "  --bind SRC:DST     SRC is readable inside as DST\n"
                                "  --bind-write SRC:DST  SRC is writable inside as DST\n"
                                "  --hide PATH        PATH, below one of these, is an empty directory, or a file\n"
                                "                     that cannot be opened\n"
                                "  --chdir DIR        working directory inside (default: the first --write, else\n"
                                "                     /scratch)\n"
                                "  --env K=V          add to, or replace in, the built-in environment; nothing is\n"
                                "                     inherited\n"
                                "  --uid N            as root: the kernel uid and gid of CMD (default 1879048192;\n"
                                "                     never 0), for which the directories of --write must be\n"
                                "                     writable\n"
                                "  --no-loopback      do not bring lo up\n"
                                "  --limit NAME=N     memory, processes, cpu (seconds), files, file-size,\n"
                                "                     scratch, and memory-total: of the whole jail, by a control\n"
                                "                     group (exit 4 where none can be made); N may end in K, M\n"
                                "                     or G\n"
                                "  --timeout SECONDS  kill the jail after so long\n"
                                "  --json-status FD   write how it ended, and what was in force, to descriptor FD\n"
                                "                     as one line of JSON\n"
                                "  --log-denied FD    write each system call that is refused to descriptor FD,\n"
                                "                     once, as a line of JSON\n"
                                "  --require-landlock N  start nothing where the kernel's Landlock is older than\n"
                                "                     version N\n"
                                "  --list-profiles    names, mechanisms and default limits\n"
                                "  --probe            try every mechanism on this host; one line of JSON; exit 4\n"
                                "                     when a required one is missing\n"
                                "  --version, --help\n"
                                "\n"
                                "Inside are /usr, parts of /etc, /proc (read-only), five device nodes, terminals\n"
                                "of its own, /scratch with home and tmp. Nothing else.\n"
                                "When cto-harness-sandbox dies, of whatever signal, everything in the jail dies.\n"
                                "CMD has a session of its own and no controlling terminal: Ctrl-C ends the jail,\n"
                                "job control inside is off.\n"
                                "Exit status: that of CMD; 128+N when signal N ended it; 2 usage; 4 no jail can\n"
                                "be built here (the message names what is missing); 124 timeout; 126 not\n"
                                "executable; 127 not found.\n"
                                "\n"
                                "Examples:\n"
                                "  cto-harness-sandbox --write . -- make test\n"
                                "  cto-harness-sandbox --write . --hide .env --hide secrets -- ./agent\n"
                                "  cto-harness-sandbox --write . --log-denied 2 --json-status 3 -- \\\n"
                                "      ./agent 3>status.json\n"
                                "  cto-harness-sandbox --read /opt/tool --limit memory=512M --timeout 60 -- \\\n"
                                "      /opt/tool/run\n";

/* --- options ------------------------------------------------------------------------------------------------------ */
static uint64_t parse_amount(const char *what, const char *text) {
    char *end;
    errno = 0;
    const unsigned long long n = strtoull(text, &end, 10);
    int shift = 0;
    if (*end == 'K') shift = 10;
    if (*end == 'M') shift = 20;
    if (*end == 'G') shift = 30;
    if (end == text || text[0] == '-' || errno != 0 || end[shift ? 1 : 0] != '\0' || n == 0 ||
        n > (UINT64_MAX >> 1 >> shift))
        usage_error("%s: '%s' is not a positive number, optionally with K, M or G", what, text);
    return (uint64_t)n << shift;
}

static int parse_timeout(const char *text) {
    char *end;
    errno = 0;
    const double s = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !(s > 0) || s > 2000000)
        usage_error("--timeout: '%s' is not a number of seconds", text);
    return s < 0.001 ? 1 : (int)(s * 1000);
}

static void parse_limit(struct jail_limits *l, const char *text) {
    static const char *const names[] = {"memory", "processes", "cpu", "files", "file-size", "scratch", "memory-total"};
    uint64_t *const fields[] = {&l->memory_bytes,  &l->processes,         &l->cpu_s, &l->open_files, &l->file_bytes,
                                &l->scratch_bytes, &l->total_memory_bytes};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const size_t n = strlen(names[i]);
        if (strncmp(text, names[i], n) != 0 || text[n] != '=') continue;
        *fields[i] = parse_amount("--limit", text + n + 1);
        return;
    }
    usage_error("--limit %s: give memory, processes, cpu, files, file-size, scratch or memory-total, '=' and a number",
                text);
}

static char *resolve(const char *option, const char *path) {
    char *full = realpath(path, NULL);
    if (!full) usage_error("%s %s: %s", option, path, strerror(errno));
    return full;
}

static void add_bind(struct options *o, const char *source, const char *target, bool writable) {
    if (o->spec.n_binds == MAX_BINDS) usage_error("more than %d directories", MAX_BINDS);
    o->binds[o->spec.n_binds++] = (struct jail_bind){.source = source, .target = target, .writable = writable};
}

static void add_same_place(struct options *o, const char *option, const char *path, bool writable) {
    const char *full = resolve(option, path);
    if (strcmp(full, "/") == 0) usage_error("%s /: the whole file system cannot be given to a jail", option);
    add_bind(o, full, full, writable);
    if (writable && !o->first_write) o->first_write = full;
}

static void add_other_place(struct options *o, const char *option, char *pair, bool writable) {
    char *colon = strrchr(pair, ':');
    if (!colon || colon[1] != '/') usage_error("%s %s: give SRC:DST with DST an absolute path", option, pair);
    *colon = '\0';
    add_bind(o, resolve(option, pair), colon + 1, writable);
}

/* By its path inside: that of the host for what --read and --write gave, else as --bind calls it. */
static void add_hidden(struct options *o, const char *path) {
    char *full = realpath(path, NULL);
    add_bind(o, NULL, full ? full : path, false);
    o->binds[o->spec.n_binds - 1].hide = true;
}

static void add_env(struct options *o, const char *pair) {
    const char *eq = strchr(pair, '=');
    if (!eq || eq == pair) usage_error("--env %s: give NAME=VALUE", pair);
    const size_t n = (size_t)(eq - pair) + 1;
    size_t i = 0;
    while (i < o->n_env && strncmp(o->env[i], pair, n) != 0) i++;
    if (i == MAX_ENV) usage_error("more than %d variables", MAX_ENV);
    o->env[i] = pair;
    if (i == o->n_env) o->n_env++;
}

static void list_profiles(void) {
    static const enum jail_profile shown[] = {JAIL_ENGINE, JAIL_VERIFIER};
    for (size_t i = 0; i < 2; i++) {
        const uint32_t m = jail_required(shown[i], jail_mode());
        printf("%s:", jail_profile_name(shown[i]));
        const char *sep = " ";
        for (unsigned b = 0; b < JAIL_M_COUNT; b++) {
            if (!(m >> b & 1)) continue;
            printf("%s%s", sep, jail_mechanism_name(b));
            sep = ", ";
        }
        const struct jail_limits l = jail_default_limits(shown[i]);
        printf("\n  limits: memory=%lluM processes=%llu cpu=%llus files=%llu file-size=%lluM scratch=%lluM\n",
               (unsigned long long)l.memory_bytes >> 20, (unsigned long long)l.processes, (unsigned long long)l.cpu_s,
               (unsigned long long)l.open_files, (unsigned long long)l.file_bytes >> 20,
               (unsigned long long)l.scratch_bytes >> 20);
    }
}

enum {
    OPT_PROFILE = 256,
    OPT_WRITE,
    OPT_READ,
    OPT_BIND,
    OPT_BIND_WRITE,
    OPT_HIDE,
    OPT_DENIED,
    OPT_LANDLOCK,
    OPT_CHDIR,
    OPT_ENV,
    OPT_UID,
    OPT_NO_LOOPBACK,
    OPT_LIMIT,
    OPT_TIMEOUT,
    OPT_JSON,
    OPT_LIST,
    OPT_PROBE,
    OPT_VERSION,
    OPT_HELP
};

/* Names and details are our own words and strerror's; only what JSON needs is escaped. */
static void put_json_text(const char *s) {
    putchar('"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\') putchar('\\');
        if ((unsigned char)*s >= 0x20) putchar(*s);
    }
    putchar('"');
}

static int probe_host(void) {
    struct jail_probe rows[JAIL_PROBES_MAX];
    const int n = jail_probe_host(rows);
    bool all = true;
    printf("{\"checks\":[");
    for (int i = 0; i < n; i++) {
        all &= rows[i].ok || !rows[i].required;
        printf("%s{\"name\":", i ? "," : "");
        put_json_text(rows[i].name);
        printf(",\"ok\":%s,\"required\":%s,\"detail\":", rows[i].ok ? "true" : "false",
               rows[i].required ? "true" : "false");
        put_json_text(rows[i].detail);
        putchar('}');
    }
    printf("],\"ok\":%s}\n", all ? "true" : "false");
    return all && fflush(stdout) == 0 ? 0 : EXIT_NO_JAIL;
}

static const struct option long_options[] = {
    {"profile", required_argument, NULL, OPT_PROFILE},
    {"write", required_argument, NULL, OPT_WRITE},
    {"read", required_argument, NULL, OPT_READ},
    {"bind", required_argument, NULL, OPT_BIND},
    {"bind-write", required_argument, NULL, OPT_BIND_WRITE},
    {"hide", required_argument, NULL, OPT_HIDE},
    {"log-denied", required_argument, NULL, OPT_DENIED},
    {"require-landlock", required_argument, NULL, OPT_LANDLOCK},
    {"chdir", required_argument, NULL, OPT_CHDIR},
    {"env", required_argument, NULL, OPT_ENV},
    {"uid", required_argument, NULL, OPT_UID},
    {"no-loopback", no_argument, NULL, OPT_NO_LOOPBACK},
    {"limit", required_argument, NULL, OPT_LIMIT},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"json-status", required_argument, NULL, OPT_JSON},
    {"list-profiles", no_argument, NULL, OPT_LIST},
    {"probe", no_argument, NULL, OPT_PROBE},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static void set_profile(struct options *o, const char *name) {
    const int p = jail_profile_by_name(name);
    if (p != JAIL_ENGINE && p != JAIL_VERIFIER) usage_error("--profile %s: give engine or verifier", name);
    o->spec.profile = (enum jail_profile)p;
}

static void set_uid(struct options *o, const char *text) {
    const uint64_t n = parse_amount("--uid", text);
    if (n >= UINT32_MAX) usage_error("--uid %s: not a user id", text);
    o->spec.uid = (uid_t)n;
}

static int parse_fd(const char *option, const char *text) {
    char *end;
    errno = 0;
    const long fd = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || fd < 0 || fd > INT_MAX || fcntl((int)fd, F_GETFD) < 0)
        usage_error("%s %s: not an open descriptor (in a shell: %s 3 ... 3>file)", option, text, option);
    return (int)fd;
}

static void take_option(struct options *o, int c) {
    switch (c) {
    case OPT_PROFILE: set_profile(o, optarg); break;
    case OPT_WRITE: add_same_place(o, "--write", optarg, true); break;
    case OPT_READ: add_same_place(o, "--read", optarg, false); break;
    case OPT_BIND: add_other_place(o, "--bind", optarg, false); break;
    case OPT_BIND_WRITE: add_other_place(o, "--bind-write", optarg, true); break;
    case OPT_HIDE: add_hidden(o, optarg); break;
    case OPT_CHDIR: o->chdir = optarg; break;
    case OPT_ENV: add_env(o, optarg); break;
    case OPT_UID: set_uid(o, optarg); break;
    case OPT_NO_LOOPBACK: o->spec.loopback = false; break;
    case OPT_LIMIT: parse_limit(&o->spec.limits, optarg); break;
    case OPT_TIMEOUT: o->timeout_ms = parse_timeout(optarg); break;
    case OPT_JSON: o->json_fd = parse_fd("--json-status", optarg); break;
    case OPT_DENIED: o->denied_fd = parse_fd("--log-denied", optarg); break;
    case OPT_LANDLOCK: o->spec.landlock_min = (int)parse_amount("--require-landlock", optarg); break;
    case OPT_LIST: list_profiles(); exit(0);
    case OPT_PROBE: exit(probe_host());
    case OPT_VERSION: printf("cto-harness-sandbox %s (build %.12s)\n", CTO_VERSION, CTO_BUILD_ID); exit(0);
    case OPT_HELP: fputs(help_text, stdout); exit(0);
    default: exit(EXIT_USAGE);
    }
}

static void on_denied(void *ctx, const struct jail_denial *d) {
    status_json_denied(((struct options *)ctx)->denied_fd, d);
}

static void parse(struct options *o, int argc, char **argv) {
    o->spec = (struct jail_spec){.profile = JAIL_ENGINE,
                                 .uid = DEFAULT_ROOT_UID,
                                 .stdin_fd = 0,
                                 .stdout_fd = 1,
                                 .stderr_fd = 2,
                                 .loopback = true,
                                 .binds = o->binds};
    o->timeout_ms = -1;
    o->json_fd = o->denied_fd = -1;
    for (const char *const *p = jail_default_env(); *p; p++) o->env[o->n_env++] = *p;
    int c;
    opterr = 0; /* one line of our own, instead of getopt's */
    while ((c = getopt_long(argc, argv, "+", long_options, NULL)) != -1) {
        if (c == '?') usage_error("%s: unknown option, or one without its value", argv[optind - 1]);
        take_option(o, c);
    }
    if (optind >= argc) usage_error("no command given");
    o->spec.argv = (const char *const *)(argv + optind);
    o->spec.envp = o->env;
    o->observer = (struct jail_observer){.on_denied = on_denied, .ctx = o};
    if (o->denied_fd >= 0) o->spec.observer = &o->observer;
    o->spec.cwd = o->chdir ? o->chdir : o->first_write ? o->first_write : "/scratch";
    if (o->spec.cwd[0] != '/') usage_error("--chdir %s: give an absolute path inside the jail", o->spec.cwd);
    struct stat st;
    if (!o->chdir && o->first_write && (stat(o->first_write, &st) < 0 || !S_ISDIR(st.st_mode)))
        o->spec.cwd = "/scratch";
}

static struct jail *the_jail; /* NULL until it has started */

/* --- the end ------------------------------------------------------------------------------------------------------ */
static void write_json(const struct options *o, const char *kind, int code, const struct jail_end *end) {
    if (o->json_fd < 0) return;
    const struct status_json s = {.kind = kind, .code = code, .spec = &o->spec, .jail = the_jail, .end = end};
    status_json_write(o->json_fd, &s);
}

static int failed(const struct options *o, const struct err *e) {
    static const struct jail_end nothing;
    const bool exec_failed = e->code == ERR_MISSING && e->sys != 0;
    if (exec_failed && e->sys == ENOENT)
        log_line("%s inside the jail, where the working directory is %s", e->text, o->spec.cwd);
    else
        log_line("%s", e->text);
    write_json(o, exec_failed ? "exec_failed" : "setup_failed", e->sys, &nothing);
    if (e->code == ERR_USAGE) return EXIT_USAGE;
    if (!exec_failed) return EXIT_NO_JAIL;
    return e->sys == ENOENT || e->sys == ENOTDIR ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

/* Not judged by how the command took it: one that lost a part of itself may well have exited with 0. */
static int ended_by_memory(const struct options *o, const struct jail_end *end) {
    log_line("out of memory: the jail exceeded its limit of %llu bytes",
             (unsigned long long)o->spec.limits.total_memory_bytes);
    write_json(o, "out_of_memory", 9, end);
    return EXIT_SIGNAL + 9;
}

static int ended(const struct options *o, const struct jail_end *end, bool timed_out) {
    if (timed_out) {
        write_json(o, "timed_out", 0, end);
        return EXIT_TIMEOUT;
    }
    switch (end->kind) {
    case JAIL_END_EXITED: write_json(o, "exited", end->code, end); return end->code;
    case JAIL_END_SIGNALLED: write_json(o, "signalled", end->code, end); return EXIT_SIGNAL + end->code;
    default: write_json(o, "killed", 0, end); return EXIT_SIGNAL + 9;
    }
}

static struct options options; /* large; one per process */
static struct cgroup_places places;

/* A group costs its making and its removal, so there is one only for a limit that needs it. */
static void use_group(struct options *o) {
    if (o->spec.limits.total_memory_bytes == 0) return;
    cgroup_places_open(&places);
    (void)cgroup_sweep(&places); /* what was killed before it could */
    o->spec.cgroups = &places;
    o->spec.limits.total_processes = o->spec.limits.processes;
    o->spec.required = jail_required(o->spec.profile, jail_mode()) | JAIL_M_CGROUP;
}

static bool out_of_memory(const struct jail *j) {
    struct cgroup_counts c;
    return jail_counts(j, &c) == 0 && c.oom_kills > 0;
}

int main(int argc, char **argv) {
    struct err e = ERR_INIT;
    struct jail *j;
    struct jail_end end;
    log_open("cto-harness-sandbox");
    if (io_sanitize_std_fds(&e) < 0) return failed(&options, &e);
    parse(&options, argc, argv);
    launcher_notes(&options.spec);
    use_group(&options);
    if (jail_start(&options.spec, &j, &e) < 0) return failed(&options, &e);
    the_jail = j;
    int rc = jail_wait(j, options.timeout_ms, &end, &e);
    const bool timed_out = rc == 0;
    if (timed_out) {
        jail_kill(j);
        rc = jail_wait(j, DIE_MS, &end, &e);
        if (rc == 0)
            rc = err_set(&e, ERR_LIMIT, "the jail's processes still live %d s after they were killed", DIE_MS / 1000);
    }
    if (rc < 0) return failed(&options, &e); /* without jail_free, which would wait for what does not end */
    const int status = out_of_memory(j) ? ended_by_memory(&options, &end) : ended(&options, &end, timed_out);
    jail_free(j);
    return status;
}
