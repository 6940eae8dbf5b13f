/* sandbox_attacks_memory.c - executable and uncounted memory. */
#include "sandbox_attack_list.h"

#include "runner/sandbox/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int map(int prot, int flags, int fd)
{
    void *at = mmap(NULL, 4096, prot, flags, fd, 0);

    if (at == MAP_FAILED)
        return errno;
    munmap(at, 4096);
    return 0;
}

static int write_and_execute(const struct scene *s)
{
    return map(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static int anonymous_code(const struct scene *s)
{
    return map(PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static int make_executable(const struct scene *s)
{
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int rc;

    if (at == MAP_FAILED)
        return errno;
    rc = attack_outcome(mprotect(at, 4096, PROT_READ | PROT_EXEC));
    munmap(at, 4096);
    return rc;
}

static int make_executable_by_key(const struct scene *s)
{
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int rc;

    if (at == MAP_FAILED)
        return errno;
    rc = attack_outcome(syscall(SYS_pkey_mprotect, at, 4096L, PROT_READ | PROT_EXEC, -1));
    munmap(at, 4096);
    return rc;
}

static int map_file(int prot, int flags)
{
    int fd = openat(AT_FDCWD, AIEX_BUILD_DIR "/tests/sandbox_hostile.so", O_RDONLY);
    int rc;

    if (fd < 0)
        return errno;
    rc = map(prot, flags, fd);
    close(fd);
    return rc;
}

static int map_code(const struct scene *s)
{
    return map_file(PROT_READ | PROT_EXEC, MAP_PRIVATE);
}

static int map_code_writable(const struct scene *s)
{
    return map_file(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE);
}

static int map_code_shared(const struct scene *s)
{
    return map_file(PROT_READ | PROT_EXEC, MAP_SHARED);
}

static int read_means_execute(const struct scene *s)
{
    return attack_outcome(syscall(SYS_personality, 0x0400000));
}

static int uncounted_shared(const struct scene *s)
{
    return map(PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
}

static int uncounted_stack(const struct scene *s)
{
    return map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1);
}

const struct attack attacks_on_memory[] = {
    {"writable and executable", write_and_execute, ATTACK_SURE, 0, 0},
    {"anonymous code", anonymous_code, ATTACK_SURE, 0, 0},
    {"mprotect to executable", make_executable, ATTACK_SURE, 0, 0},
    {"pkey_mprotect", make_executable_by_key, ATTACK_SURE, 0, 0},
    {"map code", map_code, ATTACK_SURE, SET_LOAD, 0},
    {"map code writable", map_code_writable, ATTACK_SURE, 0, 0},
    {"map code shared", map_code_shared, ATTACK_SURE, 0, 0},
    {"READ_IMPLIES_EXEC", read_means_execute, ATTACK_SURE, 0, 0},
    {"uncounted shared memory", uncounted_shared, ATTACK_SURE, 0, 0},
    {"uncounted stack memory", uncounted_stack, ATTACK_SURE, 0, 0},
    {0},
};
