/* sandbox_attacks.c - all attacks as one list, and the loop that tries them. */
#include "sandbox_attack_list.h"

#include <errno.h>
#include <unistd.h>

static const struct attack *const lists[] = {attacks_on_files, attacks_on_sockets,
                                             attacks_on_processes, attacks_on_kernel,
                                             attacks_on_memory};

const struct attack *attack_at(size_t index)
{
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (const struct attack *a = lists[i]; a->name; a++)
            if (index-- == 0)
                return a;
    return NULL;
}

size_t attack_count(void)
{
    size_t n = 0;

    while (attack_at(n))
        n++;
    return n;
}

int attack_outcome(long rc)
{
    return rc >= 0 ? 0 : errno;
}

int attack_outcome_fd(long fd)
{
    if (fd < 0)
        return errno;
    close((int)fd);
    return 0;
}

int attack_gate(long rc)
{
    if (rc >= 0)
        return 0;
    switch (errno) {
    case EINVAL:
    case EFAULT:
    case EBADF:
    case ENOTTY:
    case ENOEXEC:
    case E2BIG:
        return 0;
    default:
        return errno;
    }
}

void shots_fire(const struct shots *shots)
{
    const struct attack *a;

    for (size_t i = shots->first; (a = attack_at(i)); i++) {
        struct verdict v = {.attack = (uint32_t)i, .refused = a->run(shots->scene)};

        if (write(shots->fd, &v, sizeof v) != (ssize_t)sizeof v)
            _exit(97);
    }
}
