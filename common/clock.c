/* clock.c - see clock.h. gmtime_r and timegm do the calendar; nothing here depends on the time zone of the host. */
#include "common/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t clock_mono_us(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

int64_t clock_real_ms(void) {
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void split(int64_t real_ms, struct tm *tm, int *ms) {
    time_t s = (time_t)(real_ms / 1000);
    *ms = (int)(real_ms % 1000);
    if (*ms < 0) {
        *ms += 1000;
        s--;
    }
    gmtime_r(&s, tm);
}

void clock_stamp(int64_t real_ms, char out[CLOCK_STAMP_SIZE]) {
    struct tm tm;
    int ms;
    char text[80];
    split(real_ms, &tm, &ms);
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
             tm.tm_hour, tm.tm_min, tm.tm_sec, ms);
    snprintf(out, CLOCK_STAMP_SIZE, "%.24s", text);
}

void clock_compact(int64_t real_ms, char out[CLOCK_COMPACT_SIZE]) {
    struct tm tm;
    int ms;
    split(real_ms, &tm, &ms);
    if (strftime(out, CLOCK_COMPACT_SIZE, "%Y%m%dT%H%M%SZ", &tm) == 0) out[0] = '\0';
}

int clock_parse_stamp(const char *s, int64_t *ret_ms) {
    struct tm tm = {0};
    int ms = 0, used = 0;
    const char *whole = s;
    char again[CLOCK_STAMP_SIZE];
    if (sscanf(s, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
               &tm.tm_sec, &used) != 6 ||
        used != 19)
        return -1;
    s += used;
    if (*s == '.') {
        int n = 0;
        if (sscanf(s, ".%3d%n", &ms, &n) != 1 || n != 4) return -1;
        s += n;
    }
    if (strcmp(s, "Z") != 0) return -1;
    if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 ||
        tm.tm_sec > 60 || ms < 0)
        return -1;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    int64_t value = (int64_t)timegm(&tm) * 1000 + ms;
    clock_stamp(
        value,
        again); /* scanf takes signs and spaces, timegm takes February 30th: what we would not write is refused */
    if (strncmp(whole, again, s - whole > 19 ? 23 : 19) != 0) return -1;
    *ret_ms = value;
    return 0;
}

/* "+hh:mm" or "-hh:mm" in minutes; what RFC 3339 does not write ("+1:00", "+24:00") is refused. */
static int parse_offset(const char *s, int *ret_minutes) {
    int sign = s[0] == '+' ? 1 : s[0] == '-' ? -1 : 0;
    if (sign == 0 || strlen(s) != 6 || s[3] != ':') return -1;
    for (int i = 1; i < 6; i++)
        if (i != 3 && (s[i] < '0' || s[i] > '9')) return -1;
    int hours = (s[1] - '0') * 10 + s[2] - '0', minutes = (s[4] - '0') * 10 + s[5] - '0';
    if (hours > 23 || minutes > 59) return -1;
    *ret_minutes = sign * (hours * 60 + minutes);
    return 0;
}

int clock_parse_when(const char *s, int64_t *ret_ms) {
    char utc[CLOCK_STAMP_SIZE];
    size_t n = strlen(s);
    int minutes = 0;
    if (n == 10) {
        snprintf(utc, sizeof utc, "%.10sT00:00:00Z", s);
        return clock_parse_stamp(utc, ret_ms);
    }
    if (n < 20) return -1;
    const char *p = s + 19;
    int digits = 0;
    if (*p == '.') {
        while (p[1 + digits] >= '0' && p[1 + digits] <= '9') digits++;
        if (digits < 1 || digits > 9) return -1;
        p += 1 + digits;
    }
    if (strcmp(p, "Z") != 0 && parse_offset(p, &minutes) < 0) return -1;
    snprintf(utc, sizeof utc, "%.19sZ", s);
    if (clock_parse_stamp(utc, ret_ms) < 0) return -1;
    int ms = 0;
    for (int i = 0; i < 3; i++) ms = ms * 10 + (i < digits ? s[20 + i] - '0' : 0);
    *ret_ms += ms - (int64_t)minutes * 60000;
    return 0;
}

int clock_left_ms(uint64_t deadline_us) {
    if (deadline_us == 0) return -1;
    uint64_t now = clock_mono_us();
    if (now >= deadline_us) return 0;
    uint64_t ms = (deadline_us - now + 999) / 1000;
    return ms > 1000000000u ? 1000000000 : (int)ms;
}
