/* replay.c - main() for a fuzz target in a build without libFuzzer: runs every file of the corpus directory, then the empty
 * input and a few thousand deterministic random ones, so that the target is executed, not only compiled. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LARGEST (1u << 20)

static unsigned replay_directory(const char *dir, uint8_t *room) {
    DIR *d = opendir(dir);
    unsigned n = 0;
    if (!d) return 0;
    for (struct dirent *entry; (entry = readdir(d));) {
        char path[4096];
        if (entry->d_name[0] == '.') continue;
        if (snprintf(path, sizeof path, "%s/%s", dir, entry->d_name) >= (int)sizeof path) continue;
        FILE *f = fopen(path, "rbe");
        if (!f) continue;
        size_t size = fread(room, 1, LARGEST, f);
        fclose(f);
        LLVMFuzzerTestOneInput(room, size);
        n++;
    }
    closedir(d);
    return n;
}

int main(int argc, char **argv) {
    uint8_t *room = malloc(LARGEST);
    if (!room) return 1;
    unsigned files = argc > 1 ? replay_directory(argv[1], room) : 0;
    LLVMFuzzerTestOneInput(room, 0);
    uint64_t x = 88172645463325252u;
    for (unsigned i = 0; i < 2000; i++) {
        size_t size = i % 300;
        for (size_t k = 0; k < size; k++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            room[k] = (uint8_t)(i & 1 ? x : x & 0x1f); /* half of them small numbers, as headers have */
        }
        LLVMFuzzerTestOneInput(room, size);
    }
    free(room);
    printf("%u corpus files, 2001 made inputs\n", files);
    return 0;
}
