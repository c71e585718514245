/* recording.c - see recording.h. */
#include "supervisor/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "common/json.h"

#define FIRST_LINE_MAX 4096

int recording_may_make(const char *file, struct err *e) {
    struct stat st;
    char dir[PATH_MAX];
    const char *slash = strrchr(file, '/');
    const size_t n = slash ? (size_t)(slash - file) : 0;
    if (lstat(file, &st) == 0)
        return err_set(e, ERR_USAGE, "the recording %s: it is there already; name a new file", file);
    if (!file[0] || (slash && !slash[1]) || n >= sizeof dir)
        return err_set(e, ERR_USAGE, "the recording \"%.200s\": no name of a file", file);
    memcpy(dir, file, n);
    dir[n] = '\0';
    const char *at = !slash ? "." : n == 0 ? "/" : dir;
    if (access(at, W_OK | X_OK) < 0) return err_set(e, ERR_USAGE, "the recording %s: %s", file, strerror(errno));
    return 0;
}

/* What of the first line decides before a run; the rest of it is the gateway's to judge. */
static int first_line(const char *file, const char *line, size_t len, const char *model, struct err *e) {
    struct json_doc doc;
    if (json_parse(&doc, "recording", line, len, NULL) < 0)
        return err_set(e, ERR_USAGE, "%s is no recording: run-case --record makes one", file);
    struct json_obj o = json_root(&doc);
    json_int(&o, "cassette", JSON_INT_REQUIRED, 1, INT32_MAX);
    const char *of = json_str(&o, "model", JSON_REQUIRED, FIRST_LINE_MAX);
    int rc = 0;
    if (doc.bad)
        rc = err_set(e, ERR_USAGE, "%s is no recording: run-case --record makes one", file);
    else if (model[0] && strcmp(of, model) != 0)
        rc =
            err_set(e, ERR_USAGE, "the recording %s is of the model %.120s, and this run's is %.120s", file, of, model);
    json_release(&doc);
    return rc;
}

int recording_is_one(const char *file, const char *model, struct err *e) {
    char line[FIRST_LINE_MAX];
    struct stat st;
    AUTO_FD int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0) return err_set(e, ERR_USAGE, "the recording %s: %s", file, strerror(errno));
    if (!S_ISREG(st.st_mode)) return err_set(e, ERR_USAGE, "the recording %s: not a regular file", file);
    const ssize_t n = pread(fd, line, sizeof line, 0);
    if (n < 0) return err_set(e, ERR_USAGE, "the recording %s: %s", file, strerror(errno));
    const char *end = memchr(line, '\n', (size_t)n);
    if (end) return first_line(file, line, (size_t)(end - line), model, e);
    return err_set(e, ERR_USAGE, "%s is no recording: run-case --record makes one", file);
}
