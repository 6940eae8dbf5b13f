/*
 * cell.c - see cell.h. Death is learnt from the pidfd; then the ring and the output
 * pipe are read to their ends, so that nothing the plugin managed to say is lost.
 */
#include "cell/cell.h"

#include "base/clock.h"
#include "channel/fdpass.h"
#include "wire/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_LINES_PER_SECOND 100 /* of a cell's stdout and stderr */

struct cell {
    struct cell_env env;
    struct cell_ops ops;
    void *arg;
    struct channel *channel;
    int control, output, pidfd, pid;
    struct loop_watch *control_watch, *output_watch, *pid_watch;
    int kill_when_made;
    uint32_t hang_ms;
    uint64_t started_ms;
    uint64_t seen_progress, seen_ms; /* watchdog */
    int told_hung;
    char line[1024];
    size_t line_len;
    char last_words[256];
    uint64_t second;
    unsigned lines, dropped;
};

static void on_record(void *arg, const struct record *head, const uint8_t *body)
{
    struct cell *cell = arg;

    cell->ops.record(cell->arg, head, body);
}

static void on_broken(void *arg)
{
    struct cell *cell = arg;

    cell->ops.broken(cell->arg, channel_broken_why(cell->channel));
}

static void end_line(struct cell *cell)
{
    uint64_t second = clock_ms() / 1000;

    cell->line[cell->line_len] = 0;
    cell->line_len = 0;
    if (!cell->line[0])
        return;
    snprintf(cell->last_words, sizeof(cell->last_words), "%.255s", cell->line);
    if (second != cell->second) {
        if (cell->dropped) {
            char text[64];

            snprintf(text, sizeof(text), "(%u lines of output dropped)", cell->dropped);
            cell->ops.output(cell->arg, text);
        }
        cell->second = second;
        cell->lines = cell->dropped = 0;
    }
    if (cell->lines++ < OUTPUT_LINES_PER_SECOND)
        cell->ops.output(cell->arg, cell->line);
    else
        cell->dropped++;
}

/* Returns 0 at the end of the pipe or when nothing is there now. */
static int read_output(struct cell *cell)
{
    char bytes[4096];
    ssize_t n = read(cell->output, bytes, sizeof(bytes));

    if (n <= 0) {
        if (n == 0 && cell->output_watch)
            loop_watch_set(cell->output_watch, 0);
        return 0;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (bytes[i] == '\n' || cell->line_len == sizeof(cell->line) - 1)
            end_line(cell);
        if (bytes[i] != '\n')
            cell->line[cell->line_len++] = bytes[i] ? bytes[i] : ' ';
    }
    return 1;
}

static void on_output(void *arg, unsigned events)
{
    read_output(arg);
}

static void on_control(void *arg, unsigned events)
{
    struct cell *cell = arg;
    char text[512];
    int n_fds = 0;
    ssize_t n = fdpass_recv(cell->control, text, sizeof(text) - 1, NULL, &n_fds);
    unsigned instance;
    int at = 0;

    if (n <= 0) {
        if (n != -EAGAIN)
            loop_watch_set(cell->control_watch, 0);
        return;
    }
    text[n] = 0;
    if (sscanf(text, "listen %u %n", &instance, &at) == 1 && at)
        cell->ops.listen(cell->arg, instance, text + at);
}

void cell_answer_listen(struct cell *cell, int fd, const char *error)
{
    fdpass_send(cell->control, error, strlen(error) + 1, &fd, fd >= 0 ? 1 : 0);
}

static void finish(struct cell *cell, const struct cell_exit *exit)
{
    struct cell_exit copy = *exit;

    channel_drain(cell->channel);
    while (read_output(cell))
        ;
    if (cell->line_len)
        end_line(cell);
    copy.lifetime_ms = clock_ms() - cell->started_ms;
    memcpy(copy.last_words, cell->last_words, sizeof(copy.last_words));
    cell->pid = 0;
    cell->ops.exited(cell->arg, &copy);
}

