/* chain.c - the descriptor: options, life, dispatch. */
#include "chain.h"

#include <aiex_metrics.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPT(field) offsetof(struct config, field)

static const struct aiex_option options[] = {
    {"origin", "",
     "name of this log in its heads, as in audit.example.org/prod; empty = aiex/NODE, and for good "
     "once the log exists",
     AIEX_OPT_STRING, 0, 0, 0, NULL, OPT(origin)},
    {"key", "",
     "what signs heads: secret:NAME of 64 hex digits or of a PRIVATE+KEY+ line; empty = made at "
     "the "
     "first start, in the file signing.key",
     AIEX_OPT_SECRET, 0, 0, 0, NULL, OPT(key)},
    {"key_old", "",
     "the former key (secret:NAME) while `key` names a new one: the log records the change, and "
     "both "
     "sign a head of it",
     AIEX_OPT_SECRET, 0, 0, 0, NULL, OPT(key_old)},
    {"must",
     "key.* config.* plugin.* secret.* session.delete data.backup data.restore data.erase "
     "audit.redact "
     "audit.rotate file.write",
     "types of acts that are refused when they can not be recorded; others are counted and alarmed",
     AIEX_OPT_STRING, AIEX_OPT_RELOADABLE, 0, 0, NULL, OPT(must)},
    {"operators", "host.*",
     "instances that may read, verify, export and redact the log and change its key: names, a * at "
     "the end of one for all that begin so; host.* = operators at the control socket",
     AIEX_OPT_STRING, AIEX_OPT_RELOADABLE, 0, 0, NULL, OPT(operators)},
    {"topics", "host.job",
     "topics whose events are recorded as acts, with blanks between them; none = no topic",
     AIEX_OPT_STRING, 0, 0, 0, NULL, OPT(topics)},
    {"witness.*", NULL, "public key of a witness whose signature on heads is taken",
     AIEX_OPT_STRING, 0, 0, 0, NULL, OPT(witnesses)},
    {"deadline", "800ms", "how long an act waits for the disk before it is refused",
     AIEX_OPT_DURATION, AIEX_OPT_RELOADABLE, 100, 10000, NULL, OPT(deadline)},
    {"head_interval", "10s", "time between two signed heads while entries come", AIEX_OPT_DURATION,
     AIEX_OPT_RELOADABLE, 100, 86400000, NULL, OPT(head_interval)},
    {"head_entries", "4096", "entries after which a head is signed earlier", AIEX_OPT_INT,
     AIEX_OPT_RELOADABLE, 1, 1 << 30, NULL, OPT(head_entries)},
    {"segment_size", "256M", "bytes after which a new segment is begun", AIEX_OPT_SIZE,
     AIEX_OPT_RELOADABLE, 1 << 16, INT64_C(1) << 40, NULL, OPT(segment_size)},
    {"verify_interval", "1d",
     "time between two verifications of the whole log, the first at the start; 0 = never",
     AIEX_OPT_DURATION, AIEX_OPT_RELOADABLE, 0, INT64_C(31536000000), NULL, OPT(verify_interval)},
    {0},
};

static const struct aiex_method methods[] = {
    {"audit.append", append_take},
    {"audit.append_all", append_all_take},
    {"audit.read", read_take},
    {"audit.head", head_take},
    {"audit.proof", proof_take},
    {"audit.verify", verify_take},
    {"audit.redact", redact_take},
    {"audit.export", export_take},
    {"audit.cosign", cosign_take},
    {"audit.rotate_key", rotate_take},
    {"audit.status", status_take},
    {"audit.health", health_take},
    {"service.health", health_take},
    {"service.metrics", metrics_take},
    {0},
};

/* ---- The key ---- */

/* Names may not have blanks or plus signs; a node's may. */
static void origin_of(struct chain *c, char name[AIEX_NOTE_NAME])
{
    if (*c->config->origin)
        snprintf(name, AIEX_NOTE_NAME, "%s", c->config->origin);
    else
        snprintf(name, AIEX_NOTE_NAME, "aiex/%s", c->host->node);
    for (char *p = name; *p && !*c->config->origin; p++)
        if ((unsigned char)*p <= ' ' || *p == '+')
            *p = '-';
}

