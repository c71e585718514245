/* notes.c - see notes.h. */
#include "sandbox/notes.h"

#include <dirent.h>
#include <sys/stat.h>

#include "common/log.h"

#define LOOK_FOR_SOCKETS 4096 /* entries of a directory: a note must not cost what a jail costs */
#define ABI_OF_SOCKETS 9      /* Landlock keeps a jail from those of others from here on (landlock.c) */

/* As root CMD is somebody else: a directory of root's can be given with --write and still refuse every write. By modes alone;
 * said, not refused, because an access list may know better. */
static void say_unwritable(const struct jail_bind *b, uid_t uid) {
    struct stat st;
    if (!b->writable || stat(b->source, &st) < 0) return;
    const mode_t needed = st.st_uid == uid ? S_IWUSR : st.st_gid == uid ? S_IWGRP : S_IWOTH;
    if (!(st.st_mode & needed))
        log_line("note: the command runs as uid %u, which may not write %s: chown it, or give the owner's --uid",
                 (unsigned)uid, b->source);
}

/* A read-only mount stops nobody from connecting to what listens there. Of the top of a directory only, and said, not refused: who
 * gives one may mean it. */
static void say_socket(const struct jail_bind *b) {
    DIR *d = opendir(b->source);
    struct dirent *de;
    for (int n = 0; d && n < LOOK_FOR_SOCKETS && (de = readdir(d)); n++) {
        if (de->d_type != DT_SOCK) continue;
        log_line("note: %s holds a socket, %s: the command can connect to whoever listens there; --hide it", b->source,
                 de->d_name);
        break;
    }
    if (d) closedir(d);
}

void launcher_notes(const struct jail_spec *spec) {
    const bool root = jail_mode() == JAIL_MODE_ROOT, sockets = jail_landlock_abi() < ABI_OF_SOCKETS;
    for (size_t i = 0; i < spec->n_binds; i++) {
        if (!spec->binds[i].source) continue;
        if (root) say_unwritable(&spec->binds[i], spec->uid);
        if (sockets) say_socket(&spec->binds[i]);
    }
}
