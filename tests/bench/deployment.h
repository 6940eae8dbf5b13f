/*
 * deployment.h - a host that a benchmark starts for itself: a folder of its own, a
 * configuration, the process, the control socket, and the end of all of it.
 */
#ifndef AIEX_BENCH_DEPLOYMENT_H
#define AIEX_BENCH_DEPLOYMENT_H

#include "control.h"

struct deployment {
    char folder[64]; /* conf/ and data/ are in it */
    int pid;
    uint64_t started_ns; /* right before exec */
    double ready_ms;     /* from exec until every instance is up */
    struct control *control;
};

/* Where the programs are: the build folder. Set once by main(). */
extern const char *bench_build;

/* Starts a host on the configuration and waits until it is ready, else ends the program.
 * plugins: folder below the build folder. cpu: processor to run on, -1 = any. */
void deployment_start(struct deployment *d, const char *conf, const char *plugins, int cpu);
/* Stops it gracefully and removes its folder. */
void deployment_stop(struct deployment *d);
/* Replaces the configuration file; the host is not told. */
void deployment_write_conf(const struct deployment *d, const char *conf);

/* A process with stdout and stderr in a file of its own. Returns its pid. */
int spawn(char *const argv[], const char *log, int cpu);
/* TERM, then KILL after two seconds; waits. */
void end_process(int pid);
/* A port of 127.0.0.1 that nobody listens on. */
int free_port(void);
/* Makes a folder "/tmp/aiex-bench-XXXXXX" and removes one with everything in it. */
void folder_make(char out[64]);
void folder_remove(const char *folder);

#endif
