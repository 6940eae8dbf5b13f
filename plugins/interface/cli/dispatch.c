/* dispatch.c - from the table's action to the function that does it. */
#include "command.h"

typedef enum outcome (*verb_fn)(struct command *c);

static const verb_fn functions[N_ACTIONS] = {
    [ACTION_ASK] = verb_ask,
    [ACTION_STATUS] = verb_status,
    [ACTION_MEMORY] = verb_memory,
    [ACTION_PLUGIN_LIST] = verb_plugin_list,
    [ACTION_PLUGIN_LOAD] = verb_plugin_load,
    [ACTION_PLUGIN_RELOAD] = verb_plugin_reload,
    [ACTION_PLUGIN_REMOVE] = verb_plugin_remove,
    [ACTION_PLUGIN_STATS] = verb_plugin_stats,
    [ACTION_PLUGIN_TRACE] = verb_plugin_trace,
    [ACTION_JOB_LIST] = verb_job_list,
    [ACTION_JOB_RUN] = verb_job_run,
    [ACTION_SECRET_SET] = verb_secret_set,
    [ACTION_SECRET_LIST] = verb_secret_list,
    [ACTION_SECRET_REMOVE] = verb_secret_remove,
    [ACTION_SECRET_ROTATE] = verb_secret_rotate,
    [ACTION_CONFIG_CHECK] = verb_config_check,
    [ACTION_CONFIG_RELOAD] = verb_config_reload,
    [ACTION_CONFIG_SHOW] = verb_config_show,
    [ACTION_EVENTS_APPEND] = verb_events_append,
    [ACTION_EVENTS_READ] = verb_events_read,
    [ACTION_EVENTS_TAIL] = verb_events_tail,
    [ACTION_EVENTS_EXPORT] = verb_events_export,
    [ACTION_EVENTS_IMPORT] = verb_events_import,
    [ACTION_EVENTS_VERIFY] = verb_events_verify,
    [ACTION_EVENTS_BACKUP] = verb_events_backup,
    [ACTION_EVENTS_BACKUPS] = verb_events_backups,
    [ACTION_EVENTS_RESTORE] = verb_events_restore,
    [ACTION_EVENTS_COMPACT] = verb_events_compact,
    [ACTION_EVENTS_REWRITE] = verb_events_rewrite,
    [ACTION_EVENTS_STATS] = verb_events_stats,
    [ACTION_PROJECTION_LIST] = verb_projection_list,
    [ACTION_PROJECTION_REBUILD] = verb_projection_rebuild,
    [ACTION_AGGREGATE_SHOW] = verb_aggregate_show,
    [ACTION_USAGE] = verb_usage,
    [ACTION_ROUTE_SHOW] = verb_route_show,
    [ACTION_TEMPLATE_LIST] = verb_template_list,
    [ACTION_TEMPLATE_SHOW] = verb_template_show,
    [ACTION_TEMPLATE_PUT] = verb_template_put,
    [ACTION_TEMPLATE_REMOVE] = verb_template_remove,
    [ACTION_TEMPLATE_RENDER] = verb_template_render,
    [ACTION_CONTEXT_PUT] = verb_context_put,
    [ACTION_CONTEXT_GET] = verb_context_get,
    [ACTION_CONTEXT_SEARCH] = verb_context_search,
    [ACTION_CONTEXT_LIST] = verb_context_list,
    [ACTION_CONTEXT_REMOVE] = verb_context_remove,
    [ACTION_CONTEXT_STATS] = verb_context_stats,
    [ACTION_KEY_CREATE] = verb_key_create,
    [ACTION_KEY_LIST] = verb_key_list,
    [ACTION_KEY_REVOKE] = verb_key_revoke,
    [ACTION_KEY_ROTATE] = verb_key_rotate,
    [ACTION_KEY_SET] = verb_key_set,
    [ACTION_LIMIT_SET] = verb_limit_set,
    [ACTION_LIMIT_LIST] = verb_limit_list,
    [ACTION_AUDIT_LOG] = verb_audit_log,
    [ACTION_AUDIT_EXPORT] = verb_audit_export,
    [ACTION_AUDIT_VERIFY] = verb_audit_verify,
    [ACTION_AUDIT_PROVE] = verb_audit_prove,
    [ACTION_AUDIT_REPORT] = verb_audit_report,
    [ACTION_AUDIT_HEAD] = verb_audit_head,
    [ACTION_AUDIT_WITNESS] = verb_audit_witness,
    [ACTION_AUDIT_REDACT] = verb_audit_redact,
    [ACTION_AUDIT_ROTATE] = verb_audit_rotate,
    [ACTION_SESSION_LIST] = verb_session_list,
    [ACTION_SESSION_SHOW] = verb_session_show,
    [ACTION_SESSION_CREATE] = verb_session_create,
    [ACTION_SESSION_CLOSE] = verb_session_close,
    [ACTION_SESSION_ARCHIVE] = verb_session_archive,
    [ACTION_SESSION_RESTORE] = verb_session_restore,
    [ACTION_SESSION_ROLLBACK] = verb_session_rollback,
    [ACTION_SESSION_FORK] = verb_session_fork,
    [ACTION_SESSION_EXPIRE] = verb_session_expire,
    [ACTION_SESSION_USAGE] = verb_session_usage,
    [ACTION_SESSION_DELETE] = verb_session_delete,
    [ACTION_CHECKPOINT_CREATE] = verb_checkpoint_create,
    [ACTION_CHECKPOINT_LIST] = verb_checkpoint_list,
    [ACTION_CHECKPOINT_SHOW] = verb_checkpoint_show,
    [ACTION_CHECKPOINT_COMPARE] = verb_checkpoint_compare,
    [ACTION_CHECKPOINT_RESTORE] = verb_checkpoint_restore,
    [ACTION_CHECKPOINT_DELETE] = verb_checkpoint_delete,
    [ACTION_CHECKPOINT_VERIFY] = verb_checkpoint_verify,
    [ACTION_CHECKPOINT_PRUNE] = verb_checkpoint_prune,
    [ACTION_CHECKPOINT_EXPORT] = verb_checkpoint_export,
    [ACTION_CHECKPOINT_IMPORT] = verb_checkpoint_import,
    [ACTION_CALL] = verb_call,
    [ACTION_NEW_PLUGIN] = verb_new_plugin,
    [ACTION_COMPLETION] = verb_completion,
    [ACTION_MAN] = verb_man,
    [ACTION_UPGRADE] = verb_upgrade,
    [ACTION_STOP] = verb_stop,
    [ACTION_VERSION] = verb_version,
    [ACTION_HELP] = verb_help,
};

