/*
 * interface_cli.c - the plugin behind `aiex ask`, and the register of verbs that plugins add.
 *
 * It joins the name "cli" and answers the methods in the table below; README.md has their fields.
 * The program itself talks to the host's control socket and reaches us through it, so this plugin
 * opens nothing. question.c serves one question, added_verbs.c keeps the verbs.
 */
#include "added_verbs.h"
#include "question.h"

#include <aiex/aiex_pack.h>
#include <aiex_session.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct config {
    const char *gateway;
    const char *model;
    const char *system;
    int64_t timeout_ms;
    int64_t max_answer_bytes;
    int64_t max_questions;
    const char *sessions;
    int64_t history_bytes;
};

struct cli {
    const struct aiex_host *host;
    const struct config *config;
    struct added_verbs *verbs;
    struct aiex_turns *turns;
    struct question **questions; /* max_questions places */
    size_t n_places;
    int64_t in_flight, requests, errors;
    void (*drained)(void *arg); /* draining: called when the last question is over */
    void *drained_arg;
};

static const struct aiex_slice empty = {NULL, 0};

static int refuse(struct cli *c, const struct aiex_message *m, const char *code, const char *text,
                  uint32_t retry_ms)
{
    c->errors++;
    return c->host->fail(c->host, m->id, code, text, retry_ms, empty);
}

/* ---- cli.ask ---- */

static void end_drain(struct cli *c)
{
    void (*done)(void *arg) = c->drained;
    struct aiex_turns_numbers n;

    aiex_turns_numbers(c->turns, &n);
    if (!done || c->in_flight || n.open)
        return;
    c->drained = NULL;
    done(c->drained_arg);
}

static struct question **place_of(struct cli *c, uint64_t id)
{
    for (size_t i = 0; i < c->n_places; i++)
        if (c->questions[i] && question_id(c->questions[i]) == id)
            return &c->questions[i];
    return NULL;
}

static void forget(struct cli *c, struct question **place)
{
    *place = NULL;
    c->in_flight--;
    end_drain(c);
}

static void on_over(void *arg, struct question *q)
{
    struct cli *c = arg;
    struct question **place = place_of(c, question_id(q));

    if (place)
        forget(c, place);
}

static int ask(struct cli *c, const struct aiex_message *m)
{
    const struct question_setting setting = {.host = c->host,
                                             .gateway = c->config->gateway,
                                             .model = c->config->model,
                                             .system = c->config->system,
                                             .timeout_ms = c->config->timeout_ms,
                                             .history_bytes = c->config->history_bytes,
                                             .turns = c->turns,
                                             .max_answer_bytes = c->config->max_answer_bytes,
                                             .over = on_over,
                                             .arg = c};
    struct question **place = NULL;

    for (size_t i = 0; i < c->n_places && !place; i++)
        if (!c->questions[i])
            place = &c->questions[i];
    if (!place)
        return refuse(c, m, AIEX_E_BUSY, "as many questions run as max_questions allows", 1000);
    if (c->drained)
        return refuse(c, m, AIEX_E_UNAVAILABLE, "this instance is stopping", 1000);
    if (question_new(&setting, m, place) != 0)
        return refuse(c, m, AIEX_E_INTERNAL, "out of memory", 0);
    if (*place)
        c->in_flight++;
    return 0;
}

static int on_cancel(struct cli *c, const struct aiex_message *m)
{
    struct question **place = place_of(c, m->id);

    if (place) {
        question_free(*place);
        forget(c, place);
    }
    return 0;
}

static int on_resume(struct cli *c, const struct aiex_message *m)
{
    struct question **place = place_of(c, m->id);

    if (place)
        question_resume(*place);
    return 0;
}

/* ---- Verbs of plugins ---- */

static const char *code_of(int error)
{
    switch (error) {
    case -EEXIST:
        return AIEX_E_CONFLICT;
    case -ENOSPC:
        return AIEX_E_BUSY;
    case -ENOENT:
        return AIEX_E_NOT_FOUND;
    default:
        return AIEX_E_INVALID;
    }
}

static int verb_add(struct cli *c, const struct aiex_message *m)
{
    const char *text = "";
    int failed = added_verbs_add(c->verbs, m->body, &text);

    return failed ? refuse(c, m, code_of(failed), text, 0) : c->host->reply(c->host, m->id, empty);
}

