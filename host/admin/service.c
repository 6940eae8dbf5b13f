/*
 * service.c - the service "host": a table of methods. Reads answer at once; host.events
 * and host.trace stream until the caller cancels.
 */
#include "admin/admin_private.h"

#include "base/err.h"
#include "base/log.h"

#include <aiex/aiex_pack.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX (8u * 1024u * 1024u)

struct request {
    struct admin *admin;
    const struct aiex_message *message;
    struct pack answer; /* a map */
    struct aiex_error err;
    const char *code; /* set on failure */
    int later;        /* answered by a watcher */
};

static int refuse(struct request *q, const char *code)
{
    q->code = code;
    return -1;
}

/* A text parameter; "" when missing. */
static const char *text_of(struct request *q, const char *key, char *out, size_t size)
{
    out[0] = 0;
    aiex_get_text(q->message->body, key, out, size);
    return out;
}

static void pack_report(struct pack *out, const struct report *report)
{
    for (int warnings = 0; warnings < 2; warnings++) {
        size_t n = 0;

        for (size_t i = 0; i < report->n; i++)
            n += report->lines[i].is_warning == warnings;
        pack_str(out, warnings ? "warnings" : "errors");
        pack_array(out, n);
        for (size_t i = 0; i < report->n; i++)
            if (report->lines[i].is_warning == warnings)
                pack_str(out, report->lines[i].text);
    }
}

static int m_status(struct request *q)
{
    listing_status(q->admin, &q->answer);
    return 0;
}

static int m_plugins(struct request *q)
{
    listing_plugins(q->admin, &q->answer);
    return 0;
}

static int m_stats(struct request *q)
{
    char name[64];

    listing_stats(q->admin, text_of(q, "name", name, sizeof(name)), &q->answer);
    return 0;
}

static int m_jobs(struct request *q)
{
    listing_jobs(q->admin, &q->answer);
    return 0;
}

/* Starts it; how it ends is told by events and host.jobs. */
static int m_job_run(struct request *q)
{
    char name[64];
    int r = node_jobs_run(node_jobs(q->admin->node), text_of(q, "name", name, sizeof(name)));

    if (r == -EBUSY)
        (void)fail(&q->err, r, "job '%s' is running", name);
    else if (r == -ENOENT)
        (void)fail(&q->err, r, "no job is named '%s'", name);
    else if (r < 0)
        (void)fail(&q->err, r, "the host is stopping");
    if (r < 0)
        return refuse(q, r == -EBUSY ? AIEX_E_CONFLICT : r == -ENOENT ? AIEX_E_NOT_FOUND : AIEX_E_UNAVAILABLE);
    pack_map(&q->answer, 1);
    pack_key_bool(&q->answer, "ok", 1);
    return 0;
}

/* The instances that hold a name: of a group all its members. */
static int m_members(struct request *q)
{
    char name[64];

    listing_members(q->admin, text_of(q, "name", name, sizeof(name)), &q->answer);
    return 0;
}