/* A verb of something that has versions itself: --version there is a slip, and printing that of
 * aiex with a good exit code would look like an answer. */
static int has_versions(const struct verb *v)
{
    return v && verb_option_named(v, "version-of", strlen("version-of"));
}

enum outcome dispatch(struct command *c)
{
    const struct arguments *a = &c->args;
    struct aiex_error err;

    if (arguments_has(a, "help")) {
        help_print(stdout, a->verb, a->n_rest ? a->rest[0] : NULL);
        return OUTCOME_OK;
    }
    if (arguments_has(a, "version") && !has_versions(a->verb))
        return verb_version(c);
    if (a->n_rest == 0) {
        help_print(stderr, NULL, NULL);
        return OUTCOME_USAGE;
    }
    if (!a->verb)
        return verb_added(c);
    if (arguments_has(a, "version")) {
        complain(&c->screen, "--version is that of aiex; for another version of what you name, "
                             "write --version-of N");
        return OUTCOME_USAGE;
    }
    if (arguments_check(a, &err) != 0) {
        complain(&c->screen, "%s", err.text);
        fprintf(stderr, "usage: aiex %s%s%s\n", a->verb->path, *a->verb->args ? " " : "",
                a->verb->args);
        return OUTCOME_USAGE;
    }
    return functions[a->verb->action](c);
}
