/*
 * sandbox_filter_test.c - the program against the table: a small interpreter of classic BPF runs
 * what filter_build() made, a plain reading of the rows says what it must answer. For every
 * combination of sets and every row: arguments that fit, each masked bit flipped, both halves.
 */
#include "test.h"

#include "runner/sandbox/filter.h"
#include "runner/sandbox/profile.h"
#include "runner/sandbox/rules.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define N_SETS   1024u /* all subsets of SET_*; SET_BASE is always in */
#define MAX_ROWS 400

/* The number of a row's call; looked up once. */
static int number_of(const struct rule *r)
{
    static int numbers[MAX_ROWS];
    size_t row = (size_t)(r - sandbox_rules);

    if (!numbers[row])
        numbers[row] = seccomp_syscall_resolve_name(r->call) + 1000000;
    return numbers[row] - 1000000;
}

static uint32_t load(const struct seccomp_data *d, uint32_t offset)
{
    uint32_t word = 0;

    if (offset <= sizeof *d - sizeof word)
        memcpy(&word, (const char *)d + offset, sizeof word);
    return word;
}

/* The answer, or UINT32_MAX when the program leaves its bounds or uses something unknown. */
static uint32_t run(const struct filter *f, const struct seccomp_data *d)
{
    uint32_t a = 0;

    for (uint32_t pc = 0; pc < f->len; pc++) {
        const struct sock_filter *op = &f->code[pc];

        switch (op->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            a = load(d, op->k);
            break;
        case BPF_ALU | BPF_AND | BPF_K:
            a &= op->k;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            pc += a == op->k ? op->jt : op->jf;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            pc += a >= op->k ? op->jt : op->jf;
            break;
        case BPF_RET | BPF_K:
            return op->k;
        default:
            return UINT32_MAX;
        }
    }
    return UINT32_MAX;
}

static int holds(const struct rule *r, const struct seccomp_data *d)
{
    for (int i = 0; i < RULE_CONDITIONS; i++) {
        const struct rule_when *w = &r->when[i];
        uint64_t value = w->self ? (uint64_t)getpid() : w->value;

        if ((d->args[w->arg] & w->mask) != (w->mask ? value : 0))
            return 0;
    }
    return 1;
}

static uint32_t meant(uint32_t sets, const struct seccomp_data *d)
{
    for (const struct rule *r = sandbox_rules; r->call; r++) {
        if (!(r->sets & sets) || (r->unless & sets))
            continue;
        if (number_of(r) != d->nr || !holds(r, d))
            continue;
        switch (r->action) {
        case RULE_ALLOW:
            return SECCOMP_RET_ALLOW;
        case RULE_TRAP:
            return SECCOMP_RET_TRAP;
        case RULE_NOSYS:
            return SECCOMP_RET_ERRNO | ENOSYS;
        case RULE_KILL:
            return SECCOMP_RET_KILL_PROCESS;
        }
    }
    return SECCOMP_RET_ERRNO | EPERM;
}

static int differs(const struct filter *f, uint32_t sets, const struct seccomp_data *d)
{
    uint32_t is = run(f, d);
    uint32_t should = meant(sets, d);

    if (is == should)
        return 0;
    fprintf(stderr, "\n  sets %x call %d args %llx %llx %llx %llx: %x, not %x", sets, d->nr,
            (unsigned long long)d->args[0], (unsigned long long)d->args[1],
            (unsigned long long)d->args[2], (unsigned long long)d->args[3], is, should);
    return 1;
}

/* Arguments that fit the row; then each bit of each argument it looks at turned. */
static int probe_row(const struct filter *f, uint32_t sets, const struct rule *r)
{
    struct seccomp_data d = {.nr = number_of(r), .arch = seccomp_arch_native()};
    int n_bad;

    if (d.nr < 0)
        return 0;
    for (int i = 0; i < RULE_CONDITIONS; i++)
        d.args[r->when[i].arg] |= r->when[i].self ? (uint64_t)getpid() : r->when[i].value;
    n_bad = differs(f, sets, &d);
    for (int i = 0; i < RULE_CONDITIONS; i++)
        for (int bit = 0; r->when[i].mask && bit < 64; bit++) {
            d.args[r->when[i].arg] ^= UINT64_C(1) << bit;
            n_bad += differs(f, sets, &d);
            d.args[r->when[i].arg] ^= UINT64_C(1) << bit;
        }
    return n_bad;
}

