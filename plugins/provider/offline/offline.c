/*
 * offline.c - a provider without a model: it explains code that it was shown or may
 * read, and otherwise says plainly that no model is reachable and what to do.
 *
 * A chat is read, perhaps searched for below `root` in slices, answered at once as one
 * text, and handed out in parts as the caller takes them. It reads and writes openai.chat
 * only: aiex_chat stands between that and the client's dialect, as it does for a vendor.
 */
#include "answer.h"
#include "question.h"
#include "say.h"
#include "search.h"

#include <aiex/aiex_pack.h>
#include <aiex_chat.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_ANSWER (256u * 1024u)
#define MAX_WIRE   (8u * 1024u * 1024u)
#define PART_BYTES 16384u

struct config {
    const char *root;
};

struct chat {
    struct chat *next;
    struct offline *o;
    struct aiex_chat *chat; /* from the client's dialect and back */
    uint64_t id, begun_ms, timer;
    int dialect, stream, paused;
    int giving, gone; /* a part is being handed over; the caller left in the middle of it */
    int64_t attempt;
    struct question question;
    struct search search;
    struct text wire; /* the whole answer */
    size_t sent;
    int64_t input_tokens, output_tokens;
};

struct offline {
    const struct aiex_host *host;
    const struct config *config;
    struct chat *chats;
};

static const struct aiex_option options[] = {
    {"root", "", "folders whose source files may be read for explanations, separated by commas",
     AIEX_OPT_STRING, 0, 0, 0, NULL, offsetof(struct config, root)},
    {0},
};

/* ---- Life of a chat ---- */

static void chat_free(struct chat *c)
{
    struct chat **at = &c->o->chats;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    if (c->timer)
        c->o->host->unwatch(c->o->host, c->timer);
    aiex_chat_free(c->chat);
    search_done(&c->search);
    question_done(&c->question);
    text_done(&c->wire);
    c->o->host->release(c->o->host, c);
}

static void chat_fail(struct offline *o, uint64_t id, const char *code, int http_status,
                      const char *text)
{
    struct aiex_writer w;
    uint8_t mem[192];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_str(&w, "provider", o->host->instance);
    aiex_w_key_int(&w, "http_status", http_status);
    aiex_w_key_bool(&w, "started", 0);
    o->host->fail(o->host, id, code, text, 0, aiex_written(&w));
}

static void chat_end(struct chat *c)
{
    const struct aiex_host *host = c->o->host;
    uint64_t ms = host->now_ms(host) - c->begun_ms;
    struct aiex_writer w;
    uint8_t mem[512];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 9 + (c->attempt > 0));
    aiex_w_key_str(&w, "model", OFFLINE_MODEL);
    aiex_w_key_str(&w, "provider", host->instance);
    aiex_w_key_int(&w, "input_tokens", c->input_tokens);
    aiex_w_key_int(&w, "output_tokens", c->output_tokens);
    aiex_w_key_bool(&w, "estimated", 1);
    aiex_w_key_str(&w, "finish", "stop");
    aiex_w_key_uint(&w, "first_ms", ms);
    aiex_w_key_uint(&w, "total_ms", ms);
    aiex_w_key_bool(&w, "offline", 1);
    if (c->attempt > 0)
        aiex_w_key_int(&w, "attempts", c->attempt);
    host->reply(host, c->id, aiex_written(&w));
    chat_free(c);
}

/* Up to PART_BYTES, and in a stream up to the end of an event. */
static size_t next_part(const struct chat *c)
{
    const char *mark = c->dialect == AIEX_OLLAMA_CHAT ? "\n" : "\n\n";
    const char *at = c->wire.data + c->sent, *end;
    size_t left = c->wire.len - c->sent, n = strlen(mark);

    if (left <= PART_BYTES)
        return left;
    if (!c->stream)
        return PART_BYTES;
    end = memmem(at + PART_BYTES, left - PART_BYTES, mark, n);
    return end ? (size_t)(end - at) + n : left;
}

