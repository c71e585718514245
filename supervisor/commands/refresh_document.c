/* refresh_document.c - see refresh_run.h: the comparison as a document, and for people. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build_id.h"
#include "common/clock.h"
#include "supervisor/commands/refresh_run.h"
#include "supervisor/seal.h"
#include "supervisor/standing.h"

static const cJSON *get(const cJSON *o, const char *key) { return cJSON_GetObjectItemCaseSensitive(o, key); }

/* Exactly as it stands there, also when it is nothing. */
static void copy(cJSON *o, const char *key, const cJSON *from, const char *name) {
    const cJSON *x = get(from, name);
    json_put(o, key, x ? cJSON_Duplicate(x, true) : cJSON_CreateNull());
}

static cJSON *pass_json(const struct imported *p) {
    static const char *const from_proof[] = {"target_commit",
                                             "approval_source",
                                             "approval_id",
                                             "approval_actor",
                                             "approval_timestamp",
                                             "approval_scope_sha256",
                                             "changed_files",
                                             "result_tree",
                                             "target_repository_admission_id",
                                             "operator_outcome",
                                             "target_repository_admission_sha256"};
    cJSON *o = json_new_object();
    json_put_str(o, "case_id", p->row.case_id);
    json_put_str(o, "run_id", p->row.run_id);
    json_put_str(o, "backend", p->row.backend);
    json_put_str(o, "report", p->report_path);
    json_put_str(o, "report_sha256", p->row.report_sha256);
    json_put_str(o, "proof", p->proof_path);
    json_put_str(o, "proof_sha256", p->proof_sha256[0] ? p->proof_sha256 : NULL);
    for (size_t i = 0; i < sizeof from_proof / sizeof from_proof[0]; i++)
        copy(o, from_proof[i], p->proof, from_proof[i]);
    copy(o, "expected_changed_files", p->report, "changed_files");
    json_put_str(o, "target_read_only_status",
                 p->judged.dims[REFRESH_TARGET] == LANE_PASS ? REFRESH_STATUS_TARGET
                                                             : lane_status_name(p->judged.dims[REFRESH_TARGET]));
    json_put(o, "source_admission_freshness", source_fresh_json(&p->source));
    json_put_str(o, "status", lane_status_name(refresh_pass_status(&p->judged)));
    json_put(o, "dimensions", refresh_pass_json(&p->judged));
    return o;
}

static void put_path(cJSON *o, const char *key, const struct refresh *x, int i, bool proof) {
    json_put_str(o, key, i >= x->n ? NULL : proof ? x->passes[i].proof_path : x->passes[i].report_path);
}

static void put_stage6(cJSON *o, const struct refresh *x) {
    cJSON *c = json_new_object();
    json_put_str(c, "comparison_id", x->compared.id[0] ? x->compared.id : NULL);
    json_put_str(c, "path", x->stage6 ? x->compared.path : NULL);
    json_put_str(c, "sha256", x->stage6 ? x->compared.sha256 : NULL);
    json_put_str(c, "stage_status", rung_status_name(x->ladder.rungs[STAGE_COUNT].status));
    json_put_bool(c, "accepted", x->ladder.comparison_accepted);
    json_put(o, "stage6_comparison", c);
    copy(o, "failure_matrix_coverage", x->stage6, "failure_matrix_coverage");
    copy(o, "lanes", x->stage6, "lanes");
    copy(o, "fake_lane", get(x->stage6, "lanes"), "fake");
}

cJSON *refresh_document(const struct refresh *x) {
    cJSON *o = json_new_object(), *passes = cJSON_CreateArray();
    char stamp[CLOCK_STAMP_SIZE];
    BUG_UNLESS(passes != NULL);
    clock_stamp(x->made.made_ms, stamp);
    json_put_str(o, "schema_version", "1.0");
    json_put_str(o, "comparison_id", x->made.id);
    json_put_str(o, "comparison", comparison_kind_name(COMPARISON_REFRESH));
    json_put_str(o, "refresh_type", "stage6-real-governed-read-only");
    json_put_str(o, "made_at", stamp);
    json_put_str(o, "build_id", CTO_BUILD_ID);
    json_put_str(o, "backend", x->made.backend);
    put_path(o, "real_stage5_pass_report", x, 0, false);
    put_path(o, "real_stage5_proof", x, 0, true);
    put_path(o, "repeat_stage5_pass_report", x, 1, false);
    put_path(o, "repeat_stage5_proof", x, 1, true);
    for (int i = 0; i < x->n; i++) cJSON_AddItemToArray(passes, pass_json(&x->passes[i]));
    json_put(o, "real_stage5_passes", passes);
    json_put(o, "source_admission_freshness", source_fresh_json(&x->passes[0].source));
    put_stage6(o, x);
    json_put_int(o, "repeatability_required", LADDER_REPEATS);
    json_put_int(o, "repeatability_count", x->result.count);
    json_put_str(o, "repeatability_status", x->result.status);
    json_put_bool(o, "repeatability_passed", x->result.passed);
    json_put_str(o, "repeatability_rationale", x->result.why[0] ? x->result.why : NULL);
    json_put_bool(o, "candidate_default_repeatability_eligible", x->result.eligible);
    standing_put(o);
    return o;
}

char *refresh_text(const struct refresh *x) {
    AUTO_BUF struct buf b = BUF_INIT(1u << 20);
    buf_printf(&b, "# %s: repeatability of %s, %d of %d\n", x->result.status, x->made.backend, x->result.count,
               LADDER_REPEATS);
    if (x->result.why[0]) {
        buf_puts(&b, "\n");
        report_put_text(&b, x->result.why, true);
        buf_puts(&b, "\n");
    }
    for (int i = 0; i < x->n; i++) {
        const struct imported *p = &x->passes[i];
        buf_printf(&b, "\n## %s\n\n[%s](../%s/report.md)\n\n", p->row.case_id, p->row.run_id, p->row.run_id);
        for (int d = 0; d < REFRESH_DIMS; d++) {
            buf_printf(&b, "- %s %s%s", lane_status_name(p->judged.dims[d]), refresh_dim_name((enum refresh_dim)d),
                       p->judged.why[d][0] ? ": " : "");
            report_put_text(&b, p->judged.why[d], true);
            buf_puts(&b, "\n");
        }
    }
    buf_puts(&b, "\n" STANDING_SENTENCE);
    char *text = buf_detach(&b);
    BUG_UNLESS(text != NULL);
    return text;
}
