/* sandbox_hostile.c - a library whose constructor already attacks, before any entry is called. */
#include "sandbox_attacks.h"

#include <pthread.h>
#include <stdlib.h>

static void *in_thread(void *arg)
{
    const struct shots *shots = arg;

    shots->fire(shots);
    return NULL;
}

__attribute__((constructor)) static void attack(void)
{
    const char *at = getenv("AIEX_TEST_SHOTS");
    struct shots *shots = at ? (struct shots *)(uintptr_t)strtoull(at, NULL, 16) : NULL;
    pthread_t thread;

    if (!shots)
        return;
    if (!shots->in_thread)
        shots->fire(shots);
    else if (pthread_create(&thread, NULL, in_thread, shots) == 0)
        pthread_join(thread, NULL);
}
