-- The store: index and durable state. The evidence itself is the files of a run directory; a row never replaces them.
-- Stamps are milliseconds since 1970 UTC. Names of states, verdicts and reasons are text: a row reads without the program.
-- Change: raise user_version here and STORE_VERSION, add the step to the migrations in supervisor/store.c. Forward only.
PRAGMA application_id = 1129598792; -- "CTOH"
PRAGMA user_version = 5;

CREATE TABLE supervisors (
    id         TEXT PRIMARY KEY NOT NULL,
    pid        INTEGER NOT NULL,
    started_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE cases (
    id        TEXT PRIMARY KEY NOT NULL,
    title     TEXT NOT NULL,
    kind      TEXT NOT NULL,
    last_used INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE matrices (
    id            TEXT PRIMARY KEY NOT NULL,
    kind          TEXT NOT NULL,
    backend       TEXT NOT NULL,
    supervisor_id TEXT, -- who runs it, while it is not finished
    started_at    INTEGER NOT NULL,
    finished_at   INTEGER,
    planned       INTEGER NOT NULL DEFAULT 0,
    passed        INTEGER NOT NULL DEFAULT 0,
    failed        INTEGER NOT NULL DEFAULT 0,
    blocked       INTEGER NOT NULL DEFAULT 0,
    unexpected    INTEGER NOT NULL DEFAULT 0,
    interrupted   INTEGER NOT NULL DEFAULT 0,
    report_path   TEXT,
    report_sha256 TEXT
) WITHOUT ROWID;
CREATE INDEX matrices_by_start ON matrices (started_at);

CREATE TABLE runs (
    id            INTEGER PRIMARY KEY,
    run_id        TEXT NOT NULL UNIQUE,
    case_id       TEXT NOT NULL REFERENCES cases (id),
    backend       TEXT NOT NULL,
    matrix_id     TEXT REFERENCES matrices (id),
    attempt       INTEGER NOT NULL DEFAULT 1,
    supervisor_id TEXT NOT NULL REFERENCES supervisors (id),
    generation    INTEGER NOT NULL,
    state         TEXT NOT NULL,
    verdict       TEXT CHECK (verdict IN ('pass', 'fail', 'blocked')),
    started_at    INTEGER NOT NULL,
    finished_at   INTEGER,
    run_dir       TEXT NOT NULL,
    work_dir      TEXT NOT NULL,
    baseline_head TEXT,
    result_head   TEXT,
    report_sha256 TEXT,
    sums_sha256   TEXT,
    events_head   TEXT,
    events_count  INTEGER,
    bytes         INTEGER,
    CHECK ((state = 'done') = (verdict IS NOT NULL)),
    CHECK (verdict IS NULL OR (finished_at IS NOT NULL AND report_sha256 IS NOT NULL))
);
CREATE INDEX runs_by_start ON runs (started_at, id);
CREATE INDEX runs_by_verdict ON runs (verdict, started_at, id);
CREATE INDEX runs_by_backend ON runs (backend, started_at, id);
CREATE INDEX runs_by_case ON runs (case_id, started_at, id);
CREATE INDEX runs_by_matrix ON runs (matrix_id, started_at, id) WHERE matrix_id IS NOT NULL;
CREATE INDEX runs_unfinished ON runs (started_at, id) WHERE state <> 'done';

CREATE TABLE transitions (
    run        INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    n          INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    state      TEXT NOT NULL,
    at         INTEGER NOT NULL,
    mono_us    INTEGER NOT NULL,
    PRIMARY KEY (run, n)
) WITHOUT ROWID;

CREATE TABLE events (
    run  INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    seq  INTEGER NOT NULL,
    type TEXT NOT NULL,
    at   INTEGER NOT NULL,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;

CREATE TABLE artifacts (
    run        INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    path       TEXT NOT NULL,
    size       INTEGER NOT NULL,
    sha256     TEXT NOT NULL,
    written_at INTEGER NOT NULL,
    PRIMARY KEY (run, path)
) WITHOUT ROWID;

CREATE TABLE blockers (
    run    INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    n      INTEGER NOT NULL,
    reason TEXT NOT NULL,
    class  TEXT NOT NULL,
    event  TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (run, n)
) WITHOUT ROWID;
CREATE INDEX blockers_by_reason ON blockers (reason, run);

-- One place of a matrix; claimed once per generation.
CREATE TABLE cells (
    matrix_id  TEXT NOT NULL REFERENCES matrices (id),
    n          INTEGER NOT NULL,
    case_id    TEXT NOT NULL,
    backend    TEXT NOT NULL,
    model      TEXT,
    repeat     INTEGER NOT NULL DEFAULT 1,
    state      TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'claimed', 'done')),
    generation INTEGER NOT NULL DEFAULT 0,
    run_id     TEXT,
    PRIMARY KEY (matrix_id, n)
) WITHOUT ROWID;

-- What somebody asks to be allowed: it allows nothing by itself.
CREATE TABLE requests (
    n          INTEGER PRIMARY KEY, -- grows
    id         TEXT NOT NULL UNIQUE,
    task_id    TEXT NOT NULL,
    backend    TEXT NOT NULL,
    actor      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    scope      TEXT NOT NULL, -- digest of what a run must be like to use its approval
    document   TEXT NOT NULL
);

-- What a human said to a request. granted -> claimed by one run -> consumed, or back to granted when nothing of that run was
-- started. denied and revoked are final. The newest of a scope counts.
CREATE TABLE approvals (
    n           INTEGER PRIMARY KEY, -- grows
    id          TEXT NOT NULL UNIQUE,
    request_id  TEXT NOT NULL REFERENCES requests (id),
    scope       TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('granted', 'denied', 'claimed', 'consumed', 'revoked')),
    actor       TEXT NOT NULL,
    decided_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    why         TEXT NOT NULL DEFAULT '',
    run_id      TEXT UNIQUE, -- the one run that it was for
    run_verdict TEXT,
    revoked_at  INTEGER,
    revoked_by  TEXT,
    CHECK ((state IN ('claimed', 'consumed')) = (run_id IS NOT NULL)),
    CHECK ((state = 'revoked') = (revoked_at IS NOT NULL) AND (revoked_at IS NULL) = (revoked_by IS NULL))
);
CREATE INDEX approvals_by_scope ON approvals (scope, n);
CREATE INDEX approvals_by_request ON approvals (request_id, n);

