/* approval_used.c - see approval_used.h. Names of runs begin with when and of what they are, so few events are read: those of one case,
 * begun since; and of each only its beginning, since nothing is started before the approval has been told. */
#include "supervisor/approval_used.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/io.h"
#include "supervisor/evidence.h"

#define BEGINNING (1u << 20)
#define CHUNK (16u << 10)
#define BEFORE_MS 60000 /* a run may have begun, and asked a model first, when its approval was granted */

/* <stamp>-<case>-<pid> of a run that began at `since` or later? */
static bool may_have_had(const char *name, const char *since, const char *case_id) {
    const size_t stamp = strlen(since), n = strlen(case_id);
    return strlen(name) > stamp + n + 2 && strncmp(name, since, stamp) >= 0 && name[stamp] == '-' &&
           strncmp(name + stamp + 1, case_id, n) == 0 && name[stamp + 1 + n] == '-';
}

/* Was a backend started with it? */
static bool tells(int runs, const char *name, const char *id) {
    char path[RUN_ID_MAX + 64], word[160];
    AUTO_BUF struct buf text = BUF_INIT(BEGINNING + CHUNK);
    snprintf(path, sizeof path, "%s/" EVIDENCE_EVENTS, name);
    snprintf(word, sizeof word, "\"approval_id\":\"%s\"", id);
    AUTO_FD int fd = io_open_beneath_quiet(runs, path, O_RDONLY | O_NONBLOCK, 0);
    char chunk[CHUNK];
    ssize_t n;
    while (fd >= 0 && text.len < BEGINNING && (n = io_read_full(fd, chunk, sizeof chunk, NULL)) > 0)
        buf_put(&text, chunk, (size_t)n);
    const char *p = buf_str(&text), *end = p + text.len;
    for (const char *nl; p < end && (nl = memchr(p, '\n', (size_t)(end - p))) != NULL; p = nl + 1)
        if (memmem(p, (size_t)(nl - p), "\"approval.granted\"", 18) && memmem(p, (size_t)(nl - p), word, strlen(word)))
            return true;
    return false;
}

bool approval_was_used(const char *runs, const struct approval_seen *a, const char *case_id, const char *self,
                       char ret_run[RUN_ID_MAX]) {
    char since[CLOCK_COMPACT_SIZE];
    bool used = false;
    ret_run[0] = '\0';
    clock_compact(a->decided_ms - BEFORE_MS, since);
    DIR *d = opendir(runs);
    if (!d) return true;
    for (struct dirent *de; !used && (de = readdir(d));) {
        if (strlen(de->d_name) >= RUN_ID_MAX || strcmp(de->d_name, self) == 0 ||
            !may_have_had(de->d_name, since, case_id))
            continue;
        used = tells(dirfd(d), de->d_name, a->id);
        if (used) snprintf(ret_run, RUN_ID_MAX, "%.*s", RUN_ID_MAX - 1, de->d_name);
    }
    closedir(d);
    return used;
}
