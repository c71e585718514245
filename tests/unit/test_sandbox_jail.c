/* What a program in a jail finds, what it can do and what it cannot; how its end is told. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/pass_fd.h"
#include "tests/unit/sandbox_util.h"

static struct ran r;

static void statuses(void) {
    struct jail_spec s = test_spec(NULL);
    test_sh(&s, "exit 7", &r);
    CHECK(test_exited(&r, 7));
    test_sh(&s, "exit 255", &r);
    CHECK(test_exited(&r, 255));
    test_sh(&s, "kill -ABRT $$", &r);
    CHECK(r.end.kind == JAIL_END_SIGNALLED && r.end.code == SIGABRT);
    test_sh(&s, "kill -KILL $$", &r);
    CHECK(r.end.kind == JAIL_END_SIGNALLED && r.end.code == SIGKILL);
    test_sh(&s, "kill -TERM $$; sleep 5", &r);
    CHECK(r.end.kind == JAIL_END_SIGNALLED && r.end.code == SIGTERM);
    test_sh(&s, "kill -KILL -1; kill -KILL 1; exit 33", &r);
    CHECK(test_exited(&r, 33)); /* pid 1 cannot be killed from inside */
    CHECK(r.end.processes >= 1);
}

static void what_cannot_start(void) {
    static const char *const nothing[] = {"/usr/bin/there-is-no-such-program", NULL};
    static const char *const lookup[] = {"there-is-no-such-program", NULL};
    static const char *const no_program[] = {"/etc/passwd", NULL};
    struct jail_spec s = test_spec(nothing);
    test_run(&s, 1000, &r);
    CHECK(r.rc < 0 && r.err.code == ERR_MISSING && r.err.sys == ENOENT);
    s.argv = lookup;
    test_run(&s, 1000, &r);
    CHECK(r.rc < 0 && r.err.code == ERR_MISSING && r.err.sys == ENOENT);
    s.argv = no_program;
    test_run(&s, 1000, &r);
    CHECK(r.rc < 0 && r.err.code == ERR_MISSING && r.err.sys == EACCES);
    s = test_spec(nothing);
    s.cwd = "/not/there";
    test_run(&s, 1000, &r);
    CHECK(r.rc < 0 && r.err.code != ERR_NONE && strstr(r.err.text, "/not/there"));
    s = test_spec(nothing);
    s.required = JAIL_M_CGROUP | JAIL_M_SECCOMP;
    test_run(&s, 1000, &r);
    CHECK(r.rc < 0 && r.err.code == ERR_UNSUPPORTED && strstr(r.err.text, "cgroup"));
    const struct cgroup_places none = CGROUP_PLACES_NONE;
    s.cgroups = &none;
    test_run(&s, 1000, &r);
    CHECK(r.rc < 0 && r.err.code == ERR_UNSUPPORTED && strstr(r.err.text, "cgroup"));
    const struct jail_bind gone = {.source = "/not/there", .target = "/x"};
    s = test_spec(nothing);
    s.binds = &gone;
    s.n_binds = 1;
    test_run(&s, 1000, &r);
    CHECK(r.rc < 0 && r.err.code == ERR_MISSING && r.err.sys == 0);
    if (jail_mode() == JAIL_MODE_ROOT) {
        s = test_spec(nothing);
        s.uid = 0;
        test_run(&s, 1000, &r);
        CHECK(r.rc < 0 && r.err.code == ERR_USAGE);
    }
}

static void bad_binds(void) {
    static const struct jail_bind bad[] = {
        {.source = "/usr", .target = "/"},
        {.source = "/usr", .target = "relative"},
        {.source = "/usr", .target = "/a/../b"},
        {.source = "/usr", .target = "/proc/self"},
        {.source = "/usr", .target = "/dev"},
        {.source = "/dev/null", .target = "/x"},
        {.source = "/usr", .target = "/etc", .writable = true},
    };
    static const char *const argv[] = {"true", NULL};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct jail_spec s = test_spec(argv);
        s.binds = &bad[i];
        s.n_binds = 1;
        test_run(&s, 1000, &r);
        CHECK(r.rc < 0 && r.err.code == ERR_USAGE);
    }
}

static void report(void) {
    struct jail_spec s = test_spec(NULL);
    test_sh(&s, "true", &r);
    const uint32_t need = jail_required(JAIL_ENGINE, jail_mode());
    CHECK((r.report.in_force & need) == need);
    CHECK(r.report.landlock_abi >= 1 && r.report.landlock_fs != 0 && r.report.seccomp_instructions > 50);
    CHECK(r.report.landlock_abi < 6 || r.report.landlock_scope == 3);
}

