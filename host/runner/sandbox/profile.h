/*
 * profile.h - what a kind of plugin may ask for, and which allowances a spec comes to.
 */
#ifndef AIEX_RUNNER_SANDBOX_PROFILE_H
#define AIEX_RUNNER_SANDBOX_PROFILE_H

#include "runner/sandbox/sandbox.h"

/* Allowances: each is a set of rows in rules.c and of paths in landlock.c. */
/* Every cell, always. */
#define SET_BASE 1u
/* Stage 1 only: what dlopen() and sandbox_tighten() need. */
#define SET_LOAD 2u
/* TCP connect, certificates. */
#define SET_HTTP 4u
/* Accept on a socket that the host passed. */
#define SET_LISTEN 8u
/* Read and write files; Landlock keeps it to data_dir. */
#define SET_DATA 16u
/* Read files and list folders; Landlock keeps it to read_dirs. */
#define SET_READ 32u
/* Start threads. */
#define SET_THREADS 64u
/* openat2(): its flags are out of seccomp's sight, so Landlock must be there. */
#define SET_BENEATH 128u
/* What the runtime of a sanitizer does besides; only in such builds. */
#define SET_SANITIZER 256u
/* Asking name servers: UDP, TCP to port 53, the system's resolver files. */
#define SET_NAMES 512u

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define SANDBOX_SANITIZER 1
#endif
#endif
#ifndef SANDBOX_SANITIZER
#define SANDBOX_SANITIZER 0
#endif

struct sandbox_profile {
    const char *kind; /* without "/major" */
    uint32_t may;     /* AIEX_NEED_* that a plugin of this kind can be given */
    uint32_t gives;   /* SET_* that the kind has without a need */
    int64_t files;    /* default of limit_files */
};

/* The table, ended by a NULL kind; that last row serves kinds without a profile. */
extern const struct sandbox_profile sandbox_profiles[];

const struct sandbox_profile *profile_of(const char *kind);
/* The sets of the spec and of those chained to it. 0, -EINVAL, -EPERM. */
int profile_sets(const struct sandbox_spec *spec, uint32_t *ret_sets, struct aiex_error *err);

#endif
