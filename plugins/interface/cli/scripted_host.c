#include "scripted_host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 20000

struct scripted_host {
    char dir[64];
    char path[96];
    int listener;
    script_fn script;
    void *arg;
    pthread_t thread;
    int ran, failed;
};

static void give_up(const char *what)
{
    perror(what);
    abort();
}

static int readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, PATIENCE_MS) == 1;
}

static void *play(void *arg)
{
    struct scripted_host *h = arg;
    struct peer p = {.arg = h->arg};
    struct ucred who;
    socklen_t len = sizeof(who);

    if (!readable(h->listener))
        return NULL;
    p.fd = accept4(h->listener, NULL, NULL, SOCK_CLOEXEC);
    if (p.fd < 0)
        return NULL;
    if (getsockopt(p.fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0)
        p.client = who.pid;
    h->ran = 1;
    h->script(&p);
    h->failed = p.failed;
    close(p.fd);
    free(p.frame);
    return NULL;
}

struct scripted_host *scripted_host_new(script_fn script, void *arg)
{
    struct scripted_host *h = calloc(1, sizeof(*h));
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (!h)
        give_up("calloc");
    strcpy(h->dir, "/tmp/aiex-cli-XXXXXX");
    if (!mkdtemp(h->dir))
        give_up("mkdtemp");
    snprintf(h->path, sizeof(h->path), "%s/s", h->dir);
    strcpy(address.sun_path, h->path);
    h->script = script;
    h->arg = arg;
    h->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(h->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(h->listener, 4) != 0 || pthread_create(&h->thread, NULL, play, h) != 0)
        give_up("scripted host");
    return h;
}

const char *scripted_host_path(const struct scripted_host *h)
{
    return h->path;
}

int scripted_host_free(struct scripted_host *h)
{
    int good;

    pthread_join(h->thread, NULL);
    good = h->ran && !h->failed;
    close(h->listener);
    unlink(h->path);
    rmdir(h->dir);
    free(h);
    return good;
}

/* ---- Frames ---- */

static int read_exactly(int fd, uint8_t *out, size_t n)
{
    while (n) {
        ssize_t got = readable(fd) ? read(fd, out, n) : -1;

        if (got <= 0)
            return 0;
        out += got;
        n -= (size_t)got;
    }
    return 1;
}

int peer_read(struct peer *p)
{
    uint8_t head[4];

    if (!read_exactly(p->fd, head, 4))
        return 0;
    p->frame_len = (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 |
                   (size_t)head[3] << 24;
    free(p->frame);
    p->frame = malloc(p->frame_len + 1);
    return p->frame && read_exactly(p->fd, p->frame, p->frame_len);
}

static struct aiex_slice whole(const struct peer *p)
{
    struct aiex_slice s = {p->frame, p->frame_len};

    return s;
}

static int field_is(const struct peer *p, const char *key, const char *value)
{
    struct aiex_slice s;

    return aiex_get_str(whole(p), key, &s) == 1 && s.len == strlen(value) &&
           memcmp(s.data, value, s.len) == 0;
}

struct aiex_slice peer_expect_call(struct peer *p, const char *service, const char *method)
{
    struct aiex_slice body = {NULL, 0};

    if (!peer_read(p) || !field_is(p, "op", "call") || !field_is(p, "service", service) ||
        !field_is(p, "method", method) || aiex_get_whole(whole(p), "body", &body) != 1 ||
        !aiex_is_map(body)) {
        fprintf(stderr, "no call of %s at %s came\n", method, service);
        p->failed = 1;
    }
    return body;
}

int peer_expect_op(struct peer *p, const char *op)
{
    while (peer_read(p)) {
        if (field_is(p, "op", op))
            return 1;
        if (!field_is(p, "op", "credit"))
            break;
    }
    fprintf(stderr, "no %s came\n", op);
    p->failed = 1;
    return 0;
}

int64_t peer_id(const struct peer *p)
{
    int64_t id = -1;

    aiex_get_int(whole(p), "id", &id);
    return id;
}

void peer_raw(struct peer *p, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;

    while (len) {
        ssize_t n = send(p->fd, at, len, MSG_NOSIGNAL);

        if (n <= 0)
            return; /* the client went away, which some scripts want */
        at += n;
        len -= (size_t)n;
    }
}

static void send_frame(struct peer *p, const struct aiex_writer *w)
{
    uint8_t head[4];

    if (w->failed)
        abort();
    for (unsigned i = 0; i < 4; i++)
        head[i] = (uint8_t)(w->len >> (8 * i));
    peer_raw(p, head, 4);
    peer_raw(p, w->data, w->len);
}

void peer_part(struct peer *p, int64_t id, const void *bytes, size_t len)
{
    uint8_t *mem = malloc(len + 64);
    struct aiex_writer w;

    if (!mem)
        give_up("malloc");
    aiex_writer_init(&w, mem, len + 64);
    aiex_w_map(&w, 3);
    aiex_w_key_int(&w, "id", id);
    aiex_w_key_str(&w, "kind", "part");
    aiex_w_key_bin(&w, "body", bytes, len);
    send_frame(p, &w);
    free(mem);
}

void peer_end(struct peer *p, int64_t id, struct aiex_slice body)
{
    uint8_t *mem = malloc(body.len + 64);
    struct aiex_writer w;

    if (!mem)
        give_up("malloc");
    aiex_writer_init(&w, mem, body.len + 64);
    aiex_w_map(&w, body.len ? 3 : 2);
    aiex_w_key_int(&w, "id", id);
    aiex_w_key_str(&w, "kind", "end");
    if (body.len) {
        aiex_w_str(&w, "body");
        aiex_w_raw(&w, body.data, body.len);
    }
    send_frame(p, &w);
    free(mem);
}

void peer_error(struct peer *p, int64_t id, const char *code, const char *text)
{
    uint8_t mem[1024];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 5);
    aiex_w_key_int(&w, "id", id);
    aiex_w_key_str(&w, "kind", "end");
    aiex_w_key_str(&w, "code", code);
    aiex_w_key_str(&w, "text", text);
    aiex_w_key_int(&w, "retry_after_ms", 0);
    send_frame(p, &w);
}

struct aiex_slice make_map(uint8_t *out, size_t size, const char *const *pairs)
{
    struct aiex_writer w;
    uint32_t n = 0;

    while (pairs[2 * n])
        n++;
    aiex_writer_init(&w, out, size);
    aiex_w_map(&w, n);
    for (uint32_t i = 0; i < n; i++) {
        const char *value = pairs[2 * i + 1];

        aiex_w_str(&w, pairs[2 * i]);
        if (*value == '#')
            aiex_w_int(&w, strtoll(value + 1, NULL, 10));
        else if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0)
            aiex_w_bool(&w, *value == 't');
        else
            aiex_w_str(&w, value);
    }
    if (w.failed)
        abort();
    return aiex_written(&w);
}

