/*
 * command.h - one invocation of `aiex`: its arguments, its screen, its way to the host. Every verb
 * is a function `enum outcome NAME(struct command *)` listed in dispatch.c; it has printed its own
 * output and complaints when it returns.
 */
#ifndef AIEX_CLI_COMMAND_H
#define AIEX_CLI_COMMAND_H

#include "arguments.h"
#include "control.h"
#include "outcome.h"
#include "screen.h"

#include <aiex/aiex_pack.h>

#define COMMAND_TIMEOUT_MS 30000 /* of calls to the host itself, unless --timeout says another */
#define COMMAND_NO_LIMIT   UINT32_MAX

struct command {
    struct arguments args;
    struct screen screen;
    uint32_t timeout_ms; /* of --timeout; 0 = not given */
    struct control *control;
};

/* Writes a request body; called twice, first only to measure. */
typedef void (*command_pack_fn)(struct aiex_writer *w, const void *arg);

/* One call. */
struct command_call {
    const char *service; /* NULL = "host" */
    const char *method;
    command_pack_fn pack; /* NULL = an empty map */
    const void *pack_arg;
    struct aiex_slice body; /* instead of pack */
    int is_secret;          /* what was packed is wiped */
    control_part_fn part;   /* NULL = parts are dropped */
    void *part_arg;
    uint32_t timeout_ms; /* when --timeout is not given: 0 = COMMAND_TIMEOUT_MS, or
                            COMMAND_NO_LIMIT */
};

/* Prepares the screen and the time limit from the arguments. OUTCOME_OK or OUTCOME_USAGE, said. */
enum outcome command_init(struct command *c);
void command_done(struct command *c);

/* Connects when that has not been done. 0 or negative errno as control_open(), not said. */
int command_connect(struct command *c, struct aiex_error *err);
/* Calls and waits for the end; every failure has been said. OUTCOME_OK: *ret_end is the caller's to
 * free with control_end_done(); otherwise it is empty. */
enum outcome command_call(struct command *c, const struct command_call *call,
                          struct control_end *ret_end);
/* Says the reason of a failed call or connection and turns it into an exit code. */
enum outcome command_failed(struct command *c, int error, const struct aiex_error *err);

/* --json was given. */
int command_wants_json(const struct command *c);
/* Prints a value as JSON and a newline; pretty for documents. OUTCOME_FAILED (said) when the value
 * is broken. */
enum outcome command_print_json(struct command *c, struct aiex_slice value);
/* All output is out: OUTCOME_OK, or OUTCOME_FAILED (said) when standard output could not be
 * written. A closed pipe is no failure. */
enum outcome command_flush(struct command *c, enum outcome so_far);

