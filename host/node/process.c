/*
 * process.c - one incarnation of a unit: started, switched to, drained, ended, and what
 * its cell tells meanwhile.
 */
#include "node/node_private.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

struct process *process_find(struct node *node, uint32_t inc)
{
    list_each(it, &node->units) {
        struct unit *unit = list_of(it, struct unit, link);

        list_each(jt, &unit->processes) {
            struct process *p = list_of(jt, struct process, link);

            if (p->inc == inc)
                return p;
        }
    }
    return NULL;
}

static void tell(struct process *p, enum supervise_kind kind)
{
    unit_event(p->unit->node, (struct supervise_event){.kind = kind, .inc = p->inc});
}

static struct log_origin origin_of(struct process *p, unsigned index)
{
    return (struct log_origin){
        .plugin = index < p->n_instances && p->instances[index] ? bus_instance_name(p->instances[index])
                                                                : p->unit->name,
        .cell = p->unit->name,
        .pid = cell_pid(p->cell),
    };
}

static void log_record(struct process *p, const struct record *head, const uint8_t *body)
{
    struct log_origin origin = origin_of(p, record_instance(head));
    char text[3072];

    origin.trace = head->id;
    snprintf(text, sizeof(text), "%.*s", (int)(head->len < 3000 ? head->len : 3000), (const char *)body);
    log_write(head->status < 0 || head->status > (int32_t)AIEX_LOG_ERROR ? AIEX_LOG_ERROR : (uint32_t)head->status,
              &origin, text);
}

static void kill_for_violation(struct process *p, const char *why)
{
    if (p->killed_for != SUPERVISE_WHY_NONE)
        return;
    snprintf(p->detail, sizeof(p->detail), "%s", why);
    p->killed_for = SUPERVISE_WHY_PROTOCOL;
    cell_kill(p->cell);
}

static void on_reloaded(struct process *p, const struct record *head, const uint8_t *body)
{
    struct log_origin origin = origin_of(p, record_instance(head));

    if (head->status)
        log_for(AIEX_LOG_ERROR, &origin, "new options refused, the old ones hold: %.*s", (int)head->len,
                (const char *)body);
    else
        log_for(AIEX_LOG_NOTICE, &origin, "new options taken");
}

void process_check_drained(struct process *p)
{
    if (!p->draining || !p->told_drained || bus_port_owed(p->port))
        return;
    p->draining = 0;
    tell(p, SUPERVISE_DRAINED);
}

static void on_record(void *arg, const struct record *head, const uint8_t *body)
{
    struct process *p = arg;

    switch (head->kind) {
    case RECORD_HELLO:
        free(p->sandbox);
        p->sandbox = strndup((const char *)body, head->len);
        p->ready_ms = loop_now_ms(p->unit->node->loop);
        tell(p, SUPERVISE_READY);
        return;
    case RECORD_FAULT:
        snprintf(p->fault, sizeof(p->fault), "%.*s", (int)(head->len < 500 ? head->len : 500),
                 (const char *)body);
        return;
    case RECORD_LOG:
        log_record(p, head, body);
        return;
    case RECORD_STATE:
        on_reloaded(p, head, body);
        return;
    case RECORD_STOP:
        p->told_drained = 1;
        process_check_drained(p);
        return;
    default:
        bus_port_record(p->port, head, body);
        if (p->draining)
            process_check_drained(p);
    }
}

static void on_broken(void *arg, const char *why)
{
    kill_for_violation(arg, why);
}

static void on_hung(void *arg)
{
    struct process *p = arg;

    p->limit_ms = p->unit->hang_ms;
    tell(p, SUPERVISE_HUNG);
}

static void on_output(void *arg, const char *line)
{
    struct process *p = arg;
    struct log_origin origin = origin_of(p, 0);

    log_write(AIEX_LOG_INFO, &origin, line);
}

static void on_listen(void *arg, unsigned index, const char *address)
{
    struct process *p = arg;
    struct aiex_error err = {""};
    int fd = listeners_get(p->unit->node->listeners, address, &err);

    cell_answer_listen(p->cell, fd, fd >= 0 ? "" : err.text);
}

