/* evidence_internal.h - shared by evidence*.c, contract.c and seal.c only: the open run directory. */
#ifndef CTO_SUPERVISOR_EVIDENCE_INTERNAL_H
#define CTO_SUPERVISOR_EVIDENCE_INTERNAL_H

#include "supervisor/evidence.h"

#define EVIDENCE_MAX_MARKERS 24
#define EVIDENCE_MAX_TYPES 128
#define EVIDENCE_TRACE_MAX (8u << 20)
#define EVIDENCE_AHEAD (16u << 10) /* of events and trace each, set aside at the start: an agent may fill the disk */
#define EVIDENCE_MARKER_MAX (256u << 10)

/* Fixed places; markers follow. */
enum evidence_slot {
    SLOT_EVENTS,
    SLOT_TRACE,
    SLOT_CONTRACT,
    SLOT_PATCH,
    SLOT_TEST_LOG,
    SLOT_STDOUT,
    SLOT_STDERR,
    SLOT_CASE_EVENTS,
    SLOT_CASE_TASK,
    SLOT_CASE_NOTES,
    SLOT_FIXED
};

struct evidence_file {
    char path[96]; /* below the run directory */
    int fd;        /* -1: not open */
    bool exists;   /* made by us: from here on its size is known */
    uint64_t size;
    int64_t written_ms; /* our clock, at the last write */
};

struct evidence_index { /* compact seal_event */
    uint32_t seq;
    uint16_t type;
    int64_t ts_ms;
};

struct evidence {
    int dir; /* the run directory */
    char run_id[RUN_ID_MAX], case_id[CASE_ID_MAX + 1], backend[32];
    int64_t real0_ms; /* our clock: real time at the start, advanced by the monotonic one: it never steps back */
    uint64_t mono0_us;
    struct evidence_file *files; /* the fixed ones and those that were added; moves when one is */
    int n_files;
    uint64_t bytes, bulk_bytes;
    int64_t budget;
    bool reopened; /* by recovery: files may be there already */

    uint32_t seq; /* of the last event */
    char prev[DIGEST_HEX_SIZE];
    char **types; /* distinct, in order of first occurrence; owned */
    int n_types, last_type;
    struct evidence_index *index;
    int n_index, cap_index;

    struct secrets *secrets;                       /* borrowed, or NULL */
    struct redact_stream *streams[SECRET_STREAMS]; /* owned, made at the first byte */
    struct secret_scan scans[SECRET_STREAMS];
    bool patch_withheld;
};

/* The files that only the sealing writes, NULL-terminated: what of them a dead supervisor left goes. */
extern const char *const evidence_of_the_seal[];

struct evidence *evidence_new(const struct run_record *r);
int64_t evidence_now(const struct evidence *ev);
/* One more file, neither open nor there yet. Pointers into ev->files are void after it. */
struct evidence_file *evidence_add_file(struct evidence *ev, const char *path);
/* Appends to a file, making it when it is not there. All or nothing when `line`: what could be written of it is cut
 * off. */
int evidence_append(struct evidence *ev, int slot, const void *p, size_t n, bool line, struct err *e);
int evidence_flush_stream(struct evidence *ev, enum secret_place where, struct err *e);
void evidence_streams_release(struct evidence *ev);
/* Notes an event that is in the file already. -1: too many distinct types. */
int evidence_note_event(struct evidence *ev, const char *type, uint32_t seq, int64_t ts_ms);
/* Is the line (without its newline) what evidence_event() would write now for this type, time and data? */
bool evidence_is_event(const struct evidence *ev, const char *line, size_t n, const char *type, int64_t at,
                       const cJSON *data);
/* Are the required types that occurred in their order? *ret_absent: the first that did not occur, or NULL; returns the
 * first that came too early or late, or NULL. */
const char *evidence_misplaced(const char *const *types, size_t n_types, const char *const *required, size_t n_required,
                               const char **ret_absent);
/* What a pass has to show: the case's list, else the usual one, with the approval where one is required. */
size_t evidence_required_pass(const struct cto_case *c, const char *const **ret);
/* The same of this run: one on somebody's repository also shows the human's word. */
size_t evidence_required_whole(const struct run_record *r, const char *const **ret);
/* What this run has to show: that, or the few of a preflight block. */
size_t evidence_required(const struct run_record *r, const char *const **ret);
char *contract_text(const struct run_record *r); /* malloc'd */

#endif