/* The verbs, by file. */
enum outcome verb_ask(struct command *c);                /* ask.c */
enum outcome verb_status(struct command *c);             /* status.c */
enum outcome verb_memory(struct command *c);             /* memory_verbs.c */
enum outcome verb_upgrade(struct command *c);            /* status.c */
enum outcome verb_stop(struct command *c);               /* status.c */
enum outcome verb_version(struct command *c);            /* status.c */
enum outcome verb_plugin_list(struct command *c);        /* plugin_list.c */
enum outcome verb_plugin_load(struct command *c);        /* plugin_verbs.c */
enum outcome verb_plugin_reload(struct command *c);      /* plugin_verbs.c */
enum outcome verb_plugin_remove(struct command *c);      /* plugin_verbs.c */
enum outcome verb_plugin_stats(struct command *c);       /* plugin_verbs.c */
enum outcome verb_plugin_trace(struct command *c);       /* follow.c */
enum outcome verb_events_append(struct command *c);      /* append_verbs.c */
enum outcome verb_events_import(struct command *c);      /* append_verbs.c */
enum outcome verb_events_read(struct command *c);        /* event_verbs.c */
enum outcome verb_events_export(struct command *c);      /* event_verbs.c */
enum outcome verb_events_verify(struct command *c);      /* event_verbs.c */
enum outcome verb_events_backup(struct command *c);      /* store_verbs.c */
enum outcome verb_events_backups(struct command *c);     /* store_verbs.c */
enum outcome verb_events_restore(struct command *c);     /* store_verbs.c */
enum outcome verb_events_compact(struct command *c);     /* store_verbs.c */
enum outcome verb_events_rewrite(struct command *c);     /* store_verbs.c */
enum outcome verb_events_stats(struct command *c);       /* event_verbs.c */
enum outcome verb_events_tail(struct command *c);        /* follow.c, store_tail.c */
enum outcome verb_projection_list(struct command *c);    /* projection_verbs.c */
enum outcome verb_projection_rebuild(struct command *c); /* projection_verbs.c */
enum outcome verb_aggregate_show(struct command *c);     /* projection_verbs.c */
enum outcome verb_job_list(struct command *c);           /* job_verbs.c */
enum outcome verb_job_run(struct command *c);            /* job_verbs.c */
enum outcome verb_secret_set(struct command *c);         /* secret_verbs.c */
enum outcome verb_secret_list(struct command *c);        /* secret_verbs.c */
enum outcome verb_secret_remove(struct command *c);      /* secret_verbs.c */
enum outcome verb_secret_rotate(struct command *c);      /* secret_verbs.c */
enum outcome verb_config_check(struct command *c);       /* config_verbs.c */
enum outcome verb_config_reload(struct command *c);      /* config_verbs.c */
/* Prints the lists `errors` and `warnings` of an answer; the number of errors. config_verbs.c */
uint32_t command_put_findings(struct command *c, struct aiex_slice body);
/* The counters of host.stats as a table; plugin_list.c */
enum outcome plugin_stats_table(struct command *c, struct aiex_slice body);
enum outcome verb_config_show(struct command *c);      /* config_verbs.c */
enum outcome verb_usage(struct command *c);            /* usage_verbs.c */
enum outcome verb_route_show(struct command *c);       /* route_verbs.c */
enum outcome verb_template_list(struct command *c);    /* template_verbs.c */
enum outcome verb_template_show(struct command *c);    /* template_verbs.c */
enum outcome verb_template_put(struct command *c);     /* template_verbs.c */
enum outcome verb_template_remove(struct command *c);  /* template_verbs.c */
enum outcome verb_template_render(struct command *c);  /* template_verbs.c */
enum outcome verb_key_create(struct command *c);       /* key_verbs.c */
enum outcome verb_key_list(struct command *c);         /* key_verbs.c */
enum outcome verb_key_revoke(struct command *c);       /* key_verbs.c */
enum outcome verb_key_rotate(struct command *c);       /* key_verbs.c */
enum outcome verb_key_set(struct command *c);          /* key_verbs.c */
enum outcome verb_limit_set(struct command *c);        /* key_verbs.c */
enum outcome verb_limit_list(struct command *c);       /* key_verbs.c */
enum outcome verb_audit_log(struct command *c);        /* audit_verbs.c */
enum outcome verb_audit_export(struct command *c);     /* audit_verbs.c */
enum outcome verb_audit_verify(struct command *c);     /* audit_verify.c */
enum outcome verb_audit_prove(struct command *c);      /* audit_verbs.c */
enum outcome verb_audit_report(struct command *c);     /* audit_report.c */
enum outcome verb_audit_head(struct command *c);       /* audit_verbs.c */
enum outcome verb_audit_witness(struct command *c);    /* audit_witness.c */
enum outcome verb_audit_redact(struct command *c);     /* audit_verbs.c */
enum outcome verb_audit_rotate(struct command *c);     /* audit_verbs.c */
enum outcome verb_session_list(struct command *c);     /* session_verbs.c */
enum outcome verb_session_show(struct command *c);     /* session_verbs.c */
enum outcome verb_session_create(struct command *c);   /* session_verbs.c */
enum outcome verb_session_close(struct command *c);    /* session_verbs.c */
enum outcome verb_session_archive(struct command *c);  /* session_verbs.c */
enum outcome verb_session_restore(struct command *c);  /* session_verbs.c */
enum outcome verb_session_rollback(struct command *c); /* session_verbs.c */
enum outcome verb_session_fork(struct command *c);     /* session_verbs.c */
enum outcome verb_session_expire(struct command *c);   /* session_verbs.c */
enum outcome verb_session_delete(struct command *c);   /* session_verbs.c */
enum outcome verb_session_usage(struct command *c);    /* usage_verbs.c */
enum outcome verb_call(struct command *c);             /* call.c */
enum outcome verb_new_plugin(struct command *c);       /* new_plugin.c */
enum outcome verb_completion(struct command *c);       /* complete.c */
enum outcome verb_man(struct command *c);              /* man.c */
enum outcome verb_help(struct command *c);             /* help.c */
/* A verb that is not in the table: asks the host's plugins for it. */
enum outcome verb_added(struct command *c); /* added.c */

/* Checkpoints: checkpoint_verbs.c, _changes.c, _carry.c */
enum outcome verb_checkpoint_create(struct command *c);
enum outcome verb_checkpoint_list(struct command *c);
enum outcome verb_checkpoint_show(struct command *c);
enum outcome verb_checkpoint_compare(struct command *c);
enum outcome verb_checkpoint_restore(struct command *c);
enum outcome verb_checkpoint_delete(struct command *c);
enum outcome verb_checkpoint_verify(struct command *c);
enum outcome verb_checkpoint_prune(struct command *c);
enum outcome verb_checkpoint_export(struct command *c);
enum outcome verb_checkpoint_import(struct command *c);

/* Contexts: context_verbs.c */
enum outcome verb_context_put(struct command *c);
enum outcome verb_context_get(struct command *c);
enum outcome verb_context_search(struct command *c);
enum outcome verb_context_list(struct command *c);
enum outcome verb_context_remove(struct command *c);
enum outcome verb_context_stats(struct command *c);

/* Help for a verb, or about everything when v is NULL; noun restricts that to one noun. */
void help_print(FILE *to, const struct verb *v, const char *noun); /* help.c */

/* Runs the parsed command: help, a verb, or an added verb. */
enum outcome dispatch(struct command *c); /* dispatch.c */

#endif
