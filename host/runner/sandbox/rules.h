/*
 * rules.h - one row per system call and condition: the allow list as data.
 *
 * Of the active rows of one call the first whose conditions all hold decides; without one the
 * call is refused with EPERM.
 */
#ifndef AIEX_RUNNER_SANDBOX_RULES_H
#define AIEX_RUNNER_SANDBOX_RULES_H

#include <stdint.h>

enum rule_action {
    RULE_ALLOW,
    RULE_TRAP,  /* SIGSYS to the handler of stat_trap.c */
    RULE_NOSYS, /* "this kernel has it not": the C library then takes the older call */
    RULE_KILL,  /* the process ends: no library does this by accident */
};

/* Holds when (argument & mask) == value. A mask of 0 means: no condition. int arguments are
 * compared by their low half only, as the kernel reads them. */
struct rule_when {
    uint64_t mask;
    uint64_t value;
    uint8_t arg;
    uint8_t self; /* value is the own process id */
};

#define RULE_CONDITIONS 3

struct rule {
    const char *call; /* unknown names (another architecture's) are passed over */
    uint32_t sets;    /* SET_*: active with any of these */
    uint32_t unless;  /* SET_*: not with any of these */
    enum rule_action action;
    struct rule_when when[RULE_CONDITIONS];
};

/* Ended by a NULL call. */
extern const struct rule sandbox_rules[];

#endif