static int m_version(struct request *q)
{
    char abi[32];

    snprintf(abi, sizeof(abi), "%u.%u", AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    pack_map(&q->answer, 2);
    pack_key_str(&q->answer, "version", AIEX_VERSION);
    pack_key_str(&q->answer, "abi", abi);
    return 0;
}

static int m_memory(struct request *q)
{
    memory_show(q->admin, &q->answer);
    return 0;
}

/* A cast as a rule: nobody has to wait for it. */
static int m_memory_use(struct request *q)
{
    memory_take(q->admin, q->message->caller, q->message->body);
    pack_map(&q->answer, 0);
    return 0;
}

static int m_metrics(struct request *q)
{
    struct buf text;

    buf_init(&text, ANSWER_MAX / 2);
    metrics_text(q->admin, &text);
    pack_map(&q->answer, 1);
    pack_key_str(&q->answer, "text", text.data ? (const char *)text.data : "");
    buf_done(&text);
    return 0;
}

static int m_config_show(struct request *q)
{
    struct buf text;

    buf_init(&text, ANSWER_MAX / 2);
    config_show(node_config(q->admin->node), NULL, &text);
    pack_map(&q->answer, 1);
    pack_key_str(&q->answer, "text", text.data ? (const char *)text.data : "");
    buf_done(&text);
    return 0;
}

/* The instances that were changed, added and removed, if anything was applied. */
static void pack_changes(struct request *q, int applied)
{
    static const char *const lists[] = {"changed", "added", "removed"};
    enum config_change change;
    const char *name;

    for (int list = 0; list < 3; list++) {
        size_t n = 0;

        for (int pass = 0; pass < 2; pass++) {
            if (pass) {
                pack_str(&q->answer, lists[list]);
                pack_array(&q->answer, n);
            }
            for (unsigned i = 0; applied && node_change(q->admin->node, i, &name, &change) == 0; i++) {
                if ((change == CONFIG_ADDED ? 1 : change == CONFIG_REMOVED ? 2 : 0) != list)
                    continue;
                n++;
                if (pass)
                    pack_str(&q->answer, name);
            }
        }
    }
}

static int run_check(struct request *q, struct report *report);

static int configure(struct request *q, int (*run)(struct request *, struct report *))
{
    struct report report;
    int r;

    report_init(&report);
    r = run(q, &report);
    if (r < 0 && !report.n_errors) /* nobody fails without a word */
        report_error(&report, (struct place){NULL, 0}, NULL, "not done: %s", strerror(-r));
    for (size_t i = 0; r < 0 && i < report.n; i++)
        log_error("configuration: %s", report.lines[i].text);
    pack_map(&q->answer, 6);
    pack_key_bool(&q->answer, "ok", r == 0);
    pack_report(&q->answer, &report);
    pack_changes(q, r == 0 && run != run_check);
    report_done(&report);
    return 0;
}

static int run_check(struct request *q, struct report *report)
{
    return node_try(q->admin->node, report);
}

static int run_reload(struct request *q, struct report *report)
{
    return node_configure(q->admin->node, report);
}

#define LOAD_OPTIONS_MAX 64

/* {plugin, name, options}: one instance without a file of the caller's. */
static int load_plugin(struct request *q, const char *plugin, struct report *report)
{
    struct node_option options[LOAD_OPTIONS_MAX];
    char texts[LOAD_OPTIONS_MAX][2][512], name[64];
    struct doc *doc = NULL;
    doc_value given;
    size_t n = 0;
    int r = doc_new(q->message->body, &doc);

    if (r < 0)
        return r;
    given = doc_get(doc_root(doc), "options");
    for (; n < doc_len(given) && n < LOAD_OPTIONS_MAX; n++) {
        struct aiex_slice key;
        doc_value value;

        doc_pair(given, n, &key, &value);
        snprintf(texts[n][0], sizeof(texts[n][0]), "%.*s", (int)key.len, (const char *)key.data);
        doc_text(value, texts[n][1], sizeof(texts[n][1]), "");
        options[n] = (struct node_option){texts[n][0], texts[n][1]};
    }
    doc_free(doc);
    return node_load_plugin(q->admin->node, plugin, text_of(q, "name", name, sizeof(name)), options, n,
                            report);
}

static int run_load(struct request *q, struct report *report)
{
    char path[4096];

    if (text_of(q, "file", path, sizeof(path))[0])
        return node_load_file(q->admin->node, path, report);
    if (text_of(q, "plugin", path, sizeof(path))[0])
        return load_plugin(q, path, report);
    report_error(report, (struct place){NULL, 0}, NULL,
                 "parameter 'file' (path of an .ini file) or 'plugin' (name or path of a .so) is missing");
    return -EINVAL;
}

static int m_config_check(struct request *q)
{
    return configure(q, run_check);
}

static int m_config_reload(struct request *q)
{
    return configure(q, run_reload);
}

static int m_load(struct request *q)
{
    return configure(q, run_load);
}

static int m_reload(struct request *q)
{
    char name[64];
    int r;

    text_of(q, "name", name, sizeof(name));
    r = node_replace(q->admin->node, name[0] ? name : NULL, &q->err);
    if (r < 0)
        return refuse(q, r == -ENOENT ? AIEX_E_NOT_FOUND : AIEX_E_INVALID);
    pack_map(&q->answer, 1);
    pack_key_bool(&q->answer, "ok", 1);
    return 0;
}

static int m_remove(struct request *q)
{
    char name[64];
    int r = node_remove(q->admin->node, text_of(q, "name", name, sizeof(name)));

    if (r == -EBUSY)
        (void)fail(&q->err, r, "'%s' shares its cell with others; take it out of the configuration and reload", name);
    else if (r < 0)
        (void)fail(&q->err, r, "no instance is named '%s'", name);
    if (r < 0)
        return refuse(q, r == -EBUSY ? AIEX_E_CONFLICT : AIEX_E_NOT_FOUND);
    pack_map(&q->answer, 1);
    pack_key_bool(&q->answer, "ok", 1);
    return 0;
}

/* {type}: whether such an act must not happen unrecorded; what a plugin asks that finds no audit log */
static int m_act_policy(struct request *q)
{
    char type[129];

    text_of(q, "type", type, sizeof(type));
    pack_map(&q->answer, 2);
    pack_key_bool(&q->answer, "must", acts_must(q->admin->acts, type));
    pack_key_str(&q->answer, "log", acts_log(q->admin->acts));
    return 0;
}

static int m_events(struct request *q)
{
    char topic[AIEX_MAX_NAME + 1];

    text_of(q, "topic", topic, sizeof(topic));
    if (watchers_events(q->admin, q->message->id, topic[0] ? topic : "*") < 0) {
        (void)fail(&q->err, -EINVAL, "'%s' is not a topic; use words joined by dots, or a.* for all below", topic);
        return refuse(q, AIEX_E_INVALID);
    }
    q->later = 1;
    return 0;
}

static int m_trace(struct request *q)
{
    char name[64];

    if (watchers_trace(q->admin, q->message->id, text_of(q, "name", name, sizeof(name))) < 0) {
        (void)fail(&q->err, -ENOENT, "no instance is named '%s'", name);
        return refuse(q, AIEX_E_NOT_FOUND);
    }
    q->later = 1;
    return 0;
}

static int m_stop(struct request *q)
{
    pack_map(&q->answer, 1);
    pack_key_bool(&q->answer, "ok", 1);
    q->admin->actions.stop(q->admin->arg);
    return 0;
}

static int m_upgrade(struct request *q)
{
    if (!q->admin->actions.upgrade || q->admin->actions.upgrade(q->admin->arg, &q->err) < 0)
        return refuse(q, AIEX_E_UNAVAILABLE);
    pack_map(&q->answer, 1);
    pack_key_bool(&q->answer, "ok", 1);
    return 0;
}

static int m_health(struct request *q)
{
    char why[400];
    int ready = node_ready(q->admin->node, why, sizeof(why));

    pack_map(&q->answer, 2);
    pack_key_bool(&q->answer, "healthy", ready);
    pack_key_str(&q->answer, "reason", why);
    return 0;
}

static int m_secret(struct request *q)
{
    q->code = secrets_method(q->admin, q->message, &q->answer, &q->err);
    return q->code ? -1 : 0;
}

static const struct method {
    const char *name;
    int (*run)(struct request *);
    int changes; /* only for the control socket, not for plugins */
} methods[] = {
    {"host.status", m_status, 0},
    {"host.plugins", m_plugins, 0},
    {"host.stats", m_stats, 0},
    {"host.jobs", m_jobs, 0},
    {"host.members", m_members, 0},
    {"host.version", m_version, 0},
    {"host.memory", m_memory, 0},
    {"host.memory_use", m_memory_use, 0},
    {"host.metrics", m_metrics, 0},
    {"host.events", m_events, 0},
    {"host.act_policy", m_act_policy, 0},
    {"service.health", m_health, 0},
    {"host.config_show", m_config_show, 1},
    {"host.config_check", m_config_check, 1},
    {"host.config_reload", m_config_reload, 1},
    {"host.load", m_load, 1},
    {"host.reload", m_reload, 1},
    {"host.remove", m_remove, 1},
    {"host.job_run", m_job_run, 1},
    {"host.trace", m_trace, 1},
    {"host.stop", m_stop, 1},
    {"host.upgrade", m_upgrade, 1},
    {"host.secret_set", m_secret, 1},
    {"host.secret_list", m_secret, 1},
    {"host.secret_remove", m_secret, 1},
    {"host.secret_rotate", m_secret, 1},
};

static int run(struct admin *admin, const struct method *m, const struct aiex_message *message,
               struct endpoint *ep)
{
    struct request q = {.admin = admin, .message = message};
    int r;

    pack_init(&q.answer, ANSWER_MAX);
    r = m->run(&q);
    if (r < 0)
        endpoint_fail(ep, message->id, q.code ? q.code : AIEX_E_INTERNAL, q.err.text, 0,
                      (struct aiex_slice){0});
    else if (!q.later)
        endpoint_reply(ep, message->id, pack_slice(&q.answer));
    pack_done(&q.answer);
    return 0;
}

static int on_message(void *arg, const struct aiex_message *message)
{
    struct admin *admin = arg;
    struct endpoint *ep = inside_endpoint(node_inside(admin->node));

    switch (message->kind) {
    case AIEX_MSG_CANCEL:
        watchers_cancel(admin, message->id);
        return 0;
    case AIEX_MSG_EVENT:
        watchers_event(admin, message);
        return 0;
    case AIEX_MSG_CAST:
        if (!strcmp(message->method, "host.memory_use"))
            memory_take(admin, message->caller, message->body);
        return 0;
    case AIEX_MSG_REQUEST:
        break;
    default:
        return 0;
    }
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcmp(methods[i].name, message->method))
            continue;
        /* the control socket speaks to "host.control"; plugins reach "host" and may only read */
        if (methods[i].changes && strcmp(message->service, "host.control")) {
            endpoint_fail(ep, message->id, AIEX_E_DENIED,
                          "only the control socket may change the host; plugins may read", 0,
                          (struct aiex_slice){0});
            return 0;
        }
        return run(admin, &methods[i], message, ep);
    }
    return -ENOSYS;
}

