/*
 * faces.c - the interfaces that have registered, whether they live, and messages between them.
 * An interface registers under its instance name; the host's events about that instance say
 * whether it lives.
 */
#include "gateway.h"

#include <aiex_chat.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FACES      64u
#define MAX_FACE_BYTES 4096u /* of protocol, addresses and features */

struct face {
    char name[AIEX_MAX_NAME + 1];
    int alive;
    uint64_t since_ms;
    uint8_t *told; /* pairs protocol, addresses, features as they came */
    size_t told_len;
    uint32_t n_told;
};

struct faces {
    struct face list[MAX_FACES];
    size_t n;
};

int faces_init(struct gateway *g)
{
    g->faces = g->host->alloc(g->host, sizeof(*g->faces));
    return g->faces ? g->host->subscribe(g->host, "host.plugin") : -ENOMEM;
}

void faces_done(struct gateway *g)
{
    if (!g->faces)
        return;
    for (size_t i = 0; i < g->faces->n; i++)
        g->host->release(g->host, g->faces->list[i].told);
    g->host->release(g->host, g->faces);
    g->faces = NULL;
}

size_t faces_count(const struct gateway *g)
{
    return g->faces->n;
}

static struct face *find(struct faces *all, struct aiex_slice name)
{
    for (size_t i = 0; i < all->n; i++)
        if (aiex_slice_is(name, all->list[i].name))
            return &all->list[i];
    return NULL;
}

static void set_alive(struct gateway *g, struct face *f, int alive)
{
    if (f->alive == alive)
        return;
    f->alive = alive;
    f->since_ms = g->host->now_ms(g->host);
}

void faces_event(struct gateway *g, struct aiex_slice envelope)
{
    struct aiex_slice subject = NOTHING, type = NOTHING;
    struct face *f;

    if (aiex_get_str(envelope, "subject", &subject) != 1 ||
        aiex_get_str(envelope, "type", &type) != 1)
        return;
    f = find(g->faces, subject);
    if (f)
        set_alive(g, f, aiex_slice_is(type, "up"));
}

/* ---- Register ---- */

static const char *const told_keys[] = {"protocol", "addresses", "features"};

static uint32_t write_told(struct aiex_writer *w, struct aiex_slice body)
{
    struct aiex_slice value;
    uint32_t n = 0;

    for (size_t i = 0; i < sizeof(told_keys) / sizeof(told_keys[0]); i++) {
        if (aiex_get_whole(body, told_keys[i], &value) != 1)
            continue;
        aiex_w_str(w, told_keys[i]);
        aiex_w_raw(w, value.data, value.len);
        n++;
    }
    return n;
}

/* The oldest dead one makes room. NULL: 64 live. */
static struct face *room(struct gateway *g)
{
    struct faces *all = g->faces;
    struct face *old = NULL;

    if (all->n < MAX_FACES)
        return &all->list[all->n++];
    for (size_t i = 0; i < all->n; i++) {
        struct face *f = &all->list[i];

        if (!f->alive && (!old || f->since_ms < old->since_ms))
            old = f;
    }
    if (old)
        g->host->release(g->host, old->told);
    return old;
}

static struct face *place(struct gateway *g, struct aiex_slice name)
{
    struct face *f = find(g->faces, name);

    if (f) {
        g->host->release(g->host, f->told);
        f->told = NULL;
        set_alive(g, f, 1);
        return f;
    }
    f = room(g);
    if (!f)
        return NULL;
    *f = (struct face){.alive = 1, .since_ms = g->host->now_ms(g->host)};
    memcpy(f->name, name.data, name.len);
    return f;
}

/* 0, or -EINVAL, -EBUSY, -ENOMEM and the reason. */
static int take(struct gateway *g, struct aiex_slice body, const char **ret_wrong)
{
    struct aiex_slice name = NOTHING;
    struct aiex_writer w;
    struct face *f;
    uint8_t *told;

    *ret_wrong = "field 'name' (str of 1 to 63 bytes) is missing or wrong";
    if (aiex_get_str(body, "name", &name) != 1 || name.len == 0 || name.len > AIEX_MAX_NAME)
        return -EINVAL;
    aiex_writer_init(&w, NULL, 0);
    write_told(&w, body);
    *ret_wrong = "protocol, addresses and features are larger than 4096 bytes";
    if (w.len > MAX_FACE_BYTES)
        return -EINVAL;
    told = g->host->alloc(g->host, w.len + 1);
    *ret_wrong = "no memory";
    if (!told)
        return -ENOMEM;
    f = place(g, name);
    *ret_wrong = "64 interfaces live already";
    if (!f) {
        g->host->release(g->host, told);
        return -EBUSY;
    }
    aiex_writer_init(&w, told, w.len);
    f->n_told = write_told(&w, body);
    f->told = told;
    f->told_len = w.len;
    return 0;
}