static void surroundings(void) {
    struct jail_spec s = test_spec(NULL);
    /* Names that a host has and a jail has not. */
    test_sh(&s,
            "for d in /root /home /sys /boot /mnt /opt /srv /media /var/lib /var/log /etc/shadow /etc/ssh /dev/tty "
            "/dev/mem /dev/kmsg /dev/pts/[0-9]* /dev/fuse /dev/kvm /run/dbus; do test -e $d && echo $d; done; exit 0",
            &r);
    CHECK(test_exited(&r, 0) && r.out[0] == '\0');
    test_sh(&s,
            "test \"$HOME\" = /scratch/home && test -w \"$HOME\" && test -w /tmp && test -w \"$TMPDIR\" && cd ~ && "
            "echo a >f && echo a >/tmp/f && echo a >/dev/shm/f && echo a >/dev/null && test \"$(id -un)\" = jail && "
            "test \"$(hostname)\" = jail && test $$ != 1",
            &r);
    CHECK(test_exited(&r, 0));
    /* Nothing of our environment. */
    setenv("CTO_TEST_SECRET", "leak", 1);
    test_sh(&s, "env", &r);
    CHECK(test_exited(&r, 0) && !strstr(r.out, "leak") && strstr(r.out, "GIT_CONFIG_NOSYSTEM=1"));
    test_sh(&s, "awk '/^(Cap|NoNewPrivs|Seccomp:)/ {print $1 $2}' /proc/self/status", &r);
    CHECK(strcmp(r.out, "CapInh:0000000000000000\nCapPrm:0000000000000000\nCapEff:0000000000000000\n"
                        "CapBnd:0000000000000000\nCapAmb:0000000000000000\nNoNewPrivs:1\nSeccomp:2\n") == 0);
    /* A session of its own (pid 1 leads it), in which there is no terminal to be had. */
    test_sh(&s, "awk '{print $6, $7}' /proc/self/stat", &r);
    CHECK(test_exited(&r, 0) && strcmp(r.out, "1 0\n") == 0);
    test_sh(&s, "ulimit -c; ulimit -r 2>/dev/null; test $(ulimit -n) -le 4096", &r);
    CHECK(test_exited(&r, 0) && strncmp(r.out, "0\n", 2) == 0);
    test_sh(&s, "bash -c 'read x < <(echo sub) && test $x = sub' && echo a | cat /dev/stdin", &r);
    CHECK(test_exited(&r, 0) && strcmp(r.out, "a\n") == 0);
}

static void descriptors(void) {
    struct jail_spec s = test_spec(NULL);
    const int leak = open("/etc/passwd", O_RDONLY); /* not close-on-exec */
    NEED(leak >= 0 && dup2(leak, 77) == 77);
    /* 3 is ls's own. */
    test_sh(&s, "exec ls /proc/self/fd", &r);
    CHECK(test_exited(&r, 0) && strcmp(r.out, "0\n1\n2\n3\n") == 0);
    close(leak);
    close(77);
    test_sh(&s, "test \"$(readlink /proc/self/fd/0)\" = /dev/null", &r);
    CHECK(test_exited(&r, 0));
}

static void processes(void) {
    struct jail_spec s = test_spec(NULL);
    char script[256];
    NEED(getpid() > 20); /* else the number could be one of the jail's own */
    snprintf(script, sizeof script,
             "ls /proc | grep -c '^[0-9]' ; kill -0 %d 2>/dev/null && echo seen; test -e /proc/%d && echo there; "
             "ls /proc/1 2>/dev/null; cat /proc/1/environ 2>/dev/null; exit 0",
             (int)getpid(), (int)getpid());
    test_sh(&s, script, &r);
    /* sh, ls, grep: not ours, and not even pid 1. */
    CHECK(test_exited(&r, 0) && atol(r.out) >= 2 && atol(r.out) <= 4 && !strstr(r.out, "seen") &&
          !strstr(r.out, "there") && strlen(r.out) <= 2);
}

