/*
 * aiex.c - main() of `aiex`, the command line of an Aiex host.
 *
 * Read verbs.c first: the table of what it can do. arguments.c takes the command line apart by it,
 * dispatch.c finds the function, control.c talks to the host. Data goes to standard output,
 * everything else to standard error; outcome.c has the exit codes.
 */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* Descriptors 0 to 2 are taken, so that no socket becomes somebody's standard input. */
static void keep_standard_streams(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDONLY); /* writing fails as before */
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

int main(int argc, char **argv)
{
    struct command c = {.control = NULL};
    struct aiex_error err = {""};
    enum outcome outcome;
    int failed;

    keep_standard_streams();
    signal(SIGPIPE, SIG_IGN);
    failed = arguments_parse(&c.args, argc, argv, &err);
    outcome = command_init(&c);
    if (failed) {
        complain(&c.screen, "%s", err.text);
        outcome = failed == -EINVAL ? OUTCOME_USAGE : OUTCOME_FAILED;
    }
    if (outcome == OUTCOME_OK)
        outcome = dispatch(&c);
    outcome = command_flush(&c, outcome);
    command_done(&c);
    return outcome;
}
