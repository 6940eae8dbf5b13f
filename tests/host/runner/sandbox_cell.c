#include "sandbox_cell.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

const struct cell_profile cell_profiles[] = {
    {"provider/1", 0},
    {"provider/1", AIEX_NEED_HTTP},
    {"provider/1", AIEX_NEED_HTTP | AIEX_NEED_READ | AIEX_NEED_THREADS},
    {"interface/1", AIEX_NEED_LISTEN},
    {"interface/1",
     AIEX_NEED_LISTEN | AIEX_NEED_HTTP | AIEX_NEED_DATA | AIEX_NEED_READ | AIEX_NEED_THREADS},
    {"service/1", 0},
    {"service/1", AIEX_NEED_HTTP | AIEX_NEED_DATA | AIEX_NEED_READ | AIEX_NEED_THREADS},
    {"store/1", AIEX_NEED_DATA},
    {"store/1", AIEX_NEED_DATA | AIEX_NEED_READ | AIEX_NEED_THREADS},
    {"audit/1", AIEX_NEED_DATA},
    {"tier/1", 0},
    {"tier/1", AIEX_NEED_DATA | AIEX_NEED_THREADS},
    {"chunker/1", 0},
    {"chunker/1", AIEX_NEED_READ | AIEX_NEED_THREADS},
    {"resolver/1", AIEX_NEED_THREADS},
    {"discovery/1", AIEX_NEED_HTTP | AIEX_NEED_READ},
    {"bridge/1", AIEX_NEED_LISTEN | AIEX_NEED_HTTP},
    {"unheard-of/1", 0},
    {NULL, 0},
};

void cell_spec(struct sandbox_spec *ret_spec, const struct cell_profile *profile,
               const struct scene *scene)
{
    static const char *read_dirs[1];
    static uint16_t ports[1];

    read_dirs[0] = scene->shared;
    ports[0] = scene->good_port;
    *ret_spec = (struct sandbox_spec){
        .kind = profile->kind,
        .needs = profile->needs,
        .plugin_path = HOSTILE,
        .data_dir = profile->needs & AIEX_NEED_DATA ? scene->data : NULL,
        .read_dirs = read_dirs,
        .n_read_dirs = 1,
        .ports = ports,
        .n_ports = 1,
    };
}

int cell_run(int (*body)(void *arg), void *arg)
{
    pid_t pid = fork();
    int status;

    if (pid == 0)
        _exit(body(arg));
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 255;
    return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

int cell_enter(const struct sandbox_spec *spec)
{
    struct sandbox_report report;
    struct aiex_error err = {""};
    int rc = sandbox_enter(spec, &report, &err);

    if (rc)
        fprintf(stderr, "sandbox_enter: %s\n", err.text);
    return rc;
}

int cell_tighten(const struct sandbox_spec *spec)
{
    struct aiex_error err = {""};
    int rc = sandbox_tighten(spec, &err);

    if (rc)
        fprintf(stderr, "sandbox_tighten: %s\n", err.text);
    return rc;
}

int cell_without_call(long nr, int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        return -errno;
    return 0;
}