static int verb_remove(struct cli *c, const struct aiex_message *m)
{
    const char *text = "";
    int failed = added_verbs_remove(c->verbs, m->body, &text);

    return failed ? refuse(c, m, code_of(failed), text, 0) : c->host->reply(c->host, m->id, empty);
}

static int list_verbs(struct cli *c, const struct aiex_message *m)
{
    struct aiex_writer w;
    void *mem;
    int result;

    aiex_writer_init(&w, NULL, 0);
    added_verbs_write(c->verbs, &w);
    mem = malloc(w.len);
    if (!mem)
        return refuse(c, m, AIEX_E_INTERNAL, "out of memory", 0);
    aiex_writer_init(&w, mem, w.len);
    added_verbs_write(c->verbs, &w);
    result = c->host->reply(c->host, m->id, aiex_written(&w));
    free(mem);
    return result;
}

/* ---- interface/1 ---- */

static int status(struct cli *c, const struct aiex_message *m)
{
    uint8_t mem[256];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 6);
    aiex_w_key_str(&w, "protocol", "control");
    aiex_w_str(&w, "addresses");
    aiex_w_array(&w, 0);
    aiex_w_key_int(&w, "clients", c->in_flight);
    aiex_w_key_int(&w, "in_flight", c->in_flight);
    aiex_w_key_int(&w, "requests", c->requests);
    aiex_w_key_int(&w, "errors", c->errors);
    return c->host->reply(c->host, m->id, aiex_written(&w));
}

static int health(struct cli *c, const struct aiex_message *m)
{
    uint8_t mem[64];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_bool(&w, "healthy", 1);
    aiex_w_key_str(&w, "reason", "");
    return c->host->reply(c->host, m->id, aiex_written(&w));
}

static const struct {
    const char *name;
    int (*serve)(struct cli *c, const struct aiex_message *m);
} methods[] = {
    {"cli.ask", ask},
    {"cli.verbs", list_verbs},
    {"cli.verb_add", verb_add},
    {"cli.verb_remove", verb_remove},
    {"interface.status", status},
    {"interface.health", health},
};

/* ---- The gateway's list ---- */

static void enlist(struct cli *c)
{
    static const char *const features[] = {"ask", "verbs"};
    struct aiex_request r = {
        .struct_size = sizeof(r), .service = c->config->gateway, .method = "gateway.register"};
    uint8_t mem[256];
    struct aiex_writer w;
    uint64_t id;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "name", c->host->instance);
    aiex_w_key_str(&w, "protocol", "control");
    aiex_w_str(&w, "addresses");
    aiex_w_array(&w, 0);
    aiex_w_str(&w, "features");
    aiex_w_array(&w, sizeof(features) / sizeof(*features));
    for (size_t i = 0; i < sizeof(features) / sizeof(*features); i++)
        aiex_w_str(&w, features[i]);
    r.body = aiex_written(&w);
    c->host->call(c->host, &r, NULL, NULL, &id); /* a cast: without a gateway nobody listens */
}

/* A gateway that begins anew has forgotten its list; which instance it is, is not known here. */
static int on_event(struct cli *c, const struct aiex_message *m)
{
    struct aiex_slice type, who;

    if (aiex_get_str(m->body, "type", &type) == 1 && type.len == 2 &&
        memcmp(type.data, "up", 2) == 0 && aiex_get_str(m->body, "subject", &who) == 1 &&
        (who.len != strlen(c->host->instance) ||
         memcmp(who.data, c->host->instance, who.len) != 0) &&
        !c->drained)
        enlist(c);
    return 0;
}

/* ---- Life ---- */

static void look_at_drain(void *arg)
{
    end_drain(arg);
}

/* The last answer of a session has been recorded. */
static void on_idle(void *arg)
{
    struct cli *c = arg;

    if (c->drained)
        c->host->post(c->host, look_at_drain, c);
}

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    struct cli *c = calloc(1, sizeof(*c));

    if (c) {
        c->host = host;
        c->config = config;
        c->n_places = (size_t)c->config->max_questions;
        c->questions = calloc(c->n_places, sizeof(*c->questions));
        c->verbs = added_verbs_new();
        c->turns = aiex_turns_new(host, c->config->sessions);
    }
    if (!c || !c->questions || !c->verbs || !c->turns) {
        if (c) {
            aiex_turns_free(c->turns);
            added_verbs_free(c->verbs);
            free(c->questions);
        }
        free(c);
        snprintf(err->text, sizeof(err->text), "out of memory");
        return -ENOMEM;
    }
    aiex_turns_on_idle(c->turns, on_idle, c);
    *ret_self = c;
    return 0;
}

