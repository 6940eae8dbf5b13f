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
    {0, "session", "ID", "conversation: one provider, recorded in the session of that id",
     HINT_NONE, NULL},
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

#define STORE_OPTION                                                                               \
    {                                                                                              \
        0, "store", "SERVICE", "name of the store, else store", HINT_NONE, NULL                    \
    }
#define ACK_OPTION                                                                                 \
    {                                                                                              \
        0, "ack", "LEVEL", "what acknowledged means; synced unless told otherwise", HINT_CHOICE,   \
            "applied written synced quorum"                                                        \
    }

static const struct verb_option append_options[] = {
    {0, "expect", "WHAT", "version each append expects: any, none, exists or N", HINT_NONE, NULL},
    ACK_OPTION,
    STORE_OPTION,
    END_OF_OPTIONS,
};
static const struct verb_option import_options[] = {ACK_OPTION, STORE_OPTION, JSON_OPTION,
                                                    END_OF_OPTIONS};
static const struct verb_option read_options[] = {
    {'a', "all", NULL, "the events of all streams in their order", HINT_NONE, NULL},
    {0, "from", "N", "first version; with --all first sequence", HINT_NONE, NULL},
    {0, "to", "N", "last version; with --all last sequence", HINT_NONE, NULL},
    {0, "type", "TYPE", "only events of this type", HINT_NONE, NULL},
    {0, "correlation", "ID", "only events with this correlation", HINT_NONE, NULL},
    {'b', "backwards", NULL, "the last one first", HINT_NONE, NULL},
    {'n', "limit", "N", "at most N events", HINT_NONE, NULL},
    STORE_OPTION,
    STREAM_JSON_OPTION,
    END_OF_OPTIONS,
};
static const struct verb_option export_options[] = {
    {0, "from", "N", "first version; without STREAM first sequence", HINT_NONE, NULL},
    {0, "to", "N", "last version; without STREAM last sequence", HINT_NONE, NULL},
    STORE_OPTION,
    END_OF_OPTIONS,
};
static const struct verb_option tail_options[] = {
    {'a', "all", NULL, "stored events of all streams", HINT_NONE, NULL},
    {0, "stream", "STREAM", "stored events of this stream", HINT_NONE, NULL},
    {0, "type", "TYPE", "stored events of this type", HINT_NONE, NULL},
    {0, "name", "NAME", "go on where the last one with this name ended", HINT_NONE, NULL},
    {0, "from", "N", "begin with this version or sequence, not with what comes", HINT_NONE, NULL},
    STORE_OPTION,
    COUNT_OPTION,
    STREAM_JSON_OPTION,
    END_OF_OPTIONS,
};
static const struct verb_option verify_options[] = {STORE_OPTION, STREAM_JSON_OPTION,
                                                    END_OF_OPTIONS};
static const struct verb_option store_options[] = {STORE_OPTION, JSON_OPTION, END_OF_OPTIONS};

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

#define PERIOD_OPTIONS                                                                             \
    {0, "from", "DATE", "first day, YYYY-MM-DD in UTC", HINT_NONE, NULL},                          \
    {                                                                                              \
        0, "to", "DATE", "last day, YYYY-MM-DD in UTC", HINT_NONE, NULL                            \
    }
#define SEQ_OPTIONS                                                                                \
    {0, "from-seq", "N", "first entry", HINT_NONE, NULL},                                          \
    {                                                                                              \
        0, "to-seq", "N", "last entry", HINT_NONE, NULL                                            \
    }
#define KEY_OPTION                                                                                 \
    {                                                                                              \
        0, "key", "KEY", "public key of the log, as aiex audit head told it", HINT_NONE, NULL      \
    }