static void on_exit_event(void *arg, unsigned events)
{
    struct cell *cell = arg;
    struct cell_exit exit = {0};
    siginfo_t info = {0};

    if (waitid(P_PIDFD, (id_t)cell->pidfd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0)
        return;
    if (info.si_code == CLD_EXITED)
        exit.code = info.si_status;
    else
        exit.signal = info.si_status;
    loop_watch_free(cell->pid_watch);
    cell->pid_watch = NULL;
    finish(cell, &exit);
}

static void on_made(void *arg, int pid, int pidfd)
{
    struct cell *cell = arg;

    if (pid <= 0) {
        finish(cell, &(struct cell_exit){.spawn_error = pid});
        return;
    }
    cell->pid = pid;
    cell->pidfd = pidfd;
    channel_hold(cell->channel, 0);
    cell->pid_watch = loop_watch_new(cell->env.loop, pidfd, LOOP_READ, on_exit_event, cell);
    if (cell->kill_when_made)
        cell_kill(cell);
}

void cell_kill(struct cell *cell)
{
    if (cell->env.inside)
        cell->env.inside->stop(0); /* it can be asked, not killed */
    else if (cell->pid)
        syscall(SYS_pidfd_send_signal, cell->pidfd, SIGKILL, NULL, 0);
    else
        cell->kill_when_made = 1;
}

static void on_inside_exited(void *arg, int code)
{
    struct cell *cell = arg;

    finish(cell, &(struct cell_exit){.code = code});
}

static int on_inside_listen(void *arg, unsigned instance, const char *address, struct aiex_error *err)
{
    struct cell *cell = arg;

    return cell->ops.listen_inside ? cell->ops.listen_inside(cell->arg, instance, address, err) : -ENOSYS;
}

/* The plugins of this cell run here: the other end of the channel is ours as well. */
static int start_inside(struct cell *cell, const struct start *start, const struct channel_fds *fds)
{
    static const struct cell_inside_ops ops = {on_inside_exited, on_inside_listen};
    struct channel_fds copy = {fcntl(fds->memory, F_DUPFD_CLOEXEC, 10),
                               {fcntl(fds->wake[0], F_DUPFD_CLOEXEC, 10),
                                fcntl(fds->wake[1], F_DUPFD_CLOEXEC, 10)}};
    struct pack message;
    int r;

    pack_init(&message, START_MAX);
    (void)buf_room(&message.buf, START_MAX - 1); /* secrets: a buffer that grows leaves copies behind */
    r = start_pack(start, &message);
    if (r == 0)
        r = cell->env.inside->start(cell->env.loop, cell->env.hub, pack_slice(&message), &copy,
                                    cell->env.settings_fd, &ops, cell);
    if (message.buf.data)
        explicit_bzero(message.buf.data, message.buf.len);
    pack_done(&message);
    if (r < 0)
        channel_fds_close(&copy);
    else
        cell->pid = getpid();
    return r;
}

static int start_process(struct cell *cell, const struct start *start, const struct channel_fds *fds,
                         int child_control, int child_output)
{
    int all[START_FDS] = {[START_FD_MEMORY] = fds->memory,
                          [START_FD_WAKE0] = fds->wake[0],
                          [START_FD_WAKE1] = fds->wake[1],
                          [START_FD_SETTINGS] = cell->env.settings_fd,
                          [START_FD_OUTPUT] = child_output,
                          [START_FD_CONTROL] = child_control};
    struct pack message;
    int r;

    pack_init(&message, START_MAX);
    (void)buf_room(&message.buf, START_MAX - 1); /* secrets: a buffer that grows leaves copies behind */
    r = start_pack(start, &message);
    if (r == 0)
        r = spawner_start(cell->env.spawner, pack_slice(&message), all, on_made, cell);
    if (message.buf.data)
        explicit_bzero(message.buf.data, message.buf.len);
    pack_done(&message);
    return r;
}

int cell_new(const struct cell_env *env, const struct start *start, uint32_t hang_ms,
             const struct cell_ops *ops, void *arg, struct cell **ret)
{
    struct cell *cell = calloc(1, sizeof(*cell));
    struct channel_fds fds = {-1, {-1, -1}};
    struct start told = *start;
    int pair[2] = {-1, -1}, pipes[2] = {-1, -1}, r = -ENOMEM;

    if (!cell)
        return -ENOMEM;
    *cell = (struct cell){.env = *env, .ops = *ops, .arg = arg, .control = -1, .output = -1,
                          .pidfd = -1, .hang_ms = hang_ms, .started_ms = clock_ms()};
    if (!told.ring_bytes)
        told.ring_bytes = CELL_RING_DEFAULT;
    told.host_pid = getpid();
    r = channel_make(told.ring_bytes, &fds);
    if (r < 0)
        goto failed;
    if (env->inside) {
        cell->channel = channel_new(env->hub, &fds, 0, told.ring_bytes,
                                    &(struct channel_ops){on_record, on_broken}, cell, &r);
        if (!cell->channel)
            goto failed;
        r = start_inside(cell, &told, &fds);
        if (r < 0) {
            cell_free(cell);
            return r;
        }
        *ret = cell;
        return 0;
    }
    r = -EMFILE;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
        pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0)
        goto failed;
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    cell->channel = channel_new(env->hub, &fds, 0, told.ring_bytes,
                                &(struct channel_ops){on_record, on_broken}, cell, &r);
    if (!cell->channel)
        goto failed;
    channel_hold(cell->channel, 1); /* a quick cell says hello before its maker has said its pid */
    cell->control = pair[0];
    cell->output = pipes[0];
    cell->control_watch = loop_watch_new(env->loop, cell->control, LOOP_READ, on_control, cell);
    cell->output_watch = loop_watch_new(env->loop, cell->output, LOOP_READ, on_output, cell);
    /* the descriptors are in the message once it is sent: our copies of the child's ends may go */
    r = start_process(cell, &told, &fds, pair[1], pipes[1]);
    close(pair[1]);
    close(pipes[1]);
    if (r < 0) {
        cell_free(cell);
        return r;
    }
    *ret = cell;
    return 0;
failed:
    for (int i = 0; i < 2; i++) {
        if (pair[i] >= 0)
            close(pair[i]);
        if (pipes[i] >= 0)
            close(pipes[i]);
    }
    channel_fds_close(&fds);
    free(cell);
    return r;
}

