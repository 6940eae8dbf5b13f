#include "verbs.h"

#include "nearest.h"

#include <stdint.h>
#include <string.h>

#define JSON_OPTION                                                                                \
    {                                                                                              \
        'j', "json", NULL, "print JSON with stable keys instead of text", HINT_NONE, NULL          \
    }
#define STREAM_JSON_OPTION                                                                         \
    {                                                                                              \
        'j', "json", NULL, "print one JSON object per line", HINT_NONE, NULL                       \
    }
#define COUNT_OPTION                                                                               \
    {                                                                                              \
        'n', "count", "N", "end after N of them", HINT_NONE, NULL                                  \
    }
#define END_OF_OPTIONS                                                                             \
    {                                                                                              \
        0, NULL, NULL, NULL, HINT_NONE, NULL                                                       \
    }
#define ANY_NUMBER SIZE_MAX

const struct verb_option global_options[] = {
    {'h', "help", NULL, "show help for the verb", HINT_NONE, NULL},
    {0, "socket", "PATH", "control socket of the host", HINT_FILE, NULL},
    {0, "timeout", "TIME", "give up after TIME, as in 500ms, 30s, 2m", HINT_NONE, NULL},
    {'q', "quiet", NULL, "no notices on standard error, only errors", HINT_NONE, NULL},
    {0, "color", "WHEN", "colour the output: auto, always or never", HINT_CHOICE,
     "auto always never"},
    {0, "no-color", NULL, "the same as --color=never", HINT_NONE, NULL},
    {'V', "version", NULL, "the same as the verb version", HINT_NONE, NULL},
    END_OF_OPTIONS,
};

static const struct verb_option no_options[] = {END_OF_OPTIONS};
static const struct verb_option json_lines_only[] = {STREAM_JSON_OPTION, END_OF_OPTIONS};
static const struct verb_option json_only[] = {JSON_OPTION, END_OF_OPTIONS};

