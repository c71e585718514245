/* denials.c - see denials.h. A worker says each call once when it is first refused, and once more at the end when there were
 * several; anything else is a violation, so that no worker can lengthen the chain of events at will. */
#include "supervisor/denials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "supervisor/seal.h"

static const char *by_name(unsigned by) { return by == DENIED_BY_ENGINE ? "engine" : "verifier"; }

static struct denied_call *find(struct run_record *rec, const struct denied_call *like) {
    for (int i = 0; i < rec->n_denied; i++) {
        struct denied_call *d = &rec->denied[i];
        if (d->by == like->by && d->command == like->command && strcmp(d->name, like->name) == 0) return d;
    }
    return NULL;
}

static struct denied_call *add(struct run_record *rec, const struct denied_call *d) {
    if (rec->n_denied == RECORD_MAX_DENIED) {
        rec->denied_truncated = true;
        return NULL;
    }
    if (!rec->denied) rec->denied = calloc(RECORD_MAX_DENIED, sizeof *rec->denied);
    BUG_UNLESS(rec->denied != NULL);
    rec->denied[rec->n_denied] = *d;
    return &rec->denied[rec->n_denied++];
}

static bool valid_name(const char *s) {
    return s[0] != '\0' && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(s);
}

static int read_call(struct rd *rd, unsigned *kind, struct denied_call *d) {
    d->by = rd_u8(rd);
    d->command = rd_u16(rd);
    *kind = rd_u8(rd);
    rd_str(rd, d->name, sizeof d->name);
    d->count = rd_u64(rd);
    for (int i = 0; i < DENIED_ARGS; i++) d->args[i] = rd_u64(rd);
    return rd->bad || (d->by != DENIED_BY_ENGINE && d->by != DENIED_BY_VERIFIER) ? -1 : 0;
}

int denials_take(struct run_record *rec, struct rd *rd, const struct denied_call **ret, struct err *e) {
    struct denied_call d = {0};
    unsigned kind = 0;
    *ret = NULL;
    if (read_call(rd, &kind, &d) < 0 || (d.by == DENIED_BY_ENGINE && d.command != 0) ||
        (d.by == DENIED_BY_VERIFIER && d.command >= rec->c->n_verify))
        return err_set(e, ERR_PROTO, "DENIED: malformed");
    if (kind == DENIED_UNSEEN) {
        rec->denied_unseen = true;
        return d.name[0] ? err_set(e, ERR_PROTO, "DENIED: malformed") : 0;
    }
    if (!valid_name(d.name)) return err_set(e, ERR_PROTO, "DENIED: malformed");
    struct denied_call *known = find(rec, &d);
    if (kind == DENIED_FIRST && !known && d.count == 1) {
        *ret = add(rec, &d);
        return 0;
    }
    if (kind != DENIED_TOTAL || d.count < 2 || (known ? known->closed : !rec->denied_truncated))
        return err_set(e, ERR_PROTO, "DENIED: %s comes out of order", d.name);
    if (!known) return 0;
    known->count = d.count;
    known->closed = true;
    *ret = known;
    return 0;
}

cJSON *denials_event(const struct denied_call *d) {
    cJSON *o = cJSON_CreateObject(), *args = cJSON_CreateArray();
    BUG_UNLESS(o != NULL && args != NULL);
    json_put_str(o, "profile", by_name(d->by));
    if (d->by == DENIED_BY_VERIFIER) json_put_int(o, "command", d->command);
    json_put_str(o, "syscall", d->name);
    json_put_int(o, "count", d->count > INT64_MAX ? INT64_MAX : (int64_t)d->count);
    for (int i = 0; i < DENIED_ARGS; i++) {
        char text[24];
        snprintf(text, sizeof text, "0x%llx", (unsigned long long)d->args[i]);
        cJSON_AddItemToArray(args, cJSON_CreateString(text));
    }
    json_put(o, "arguments", args); /* of the first time; more than 53 bits are no number of JSON */
    return o;
}

cJSON *denials_json(const struct run_record *rec) {
    cJSON *o = cJSON_CreateObject(), *calls = cJSON_CreateArray();
    BUG_UNLESS(o != NULL && calls != NULL);
    uint64_t total = 0;
    for (int i = 0; i < rec->n_denied; i++) {
        total += rec->denied[i].count;
        cJSON_AddItemToArray(calls, denials_event(&rec->denied[i]));
    }
    json_put(o, "observed", rec->engine_started ? cJSON_CreateBool(!rec->denied_unseen) : cJSON_CreateNull());
    json_put_int(o, "total", total > INT64_MAX ? INT64_MAX : (int64_t)total);
    json_put_bool(o, "truncated", rec->denied_truncated);
    json_put(o, "calls", calls);
    return o;
}

void denials_md(struct buf *b, const struct run_record *rec) {
    buf_puts(b, "- blocked system calls: ");
    for (int i = 0; i < rec->n_denied; i++) {
        const struct denied_call *d = &rec->denied[i];
        buf_printf(b, "%s`%s`", i > 0 ? ", " : "", d->name);
        if (d->count > 1) buf_printf(b, " %llu times", (unsigned long long)d->count);
        if (d->by == DENIED_BY_VERIFIER)
            buf_printf(b, " (verification command %d)", d->command + 1);
        else
            buf_puts(b, " (engine)");
    }
    if (rec->denied_truncated) buf_puts(b, " and more");
    if (rec->n_denied == 0 && rec->engine_started && !rec->denied_unseen) buf_puts(b, "none");
    if (rec->n_denied == 0 && !rec->engine_started) buf_puts(b, "no engine was started");
    if (rec->denied_unseen)
        buf_printf(b, "%sthis host cannot observe them (they are refused all the same)", rec->n_denied > 0 ? "; " : "");
    buf_puts(b, "\n");
}
