/* row.c - an entry as a row of the table and as callers see it, and the keys of its indexes. */
#include "context.h"

#include <errno.h>
#include <stdio.h>

/* Texts of a row: where they are and how long they may be. */
static const struct {
    const char *name;
    size_t offset, size;
} texts[] = {
    {"id", offsetof(struct row, id), MAX_ID + 1},
    {"kind", offsetof(struct row, kind), MAX_KIND + 1},
    {"session", offsetof(struct row, session), MAX_NAME + 1},
    {"project", offsetof(struct row, project), MAX_NAME + 1},
    {"path", offsetof(struct row, path), MAX_PATH + 1},
    {"title", offsetof(struct row, title), MAX_TITLE + 1},
    {"hash", offsetof(struct row, hash), MAX_HASH + 1},
};

static const struct {
    const char *name;
    size_t offset;
} numbers[] = {
    {"doc", offsetof(struct row, doc)},         {"born", offsetof(struct row, born)},
    {"created", offsetof(struct row, created)}, {"updated", offsetof(struct row, updated)},
    {"rank", offsetof(struct row, rank)},       {"length", offsetof(struct row, length)},
    {"words", offsetof(struct row, words)},     {"bytes", offsetof(struct row, bytes)},
};

#define N_TEXTS   (sizeof(texts) / sizeof(texts[0]))
#define N_NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static const char *text_of(const struct row *row, size_t i)
{
    return (const char *)row + texts[i].offset;
}

static int64_t number_of(const struct row *row, size_t i)
{
    int64_t v;

    memcpy(&v, (const char *)row + numbers[i].offset, sizeof(v));
    return v;
}

/* Names have no control characters, so the byte 1 ends them. */
size_t order_key(char out[MAX_ORDER], const char *name, int64_t rank)
{
    return (size_t)snprintf(out, MAX_ORDER, "%s\x01%016llx", name, (unsigned long long)rank);
}

size_t path_key(char out[MAX_ORDER], const char *project, const char *path)
{
    return (size_t)snprintf(out, MAX_ORDER, "%s\x01%s", project, path);
}

static void write_order(struct aiex_writer *w, const char *key, const char *name, int64_t rank)
{
    char order[MAX_ORDER];
    size_t n = order_key(order, name, rank);

    aiex_w_key_strn(w, key, order, n);
}

void row_write(struct aiex_writer *w, const struct row *row)
{
    char path[MAX_ORDER];
    uint32_t pairs = N_TEXTS + N_NUMBERS + 2 + (row->session[0] != 0) + (row->project[0] != 0) +
                     (row->path[0] != 0) + (row->expires != 0);

    aiex_w_map(w, pairs);
    for (size_t i = 0; i < N_TEXTS; i++)
        aiex_w_key_str(w, texts[i].name, text_of(row, i));
    for (size_t i = 0; i < N_NUMBERS; i++)
        aiex_w_key_int(w, numbers[i].name, number_of(row, i));
    aiex_w_key_bool(w, "cut", row->cut);
    write_order(w, "by_kind", row->kind, row->rank);
    if (row->session[0])
        write_order(w, "by_session", row->session, row->rank);
    if (row->project[0])
        write_order(w, "by_project", row->project, row->rank);
    if (row->path[0])
        aiex_w_key_strn(w, "by_path", path, path_key(path, row->project, row->path));
    if (row->expires)
        aiex_w_key_int(w, "expires", row->expires);
}

int row_read(struct aiex_slice value, int64_t version, struct row *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < N_TEXTS; i++)
        if (aiex_get_text(value, texts[i].name, (char *)ret + texts[i].offset, texts[i].size) < 0)
            return -EBADMSG;
    for (size_t i = 0; i < N_NUMBERS; i++) {
        int64_t v = 0;

        if (aiex_get_int(value, numbers[i].name, &v) != 1 || v < 0)
            return -EBADMSG;
        memcpy((char *)ret + numbers[i].offset, &v, sizeof(v));
    }
    if (aiex_get_bool(value, "cut", &ret->cut) < 0 ||
        aiex_get_int(value, "expires", &ret->expires) < 0)
        return -EBADMSG;
    ret->version = version;
    return ret->id[0] && ret->kind[0] && ret->doc && ret->length <= UINT32_MAX &&
                   ret->bytes <= UINT32_MAX
               ? 0
               : -EBADMSG;
}

void row_show(struct aiex_writer *w, const struct row *row)
{
    for (size_t i = 0; i < N_TEXTS; i++)
        aiex_w_key_str(w, texts[i].name, text_of(row, i));
    aiex_w_key_int(w, "created", row->created);
    aiex_w_key_int(w, "updated", row->updated);
    aiex_w_key_int(w, "expires", row->expires);
    aiex_w_key_int(w, "bytes", row->bytes);
    aiex_w_key_int(w, "words", row->words);
    aiex_w_key_bool(w, "cut", row->cut);
}

int row_is_over(const struct row *row)
{
    return row->expires && row->expires <= wall_ms();
}
