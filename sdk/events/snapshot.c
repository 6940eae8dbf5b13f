#include "snapshot.h"

#include "asking.h"

#include <errno.h>

struct upgrading {
    const struct aiex_upgrade *upgrade;
    struct aiex_slice old;
    int *failed;
};

static void write_upgraded(struct aiex_writer *w, const void *arg)
{
    const struct upgrading *u = arg;
    int r = u->upgrade->fn(u->old, w);

    if (r < 0)
        *u->failed = r;
}

static const struct aiex_upgrade *upgrade_from(const struct aiex_aggregate *type, uint32_t form)
{
    const struct aiex_upgrade *u = type->upgrades;

    while (u && u->from && u->from != form)
        u++;
    return u && u->from ? u : NULL;
}

/* One form further; what it was made from is released when `owned`. */
static int upgrade(const struct aiex_host *host, const struct aiex_aggregate *type, uint32_t form,
                   struct aiex_slice *saved, int *owned)
{
    int failed = 0;
    struct upgrading u = {.upgrade = upgrade_from(type, form), .old = *saved, .failed = &failed};
    struct aiex_slice next = {NULL, 0};
    int r = u.upgrade ? ev_write_on_host(host, write_upgraded, &u, &next) : -ENOTSUP;

    if (r == 0 && failed) {
        host->release(host, (void *)(uintptr_t)next.data);
        r = failed;
    }
    if (r)
        return r;
    if (*owned)
        host->release(host, (void *)(uintptr_t)saved->data);
    *saved = next;
    *owned = 1;
    return 0;
}

int ev_snapshot_load(const struct aiex_host *host, const struct aiex_aggregate *type,
                     struct aiex_slice value, void *state, int64_t *ret_version)
{
    struct aiex_slice saved;
    int64_t form = 0, version = 0;
    int r = 0, owned = 0;

    if (!value.len || !aiex_is_map(value) || aiex_get_int(value, "form", &form) != 1 || form < 1 ||
        aiex_get_int(value, "version", &version) != 1 || version < 1 ||
        aiex_get_bytes(value, "state", &saved) != 1)
        return -EPROTO;
    if (form > type->form)
        return -ENOTSUP; /* of a later program */
    for (; r == 0 && form < type->form; form++)
        r = upgrade(host, type, (uint32_t)form, &saved, &owned);
    r = r ? r : type->load(state, saved);
    if (owned)
        host->release(host, (void *)(uintptr_t)saved.data);
    if (r < 0)
        return r;
    *ret_version = version;
    return 0;
}

void ev_snapshot_write(struct aiex_writer *w, const struct aiex_aggregate *type, const void *state,
                       int64_t version)
{
    struct aiex_writer measure;

    aiex_writer_init(&measure, NULL, 0);
    type->save(state, &measure);
    aiex_w_map(w, 3);
    aiex_w_key_uint(w, "form", type->form);
    aiex_w_key_int(w, "version", version);
    aiex_w_str(w, "state");
    aiex_w_bin_head(w, measure.len);
    type->save(state, w);
}