static void pump(struct chat *c)
{
    const struct aiex_host *host = c->o->host;

    while (!c->paused && c->sent < c->wire.len) {
        struct aiex_slice part = {(const uint8_t *)c->wire.data + c->sent, next_part(c)};
        int r;

        c->giving = 1;
        r = host->stream(host, c->id, part);
        c->giving = 0;
        if (c->gone) {
            chat_free(c);
            return;
        }
        if (r < 0) {
            chat_fail(c->o, c->id, AIEX_E_INTERNAL, 500, "a part of the answer was not taken");
            chat_free(c);
            return;
        }
        c->sent += part.len;
        c->paused = r == AIEX_PAUSE;
    }
    if (c->sent == c->wire.len)
        chat_end(c);
}

/* A client that asked for JSON gets JSON. */
static void wrap_in_json(struct text *t)
{
    struct text json;
    struct answer a = {.content = t->data, .content_len = t->len};
    const char *begin, *end;

    text_init(&json, MAX_WIRE);
    answer_unary(&json, &a);
    begin = strstr(json.data, "\"content\":");
    end = begin ? strstr(begin, ",\"refusal\"") : NULL;
    if (end) {
        text_done(t);
        text_add(t, "{\"offline\":true,\"message\":");
        text_addn(t, begin + 10, (size_t)(end - begin - 10));
        text_add(t, "}");
    }
    text_done(&json);
}

/* The aiex_chat_sink. */
static int add_wire(void *arg, struct aiex_slice bytes)
{
    struct text *wire = arg;

    text_addn(wire, (const char *)bytes.data, bytes.len);
    return wire->cut;
}

/* The answer as a vendor of openai.chat would send it, turned into the client's dialect. */
static int translate(struct chat *c, const struct answer *a)
{
    struct text t;
    int r = -ENOMEM;

    text_init(&t, MAX_WIRE);
    if (aiex_chat_vendor_streams(c->chat))
        answer_stream(&t, a);
    else
        answer_unary(&t, a);
    if (!t.cut)
        r = aiex_chat_feed(c->chat, (struct aiex_slice){(const uint8_t *)t.data, t.len}, add_wire,
                           &c->wire);
    if (r == 0)
        r = aiex_chat_close(c->chat, add_wire, &c->wire);
    text_done(&t);
    return r == 0 && c->wire.cut ? -ENOMEM : r;
}

/* Takes what `t` says and begins to hand it out. Frees t. */
static void chat_answer(struct chat *c, struct text *t)
{
    struct answer a = {
        .id = c->id, .created = time(NULL), .include_usage = c->question.include_usage};
    int r;

    if (c->question.wants_json && t->data)
        wrap_in_json(t);
    a.content = t->data ? t->data : "";
    a.content_len = t->len;
    a.input_tokens = c->input_tokens = answer_tokens(c->question.n_input_bytes);
    a.output_tokens = c->output_tokens = answer_tokens(t->len);
    text_init(&c->wire, MAX_WIRE);
    r = translate(c, &a);
    text_done(t);
    if (r == 0) {
        pump(c);
        return;
    }
    chat_fail(c->o, c->id, AIEX_E_INTERNAL, 500,
              r == -ENOMEM ? "no memory for the answer" : aiex_chat_result(c->chat)->fault);
    chat_free(c);
}

static void on_slice(void *arg)
{
    struct chat *c = arg;
    const struct aiex_host *host = c->o->host;
    struct text t;

    c->timer = 0;
    if (search_step(&c->search) && host->timer(host, 1, 0, on_slice, c, &c->timer) == 0)
        return;
    text_init(&t, MAX_ANSWER);
    if (c->search.text)
        say_definition(&t, &c->search.source, c->search.found);
    else
        say_help(&t, &c->question, c->o->config->root[0] != 0, c->search.limited);
    chat_answer(c, &t);
}