static void on_state(void *arg, const char *instance, const char *state, const char *why)
{
    struct admin *admin = arg;
    uint8_t mem[600];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "reason", why);
    if (strcmp(state, "up") != 0)
        memory_gone(admin, instance);
    endpoint_publish(inside_endpoint(node_inside(admin->node)), (unsigned)admin->host_index,
                     &(struct aiex_event){.struct_size = sizeof(struct aiex_event),
                                          .topic = "host.plugin",
                                          .type = state,
                                          .subject = instance,
                                          .data = aiex_written(&w)});
    lives_state(admin, instance, state, why);
}

#define SECTION_TEXT_MAX 12000u /* an event is one record */

static void write_changed(struct aiex_writer *w, const char *why, const struct buf *text)
{
    aiex_w_map(w, 2);
    aiex_w_key_str(w, "reason", why);
    aiex_w_key_strn(w, "text", (const char *)text->data, text->len);
}

/* What the section says now, secrets as "***"; nothing when it is gone, or too long. */
static void section_text(const struct config *config, const char *section, struct buf *text)
{
    int r = 0;

    if (config_find(config, section))
        r = config_show(config, section, text);
    else if (!strcmp(section, "settings"))
        for (size_t i = 0; i < config->n_settings && r == 0; i++)
            r = buf_addf(text, "%s = %s\n", config->settings[i].name, config->settings[i].text);
    if (r < 0)
        text->len = 0;
}