int faces_register(struct gateway *g, const struct aiex_message *m)
{
    const char *wrong;
    int r = take(g, m->body, &wrong);

    if (r == -EINVAL)
        return refuse_form(g, m->id, NOTHING, wrong);
    if (r < 0)
        g->host->fail(g->host, m->id, AIEX_E_BUSY, wrong, 0, NOTHING);
    else
        g->host->reply(g->host, m->id, NOTHING);
    return 0;
}

void faces_told(struct gateway *g, struct aiex_slice body)
{
    const char *wrong;
    char line[160];

    if (take(g, body, &wrong) == 0)
        return;
    snprintf(line, sizeof(line), "an interface could not be registered: %s", wrong);
    g->host->log(g->host, AIEX_LOG_WARN, 0, line);
}

/* ---- The list ---- */

static void write_faces(struct aiex_writer *w, const struct gateway *g)
{
    const struct faces *all = g->faces;
    uint64_t now = g->host->now_ms(g->host);

    aiex_w_map(w, 1);
    aiex_w_str(w, "interfaces");
    aiex_w_array(w, (uint32_t)all->n);
    for (size_t i = 0; i < all->n; i++) {
        const struct face *f = &all->list[i];

        aiex_w_map(w, 3 + f->n_told);
        aiex_w_key_str(w, "name", f->name);
        aiex_w_key_bool(w, "alive", f->alive);
        aiex_w_key_uint(w, "since_ms", now - f->since_ms);
        aiex_w_raw(w, f->told, f->told_len);
    }
}

int faces_list(struct gateway *g, const struct aiex_message *m)
{
    struct aiex_writer w;
    struct refusal r;
    struct ask a;
    const char *wrong = ask_read(m, &a);
    uint8_t *mem;

    if (wrong)
        return refuse_form(g, m->id, NOTHING, wrong);
    if (!who(g, &a, MAY_MODELS, &r))
        return refusal_send(g, m->id, &r, NOTHING);
    aiex_writer_init(&w, NULL, 0);
    write_faces(&w, g);
    mem = malloc(w.len);
    if (!mem)
        return -ENOMEM;
    aiex_writer_init(&w, mem, w.len);
    write_faces(&w, g);
    g->host->reply(g->host, m->id, aiex_written(&w));
    free(mem);
    return 0;
}

/* ---- Messages ---- */

int faces_send(struct gateway *g, const struct aiex_message *m)
{
    struct aiex_event e = {.struct_size = sizeof(e), .topic = "gateway.message", .trace = m->trace};
    char to[AIEX_MAX_NAME + 1] = "", type[AIEX_MAX_NAME + 1] = "";
    struct refusal r;
    struct ask a;
    const char *wrong = ask_read(m, &a);
    int sent;

    if (!wrong && (aiex_get_text(m->body, "to", to, sizeof(to)) != 1 || !to[0] ||
                   aiex_get_text(m->body, "type", type, sizeof(type)) != 1 || !type[0]))
        wrong = "fields 'to' and 'type' (str of 1 to 63 bytes) are needed";
    if (wrong)
        return refuse_form(g, m->id, NOTHING, wrong);
    if (!who(g, &a, MAY_CHAT, &r))
        return refusal_send(g, m->id, &r, NOTHING);
    e.type = type;
    e.subject = to;
    aiex_get_whole(m->body, "data", &e.data);
    sent = g->host->publish(g->host, &e);
    if (sent < 0)
        return refuse_form(g, m->id, NOTHING,
                           sent == -EMSGSIZE ? "the message is larger than an event may be"
                                             : "the message can not be published");
    g->host->reply(g->host, m->id, NOTHING);
    return 0;
}
