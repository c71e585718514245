/* orphans.c - see orphans.h. The kernel's own list of our children is the truth; the two lists here say which of them are somebody's. */
#include "supervisor/orphans.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"

int orphans_adopt(struct err *e) {
    return prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L) < 0 ? err_sys(e, "become subreaper") : 0;
}

/* --- children of the loop's ----------------------------------------------------------------------------------------------- */

static int *kept;
static int n_kept, cap_kept;

static bool is_kept(int pid) {
    for (int i = 0; i < n_kept; i++)
        if (kept[i] == pid) return true;
    return false;
}

void orphans_except(int pid) {
    if (pid <= 0 || is_kept(pid)) return;
    if (n_kept == cap_kept) {
        cap_kept = cap_kept ? 2 * cap_kept : 64;
        int *grown = realloc(kept, (size_t)cap_kept * sizeof *kept);
        BUG_UNLESS(grown != NULL);
        kept = grown;
    }
    kept[n_kept++] = pid;
}

void orphans_include(int pid) {
    for (int i = 0; i < n_kept; i++)
        if (kept[i] == pid) kept[i--] = kept[--n_kept];
}

/* --- the others ------------------------------------------------------------------------------------------------------------ */

/* Processes that not even SIGKILL ended in time: they are one run's finding and must not be waited for by every run after it.
 * When there is no room for one it is waited for again, which is slower and not wrong. */
static int given_up[256];
static int n_given_up;

static bool is_given_up(int pid) {
    for (int i = 0; i < n_given_up; i++)
        if (given_up[i] == pid) return true;
    return false;
}

/* Reaped after all: the number may be another process's tomorrow. */
static void forget_given_up(int pid) {
    for (int i = 0; i < n_given_up; i++)
        if (given_up[i] == pid) given_up[i--] = given_up[--n_given_up];
}

static int reap(bool give_up) {
    char path[64], list[16384];
    int alive = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t n = io_read_full(fd, list, sizeof list - 1, NULL);
    if (n <= 0) return 0;
    list[n] = '\0';
    char *save = NULL;
    for (char *word = strtok_r(list, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
        int pid = (int)strtol(word, NULL, 10);
        if (pid <= 1 || is_kept(pid)) continue;
        kill(pid, SIGKILL);
        if (waitpid(pid, NULL, WNOHANG | __WALL) != 0) {
            forget_given_up(pid);
        } else if (!is_given_up(pid)) {
            alive++;
            if (give_up && n_given_up < (int)(sizeof given_up / sizeof given_up[0])) given_up[n_given_up++] = pid;
        }
    }
    return alive;
}

int orphans_reap(void) { return reap(false); }
int orphans_give_up(void) { return reap(true); }
