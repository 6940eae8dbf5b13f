/*
 * save.c - the machine as bytes, so that a host can execute a new version of itself and
 * go on with the same processes. The state has no pointers: it is copied under a header
 * that names its layout, and checked before use.
 */
#include "base/text.h"
#include "supervise/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SAVE_MAGIC   0x53757076u /* "Supv" */
#define SAVE_VERSION 1u          /* raise with every change of machine.h or of an enum's order */

struct save_header {
    uint32_t magic;
    uint32_t version;
    uint32_t fixed_bytes; /* sizeof(struct supervisor) */
    uint32_t unit_bytes;
    uint32_t max_units;
    uint32_t sum; /* of what follows */
};

static size_t state_bytes(uint32_t max_units)
{
    return sizeof(struct supervisor) + max_units * sizeof(struct unit);
}

long supervise_save(const struct supervisor *s, void *out, size_t size)
{
    size_t bytes = state_bytes(s->max_units);
    struct save_header h = {
        .magic = SAVE_MAGIC,
        .version = SAVE_VERSION,
        .fixed_bytes = sizeof(struct supervisor),
        .unit_bytes = sizeof(struct unit),
        .max_units = s->max_units,
        .sum = text_hash(s, bytes),
    };

    if (!out)
        return (long)(sizeof h + bytes);
    if (size < sizeof h + bytes)
        return -ENOSPC;
    memcpy(out, &h, sizeof h);
    memcpy((char *)out + sizeof h, s, bytes);
    return (long)(sizeof h + bytes);
}

static int unit_sound(const struct supervisor *s, uint32_t index)
{
    const struct unit *u = &s->units[index];

    if (!u->used)
        return 1;
    if (u->state >= SUPERVISE_N_STATES || u->then > SUPERVISE_N_STATES ||
        u->restarts.n > SUPERVISE_MAX_INTENSITY + 1 ||
        u->spec.group >= (int32_t)SUPERVISE_MAX_GROUPS || !memchr(u->spec.name, 0, 64))
        return 0;
    for (uint32_t i = 0; i < SUPERVISE_INCARNATIONS; i++)
        if (u->incs[i].id &&
            (u->incs[i].role >= SUPERVISE_N_ROLES || (u->incs[i].id & 0xfff) != index * 8 + i))
            return 0;
    return 1;
}

static int sound(const struct supervisor *s, uint32_t max_units)
{
    if (s->max_units != max_units || s->n_order > max_units)
        return 0;
    for (uint32_t i = 0; i < s->n_order; i++)
        if (s->order[i] >= max_units || !s->units[s->order[i]].used)
            return 0;
    for (uint32_t i = 0; i < SUPERVISE_MAX_GROUPS; i++)
        if (s->groups[i].restarts.n > SUPERVISE_MAX_INTENSITY + 1 ||
            !memchr(s->groups[i].name, 0, sizeof s->groups[i].name))
            return 0;
    for (uint32_t i = 0; i < max_units; i++)
        if (!unit_sound(s, i))
            return 0;
    return 1;
}

static int header_sound(const struct save_header *h, size_t size)
{
    return h->magic == SAVE_MAGIC && h->version == SAVE_VERSION &&
           h->fixed_bytes == sizeof(struct supervisor) && h->unit_bytes == sizeof(struct unit) &&
           h->max_units > 0 && h->max_units <= SUPERVISE_MAX_UNITS &&
           size == sizeof *h + state_bytes(h->max_units);
}

struct supervisor *supervise_load(const void *bytes, size_t size, int *ret_error)
{
    struct save_header h;
    struct supervisor *s;

    *ret_error = -EPROTO;
    if (size < sizeof h)
        return NULL;
    memcpy(&h, bytes, sizeof h);
    if (!header_sound(&h, size))
        return NULL;
    s = malloc(state_bytes(h.max_units));
    if (!s) {
        *ret_error = -ENOMEM;
        return NULL;
    }
    memcpy(s, (const char *)bytes + sizeof h, size - sizeof h);
    if (text_hash(s, size - sizeof h) == h.sum && sound(s, h.max_units)) {
        *ret_error = 0;
        return s;
    }
    free(s);
    return NULL;
}
