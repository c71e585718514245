/* filter_gen.h - between the table of system calls (filter_gen.c) and the compiler of programs (filter_gen_emit.c), both
 * parts of the build-time generator.
 */
#ifndef CTO_SANDBOX_FILTER_GEN_H
#define CTO_SANDBOX_FILTER_GEN_H

#include <stddef.h>
#include <stdint.h>

/* A call above this number is ENOSYS, whatever it is. Nothing above it may have an allowing row. */
#define SYSCALLS_NEWEST_KNOWN 451

#if defined(__x86_64__)
#define NATIVE_AUDIT_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_AUDIT_ARCH AUDIT_ARCH_AARCH64
#else
#error "the sandbox knows x86_64 and aarch64"
#endif
#define X32_BIT 0x40000000u

/* The low 32 bits of an argument under `mask` equal `value`. No rule looks at the high ones: the kernel does not either. */
struct check {
    uint32_t arg, mask, value;
};
#define MAX_CHECKS 3
struct alternative { /* all of its checks hold */
    uint32_t n;
    struct check c[MAX_CHECKS];
};
#define MAX_ALTERNATIVES 64
enum decision_kind { REFUSE, NO_SUCH_CALL, PERMIT, PERMIT_IF };
struct decision {
    enum decision_kind kind;
    uint32_t n; /* PERMIT_IF: any of these holds */
    struct alternative v[MAX_ALTERNATIVES];
};

struct sock_filter;

void die(const char *what, int error) __attribute__((noreturn));
/* Writes a program that decides as d[0..SYSCALLS_NEWEST_KNOWN] says and answers a refused call with the action `refuse`;
 * returns its length. */
size_t compile_program(const struct decision *d, uint32_t refuse, struct sock_filter *out, size_t max);

#endif
