/* core_decision.c - see core_decision.h. A row whose record was changed, or that has another word than the three, says nothing. */
#include "supervisor/core_decision.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "supervisor/claims.h"
#include "supervisor/store.h"

#define SUBJECT "core-promotion"

static const struct core_state states[CORE_STATES] = {
    {"not_decided", "no request exists"},
    {"core_promotion_requested", "asks for a governed review, grants nothing"},
    {"core_promotion_deferred", "evidence stays local"},
};

const struct core_state *core_state(int i) {
    BUG_UNLESS(i >= 0 && i < CORE_STATES);
    return &states[i];
}

int core_state_by_name(const char *name) {
    for (int i = 0; i < CORE_STATES; i++)
        if (strcmp(states[i].name, name) == 0) return i;
    return -1;
}

static const char *text(const cJSON *o, const char *key) {
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
    return s ? s : "";
}

/* Who decides to ask cannot say in passing that it is done. */
static bool claims_nothing(const char *words) { return !claim_in(words, strlen(words)); }

static void take(struct core_decision *d, const struct store_admission *row) {
    char digest[DIGEST_HEX_SIZE];
    digest_bytes(row->record, strlen(row->record), digest);
    cJSON *o = cJSON_Parse(row->record);
    int state = core_state_by_name(row->status);
    if (row->revoked_ms == 0 && state > 0 && strcmp(digest, row->digest) == 0 &&
        strcmp(text(o, "decision_status"), row->status) == 0 && claims_nothing(row->actor) &&
        claims_nothing(text(o, "why"))) {
        d->state = state;
        d->decided_ms = row->recorded_ms;
        snprintf(d->id, sizeof d->id, "%s", row->id);
        snprintf(d->actor, sizeof d->actor, "%s", row->actor);
        snprintf(d->why, sizeof d->why, "%s", text(o, "why"));
    }
    cJSON_Delete(o);
}

int core_decision_read(struct core_decision *ret, struct store *s, struct err *e) {
    struct err why = ERR_INIT;
    memset(ret, 0, sizeof *ret);
    struct store_admission *row = calloc(1, sizeof *row);
    BUG_UNLESS(row != NULL);
    int rc = 0;
    if (s && store_admission_newest(s, "decision", SUBJECT, row, &why) == 0) {
        take(ret, row);
        free(row->record);
    } else if (why.code != ERR_NONE && why.code != ERR_MISSING) {
        if (e) *e = why;
        rc = -1;
    }
    free(row);
    return rc;
}

int core_decision_record(struct store *s, int state, const char *actor, const char *why, char ret_id[96],
                         struct err *e) {
    struct admission a = {.kind = ADMIT_DECISION, .subject = SUBJECT};
    if (!claims_nothing(actor) || !claims_nothing(why))
        return err_set(e, ERR_USAGE,
                       "--actor, --why: that reads as a claim; a decision here activates and promotes nothing");
    cJSON *o = cJSON_CreateObject();
    BUG_UNLESS(o != NULL);
    json_put_str(o, "subject", SUBJECT);
    json_put_str(o, "decision_status", core_state(state)->name);
    json_put_str(o, "effect", core_state(state)->meaning);
    json_put_str(o, "why", why);
    char *record = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    BUG_UNLESS(record != NULL);
    snprintf(a.status, sizeof a.status, "%s", core_state(state)->name);
    digest_bytes(record, strlen(record), a.digest);
    int rc = store_admission_add(s, &a, record, strlen(record), actor, ret_id, e);
    free(record);
    return rc;
}
