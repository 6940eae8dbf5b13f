/*
 * arguments.h - the command line of aiex-host, and where the program's own parts are:
 * beside it in a build tree (bin, plugins, lib/aiex) as in an installed one.
 */
#ifndef AIEX_ARGUMENTS_H
#define AIEX_ARGUMENTS_H

#include "base/log.h"
#include "node/node.h"

enum arguments_do { DO_RUN, DO_CHECK, DO_REFERENCE, DO_VERSION, DO_STATE_VERSION, DO_HELP, DO_REFUSE };

struct arguments {
    enum arguments_do what;
    struct node_options node; /* points into this struct and argv */
    enum log_form log_form;
    uint32_t log_level;
    int state_fd;      /* of the image before this one, -1 = none */
    char program[512]; /* as it was started, for executing it again */
    char bin[512], lib[600], plugins[700];
};

/* Fills `a`. DO_REFUSE after saying on standard error what is wrong. */
void arguments_read(struct arguments *a, int argc, char **argv);
const char *arguments_usage(void);

#endif