-- Records by which people decide what may be used. The newest of a subject counts, also when it says no or was revoked: an older
-- one never comes back by itself.
CREATE TABLE admissions (
    n           INTEGER PRIMARY KEY, -- grows
    id          TEXT NOT NULL UNIQUE,
    kind        TEXT NOT NULL CHECK (kind IN ('model', 'source', 'executable', 'target', 'decision')),
    subject     TEXT NOT NULL,
    status      TEXT NOT NULL,
    actor       TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    digest      TEXT NOT NULL, -- of the bytes of `record`
    record      TEXT NOT NULL,
    revoked_at  INTEGER,
    revoked_by  TEXT,
    revoked_why TEXT,
    CHECK ((revoked_at IS NULL) = (revoked_by IS NULL) AND (revoked_at IS NULL) = (revoked_why IS NULL))
);
CREATE INDEX admissions_by_subject ON admissions (kind, subject, n);

-- Journal of landings on target repositories (supervisor/land.h): written before the target is, so that whoever comes after a
-- crash knows what was meant. A row that is not finished is looked at by every command that writes; one whose branch was not
-- moved is removed.
CREATE TABLE landings (
    run_id      TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('land', 'revert')),
    target      TEXT NOT NULL,
    branch      TEXT NOT NULL,
    old_head    TEXT NOT NULL,
    new_head    TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('journalled', 'conflict', 'finished')),
    why         TEXT NOT NULL DEFAULT '', -- of a conflict
    started_at  INTEGER NOT NULL,
    finished_at INTEGER,
    PRIMARY KEY (run_id, kind),
    CHECK ((state = 'finished') = (finished_at IS NOT NULL))
) WITHOUT ROWID;
CREATE INDEX landings_unfinished ON landings (target) WHERE state <> 'finished';

CREATE TABLE outcomes (
    subject     TEXT PRIMARY KEY NOT NULL, -- run or comparison
    outcome     TEXT NOT NULL CHECK (outcome IN ('accepted', 'rejected')),
    actor       TEXT NOT NULL,
    recorded_at INTEGER NOT NULL
) WITHOUT ROWID;

-- A run whose result was landed on somebody's repository, from before the landing until a human has said whether it stays. What
-- record, since and due are is also said by the run's events (result.landing), so that a row that was changed is found.
CREATE TABLE waiting (
    run             INTEGER PRIMARY KEY NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    evidence_sha256 TEXT NOT NULL, -- of the run directory as it was then
    events_bytes    INTEGER NOT NULL,
    since           INTEGER NOT NULL,
    due             INTEGER NOT NULL, -- then it is reverted
    record          TEXT NOT NULL,
    outcome         TEXT CHECK (outcome IN ('accepted', 'rejected', 'missing')),
    actor           TEXT,
    said_at         INTEGER,
    CHECK ((outcome IS NULL) = (said_at IS NULL))
);

CREATE TABLE stage_proofs (
    backend     TEXT NOT NULL,
    stage       INTEGER NOT NULL,
    build_id    TEXT NOT NULL,
    proof_kind  TEXT NOT NULL CHECK (proof_kind IN ('real', 'double')),
    proven_at   INTEGER NOT NULL,
    report_path TEXT NOT NULL,
    sha256      TEXT NOT NULL,
    PRIMARY KEY (backend, stage, build_id, proof_kind)
) WITHOUT ROWID;

CREATE TABLE gateway_requests (
    run        INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    n          INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    path       TEXT NOT NULL,
    model      TEXT,
    outcome    TEXT,
    status     INTEGER,
    tokens_in  INTEGER,
    tokens_out INTEGER,
    latency_us INTEGER,
    bytes      INTEGER,
    PRIMARY KEY (run, n)
) WITHOUT ROWID;

-- Circuit breaker of a model's endpoint, which is known here by a part of a digest. Runs of several supervisors share it.
CREATE TABLE endpoints (
    name         TEXT PRIMARY KEY,
    failures     INTEGER NOT NULL, -- of infrastructure, one after the other
    retry_at     INTEGER NOT NULL, -- 0: closed; else nobody asks before that (real ms), and then one
    last_outcome TEXT NOT NULL,
    at           INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE ledger (
    leaf   INTEGER PRIMARY KEY, -- position in the tree, from 0, without gaps
    run_id TEXT NOT NULL UNIQUE,
    sha256 TEXT NOT NULL,
    at     INTEGER NOT NULL
);

CREATE TABLE checkpoints (
    size INTEGER PRIMARY KEY,
    root TEXT NOT NULL,
    note TEXT NOT NULL,
    at   INTEGER NOT NULL
);
