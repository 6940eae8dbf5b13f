/*
 * verbs.h - the one table of what `aiex` can do. Parsing, help, completions and manual pages are
 * all made from it; tests walk it. The table is data only: what a verb does is found through its
 * `action` (dispatch.c), so that the plugin can look at the names without linking the program.
 */
#ifndef AIEX_CLI_VERBS_H
#define AIEX_CLI_VERBS_H

#include <stddef.h>

enum action {
    ACTION_ASK,
    ACTION_STATUS,
    ACTION_MEMORY,
    ACTION_PLUGIN_LIST,
    ACTION_PLUGIN_LOAD,
    ACTION_PLUGIN_RELOAD,
    ACTION_PLUGIN_REMOVE,
    ACTION_PLUGIN_STATS,
    ACTION_PLUGIN_TRACE,
    ACTION_JOB_LIST,
    ACTION_JOB_RUN,
    ACTION_SECRET_SET,
    ACTION_SECRET_LIST,
    ACTION_SECRET_REMOVE,
    ACTION_SECRET_ROTATE,
    ACTION_CONFIG_CHECK,
    ACTION_CONFIG_RELOAD,
    ACTION_CONFIG_SHOW,
    ACTION_EVENTS_APPEND,
    ACTION_EVENTS_READ,
    ACTION_EVENTS_TAIL,
    ACTION_EVENTS_EXPORT,
    ACTION_EVENTS_IMPORT,
    ACTION_EVENTS_VERIFY,
    ACTION_EVENTS_BACKUP,
    ACTION_EVENTS_BACKUPS,
    ACTION_EVENTS_RESTORE,
    ACTION_EVENTS_COMPACT,
    ACTION_EVENTS_REWRITE,
    ACTION_EVENTS_STATS,
    ACTION_PROJECTION_LIST,
    ACTION_PROJECTION_REBUILD,
    ACTION_AGGREGATE_SHOW,
    ACTION_USAGE,
    ACTION_ROUTE_SHOW,
    ACTION_TEMPLATE_LIST,
    ACTION_TEMPLATE_SHOW,
    ACTION_TEMPLATE_PUT,
    ACTION_TEMPLATE_REMOVE,
    ACTION_TEMPLATE_RENDER,
    ACTION_CONTEXT_PUT,
    ACTION_CONTEXT_GET,
    ACTION_CONTEXT_SEARCH,
    ACTION_CONTEXT_LIST,
    ACTION_CONTEXT_REMOVE,
    ACTION_CONTEXT_STATS,
    ACTION_KEY_CREATE,
    ACTION_KEY_LIST,
    ACTION_KEY_REVOKE,
    ACTION_KEY_ROTATE,
    ACTION_KEY_SET,
    ACTION_LIMIT_SET,
    ACTION_LIMIT_LIST,
    ACTION_AUDIT_LOG,
    ACTION_AUDIT_EXPORT,
    ACTION_AUDIT_VERIFY,
    ACTION_AUDIT_PROVE,
    ACTION_AUDIT_REPORT,
    ACTION_AUDIT_HEAD,
    ACTION_AUDIT_WITNESS,
    ACTION_AUDIT_REDACT,
    ACTION_AUDIT_ROTATE,
    ACTION_SESSION_LIST,
    ACTION_SESSION_SHOW,
    ACTION_SESSION_CREATE,
    ACTION_SESSION_CLOSE,
    ACTION_SESSION_ARCHIVE,
    ACTION_SESSION_RESTORE,
    ACTION_SESSION_ROLLBACK,
    ACTION_SESSION_FORK,
    ACTION_SESSION_EXPIRE,
    ACTION_SESSION_USAGE,
    ACTION_SESSION_DELETE,
    ACTION_CHECKPOINT_CREATE,
    ACTION_CHECKPOINT_LIST,
    ACTION_CHECKPOINT_SHOW,
    ACTION_CHECKPOINT_COMPARE,
    ACTION_CHECKPOINT_RESTORE,
    ACTION_CHECKPOINT_DELETE,
    ACTION_CHECKPOINT_VERIFY,
    ACTION_CHECKPOINT_PRUNE,
    ACTION_CHECKPOINT_EXPORT,
    ACTION_CHECKPOINT_IMPORT,
    ACTION_CALL,
    ACTION_NEW_PLUGIN,
    ACTION_COMPLETION,
    ACTION_MAN,
    ACTION_UPGRADE,
    ACTION_STOP,
    ACTION_VERSION,
    ACTION_HELP,
    N_ACTIONS
};

/* What a shell offers for a value. */
enum hint { HINT_NONE, HINT_FILE, HINT_DIR, HINT_INSTANCE, HINT_CHOICE, HINT_VERB };

struct verb_option {
    char letter;       /* 0 = long only */
    const char *name;  /* without the dashes; NULL ends a table */
    const char *value; /* what follows, "PATH"; NULL = a switch */
    const char *help;  /* one line */
    enum hint hint;
    const char *choices; /* HINT_CHOICE: words separated by one blank */
};

struct verb {
    const char *path;  /* "plugin list"; NULL ends the table */
    const char *args;  /* "NAME [FILE...]", "" = none */
    size_t min_words;  /* of args */
    size_t max_words;  /* SIZE_MAX = any number */
    const char *help;  /* one line */
    const char *about; /* more, for `aiex help VERB` and the manual; paragraphs end in \n */
    const struct verb_option *options;
    enum hint hint; /* of the first word of args */
    const char *choices;
    enum action action;
};

extern const struct verb verbs[];
/* Accepted before the verb and after it. */
extern const struct verb_option global_options[];

/* The verb whose path begins `words`; *ret_used words belong to the path. NULL = none. */
const struct verb *verb_find(char *const *words, size_t n_words, size_t *ret_used);
/* 1 when `word` begins some path: "plugin", "ask". */
int verb_is_noun(const char *word);
/* Of a verb or of the global table; NULL = neither has it. */
const struct verb_option *verb_option_named(const struct verb *v, const char *name, size_t len);
const struct verb_option *verb_option_lettered(const struct verb *v, char letter);
/* The known path, or option name of `v` (may be NULL), nearest to a mistyped one, or NULL. */
const char *verb_nearest(char *const *words, size_t n_words);
const char *verb_nearest_option(const struct verb *v, const char *name);
/* Length of the path's first word. */
size_t verb_noun_len(const struct verb *v);

#endif
