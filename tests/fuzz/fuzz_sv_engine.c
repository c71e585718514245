/* fuzz_sv_engine.c - an engine file of somebody's: refused with its place, or read into something of which every list is within its
 * bound, no word looks like a secret, no generated file lies outside of the backend's own directories, and whose configuration, when
 * there is one, is JSON that has no place left in it and fits a run's spec. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/engine_file.h"
#include "supervisor/secret_shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) ((condition) ? (void)0 : abort())

static void look_at(const struct engine_file *f) {
    MUST(f->name && f->name[0] && f->n_command > 0 && f->n_command < SPEC_MAX_ARGV);
    MUST(f->n_environment <= ENGINE_FILE_ENV && f->n_set <= ENGINE_FILE_SET && f->n_files <= ENGINE_FILE_FILES &&
         f->n_read_roots <= ENGINE_FILE_ROOTS);
    for (int i = 0; i < f->n_command; i++) MUST(!secret_shaped_text(f->command[i]));
    for (int i = 0; i < f->n_set; i++) {
        MUST(!secret_shaped_text(f->set[i].value) && strncmp(f->set[i].name, "LD_", 3) != 0);
        MUST(!secret_shaped_name(f->set[i].name) || strcmp(f->set[i].value, "{key}") == 0);
    }
    for (int i = 0; i < f->n_files; i++)
        MUST(f->files[i].text && !secret_shaped_text(f->files[i].text) && !strstr(f->files[i].path, "/../"));
    MUST(f->uses_model == (f->api != API_NONE));
}

static void look_at_config(const struct engine_file *f) {
    char *config = engine_file_config(f, "m", 8791), *evidence = engine_file_evidence(f, "m", 8791);
    MUST(evidence != NULL);
    if (config) {
        cJSON *o = cJSON_Parse(config), *file;
        MUST(o && strlen(config) <= ENGINE_FILE_CONFIG_MAX);
        cJSON_ArrayForEach(file, cJSON_GetObjectItem(o, "files")) {
            const char *path = cJSON_GetStringValue(cJSON_GetObjectItem(file, "path"));
            MUST(strncmp(path, "home/", 5) == 0 || strncmp(path, "agent/", 6) == 0);
        }
        cJSON_Delete(o);
    }
    free(config);
    free(evidence);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct engine_file f;
    struct err e = ERR_INIT;
    char *text = malloc(size + 1);
    MUST(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    if (engine_file_parse(&f, "engine", text, size, &e) < 0) {
        MUST(e.code != ERR_NONE && e.text[0]);
    } else {
        look_at(&f);
        look_at_config(&f);
        engine_file_release(&f);
    }
    free(text);
    return 0;
}