static void writes(void) {
    char dir[64], rw[96], ro[96], script[1024];
    test_tempdir(dir);
    snprintf(rw, sizeof rw, "%s/rw", dir);
    snprintf(ro, sizeof ro, "%s/ro", dir);
    NEED(mkdir(rw, 0755) == 0 && mkdir(ro, 0777) == 0 && chmod(ro, 0777) == 0);
    test_own(rw);
    test_own(ro);
    char file[112];
    snprintf(file, sizeof file, "%s/f", ro);
    const int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    NEED(fd >= 0 && fchmod(fd, 0666) == 0);
    close(fd);
    test_own(file);
    const struct jail_bind b[] = {{.source = rw, .target = rw, .writable = true},
                                  {.source = ro, .target = "/ro"},
                                  {.source = rw, .target = "/opt/noexec", .no_exec = true},
                                  {.source = "/not/there", .target = "/y", .optional = true}};
    struct jail_spec s = test_spec(NULL);
    s.binds = b;
    s.n_binds = 4;
    s.cwd = rw;
    test_sh(&s,
            "pwd; echo hello >new && mkdir d && mv new d/new && ln d/new hard && ln -s d/new soft && cat soft && "
            "echo '#!/bin/sh' >x && chmod 755 x && ./x && echo x >/tmp/y",
            &r);
    CHECK(test_exited(&r, 0) && strstr(r.out, rw) == r.out && strstr(r.out, "hello"));
    test_sh(
        &s,
        "for t in /ro/g /ro/f /g /usr/g /etc/g /proc/g /dev/g /proc/self/oom_score_adj /proc/sys/kernel/core_pattern "
        "/proc/sysrq-trigger /opt/noexec/g; do (echo x >$t) 2>/dev/null && echo wrote $t; done; "
        "chmod 600 /ro/f 2>/dev/null && echo chmod; touch -d 2001-01-01 /ro/f 2>/dev/null && echo touch; "
        "rm -f /ro/f 2>/dev/null && echo rm; mv /ro/f /ro/h 2>/dev/null && echo mv; ln /ro/f . 2>/dev/null && echo ln; "
        "/opt/noexec/x 2>/dev/null && echo noexec; exit 0",
        &r);
    CHECK(test_exited(&r, 0) && r.out[0] == '\0');
    /* A bind inside a bind: nothing is created for it in the host's directory, and no link there is followed. */
    const struct jail_bind nested[] = {{.source = ro, .target = "/ws/d"},
                                       {.source = rw, .target = "/ws", .writable = true}};
    struct jail_bind bad[] = {nested[1], {.source = ro, .target = "/ws/none"}};
    s = test_spec(NULL);
    s.binds = nested;
    s.n_binds = 2;
    test_sh(&s, "test -e /ws/hard && test -e /ws/d/f && ! touch /ws/d/f", &r);
    CHECK(test_exited(&r, 0));
    static const char *const true_argv[] = {"true", NULL};
    s.argv = true_argv;
    s.binds = bad;
    test_run(&s, 1000, &r);
    CHECK(r.rc < 0 && strstr(r.err.text, "/ws/none"));
    snprintf(script, sizeof script, "%s/none", rw);
    CHECK(access(script, F_OK) < 0);
    snprintf(script, sizeof script, "%s/link", rw);
    CHECK(symlink("/scratch", script) == 0);
    bad[1].target = "/ws/link";
    test_run(&s, 1000, &r);
    CHECK(r.rc < 0 && strstr(r.err.text, "/ws/link"));
    snprintf(script, sizeof script, "%s/d/new", rw);
    CHECK(access(script, R_OK) == 0);
    test_remove(dir);
}

/* What was looked at and what is mounted are the same only when nobody can put a link in between. */
static void links_on_the_way(void) {
    char dir[64], real[96], sub[112], way[96], by_link[112];
    test_tempdir(dir);
    snprintf(real, sizeof real, "%s/real", dir);
    snprintf(sub, sizeof sub, "%s/sub", real);
    snprintf(way, sizeof way, "%s/way", dir);
    snprintf(by_link, sizeof by_link, "%s/sub", way);
    NEED(mkdir(real, 0755) == 0 && mkdir(sub, 0755) == 0 && symlink("real", way) == 0);
    struct jail_bind b = {.source = by_link, .target = "/opt/x"};
    struct jail_spec s = test_spec(NULL);
    s.binds = &b;
    s.n_binds = 1;
    test_sh(&s, "cd /opt/x", &r);
    CHECK(test_exited(&r, 0));
    b.no_links = true;
    static const char *const true_argv[] = {"true", NULL};
    s.argv = true_argv;
    test_run(&s, 1000, &r);
    CHECK(r.rc < 0 && strstr(r.err.text, by_link));
    b.source = sub;
    test_sh(&s, "cd /opt/x && ! touch /opt/x/y", &r);
    CHECK(test_exited(&r, 0));
    test_remove(dir);
}

