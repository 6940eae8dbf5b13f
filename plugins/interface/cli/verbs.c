#include "verbs.h"

#include "nearest.h"
#include "verb_options.h"

#include <stdint.h>
#include <string.h>

#define ANY_NUMBER SIZE_MAX

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
    {"memory", "", 0, 0, "show whether memory is short, which cell holds how much, who gave back",
     "Parts of plugins that keep something for speed alone give back in their order when memory is "
     "short: 1 first. JSON keys: level, step, used_percent, stall_percent, limited_by, used_bytes, "
     "limit_bytes, available_bytes, cells, users and more.\n",
     json_only, HINT_NONE, NULL, ACTION_MEMORY},
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
     "repeated. Prints a line for each event that could not be stored, as events append does. Ends "
     "at the first "
     "event of a stream that belongs to a plugin (see owner.* of the store), or leaves such out "
     "with "
     "--skip-denied.\n",
     import_options, HINT_FILE, NULL, ACTION_EVENTS_IMPORT},
    {"events verify", "", 0, 0, "check everything that is stored",
     "Prints a line for each fault; exits 1 when there is one.\n", verify_options, HINT_NONE, NULL,
     ACTION_EVENTS_VERIFY},
    {"events backup", "PATH", 1, 1, "copy the store while it is used",
     "PATH is below the data folder of the store. The copy is opened and verified before it "
     "counts; "
     "with the option keep_backups the oldest go.\n",
     store_options, HINT_NONE, NULL, ACTION_EVENTS_BACKUP},
    {"events backups", "", 0, 0, "list the backups of the store",
     "JSON: an array of objects with path, sequence, time (milliseconds since 1970), bytes, "
     "verified, encrypted and points (whether it can be restored to any later point).\n",
     store_options, HINT_NONE, NULL, ACTION_EVENTS_BACKUPS},
    {"events restore", "PATH", 1, 1, "replace the store by a backup, or a point after it",
     "PATH is that of the backup, below the data folder of the store. With --to-sequence or "
     "--to-time the transactions that followed the backup are repeated up to there; the store "
     "needs "
     "the option archive for that. What was there is kept aside until the next restore.\n"
     "JSON keys: sequence, time (of the state), present (the sequence before), lost_events, "
     "lost_transactions, dry_run.\n",
     restore_options, HINT_NONE, NULL, ACTION_EVENTS_RESTORE},
    {"events compact", "", 0, 0, "give room that is free inside of the store's files back",
     "While it is used. What was erased is in no page and no log file afterwards; with --forget "
     "also "
     "not in the archive and in what the last restore put aside. Backups stay as they are.\n"
     "JSON keys: freed, bytes.\n",
     compact_options, HINT_NONE, NULL, ACTION_EVENTS_COMPACT},
    {"events rewrite", "", 0, 0, "write the store anew under the key of its options",
     "Turns encryption on or off, or changes the key, after the options were set and the store "
     "started; also gives all free room back. Backups stay as they are.\n",
     store_options, HINT_NONE, NULL, ACTION_EVENTS_REWRITE},
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
    {"context put", "FILE", 1, 1, "keep a text for later",
     "FILE is the text, - reads it from standard input. The same text again refreshes its time "
     "only.\n",
     context_put_options, HINT_FILE, NULL, ACTION_CONTEXT_PUT},
    {"context get", "ID", 1, 1, "print the text of a context", "", json_only, HINT_NONE, NULL,
     ACTION_CONTEXT_GET},
    {"context search", "WORD...", 1, ANY_NUMBER, "find contexts by their words, best first",
     "WORD* finds all words that begin so; identifiers are found by their parts, English words in "
     "their forms.\n",
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
    {"audit rotate-key", "", 0, 0, "give the log a new signing key, and forget the former one",
     "The log records the change, and a head with the signatures of both keys vouches for it. Tell "
     "those who verify the new key; who knows the former one can go on from it.\n",
     audit_rotate_options, HINT_NONE, NULL, ACTION_AUDIT_ROTATE},
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
    {"session usage", "", 0, 0, "show what was said in sessions, by day, user or model",
     "Columns are those of --by, then messages, answers, failed ones, and tokens. The figures are "
     "a "
     "projection of the stored events: a moment behind, and gone on with after any crash.\n"
     "JSON: an array of objects with day, user, model (as asked), messages, answers, failed, "
     "input_tokens and output_tokens.\n",
     session_usage_options, HINT_NONE, NULL, ACTION_SESSION_USAGE},
    {"session delete", "SESSION", 1, 1, "erase a session and what was said in it",
     "There is no way back. What its forks had of it is erased, too.\n", json_only, HINT_NONE, NULL,
     ACTION_SESSION_DELETE},
    {"checkpoint create", "[NAME]", 0, 1, "keep the state of the store at this moment",
     "Prints its name; without NAME that is the time. Others go on writing. It goes on from the "
     "newest one of the same parts and keeps only what is new.\n"
     "JSON keys: as in checkpoint list.\n",
     checkpoint_create_options, HINT_NONE, NULL, ACTION_CHECKPOINT_CREATE},
    {"checkpoint list", "", 0, 0, "list the checkpoints, newest first",
     "JSON keys: name, created (milliseconds since 1970), kind, parent, description, tags, parts, "
     "events, streams, rows, tables, raw_bytes, stored_bytes, new_bytes, sequence, version, node, "
     "id, took_ms, number (the order in which they were made).\n",
     checkpoint_list_options, HINT_NONE, NULL, ACTION_CHECKPOINT_LIST},
    {"checkpoint show", "NAME", 1, 1, "print all about a checkpoint", "", json_only, HINT_NONE,
     NULL, ACTION_CHECKPOINT_SHOW},
    {"checkpoint compare", "FROM TO", 2, 2, "tell what differs between two checkpoints",
     "A line for each key, then counts for each part. JSON: an object with part, change, key and "
     "detail for each, and at last one with parts and total.\n",
     checkpoint_compare_options, HINT_NONE, NULL, ACTION_CHECKPOINT_COMPARE},
    {"checkpoint restore", "NAME", 1, 1, "bring the state of a checkpoint back",
     "Look first, with --dry-run: it lists what would change. A checkpoint of now is made before. "
     "Rows, templates and limits are as they were, sessions are rolled back; other streams keep "
     "their events, since history is not rewritten, and API keys stay unless --keys is given. On "
     "another node missing events are appended. Exits 1 when something was written meanwhile or "
     "has another history here: that is not touched.\n",
     checkpoint_restore_options, HINT_NONE, NULL, ACTION_CHECKPOINT_RESTORE},
    {"checkpoint delete", "NAME", 1, 1, "delete a checkpoint; others stay whole", "", json_only,
     HINT_NONE, NULL, ACTION_CHECKPOINT_DELETE},
    {"checkpoint verify", "NAME", 1, 1,
     "read all of a checkpoint and check that it can be restored",
     "Prints for each fault where it is and what, and exits 1.\n", json_lines_only, HINT_NONE, NULL,
     ACTION_CHECKPOINT_VERIFY},
    {"checkpoint prune", "", 0, 0, "delete checkpoints that the retention policy does not keep",
     "Kept are the newest ones, one of each day and each week, as configured, and those with the "
     "tag keep.\n",
     checkpoint_prune_options, HINT_NONE, NULL, ACTION_CHECKPOINT_PRUNE},
    {"checkpoint export", "NAME [FILE]", 1, 2, "write a checkpoint to one file",
     "FILE is replaced when all of it is there; without FILE it goes to standard output.\n",
     json_only, HINT_NONE, NULL, ACTION_CHECKPOINT_EXPORT},
    {"checkpoint import", "FILE", 1, 1, "take over a checkpoint that was exported",
     "FILE - is standard input. Every byte is checked.\n", checkpoint_import_options, HINT_FILE,
     NULL, ACTION_CHECKPOINT_IMPORT},
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
