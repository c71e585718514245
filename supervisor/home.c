/* home.c - see home.h. */
#include "supervisor/home.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "build_paths.h"
#include "common/io.h"
#include "supervisor/env_file.h"

static int join(char out[PATH_MAX], struct err *e, const char *a, const char *b) {
    int n = snprintf(out, PATH_MAX, "%s%s%s", a, b[0] ? "/" : "", b);
    return n < 0 || n >= PATH_MAX ? err_set(e, ERR_USAGE, "path too long: %.60s...", a) : 0;
}

/* Absolute, without trailing slashes. The path need not exist, so realpath() is not for this. */
static int absolute(char out[PATH_MAX], const char *p, const char *what, struct err *e) {
    char cwd[PATH_MAX];
    if (!p[0]) return err_set(e, ERR_USAGE, "%s is empty: give a directory", what);
    const char *user = getenv("HOME");
    if (p[0] == '~' && p[1] == '/' && user && user[0] == '/') { /* no shell reads an env file */
        if (join(out, e, user, p + 2) < 0) return -1;
    } else if (p[0] == '/') {
        if (join(out, e, p, "") < 0) return -1;
    } else {
        while (p[0] == '.' && p[1] == '/') /* "./x" is x: the path is shown, and ends in evidence */
            for (p += 2; p[0] == '/';) p++;
        if (strcmp(p, ".") == 0) p = "";
        if (!getcwd(cwd, sizeof cwd)) return err_sys(e, "current directory");
        if (join(out, e, cwd, p) < 0) return -1;
    }
    for (size_t n = strlen(out); n > 1 && out[n - 1] == '/'; n--) out[n - 1] = '\0';
    return 0;
}

static const char *setting(const struct env_file *f, const char *name) {
    const char *v = getenv(name);
    if (v && v[0]) return v;
    return env_file_get(f, name);
}

static int resolve_default(struct home *h, const struct env_file *f, char parent[PATH_MAX], struct err *e) {
    char hermes[PATH_MAX], profile[PATH_MAX];
    const char *p = setting(f, "HERMES_HOME"), *user = getenv("HOME");
    if (p) {
        if (absolute(hermes, p, "HERMES_HOME", e) < 0) return -1;
    } else if (user && user[0] == '/') {
        if (join(hermes, e, user, ".hermes") < 0) return -1;
    } else {
        return err_set(e, ERR_USAGE, "no home directory: give --home DIR, or set CTO_HOME, HERMES_HOME or HOME");
    }
    const char *cto = setting(f, "CTO_HOME");
    if (cto ? absolute(h->home, cto, "CTO_HOME", e) < 0 : join(h->home, e, hermes, "cto-planb") < 0) return -1;
    if (join(profile, e, hermes, "profiles/cto-planb") < 0) return -1;
    memcpy(parent, profile, PATH_MAX);
    return 0;
}

static bool is_dir(const char *p) {
    struct stat st;
    return stat(p, &st) == 0 && S_ISDIR(st.st_mode);
}

static int self_dir(char out[PATH_MAX], struct err *e) {
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    if (n <= 0) return err_sys(e, "find the running program through /proc/self/exe");
    out[n] = '\0';
    char *slash = strrchr(out, '/');
    if (slash) *slash = '\0';
    return 0;
}

int home_default_cases(char ret[PATH_MAX], struct err *e) {
    /* The data installed with this very program, wherever the prefix was moved to; else those of the tree it was built in (a
     * build tree has no such neighbour, and an older installation must not hide its cases); else where install puts them. */
    char self[PATH_MAX], beside[PATH_MAX];
    if (self_dir(self, e) < 0 || join(beside, e, self, "../share/cto-harness/cases") < 0) return -1;
    const char *tries[] = {beside, CTO_SOURCE_DIR "/cases", CTO_DATA_DIR "/cases"};
    for (size_t k = 0; k < sizeof tries / sizeof tries[0]; k++)
        if (is_dir(tries[k]) && realpath(tries[k], ret)) return 0;
    return err_set(e, ERR_MISSING, "no cases in %s or %s: install the program, or give --cases DIR", tries[1],
                   tries[2]);
}

static int resolve_cases(struct home *h, const char *option, struct err *e) {
    char raw[PATH_MAX];
    if (!option) return home_default_cases(h->cases, e);
    if (absolute(raw, option, "--cases", e) < 0) return -1;
    if (!realpath(raw, h->cases))
        return err_set(e, ERR_USAGE, "--cases %.300s: %s; give a directory of cases", option, strerror(errno));
    return is_dir(h->cases)
               ? 0
               : err_set(e, ERR_USAGE, "--cases %.300s: not a directory; give a directory of cases", option);
}