/* A server on the host's loopback and one on an abstract address: both out of reach; the jail's own loopback works. */
static void network(void) {
    struct jail_spec s = test_spec(NULL);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    AUTO_FD int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    AUTO_FD int un = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    NEED(bind(tcp, (struct sockaddr *)&a, sizeof a) == 0 && listen(tcp, 8) == 0);
    NEED(getsockname(tcp, (struct sockaddr *)&a, &n) == 0);
    struct sockaddr_un u = {.sun_family = AF_UNIX};
    snprintf(u.sun_path + 1, sizeof u.sun_path - 1, "cto-test-%d", (int)getpid());
    NEED(bind(un, (struct sockaddr *)&u, (socklen_t)(sizeof(sa_family_t) + 1 + strlen(u.sun_path + 1))) == 0 &&
         listen(un, 8) == 0);
    char script[1024];
    snprintf(script, sizeof script,
             "python3 -c '\nimport socket as s\n"
             "def t(f,a):\n c=s.socket(f)\n c.settimeout(3)\n try: c.connect(a)\n except OSError as e: return "
             "e.errno\n return 0\n"
             "print(t(s.AF_INET,(\"127.0.0.1\",%d)),t(s.AF_INET,(\"1.1.1.1\",80)),t(s.AF_UNIX,\"\\0%s\"))\n"
             "l=s.create_server((\"127.0.0.1\",0)); c=s.create_connection(l.getsockname()); print(\"own\")'",
             ntohs(a.sin_port), u.sun_path + 1);
    test_sh(&s, script, &r);
    char want[64];
    snprintf(want, sizeof want, "%d %d %d\nown\n", ECONNREFUSED, ENETUNREACH, ECONNREFUSED);
    CHECK(test_exited(&r, 0) && strcmp(r.out, want) == 0);
    s.loopback = false;
    test_sh(&s, "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\",1))' 2>&1 | grep -c unreachable",
            &r);
    CHECK(strcmp(r.out, "1\n") == 0);
}

/* The server of listen_for: whoever holds the other end of the pair takes the listener and answers one connection. */
static pid_t serve_one(int taken_from) {
    pid_t pid = fork();
    if (pid != 0) return pid;
    AUTO_FD int l = pass_fd_take(taken_from, true, "the listener", NULL);
    AUTO_FD int c = l < 0 ? -1 : accept4(l, NULL, NULL, SOCK_CLOEXEC);
    _exit(c >= 0 && write(c, "from outside", 12) == 12 ? 0 : 1);
}

/* A port of the jail's own loopback, served from outside it; no process in the jail has the listener. */
static void listener(void) {
    int pair[2], ws = -1;
    NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    struct jail_spec s = test_spec(NULL);
    const struct jail_listener l = {.socket = pair[1], .port = 8791};
    s.listener = &l;
    pid_t pid = serve_one(pair[0]);
    test_sh(&s,
            "ls -l /proc/1/fd /proc/self/fd 2>/dev/null | grep -c 'socket:'; python3 -c '\nimport socket as s\n"
            "print(s.create_connection((\"127.0.0.1\",8791),5).recv(99).decode())'",
            &r);
    CHECK(test_exited(&r, 0) && strcmp(r.out, "0\nfrom outside\n") == 0);
    CHECK(waitpid(pid, &ws, 0) == pid && ws == 0);
    static const char *const argv[] = {"/bin/true", NULL};
    s.argv = argv; /* test_sh's own is gone */
    s.loopback = false;
    struct jail *j = NULL;
    struct err e = ERR_INIT;
    CHECK(jail_start(&s, &j, &e) < 0 && e.code == ERR_USAGE);
    close(pair[0]), close(pair[1]);
}