/* The configuration is the loop's; the writer needs this, too, once it has the folder. */
static int load_key(struct chain *c, struct aiex_error *err)
{
    struct key_source *s = &c->source;
    int r;

    origin_of(c, s->origin);
    s->is_named = *c->config->origin != 0;
    if ((size_t)snprintf(s->secret, sizeof(s->secret), "%s", c->config->key) >= sizeof(s->secret) ||
        (size_t)snprintf(s->old_key, sizeof(s->old_key), "%s", c->config->key_old) >=
            sizeof(s->old_key))
        return aiex_failed(err, -EINVAL, "the key of the log is not readable: it is too long");
    r = keys_load(&c->log, s, err);
    strcpy(c->origin, c->log.signer.key.name);
    return r;
}

/* "name<tab>key<newline>" of each. */
static int load_witnesses(struct chain *c, struct aiex_error *err)
{
    const char *at = c->config->witnesses ? c->config->witnesses : "";

    while (*at) {
        char text[AIEX_NOTE_KEY];
        struct aiex_error why = {""};
        const char *value = strchr(at, '\t') + 1;
        size_t len = strcspn(value, "\n");

        snprintf(text, sizeof(text), "%.*s", (int)len, value);
        if (c->n_witnesses == MAX_WITNESSES)
            return aiex_failed(err, -EINVAL, "more than %u witnesses", MAX_WITNESSES);
        if (aiex_note_key_read(&c->witnesses[c->n_witnesses], text, &why) != 0 ||
            c->witnesses[c->n_witnesses].type != AIEX_KEY_WITNESS)
            return aiex_failed(err, -EINVAL, "witness.%.*s is no key of a witness (type 4)%s%s",
                               (int)(value - at - 1), at, *why.text ? ": " : "", why.text);
        c->n_witnesses++;
        at = value + len + (value[len] == '\n');
    }
    return 0;
}

/* ---- Life ---- */

/* `config` is the loop's: the writer has copies of the numbers that it needs. */
static void use_config(struct chain *c, const struct config *config)
{
    c->config = config;
    __atomic_store_n(&c->head_interval, config->head_interval, __ATOMIC_RELAXED);
    __atomic_store_n(&c->head_entries, config->head_entries, __ATOMIC_RELAXED);
    __atomic_store_n(&c->log.segment_size, config->segment_size, __ATOMIC_RELAXED);
}

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    struct chain *c;
    int r;

    if (!host->data_dir[0] || strlen(host->data_dir) >= sizeof(c->log.dir))
        return aiex_failed(err, -EINVAL, "the audit log has no data folder; give the host one");
    if (aiex_note_begin() != 0)
        return aiex_failed(err, -EIO, "libsodium can not start");
    c = host->alloc(host, sizeof(*c));
    if (!c)
        return aiex_failed(err, -ENOMEM, "no memory");
    c->host = c->log.host = host;
    use_config(c, config);
    strcpy(c->log.dir, host->data_dir);
    pthread_mutex_init(&c->log.lock, NULL);
    *ret_self = c;
    r = policy_check(c->config->must, err);
    if (r == 0)
        r = load_key(c, err);
    return r == 0 ? load_witnesses(c, err) : r;
}

static void tick(void *arg)
{
    struct chain *c = arg;

    append_done(c); /* also when a post failed */
    jobs_done(c);
    append_overdue(c);
    verify_due(c);
}

static int subscribe(struct chain *c, struct aiex_error *err)
{
    const char *at = c->config->topics;

    for (;;) {
        char topic[AIEX_MAX_NAME + 1];
        size_t len;
        int r;

        at += strspn(at, " ,\t");
        len = strcspn(at, " ,\t");
        if (len == 0)
            return 0;
        snprintf(topic, sizeof(topic), "%.*s", (int)len, at);
        r = strcmp(topic, "none") == 0 ? 0 : c->host->subscribe(c->host, topic);
        if (r < 0)
            return aiex_failed(err, r, "topic '%s' can not be subscribed to: %s", topic,
                               strerror(-r));
        at += len;
    }
}

