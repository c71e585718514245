/* store_proofs.c - what validators proved, per backend and build. */
#include "supervisor/store_internal.h"

bool store_stage_proven(struct store *s, const char *backend, int stage, const char *build_id) {
    AUTO_RESET sqlite3_stmt *st = store_prepare(
        s, "SELECT 1 FROM stage_proofs WHERE backend = ?1 AND stage = ?2 AND build_id = ?3 AND proof_kind = 'real'",
        NULL);
    if (!st) return false;
    store_bind_text(st, 1, backend);
    sqlite3_bind_int(st, 2, stage);
    store_bind_text(st, 3, build_id);
    return sqlite3_step(st) == SQLITE_ROW;
}
