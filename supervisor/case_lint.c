/* case_lint.c - does a case that reads well also make sense?
 *
 * The reader (case.c) sees one file. Here are the checks against everything else: the folder, the table of blockers,
 * the standing rules. They are not part of reading, because a run must be able to show what a senseless case leads to
 * (that is what failure fixtures are), and because a linter says everything that is wrong, not only the first thing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/io.h"
#include "common/path.h"
#include "supervisor/case.h"

struct lint {
    struct cto_case *c;
    int dir;     /* the case's folder */
    int fixture; /* fixture/, or -1 */
    int count;
    void (*complain)(void *arg, const char *text);
    void *arg;
};

static void say(struct lint *l, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Borrows the document's sticky error for the place in the file, and makes it clean again. */
static void say(struct lint *l, const char *key, const char *fmt, ...) {
    char text[300];
    struct json_obj root = json_root(l->c->doc);
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    (void)json_fail(&root, key, "%s", text);
    l->complain(l->arg, l->c->doc->err.text);
    l->c->doc->bad = false;
    l->c->doc->err = ERR_INIT;
    l->count++;
}

/* --- the folder --------------------------------------------------------------------------------------------------- */

static bool is_dir(int dirfd, const char *path) {
    struct stat st;
    return fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static bool is_there(int dirfd, const char *path) {
    struct stat st;
    return fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_empty_dir(int dirfd) {
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    bool empty = true;
    if (!d) {
        if (fd >= 0) close(fd);
        return true;
    }
    for (struct dirent *entry; empty && (entry = readdir(d));)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(d);
    return empty;
}

static void lint_fixture(struct lint *l) {
    const struct cto_case *c = l->c;
    if (c->baseline_empty) {
        if (is_there(l->dir, "fixture"))
            say(l, "baseline.empty", "is true, but there is a fixture/ that nobody would see");
    } else if (!is_dir(l->dir, "fixture")) {
        say(l, "id", "the folder has no fixture/; only a case with baseline.empty may do without");
    } else if (is_empty_dir(l->fixture)) {
        say(l, "id", "fixture/ is empty; git would not keep it: put a file in, or use baseline.empty");
    } else if (is_there(l->fixture, ".git")) {
        say(l, "id", "fixture/ holds .git; the baseline repository is made by the harness");
    }
}

static void lint_paths(struct lint *l) {
    const struct cto_case *c = l->c;
    char key[64];
    for (int i = 0; i < c->pristine.n; i++) {
        (void)snprintf(key, sizeof(key), "pristine[%d]", i);
        if (l->fixture < 0 || !is_there(l->fixture, c->pristine.v[i]))
            say(l, key, "fixture/%.200s does not exist: there is nothing to restore from", c->pristine.v[i]);
    }
    for (int i = 0; i < c->n_submodules; i++) {
        (void)snprintf(key, sizeof(key), "baseline.submodules[%d].fixture", i);
        if (!is_dir(l->dir, c->submodules[i].fixture))
            say(l, key, "%.200s is no folder of this case", c->submodules[i].fixture);
        (void)snprintf(key, sizeof(key), "baseline.submodules[%d].path", i);
        if (l->fixture >= 0 && is_there(l->fixture, c->submodules[i].path))
            say(l, key, "fixture/%.200s exists already", c->submodules[i].path);
    }
    if (c->generate_dir && l->fixture >= 0 && is_there(l->fixture, c->generate_dir))
        say(l, "baseline.generate.dir", "fixture/%.200s exists already: generated files need a folder of their own",
            c->generate_dir);
}

/* --- the rules ---------------------------------------------------------------------------------------------------- */

static bool expects(const struct cto_case *c, enum blocker b) {
    for (int i = 0; i < c->expect.n_blockers; i++)
        if (c->expect.blockers[i] == b) return true;
    return false;
}

static bool listed(const struct case_list *list, const char *word) {
    for (int i = 0; i < list->n; i++)
        if (strcmp(list->v[i], word) == 0) return true;
    return false;
}

static void lint_rules(struct lint *l) {
    const struct cto_case *c = l->c;
    for (int i = 0; forbidden_actions_all[i] && !expects(c, BLOCKER_eligibility_denied); i++)
        if (!listed(&c->forbidden_actions, forbidden_actions_all[i]))
            say(l, "forbidden_actions", "\"%s\" is missing: every case forbids all ten", forbidden_actions_all[i]);
    for (int i = 0; i < c->allowed_writes.n && !expects(c, BLOCKER_forbidden_path_change); i++) {
        const char *rule = c->allowed_writes.v[i];
        char key[64];
        (void)snprintf(key, sizeof(key), "allowed_writes[%d]", i);
        if (path_any_match(PATH_FORBIDDEN, c->forbidden_paths.v, (size_t)c->forbidden_paths.n, rule, strlen(rule)))
            say(l, key, "\"%.200s\" is also forbidden, and forbidden wins", rule);
    }
    for (int i = 0; i < c->pristine.n; i++) {
        const char *kept = c->pristine.v[i];
        for (int k = 0; k < c->allowed_writes.n; k++) {
            const char *rule = c->allowed_writes.v[k];
            if (rule[strlen(rule) - 1] == '/' && path_rule_match(PATH_ALLOWED, rule, kept, strlen(kept)))
                say(l, "pristine",
                    "%.100s lies in the writable %.100s: a file added beside it could disarm it; name files in "
                    "allowed_writes",
                    kept, rule);
        }
    }
    bool owned = strcmp(c->mutation_mode, "none") != 0 && strcmp(c->mutation_mode, "copied-fixture") != 0;
    if (owned && !c->approval_required)
        say(l, "approval_required", "mutation mode \"%s\" needs a human: set it to true", c->mutation_mode);
}

/* A name that is looked for where a jail looks for programs, and is in none of these places. */
static bool is_nowhere(const char *command) {
    static const char *const places[] = {"/usr/local/bin", "/usr/bin", "/bin"};
    char path[512];
    if (strchr(command, '/')) return false;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (snprintf(path, sizeof path, "%s/%s", places[i], command) >= (int)sizeof path || is_there(AT_FDCWD, path))
            return false;
    return true;
}

static void lint_verification(struct lint *l) {
    const struct cto_case *c = l->c;
    bool tested = c->n_verify > 0 || c->no_test_rationale;
    bool missing = expects(c, BLOCKER_missing_test_command);
    for (int i = 0; i < c->n_verify; i++)
        if (missing && is_nowhere(c->verify[i].argv[0])) return; /* that is the reason, too */
    if (!tested && !missing)
        say(l, "verification",
            "no command and no no_test_rationale: every run would be blocked by missing_test_command");
    if (tested && missing)
        say(l, "expect.blockers", "missing_test_command, but there is a command or a no_test_rationale");
}

/* --- expectations against the table of blockers ------------------------------------------------------------------- */

/* The twelve have fixture names of their own in the design; any other class is its reason with dashes. */
static void class_name(enum blocker b, char *out, size_t size) {
    static const struct {
        enum blocker b;
        const char *name;
    } special[] = {
        {BLOCKER_disallowed_file_change, "disallowed-file"},
        {BLOCKER_verification_failed, "failed-tests"},
        {BLOCKER_missing_required_event, "missing-event"},
        {BLOCKER_reviewer_rejected, "reviewer-reject"},
    };
    const char *name = blocker_rule(b)->reason;
    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
        if (special[i].b == b) name = special[i].name;
    (void)snprintf(out, size, "%s", name);
    for (char *p = out; *p; p++)
        if (*p == '_') *p = '-';
}

static void lint_failure_class(struct lint *l) {
    const struct cto_case *c = l->c;
    char names[400] = "", name[64];
    for (int i = 0; i < c->expect.n_blockers; i++) {
        class_name(c->expect.blockers[i], name, sizeof(name));
        if (c->expect.failure_class && strcmp(name, c->expect.failure_class) == 0) return;
        size_t n = strlen(names);
        (void)snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "", name);
    }
    if (c->expect.failure_class)
        say(l, "expect.failure_class", "\"%.60s\" does not fit the blockers: %.150s", c->expect.failure_class, names);
    else if (strcmp(c->kind, "failure") == 0)
        say(l, "expect.failure_class", "is missing; for these blockers: %.150s", names);
}

static void lint_pass(struct lint *l) {
    const struct cto_case *c = l->c;
    if (strcmp(c->kind, "failure") == 0) say(l, "expect.status", "a failure fixture cannot expect a pass");
    if (c->expect.n_blockers) say(l, "expect.blockers", "a pass has no blockers");
    if (c->expect.failure_class) say(l, "expect.failure_class", "a pass has no failure class");
}

/* One blocker of status fail makes a run a fail; with none but blocked ones it is blocked. */
static void lint_expect(struct lint *l) {
    const struct cto_case *c = l->c;
    enum verdict status = VERDICT_BLOCKED;
    bool marker = c->expect.marker == NULL;
    for (int i = 0; i < c->expect.n_blockers; i++) {
        const struct blocker_rule *r = blocker_rule(c->expect.blockers[i]);
        if (r->status == VERDICT_FAIL) status = VERDICT_FAIL;
        marker |= r->marker && c->expect.marker && strcmp(r->marker, c->expect.marker) == 0;
    }
    if (!marker) say(l, "expect.marker", "\"%.60s\" is the marker of none of the blockers", c->expect.marker);
    if (c->expect.status == VERDICT_PASS) {
        lint_pass(l);
    } else if (c->expect.n_blockers == 0) {
        say(l, "expect.blockers", "is missing: why is it not a pass?");
    } else {
        if (status != c->expect.status)
            say(l, "expect.status", "with these blockers a run ends as \"%s\"", verdict_name(status));
        lint_failure_class(l);
    }
}

int case_lint(struct cto_case *c, void (*complain)(void *arg, const char *text), void *arg) {
    AUTO_FD int dir = open(c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_FD int fixture = dir < 0 ? -1 : openat(dir, "fixture", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct lint l = {.c = c, .dir = dir, .fixture = fixture, .complain = complain, .arg = arg};
    BUG_UNLESS(c->doc != NULL);
    if (dir < 0)
        say(&l, "id", "the folder cannot be opened: %s", strerror(errno));
    else {
        lint_fixture(&l);
        lint_paths(&l);
    }
    lint_rules(&l);
    lint_verification(&l);
    lint_expect(&l);
    return l.count;
}
