#include "cell/probe.h"

#include "base/clock.h"
#include "base/err.h"
#include "channel/fdpass.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct probe {
    char path[512];
    int pid, sock;
    uint64_t until_ms;
};

struct probe *probe_start(const char *runner, const char *path, struct aiex_error *err)
{
    struct probe *p = calloc(1, sizeof(*p));
    char *argv[] = {(char *)runner, "probe", (char *)path, NULL};
    posix_spawn_file_actions_t actions;
    int pair[2], size = 1 << 20, r;

    if (!p)
        return NULL;
    snprintf(p->path, sizeof(p->path), "%s", path);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        (void)fail(err, -errno, "%s: no socket for its probe: %s", path, strerror(errno));
        free(p);
        return NULL;
    }
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    if (pair[1] == 3)
        pair[1] = fcntl(3, F_DUPFD_CLOEXEC, 10); /* dup2 onto itself would keep close-on-exec */
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, pair[1], 3);
    r = posix_spawn(&p->pid, runner, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(pair[1]);
    if (r) {
        (void)fail(err, -r, "%s: its probe did not start: %s: %s", path, runner, strerror(r));
        close(pair[0]);
        free(p);
        return NULL;
    }
    p->sock = pair[0];
    p->until_ms = clock_ms() + PROBE_DEADLINE_MS;
    return p;
}

/* Length of the answer, 0 when it closed without one, -ETIMEDOUT. */
static ssize_t receive(struct probe *p, uint8_t *bytes, size_t size)
{
    uint64_t now = clock_ms();
    struct pollfd poll_fd = {.fd = p->sock, .events = POLLIN};
    int n_fds = 0;

    /* looked at once even when it is late: it may have answered while another probe was waited for */
    for (;;) {
        int n = poll(&poll_fd, 1, now < p->until_ms ? (int)(p->until_ms - now) : 0);

        if (n > 0)
            return fdpass_recv(p->sock, bytes, size, NULL, &n_fds);
        if (now >= p->until_ms)
            return -ETIMEDOUT;
        now = clock_ms();
    }
}

int probe_finish(struct probe *p, struct plugin_info **ret, struct aiex_error *err)
{
    uint8_t *bytes = malloc(PLUGIN_INFO_MAX_BYTES + 1);
    struct aiex_error reason = {""};
    int status = 0, r = -EINVAL;
    ssize_t n = bytes ? receive(p, bytes, PLUGIN_INFO_MAX_BYTES) : -ENOMEM;

    if (n == -ETIMEDOUT)
        kill(p->pid, SIGKILL);
    waitpid(p->pid, &status, 0);
    if (n == -ETIMEDOUT)
        r = fail(err, -EINVAL, "%s: loading it took longer than %d s; its constructor hangs", p->path,
                 PROBE_DEADLINE_MS / 1000);
    else if (n > 0 && bytes[0] == '!') /* a refusal in words */
        r = fail(err, -EINVAL, "%.200s: %.*s", p->path, (int)(n - 1), (char *)bytes + 1);
    else if (n > 0 && plugin_info_unpack((struct aiex_slice){bytes, (size_t)n}, ret, &reason) == 0)
        r = 0;
    else if (n > 0)
        r = fail(err, -EINVAL, "%.200s: %.255s", p->path, reason.text);
    else if (WIFSIGNALED(status))
        r = fail(err, -EINVAL, "%s: loading it ends the process with signal %d (%s)", p->path,
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        r = fail(err, -EINVAL, "%s: its probe ended with code %d and said nothing", p->path,
                 WEXITSTATUS(status));
    close(p->sock);
    free(bytes);
    free(p);
    return r;
}