/* The client's request in its own dialect, read as a vendor of openai.chat would be sent it. */
static int read_body(struct chat *c, struct aiex_slice body, struct aiex_error *err)
{
    struct aiex_chat_setup setup = {
        .struct_size = sizeof(setup),
        .client = c->dialect,
        .vendor = AIEX_OPENAI_CHAT,
        .stream = c->stream,
        .model = {(const uint8_t *)OFFLINE_MODEL, strlen(OFFLINE_MODEL)},
        .now_s = (uint64_t)time(NULL),
        .random = c->id * 2654435761u + (uint64_t)time(NULL)};
    int r = aiex_chat_new(&setup, body, &c->chat, err);

    if (r == 0)
        r = question_read(&c->question, aiex_chat_request(c->chat), err);
    if (r == 0)
        aiex_chat_drop_request(c->chat);
    return r == -ENOTSUP ? -EINVAL : r;
}

static int read_dialect(const struct aiex_message *m, struct aiex_error *err)
{
    struct aiex_slice name = {NULL, 0};
    int dialect = aiex_get_str(m->body, "dialect", &name) == 1 ? aiex_dialect_of(name) : 0;

    if (aiex_dialect_op(dialect) == AIEX_OP_CHAT)
        return dialect;
    snprintf(err->text, sizeof(err->text), "field 'dialect' is missing or not one of a chat");
    return -EINVAL;
}

static int read_request(const struct aiex_message *m, struct chat *c, struct aiex_error *err)
{
    struct aiex_slice body = {NULL, 0};
    const char *wrong = NULL;
    char model[257] = "";

    c->dialect = read_dialect(m, err);
    if (c->dialect < 0)
        return c->dialect;
    if (aiex_get_text(m->body, "model", model, sizeof(model)) != 1 || !model[0])
        wrong = "field 'model' (str, 1 to 256 bytes) is missing or wrong";
    else if (aiex_get_bytes(m->body, "body", &body) != 1)
        wrong = "field 'body' (bin) is missing";
    else if (aiex_get_bool(m->body, "stream", &c->stream) < 0)
        wrong = "field 'stream' is not a bool";
    else if (aiex_get_int(m->body, "attempt", &c->attempt) < 0)
        wrong = "field 'attempt' is not an int";
    if (!wrong)
        return read_body(c, body, err);
    snprintf(err->text, sizeof(err->text), "%s", wrong);
    return -EINVAL;
}

static int chat_begin(struct offline *o, const struct aiex_message *m)
{
    struct chat *c = o->host->alloc(o->host, sizeof(*c));
    struct aiex_error err = {""};
    struct text t;
    int r;

    if (!c)
        return -ENOMEM;
    c->o = o;
    c->id = m->id;
    c->begun_ms = o->host->now_ms(o->host);
    c->next = o->chats;
    o->chats = c;
    r = read_request(m, c, &err);
    if (r != 0) {
        if (r == -EINVAL)
            chat_fail(o, m->id, AIEX_E_INVALID, 400, err.text);
        chat_free(c);
        return r == -EINVAL ? 0 : r;
    }
    text_init(&t, MAX_ANSWER);
    if (say_conversation(&t, &c->question)) {
        chat_answer(c, &t);
        return 0;
    }
    text_done(&t);
    search_begin(&c->search, o->host, &c->question, o->config->root);
    on_slice(c);
    return 0;
}

static struct chat *find(struct offline *o, uint64_t id)
{
    struct chat *c = o->chats;

    while (c && c->id != id)
        c = c->next;
    return c;
}

/* ---- The other methods ---- */