static const struct verb_option audit_log_options[] = {
    PERIOD_OPTIONS,
    SEQ_OPTIONS,
    {0, "type", "TYPE", "only this type of act; key.* for all that begin so", HINT_NONE, NULL},
    {0, "actor", "NAME", "only acts of this actor", HINT_NONE, NULL},
    COUNT_OPTION,
    STREAM_JSON_OPTION,
    END_OF_OPTIONS,
};
static const struct verb_option audit_export_options[] = {
    PERIOD_OPTIONS,
    SEQ_OPTIONS,
    {'j', "json", NULL, "with FILE, print how many entries it has as JSON", HINT_NONE, NULL},
    END_OF_OPTIONS,
};
static const struct verb_option audit_verify_options[] = {
    PERIOD_OPTIONS,
    SEQ_OPTIONS,
    KEY_OPTION,
    {0, "witness", "FILE", "a head that was kept elsewhere: finds an older copy", HINT_FILE, NULL},
    STREAM_JSON_OPTION,
    END_OF_OPTIONS,
};
static const struct verb_option audit_report_options[] = {
    PERIOD_OPTIONS,
    {0, "shape", "NAME", "whose questions it answers", HINT_CHOICE, "gdpr soc2"},
    {0, "format", "NAME", "form of the page", HINT_CHOICE, "text html csv json"},
    JSON_OPTION,
    END_OF_OPTIONS,
};
static const struct verb_option audit_witness_options[] = {
    KEY_OPTION,
    {0, "cosign", "KEYFILE", "sign the head as a witness; the key is made when there is none",
     HINT_FILE, NULL},
    {0, "name", "NAME", "name of a witness key that is made", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};
static const struct verb_option audit_redact_options[] = {
    {0, "reason", "TEXT", "why; it stays in the log", HINT_NONE, NULL},
    {0, "actor", "NAME", "who; else operator", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};

#define LABEL_OPTIONS                                                                              \
    {0, "title", "TEXT", "what it is about", HINT_NONE, NULL},                                     \
        {0, "user", "NAME", "whose it is", HINT_NONE, NULL},                                       \
        {0, "project", "NAME", "what it belongs to", HINT_NONE, NULL},                             \
    {                                                                                              \
        0, "ttl", "TIME", "it expires when it is not used for TIME; 0s = never", HINT_NONE, NULL   \
    }
#define PAGE_OPTIONS                                                                               \
    {'n', "count", "N", "at most N, else 50; 200 are the most", HINT_NONE, NULL},                  \
    {                                                                                              \
        0, "next", "TOKEN", "go on where the page before ended", HINT_NONE, NULL                   \
    }

static const struct verb_option session_list_options[] = {
    {0, "title", "TEXT", "only with this in the title", HINT_NONE, NULL},
    {0, "user", "NAME", "only of this user", HINT_NONE, NULL},
    {0, "project", "NAME", "only of this project", HINT_NONE, NULL},
    {0, "state", "STATE", "only these; without it open and closed ones", HINT_CHOICE,
     "open closed archived expired deleted"},
    PAGE_OPTIONS,
    JSON_OPTION,
    END_OF_OPTIONS,
};
static const struct verb_option session_show_options[] = {
    {0, "version-of", "N", "the conversation as it was at version N", HINT_NONE, NULL},
    {0, "all", NULL, "every event, also what was rolled back", HINT_NONE, NULL},
    PAGE_OPTIONS,
    JSON_OPTION,
    END_OF_OPTIONS,
};
static const struct verb_option session_create_options[] = {
    {0, "id", "ID", "its id, instead of one at random", HINT_NONE, NULL},
    LABEL_OPTIONS,
    JSON_OPTION,
    END_OF_OPTIONS,
};
static const struct verb_option session_fork_options[] = {
    {0, "version-of", "N", "begin at version N instead of the end", HINT_NONE, NULL},
    {0, "as", "ID", "id of the new one, instead of one at random", HINT_NONE, NULL},
    LABEL_OPTIONS,
    JSON_OPTION,
    END_OF_OPTIONS,
};

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
    {"events append", "STREAM", 1, 1, "append events from standard input to a stream",
     "Each line is JSON: an object is one event, an array one batch of which all or none is "
     "stored. "
     "Keys: type (required), data (any JSON) or data_base64, id, expect, time, correlation, "
     "causation, meta, stream (instead of STREAM); others are ignored.\n"
     "For each event one line of JSON follows as soon as its outcome is known, in the order of the "
     "input: stream, version, seq, id, and duplicate when it had been stored before; or error, "
     "text, id and line. Errors: conflict (version is the one the stream has), read_only, invalid, "
     "busy, unavailable and others: the event is not stored; unknown: nobody knows. What has the "
     "same id is stored once, so a line can be sent again with the id that was printed.\n"
     "--expect holds for every line that has no expect of its own. At most 240 lines and 24 MiB "
     "are "
     "on their way at once; a line has at most 16 MiB, a batch 1000 events. --timeout, else 30s, "
     "is "
     "for each line. Exits 0 when every event is stored.\n",
     append_options, HINT_NONE, NULL, ACTION_EVENTS_APPEND},
    {"events read", "[STREAM]", 0, 1, "print the stored events of a stream or of all",
     "JSON keys: stream, version, seq, id, type, time (milliseconds since 1970), data (or "
     "data_base64 when it is no JSON), correlation, causation, meta.\n",
     read_options, HINT_NONE, NULL, ACTION_EVENTS_READ},
    {"events tail", "[TOPIC]", 0, 1, "follow events: those of the bus, or stored ones",
     "TOPIC is exact, as in provider.health, or ends in .* for all below; without TOPIC all "
     "topics. "
     "These are not stored.\n"
     "With --all, --stream, --type, --name or --from: the events that are appended to the store. "
     "With --name the position is kept there: events are shown at least once, from the first that "
     "was not. A store that starts anew is waited for.\n",
     tail_options, HINT_NONE, NULL, ACTION_EVENTS_TAIL},
    {"events export", "[STREAM]", 0, 1, "print stored events exactly, for import",
     "One JSON object per line, as events read prints it; data is to the byte what was appended.\n",
     export_options, HINT_NONE, NULL, ACTION_EVENTS_EXPORT},
    {"events import", "[FILE]", 0, 1, "append events that were exported",
     "From FILE or standard input. Ids, times and streams stay, versions and sequences are new; "
     "events that are there already are not stored again, so an import that broke off can be "
     "repeated. Prints a line for each event that could not be stored, as events append does.\n",
     import_options, HINT_FILE, NULL, ACTION_EVENTS_IMPORT},
    {"events verify", "", 0, 0, "check everything that is stored",
     "Prints a line for each fault; exits 1 when there is one.\n", verify_options, HINT_NONE, NULL,
     ACTION_EVENTS_VERIFY},
    {"events backup", "PATH", 1, 1, "copy the store while it is used",
     "PATH is below the data folder of the store.\n", store_options, HINT_NONE, NULL,
     ACTION_EVENTS_BACKUP},
    {"events restore", "PATH", 1, 1, "replace the store by a backup",
     "PATH is that of the backup, below the data folder of the store.\n", store_options, HINT_NONE,
     NULL, ACTION_EVENTS_RESTORE},
    {"events stats", "", 0, 0, "show the counters of the store", "", store_options, HINT_NONE, NULL,
     ACTION_EVENTS_STATS},
    {"projection list", "", 0, 0, "list what is derived from stored events, and how far it is",
     "JSON: an array of objects with name, service (the instance that runs it), state (starting, "
     "catching_up, live, failed, down), error, version, generation (the build that readers have), "
     "building (one that comes), position, lag (events behind), building_lag, events and "
     "failures.\n",
     store_options, HINT_NONE, NULL, ACTION_PROJECTION_LIST},
    {"projection rebuild", "NAME", 1, 1, "build a projection anew from all events",
     "Readers have the old rows until the new ones have caught up. Does not wait: projection list "
     "tells how far it is.\n",
     store_options, HINT_NONE, NULL, ACTION_PROJECTION_REBUILD},
    {"aggregate show", "STREAM", 1, 1, "show the saved state of an aggregate",
     "JSON keys: stream, version, snapshot (version that the state is of, 0 = none was saved), "
     "form "
     "and state. What happened behind the snapshot: aiex events read STREAM --from N.\n",
     store_options, HINT_NONE, NULL, ACTION_AGGREGATE_SHOW},
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
    {"audit log", "", 0, 0, "print the acts that were recorded",
     "JSON keys: seq, time (milliseconds since 1970), type, actor, subject, writer, correlation, "
     "payload, redacted, hash.\n",
     audit_log_options, HINT_NONE, NULL, ACTION_AUDIT_LOG},
    {"audit export", "[FILE]", 0, 1, "write the log as JSON lines that anyone can verify",
     "The format is aiex-audit/1. A part of the log has a proof for each entry. FILE is replaced "
     "when all of it is there; without FILE it goes to standard output.\n",
     audit_export_options, HINT_FILE, NULL, ACTION_AUDIT_EXPORT},
    {"audit verify", "[FILE]", 0, 1, "verify the log, or an export without any host",
     "Prints for each fault where it is (seq=N or A..B) and what, and exits 1. JSON: an object "
     "with "
     "where, kind and text for each, and at last one with checked, faults, size. FILE - is "
     "standard "
     "input. An export is checked with --key, else with the key that it names itself.\n",
     audit_verify_options, HINT_FILE, NULL, ACTION_AUDIT_VERIFY},
    {"audit prove", "SEQ|SIZE1 [SIZE2]", 1, 2,
     "prove that an entry is in the log, or that it only grew",
     "With one number the proof of that entry, its head and key, which aiex audit verify takes. "
     "With two the proof that SIZE2 entries continue SIZE1. The lines are JSON, with --json or "
     "without.\n",
     json_lines_only, HINT_NONE, NULL, ACTION_AUDIT_PROVE},
    {"audit report", "", 0, 0, "report on a period in the shape of GDPR or SOC 2",
     "Counts acts by what the shape asks for, verifies the entries of the period, and exits 1 when "
     "that finds faults.\n",
     audit_report_options, HINT_NONE, NULL, ACTION_AUDIT_REPORT},
    {"audit head", "", 0, 0, "print the signed head of the log",
     "JSON keys: size, root (hex), note, key, cosigned.\n", json_only, HINT_NONE, NULL,
     ACTION_AUDIT_HEAD},
    {"audit witness", "FILE", 1, 1,
     "remember the head outside the log, and find one that went back",
     "Exits 1 when the log has fewer entries than FILE has seen, or others. Keep FILE on another "
     "machine or medium. With --cosign the head is signed as by a C2SP witness and given to the "
     "log.\n",
     audit_witness_options, HINT_FILE, NULL, ACTION_AUDIT_WITNESS},
    {"audit redact", "SEQ", 1, 1, "take the payload of an entry away; every proof stays valid", "",
     audit_redact_options, HINT_NONE, NULL, ACTION_AUDIT_REDACT},
    {"session list", "", 0, 0, "list the sessions, the one that changed last first", "",
     session_list_options, HINT_NONE, NULL, ACTION_SESSION_LIST},
    {"session show", "SESSION", 1, 1, "print a session and its conversation",
     "The last messages, the oldest of them first, with their versions in brackets.\n"
     "JSON keys: session (as in session list, and values), history (events, newest first; next).\n",
     session_show_options, HINT_NONE, NULL, ACTION_SESSION_SHOW},
    {"session create", "", 0, 0, "make a session and print its id", "", session_create_options,
     HINT_NONE, NULL, ACTION_SESSION_CREATE},
    {"session close", "SESSION", 1, 1, "let nothing more be said in a session", "", json_only,
     HINT_NONE, NULL, ACTION_SESSION_CLOSE},
    {"session archive", "SESSION", 1, 1, "put a session away", "", json_only, HINT_NONE, NULL,
     ACTION_SESSION_ARCHIVE},
    {"session restore", "SESSION", 1, 1, "open a closed, archived or expired session again", "",
     json_only, HINT_NONE, NULL, ACTION_SESSION_RESTORE},
    {"session rollback", "SESSION VERSION", 2, 2, "go back to an earlier point of a session",
     "What was said since is hidden, not lost: going back to a later version shows it again.\n",
     json_only, HINT_NONE, NULL, ACTION_SESSION_ROLLBACK},
    {"session fork", "SESSION", 1, 1, "make a session that begins as another, and print its id", "",
     session_fork_options, HINT_NONE, NULL, ACTION_SESSION_FORK},
    {"session expire", "[SESSION]", 0, 1, "let a session expire, or all whose time is over", "",
     json_only, HINT_NONE, NULL, ACTION_SESSION_EXPIRE},
    {"session delete", "SESSION", 1, 1, "erase a session and what was said in it",
     "There is no way back. What its forks had of it is erased, too.\n", json_only, HINT_NONE, NULL,
     ACTION_SESSION_DELETE},
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