static void program_says_what_the_table_says(void)
{
    static struct filter f;
    struct aiex_error err;
    uint32_t longest = 0;
    int n_bad = 0;

    for (uint32_t sets = SET_BASE; sets < N_SETS; sets += 2) {
        int rc = filter_build(sets, &f, &err);

        CU_ASSERT_EQUAL_FATAL(rc, 0);
        longest = f.len > longest ? f.len : longest;
        for (const struct rule *r = sandbox_rules; r->call && n_bad < 20; r++)
            n_bad += probe_row(&f, sets, r);
    }
    CU_ASSERT_EQUAL(n_bad, 0);
    CU_ASSERT(longest > 200 && longest <= FILTER_MAX);
}

static void unlisted_calls_are_refused(void)
{
    static struct filter f;
    struct aiex_error err;
    int n_refused = 0;

    CU_ASSERT_EQUAL_FATAL(filter_build(N_SETS - 1, &f, &err), 0);
    for (int nr = 0; nr < 1024; nr++) {
        struct seccomp_data d = {.nr = nr, .arch = seccomp_arch_native()};

        CU_ASSERT_EQUAL(differs(&f, N_SETS - 1, &d), 0);
        n_refused += run(&f, &d) != SECCOMP_RET_ALLOW;
    }
    CU_ASSERT(n_refused > 800);
}

static void foreign_numbers_end_the_process(void)
{
    static const uint32_t foreign[] = {SCMP_ARCH_X86, SCMP_ARCH_ARM, SCMP_ARCH_MIPS64};
    static struct filter f;
    struct aiex_error err;
    struct seccomp_data d = {.nr = seccomp_syscall_resolve_name("getpid")};

    CU_ASSERT_EQUAL_FATAL(filter_build(N_SETS - 1, &f, &err), 0);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        d.arch = foreign[i];
        CU_ASSERT_EQUAL(run(&f, &d), SECCOMP_RET_KILL_PROCESS);
    }
    d.arch = seccomp_arch_native();
    CU_ASSERT_EQUAL(run(&f, &d), SECCOMP_RET_ALLOW);
#ifdef __x86_64__
    d.nr |= 0x40000000;
    CU_ASSERT_EQUAL(run(&f, &d), SECCOMP_RET_KILL_PROCESS);
    d.nr = -1;
    CU_ASSERT_EQUAL(run(&f, &d), SECCOMP_RET_KILL_PROCESS);
#endif
}

/* Rows behind an unconditional one of the same call and sets would never be reached. */
static void no_row_is_dead(void)
{
    for (const struct rule *r = sandbox_rules; r->call; r++)
        for (const struct rule *later = r + 1; !r->when[0].mask && later->call; later++)
            if (strcmp(r->call, later->call) == 0)
                CU_ASSERT((later->sets & ~r->sets) || r->unless);
}

/* Conditions are read up to the first empty one. */
static void rows_are_well_formed(void)
{
    int n_rows = 0;

    for (const struct rule *r = sandbox_rules; r->call; r++, n_rows++) {
        CU_ASSERT(r->sets != 0 && (r->sets & r->unless) == 0);
        for (int i = 0; i < RULE_CONDITIONS; i++) {
            CU_ASSERT(r->when[i].arg < 6);
            CU_ASSERT_EQUAL(r->when[i].value & ~r->when[i].mask, 0);
            if (i > 0 && r->when[i].mask)
                CU_ASSERT(r->when[i - 1].mask != 0);
        }
    }
    CU_ASSERT(n_rows > 150 && n_rows < MAX_ROWS);
}

const struct test_case tests[] = {
    {"program says what the table says", program_says_what_the_table_says},
    {"unlisted calls are refused", unlisted_calls_are_refused},
    {"foreign numbers end the process", foreign_numbers_end_the_process},
    {"no row is dead", no_row_is_dead},
    {"rows are well formed", rows_are_well_formed},
    {0},
};