static void on_config(void *arg, const char *section, const char *change, const char *why)
{
    struct admin *admin = arg;
    uint8_t mem[SECTION_TEXT_MAX + 1024];
    struct aiex_writer w;
    struct buf text;

    buf_init(&text, SECTION_TEXT_MAX);
    section_text(node_config(admin->node), section, &text);
    aiex_writer_init(&w, mem, sizeof(mem));
    write_changed(&w, why, &text);
    buf_done(&text);
    endpoint_publish(inside_endpoint(node_inside(admin->node)), (unsigned)admin->host_index,
                     &(struct aiex_event){.struct_size = sizeof(struct aiex_event),
                                          .topic = "host.config",
                                          .type = change,
                                          .subject = section,
                                          .data = aiex_written(&w)});
}

struct admin *admin_new(struct node *node, const char *path, const struct admin_actions *actions,
                        void *arg, struct aiex_error *err)
{
    struct admin *admin = calloc(1, sizeof(*admin));
    struct inside *inside = node_inside(node);

    if (!admin)
        return NULL;
    admin->node = node;
    admin->actions = *actions;
    admin->arg = arg;
    list_init(&admin->watchers);
    memory_init(admin);
    admin->host_index = inside_add(inside, "host", on_message, admin);
    /* a name of its own: who calls it has passed the socket's checks */
    admin->control_index = inside_add(inside, "host.control", on_message, admin);
    admin->acts = acts_new(node, inside_endpoint(inside), (unsigned)admin->control_index);
    admin->control = admin->acts ? control_new(admin, path, err) : NULL;
    if (!admin->control) {
        admin_free(admin);
        return NULL;
    }
    node_on_state(node, on_state, admin);
    node_on_config(node, on_config, admin);
    lives_begin(admin);
    return admin;
}

void admin_free(struct admin *admin)
{
    if (!admin)
        return;
    node_on_state(admin->node, NULL, NULL);
    node_on_config(admin->node, NULL, NULL);
    memory_done(admin);
    node_on_secret(admin->node, NULL, NULL);
    acts_cancel(admin->reloading);
    control_free(admin->control);
    acts_free(admin->acts);
    watchers_free(admin);
    free(admin);
}

void admin_save(struct admin *admin, struct pack *out)
{
    acts_count_tell(admin->acts);
    pack_map(out, 3);
    pack_str(out, "acts");
    acts_save(admin->acts, out);
    pack_str(out, "watchers");
    watchers_save(admin, out);
    pack_str(out, "clients");
    control_save(admin->control, out);
}

void admin_resume(struct admin *admin, const void *v)
{
    acts_load(admin->acts, doc_get(v, "acts"));
    watchers_load(admin, doc_get(v, "watchers"));
    control_load(admin->control, doc_get(v, "clients"));
}
