/*
 * sandbox_attack_list.h - what the files with attacks share: how an outcome is told.
 *
 * Most attacks are raw system calls: the C library must not be able to take a detour.
 */
#ifndef AIEX_TEST_SANDBOX_ATTACK_LIST_H
#define AIEX_TEST_SANDBOX_ATTACK_LIST_H

#include "sandbox_attacks.h"

/* 0 or errno of a system call's result. */
int attack_outcome(long rc);
/* The same for a descriptor that should not have come to be: closed, so that the next attack starts
 * even. */
int attack_outcome_fd(long fd);
/* For calls that would do harm when they really work: arguments are wrong on purpose, and an answer
 * that complains about them means that the call was let in (0). */
int attack_gate(long rc);

/* Ended by an empty row. */
extern const struct attack attacks_on_files[];
extern const struct attack attacks_on_sockets[];
extern const struct attack attacks_on_processes[];
extern const struct attack attacks_on_kernel[];
extern const struct attack attacks_on_memory[];

#endif
