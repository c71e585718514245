/* test_sv_outcome.c - what is said of a comparison, once; and whether the admission of a source is still current. */
#include "sv_fixture.h"
#include "supervisor/source_fresh.h"
#include "supervisor/store.h"

static struct fixture f;
static struct store *s;

static void test_said(void) {
    struct err e = ERR_INIT;
    struct store_outcome o;
    bool is = true;
    CHECK(store_outcome_get(s, "x", &o, &e) == 0 && !o.outcome[0] && !o.actor[0]);
    CHECK(store_outcome_say(s, "x", "accepted", "alice", 5, &e) == 0);
    CHECK(store_outcome_say(s, "x", "accepted", "bob", 6, &e) == 0); /* the same once more changes nothing */
    CHECK(store_outcome_get(s, "x", &o, &e) == 0 && strcmp(o.outcome, "accepted") == 0 &&
          strcmp(o.actor, "alice") == 0 && o.said_ms == 5);
    CHECK(store_outcome_say(s, "x", "rejected", "bob", 7, &e) < 0 && e.code == ERR_CONFLICT && strstr(e.text, "alice"));
    CHECK(store_outcome_is(s, "x", "accepted", &is, NULL) == 0 && is);
    CHECK(store_outcome_is(s, "x", "rejected", &is, NULL) == 0 && !is);
    e = (struct err)ERR_INIT;
    CHECK(store_outcome_say(s, "y", "activated", "bob", 7, &e) < 0); /* no word of the table */
}

static void admit(const char *changes) {
    struct err e = ERR_INIT;
    char id[96];
    struct admission a;
    cJSON *doc = admission_template(ADMIT_SOURCE), *change = cJSON_Parse(changes);
    NEED(doc && change);
    for (cJSON *x; (x = change->child) != NULL;) {
        char name[64];
        snprintf(name, sizeof name, "%s", x->string);
        cJSON_DetachItemViaPointer(change, x);
        cJSON_DeleteItemFromObjectCaseSensitive(doc, name);
        json_put(doc, name, x);
    }
    AUTO_FREE char *text = cJSON_Print(doc);
    cJSON_Delete(doc);
    cJSON_Delete(change);
    if (!CHECK(admission_read(ADMIT_SOURCE, "x", text, strlen(text), &a, &e) == 0)) fprintf(stderr, "%s\n", e.text);
    if (!CHECK(store_admission_add(s, &a, text, strlen(text), "alice", id, &e) == 0)) fprintf(stderr, "%s\n", e.text);
    admission_release(&a);
}

static bool fresh(const char *engine, int64_t checked_ms, enum freshness want, const char *word) {
    struct source_fresh r;
    source_fresh_read(&r, engine_find(engine), s, checked_ms);
    const bool fine = r.state == want && strstr(r.why, word) && (want == FRESH) == !r.why[0];
    if (!fine) fprintf(stderr, "    %s: %s\n", freshness_name(r.state), r.why);
    return fine;
}

#define ADMITTED                                                                                                      \
    "\"status\":\"admitted\",\"license_note\":\"resolved\",\"commit_date\":\"2020-01-01\",\"retrieval_date\":\"2020-" \
    "01-01\""

static void test_source(void) {
    struct source_fresh r;
    const int64_t later = clock_real_ms() + 100000;
    CHECK(fresh("exec", 0, FRESH_NOT_APPLICABLE, "exec"));
    CHECK(fresh("case", 0, FRESH_MISSING, "workos-case"));
    source_fresh_read(&r, engine_find("case"), NULL, 0);
    CHECK(r.state == FRESH_MISSING);
    admit("{" ADMITTED ",\"license_note\":\"unresolved\",\"approval_source\":\"a\"}");
    CHECK(fresh("case", later, FRESH_STALE, "license"));
    admit("{" ADMITTED ",\"approval_source\":\"b\"}");
    CHECK(fresh("case", later, FRESH, "") && fresh("case", 0, FRESH, ""));
    CHECK(fresh("case", 1000, FRESH_STALE, "anew")); /* what was checked then was another source */
    admit("{" ADMITTED ",\"status\":\"not_admitted\",\"approval_source\":\"c\"}");
    CHECK(fresh("case", later, FRESH_STALE, "not_admitted"));
    admit("{" ADMITTED ",\"approval_source\":\"d\"}");
    source_fresh_read(&r, engine_find("case"), s, later);
    CHECK(r.state == FRESH && strlen(r.pin) == 40 && strlen(r.sha256) == 64);
    NEED(store_admission_revoke(s, "source", r.id, "alice", "no more", NULL) == 0);
    CHECK(fresh("case", later, FRESH_STALE, "revoked"));
    cJSON *o = source_fresh_json(&r);
    CHECK(strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(o, "status")), "fresh") == 0);
    cJSON_Delete(o);
}

int main(void) {
    struct err e = ERR_INIT;
    fixture_home(&f);
    NEED(store_open(f.home.store, true, &s, &e) == 0);
    test_said();
    test_source();
    store_close(s);
    fixture_free(&f);
    return check_done();
}
