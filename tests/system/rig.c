/* rig.c - starting and ending a host; see rig.h. What is asked of it is in ask.c. */
#include "rig.h"

#include "rig_folder.h"
#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOST    AIEX_BUILD_DIR "/bin/aiex-host"
#define PLUGINS AIEX_BUILD_DIR "/tests/plugins"
#define STOP_MS 30000

/*
 * Signals of plugins stay signals, and only the host looks for leaks at its end: a cell's sandbox
 * does not let the leak checker work.
 */
#define ASAN                                                                                       \
    "handle_segv=0:handle_abort=0:handle_sigill=0:handle_sigfpe=0:handle_sigbus=0:"                \
    "allow_user_segv_handler=1:detect_leaks=0:quarantine_size_mb=8:include_if_exists=%s/"          \
    "%%b.options"

static struct rig *current; /* one at a time is enough */

/* ---- The folder ---- */

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");

    CU_ASSERT_FATAL(f != NULL);
    CU_ASSERT(fputs(text, f) >= 0);
    CU_ASSERT(fclose(f) == 0);
}

static struct rig *make_rig(const char *plugins)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    char path[160];

    CU_ASSERT_FATAL(rig != NULL);
    snprintf(rig->dir, sizeof(rig->dir), "/tmp/aiex-system-XXXXXX");
    CU_ASSERT_FATAL(mkdtemp(rig->dir) != NULL);
    snprintf(rig->config, sizeof(rig->config), "%s/conf", rig->dir);
    snprintf(rig->data, sizeof(rig->data), "%s/data", rig->dir);
    snprintf(rig->log, sizeof(rig->log), "%s/log", rig->dir);
    snprintf(rig->socket, sizeof(rig->socket), "%s/data/run/aiex.sock", rig->dir);
    snprintf(rig->plugins, sizeof(rig->plugins), "%s", plugins ? plugins : PLUGINS);
    rig->notify = -1;
    CU_ASSERT_FATAL(mkdir(rig->config, 0700) == 0);
    snprintf(path, sizeof(path), "%s/aiex-host.options", rig->dir);
    write_file(path, "detect_leaks=1");
    return rig;
}

void rig_write(struct rig *rig, const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", rig->config, name);
    write_file(path, text);
}

char *rig_log(struct rig *rig)
{
    FILE *f = fopen(rig->log, "re");
    char *text = calloc(1, 4 << 20);
    size_t n = f && text ? fread(text, 1, (4 << 20) - 1, f) : 0;

    if (f)
        fclose(f);
    if (text)
        text[n] = 0;
    return text;
}

static void show_log(struct rig *rig)
{
    char *text = rig_log(rig);
    size_t n = text ? strlen(text) : 0;

    fprintf(stderr, "\n--- the host's log ends with ---\n%s\n",
            n ? text + (n > 6000 ? n - 6000 : 0) : "");
    free(text);
}

/* ---- The host's process ---- */

/* Never returns: the program that argv[0] names, dying with its parent. */
static void become(char *const argv[], int output, const char *dir)
{
    char options[400];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(output, 1);
    dup2(output, 2);
    snprintf(options, sizeof(options), ASAN, dir);
    setenv("ASAN_OPTIONS", options, 1);
    execv(argv[0], argv);
    _exit(127);
}

static void open_notify(struct rig *rig)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    snprintf(at.sun_path, sizeof(at.sun_path), "%s/notify", rig->dir);
    unlink(at.sun_path);
    rig->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_FATAL(rig->notify >= 0);
    CU_ASSERT_FATAL(bind(rig->notify, (struct sockaddr *)&at, sizeof(at)) == 0);
    setenv("NOTIFY_SOCKET", at.sun_path, 1);
}

/* Waits for a line of the host's notifications. */
static int await_notice(struct rig *rig, const char *line)
{
    int64_t until = now_ms() + RIG_WAIT_MS;
    char text[64];

    while (now_ms() < until) {
        struct pollfd p = {.fd = rig->notify, .events = POLLIN};
        ssize_t n;

        if (poll(&p, 1, 200) <= 0) {
            if (process_gone(rig->pid, 0))
                return 0;
            continue;
        }
        n = recv(rig->notify, text, sizeof(text) - 1, 0);
        text[n > 0 ? n : 0] = 0;
        if (!strcmp(text, line))
            return 1;
    }
    return 0;
}

static void on_exit_kill(void)
{
    rig_drop(current);
}