static int start(void *self, struct aiex_error *err)
{
    struct chain *c = self;
    int r = c->host->join(c->host, "audit", AIEX_NAME_UNIQUE);

    if (r < 0)
        return aiex_failed(err, r, "the name 'audit' is taken by another instance; run one only");
    if (aiex_metrics_join(c->host) < 0)
        aiex_logf(c->host, AIEX_LOG_WARN, 0, "the page of metrics lacks this instance");
    r = subscribe(c, err);
    if (r == 0)
        r = workers_start(c, err);
    if (r == 0)
        r = writer_start(c, err);
    if (r == 0 && c->host->timer(c->host, TICK_MS, TICK_MS, tick, c, &c->tick) != 0)
        r = aiex_failed(err, -ENOMEM, "no memory for a timer");
    return r;
}

/* Everybody tells acts; what was told, and whether it may still be read, is the operators'. A host
 * before 1.2 does not say who asks: all are believed. */
static int may_ask(const struct chain *c, const struct aiex_message *m)
{
    static const char *const theirs[] = {"audit.read", "audit.verify", "audit.export",
                                         "audit.redact", "audit.rotate_key"};

    if (!AIEX_HAS(m, struct aiex_message, caller) || !m->caller)
        return 1;
    for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
        if (strcmp(m->method, theirs[i]) == 0)
            return policy_must(c->config->operators,
                               (struct aiex_slice){(const uint8_t *)m->caller, strlen(m->caller)});
    return 1;
}

static int ask(struct chain *c, const struct aiex_message *m)
{
    if (may_ask(c, m))
        return aiex_dispatch(methods, c, m);
    return aiex_refuse(c->host, m->id, AIEX_E_DENIED,
                       "'%s' may not call %s; the option 'operators' of the audit log says who may",
                       m->caller, m->method);
}

static int handle(void *self, const struct aiex_message *m)
{
    struct chain *c = self;

    switch (m->kind) {
    case AIEX_MSG_CAST:
    case AIEX_MSG_REQUEST:
        return ask(c, m);
    case AIEX_MSG_EVENT:
        return event_take(c, m);
    case AIEX_MSG_CANCEL:
        append_cancel(c, m->id);
        job_cancel(c, m->id);
        return 0;
    case AIEX_MSG_RESUME:
        job_resume(c, m->id);
        return 0;
    default:
        return 0;
    }
}

static int reload(void *self, const void *config, struct aiex_error *err)
{
    struct chain *c = self;
    const struct config *new = config;
    int r = policy_check(new->must, err);

    if (r == 0)
        use_config(c, new);
    return r;
}

static void drain(void *self, void (*done)(void *arg), void *arg)
{
    struct chain *c = self;

    jobs_end(c, 1);
    if (c->n_waiting == 0) {
        done(arg);
        return;
    }
    c->drained = done;
    c->drained_arg = arg;
}

static void destroy(void *self)
{
    struct chain *c = self;

    if (!c)
        return;
    if (c->tick)
        c->host->unwatch(c->host, c->tick);
    workers_stop(c);
    writer_stop(c);
    jobs_end(c, 0);
    append_end(c, 0);
    log_close(&c->log);
    pthread_mutex_destroy(&c->log.lock);
    c->host->release(c->host, c);
}

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(struct aiex_plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = "audit_chain",
    .version = "0.1.0",
    .summary = "records what happened, and proves that nobody changed the record",
    .kind = "audit/1",
    .options = options,
    .config_size = sizeof(struct config),
    .needs = AIEX_NEED_DATA | AIEX_NEED_THREADS,
    .create = create,
    .start = start,
    .handle = handle,
    .reload = reload,
    .drain = drain,
    .destroy = destroy,
};

const struct aiex_plugin *aiex_plugin_entry(uint32_t host_major, uint32_t host_minor)
{
    (void)host_major;
    (void)host_minor;
    return &plugin;
}
