/* run.c - each check in a child of its own; a crash is a finding, not the end. */
#include "check.h"

#include <aiex_json.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES 2048

/* ---- In the child ---- */

static void put_line(struct check *c, char kind, const char *format, va_list args)
{
    char text[LINE_BYTES - 8];

    vsnprintf(text, sizeof(text), format, args);
    for (char *p = text; *p; p++) {
        if (*p == '\n' || *p == '\t')
            *p = ' ';
    }
    fprintf(c->out, "%c%s\n", kind, text);
    fflush(c->out);
}

void finding(struct check *c, const char *what_to_do, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_line(c, 'F', format, args);
    va_end(args);
    c->n_findings++;
    fprintf(c->out, "D%s\n", what_to_do);
    fflush(c->out);
}

void note(struct check *c, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_line(c, 'N', format, args);
    va_end(args);
}

void at(struct check *c, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_line(c, 'A', format, args);
    va_end(args);
}

static void child(const struct check_plan *plan, const struct check_entry *entry, int fd)
{
    struct check c = {.plan = plan, .out = fdopen(fd, "w")};
    struct aiex_error err;

    if (!c.out)
        _exit(3);
    signal(SIGPIPE, SIG_IGN);
    if (entry->needs_plugin) {
        at(&c, "loading");
        if (load_plugin(plan->path, &c.plugin, &c.entry, &err) < 0) {
            note(&c, "not loaded");
            _exit(0);
        }
    }
    entry->run(&c);
    fflush(c.out);
    _exit(0); /* as a cell ends: no exit handlers of the plugin's libraries */
}

/* ---- In the parent ---- */

struct report {
    const char *check;
    int json, n_findings, n_printed;
    char place[LINE_BYTES], what[LINE_BYTES];
};

static void print_json_text(const char *key, const char *text)
{
    char mem[LINE_BYTES * 6 + 64];
    struct aiex_json_out w;

    aiex_jw_init(&w, mem, sizeof(mem));
    aiex_jw_str(&w, key);
    aiex_jw_raw(&w, ":");
    aiex_jw_str(&w, text);
    printf("%.*s", (int)(w.failed ? 0 : w.len), mem);
}

static void print_finding(struct report *r, const char *what, const char *what_to_do)
{
    r->n_findings++;
    if (!r->json) {
        printf("%s: %s; %s\n", r->check, what, what_to_do);
        return;
    }
    printf("%s{", r->n_printed++ ? "," : "");
    print_json_text("check", r->check);
    printf(",");
    print_json_text("what", what);
    printf(",");
    print_json_text("do", what_to_do);
    printf("}");
}

static void take_line(struct report *r, const char *line)
{
    switch (line[0]) {
    case 'A':
        snprintf(r->place, sizeof(r->place), "%s", line + 1);
        break;
    case 'F':
        snprintf(r->what, sizeof(r->what), "%s", line + 1);
        break;
    case 'D':
        print_finding(r, r->what, line + 1);
        break;
    case 'N':
        if (!r->json)
            printf("%s: not checked: %s\n", r->check, line + 1);
        break;
    default:
        break;
    }
}

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Reads lines until the child closed its end. 0, or -ETIMEDOUT. */
static int read_lines(struct report *r, int fd, int limit_s)
{
    int64_t end_ms = now_ms() + limit_s * 1000ll;
    char line[LINE_BYTES];
    size_t used = 0;

    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left_ms = end_ms - now_ms();
        ssize_t n;
        char *nl;

        if (left_ms <= 0 || poll(&p, 1, (int)left_ms) == 0)
            return -ETIMEDOUT;
        n = read(fd, line + used, sizeof(line) - 1 - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return 0;
        used += (size_t)n;
        line[used] = 0;
        while ((nl = memchr(line, '\n', used)) != NULL) {
            *nl = 0;
            take_line(r, line);
            used -= (size_t)(nl + 1 - line);
            memmove(line, nl + 1, used + 1);
        }
        if (used == sizeof(line) - 1)
            used = 0;
    }
}

static void judge_end(struct report *r, int status, int timed_out, int limit_s)
{
    char what[LINE_BYTES + 128];
    const char *place = r->place[0] ? r->place : "nothing yet";

    if (timed_out) {
        snprintf(what, sizeof(what), "no end after %d s while: %.1800s", limit_s, place);
        print_finding(r, what, "callbacks must not block: use timers, watches or a thread");
    } else if (WIFSIGNALED(status)) {
        snprintf(what, sizeof(what), "crashed (%s) while: %.1800s", strsignal(WTERMSIG(status)),
                 place);
        print_finding(r, what,
                      "run aiex-check under gdb with --only, or build with -fsanitize=address");
    } else if (WEXITSTATUS(status) != 0) {
        snprintf(what, sizeof(what), "the process ended with status %d while: %.1800s",
                 WEXITSTATUS(status), place);
        print_finding(r, what, "a plugin never calls exit(); with sanitizers see the report above");
    }
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static int run_one(struct check_plan *plan, const struct check_entry *entry, struct report *r)
{
    char dir[] = "/tmp/aiex-check.XXXXXX";
    int fds[2], status = 0, timed_out;
    pid_t pid;

    if (!mkdtemp(dir) || pipe(fds) != 0)
        return -errno;
    plan->data_dir = dir;
    fflush(NULL);
    pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        close(fds[0]);
        child(plan, entry, fds[1]);
    }
    close(fds[1]);
    timed_out = read_lines(r, fds[0], plan->limit_s) < 0;
    if (timed_out)
        kill(pid, SIGKILL);
    close(fds[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    judge_end(r, status, timed_out, plan->limit_s);
    nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}

int run_checks(const struct check_plan *plan, const char *only, int json)
{
    struct check_plan mine = *plan;
    struct report r = {.json = json};

    if (json) {
        printf("{");
        print_json_text("plugin", plan->path);
        printf(",\"findings\":[");
    }
    for (const struct check_entry *e = checks; e->name; e++) {
        int result;

        if (only && strcmp(only, e->name) != 0)
            continue;
        r.check = e->name;
        r.place[0] = 0;
        result = run_one(&mine, e, &r);
        if (result < 0)
            return result;
        /* nothing else can be tried with a file that does not load */
        if (r.n_findings && !e->needs_plugin)
            break;
    }
    if (json)
        printf("]}\n");
    return r.n_findings;
}
