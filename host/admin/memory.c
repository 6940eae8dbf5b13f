/*
 * memory.c - memory for operators and plugins: the event host.memory, and the methods host.memory
 * (who holds how much, who gave back) and host.memory_use, by which a part of a plugin says that it
 * holds memory it could do without.
 *
 * Parts are remembered by instance and name until the instance is gone; at most USERS_MAX.
 */
#include "admin/admin_private.h"

#include <stdlib.h>
#include <string.h>

#define USERS_MAX   128u
#define EVENT_CELLS 16u
#define CELLS_MAX   512u
#define EVENT_BYTES 8192u

struct user {
    struct list link;
    char instance[AIEX_MAX_NAME + 1], part[AIEX_MAX_NAME + 1];
    int64_t order, percent, bytes, limit, given;
};

/* ---- Cells by size ---- */

struct cells {
    struct node_cell_memory all[CELLS_MAX];
    unsigned n;
};

static int by_size(const void *a, const void *b)
{
    const struct node_cell_memory *x = a, *y = b;

    return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : 0;
}

static void cells_read(struct node *node, struct cells *c)
{
    c->n = 0;
    while (c->n < CELLS_MAX && node_memory_cell(node, c->n, &c->all[c->n]) == 0)
        c->n++;
    qsort(c->all, c->n, sizeof(c->all[0]), by_size);
}

/* ---- What both tell ---- */

#define COMMON 9u /* pairs */

static void write_common(struct aiex_writer *w, const struct node_memory_info *i)
{
    aiex_w_key_str(w, "level", pressure_level_text(i->pressure.level));
    aiex_w_key_int(w, "step", (int64_t)i->pressure.step);
    aiex_w_key_int(w, "used_percent", i->reading.used_percent);
    aiex_w_key_int(w, "stall_percent", i->reading.stall_percent);
    aiex_w_key_int(w, "used_bytes", i->reading.used_bytes);
    aiex_w_key_int(w, "limit_bytes", i->reading.limit_bytes);
    aiex_w_key_int(w, "available_bytes", i->reading.available_bytes);
    aiex_w_key_str(w, "limited_by", i->reading.limited_by);
    aiex_w_key_uint(w, "rises", i->rises);
}

static void write_cells(struct aiex_writer *w, const struct cells *c, unsigned most)
{
    unsigned n = c->n < most ? c->n : most;

    aiex_w_str(w, "cells");
    aiex_w_array(w, n);
    for (unsigned i = 0; i < n; i++) {
        aiex_w_map(w, 3);
        aiex_w_key_str(w, "cell", c->all[i].cell[0] ? c->all[i].cell : "aiex-host");
        aiex_w_key_int(w, "pid", c->all[i].pid);
        aiex_w_key_int(w, "bytes", c->all[i].bytes);
    }
}

/* ---- host.memory ---- */

static void on_change(void *arg)
{
    struct admin *admin = arg;
    struct node_memory_info info;
    uint8_t mem[EVENT_BYTES];
    struct aiex_writer w;
    struct cells *c = malloc(sizeof(*c));

    if (!c)
        return; /* it is told again in a few seconds */
    node_memory_info(node_memory(admin->node), &info);
    cells_read(admin->node, c);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, COMMON + 1);
    write_common(&w, &info);
    write_cells(&w, c, EVENT_CELLS);
    free(c);
    endpoint_publish(inside_endpoint(node_inside(admin->node)), (unsigned)admin->host_index,
                     &(struct aiex_event){.struct_size = sizeof(struct aiex_event),
                                          .topic = "host.memory",
                                          .type = pressure_level_text(info.pressure.level),
                                          .subject = node_name(admin->node),
                                          .data = aiex_written(&w)});
}

static void pack_users(struct admin *admin, struct pack *out)
{
    size_t n = 0;

    list_each (it, &admin->memory_users)
        n++;
    pack_str(out, "users");
    pack_array(out, n);
    list_each (it, &admin->memory_users) {
        const struct user *u = list_of(it, struct user, link);

        pack_map(out, 7);
        pack_key_str(out, "instance", u->instance);
        pack_key_str(out, "part", u->part);
        pack_key_int(out, "order", u->order);
        pack_key_int(out, "percent", u->percent);
        pack_key_int(out, "bytes", u->bytes);
        pack_key_int(out, "limit", u->limit);
        pack_key_int(out, "given", u->given);
    }
}

void memory_show(struct admin *admin, struct pack *out)
{
    struct node_memory_info info;
    uint8_t mem[1024];
    struct aiex_writer w;
    struct cells *c = malloc(sizeof(*c));

    node_memory_info(node_memory(admin->node), &info);
    if (c)
        cells_read(admin->node, c);
    pack_map(out, COMMON + 4);
    aiex_writer_init(&w, mem, sizeof(mem));
    write_common(&w, &info);
    pack_whole(out, aiex_written(&w));
    pack_key_bool(out, "watched", info.watched);
    pack_key_int(out, "since_ms", (int64_t)info.since_ms);
    pack_str(out, "cells");
    pack_array(out, c ? c->n : 0);
    for (unsigned i = 0; c && i < c->n; i++) {
        pack_map(out, 3);
        pack_key_str(out, "cell", c->all[i].cell[0] ? c->all[i].cell : "aiex-host");
        pack_key_int(out, "pid", c->all[i].pid);
        pack_key_int(out, "bytes", c->all[i].bytes);
    }
    free(c);
    pack_users(admin, out);
}

/* ---- host.memory_use ---- */

static struct user *user_of(struct admin *admin, const char *instance, const char *part)
{
    struct user *u;
    unsigned n = 0;

    list_each (it, &admin->memory_users) {
        u = list_of(it, struct user, link);
        n++;
        if (!strcmp(u->instance, instance) && !strcmp(u->part, part))
            return u;
    }
    u = n < USERS_MAX ? calloc(1, sizeof(*u)) : NULL;
    if (!u)
        return NULL;
    snprintf(u->instance, sizeof(u->instance), "%s", instance);
    snprintf(u->part, sizeof(u->part), "%s", part);
    list_append(&admin->memory_users, &u->link);
    return u;
}

void memory_take(struct admin *admin, const char *instance, struct aiex_slice body)
{
    char part[AIEX_MAX_NAME + 1] = "";
    struct user *u;

    if (!*instance || aiex_get_text(body, "part", part, sizeof(part)) < 0)
        return;
    u = user_of(admin, instance, part);
    if (!u)
        return;
    aiex_get_int(body, "order", &u->order);
    aiex_get_int(body, "percent", &u->percent);
    aiex_get_int(body, "bytes", &u->bytes);
    aiex_get_int(body, "limit", &u->limit);
    aiex_get_int(body, "given", &u->given);
}

static void forget(struct user *u)
{
    list_remove(&u->link);
    free(u);
}

void memory_gone(struct admin *admin, const char *instance)
{
    list_each_safe (it, next, &admin->memory_users)
        if (!strcmp(list_of(it, struct user, link)->instance, instance))
            forget(list_of(it, struct user, link));
}

void memory_init(struct admin *admin)
{
    list_init(&admin->memory_users);
    node_memory_on_change(node_memory(admin->node), on_change, admin);
}

void memory_done(struct admin *admin)
{
    node_memory_on_change(node_memory(admin->node), NULL, NULL);
    while (!list_empty(&admin->memory_users))
        forget(list_of(admin->memory_users.next, struct user, link));
}
