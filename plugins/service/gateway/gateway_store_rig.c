/* gateway_store_rig.c - see gateway_store_rig.h. */
#include "gateway_store_rig.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct aiex_fake_pair with_store[] = {{"store", "store"}, {0}};
const struct aiex_fake_pair alone[] = {{0}};

void begin_stored(void)
{
    world.store = memory_store_new();
    begin(with_store);
}

void finish_stored(void)
{
    struct memory_store *store = world.store;

    finish();
    memory_store_free(store);
}

void empty_folder(void)
{
    static const char *const files[] = {"pepper", "keys", "keys.new", "pepper.new"};
    char path[128];

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
        unlink(path);
    }
}

/* kill -9: nothing of it is said to the plugin but the end, and nothing is written any more. */
void restart_stored(void)
{
    stop();
    restart(with_store);
}

void pass(uint64_t ms)
{
    for (; ms > 0; ms -= ms < 100 ? ms : 100) {
        wall_ms += 100;
        aiex_fake_advance(h, 100);
    }
}

/* The n-th event of a stream: its type, and its data in *ret. */
const char *stored_event(const char *stream, unsigned n, struct aiex_slice *ret)
{
    static char type[32];
    struct aiex_slice map;

    type[0] = 0;
    if (!memory_store_event(world.store, stream, n, &map))
        return "none";
    aiex_get_text(map, "type", type, sizeof(type));
    if (ret)
        CU_ASSERT_EQUAL(aiex_get_bytes(map, "data", ret), 1);
    return type;
}

int is_good(const char *key)
{
    uint64_t id = ask("gateway.check", "credential", "s", key, NULL);

    return !is_open(id) && aiex_fake_answer(h, id)->kind == AIEX_FAKE_REPLY;
}

void revoke_key(const char *id)
{
    ok(ask("gateway.key_revoke", "local", "b", 1, "id", "s", id, NULL));
}

void set_limit(const char *name, int64_t rpm)
{
    ok(ask("gateway.limit_set", "local", "b", 1, "scope", "s", "user", "name", "s", name, "rpm",
           "I", rpm, NULL));
}

int64_t limit_of(const char *name)
{
    struct account *a = keys_account(&gw()->keys, SCOPE_USER,
                                     (struct aiex_slice){(const uint8_t *)name, strlen(name)});

    return a ? a->limits.rpm : -1;
}

/* ---- The other gateway, with a folder of its own ---- */

void swap_gateways(struct gateway_of_test *other)
{
    struct gateway_of_test this = {.host = h, .plugin = p, .self = self};

    memcpy(this.folder, folder, sizeof(folder));
    h = other->host;
    p = other->plugin;
    self = other->self;
    memcpy(folder, other->folder, sizeof(folder));
    *other = this;
}
