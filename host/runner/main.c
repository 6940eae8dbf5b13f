/*
 * main.c - aiex-runner: the program that cells are made of. Not for people; the host
 * starts it with descriptor 3 = its end of a control socket:
 *     aiex-runner zygote [MODULE]    clones cells on order
 *     aiex-runner cell               becomes one cell
 *     aiex-runner probe PLUGIN.so    tells one plugin's descriptor
 */
#include "channel/fdpass.h"
#include "runner/runner.h"
#include "runner/zygote.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCK 3

/* Prompts are a few hundred KB: taking them from the kernel and giving them back for each request
 * costs more than what is done with them. */
static void keep_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 2 * 1024 * 1024);
    mallopt(M_TRIM_THRESHOLD, 2 * 1024 * 1024);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    int type = 0;
    socklen_t len = sizeof(type);

    if (getsockopt(SOCK, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_SEQPACKET) {
        fprintf(stderr, "aiex-runner is started by aiex-host, not by hand; see aiex-host --help\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    keep_memory();
    fcntl(SOCK, F_SETFD, FD_CLOEXEC);
    if (!strcmp(mode, "zygote")) {
        signal(SIGINT, SIG_IGN);
        zygote_run(SOCK, argc > 2 ? argv[2] : "");
    }
    if (!strcmp(mode, "probe") && argc > 2)
        runner_probe(argv[2], SOCK);
    if (!strcmp(mode, "cell")) {
        static uint8_t message[START_MAX];
        int fds[START_FDS], n_fds = START_FDS;
        ssize_t n = fdpass_recv(SOCK, message, START_MAX, fds, &n_fds);

        if (n > 0 && n_fds == START_FDS)
            runner_run((struct aiex_slice){message, (size_t)n}, fds);
    }
    return 2;
}
