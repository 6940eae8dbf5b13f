/* verb_options.c - what each verb can be told: one table each, for parsing, help and completion. */
#include "verb_options.h"

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

const struct verb_option no_options[] = {END_OF_OPTIONS};
const struct verb_option json_lines_only[] = {STREAM_JSON_OPTION, END_OF_OPTIONS};
const struct verb_option json_only[] = {JSON_OPTION, END_OF_OPTIONS};

const struct verb_option ask_options[] = {
    {'m', "model", "MODEL", "model or alias to ask; the default is configured", HINT_NONE, NULL},
    {'s', "system", "TEXT", "instructions that precede the prompt", HINT_NONE, NULL},
    {'f', "file", "FILE", "send this text file along; may be repeated", HINT_FILE, NULL},
    {0, "session", "ID", "go on with the session of that id or title; new = make one", HINT_NONE,
     NULL},
    {0, "history", "SIZE", "how much of the session's history to send, as in 64k; 0 = nothing",
     HINT_NONE, NULL},
    {0, "no-stream", NULL, "print the answer when it is complete", HINT_NONE, NULL},
    {0, "no-stdin", NULL, "leave standard input alone", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};

const struct verb_option status_options[] = {
    {0, "check", NULL, "exit 1 unless the host is ready", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};

const struct verb_option list_options[] = {
    {0, "names", NULL, "print only the instance names, one per line", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};

const struct verb_option load_options[] = {
    {0, "name", "INSTANCE", "name of the new instance, as in provider_openai:work", HINT_NONE,
     NULL},
    {0, "set", "KEY=VALUE", "one option of the plugin; may be repeated", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};

const struct verb_option trace_options[] = {COUNT_OPTION, STREAM_JSON_OPTION, END_OF_OPTIONS};

#define STORE_OPTION                                                                               \
    {                                                                                              \
        0, "store", "SERVICE", "name of the store, else store", HINT_NONE, NULL                    \
    }
#define ACK_OPTION                                                                                 \
    {                                                                                              \
        0, "ack", "LEVEL", "what acknowledged means; synced unless told otherwise", HINT_CHOICE,   \
            "applied written synced quorum"                                                        \
    }

const struct verb_option append_options[] = {
    {0, "expect", "WHAT", "version each append expects: any, none, exists or N", HINT_NONE, NULL},
    ACK_OPTION,
    STORE_OPTION,
    END_OF_OPTIONS,
};
const struct verb_option import_options[] = {
    {0, "skip-denied", NULL, "leave out streams that belong to others, import the rest", HINT_NONE,
     NULL},
    ACK_OPTION,
    STORE_OPTION,
    JSON_OPTION,
    END_OF_OPTIONS,
};
const struct verb_option read_options[] = {
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
const struct verb_option export_options[] = {
    {0, "from", "N", "first version; without STREAM first sequence", HINT_NONE, NULL},
    {0, "to", "N", "last version; without STREAM last sequence", HINT_NONE, NULL},
    STORE_OPTION,
    END_OF_OPTIONS,
};
const struct verb_option tail_options[] = {
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
const struct verb_option verify_options[] = {STORE_OPTION, STREAM_JSON_OPTION, END_OF_OPTIONS};
const struct verb_option store_options[] = {STORE_OPTION, JSON_OPTION, END_OF_OPTIONS};

const struct verb_option restore_options[] = {
    {0, "to-sequence", "N", "up to the event with this sequence", HINT_NONE, NULL},
    {0, "to-time", "TIME", "as it was then: YYYY-MM-DDTHH:MM[:SS[.mmm]] UTC, or ms", HINT_NONE,
     NULL},
    {'n', "dry-run", NULL, "say what would be lost, change nothing", HINT_NONE, NULL},
    STORE_OPTION,
    JSON_OPTION,
    END_OF_OPTIONS,
};
const struct verb_option compact_options[] = {
    {0, "forget", NULL, "also drop the archive and what a restore put aside", HINT_NONE, NULL},
    STORE_OPTION,
    JSON_OPTION,
    END_OF_OPTIONS,
};

const struct verb_option reload_options[] = {
    {'n', "dry-run", NULL, "check the files, change nothing", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};

const struct verb_option new_plugin_options[] = {
    {'d', "dir", "DIR", "folder to make; default ./KIND_NAME", HINT_DIR, NULL},
    {0, "template", "DIR", "template to copy; default the installed one", HINT_DIR, NULL},
    {'n', "dry-run", NULL, "list the files, write nothing", HINT_NONE, NULL},
    END_OF_OPTIONS,
};

const struct verb_option secret_remove_options[] = {
    {0, "force", NULL, "also while an instance uses it", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};

const struct verb_option secret_rotate_options[] = {
    {0, "key", NULL, "take the new master key from the terminal or standard input", HINT_NONE,
     NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};

const struct verb_option man_options[] = {
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

const struct verb_option usage_options[] = {
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

const struct verb_option template_list_options[] = {
    {0, "user", "NAME", "also the templates of this user", HINT_NONE, NULL},
    {0, "all", NULL, "the templates of all users", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};
const struct verb_option template_read_options[] = {OWNER_OPTION, VERSION_OPTION, JSON_OPTION,
                                                    END_OF_OPTIONS};
const struct verb_option template_put_options[] = {
    OWNER_OPTION,
    {0, "description", "TEXT", "one line about it", HINT_NONE, NULL},
    {0, "variables", "FILE", "file with a JSON object that has the array variables", HINT_FILE,
     NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};
const struct verb_option template_remove_options[] = {OWNER_OPTION, JSON_OPTION, END_OF_OPTIONS};

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

const struct verb_option key_create_options[] = {KEY_OPTIONS, JSON_OPTION, END_OF_OPTIONS};
const struct verb_option key_set_options[] = {
    {0, "name", "TEXT", "another name for it", HINT_NONE, NULL},
    KEY_OPTIONS,
    JSON_OPTION,
    END_OF_OPTIONS,
};
const struct verb_option key_rotate_options[] = {
    {0, "grace", "TIME", "the old secret goes on for TIME, as in 24h", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};
const struct verb_option limit_set_options[] = {LIMIT_OPTIONS, JSON_OPTION, END_OF_OPTIONS};

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

const struct verb_option audit_log_options[] = {
    PERIOD_OPTIONS,
    SEQ_OPTIONS,
    {0, "type", "TYPE", "only this type of act; key.* for all that begin so", HINT_NONE, NULL},
    {0, "actor", "NAME", "only acts of this actor", HINT_NONE, NULL},
    COUNT_OPTION,
    STREAM_JSON_OPTION,
    END_OF_OPTIONS,
};
const struct verb_option audit_export_options[] = {
    PERIOD_OPTIONS,
    SEQ_OPTIONS,
    {'j', "json", NULL, "with FILE, print how many entries it has as JSON", HINT_NONE, NULL},
    END_OF_OPTIONS,
};
const struct verb_option audit_verify_options[] = {
    PERIOD_OPTIONS,
    SEQ_OPTIONS,
    KEY_OPTION,
    {0, "witness", "FILE", "a head that was kept elsewhere: finds an older copy", HINT_FILE, NULL},
    STREAM_JSON_OPTION,
    END_OF_OPTIONS,
};
const struct verb_option audit_report_options[] = {
    PERIOD_OPTIONS,
    {0, "shape", "NAME", "whose questions it answers", HINT_CHOICE, "gdpr soc2"},
    {0, "format", "NAME", "form of the page", HINT_CHOICE, "text html csv json"},
    JSON_OPTION,
    END_OF_OPTIONS,
};
const struct verb_option audit_witness_options[] = {
    KEY_OPTION,
    {0, "cosign", "KEYFILE", "sign the head as a witness; the key is made when there is none",
     HINT_FILE, NULL},
    {0, "name", "NAME", "name of a witness key that is made", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};
const struct verb_option audit_redact_options[] = {
    {0, "reason", "TEXT", "why; it stays in the log", HINT_NONE, NULL},
    {0, "actor", "NAME", "who; else the number of your user, as uid:N", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};
const struct verb_option audit_rotate_options[] = {
    {0, "reason", "TEXT", "why; it stays in the log", HINT_NONE, NULL},
    {0, "actor", "NAME", "who; else the number of your user, as uid:N", HINT_NONE, NULL},
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

const struct verb_option session_usage_options[] = {
    {0, "by", "COLUMNS", "day, user, model, or several with commas; day unless told otherwise",
     HINT_NONE, NULL},
    {0, "from", "DAY", "first day, as in 2026-11-21", HINT_NONE, NULL},
    {0, "to", "DAY", "last day", HINT_NONE, NULL},
    {0, "user", "USER", "only sessions of this user", HINT_NONE, NULL},
    {0, "model", "MODEL", "only answers of this model", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};

const struct verb_option session_list_options[] = {
    {0, "title", "TEXT", "only with this in the title", HINT_NONE, NULL},
    {0, "user", "NAME", "only of this user", HINT_NONE, NULL},
    {0, "project", "NAME", "only of this project", HINT_NONE, NULL},
    {0, "state", "STATE", "only these; without it open and closed ones", HINT_CHOICE,
     "open closed archived expired deleted"},
    PAGE_OPTIONS,
    JSON_OPTION,
    END_OF_OPTIONS,
};
const struct verb_option session_show_options[] = {
    {0, "version-of", "N", "the conversation as it was at version N", HINT_NONE, NULL},
    {0, "all", NULL, "every event, also what was rolled back", HINT_NONE, NULL},
    PAGE_OPTIONS,
    JSON_OPTION,
    END_OF_OPTIONS,
};
const struct verb_option session_create_options[] = {
    {0, "id", "ID", "its id, instead of one at random", HINT_NONE, NULL},
    LABEL_OPTIONS,
    JSON_OPTION,
    END_OF_OPTIONS,
};
const struct verb_option session_fork_options[] = {
    {0, "version-of", "N", "begin at version N instead of the end", HINT_NONE, NULL},
    {0, "as", "ID", "id of the new one, instead of one at random", HINT_NONE, NULL},
    LABEL_OPTIONS,
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
const struct verb_option context_list_options[] = {CONTEXT_OPTIONS, JSON_OPTION, END_OF_OPTIONS};
const struct verb_option context_search_options[] = {
    CONTEXT_OPTIONS,
    {0, "all", NULL, "only what has all the words", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};
const struct verb_option context_put_options[] = {
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

#define PARTS_OPTION                                                                               \
    {                                                                                              \
        0, "parts", "PARTS",                                                                       \
            "all, sessions, contexts, templates, limits, keys, stream:BEGIN, table:T", HINT_NONE,  \
            NULL                                                                                   \
    }
#define KEYS_OPTION                                                                                \
    {                                                                                              \
        0, "count", "N", "name at most so many keys of each change of a part; 1000", HINT_NONE,    \
            NULL                                                                                   \
    }
const struct verb_option checkpoint_create_options[] = {
    {0, "description", "TEXT", "what it is for", HINT_NONE, NULL},
    {0, "tag", "TAGS", "tags, a,b; 'keep' keeps it from prune", HINT_NONE, NULL},
    PARTS_OPTION,
    {0, "full", NULL, "read everything anew", HINT_NONE, NULL},
    {0, "parent", "NAME", "go on from this one, not from the newest", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};
const struct verb_option checkpoint_list_options[] = {
    {0, "tag", "TAG", "only those with this tag", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};
const struct verb_option checkpoint_compare_options[] = {KEYS_OPTION, JSON_OPTION, END_OF_OPTIONS};
const struct verb_option checkpoint_restore_options[] = {
    {'n', "dry-run", NULL, "say what would change, and change nothing", HINT_NONE, NULL},
    PARTS_OPTION,
    {0, "keep-added", NULL, "leave what came since", HINT_NONE, NULL},
    {0, "mark", NULL, "end streams of --parts that changed since with stream.restored", HINT_NONE,
     NULL},
    {0, "keys", NULL, "make missing API keys again and set their limits back; none is revived",
     HINT_NONE, NULL},
    {0, "no-backup", NULL, "make no checkpoint of now before", HINT_NONE, NULL},
    KEYS_OPTION,
    JSON_OPTION,
    END_OF_OPTIONS,
};
const struct verb_option checkpoint_prune_options[] = {
    {'n', "dry-run", NULL, "say which ones would go", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};
const struct verb_option checkpoint_import_options[] = {
    {0, "as", "NAME", "another name for it", HINT_NONE, NULL},
    JSON_OPTION,
    END_OF_OPTIONS,
};
