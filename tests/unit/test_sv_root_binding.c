/* test_sv_root_binding.c - digests of trees within limits, and what an approval says of the directories that a run may read. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "common/clock.h"
#include "common/io.h"
#include "supervisor/root_binding.h"
#include "supervisor/tree_digest.h"

static char dir[64] = "/tmp/cto-roots.XXXXXX";

static const char *in(const char *name) {
    static char path[16][128];
    static int n;
    char *p = path[n++ % 16];
    snprintf(p, sizeof path[0], "%s%s%s", dir, name[0] ? "/" : "", name);
    return p;
}

static void put(const char *name, const char *text, mode_t mode) {
    AUTO_FD int fd = open(in(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    NEED(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fchmod(fd, mode) == 0);
}

static struct tree_limits limits(int64_t entries, int64_t bytes) {
    return (struct tree_limits){entries, bytes, clock_mono_us() + 10000000};
}

static int within(const char *name, struct tree_limits *l, char hex[DIGEST_HEX_SIZE]) {
    struct err e = ERR_INIT;
    int rc = tree_digest_within(in(name), l, hex, &e);
    if (rc < 0) {
        CHECK(e.code != ERR_NONE && e.text[0] && !strstr(e.text, dir)); /* it ends in reports */
        return -(int)e.code;
    }
    return 0;
}

static void test_limits(void) {
    char a[DIGEST_HEX_SIZE], b[DIGEST_HEX_SIZE];
    struct tree_limits l = limits(100, 100);
    NEED(mkdir(in("t"), 0755) == 0 && mkdir(in("t/d"), 0755) == 0);
    put("t/one", "12345", 0644);
    put("t/d/two", "67890", 0755);
    NEED(symlink("one", in("t/link")) == 0);
    CHECK(within("t", &l, a) == 0 && tree_digest(in("t"), b, NULL) == 0 && strcmp(a, b) == 0);
    CHECK(l.bytes == 90 && l.entries < 100 && l.entries >= 90); /* the next one has what is left */
    l = limits(100, 10);
    CHECK(within("t", &l, b) == 0 && l.bytes == 0 && strcmp(a, b) == 0);
    l = limits(100, 9);
    CHECK(within("t", &l, b) == -ERR_LIMIT && l.bytes < 0);
    l = limits(3, 100);
    CHECK(within("t", &l, b) == -ERR_LIMIT && l.entries < 0);
    l = limits(100, 100);
    l.until_us = 1;
    CHECK(within("t", &l, b) == -ERR_LIMIT);
    l = limits(100, 100);
    CHECK(within("absent", &l, b) == -ERR_SYS);
    CHECK(within("t/link", &l, b) == -ERR_USAGE);
    NEED(mkfifo(in("t/fifo"), 0600) == 0); /* neither waited for nor passed over */
    CHECK(within("t", &l, b) == 0 && strcmp(a, b) != 0);
    CHECK(within("t/fifo", &l, b) == -ERR_USAGE);
    NEED(unlink(in("t/fifo")) == 0);
}

static void test_changes(void) {
    char a[DIGEST_HEX_SIZE], b[DIGEST_HEX_SIZE];
    struct tree_limits l = limits(1000, 1000);
    NEED(within("t", &l, a) == 0);
    put("t/one", "12346", 0644);
    CHECK(within("t", &l, b) == 0 && strcmp(a, b) != 0);
    put("t/one", "12345", 0755);
    CHECK(within("t", &l, b) == 0 && strcmp(a, b) != 0);
    put("t/one", "12345", 0644);
    CHECK(within("t", &l, b) == 0 && strcmp(a, b) == 0);
    NEED(unlink(in("t/link")) == 0 && symlink("two", in("t/link")) == 0);
    CHECK(within("t", &l, b) == 0 && strcmp(a, b) != 0);
    CHECK(within("t/one", &l, a) == 0); /* a plain file */
    put("t/one", "1234", 0644);
    CHECK(within("t/one", &l, b) == 0 && strcmp(a, b) != 0);
}

static void test_binding(void) {
    struct err e = ERR_INIT;
    const char *of_case[] = {in("t"), in("t/d")}, *of_file[] = {in("t"), "/usr/bin"};
    const struct case_list l = {of_case, 2};
    cJSON *o = root_binding(&l, of_file, 2, 2, &e);
    NEED(o != NULL);
    CHECK(cJSON_GetArraySize(o) == 3);
    CHECK(strncmp(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, of_case[0])), "content ", 8) == 0);
    CHECK(strncmp(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "/usr/bin")), "system ", 7) == 0);
    cJSON_Delete(o);
    const char *others[] = {"/usr/local/bin", "/usr/bin/../local/bin"}; /* people's own */
    o = root_binding(&(struct case_list){.n = 0}, others, 2, 2, &e);
    for (const cJSON *x = o ? o->child : NULL; x; x = x->next) CHECK(strncmp(x->valuestring, "content ", 8) == 0);
    CHECK(o && cJSON_GetArraySize(o) == 2);
    cJSON_Delete(o);
    const char *large[] = {in("t"), in("large")};
    AUTO_FD int fd = open(in("large"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    NEED(fd >= 0 && ftruncate(fd, ROOT_BINDING_BYTES + 1) == 0);
    CHECK(root_binding(&l, large, 2, 2, &e) == NULL && e.code == ERR_USAGE);
    CHECK(strstr(e.text, "read_roots[1] of the engine file") && strstr(e.text, "512 MiB") && !strstr(e.text, dir));
    CHECK(root_binding(&l, large, 2, 1, &e) == NULL && strstr(e.text, "the program's package or interpreter cannot"));
    const char *absent[] = {in("absent")};
    CHECK(root_binding(&(struct case_list){absent, 1}, NULL, 0, 0, &e) == NULL && strstr(e.text, "[0] of the case"));
}

int main(void) {
    NEED(mkdtemp(dir) != NULL);
    test_limits();
    test_changes();
    test_binding();
    io_remove_tree_at(AT_FDCWD, dir, NULL);
    return check_done();
}