static int start(void *self, struct aiex_error *err)
{
    struct cli *c = self;
    int failed = c->host->join(c->host, "cli", AIEX_NAME_UNIQUE);

    if (failed) {
        snprintf(err->text, sizeof(err->text),
                 "the name 'cli' can not be taken; only one instance of interface_cli may run");
        return failed;
    }
    failed = c->host->join(c->host, "interface", AIEX_NAME_GROUP);
    if (!failed)
        failed = c->host->subscribe(c->host, "host.plugin");
    if (failed)
        snprintf(err->text, sizeof(err->text),
                 "group 'interface' can not be joined or 'host.plugin' not be heard: %s",
                 strerror(-failed));
    else
        enlist(c);
    return failed;
}

static int handle(void *self, const struct aiex_message *m)
{
    struct cli *c = self;

    if (m->kind == AIEX_MSG_CANCEL)
        return on_cancel(c, m);
    if (m->kind == AIEX_MSG_RESUME)
        return on_resume(c, m);
    if (m->kind == AIEX_MSG_EVENT)
        return on_event(c, m);
    if (m->kind != AIEX_MSG_REQUEST)
        return 0;
    c->requests++;
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
        if (strcmp(m->method, methods[i].name) == 0)
            return methods[i].serve(c, m);
    return -ENOSYS;
}

static int reload(void *self, const void *config, struct aiex_error *err)
{
    struct cli *c = self;

    c->config = config; /* running questions have copies of what they need */
    return 0;
}

static void drain(void *self, void (*done)(void *arg), void *arg)
{
    struct cli *c = self;

    c->drained = done;
    c->drained_arg = arg;
    end_drain(c);
}

static void destroy(void *self)
{
    struct cli *c = self;

    for (size_t i = 0; i < c->n_places; i++)
        question_free(c->questions[i]);
    aiex_turns_free(c->turns);
    added_verbs_free(c->verbs);
    free(c->questions);
    free(c);
}

static const struct aiex_option options[] = {
    {"gateway", "gateway", "service that admits questions, passes them on and counts them",
     AIEX_OPT_STRING, AIEX_OPT_RELOADABLE, 0, 0, NULL, offsetof(struct config, gateway)},
    {"model", "auto",
     "model or alias that is asked when the question names none; auto = the coordinator chooses",
     AIEX_OPT_STRING, AIEX_OPT_RELOADABLE, 0, 0, NULL, offsetof(struct config, model)},
    {"system", "", "instructions for questions that bring none", AIEX_OPT_STRING,
     AIEX_OPT_RELOADABLE, 0, 0, NULL, offsetof(struct config, system)},
    {"timeout", "10m", "time limit of one answer; 0 = the service's own", AIEX_OPT_DURATION,
     AIEX_OPT_RELOADABLE, 0, 86400000, NULL, offsetof(struct config, timeout_ms)},
    {"max_answer", "8M", "largest answer to a question that is not streamed", AIEX_OPT_SIZE,
     AIEX_OPT_RELOADABLE, 1024, 31457280, NULL, offsetof(struct config, max_answer_bytes)},
    {"max_questions", "64", "questions at the same time", AIEX_OPT_INT, 0, 1, 4096, NULL,
     offsetof(struct config, max_questions)},
    {"sessions", "sessions", "service that keeps sessions (aiex ask --session)", AIEX_OPT_STRING, 0,
     0, 0, NULL, offsetof(struct config, sessions)},
    {"history", "128k", "bytes of a session's history that go with a question; 0 = none",
     AIEX_OPT_SIZE, AIEX_OPT_RELOADABLE, 0, 8 << 20, NULL, offsetof(struct config, history_bytes)},
    {NULL, NULL, NULL, 0, 0, 0, 0, NULL, 0},
};

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(struct aiex_plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = "interface_cli",
    .version = "0.1.0",
    .summary = "questions of the command line, and verbs that plugins add to it",
    .kind = "interface/1",
    .options = options,
    .config_size = sizeof(struct config),
    .create = create,
    .start = start,
    .handle = handle,
    .reload = reload,
    .drain = drain,
    .destroy = destroy,
};

const struct aiex_plugin *aiex_plugin_entry(uint32_t host_major, uint32_t host_minor)
{
    return &plugin;
}
