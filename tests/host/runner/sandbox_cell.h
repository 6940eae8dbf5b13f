/*
 * sandbox_cell.h - the profiles under test, and a child process that is sealed like a cell.
 */
#ifndef AIEX_TEST_SANDBOX_CELL_H
#define AIEX_TEST_SANDBOX_CELL_H

#include "runner/sandbox/sandbox.h"
#include "sandbox_attacks.h"

#define HOSTILE AIEX_BUILD_DIR "/tests/sandbox_hostile.so"

struct cell_profile {
    const char *kind;
    uint32_t needs; /* with AIEX_NEED_DATA the scene's own folder is given */
};

/* Every kind, bare and with all that it may ask for; ended by a NULL kind. */
extern const struct cell_profile cell_profiles[];

/* Points into scene and static storage. */
void cell_spec(struct sandbox_spec *ret_spec, const struct cell_profile *profile,
               const struct scene *scene);

/* The result of body(arg) (0..255) run in a child process, 256 + signal when one killed it. */
int cell_run(int (*body)(void *arg), void *arg);

/* In the child: like the process of a cell. 0, or what failed is printed and -errno returned. */
int cell_enter(const struct sandbox_spec *spec);
int cell_tighten(const struct sandbox_spec *spec);

/* In the child: makes system call `nr` fail with `error`, as a kernel without it does. */
int cell_without_call(long nr, int error);

#endif