/* The other programs: beside this one, in the libexec of the same prefix, where install puts them. */
int home_default_libexec(char ret[PATH_MAX], struct err *e) {
    char self[PATH_MAX], moved[PATH_MAX], worker[PATH_MAX];
    if (self_dir(self, e) < 0 || join(moved, e, self, "../libexec/cto-harness") < 0) return -1;
    const char *tries[] = {self, moved, CTO_LIBEXEC_DIR};
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        if (join(worker, e, tries[i], "cto-harness-worker") < 0) return -1;
        if (access(worker, X_OK) == 0 && realpath(tries[i], ret)) return 0;
    }
    return err_set(e, ERR_MISSING, "cto-harness-worker is neither in %s nor in %s: install the program again", self,
                   CTO_LIBEXEC_DIR);
}

int home_resolve(struct home *ret, const struct home_options *o, struct err *e) {
    struct home h = {0};
    struct env_file f = {0};
    char parent[PATH_MAX], fallback[PATH_MAX] = "";
    int rc = -1;
    if (!o->home && !o->env_file) { /* $CTO_HOME/.env, when it is there */
        struct env_file none = {0};
        char unused[PATH_MAX];
        if (resolve_default(&h, &none, unused, NULL) == 0) snprintf(fallback, sizeof fallback, "%.4000s/.env", h.home);
    }
    if (o->env_file ? env_file_read(&f, o->env_file, true, e) < 0
                    : (fallback[0] && env_file_read(&f, fallback, false, e) < 0))
        return -1;
    if (o->home) {
        if (absolute(h.home, o->home, "--home", e) < 0) goto out;
        memcpy(parent, h.home, sizeof parent);
    } else if (resolve_default(&h, &f, parent, e) < 0) {
        goto out;
    }
    if (join(h.store, e, h.home, "cto.db") < 0 || join(h.locks, e, h.home, "locks") < 0 ||
        join(h.runs, e, parent, "harness-runs") < 0 || join(h.work, e, parent, "work") < 0 ||
        resolve_cases(&h, o->cases, e) < 0 || home_default_libexec(h.libexec, e) < 0)
        goto out;
    struct stat st;
    if (stat(h.home, &st) == 0 ? !S_ISDIR(st.st_mode)
                               : (errno == ENOTDIR || errno == EACCES || errno == ENAMETOOLONG)) {
        err_set(e, ERR_USAGE, "%s: %s: give another directory with --home DIR", h.home,
                S_ISDIR(st.st_mode) ? strerror(errno) : "not a directory");
        goto out;
    }
    *ret = h;
    rc = 0;
out:
    env_file_release(&f);
    return rc;
}

bool home_is_one_directory(const struct home *h) {
    size_t n = strlen(h->home);
    return strncmp(h->runs, h->home, n) == 0 && strcmp(h->runs + n, "/harness-runs") == 0;
}

/* SQLite's WAL and our locks need one kernel: a filesystem that another host may also mount is refused. */
const char *home_network_filesystem(const char *path) {
    static const struct {
        unsigned magic;
        const char *name;
    } list[] = {{0x6969, "nfs"},      {0xff534d42, "cifs"},   {0xfe534d42, "smb2"},  {0x517b, "smb"},
                {0x01021997, "9p"},   {0x65735546, "fuse"},   {0x5346414f, "afs"},   {0x6b414653, "afs"},
                {0x00c36400, "ceph"}, {0x0bd00bd0, "lustre"}, {0x19830326, "fhgfs"}, {0x47504653, "gpfs"},
                {0x73757245, "coda"}, {0x564c, "ncp"},        {0x01161970, "gfs2"},  {0x7461636f, "ocfs2"}};
    struct statfs fs;
    if (statfs(path, &fs) < 0) return NULL;
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
        if ((unsigned)fs.f_type == list[i].magic) return list[i].name;
    return NULL;
}

static int make_dir(const char *path, struct err *e) {
    struct err why = ERR_INIT;
    if (io_mkdirs_at(AT_FDCWD, path, 0700, &why) < 0)
        return err_set(e, ERR_USAGE, "%s: give a writable directory with --home DIR", why.text);
    const char *net = home_network_filesystem(path);
    if (net) return err_set(e, ERR_USAGE, "%s is on a network filesystem (%s): put --home on a local disk", path, net);
    struct stat st;
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return err_set(e, ERR_USAGE, "%s is not a directory: give one with --home DIR", path);
    if (access(path, W_OK | X_OK) < 0)
        return err_set(e, ERR_USAGE, "%s: %s: give a writable directory with --home DIR", path, strerror(errno));
    return 0;
}

int home_prepare(const struct home *h, struct err *e) {
    const char *dirs[] = {h->home, h->locks, h->runs, h->work};
    /* the nearest existing directory decides before anything is made */
    char probe[PATH_MAX];
    memcpy(probe, h->home, sizeof probe);
    while (probe[0] && !is_dir(probe)) {
        char *slash = strrchr(probe, '/');
        if (!slash || slash == probe) break;
        *slash = '\0';
    }
    const char *net = home_network_filesystem(probe);
    if (net) return err_set(e, ERR_USAGE, "%s is on a network filesystem (%s): put --home on a local disk", probe, net);
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++)
        if (make_dir(dirs[i], e) < 0) return -1;
    return 0;
}