static const struct verb_option ask_options[] = {
    {'m', "model", "MODEL", "model or alias to ask; the default is configured", HINT_NONE, NULL},
    {'s', "system", "TEXT", "instructions that precede the prompt", HINT_NONE, NULL},
    {'f', "file", "FILE", "send this text file along; may be repeated", HINT_FILE, NULL},
    {0, "session", "ID", "name of the conversation: its questions go to one provider", HINT_NONE,
     NULL},
    {0, "no-stream", NULL, "print the answer when it is complete", HINT_NONE, NULL},
    {0, "no-stdin", NULL, "leave standard input alone", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};

static const struct verb_option status_options[] = {
    {0, "check", NULL, "exit 1 unless the host is ready", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};

static const struct verb_option list_options[] = {
    {0, "names", NULL, "print only the instance names, one per line", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};

static const struct verb_option load_options[] = {
    {0, "name", "INSTANCE", "name of the new instance, as in provider_openai:work", HINT_NONE,
     NULL},
    {0, "set", "KEY=VALUE", "one option of the plugin; may be repeated", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};

static const struct verb_option trace_options[] = {COUNT_OPTION, STREAM_JSON_OPTION,
                                                   END_OF_OPTIONS};
static const struct verb_option tail_options[] = {COUNT_OPTION, STREAM_JSON_OPTION, END_OF_OPTIONS};

static const struct verb_option reload_options[] = {
    {'n', "dry-run", NULL, "check the files, change nothing", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};

static const struct verb_option new_plugin_options[] = {
    {'d', "dir", "DIR", "folder to make; default ./KIND_NAME", HINT_DIR, NULL},
    {0, "template", "DIR", "template to copy; default the installed one", HINT_DIR, NULL},
    {'n', "dry-run", NULL, "list the files, write nothing", HINT_NONE, NULL},
    END_OF_OPTIONS,
};

static const struct verb_option secret_remove_options[] = {
    {0, "force", NULL, "also while an instance uses it", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};

static const struct verb_option secret_rotate_options[] = {
    {0, "key", NULL, "take the new master key from the terminal or standard input", HINT_NONE,
     NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};

static const struct verb_option man_options[] = {
    {'d', "dir", "DIR", "write every page into this folder", HINT_DIR, NULL},
    END_OF_OPTIONS,
};

#define WHO_OPTIONS                                                                                \
    {0, "key", "ID", "only requests with this API key", HINT_NONE, NULL},                          \
        {0, "user", "NAME", "only requests of this user", HINT_NONE, NULL},                        \
        {0, "model", "MODEL", "only requests that this model answered", HINT_NONE, NULL},          \
    {                                                                                              \
        0, "provider", "NAME", "only requests to this provider", HINT_NONE, NULL                   \
    }

static const struct verb_option usage_options[] = {
    {'b', "by", "COLUMNS", "one row for each, as in user,model,day,tag:job", HINT_NONE, NULL},
    {0, "from", "DATE", "first day, YYYY-MM-DD in UTC", HINT_NONE, NULL},
    {0, "to", "DATE", "last day, YYYY-MM-DD in UTC", HINT_NONE, NULL},
    WHO_OPTIONS,
    {0, "team", "NAME", "only requests of this team (sums)", HINT_NONE, NULL},
    {0, "project", "NAME", "only requests of this project (sums)", HINT_NONE, NULL},
    {'f', "follow", NULL, "go on with what comes (tail)", HINT_NONE, NULL},
    {0, "failed", NULL, "only requests that failed (tail)", HINT_NONE, NULL},
    {'n', "count", "N", "begin with the last N, else 20 (tail)", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};

#define OWNER_OPTION                                                                               \
    {                                                                                              \
        0, "user", "NAME", "this user's template instead of the system's", HINT_NONE, NULL         \
    }
#define VERSION_OPTION                                                                             \
    {                                                                                              \
        0, "version-of", "N", "this version instead of the latest", HINT_NONE, NULL                \
    }

static const struct verb_option template_list_options[] = {
    {0, "user", "NAME", "also the templates of this user", HINT_NONE, NULL},
    {0, "all", NULL, "the templates of all users", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};
static const struct verb_option template_read_options[] = {OWNER_OPTION, VERSION_OPTION,
                                                           JSON_OPTION, END_OF_OPTIONS};
static const struct verb_option template_put_options[] = {
    OWNER_OPTION,
    {0, "description", "TEXT", "one line about it", HINT_NONE, NULL},
    {0, "variables", "FILE", "file with a JSON object that has the array variables", HINT_FILE,
     NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};
#define CONTEXT_OPTIONS                                                                            \
    {0, "kind", "KIND", "only contexts of this kind", HINT_NONE, NULL},                            \
        {0, "session", "NAME", "only those of this session", HINT_NONE, NULL},                     \
        {0, "project", "NAME", "only those of this project", HINT_NONE, NULL},                     \
    {                                                                                              \
        0, "limit", "N", "at most so many", HINT_NONE, NULL                                        \
    }
static const struct verb_option context_list_options[] = {CONTEXT_OPTIONS, JSON_OPTION,
                                                          END_OF_OPTIONS};
static const struct verb_option context_search_options[] = {
    CONTEXT_OPTIONS,
    {0, "all", NULL, "only what has all the words", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};
static const struct verb_option context_put_options[] = {
    {0, "id", "ID", "id; default made of project, path and kind, or random", HINT_NONE, NULL},
    {0, "kind", "KIND", "what it is: session, analysis, interaction ...; default note", HINT_NONE,
     NULL},
    {0, "session", "NAME", "session that it belongs to", HINT_NONE, NULL},
    {0, "project", "NAME", "project that it belongs to", HINT_NONE, NULL},
    {0, "path", "PATH", "file that it is about", HINT_NONE, NULL},
    {0, "title", "TEXT", "one line about it", HINT_NONE, NULL},
    {0, "ttl", "TIME", "how long it is kept: 30m, 12h, 7d; default as configured", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};

static const struct verb_option template_remove_options[] = {OWNER_OPTION, JSON_OPTION,
                                                             END_OF_OPTIONS};

#define LIMIT_OPTIONS                                                                              \
    {0, "rpm", "N", "requests per minute; 0 = no limit", HINT_NONE, NULL},                         \
        {0, "tpm", "N", "tokens per minute; 0 = no limit", HINT_NONE, NULL},                       \
        {0, "concurrency", "N", "requests at the same time; 0 = no limit", HINT_NONE, NULL},       \
        {0, "budget-day", "DOLLARS", "money per day (UTC); 0 = no limit", HINT_NONE, NULL},        \
        {0, "budget-month", "DOLLARS", "money per month (UTC); 0 = no limit", HINT_NONE, NULL},    \
    {                                                                                              \
        0, "soft-percent", "N", "warn from this part of a budget on", HINT_NONE, NULL              \
    }
#define KEY_OPTIONS                                                                                \
    {0, "user", "NAME", "user that the key is for", HINT_NONE, NULL},                              \
        {0, "team", "NAME", "team that the key is for", HINT_NONE, NULL},                          \
        {0, "project", "NAME", "project that the key is for", HINT_NONE, NULL},                    \
        {0, "role", "ROLE", "what it may do", HINT_CHOICE, "admin user viewer"},                   \
        {0, "models", "LIST", "models with *, separated by commas; empty = all", HINT_NONE, NULL}, \
        LIMIT_OPTIONS,                                                                             \
    {                                                                                              \
        0, "expires", "DATE", "last day on which it is good (UTC)", HINT_NONE, NULL                \
    }

static const struct verb_option key_create_options[] = {KEY_OPTIONS, JSON_OPTION, END_OF_OPTIONS};
static const struct verb_option key_set_options[] = {
    {0, "name", "TEXT", "another name for it", HINT_NONE, NULL},
    KEY_OPTIONS,
    JSON_OPTION,
    END_OF_OPTIONS,
};
static const struct verb_option key_rotate_options[] = {
    {0, "grace", "TIME", "the old secret goes on for TIME, as in 24h", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};
static const struct verb_option limit_set_options[] = {LIMIT_OPTIONS, JSON_OPTION, END_OF_OPTIONS};

const struct verb verbs[] = {
    {"ask", "[PROMPT...]", 0, ANY_NUMBER, "ask a model and print its answer",
     "The prompt is the words given, or standard input when there are none. With both, standard "
     "input is sent along like a file. Files must be UTF-8 text of at most 2 MiB each.\n"
     "The answer goes to standard output as it arrives and nothing else does; reasoning and "
     "notices go to standard error, also that an answer came from no model but the offline "
     "provider. Ctrl-C cancels the request at the provider. It is recorded like every request: "
     "see usage and route show.\n"
     "JSON keys: text, id (for route show), model, provider, input_tokens, output_tokens, cost "
     "(micro-dollars), finish, cached, offline; null when nobody told.\n",
     ask_options, HINT_NONE, NULL, ACTION_ASK},
    {"status", "", 0, 0, "show the host: node, version, readiness, protection of the cells",
     "JSON keys: node, version, uptime_ms, ready, plugins and more.\n", status_options, HINT_NONE,
     NULL, ACTION_STATUS},
    {"plugin list", "", 0, 0, "list the plugin instances",
     "JSON: an array of objects with name, plugin, kind, cell, pid, state, restarts, last_exit, "
     "rss_bytes and more. Columns are left out on a narrow terminal, never in a pipe.\n",
     list_options, HINT_NONE, NULL, ACTION_PLUGIN_LIST},
    {"plugin load", "PATH|PLUGIN", 1, 1, "load a configuration file or a plugin",
     "PATH ending in .ini loads its sections, PATH ending in .so a plugin that is not installed; "
     "anything else names an installed plugin.\n",
     load_options, HINT_FILE, NULL, ACTION_PLUGIN_LOAD},
    {"plugin reload", "[NAME]", 0, 1, "reload an instance, or all whose file changed",
     "The new incarnation takes over when it is ready; the old one finishes its work.\n", json_only,
     HINT_INSTANCE, NULL, ACTION_PLUGIN_RELOAD},
    {"plugin remove", "NAME", 1, 1, "drain and remove an instance",
     "The configuration file is not changed.\n", json_only, HINT_INSTANCE, NULL,
     ACTION_PLUGIN_REMOVE},
    {"plugin stats", "[NAME]", 0, 1, "show the counters of one instance or of all", "", json_only,
     HINT_INSTANCE, NULL, ACTION_PLUGIN_STATS},
    {"plugin trace", "NAME", 1, 1, "follow the messages of an instance",
     "One line per message until Ctrl-C; bodies are not shown, only their sizes.\n", trace_options,
     HINT_INSTANCE, NULL, ACTION_PLUGIN_TRACE},
    {"job list", "", 0, 0, "list the jobs that run by the clock",
     "JSON: an array of objects with name, cron, zone, service, method, next and last "
     "(milliseconds "
     "since 1970, 0 = none), running, runs, failures, skipped and last_error.\n",
     json_only, HINT_NONE, NULL, ACTION_JOB_LIST},
    {"job run", "NAME", 1, 1, "run a job now",
     "Starts it and does not wait: aiex job list and aiex events tail host.job tell how it ends.\n",
     json_only, HINT_NONE, NULL, ACTION_JOB_RUN},
    {"secret set", "NAME", 1, 1, "store a secret, such as the key of a provider",
     "The value is typed without being shown, or read from standard input; never an argument, "
     "which "
     "everybody on the machine could read. At most 12 KiB of text; a line end at its end is "
     "dropped.\n"
     "A configuration names it as secret:NAME. Running instances that use it get the new value.\n",
     json_only, HINT_NONE, NULL, ACTION_SECRET_SET},
    {"secret list", "", 0, 0, "list the secrets and who uses them; never their values",
     "JSON: an array of objects with name, created and changed (milliseconds since 1970), damaged "
     "and "
     "used_by.\n",
     json_only, HINT_NONE, NULL, ACTION_SECRET_LIST},
    {"secret remove", "NAME", 1, 1, "remove a secret",
     "Refused while an instance uses it, unless --force is given: what uses it goes on, and does "
     "not "
     "start again.\n",
     secret_remove_options, HINT_NONE, NULL, ACTION_SECRET_REMOVE},
    {"secret rotate", "", 0, 0, "seal all secrets under a new master key",
     "A key in a file is made and replaced by the host. One that comes from a systemd credential "
     "or the "
     "environment is given with --key, and put there by you before the host starts again.\n",
     secret_rotate_options, HINT_NONE, NULL, ACTION_SECRET_ROTATE},
    {"config check", "[DIR]", 0, 1, "check a configuration without using it",
     "Without DIR the running host checks its own files. With DIR no host is needed: aiex-host, "
     "beside this program, is started to check it. Exits 1 when there are errors.\n",
     json_only, HINT_DIR, NULL, ACTION_CONFIG_CHECK},
    {"config reload", "", 0, 0, "read the files again and apply what changed",
     "Instances whose sections did not change are not touched. With an error nothing changes.\n",
     reload_options, HINT_NONE, NULL, ACTION_CONFIG_RELOAD},
    {"config show", "", 0, 0, "print the configuration in force; secrets are hidden", "", json_only,
     HINT_NONE, NULL, ACTION_CONFIG_SHOW},
    {"events tail", "[TOPIC]", 0, 1, "follow events, all or those of a topic",
     "TOPIC is exact, as in provider.health, or ends in .* for all below.\n", tail_options,
     HINT_NONE, NULL, ACTION_EVENTS_TAIL},
    {"usage", "[tail]", 0, 1, "show what was used and spent",
     "Sums of requests, tokens and money, in all or for each of --by: key, user, team, project, "
     "model, "
     "provider, day, tag:NAME. Days are those of UTC.\n"
     "With tail: one line for each request, the last ones and with --follow those to come.\n",
     usage_options, HINT_CHOICE, "tail", ACTION_USAGE},
    {"route show", "ID", 1, 1, "show how a request found its provider",
     "ID is the request's: x-request-id of its answer, or from aiex usage tail.\n", json_only,
     HINT_NONE, NULL, ACTION_ROUTE_SHOW},
    {"template list", "", 0, 0, "list the prompt templates", "", template_list_options, HINT_NONE,
     NULL, ACTION_TEMPLATE_LIST},
    {"template show", "NAME", 1, 1, "print the text of a template", "", template_read_options,
     HINT_NONE, NULL, ACTION_TEMPLATE_SHOW},
    {"template put", "NAME FILE", 2, 2, "keep a new version of a template",
     "FILE is the text, - reads it from standard input. Without --variables every name in {{...}} "
     "is a "
     "required text.\n",
     template_put_options, HINT_NONE, NULL, ACTION_TEMPLATE_PUT},
    {"template remove", "NAME", 1, 1, "remove all versions of a template", "",
     template_remove_options, HINT_NONE, NULL, ACTION_TEMPLATE_REMOVE},
    {"template render", "NAME [VARIABLE=VALUE...]", 1, ANY_NUMBER,
     "print a template with its values",
     "VARIABLE=@FILE takes the value from a file, VARIABLE=@- from standard input.\n",
     template_read_options, HINT_NONE, NULL, ACTION_TEMPLATE_RENDER},
    {"context put", "FILE", 1, 1, "keep a text for later",
     "FILE is the text, - reads it from standard input. The same text again refreshes its time "
     "only.\n",
     context_put_options, HINT_FILE, NULL, ACTION_CONTEXT_PUT},
    {"context get", "ID", 1, 1, "print the text of a context", "", json_only, HINT_NONE, NULL,
     ACTION_CONTEXT_GET},
    {"context search", "WORD...", 1, ANY_NUMBER, "find contexts by their words, best first",
     "WORD* finds all words that begin so; identifiers are found by their parts.\n",
     context_search_options, HINT_NONE, NULL, ACTION_CONTEXT_SEARCH},
    {"context list", "", 0, 0, "list the contexts, newest first", "", context_list_options,
     HINT_NONE, NULL, ACTION_CONTEXT_LIST},
    {"context remove", "ID", 1, 1, "remove a context", "", json_only, HINT_NONE, NULL,
     ACTION_CONTEXT_REMOVE},
    {"context stats", "", 0, 0, "count contexts, searches and hits of each level", "", json_only,
     HINT_NONE, NULL, ACTION_CONTEXT_STATS},
    {"key create", "NAME", 1, 1, "make an API key and print its secret, this once", "",
     key_create_options, HINT_NONE, NULL, ACTION_KEY_CREATE},
    {"key list", "", 0, 0, "list the API keys, what they spent and may spend", "", json_only,
     HINT_NONE, NULL, ACTION_KEY_LIST},
    {"key revoke", "ID", 1, 1, "make a key worthless from now on", "", json_only, HINT_NONE, NULL,
     ACTION_KEY_REVOKE},
    {"key rotate", "ID", 1, 1, "give a key a new secret and print it", "", key_rotate_options,
     HINT_NONE, NULL, ACTION_KEY_ROTATE},
    {"key set", "ID", 1, 1, "change what a key may do", "Only what is given changes.\n",
     key_set_options, HINT_NONE, NULL, ACTION_KEY_SET},
    {"limit set", "SCOPE NAME", 2, 2, "limit a user, a team or a project",
     "Only what is given changes.\n", limit_set_options, HINT_CHOICE, "user team project",
     ACTION_LIMIT_SET},
    {"limit list", "", 0, 0, "list the limits of users, teams and projects", "", json_only,
     HINT_NONE, NULL, ACTION_LIMIT_LIST},
    {"call", "SERVICE METHOD [JSON]", 2, 3, "call any method and print its answer as JSON",
     "JSON is an object, or - to read one from standard input. Parts of the answer that are maps "
     "are printed one per line, before its end; other parts are written as they are and the end "
     "then goes to standard error.\n",
     json_lines_only, HINT_NONE, NULL, ACTION_CALL},
    {"new-plugin", "KIND NAME", 2, 2, "start a plugin of your own from the template",
     "Never overwrites a file.\n", new_plugin_options, HINT_CHOICE,
     "provider interface store tier audit chunker service discovery bridge", ACTION_NEW_PLUGIN},
    {"completion", "SHELL", 1, 1, "print the completions for bash, zsh or fish",
     "For the running shell: source <(aiex completion bash)\n", no_options, HINT_CHOICE,
     "bash zsh fish", ACTION_COMPLETION},
    {"man", "[PAGE]", 0, 1, "print a manual page, or write all of them", "", man_options, HINT_NONE,
     NULL, ACTION_MAN},
    {"upgrade", "", 0, 0, "replace the running host by the installed program",
     "The host executes itself again; plugins go on.\n", json_only, HINT_NONE, NULL,
     ACTION_UPGRADE},
    {"stop", "", 0, 0, "drain all plugins and stop the host", "", json_only, HINT_NONE, NULL,
     ACTION_STOP},
    {"version", "", 0, 0, "print the version of this program",
     "The host's own version is in aiex status.\n", json_only, HINT_NONE, NULL, ACTION_VERSION},
    {"help", "[VERB...]", 0, 2, "show what there is, or all about one verb", "", no_options,
     HINT_VERB, NULL, ACTION_HELP},
    {NULL, NULL, 0, 0, NULL, NULL, NULL, HINT_NONE, NULL, N_ACTIONS},
};

/* Words of argv that make up `path`, or 0. */
static size_t path_matches(const char *path, char *const *words, size_t n_words)
{
    size_t used = 0;

    for (;;) {
        size_t len = strcspn(path, " ");

        if (used == n_words || strlen(words[used]) != len || memcmp(words[used], path, len) != 0)
            return 0;
        used++;
        if (!path[len])
            return used;
        path += len + 1;
    }
}

const struct verb *verb_find(char *const *words, size_t n_words, size_t *ret_used)
{
    for (const struct verb *v = verbs; v->path; v++) {
        size_t used = path_matches(v->path, words, n_words);

        if (used) {
            *ret_used = used;
            return v;
        }
    }
    return NULL;
}

size_t verb_noun_len(const struct verb *v)
{
    return strcspn(v->path, " ");
}

int verb_is_noun(const char *word)
{
    for (const struct verb *v = verbs; v->path; v++)
        if (strlen(word) == verb_noun_len(v) && strncmp(word, v->path, verb_noun_len(v)) == 0)
            return 1;
    return 0;
}

static const struct verb_option *named_in(const struct verb_option *o, const char *name, size_t len)
{
    for (; o->name; o++)
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
            return o;
    return NULL;
}

const struct verb_option *verb_option_named(const struct verb *v, const char *name, size_t len)
{
    const struct verb_option *o = v ? named_in(v->options, name, len) : NULL;

    return o ? o : named_in(global_options, name, len);
}

static const struct verb_option *lettered_in(const struct verb_option *o, char letter)
{
    for (; o->name; o++)
        if (o->letter && o->letter == letter)
            return o;
    return NULL;
}

const struct verb_option *verb_option_lettered(const struct verb *v, char letter)
{
    const struct verb_option *o = v ? lettered_in(v->options, letter) : NULL;

    return o ? o : lettered_in(global_options, letter);
}

const char *verb_nearest(char *const *words, size_t n_words)
{
    char typed[64] = "";
    struct nearest best;

    if (n_words == 0)
        return NULL;
    if (n_words > 1 && strlen(words[0]) + strlen(words[1]) + 2 < sizeof(typed)) {
        strcpy(typed, words[0]);
        strcat(typed, " ");
        strcat(typed, words[1]);
    }
    nearest_init(&best);
    for (const struct verb *v = verbs; v->path; v++) {
        if (strchr(v->path, ' ') && *typed)
            nearest_try(&best, typed, v->path);
        else if (!strchr(v->path, ' '))
            nearest_try(&best, words[0], v->path);
    }
    return best.word;
}

const char *verb_nearest_option(const struct verb *v, const char *name)
{
    struct nearest best;

    nearest_init(&best);
    for (const struct verb_option *o = v ? v->options : global_options; o->name; o++)
        nearest_try(&best, name, o->name);
    for (const struct verb_option *o = global_options; o->name; o++)
        nearest_try(&best, name, o->name);
    return best.word;
}