static int on_listen_inside(void *arg, unsigned index, const char *address, struct aiex_error *err)
{
    struct process *p = arg;
    int fd = listeners_get(p->unit->node->listeners, address, err);

    return fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 10);
}

static void on_exited(void *arg, const struct cell_exit *e)
{
    struct process *p = arg;
    struct unit *unit = p->unit;
    struct node *node = unit->node;
    struct supervise_exit how = {.code = e->code, .signal = e->signal, .killed_for = p->killed_for,
                                 .limit_ms = p->limit_ms, .limit_memory_bytes = (uint64_t)unit->limit_memory_bytes,
                                 .detail = p->detail};
    struct supervise_event event = {.kind = SUPERVISE_EXIT, .inc = p->inc};
    char text[320];
    size_t n;

    event.class = supervise_classify(&how);
    supervise_describe(&how, text, sizeof(text));
    n = (size_t)snprintf(unit->last_exit, sizeof(unit->last_exit), "%s", text);
    if (p->fault[0])
        n = (size_t)snprintf(unit->last_exit, sizeof(unit->last_exit), "%s: %s", text, p->fault);
    else if (e->last_words[0] && event.class != SUPERVISE_EXIT_DONE && event.class != SUPERVISE_EXIT_ASKED)
        snprintf(unit->last_exit + n, sizeof(unit->last_exit) - n, "; it last wrote: %.150s", e->last_words);
    if (e->spawn_error) {
        snprintf(unit->last_exit, sizeof(unit->last_exit), "no process: %s", strerror(-e->spawn_error));
        event.kind = SUPERVISE_SPAWN_FAILED;
    }
    log_for(event.class == SUPERVISE_EXIT_DONE || event.class == SUPERVISE_EXIT_ASKED ? AIEX_LOG_INFO
                                                                                      : AIEX_LOG_WARN,
            &(struct log_origin){.plugin = unit->name, .cell = unit->name}, "%s", unit->last_exit);
    if (unit->serving == p)
        unit->serving = NULL;
    bus_port_dead(p->port, cell_channel(p->cell), text);
    p->port = NULL;
    process_free(p);
    unit_event(node, event);
}

/* ---- The port's side ---- */

static int port_send(void *arg, const struct record *head, const void *body, size_t len)
{
    struct process *p = arg;

    return channel_send(cell_channel(p->cell), head, body, len);
}

static size_t port_queued(void *arg)
{
    struct process *p = arg;

    return channel_queued(cell_channel(p->cell));
}

static void port_violation(void *arg, const char *why)
{
    kill_for_violation(arg, why);
}

/* ---- Starting ---- */

/* The texts an instance's options are made of, for the start message. 0, -EACCES. */
static int fill_instance(struct node_instance *in, const struct config_instance *c, struct start_instance *ret,
                         struct start_option *options, struct secret_texts *keep)
{
    *ret = (struct start_instance){.name = in->name, .path = in->plugin_path, .data_dir = in->data_dir,
                                   .kind = in->info->kind, .needs = in->info->needs, .options = options};
    for (size_t i = 0; c && i < c->n_options && i < START_OPTIONS_MAX; i++) {
        const char *text = secrets_text(in->unit->node, c, i, keep);

        if (!text)
            return -EACCES;
        options[ret->n_options++] = (struct start_option){c->options[i].name, text};
    }
    return 0;
}

static const struct cell_ops cell_ops = {on_record, on_broken, on_hung, on_output, on_listen, on_exited,
                                         on_listen_inside};
static const struct bus_port_ops port_ops = {port_send, port_queued, port_violation};

