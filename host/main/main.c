/*
 * main.c - aiex-host: signals, exit codes; puts the rooms together.
 */
#include "admin/admin.h"
#include "channel/inside.h"
#include "main/arguments.h"
#include "secret/master_key.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define STOP_LIMIT_MS 15000

/* Exit codes: 0 stopped as asked, 1 fault, 2 wrong arguments or configuration. */
enum { EXIT_FINE, EXIT_FAULT, EXIT_WRONG };

static struct node *node;
static struct admin *admin;
static const char *program;
static char **arguments;

static void notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd;

    if (!path || strlen(path) >= sizeof(at.sun_path))
        return;
    memcpy(at.sun_path, path, strlen(path) + 1);
    if (at.sun_path[0] == '@')
        at.sun_path[0] = 0;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&at,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))) < 0)
        log_warn("NOTIFY_SOCKET '%s' does not take messages", path);
    close(fd);
}

/* One stop is enough: more of them would keep the host from its end, or, while the loop that takes
 * them is taken down, make that another one. */
static void hold_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

static void stop(void *arg)
{
    hold_signals();
    if (admin)
        admin_stopping(admin, "asked to stop");
    log_notice("stopping: cells drain in reverse order, at most %d s", STOP_LIMIT_MS / 1000);
    notify("STOPPING=1");
    node_stop(node, STOP_LIMIT_MS);
}

static int print_report(const struct report *report)
{
    for (size_t i = 0; i < report->n; i++)
        fprintf(stderr, "%s%s\n", report->lines[i].is_warning ? "warning: " : "", report->lines[i].text);
    return report->n_errors ? EXIT_WRONG : EXIT_FINE;
}

static int configure(void)
{
    struct report report;
    int r;

    report_init(&report);
    notify("RELOADING=1");
    r = node_configure(node, &report);
    if (r < 0)
        log_error("the new configuration is refused, the old one holds");
    for (size_t i = 0; i < report.n; i++)
        log_host(report.lines[i].is_warning ? 3 : 4, "%s", report.lines[i].text);
    report_done(&report);
    notify("READY=1");
    return r;
}

static void reload(void *arg)
{
    admin_reload(admin, configure);
}

static void save_above(void *arg, struct pack *out)
{
    admin_save(admin, out);
}

static int upgrade(void *arg, struct aiex_error *err)
{
    return node_upgrade(node, program, arguments, save_above, NULL, err);
}

static void on_upgrade_signal(void *arg)
{
    struct aiex_error err = {""};

    if (upgrade(NULL, &err) < 0)
        log_error("no upgrade: %s", err.text);
}

static int check(const struct node_options *options)
{
    struct report report;
    int code;

    report_init(&report);
    node_check(options, &report);
    code = print_report(&report);
    if (code == EXIT_FINE)
        printf("configuration in %s is sound\n", options->config_dir);
    report_done(&report);
    return code;
}

/* The node that is to run: a fresh one, or what the image before this one left. */
static int make_node(const struct node_options *options, int state_fd)
{
    struct aiex_error err = {"no memory"};
    struct report report;
    int code = EXIT_FINE;

    node = state_fd >= 0 ? node_takeover(options, state_fd, &err) : node_new(options, &err);
    if (!node) {
        fprintf(stderr, "aiex-host: %s\n", err.text);
        return EXIT_FAULT;
    }
    if (state_fd >= 0)
        return EXIT_FINE;
    report_init(&report);
    if (node_configure(node, &report) < 0)
        code = EXIT_WRONG;
    print_report(&report);
    report_done(&report);
    return code;
}

static int run(const struct node_options *options, int state_fd)
{
    static const struct admin_actions actions = {.stop = stop, .upgrade = upgrade};
    struct aiex_error err = {"no memory"};
    const void *above;
    char path[600];
    int code = make_node(options, state_fd);

    if (code != EXIT_FINE)
        goto out;
    code = EXIT_FAULT;
    snprintf(path, sizeof(path), "%s/run/aiex.sock", options->data_dir);
    admin = admin_new(node, path, &actions, NULL, &err);
    if (!admin) {
        fprintf(stderr, "aiex-host: %s\n", err.text);
        goto out;
    }
    loop_signal(node_loop(node), SIGTERM, stop, NULL);
    loop_signal(node_loop(node), SIGINT, stop, NULL);
    if (state_fd >= 0) {
        if (node_resume(node, &above, &err) < 0) {
            fprintf(stderr, "aiex-host: %s\n", err.text);
            goto out;
        }
        admin_resume(admin, above);
        node_takeover_done(node);
    }
    admin_begun(admin, state_fd >= 0 ? "upgraded" : "started");
    loop_signal(node_loop(node), SIGHUP, reload, NULL);
    loop_signal(node_loop(node), SIGUSR2, on_upgrade_signal, NULL);
    log_notice("node '%s' %s, control socket %s", node_name(node), state_fd >= 0 ? "goes on" : "is up", path);
    notify("READY=1");
    loop_run(node_loop(node));
    log_notice("stopped");
    code = EXIT_FINE;
out:
    admin_free(admin);
    node_free(node);
    return code;
}

/* Many cells need many descriptors: take what the hard limit allows. */
static void raise_limits(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* Before any process is made, which would inherit it. */
static int take_master_key(struct arguments *a)
{
    static struct master_key key;
    struct aiex_error err = {""};

    if (master_key_take_environment(&key, &err) < 0) {
        fprintf(stderr, "aiex-host: %s\n", err.text);
        return -1;
    }
    a->node.master_key = &key;
    return 0;
}

int main(int argc, char **argv)
{
    static struct arguments a;

    arguments_read(&a, argc, argv);
    a.node.inside = &runner_inside;
    if (take_master_key(&a) < 0)
        return EXIT_WRONG;
    arguments = argv;
    program = a.program;
    log_init(2, a.log_form, a.log_level);
    signal(SIGPIPE, SIG_IGN);
    raise_limits();
    switch (a.what) {
    case DO_RUN:
        return run(&a.node, a.state_fd);
    case DO_CHECK:
        return check(&a.node);
    case DO_REFERENCE:
        return node_reference(&a.node, stdout) < 0 ? EXIT_FAULT : EXIT_FINE;
    case DO_VERSION:
        printf("aiex-host %s (plugin ABI %u.%u)\n", AIEX_VERSION, AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
        return EXIT_FINE;
    case DO_STATE_VERSION:
        printf("%d\n", NODE_STATE_VERSION);
        return EXIT_FINE;
    case DO_HELP:
        fputs(arguments_usage(), stdout);
        return EXIT_FINE;
    default:
        return EXIT_WRONG;
    }
}
