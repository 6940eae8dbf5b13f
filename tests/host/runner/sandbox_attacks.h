/*
 * sandbox_attacks.h - what a hostile plugin tries, and the place it tries it in.
 *
 * scene_open() prepares targets outside the sandbox (files, sockets, a victim process). An attack
 * returns 0 when it got through and an errno when it was refused; one that ends the process was
 * refused as well.
 */
#ifndef AIEX_TEST_SANDBOX_ATTACKS_H
#define AIEX_TEST_SANDBOX_ATTACKS_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct scene {
    char root[64];        /* folder of the whole scene */
    char outside[96];     /* folder with files that nobody was given */
    char secret[128];     /* a file in it */
    char link[128];       /* a symbolic link in it */
    char data[96];        /* the own folder */
    char shared[96];      /* a folder to read, holds the file "text" */
    char unix_path[128];  /* a listening stream socket */
    char dgram_path[128]; /* a bound datagram socket */
    char abstract[32];    /* name of a listening abstract socket, without the leading 0 */
    uint16_t good_port;   /* listens on 127.0.0.1; the spec allows it */
    uint16_t bad_port;    /* listens on 127.0.0.1; not allowed */
    uint16_t udp_port;
    int listener; /* the socket of good_port */
    int sockets[6];
    pid_t host;   /* the test itself */
    pid_t victim; /* another process of the same user */
};

/* 0, or -errno. The victim is a child process that waits until scene_close(). */
int scene_open(struct scene *scene);
void scene_close(struct scene *scene);

#define ATTACK_SURE     1u   /* gets through in an unconfined process of any user on any kernel */
#define ATTACK_ROOT     2u   /* gets through in an unconfined process of root */
#define ATTACK_KILL     4u   /* must end the process (SIGSYS), not only fail */
#define REFUSED_BY_KILL 1000 /* stands for the errno of such an end */

struct attack {
    const char *name;
    int (*run)(const struct scene *scene);
    uint32_t flags;
    uint32_t allowed; /* SET_*: sets with which this is no attack (docs/sandbox.md says why) */
    uint32_t fenced;  /* SET_*: sets with which Landlock is what stops it */
};

/* In a fixed order; NULL behind the last. */
const struct attack *attack_at(size_t index);
size_t attack_count(void);

/* What the hostile library gets: the variable AIEX_TEST_SHOTS holds the address in hex. */
struct shots {
    const struct scene *scene;
    size_t first;  /* index of attack_at(); all from here on are tried */
    int fd;        /* a struct verdict is written for each */
    int in_thread; /* the constructor starts a thread for it */
    void (*fire)(const struct shots *shots);
};

struct verdict {
    uint32_t attack;
    int32_t refused; /* errno, or 0 = got through */
};

void shots_fire(const struct shots *shots);

#endif
