/* deployment.c - see deployment.h. */
#include "deployment.h"

#include "measure.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READY_LIMIT_MS 20000

const char *bench_build = ".";

/* Folders that are still there: when a program gives up, what their logs say is shown. */
static char folders[4][64];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return remove(path);
}

static void show_log(const char *path)
{
    char line[512];
    FILE *f = fopen(path, "r");

    while (f && fgets(line, sizeof(line), f))
        fputs(line, stderr);
    if (f)
        fclose(f);
}

static void remove_all(void)
{
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        char path[80];

        if (!folders[i][0])
            continue;
        snprintf(path, sizeof(path), "%s/log", folders[i]);
        show_log(path);
        folder_remove(folders[i]);
    }
}

void folder_make(char out[64])
{
    static int registered;
    size_t i = 0;

    if (!registered++)
        atexit(remove_all);
    while (i < sizeof(folders) / sizeof(folders[0]) && folders[i][0])
        i++;
    snprintf(out, 64, "/tmp/aiex-bench-XXXXXX");
    if (i == sizeof(folders) / sizeof(folders[0]) || !mkdtemp(out))
        give_up("no folder '%s': %s", out, strerror(errno));
    memcpy(folders[i], out, 64);
}

void folder_remove(const char *folder)
{
    char gone[64];

    snprintf(gone, sizeof(gone), "%s", folder); /* it may be one of ours */
    nftw(gone, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        if (!strcmp(folders[i], gone))
            folders[i][0] = 0;
}

int spawn(char *const argv[], const char *log, int cpu)
{
    pid_t pid = fork();

    if (pid < 0)
        give_up("no process for %s: %s", argv[0], strerror(errno));
    if (pid == 0) {
        int null = open("/dev/null", O_RDONLY),
            out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

        prctl(PR_SET_PDEATHSIG, SIGTERM); /* also when the benchmark itself is killed */
        if (cpu >= 0)
            bind_cpu(cpu);
        if (null >= 0)
            dup2(null, 0);
        if (out >= 0) {
            dup2(out, 1);
            dup2(out, 2);
        }
        execvp(argv[0], argv);
        _exit(127);
    }
    return pid;
}

void end_process(int pid)
{
    if (pid <= 0)
        return;
    kill(pid, SIGTERM);
    for (int i = 0; i < 200; i++) {
        if (waitpid(pid, NULL, WNOHANG) != 0)
            return;
        pause_ms(10);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

void deployment_write_conf(const struct deployment *d, const char *conf)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/conf/10.ini", d->folder);
    f = fopen(path, "w");
    if (!f || fputs(conf, f) < 0 || fclose(f) != 0)
        give_up("'%s' can not be written", path);
}

static void wait_ready(struct deployment *d)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/data/run/aiex.sock", d->folder);
    while (now_ns() - d->started_ns < READY_LIMIT_MS * 1000000ull) {
        struct ending end;
        int64_t healthy = 0;

        if (waitpid(d->pid, NULL, WNOHANG) != 0)
            give_up("aiex-host ended at once");
        if (!d->control)
            d->control = control_open(path);
        if (d->control) {
            control_wait(
                d->control,
                control_send(d->control, "host", "service.health", (struct aiex_slice){0}, 5000),
                &end);
            healthy = !end.code[0] && end.body && memmem(end.body, end.len, "healthy\xc3", 8);
            ending_done(&end);
        }
        if (healthy) {
            d->ready_ms = (double)(now_ns() - d->started_ns) / 1e6;
            return;
        }
        nanosleep(&(struct timespec){0, 100000}, NULL);
    }
    give_up("aiex-host was not ready in %d s", READY_LIMIT_MS / 1000);
}

void deployment_start(struct deployment *d, const char *conf, const char *plugins, int cpu)
{
    char host[512], dirs[3][128], plugin_dir[512], log[128];
    char *argv[] = {host,        "--config", dirs[0],       "--data", dirs[1],
                    "--plugins", plugin_dir, "--log-level", "warn",   NULL};

    *d = (struct deployment){0};
    folder_make(d->folder);
    snprintf(host, sizeof(host), "%s/bin/aiex-host", bench_build);
    snprintf(dirs[0], sizeof(dirs[0]), "%s/conf", d->folder);
    snprintf(dirs[1], sizeof(dirs[1]), "%s/data", d->folder);
    snprintf(plugin_dir, sizeof(plugin_dir), "%s/%s", bench_build, plugins);
    snprintf(log, sizeof(log), "%s/log", d->folder);
    if (mkdir(dirs[0], 0700) < 0)
        give_up("no folder '%s'", dirs[0]);
    deployment_write_conf(d, conf);
    d->started_ns = now_ns();
    d->pid = spawn(argv, log, cpu);
    wait_ready(d);
}

void deployment_stop(struct deployment *d)
{
    control_close(d->control);
    end_process(d->pid);
    folder_remove(d->folder);
    *d = (struct deployment){0};
}

int free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) < 0)
        give_up("no free port");
    close(fd);
    return ntohs(at.sin_port);
}