int process_start(struct unit *unit, uint32_t inc)
{
    struct node *node = unit->node;
    struct cell_env env = {node->loop, node->hub, node->spawner, node->settings_reader,
                           unit_is_inside(unit) ? node->options.inside : NULL};
    struct start_instance instances[START_INSTANCES_MAX];
    struct start start = {.cell = unit->name,
                          .node = node->config->host.node,
                          .http_module = node->http_module,
                          .plugin_dir = node->plugin_dir,
                          .sandbox = unit->sandbox,
                          .priority = unit->priority,
                          .limit_memory_bytes = unit->limit_memory_bytes,
                          .limit_files = unit->limit_files,
                          .limit_threads = unit->limit_threads,
                          .instances = instances};
    struct start_option *options = calloc(START_INSTANCES_MAX * START_OPTIONS_MAX, sizeof(*options));
    struct process *p = calloc(1, sizeof(*p));
    struct secret_texts keep = {0};
    int r = -ENOMEM;

    if (!p || !options)
        goto failed;
    p->unit = unit;
    p->inc = inc;
    list_init(&p->link);
    list_each(it, &unit->instances) {
        struct node_instance *in = list_of(it, struct node_instance, link);

        if (start.n_instances == START_INSTANCES_MAX)
            break;
        r = fill_instance(in, config_find(node->config, unit_section(in)), &instances[start.n_instances],
                          options + start.n_instances * START_OPTIONS_MAX, &keep);
        if (r < 0)
            goto failed;
        p->instances[start.n_instances++] = in->bus;
    }
    p->n_instances = (unsigned)start.n_instances;
    p->port = bus_port_new(node->bus, &port_ops, p);
    r = -ENOMEM;
    if (!p->port)
        goto failed;
    bus_port_key(p->port, inc);
    if (unit->pool)
        bus_port_count(p->port, &unit->stats);
    for (unsigned i = 0; i < p->n_instances; i++)
        bus_port_instance(p->port, i, p->instances[i]);
    r = cell_new(&env, &start, unit->hang_ms, &cell_ops, p, &p->cell);
    if (r < 0)
        goto failed;
    list_append(&unit->processes, &p->link);
    secret_texts_done(&keep);
    free(options);
    return 0;
failed:
    secret_texts_done(&keep);
    if (p && p->port)
        bus_port_dead(p->port, NULL, "it could not be started");
    free(p);
    free(options);
    return r;
}

int process_save(struct process *p, struct pack *out)
{
    int r;

    pack_map(out, 12);
    pack_key_int(out, "inc", p->inc);
    pack_key_bool(out, "serving", p->unit->serving == p);
    pack_key_bool(out, "draining", p->draining);
    pack_key_bool(out, "told_drained", p->told_drained);
    pack_key_int(out, "killed_for", p->killed_for);
    pack_key_int(out, "limit_ms", p->limit_ms);
    pack_key_int(out, "ready_ms", (int64_t)p->ready_ms);
    pack_key_str(out, "detail", p->detail);
    pack_key_str(out, "fault", p->fault);
    pack_key_str(out, "sandbox", p->sandbox ? p->sandbox : "");
    pack_str(out, "instances");
    pack_array(out, p->n_instances);
    for (unsigned i = 0; i < p->n_instances; i++)
        pack_str(out, p->instances[i] ? bus_instance_name(p->instances[i]) : "");
    pack_str(out, "cell");
    r = cell_save(p->cell, out);
    return r < 0 ? r : 0;
}

