/* clock.h - two clocks: monotonic for durations and deadlines, real time for stamps people read. */
#ifndef CTO_COMMON_CLOCK_H
#define CTO_COMMON_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t clock_mono_us(void); /* CLOCK_MONOTONIC in microseconds */
int64_t clock_real_ms(void);  /* milliseconds since 1970 UTC */

#define CLOCK_STAMP_SIZE 25 /* "2026-11-22T11:19:14.123Z" + NUL */
void clock_stamp(int64_t real_ms, char out[CLOCK_STAMP_SIZE]);
/* RFC 3339 UTC with optional milliseconds; -1 when it is not one. */
int clock_parse_stamp(const char *s, int64_t *ret_ms);
#define CLOCK_COMPACT_SIZE 17 /* "20261122T111914Z" + NUL */
void clock_compact(int64_t real_ms, char out[CLOCK_COMPACT_SIZE]);

/* Milliseconds left until a monotonic deadline, for poll(): 0 when passed; -1 when deadline_us is 0 (none). */
int clock_left_ms(uint64_t deadline_us);

#endif
