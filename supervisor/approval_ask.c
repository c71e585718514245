/* approval_ask.c - see approval_ask.h. */
#include "supervisor/approval_ask.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "supervisor/approval_now.h"

/* The document says its own id, so the id comes first; when another request takes it meanwhile, once more. */
int approval_ask(struct store *s, const struct gate_facts *f, const cJSON *scope, const char *actor,
                 struct store_request *ret, char **ret_document, struct err *e) {
    const struct approval_for of = gate_facts_approval(f);
    int rc = -1;
    for (int i = 0; i < 10 && rc < 0; i++) {
        *e = ERR_INIT;
        *ret = (struct store_request){.created_ms = clock_real_ms()};
        if (store_request_id(s, ret->id, e) < 0) break;
        cJSON *doc = approval_request(f->c, &of, scope, ret->id, actor, ret->created_ms);
        json_put(doc, "settings", approval_settings(f));
        char *text = cJSON_Print(doc);
        cJSON_Delete(doc);
        BUG_UNLESS(text != NULL);
        snprintf(ret->task_id, sizeof ret->task_id, "%s", f->c->id);
        snprintf(ret->backend, sizeof ret->backend, "%s", of.engine);
        snprintf(ret->actor, sizeof ret->actor, "%s", actor);
        approval_scope_digest(scope, ret->scope);
        ret->document = text;
        rc = store_request_add(s, ret, e);
        if (rc == 0)
            *ret_document = text;
        else
            cJSON_free(text);
        if (rc < 0 && e->code != ERR_CONFLICT) break;
    }
    return rc;
}
