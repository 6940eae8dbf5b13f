#include "runner/sandbox/filter.h"

#include "base/err.h"
#include "runner/sandbox/rules.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define X32_BIT 0x40000000u

/* A jump goes at most 255 instructions far, so one call's rows must fit into that. */
#define BLOCK_MAX 250u

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOW_HALF  0u
#define HIGH_HALF 4u
#else
#define LOW_HALF  4u
#define HIGH_HALF 0u
#endif

static const uint32_t answers[] = {
    [RULE_ALLOW] = SECCOMP_RET_ALLOW,
    [RULE_TRAP] = SECCOMP_RET_TRAP,
    [RULE_NOSYS] = SECCOMP_RET_ERRNO | ENOSYS,
    [RULE_KILL] = SECCOMP_RET_KILL_PROCESS,
};

/* Past the end only the length grows; filter_build() looks at it once. */
static void emit(struct filter *f, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
    if (f->len < FILTER_MAX)
        f->code[f->len] = (struct sock_filter)BPF_JUMP(code, k, jt, jf);
    f->len++;
}

static void emit_return(struct filter *f, uint32_t answer)
{
    emit(f, BPF_RET | BPF_K, answer, 0, 0);
}

static void emit_load(struct filter *f, size_t offset)
{
    emit(f, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* A foreign architecture's numbers mean other calls (int 0x80, x32): the process ends. */
static void emit_architecture(struct filter *f)
{
    emit_load(f, offsetof(struct seccomp_data, arch));
    emit(f, BPF_JMP | BPF_JEQ | BPF_K, seccomp_arch_native(), 1, 0);
    emit_return(f, SECCOMP_RET_KILL_PROCESS);
    emit_load(f, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
    emit(f, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
    emit_return(f, SECCOMP_RET_KILL_PROCESS);
#endif
}

/* Compares one half of an argument; jumps of 0xff are set by emit_row() to the row's end. */
static void emit_half(struct filter *f, uint8_t arg, uint32_t half, uint32_t mask, uint32_t value)
{
    if (!mask)
        return;
    emit_load(f, offsetof(struct seccomp_data, args) + 8u * arg + half);
    if (mask != UINT32_MAX)
        emit(f, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
    emit(f, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 0xff);
}

static void emit_row(struct filter *f, const struct rule *r)
{
    uint32_t start = f->len;

    for (int i = 0; i < RULE_CONDITIONS; i++) {
        const struct rule_when *w = &r->when[i];
        uint64_t value = w->self ? (uint64_t)getpid() : w->value;

        emit_half(f, w->arg, LOW_HALF, (uint32_t)w->mask, (uint32_t)value);
        emit_half(f, w->arg, HIGH_HALF, (uint32_t)(w->mask >> 32), (uint32_t)(value >> 32));
    }
    emit_return(f, answers[r->action]);
    for (uint32_t i = start; i < f->len && i < FILTER_MAX; i++)
        if (f->code[i].code == (BPF_JMP | BPF_JEQ | BPF_K))
            f->code[i].jf = (uint8_t)(f->len - i - 1);
}

static int active(const struct rule *r, uint32_t sets)
{
    return (r->sets & sets) && !(r->unless & sets);
}

static int has_condition(const struct rule *r)
{
    return r->when[0].mask != 0;
}

/* The first active row of a call stands for the call. */
static int leads(const struct rule *r, uint32_t sets)
{
    if (!active(r, sets))
        return 0;
    for (const struct rule *other = sandbox_rules; other != r; other++)
        if (active(other, sets) && strcmp(other->call, r->call) == 0)
            return 0;
    return 1;
}

/* All active rows of the call of r, ended by a refusal. */
static void emit_call(struct filter *f, const struct rule *first, uint32_t sets)
{
    int nr = seccomp_syscall_resolve_name(first->call);
    int open_end = 1;
    uint32_t start = f->len;

    if (nr < 0)
        return;
    emit(f, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 0);
    for (const struct rule *r = first; r->call && open_end; r++) {
        if (!active(r, sets) || strcmp(r->call, first->call) != 0)
            continue;
        emit_row(f, r);
        open_end = has_condition(r);
    }
    if (open_end)
        emit_return(f, SECCOMP_RET_ERRNO | EPERM);
    if (f->len - start > BLOCK_MAX)
        f->len = FILTER_MAX + 1;
    else if (start < FILTER_MAX)
        f->code[start].jf = (uint8_t)(f->len - start - 1);
}

int filter_build(uint32_t sets, struct filter *ret_filter, struct aiex_error *err)
{
    ret_filter->len = 0;
    emit_architecture(ret_filter);
    /* The kernel caches calls that are allowed whatever their arguments; the program really runs
     * for the others, so these come first. */
    for (int conditional = 1; conditional >= 0; conditional--)
        for (const struct rule *r = sandbox_rules; r->call; r++)
            if (has_condition(r) == conditional && leads(r, sets))
                emit_call(ret_filter, r, sets);
    emit_return(ret_filter, SECCOMP_RET_ERRNO | EPERM);
    if (ret_filter->len > FILTER_MAX)
        return fail(err, -E2BIG, "sandbox: the rules do not fit into a filter of %u instructions",
                    FILTER_MAX);
    return 0;
}

int filter_load(const struct filter *filter, int log, struct aiex_error *err)
{
    struct sock_fprog program = {(unsigned short)filter->len, (struct sock_filter *)filter->code};
    unsigned flags = SECCOMP_FILTER_FLAG_TSYNC | (log ? SECCOMP_FILTER_FLAG_LOG : 0);
    long rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);

    if (rc == 0)
        return 0;
    if (rc > 0)
        return fail(err, -EBUSY, "sandbox: thread %ld has a seccomp filter of its own", rc);
    if (errno == ENOSYS || errno == EINVAL)
        return fail(err, -ENOSYS, "sandbox: this kernel has no seccomp filters");
    rc = -errno;
    return fail(err, (int)rc, "sandbox: the seccomp filter was refused: %s", strerror((int)-rc));
}
