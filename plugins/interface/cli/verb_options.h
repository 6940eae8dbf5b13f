/* verb_options.h - the tables of options that verbs.c gives to its verbs. */
#ifndef CLI_VERB_OPTIONS_H
#define CLI_VERB_OPTIONS_H

#include "verbs.h"

extern const struct verb_option no_options[], json_lines_only[], json_only[], ask_options[],
    status_options[], list_options[], load_options[], trace_options[], append_options[],
    import_options[], read_options[], export_options[], tail_options[], verify_options[],
    store_options[], restore_options[], compact_options[], reload_options[], new_plugin_options[],
    secret_remove_options[], secret_rotate_options[], man_options[], usage_options[],
    template_list_options[], template_read_options[], template_put_options[],
    template_remove_options[], key_create_options[], key_set_options[], key_rotate_options[],
    limit_set_options[], audit_log_options[], audit_export_options[], audit_verify_options[],
    audit_report_options[], audit_witness_options[], audit_redact_options[], audit_rotate_options[],
    session_list_options[], session_show_options[], session_usage_options[],
    session_create_options[], session_fork_options[], context_list_options[],
    context_search_options[], context_put_options[], checkpoint_create_options[],
    checkpoint_list_options[], checkpoint_compare_options[], checkpoint_restore_options[],
    checkpoint_prune_options[], checkpoint_import_options[];

#endif