static void spawn_host(struct rig *rig)
{
    char *argv[] = {HOST,      "--config",  rig->config,  "--data",
                    rig->data, "--plugins", rig->plugins, NULL};
    int output = open(rig->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    CU_ASSERT_FATAL(output >= 0);
    open_notify(rig);
    rig->pid = fork();
    if (rig->pid == 0)
        become(argv, output, rig->dir);
    close(output);
    unsetenv("NOTIFY_SOCKET");
    CU_ASSERT_FATAL(rig->pid > 0);
}

static void open_watch(struct rig *rig)
{
    static uint8_t mem[64];
    struct aiex_writer w;

    rig->client = client_open(rig->socket);
    rig->watch = client_open(rig->socket);
    CU_ASSERT_FATAL(rig->client && rig->watch);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "topic", "host.*");
    rig->watch_id = client_call(rig->watch, "host", "host.events", aiex_written(&w), 86400000);
    CU_ASSERT_FATAL(client_send(rig->watch) == 0);
}

static void launch(struct rig *rig)
{
    spawn_host(rig);
    if (!await_notice(rig, "READY=1")) {
        show_log(rig);
        CU_FAIL_FATAL("the host did not start");
    }
    open_watch(rig);
}

struct rig *rig_start_raw(const char *ini, const char *plugins)
{
    static int registered;
    struct rig *rig;

    rig_drop(current);
    if (!registered)
        atexit(on_exit_kill);
    registered = 1;
    rig = current = make_rig(plugins);
    rig_write(rig, "10.ini", ini);
    launch(rig);
    return rig;
}

static int all_up(struct rig *rig, void *arg)
{
    struct answer a = rig_call(rig, "host", "host.status", 0, NULL);
    int ready = 0;

    return aiex_get_bool(a.body, "ready", &ready) == 1 && ready;
}

struct rig *rig_start(const char *ini)
{
    struct rig *rig = rig_start_raw(ini, NULL);

    if (!rig_until(rig, all_up, NULL)) {
        show_log(rig);
        CU_FAIL_FATAL("the instances did not come up");
    }
    return rig;
}

static int wait_for(struct rig *rig)
{
    int status = 0;
    pid_t pid = rig->pid;

    rig->pid = 0;
    if (waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int rig_stop(struct rig *rig)
{
    int late, code;

    if (!rig->pid)
        return -1;
    process_signal(rig->pid, SIGTERM);
    late = !process_gone(rig->pid, STOP_MS);
    if (late)
        process_signal(rig->pid, SIGKILL);
    code = wait_for(rig);
    return late ? -1 : code;
}

static void disconnect(struct rig *rig)
{
    client_close(rig->client);
    client_close(rig->watch);
    rig->client = rig->watch = NULL;
    if (rig->notify >= 0)
        close(rig->notify);
    rig->notify = -1;
}

void rig_kill(struct rig *rig)
{
    if (!rig->pid)
        return;
    process_signal(rig->pid, SIGKILL);
    wait_for(rig);
}

void rig_again(struct rig *rig)
{
    CU_ASSERT_EQUAL_FATAL(rig->pid, 0);
    disconnect(rig);
    launch(rig);
    if (!rig_until(rig, all_up, NULL))
        CU_FAIL_FATAL("the instances did not come up");
}

void rig_drop(struct rig *rig)
{
    if (!rig)
        return;
    rig_kill(rig);
    disconnect(rig);
    rig_folder_remove(rig->dir);
    if (current == rig)
        current = NULL;
    free(rig);
}

void rig_end(struct rig *rig)
{
    int code = rig_stop(rig);

    CU_ASSERT_EQUAL(code, 0);
    if (code != 0)
        show_log(rig);
    rig_drop(rig);
}

void rig_reload(struct rig *rig)
{
    CU_ASSERT_FATAL(process_signal(rig->pid, SIGHUP) == 0);
    CU_ASSERT_FATAL(await_notice(rig, "READY=1"));
}

int rig_upgrade(struct rig *rig)
{
    CU_ASSERT_FATAL(process_signal(rig->pid, SIGUSR2) == 0);
    return await_notice(rig, "READY=1");
}

int rig_run(char *const argv[], char *out, size_t size)
{
    int pair[2], status = 0;
    size_t n = 0;
    ssize_t got;
    pid_t pid;

    CU_ASSERT_FATAL(pipe2(pair, O_CLOEXEC) == 0);
    pid = fork();
    if (pid == 0)
        become(argv, pair[1], "/nonexistent");
    close(pair[1]);
    CU_ASSERT_FATAL(pid > 0);
    while (n + 1 < size && (got = read(pair[0], out + n, size - 1 - n)) > 0)
        n += (size_t)got;
    out[n] = 0;
    close(pair[0]);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int rig_check(const char *ini, const char *plugins, char *out, size_t size)
{
    struct rig *rig = make_rig(plugins);
    char *argv[] = {HOST, "--config", rig->config, "--plugins", rig->plugins, "--check", NULL};
    int code;

    rig_write(rig, "10.ini", ini);
    code = rig_run(argv, out, size);
    rig_drop(rig);
    return code;
}
