/* message_table.c - a struct by its table: absent values, packing, walking arrays. */
#include <aiex/aiex_message.h>

#include "message_error.h"

#include <math.h>

static void *place(void *msg, const struct aiex_field *f)
{
    return (char *)msg + f->offset;
}

static const void *place_const(const void *msg, const struct aiex_field *f)
{
    return (const char *)msg + f->offset;
}

static void set_absent(const struct aiex_field *f, void *at)
{
    switch (f->type) {
    case AIEX_F_INT:
        *(int64_t *)at = AIEX_ABSENT_INT;
        break;
    case AIEX_F_UINT:
        *(uint64_t *)at = AIEX_ABSENT_UINT;
        break;
    case AIEX_F_BOOL:
        *(int *)at = AIEX_ABSENT_BOOL;
        break;
    case AIEX_F_REAL:
        *(double *)at = NAN;
        break;
    default:
        memset(at, 0, sizeof(struct aiex_slice));
        break;
    }
}

void aiex_message_init(const struct aiex_message_table *t, void *msg)
{
    memset(msg, 0, t->size);
    for (size_t i = 0; i < t->n_fields; i++)
        set_absent(&t->fields[i], place(msg, &t->fields[i]));
}

static int is_absent(const struct aiex_field *f, const void *at)
{
    switch (f->type) {
    case AIEX_F_INT:
        return *(const int64_t *)at == AIEX_ABSENT_INT;
    case AIEX_F_UINT:
        return *(const uint64_t *)at == AIEX_ABSENT_UINT;
    case AIEX_F_BOOL:
        return *(const int *)at == AIEX_ABSENT_BOOL;
    case AIEX_F_REAL:
        return isnan(*(const double *)at);
    default:
        return ((const struct aiex_slice *)at)->data == NULL;
    }
}

static void pack_value(const struct aiex_field *f, const void *at, struct aiex_writer *w)
{
    const struct aiex_slice *s = at;

    switch (f->type) {
    case AIEX_F_INT:
        aiex_w_int(w, *(const int64_t *)at);
        break;
    case AIEX_F_UINT:
        aiex_w_uint(w, *(const uint64_t *)at);
        break;
    case AIEX_F_BOOL:
        aiex_w_bool(w, *(const int *)at);
        break;
    case AIEX_F_REAL:
        aiex_w_real(w, *(const double *)at);
        break;
    case AIEX_F_STR:
        aiex_w_strn(w, (const char *)s->data, s->len);
        break;
    case AIEX_F_BIN:
        aiex_w_bin(w, s->data, s->len);
        break;
    default:
        aiex_w_raw(w, s->data, s->len);
        break;
    }
}

int aiex_message_pack(const struct aiex_message_table *t, const void *msg, struct aiex_writer *w,
                      struct aiex_error *err)
{
    uint32_t n = 0;
    size_t start = w->len;

    for (size_t i = 0; i < t->n_fields; i++) {
        const struct aiex_field *f = &t->fields[i];

        if (!is_absent(f, place_const(msg, f)))
            n++;
        else if (f->flags & AIEX_F_REQUIRED)
            return message_error(err, "field '%s' is required", f->name);
    }
    aiex_w_map(w, n);
    for (size_t i = 0; i < t->n_fields; i++) {
        const struct aiex_field *f = &t->fields[i];
        const void *at = place_const(msg, f);

        if (is_absent(f, at))
            continue;
        aiex_w_str(w, f->name);
        pack_value(f, at, w);
    }
    if (w->failed)
        return 0;
    /* what was written is what a reader will check, so check that */
    return aiex_message_check(t, (struct aiex_slice){w->data + start, w->len - start}, err);
}

int aiex_message_next(uint32_t field_type, struct aiex_slice *at, uint32_t *left,
                      struct aiex_slice *ret_item)
{
    struct aiex_value v;
    struct aiex_slice start;

    if (*left == AIEX_ITEMS_BEGIN) {
        if (!at->data || aiex_r_value(at, &v) != 0 || v.type != AIEX_T_ARRAY)
            return 0;
        *left = v.count;
    }
    if (*left == 0)
        return 0;
    start = *at;
    if (field_type == AIEX_F_STRS) {
        if (aiex_r_value(at, &v) != 0 || v.type != AIEX_T_STR)
            return 0;
        *ret_item = v.bytes;
    } else {
        if (aiex_r_skip(at) != 0)
            return 0;
        ret_item->data = start.data;
        ret_item->len = start.len - at->len;
    }
    (*left)--;
    return 1;
}
