/*
 * filter.h - from the table of rules.c to a seccomp program, by hand.
 *
 * Why not libseccomp's compiler: rows with different masks on one argument are the heart of this
 * table, the program must be open to a test that runs it against the table, and it is made twice
 * per cell. libseccomp gives the numbers of the calls.
 */
#ifndef AIEX_RUNNER_SANDBOX_FILTER_H
#define AIEX_RUNNER_SANDBOX_FILTER_H

#include <aiex/aiex_plugin.h>
#include <linux/filter.h>

#define FILTER_MAX 1536u /* instructions; the kernel's limit is 4096 for one, 32768 for all */

struct filter {
    uint32_t len;
    struct sock_filter code[FILTER_MAX];
};

/* The program of these sets for this process (its id is in it). 0, -E2BIG. */
int filter_build(uint32_t sets, struct filter *ret_filter, struct aiex_error *err);

/* Installs it for all threads; needs no_new_privs. 0, -ENOSYS (not in this kernel), -errno. */
int filter_load(const struct filter *filter, int log, struct aiex_error *err);

#endif