int process_load(struct unit *unit, const void *v)
{
    struct node *node = unit->node;
    struct cell_env env = {node->loop, node->hub, node->spawner, node->settings_reader, NULL};
    struct process *p = calloc(1, sizeof(*p));
    struct aiex_slice sandbox = doc_bytes(doc_get(v, "sandbox"));
    doc_value instances = doc_get(v, "instances");
    char name[64];
    int r;

    if (!p)
        return -ENOMEM;
    p->unit = unit;
    p->inc = (uint32_t)doc_int(doc_get(v, "inc"), 0);
    p->draining = doc_bool(doc_get(v, "draining"), 0);
    p->told_drained = doc_bool(doc_get(v, "told_drained"), 0);
    p->killed_for = (enum supervise_why)doc_int(doc_get(v, "killed_for"), 0);
    p->limit_ms = (uint32_t)doc_int(doc_get(v, "limit_ms"), 0);
    p->ready_ms = (uint64_t)doc_int(doc_get(v, "ready_ms"), 0);
    doc_text(doc_get(v, "detail"), p->detail, sizeof(p->detail), "");
    doc_text(doc_get(v, "fault"), p->fault, sizeof(p->fault), "");
    p->sandbox = strndup(sandbox.data ? (const char *)sandbox.data : "", sandbox.len);
    list_init(&p->link);
    p->port = bus_port_new(node->bus, &port_ops, p);
    if (!p->port) {
        free(p->sandbox);
        free(p);
        return -ENOMEM;
    }
    bus_port_key(p->port, p->inc);
    if (unit->pool)
        bus_port_count(p->port, &unit->stats);
    for (size_t i = 0; i < doc_len(instances) && i < START_INSTANCES_MAX; i++) {
        doc_text(doc_at(instances, i), name, sizeof(name), "");
        p->instances[i] = name[0] ? bus_instance_find(node->bus, name) : NULL;
        bus_port_instance(p->port, (unsigned)i, p->instances[i]);
        p->n_instances++;
    }
    r = cell_load(&env, doc_get(v, "cell"), &cell_ops, p, &p->cell);
    if (r < 0) {
        bus_port_dead(p->port, NULL, "the new host could not take it over");
        free(p->sandbox);
        free(p);
        return r;
    }
    list_append(&unit->processes, &p->link);
    if (doc_bool(doc_get(v, "serving"), 0))
        unit->serving = p;
    return 0;
}

void process_switch(struct process *p)
{
    p->unit->serving = p;
    for (unsigned i = 0; i < p->n_instances && !p->unit->pool; i++)
        if (p->instances[i])
            bus_instance_bind(p->instances[i], p->port, i);
}

void process_drain(struct process *p)
{
    p->draining = 1;
    channel_send(cell_channel(p->cell), &(struct record){.kind = RECORD_STOP}, NULL, 0);
}

void process_end(struct process *p)
{
    channel_send(cell_channel(p->cell), &(struct record){.kind = RECORD_STOP, .status = 1}, NULL, 0);
}

void process_kill(struct process *p, enum supervise_why why)
{
    struct supervise_info info;

    if (p->killed_for == SUPERVISE_WHY_NONE)
        p->killed_for = why;
    if (!p->limit_ms && supervise_info(p->unit->node->supervisor, (uint32_t)p->unit->number, &info) == 0)
        p->limit_ms = why == SUPERVISE_WHY_START_DEADLINE   ? info.spec->start_deadline_ms
                      : why == SUPERVISE_WHY_DRAIN_DEADLINE ? info.spec->drain_deadline_ms
                                                            : p->unit->hang_ms;
    cell_kill(p->cell);
}

void process_reload(struct process *p, unsigned index, const struct config_instance *c)
{
    struct secret_texts keep = {0};
    const char *text = "";
    struct pack body;

    pack_init(&body, START_MAX);
    (void)buf_room(&body.buf, START_MAX - 1); /* a buffer that grows leaves copies behind */
    pack_map(&body, c->n_options);
    for (size_t i = 0; text && i < c->n_options; i++) {
        text = secrets_text(p->unit->node, c, i, &keep);
        if (text)
            pack_key_str(&body, c->options[i].name, text);
    }
    secret_texts_done(&keep);
    if (text) /* else it was logged, and the old options hold */
        channel_send(cell_channel(p->cell), &(struct record){.kind = RECORD_STATE, .status = 1, .aux = index},
                     pack_slice(&body).data, pack_slice(&body).len);
    if (body.buf.data)
        explicit_bzero(body.buf.data, body.buf.len);
    pack_done(&body);
}

void process_free(struct process *p)
{
    if (!p)
        return;
    list_remove(&p->link);
    if (p->unit->serving == p)
        p->unit->serving = NULL;
    if (p->port)
        bus_port_dead(p->port, NULL, "the host stops");
    cell_free(p->cell);
    free(p->sandbox);
    free(p);
}
