/*
 * nginx.h - the peer that the gateway is compared with, and the end of TLS before the mock.
 *
 * The gateway nginx is `proxy_pass` with keep-alive and nothing else, one worker: on `port` plainly
 * to the mock, on `tls_port` over TLS to the front. The front ends TLS on `front_port` and passes
 * on to the mock; its certificate is made by the program openssl for the run.
 */
#ifndef AIEX_BENCH_NGINX_H
#define AIEX_BENCH_NGINX_H

struct nginx {
    char folder[64];
    int pid, front_pid;
    int port, tls_port;
    int front_port; /* 0 = there is none: without nginx or openssl */
};

/* The front first: the gateways are told where it listens. */
void nginx_start_front(struct nginx *n, int mock_port, int cpu);
/* Its process, or 0: nginx is not installed. */
int nginx_start(struct nginx *n, int mock_port, int cpu);
void nginx_stop(struct nginx *n);

#endif