static int count(struct offline *o, const struct aiex_message *m)
{
    struct aiex_error err = {"the model is missing, or the body is not a JSON object"};
    struct aiex_slice body = {NULL, 0};
    int dialect = read_dialect(m, &err);
    int64_t tokens = -1;
    struct aiex_writer w;
    char model[257];
    uint8_t mem[64];

    if (dialect > 0 && aiex_get_text(m->body, "model", model, sizeof(model)) == 1 &&
        aiex_get_bytes(m->body, "body", &body) == 1)
        tokens = aiex_chat_prompt_tokens(dialect, body);
    if (tokens < 0) {
        chat_fail(o, m->id, AIEX_E_INVALID, 400, err.text);
        return 0;
    }
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_int(&w, "input_tokens", tokens);
    aiex_w_key_bool(&w, "exact", 0);
    o->host->reply(o->host, m->id, aiex_written(&w));
    return 0;
}

static int reply_models(struct offline *o, uint64_t id)
{
    struct aiex_writer w;
    uint8_t mem[192];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_bool(&w, "complete", 1);
    aiex_w_str(&w, "models");
    aiex_w_array(&w, 1);
    aiex_w_map(&w, 6);
    aiex_w_key_str(&w, "id", OFFLINE_MODEL);
    aiex_w_key_int(&w, "created", 0);
    aiex_w_key_str(&w, "owned_by", "aiex");
    aiex_w_key_int(&w, "context", 0);
    aiex_w_key_int(&w, "output", 0);
    aiex_w_str(&w, "capabilities");
    aiex_w_array(&w, 1);
    aiex_w_str(&w, "chat");
    o->host->reply(o->host, id, aiex_written(&w));
    return 0;
}

static int reply_health(struct offline *o, uint64_t id)
{
    struct aiex_writer w;
    uint8_t mem[96];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_bool(&w, "healthy", 1);
    aiex_w_key_str(&w, "reason", "answers without a model");
    aiex_w_key_int(&w, "checked_ms", 0);
    o->host->reply(o->host, id, aiex_written(&w));
    return 0;
}

/* ---- The descriptor ---- */

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    struct offline *o = host->alloc(host, sizeof(*o));

    if (!o)
        return -ENOMEM;
    o->host = host;
    o->config = config;
    *ret_self = o;
    return 0;
}

static int start(void *self, struct aiex_error *err)
{
    struct offline *o = self;
    int r = o->host->join(o->host, "provider", AIEX_NAME_GROUP);

    if (r < 0)
        snprintf(err->text, sizeof(err->text), "can not join the group 'provider'");
    return r;
}

static int handle(void *self, const struct aiex_message *m)
{
    struct offline *o = self;
    struct chat *c = m->kind == AIEX_MSG_CANCEL || m->kind == AIEX_MSG_RESUME ? find(o, m->id)
                                                                              : NULL;

    if (m->kind == AIEX_MSG_CANCEL && c && c->giving) {
        c->gone = 1;
    } else if (m->kind == AIEX_MSG_CANCEL && c) {
        chat_free(c);
    } else if (m->kind == AIEX_MSG_RESUME && c && c->paused) {
        c->paused = 0;
        pump(c);
    } else if (m->kind == AIEX_MSG_REQUEST) {
        if (strcmp(m->method, "provider.chat") == 0)
            return chat_begin(o, m);
        if (strcmp(m->method, "provider.count") == 0)
            return count(o, m);
        if (strcmp(m->method, "provider.models") == 0)
            return reply_models(o, m->id);
        if (strcmp(m->method, "provider.health") == 0)
            return reply_health(o, m->id);
        return -ENOSYS;
    }
    return 0;
}

static void destroy(void *self)
{
    struct offline *o = self;

    if (!o)
        return;
    while (o->chats)
        chat_free(o->chats);
    o->host->release(o->host, o);
}

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(struct aiex_plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = "provider_offline",
    .version = "0.1.0",
    .summary = "answers without any model: explains code from the code itself",
    .kind = "provider/1",
    .options = options,
    .config_size = sizeof(struct config),
    .needs = AIEX_NEED_READ,
    .create = create,
    .start = start,
    .handle = handle,
    .destroy = destroy,
};

const struct aiex_plugin *aiex_plugin_entry(uint32_t host_major, uint32_t host_minor)
{
    (void)host_major;
    (void)host_minor;
    return &plugin;
}
