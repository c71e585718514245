/* status_json.c - see status_json.h. No JSON library: the launcher is static and of libc alone, and everything that is written
 * here are numbers and words of our own. Nothing that the program said or named is in it. */
#include "sandbox/status_json.h"

#include <signal.h>
#include <string.h>

#include "common/io.h"
#include "sandbox/internal.h"

void status_json_text(struct buf *b, const char *s) {
    buf_puts(b, "\"");
    for (; *s; s++) {
        if ((unsigned char)*s < 0x20) continue;
        if (*s == '"' || *s == '\\') buf_puts(b, "\\");
        buf_put(b, s, 1);
    }
    buf_puts(b, "\"");
}

static void put_call(struct buf *b, const struct jail_denial *d) {
    buf_printf(b, "{\"syscall\":\"%s\",\"count\":%llu,\"arguments\":[", d->name, (unsigned long long)d->count);
    for (int i = 0; i < JAIL_DENIAL_ARGS; i++)
        buf_printf(b, "%s\"0x%llx\"", i ? "," : "", (unsigned long long)d->args[i]);
    buf_puts(b, "]}");
}

static void put_denied(struct buf *b, const struct status_json *s) {
    buf_puts(b, ",\"denied\":");
    if (!s->jail || !s->spec->observer) {
        buf_puts(b, "null");
        return;
    }
    const struct jail_denials *d = jail_denials(s->jail);
    buf_printf(b, "{\"observed\":%s,\"total\":%llu,\"calls\":[",
               jail_report(s->jail)->denials_observed ? "true" : "false", (unsigned long long)d->total);
    for (size_t i = 0; i < d->n; i++) {
        if (i) buf_puts(b, ",");
        put_call(b, &d->v[i]);
    }
    buf_puts(b, "]}");
}

static void put_limits(struct buf *b, const struct jail_spec *spec) {
    const struct jail_limits l = profile_limits(spec->profile, &spec->limits);
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {{"memory", l.memory_bytes},
                {"processes", l.processes},
                {"cpu", l.cpu_s},
                {"files", l.open_files},
                {"file-size", l.file_bytes},
                {"scratch", l.scratch_bytes},
                {"memory-total", l.total_memory_bytes}};
    bool first = true;
    buf_puts(b, ",\"limits\":{");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].value == 0) continue;
        buf_printf(b, "%s\"%s\":%llu", first ? "" : ",", rows[i].name, (unsigned long long)rows[i].value);
        first = false;
    }
    buf_puts(b, "}");
}

/* What can be told from how it ended; a program that was refused memory and went on is not known. */
static const char *limit_hit(const struct status_json *s) {
    if (strcmp(s->kind, "timed_out") == 0) return "timeout";
    if (strcmp(s->kind, "out_of_memory") == 0) return "memory-total";
    if (strcmp(s->kind, "signalled") != 0) return NULL;
    return s->code == SIGXCPU ? "cpu" : s->code == SIGXFSZ ? "file-size" : NULL;
}

static void put_jail(struct buf *b, const struct status_json *s) {
    const struct jail_report *r = jail_report(s->jail);
    const char *sep = "";
    buf_printf(b, ",\"mode\":\"%s\",\"mechanisms\":[", r->mode == JAIL_MODE_ROOT ? "root" : "user");
    for (unsigned i = 0; i < JAIL_M_COUNT; i++) {
        if (!(r->in_force >> i & 1)) continue;
        buf_puts(b, sep);
        status_json_text(b, jail_mechanism_name(i));
        sep = ",";
    }
    buf_printf(b, "],\"landlock_abi\":%d", r->landlock_abi);
}

void status_json_write(int fd, const struct status_json *s) {
    AUTO_BUF struct buf b = BUF_INIT(64u << 10);
    const char *hit = limit_hit(s);
    buf_printf(&b, "{\"kind\":\"%s\",\"code\":%d,\"cpu_us\":%llu,\"max_rss_kib\":%llu,\"processes\":%llu", s->kind,
               s->code, (unsigned long long)s->end->cpu_us, (unsigned long long)s->end->max_rss_kib,
               (unsigned long long)s->end->processes);
    buf_printf(&b, ",\"profile\":\"%s\"", jail_profile_name(s->spec->profile));
    if (s->jail) put_jail(&b, s);
    put_limits(&b, s->spec);
    buf_puts(&b, ",\"limit_hit\":");
    if (hit)
        status_json_text(&b, hit);
    else
        buf_puts(&b, "null");
    put_denied(&b, s);
    buf_puts(&b, "}\n");
    (void)io_write_full(fd, buf_str(&b), b.len, NULL); /* a reader that is gone does not change the exit status */
}

void status_json_denied(int fd, const struct jail_denial *d) {
    AUTO_BUF struct buf b = BUF_INIT(4096);
    put_call(&b, d);
    buf_puts(&b, "\n");
    (void)io_write_full(fd, buf_str(&b), b.len, NULL);
}