void cell_free(struct cell *cell)
{
    if (!cell)
        return;
    if (cell->env.inside) {
        if (cell->pid)
            cell->env.inside->stop(1);
    } else if (cell->pid) {
        cell_kill(cell);
        waitid(P_PIDFD, (id_t)cell->pidfd, &(siginfo_t){0}, WEXITED);
    } else {
        spawner_forget(cell->env.spawner, cell);
    }
    loop_watch_free(cell->pid_watch);
    loop_watch_free(cell->control_watch);
    loop_watch_free(cell->output_watch);
    channel_free(cell->channel);
    if (cell->control >= 0)
        close(cell->control);
    if (cell->output >= 0)
        close(cell->output);
    if (cell->pidfd >= 0)
        close(cell->pidfd);
    free(cell);
}

struct channel *cell_channel(struct cell *cell)
{
    return cell->channel;
}

int cell_pid(const struct cell *cell)
{
    return cell->pid;
}

void cell_watch(struct cell *cell, uint64_t now_ms)
{
    uint64_t progress = channel_peer_progress(cell->channel);

    if (cell->env.inside)
        return; /* while this code runs, so does that one */
    if (progress != cell->seen_progress || channel_peer_sleeping(cell->channel) || !progress) {
        cell->seen_progress = progress;
        cell->seen_ms = now_ms;
        return;
    }
    if (cell->hang_ms && !cell->told_hung && now_ms - cell->seen_ms >= cell->hang_ms) {
        cell->told_hung = 1;
        cell->ops.hung(cell->arg);
    }
}

uint64_t cell_rss_bytes(const struct cell *cell)
{
    unsigned long pages = 0;
    char path[64];
    FILE *f;

    if (!cell->pid)
        return 0;
    snprintf(path, sizeof(path), "/proc/%d/statm", cell->pid);
    f = fopen(path, "re");
    if (!f)
        return 0;
    if (fscanf(f, "%*u %lu", &pages) != 1)
        pages = 0;
    fclose(f);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void inherit(struct cell *cell, const struct channel_state *state, int on)
{
    int fds[6] = {state->fds.memory, state->fds.wake[0], state->fds.wake[1], cell->control, cell->output,
                  cell->pidfd};

    for (int i = 0; i < 6; i++)
        fcntl(fds[i], F_SETFD, on ? 0 : FD_CLOEXEC);
}

int cell_save(struct cell *cell, struct pack *out)
{
    struct channel_state state;

    if (!cell->pid || cell->env.inside || channel_save(cell->channel, &state) < 0)
        return -EBUSY;
    pack_map(out, 7);
    pack_str(out, "channel");
    pack_bin(out, &state, sizeof(state));
    pack_key_int(out, "control", cell->control);
    pack_key_int(out, "output", cell->output);
    pack_key_int(out, "pidfd", cell->pidfd);
    pack_key_int(out, "pid", cell->pid);
    pack_key_int(out, "hang_ms", cell->hang_ms);
    pack_key_int(out, "started_ms", (int64_t)cell->started_ms);
    inherit(cell, &state, 1);
    return 0;
}

void cell_keep(struct cell *cell)
{
    struct channel_state state;

    if (channel_save(cell->channel, &state) == 0)
        inherit(cell, &state, 0);
}

int cell_load(const struct cell_env *env, const void *v, const struct cell_ops *ops, void *arg,
              struct cell **ret)
{
    struct aiex_slice block = doc_bytes(doc_get(v, "channel"));
    struct cell *cell = calloc(1, sizeof(*cell));
    struct channel_state state;
    int r = -EPROTO;

    if (!cell || block.len != sizeof(state)) {
        free(cell);
        return cell ? -EPROTO : -ENOMEM;
    }
    memcpy(&state, block.data, sizeof(state));
    *cell = (struct cell){.env = *env, .ops = *ops, .arg = arg,
                          .control = (int)doc_int(doc_get(v, "control"), -1),
                          .output = (int)doc_int(doc_get(v, "output"), -1),
                          .pidfd = (int)doc_int(doc_get(v, "pidfd"), -1),
                          .pid = (int)doc_int(doc_get(v, "pid"), 0),
                          .hang_ms = (uint32_t)doc_int(doc_get(v, "hang_ms"), 0),
                          .started_ms = (uint64_t)doc_int(doc_get(v, "started_ms"), 0)};
    inherit(cell, &state, 0);
    cell->channel = channel_load(env->hub, &state, 0, &(struct channel_ops){on_record, on_broken}, cell, &r);
    if (!cell->channel) {
        free(cell);
        return r;
    }
    cell->control_watch = loop_watch_new(env->loop, cell->control, LOOP_READ, on_control, cell);
    cell->output_watch = loop_watch_new(env->loop, cell->output, LOOP_READ, on_output, cell);
    cell->pid_watch = loop_watch_new(env->loop, cell->pidfd, LOOP_READ, on_exit_event, cell);
    *ret = cell;
    return 0;
}
