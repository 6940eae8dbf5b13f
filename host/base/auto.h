/*
 * auto.h - cleanup by scope: `auto_free char *x`, `auto_close int fd = -1`, and
 * take() to hand the value on.
 */
#ifndef AIEX_BASE_AUTO_H
#define AIEX_BASE_AUTO_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void auto_free_cleanup(void *p)
{
    free(*(void **)p);
}

static inline void auto_close_cleanup(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void auto_fclose_cleanup(FILE **f)
{
    if (*f)
        fclose(*f);
}

#define auto_free   __attribute__((cleanup(auto_free_cleanup)))
#define auto_close  __attribute__((cleanup(auto_close_cleanup)))
#define auto_fclose __attribute__((cleanup(auto_fclose_cleanup)))

/* The value, now the caller's; the variable forgets it. */
#define take(ptr)                                                                                  \
    ({                                                                                             \
        __typeof__(ptr) taken_ = (ptr);                                                            \
        (ptr) = NULL;                                                                              \
        taken_;                                                                                    \
    })
#define take_fd(fd)                                                                                \
    ({                                                                                             \
        int taken_ = (fd);                                                                         \
        (fd) = -1;                                                                                 \
        taken_;                                                                                    \
    })

#endif
