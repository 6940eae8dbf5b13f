#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int process_fds(pid_t pid)
{
    char path[64];
    int n = 0;
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    dir = opendir(path);
    if (!dir)
        return -1;
    for (struct dirent *e; (e = readdir(dir));)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

static size_t read_proc(pid_t pid, const char *name, char *out, size_t size)
{
    char path[96];
    size_t n;
    FILE *f;

    out[0] = 0;
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    f = fopen(path, "re");
    if (!f)
        return 0;
    n = fread(out, 1, size - 1, f);
    out[n] = 0;
    fclose(f);
    return n;
}

int64_t process_rss_bytes(pid_t pid)
{
    unsigned long pages = 0;
    char text[256];

    if (!read_proc(pid, "statm", text, sizeof(text)) || sscanf(text, "%*u %lu", &pages) != 1)
        return -1;
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

int process_children(pid_t pid, pid_t *out, int max)
{
    char name[64], text[8192], *save = NULL;
    int n = 0;

    snprintf(name, sizeof(name), "task/%d/children", (int)pid);
    read_proc(pid, name, text, sizeof(text));
    for (char *t = strtok_r(text, " \n", &save); t && n < max; t = strtok_r(NULL, " \n", &save))
        out[n++] = (pid_t)atoi(t);
    return n;
}

int process_signal(pid_t pid, int signal)
{
    return pid > 1 ? kill(pid, signal) : -1;
}

char process_state(pid_t pid)
{
    char text[512], *end;

    if (!read_proc(pid, "stat", text, sizeof(text)))
        return 0;
    end = strrchr(text, ')'); /* the name before it may hold anything */
    return end && end[1] ? end[2] : 0;
}

int process_gone(pid_t pid, int wait_ms)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0), r;
    struct pollfd p = {.fd = fd, .events = POLLIN};

    if (fd < 0)
        return errno == ESRCH;
    r = poll(&p, 1, wait_ms);
    close(fd);
    return r == 1;
}