static void tools(void) {
    char dir[64];
    test_tempdir(dir);
    test_own(dir);
    const struct jail_bind b = {.source = dir, .target = "/ws", .writable = true};
    struct jail_spec s = test_spec(NULL);
    s.binds = &b;
    s.n_binds = 1;
    s.cwd = "/ws";
    if (access("/usr/bin/git", X_OK) == 0) {
        test_sh(
            &s,
            "git init -q . && echo a >a && git add a && git commit -qm first && git status --porcelain && git gc -q && "
            "git log --format='%an <%ae>' && git clone -q . ../scratch/clone",
            &r);
        CHECK(test_exited(&r, 0) && strcmp(r.out, "agent <agent@jail.invalid>\n") == 0);
    }
    if (access("/usr/bin/python3", X_OK) == 0) {
        test_sh(&s,
                "python3 -c 'import subprocess,multiprocessing,ssl,tempfile,threading,os\n"
                "t=threading.Thread(target=print,args=(\"thread\",)); t.start(); t.join()\n"
                "print(subprocess.check_output([\"echo\",\"child\"],start_new_session=True).decode(),end=\"\")\n"
                "multiprocessing.Lock()\n"
                "ssl.create_default_context()\n"
                "tempfile.TemporaryFile().write(b\"x\")'",
                &r);
        CHECK(test_exited(&r, 0) && strcmp(r.out, "thread\nchild\n") == 0);
    }
    if (access("/usr/bin/node", X_OK) == 0) {
        test_sh(
            &s,
            "node -e 'const w=new (require(\"worker_threads\").Worker)(\"console.log(\\\"worker\\\")\",{eval:true});"
            "w.on(\"exit\",()=>console.log(require(\"child_process\").execSync(\"echo node\").toString().trim()))'",
            &r);
        CHECK(test_exited(&r, 0) && strcmp(r.out, "worker\nnode\n") == 0);
    }
    test_remove(dir);
}

static void limits(void) {
    struct jail_spec s = test_spec(NULL);
    s.limits = (struct jail_limits){.file_bytes = 1 << 20,
                                    .processes = 20,
                                    .scratch_bytes = 4 << 20,
                                    .open_files = 32,
                                    .memory_bytes = 256 << 20,
                                    .cpu_s = 1};
    test_sh(&s, "head -c 2000000 /dev/zero >big; test $(stat -c %s big) -le 1048576", &r);
    CHECK(test_exited(&r, 0));
    test_sh(&s,
            "for i in 1 2 3 4 5 6 7 8; do head -c 1000000 /dev/zero >f$i; done 2>/dev/null; du -sk . | "
            "{ read n x; test $n -le 4096; }",
            &r);
    CHECK(test_exited(&r, 0));
    test_sh(&s, "i=0; while [ $i -lt 60 ]; do sleep 2 & i=$((i+1)); done", &r);
    CHECK(r.end.kind == JAIL_END_EXITED && r.end.code != 0);
    test_sh(&s, "while :; do :; done", &r);
    CHECK(r.end.kind == JAIL_END_SIGNALLED && r.end.code == SIGXCPU && r.end.cpu_us > 500000);
}

/* Files that the program finds in scratch, its own from the start. */
static void seeds(void) {
    static const struct jail_seed good[] = {{"data/a.json", "one"},
                                            {"data/deep/er/b", ""},
                                            {"home/c", "three"},
                                            {"home/.config/d", "four"},
                                            {"own", NULL}},
                                  bad[] = {{"data/../x", ""}, {"/x", ""}, {"", ""},    {"a//b", ""}, {"a/", ""},
                                           {".", ""},         {"..", ""}, {"./x", ""}, {"home", "x"}};
    struct jail_spec s = test_spec(NULL);
    s.seeds = good;
    s.n_seeds = 5;
    test_sh(&s,
            "cd /scratch && test \"$(cat data/a.json)\" = one && test -f data/deep/er/b && test \"$(cat home/c)\" = "
            "three && test \"$(cat home/.config/d)\" = four && touch own/x && "
            "echo more >>data/a.json && touch data/new data/deep/er/new && rm data/deep/er/b && "
            "test \"$(stat -c %a:%U data/a.json)\" = 600:\"$(id -un)\"",
            &r);
    CHECK(test_exited(&r, 0));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        s.seeds = &bad[i];
        s.n_seeds = 1;
        test_sh(&s, "true", &r);
        if (!CHECK(r.rc < 0 && r.err.code != ERR_NONE)) fprintf(stderr, "    %s\n", bad[i].path);
    }
}

static void all(void) {
    statuses();
    what_cannot_start();
    bad_binds();
    report();
    surroundings();
    descriptors();
    processes();
    writes();
    seeds();
    links_on_the_way();
    network();
    listener();
    tools();
    limits();
}

int main(void) { return test_both_modes(all); }