/* ---- Running the program ---- */

/* What the child does between fork and exec. */
static void become_aiex(const struct run_as *as, const char *const *args)
{
    char *argv[32] = {(char *)(uintptr_t) "aiex"};
    size_t n = 1;

    while (args[n - 1] && n < 31) {
        argv[n] = (char *)(uintptr_t)args[n - 1];
        n++;
    }
    unsetenv("NO_COLOR");
    unsetenv("COLUMNS");
    setenv("TERM", "xterm", 1);
    setenv("AIEX_SOCKET", as->socket ? as->socket : "/nonexistent/aiex.sock", 1);
    for (size_t i = 0; i < 4 && as->env[i]; i++)
        putenv((char *)(uintptr_t)as->env[i]);
    execv(AIEX_BUILD_DIR "/bin/aiex", argv);
    _exit(127);
}

/* Standard input as a file that is gone from the folder already. */
static int input_fd(const char *text)
{
    int fd = text ? open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)
                  : open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        give_up("input");
    if (text && (write(fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET) != 0))
        give_up("input");
    return fd;
}

/* Takes what is there; 0 at the end. */
static int drain(int fd, char *out, size_t size, size_t *len)
{
    char sink[4096];
    ssize_t n;

    if (*len + 1 < size)
        n = read(fd, out + *len, size - *len - 1);
    else
        n = read(fd, sink, sizeof(sink));
    if (n <= 0)
        return 0;
    if (*len + 1 < size)
        *len += (size_t)n;
    out[*len] = 0;
    return 1;
}

static void collect(int out, int err, struct ran *r)
{
    struct pollfd fds[2] = {{.fd = out, .events = POLLIN}, {.fd = err, .events = POLLIN}};
    size_t out_len = strlen(r->out), err_len = 0;

    while ((fds[0].fd >= 0 || fds[1].fd >= 0) && poll(fds, 2, PATIENCE_MS) > 0) {
        if (fds[0].revents && !drain(out, r->out, sizeof(r->out), &out_len))
            fds[0].fd = -1;
        if (fds[1].revents && !drain(err, r->err, sizeof(r->err), &err_len))
            fds[1].fd = -1;
    }
}

static int code_of(pid_t pid)
{
    int status = 0;

    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* What was printed up to the prompt stays at the beginning of r->out. */
static void type_at_prompt(int master, const char *typed, struct ran *r)
{
    struct pollfd fd = {.fd = master, .events = POLLIN};
    size_t len = 0;

    while (!strstr(r->out, ": ") && poll(&fd, 1, PATIENCE_MS) > 0 &&
           drain(master, r->out, sizeof(r->out), &len))
        ;
    if (write(master, typed, strlen(typed)) != (ssize_t)strlen(typed))
        give_up("write to the terminal");
}

static void run_on_terminal(const struct run_as *as, const char *const *args, struct ran *r)
{
    struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)as->columns};
    int master;
    pid_t pid = forkpty(&master, NULL, NULL, &size);

    if (pid < 0)
        give_up("forkpty");
    if (pid == 0) {
        if (as->input)
            dup2(input_fd(as->input), STDIN_FILENO);
        become_aiex(as, args);
    }
    if (as->typed)
        type_at_prompt(master, as->typed, r);
    collect(master, -1, r);
    r->code = code_of(pid);
    close(master);
}

void run_aiex(const struct run_as *as, const char *const *args, struct ran *ret_ran)
{
    int out[2], err[2], in;
    pid_t pid;

    memset(ret_ran, 0, sizeof(*ret_ran));
    if (as->columns) {
        run_on_terminal(as, args, ret_ran);
        return;
    }
    in = input_fd(as->input);
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0)
        give_up("pipe2");
    pid = fork();
    if (pid < 0)
        give_up("fork");
    if (pid == 0) {
        dup2(in, STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        dup2(err[1], STDERR_FILENO);
        become_aiex(as, args);
    }
    close(in);
    close(out[1]);
    close(err[1]);
    collect(out[0], err[0], ret_ran);
    ret_ran->code = code_of(pid);
    close(out[0]);
    close(err[0]);
}
