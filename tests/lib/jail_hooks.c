/* jail_hooks.c - the variable behind sandbox/testing.h, and its values before main() for programs that scripts start:
 *
 *   environment   CTO_TEST_JAIL_WITHOUT="seccomp,hidepid"   CTO_TEST_LANDLOCK_ABI=3
 *   or a file jail_hooks beside the program, for those whose environment is built by others:
 *                 without seccomp,hidepid                   landlock_abi 3
 *
 * Part of cto_sandbox_testing, never of the product. A word that is none ends the program: a misspelt mechanism that stays
 * in force would make a test pass. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/jail.h"
#include "sandbox/testing.h"

struct jail_test_hooks jail_test_hooks = {.landlock_abi_max = -1};

static const struct {
    const char *name;
    uint64_t bit;
} names[] = {
    {"mountns", JAIL_M_MOUNTNS},     {"pidns", JAIL_M_PIDNS},
    {"netns", JAIL_M_NETNS},         {"ipcns", JAIL_M_IPCNS},
    {"utsns", JAIL_M_UTSNS},         {"cgroupns", JAIL_M_CGROUPNS},
    {"root", JAIL_M_ROOT},           {"landlock", JAIL_M_LANDLOCK},
    {"seccomp", JAIL_M_SECCOMP},     {"no_new_privs", JAIL_M_NO_NEW_PRIVS},
    {"caps", JAIL_M_CAPS},           {"rlimits", JAIL_M_RLIMITS},
    {"setuid", JAIL_M_SETUID},       {"cgroup", JAIL_M_CGROUP},
    {"pdeathsig", JAIL_M_PDEATHSIG}, {"fds", JAIL_M_FDS},
    {"hidepid", JAIL_T_HIDEPID},     {"proc_readonly", JAIL_T_PROC_READONLY},
    {"dumpable", JAIL_T_DUMPABLE},   {"readonly", JAIL_T_READONLY},
    {"nosuid", JAIL_T_NOSUID},       {"nodev", JAIL_T_NODEV},
    {"noexec", JAIL_T_NOEXEC},       {"session", JAIL_T_SESSION},
    {"keyring", JAIL_T_KEYRING},
};

static uint64_t bit_of(const char *word, size_t n) {
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i].name) == n && strncmp(names[i].name, word, n) == 0) return names[i].bit;
    fprintf(stderr, "CTO_TEST_JAIL_WITHOUT: no mechanism is called %.*s\n", (int)n, word);
    exit(99);
}

static void take_list(const char *list) {
    while (list != NULL && *list != '\0') {
        const size_t n = strcspn(list, ",");
        jail_test_hooks.without |= bit_of(list, n);
        list += n + (list[n] == ',');
    }
}

static void take_abi(const char *abi) {
    if (abi == NULL || *abi == '\0') return;
    char *end;
    const long max = strtol(abi, &end, 10);
    if (*end != '\0' || max < 0 || max > 1000) {
        fprintf(stderr, "CTO_TEST_LANDLOCK_ABI: %s is no version\n", abi);
        exit(99);
    }
    jail_test_hooks.landlock_abi_max = (int)max;
}

static void take_file(void) {
    char path[4096], key[32], value[256];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof "jail_hooks");
    if (n <= 0) return;
    path[n] = '\0';
    snprintf(strrchr(path, '/') + 1, sizeof "jail_hooks", "jail_hooks");
    FILE *f = fopen(path, "re");
    if (f == NULL) return;
    while (fscanf(f, "%31s %255s", key, value) == 2) {
        if (strcmp(key, "without") == 0) take_list(value);
        if (strcmp(key, "landlock_abi") == 0) take_abi(value);
    }
    fclose(f);
}

__attribute__((constructor)) static void take_settings(void) {
    take_file();
    take_list(getenv("CTO_TEST_JAIL_WITHOUT"));
    take_abi(getenv("CTO_TEST_LANDLOCK_ABI"));
}
