#include "main/arguments.h"

#include <getopt.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: aiex-host --config DIR --data DIR [--check] [--log text|json] [--log-level LEVEL]\n"
    "  --config DIR       folder of the *.ini files that say what runs\n"
    "  --data DIR         folder for sockets and plugins' data; made when missing\n"
    "  --plugins DIR      folder of plugins (default: ../plugins beside the program)\n"
    "  --check            only check the configuration: every error, exit code 2 if there is one\n"
    "  --reference        print the option reference (markdown) of the host and its plugins\n"
    "  --log FORM         text or json (default: text on a terminal)\n"
    "  --log-level LEVEL  debug, info, notice, warn or error (default: from the configuration)\n"
    "  --version, --help\n"
    "signals: TERM, INT stop gracefully; HUP reloads the configuration; USR2 executes the program\n"
    "on disk, which takes the running cells over without a failed request\n";


static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},    {"data", required_argument, NULL, 'd'},
    {"plugins", required_argument, NULL, 'p'},   {"check", no_argument, NULL, 'k'},
    {"reference", no_argument, NULL, 'r'},       {"log", required_argument, NULL, 'l'},
    {"log-level", required_argument, NULL, 'v'}, {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},            {"takeover", required_argument, NULL, 't'},
    {"state-version", no_argument, NULL, 's'},   {NULL, 0, NULL, 0},
};

const char *arguments_usage(void)
{
    return usage;
}

static void find_parts(struct arguments *a)
{
    char self[sizeof(a->program)];
    ssize_t n = readlink("/proc/self/exe", a->program, sizeof(a->program) - 1);

    a->program[n > 0 ? n : 0] = 0;
    memcpy(self, a->program, sizeof(self));
    snprintf(a->bin, sizeof(a->bin), "%s", dirname(self));
    snprintf(a->lib, sizeof(a->lib), "%s/../lib/aiex", a->bin);
    snprintf(a->plugins, sizeof(a->plugins), "%s/../plugins", a->bin);
    if (access(a->plugins, X_OK) < 0)
        snprintf(a->plugins, sizeof(a->plugins), "%s/plugins", a->lib);
    a->node.bin_dir = a->bin;
    a->node.lib_dir = a->lib;
    a->node.plugin_dir = a->plugins;
}

/* 0, or -1 after saying what is wrong with the option's value. */
static int take_option(struct arguments *a, int option, const char *value)
{
    int level;

    switch (option) {
    case 'c':
        a->node.config_dir = value;
        return 0;
    case 'd':
        a->node.data_dir = value;
        return 0;
    case 'p':
        a->node.plugin_dir = value;
        return 0;
    case 't': /* by the image before this one; not for people */
        a->state_fd = atoi(value);
        return 0;
    case 'l':
        a->log_form = !strcmp(value, "json") ? LOG_JSON : LOG_TEXT;
        if (a->log_form == LOG_JSON || !strcmp(value, "text"))
            return 0;
        fprintf(stderr, "aiex-host: --log '%s' is not text or json\n", value);
        return -1;
    case 'v':
        level = log_level_of(value);
        a->log_level = (uint32_t)level;
        if (level >= 0)
            return 0;
        fprintf(stderr, "aiex-host: --log-level '%s' is not debug, info, notice, warn or error\n", value);
        return -1;
    default:
        fputs(usage, stderr);
        return -1;
    }
}

void arguments_read(struct arguments *a, int argc, char **argv)
{
    static const char letters[] = "krVsh";
    static const enum arguments_do what[] = {DO_CHECK, DO_REFERENCE, DO_VERSION, DO_STATE_VERSION, DO_HELP};
    const char *letter;
    int o;

    *a = (struct arguments){.log_level = LOG_LEVEL_CONFIGURED, .state_fd = -1};
    find_parts(a);
    while ((o = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        letter = strchr(letters, o);
        if (letter)
            a->what = what[letter - letters];
        else if (take_option(a, o, optarg) < 0)
            a->what = DO_REFUSE;
        if (a->what == DO_REFUSE)
            return;
    }
    if (optind < argc || ((a->what == DO_RUN || a->what == DO_CHECK) && !a->node.config_dir) ||
        (a->what == DO_RUN && !a->node.data_dir)) {
        fputs(usage, stderr);
        a->what = DO_REFUSE;
    }
}
