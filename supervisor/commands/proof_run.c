/* proof_run.c - see proof_run.h: a proof from its beginning to its end. */
#include "supervisor/commands/proof_run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/double.h"

void proof_begin(struct proof *p, const struct global_options *g, const struct proof_wishes *w, int stage) {
    *p = (struct proof){.g = g, .w = w, .engine = engine_find(w->engine), .stage = stage};
    p->checked = cJSON_CreateArray();
    p->errors = cJSON_CreateArray();
    p->pass_reports = cJSON_CreateArray();
    p->failure_reports = cJSON_CreateArray();
    p->predecessors = cJSON_CreateArray();
    p->extra = cJSON_CreateObject();
    BUG_UNLESS(p->engine && p->checked && p->errors && p->pass_reports && p->failure_reports && p->predecessors &&
               p->extra);
    p->on_double = stage > 1 && double_stands_in(p->engine->name);
    p->lane = (struct lane){w->engine, p->on_double ? stage : 0};
    p->fake = (struct lane){engine_at(0)->name, 0};
    p->misled = (struct lane){"case", stage};
}

void proof_release(struct proof *p) {
    proof_settings_back(p);
    progress_free(p->progress);
    cJSON_Delete(p->checked);
    cJSON_Delete(p->errors);
    cJSON_Delete(p->pass_reports);
    cJSON_Delete(p->failure_reports);
    cJSON_Delete(p->fake_baseline);
    cJSON_Delete(p->predecessors);
    cJSON_Delete(p->extra);
}

void proof_steps(struct proof *p, size_t runs) {
    p->progress = progress_new((int)runs, p->g->quiet || p->g->json, p->g->no_color);
}

static bool known(const cJSON *list, const char *name) {
    const cJSON *x;
    cJSON_ArrayForEach(x, list) if (strcmp(x->valuestring, name) == 0) return true;
    return false;
}

void hold(struct proof *p, const char *name, bool holds, const char *else_text) {
    char text[700];
    if (!known(p->checked, name)) cJSON_AddItemToArray(p->checked, cJSON_CreateString(name));
    if (holds) return;
    if (p->unstarted) else_text = "nothing shows it: the backend of the run that must pass was not started";
    snprintf(text, sizeof text, "%.100s: %.560s", name, else_text);
    cJSON_AddItemToArray(p->errors, json_bytes(text, strlen(text)));
}

void holdf(struct proof *p, const char *name, bool holds, const char *fmt, ...) {
    char text[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    hold(p, name, holds, text);
}

/* --- settings ----------------------------------------------------------------------------------------------------------- */

static void remember(struct proof *p, const char *variable) {
    for (int i = 0; i < p->n_settings; i++)
        if (strcmp(p->settings[i].name, variable) == 0) return;
    BUG_UNLESS(p->n_settings < PROOF_SETTINGS);
    const char *was = getenv(variable);
    snprintf(p->settings[p->n_settings].name, sizeof p->settings[0].name, "%s", variable);
    p->settings[p->n_settings].was = was ? strdup(was) : NULL;
    BUG_UNLESS(!was || p->settings[p->n_settings].was);
    p->n_settings++;
}

static void set(struct proof *p, const char *variable, const char *value) {
    remember(p, variable);
    if (value)
        BUG_UNLESS(setenv(variable, value, 1) == 0);
    else
        unsetenv(variable);
}

/* Of the double too: where a repository is, it is told like any other lane. */
void proof_set(struct proof *p, const char *name, const char *value) {
    char variable[96];
    if (!name) {
        set(p, p->engine->gated_by_env, value);
        return;
    }
    snprintf(variable, sizeof variable, "%s%s", p->engine->variables, name);
    set(p, variable, value);
    if (strcmp(p->engine->name, p->misled.engine) == 0) return;
    snprintf(variable, sizeof variable, "%s%s", engine_find(p->misled.engine)->variables, name);
    set(p, variable, value);
}

void proof_settings_back(struct proof *p) {
    while (p->n_settings > 0) {
        const int i = --p->n_settings;
        if (p->settings[i].was)
            setenv(p->settings[i].name, p->settings[i].was, 1);
        else
            unsetenv(p->settings[i].name);
        free(p->settings[i].was);
    }
}
