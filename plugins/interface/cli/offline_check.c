#include "offline_check.h"

#include "json_out.h"
#include "own_path.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Starts the check; standard output and error go to `fd` unless it is -1. 0 or an errno. */
static int start(const char *program, const char *dir, int fd, pid_t *ret_pid)
{
    char *argv[] = {(char *)(uintptr_t) "aiex-host", (char *)(uintptr_t) "--config",
                    (char *)(uintptr_t)dir, (char *)(uintptr_t) "--check", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t pipe_only;
    int error;

    posix_spawnattr_init(&attributes); /* we ignore SIGPIPE, which is not for others to inherit */
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    posix_spawnattr_setsigdefault(&attributes, &pipe_only);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_init(&actions);
    if (fd >= 0) {
        posix_spawn_file_actions_adddup2(&actions, fd, STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&actions, fd, STDERR_FILENO);
    }
    error = posix_spawnp(ret_pid, program, &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static int is_warning(const char *line)
{
    return strstr(line, "warning") != NULL;
}

static void put_list(char *const *lines, size_t n, int warnings)
{
    int first = 1;

    putchar('[');
    for (size_t i = 0; i < n; i++) {
        if (is_warning(lines[i]) != warnings)
            continue;
        if (!first)
            fputs(", ", stdout);
        first = 0;
        json_out_string(stdout, lines[i], strlen(lines[i]));
    }
    putchar(']');
}

/* Reads all lines of the program; at most as many as make sense to a person. */
static size_t read_lines(FILE *from, char **lines, size_t max)
{
    size_t n = 0, cap = 0;
    char *line = NULL;

    while (n < max && getline(&line, &cap, from) > 0) {
        line[strcspn(line, "\r\n")] = 0;
        if (!*line)
            continue;
        lines[n++] = line;
        line = NULL;
        cap = 0;
    }
    free(line);
    while (getc(from) != EOF) /* the rest, so that the program can end */
        ;
    return n;
}

static int wait_for(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define MAX_LINES 1000

static void print_json(FILE *from, pid_t pid, int *ret_status)
{
    char *lines[MAX_LINES];
    size_t n = read_lines(from, lines, MAX_LINES);

    *ret_status = wait_for(pid);
    printf("{\n  \"ok\": %s,\n  \"errors\": ", *ret_status == 0 ? "true" : "false");
    /* what a successful check says is no error */
    put_list(lines, *ret_status == 0 ? 0 : n, 0);
    fputs(",\n  \"warnings\": ", stdout);
    put_list(lines, n, 1);
    fputs("\n}\n", stdout);
    for (size_t i = 0; i < n; i++)
        free(lines[i]);
}

enum outcome offline_check(struct command *c, const char *dir)
{
    char program[1024];
    int fds[2] = {-1, -1}, error, status;
    FILE *from = NULL;
    pid_t pid;

    if (own_sibling("aiex-host", program, sizeof(program)) != 0)
        snprintf(program, sizeof(program), "aiex-host");
    fflush(stdout);
    if (command_wants_json(c) && (pipe2(fds, O_CLOEXEC) != 0 || !(from = fdopen(fds[0], "r")))) {
        complain(&c->screen, "pipe: %s", strerror(errno));
        return OUTCOME_FAILED;
    }
    error = start(program, dir, fds[1], &pid);
    if (fds[1] >= 0)
        close(fds[1]);
    if (error) {
        complain(&c->screen, "no host runs and %s can not be started: %s", program,
                 strerror(error));
        if (from)
            fclose(from);
        return OUTCOME_NO_HOST;
    }
    if (from)
        print_json(from, pid, &status);
    else
        status = wait_for(pid);
    if (from)
        fclose(from);
    return status == 0 ? OUTCOME_OK : OUTCOME_FAILED;
}
