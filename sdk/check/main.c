/*
 * main.c - aiex-check: proves that a plugin keeps the contract.
 *
 *     aiex-check ./service_hello.so
 *     aiex-check --kind provider/1 --set base_url=http://127.0.0.1:1 --json ./provider_mine.so
 *
 * One line per finding: "check: what; what to do". Exit code 0 = no findings, 1 = findings,
 * 2 = wrong usage.
 */
#include "check.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

const struct check_entry checks[] = {
    {"file", "is a shared object for this machine that gives a descriptor", 0, check_file},
    {"symbols", "exports the entry and nothing else, imports nothing of ours", 0, check_symbols},
    {"descriptor", "name, kind, version, needs and callbacks are sane", 1, check_descriptor},
    {"options", "options have names, help, defaults that parse, and room", 1, check_options},
    {"life", "create, start and destroy 100 times leave nothing behind", 1, check_life},
    {"values", "odd values of every option are taken or refused with a reason", 1, check_values},
    {"unknown", "unknown methods, calls and events are survived", 1, check_unknown},
    {"hostile", "hostile bodies are answered", 1, check_hostile},
    {"cancel", "a cancelled call is silent and leaves nothing behind", 1, check_cancel},
    {"window", "a producer that was told to pause pauses", 1, check_window},
    {"memory", "the failure of each allocation is survived", 1, check_memory},
    {"drain", "drain ends, and destroy after it leaves nothing behind", 1, check_drain},
    {"kind", "answers the methods of its kind as sdk/kinds says", 1, check_kind},
    {0},
};

/* Read by sanitizer runtimes when this program is built with them: failed allocations are an input
 * here, and a report must be told from exit(1). */
AIEX_EXPORT const char *__asan_default_options(void);
AIEX_EXPORT const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1:exitcode=99:detect_odr_violation=0";
}

static int usage(FILE *to)
{
    fprintf(to, "usage: aiex-check [--kind KIND] [--set OPTION=VALUE]... [--only CHECK] [--json] "
                "PLUGIN.so\n"
                "       aiex-check --list | --version\n"
                "exit code: 0 no findings, 1 findings, 2 wrong usage\n");
    return to == stdout ? 0 : 2;
}

static int list(void)
{
    for (const struct check_entry *e = checks; e->name; e++)
        printf("%-12s%s\n", e->name, e->promise);
    return 0;
}

static int add_set(struct check_plan *plan, char *text)
{
    char *equals = strchr(text, '=');

    if (!equals || equals == text || plan->n_sets == MAX_SETS) {
        fprintf(stderr, "aiex-check: --set '%s': expected OPTION=VALUE\n", text);
        return 2;
    }
    *equals = 0;
    plan->sets[plan->n_sets][0] = text;
    plan->sets[plan->n_sets++][1] = equals + 1;
    return 0;
}

static int is_check(const char *name)
{
    const struct check_entry *e = checks;

    while (e->name && strcmp(e->name, name) != 0)
        e++;
    return e->name != NULL;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"kind", required_argument, NULL, 'k'},
        {"set", required_argument, NULL, 's'},
        {"only", required_argument, NULL, 'o'},
        {"json", no_argument, NULL, 'j'},
        {"limit", required_argument, NULL, 't'},
        {"list", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {0},
    };
    struct check_plan plan = {.limit_s = 120}; /* the slowest check takes seconds */
    const char *only = NULL;
    int json = 0, c, n;

    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (c) {
        case 'k':
            plan.kind = optarg;
            break;
        case 's':
            if (add_set(&plan, optarg) != 0)
                return 2;
            break;
        case 'o':
            only = optarg;
            break;
        case 't':
            plan.limit_s = atoi(optarg);
            if (plan.limit_s < 1 || plan.limit_s > 86400)
                return usage(stderr);
            break;
        case 'j':
            json = 1;
            break;
        case 'l':
            return list();
        case 'V':
            printf("aiex-check %s, plugin ABI %u.%u\n", AIEX_VERSION, AIEX_ABI_MAJOR,
                   AIEX_ABI_MINOR);
            return 0;
        case 'h':
            return usage(stdout);
        default:
            return usage(stderr);
        }
    }
    if (optind + 1 != argc)
        return usage(stderr);
    if (only && !is_check(only)) {
        fprintf(stderr, "aiex-check: there is no check '%s'; --list names them\n", only);
        return 2;
    }
    plan.path = argv[optind];
    n = run_checks(&plan, only, json);
    if (n < 0) {
        fprintf(stderr, "aiex-check: no process for a check: %s\n", strerror(-n));
        return 2;
    }
    return n ? 1 : 0;
}
