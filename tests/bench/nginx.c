/* nginx.c - see nginx.h. */
#include "nginx.h"

#include "deployment.h"
#include "measure.h"
#include "proc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char gateway_conf[] =
    "worker_processes 1; error_log stderr error; pid %1$s/nginx.pid; daemon off; %4$s\n"
    "events { worker_connections 4096; }\n"
    "http {\n"
    "  access_log off; keepalive_requests 1000000000; client_max_body_size 64m; "
    "client_body_buffer_size 1m;\n"
    "  client_body_temp_path %1$s/body; proxy_temp_path %1$s/proxy; fastcgi_temp_path "
    "%1$s/fastcgi;\n"
    "  uwsgi_temp_path %1$s/uwsgi; scgi_temp_path %1$s/scgi;\n"
    "  upstream mock { server 127.0.0.1:%3$d; keepalive 256; keepalive_requests 1000000000; }\n"
    "  upstream front { server 127.0.0.1:%6$d; keepalive 256; keepalive_requests 1000000000; }\n"
    "  server { listen 127.0.0.1:%2$d; tcp_nodelay on;\n"
    "    location / { proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection "
    "\"\";\n"
    "      proxy_buffering off; proxy_request_buffering on; } }\n"
    "  server { listen 127.0.0.1:%5$d; tcp_nodelay on;\n"
    "    location / { proxy_pass https://front; proxy_http_version 1.1; proxy_set_header "
    "Connection "
    "\"\";\n"
    "      proxy_buffering off; proxy_request_buffering on; } }\n"
    "}\n";

static const char front_conf[] =
    "worker_processes 1; error_log stderr error; pid %1$s/front.pid; daemon off; %4$s\n"
    "events { worker_connections 4096; }\n"
    "http {\n"
    "  access_log off; keepalive_requests 1000000000; client_max_body_size 64m; "
    "client_body_buffer_size 1m;\n"
    "  client_body_temp_path %1$s/fbody; proxy_temp_path %1$s/fproxy; fastcgi_temp_path "
    "%1$s/ffastcgi;\n"
    "  uwsgi_temp_path %1$s/fuwsgi; scgi_temp_path %1$s/fscgi;\n"
    "  upstream mock { server 127.0.0.1:%3$d; keepalive 256; keepalive_requests 1000000000; }\n"
    "  server { listen 127.0.0.1:%2$d ssl; tcp_nodelay on;\n"
    "    ssl_certificate %1$s/cert.pem; ssl_certificate_key %1$s/key.pem;\n"
    "    location / { proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection "
    "\"\";\n"
    "      proxy_buffering off; proxy_request_buffering on; } }\n"
    "}\n";

static const char *program(void)
{
    static const char *const places[] = {"/usr/sbin/nginx", "/usr/local/sbin/nginx",
                                         "/usr/bin/nginx"};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

static int write_file(const char *path, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int write_file(const char *path, const char *format, ...)
{
    FILE *f = fopen(path, "w");
    va_list ap;

    if (!f)
        give_up("'%s' can not be written", path);
    va_start(ap, format);
    vfprintf(f, format, ap);
    va_end(ap);
    return fclose(f);
}

/* nginx as root does its work as nobody, who may not write into the folder. */
static const char *as_user(void)
{
    return geteuid() == 0 ? "user root;" : "";
}

static int run(const struct nginx *n, const char *name, int cpu)
{
    char path[128], log[128];
    char *argv[] = {(char *)program(), "-c", path, NULL};

    snprintf(path, sizeof(path), "%s/%s.conf", n->folder, name);
    snprintf(log, sizeof(log), "%s/%s.log", n->folder, name);
    return spawn(argv, log, cpu);
}

/* A key and a certificate for the run. 0, or not: then nothing is measured over TLS. */
static int make_certificate(const struct nginx *n)
{
    char command[400];

    snprintf(command, sizeof(command),
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
             "-subj /CN=127.0.0.1 -keyout %1$s/key.pem -out %1$s/cert.pem >%1$s/openssl.log 2>&1",
             n->folder);
    return system(command);
}

void nginx_start_front(struct nginx *n, int mock_port, int cpu)
{
    char path[128];

    if (!program())
        return;
    folder_make(n->folder);
    if (make_certificate(n) != 0) {
        note("openssl makes no certificate: nothing is measured over TLS");
        return;
    }
    n->front_port = free_port();
    snprintf(path, sizeof(path), "%s/front.conf", n->folder);
    write_file(path, front_conf, n->folder, n->front_port, mock_port, as_user());
    n->front_pid = run(n, "front", cpu);
}

int nginx_start(struct nginx *n, int mock_port, int cpu)
{
    char path[128];

    if (!program())
        return 0;
    n->port = free_port();
    n->tls_port = free_port();
    snprintf(path, sizeof(path), "%s/nginx.conf", n->folder);
    write_file(path, gateway_conf, n->folder, n->port, mock_port, as_user(), n->tls_port,
               n->front_port ? n->front_port : mock_port);
    n->pid = run(n, "nginx", cpu);
    return n->pid;
}

void nginx_stop(struct nginx *n)
{
    if (n->pid)
        end_process(n->pid);
    if (n->front_pid)
        end_process(n->front_pid);
    if (n->folder[0])
        folder_remove(n->folder);
}
