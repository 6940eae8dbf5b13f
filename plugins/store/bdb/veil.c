/*
 * veil.c - events of streams that their owners keep from others (`readers=`): places, types and
 * times are shown, so that the order has no gaps and positions are the same for all; what they say
 * is not.
 */
#include "store.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>

void job_veil(struct job *j, const struct aiex_message *m)
{
    const char *caller = AIEX_HAS(m, struct aiex_message, caller) ? m->caller : "";

    if (!owners_veil(j->s->owners, caller))
        return;
    snprintf(j->caller, sizeof(j->caller), "%s", caller);
    j->veil = owners_ref(j->s->owners);
}

/* One key and its value; 1 = it is to be shown. */
static int next_pair(struct aiex_slice *at, struct aiex_slice *ret_pair)
{
    struct aiex_slice start = *at;
    struct aiex_value key;

    if (aiex_r_value(at, &key) != 0 || key.type != AIEX_T_STR || aiex_r_skip(at) != 0)
        return -EBADMSG;
    *ret_pair = (struct aiex_slice){start.data, start.len - at->len};
    return !aiex_slice_is(key.bytes, "data") && !aiex_slice_is(key.bytes, "meta");
}

static int count_shown(struct aiex_slice at, uint32_t n)
{
    struct aiex_slice pair = {NULL, 0};
    int shown = 0, r = 0;

    for (uint32_t i = 0; i < n && r >= 0; i++) {
        r = next_pair(&at, &pair);
        shown += r > 0;
    }
    return r < 0 ? r : shown;
}

static int write_shown(struct aiex_slice map, uint8_t *out)
{
    struct aiex_slice at = map, pair = {NULL, 0};
    struct aiex_value head;
    struct aiex_writer w;
    int shown;

    if (aiex_r_value(&at, &head) != 0 || head.type != AIEX_T_MAP)
        return -EBADMSG;
    shown = count_shown(at, head.count);
    if (shown < 0)
        return shown;
    aiex_writer_init(&w, out, map.len + VEIL_BYTES);
    aiex_w_map(&w, (uint32_t)shown + 1);
    for (uint32_t i = 0; i < head.count; i++)
        if (next_pair(&at, &pair) > 0)
            aiex_w_raw(&w, pair.data, pair.len);
    aiex_w_key_bool(&w, "hidden", 1);
    return w.failed ? -EBADMSG : (int)w.len;
}

int veil_event(const struct job *j, struct aiex_slice map, uint8_t *out)
{
    struct aiex_slice stream = {NULL, 0};

    if (aiex_get_str(map, "stream", &stream) != 1)
        return -EBADMSG;
    return owners_hide(j->veil, stream, j->caller) ? write_shown(map, out) : 0;
}
