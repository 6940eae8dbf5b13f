/*
 * secrets.c - host.secret_*: the vault for operators. Values come in and never go out; the
 * bytes of a message that held one are overwritten before it is given back.
 */
#include "admin/admin_private.h"

#include "base/err.h"
#include "base/log.h"
#include "secret/vault.h"

#include <aiex/aiex_pack.h>
#include <string.h>

static const char *code_of(int r)
{
    switch (r) {
    case -ENOENT:
        return AIEX_E_NOT_FOUND;
    case -EBUSY:
        return AIEX_E_CONFLICT;
    case -EINVAL:
    case -ENOSPC:
        return AIEX_E_INVALID;
    case -ENOMEM:
        return AIEX_E_INTERNAL;
    default:
        return AIEX_E_UNAVAILABLE; /* the vault as it is can not be used */
    }
}

/* {name str, value bin} */
static int set(struct admin *admin, struct aiex_slice body, struct pack *answer, struct aiex_error *err)
{
    struct aiex_slice value = {0};
    char name[AIEX_MAX_NAME + 1] = "";
    size_t n = 0;
    int r;

    if (aiex_get_text(body, "name", name, sizeof(name)) != 1 || aiex_get_bytes(body, "value", &value) != 1)
        return fail(err, -EINVAL, "host.secret_set needs 'name' and 'value'");
    r = node_secret_set(admin->node, name, value, err);
    if (r < 0)
        return r;
    while (node_secret_user(admin->node, name, n))
        n++;
    log_notice("secret '%s' was stored; %zu instance%s use%s it", name, n, n == 1 ? "" : "s", n == 1 ? "s" : "");
    pack_map(answer, 2);
    pack_key_bool(answer, "ok", 1);
    pack_str(answer, "used_by");
    pack_array(answer, n);
    for (size_t i = 0; i < n; i++)
        pack_str(answer, node_secret_user(admin->node, name, i));
    return 0;
}

static void pack_entry(struct admin *admin, const struct vault_entry *e, struct pack *answer)
{
    size_t n = 0;

    while (node_secret_user(admin->node, e->name, n))
        n++;
    pack_map(answer, 5);
    pack_key_str(answer, "name", e->name);
    pack_key_int(answer, "created", e->created_ms);
    pack_key_int(answer, "changed", e->changed_ms);
    pack_key_bool(answer, "damaged", e->damaged);
    pack_str(answer, "used_by");
    pack_array(answer, n);
    for (size_t i = 0; i < n; i++)
        pack_str(answer, node_secret_user(admin->node, e->name, i));
}

/* {} -> {secrets} */
static int list(struct admin *admin, struct aiex_slice body, struct pack *answer, struct aiex_error *err)
{
    struct vault_entry e;
    size_t n = 0;
    int r;

    while ((r = node_secret(admin->node, n, &e, err)) == 0)
        n++;
    if (r != -ENOENT)
        return r;
    pack_map(answer, 1);
    pack_str(answer, "secrets");
    pack_array(answer, n);
    for (size_t i = 0; i < n; i++) {
        if (node_secret(admin->node, i, &e, err) < 0)
            return fail(err, -EAGAIN, "the vault was changed meanwhile; ask again");
        pack_entry(admin, &e, answer);
    }
    return 0;
}

/* {name str, force bool} */
static int remove_one(struct admin *admin, struct aiex_slice body, struct pack *answer, struct aiex_error *err)
{
    char name[AIEX_MAX_NAME + 1] = "";
    int force = 0, r;

    (void)aiex_get_text(body, "name", name, sizeof(name));
    (void)aiex_get_bool(body, "force", &force);
    r = node_secret_remove(admin->node, name, force, err);
    if (r < 0)
        return r;
    log_notice("secret '%s' was removed%s", name,
               node_secret_user(admin->node, name, 0) ? "; what uses it will not start again" : "");
    pack_map(answer, 1);
    pack_key_bool(answer, "ok", 1);
    return 0;
}

/* {key bin}, empty = one is made */
static int rotate(struct admin *admin, struct aiex_slice body, struct pack *answer, struct aiex_error *err)
{
    struct aiex_slice key = {0};
    const char *where;
    int by_hand, r;

    (void)aiex_get_bytes(body, "key", &key);
    r = node_secret_rotate(admin->node, key, &where, &by_hand, err);
    if (r < 0)
        return r;
    log_notice("the vault has a new master key, %s %s", by_hand ? "to be put into" : "in", where);
    pack_map(answer, 3);
    pack_key_bool(answer, "ok", 1);
    pack_key_str(answer, "where", where);
    pack_key_bool(answer, "by_hand", by_hand);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(struct admin *, struct aiex_slice body, struct pack *answer, struct aiex_error *err);
} methods[] = {{"host.secret_set", set},
               {"host.secret_list", list},
               {"host.secret_remove", remove_one},
               {"host.secret_rotate", rotate}};

const char *secrets_method(struct admin *admin, const struct aiex_message *message, struct pack *answer,
                           struct aiex_error *err)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        int r;

        if (strcmp(methods[i].name, message->method) != 0)
            continue;
        r = methods[i].run(admin, message->body, answer, err);
        return r < 0 ? code_of(r) : NULL;
    }
    return AIEX_E_NOT_FOUND;
}
