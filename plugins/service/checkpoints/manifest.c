/* manifest.c - see manifest.h. */
#include "manifest.h"

#include <aiex_file.h>
#include <aiex_service.h>
#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define MAGIC "AIEXCKP1"

int name_is_good(const char *name)
{
    size_t n = strlen(name);

    if (!n || n > MAX_NAME || !isalnum((unsigned char)name[0]))
        return 0;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("-_.:", name[i]))
            return 0;
    return 1;
}

void manifest_done(struct manifest *m)
{
    chunk_list_done(&m->events);
    chunk_list_done(&m->heads);
    for (int64_t i = 0; i < m->about.n_tables; i++) {
        free(m->tables[i].definition);
        chunk_list_done(&m->tables[i].chunks);
    }
    free(m->tables);
    m->tables = NULL;
    m->about.n_tables = 0;
}

struct table_part *manifest_table(const struct manifest *m, const char *name)
{
    for (int64_t i = 0; i < m->about.n_tables; i++)
        if (strcmp(m->tables[i].name, name) == 0)
            return &m->tables[i];
    return NULL;
}

struct table_part *manifest_add_table(struct manifest *m, const char *name)
{
    size_t n = (size_t)m->about.n_tables;
    struct table_part *all;

    if (n == MAX_TABLES || strlen(name) > MAX_TABLE)
        return NULL;
    all = realloc(m->tables, (n + 1) * sizeof(*all));
    if (!all)
        return NULL;
    m->tables = all;
    memset(&all[n], 0, sizeof(all[n]));
    strcpy(all[n].name, name);
    m->about.n_tables++;
    return &all[n];
}

/* ---- Fields, for files and for callers ---- */

#define TEXT(field)                                                                                \
    {                                                                                              \
#field, offsetof(struct about, field), sizeof(((struct about *)0)->field)                  \
    }
#define NUMBER(field)                                                                              \
    {                                                                                              \
#field, offsetof(struct about, field)                                                      \
    }

static const struct {
    const char *name;
    size_t offset, size;
} texts[] = {TEXT(name), TEXT(id), TEXT(parent), TEXT(node), TEXT(description), TEXT(last_id)};

static const struct {
    const char *name;
    size_t offset;
} numbers[] = {NUMBER(created),   NUMBER(took_ms),      NUMBER(sequence), NUMBER(version),
               NUMBER(events),    NUMBER(streams),      NUMBER(rows),     NUMBER(raw_bytes),
               NUMBER(new_bytes), NUMBER(stored_bytes), NUMBER(number)};

#define N_TEXTS   (sizeof(texts) / sizeof(texts[0]))
#define N_NUMBERS (sizeof(numbers) / sizeof(numbers[0]))
#define N_ABOUT   (N_TEXTS + N_NUMBERS + 3u)

static void write_about(struct aiex_writer *w, const struct about *a)
{
    const char *base = (const char *)a;

    for (size_t i = 0; i < N_TEXTS; i++)
        aiex_w_key_str(w, texts[i].name, base + texts[i].offset);
    for (size_t i = 0; i < N_NUMBERS; i++)
        aiex_w_key_int(w, numbers[i].name, *(const int64_t *)(base + numbers[i].offset));
    aiex_w_key_str(w, "kind", a->incremental ? "incremental" : "full");
    aiex_w_str(w, "tags");
    aiex_w_array(w, a->n_tags);
    for (uint32_t i = 0; i < a->n_tags; i++)
        aiex_w_str(w, a->tags[i]);
    aiex_w_str(w, "parts");
    aiex_w_array(w, a->n_parts);
    for (uint32_t i = 0; i < a->n_parts; i++)
        aiex_w_str(w, a->parts[i]);
}

void about_write(struct aiex_writer *w, const struct about *a)
{
    aiex_w_map(w, N_ABOUT + 1);
    write_about(w, a);
    aiex_w_key_int(w, "tables", a->n_tables);
}

/* An array of at most `max` texts of at most size - 1 bytes. */
static int read_texts(struct aiex_slice map, const char *key, char *out, size_t size, uint32_t max,
                      uint32_t *ret_n)
{
    struct aiex_value v, item;

    *ret_n = 0;
    if (aiex_get(map, key, &v) != 1 || v.type != AIEX_T_ARRAY || v.count > max)
        return -EBADMSG;
    for (uint32_t i = 0; i < v.count; i++) {
        if (aiex_r_value(&v.bytes, &item) != 0 || item.type != AIEX_T_STR || item.bytes.len >= size)
            return -EBADMSG;
        if (item.bytes.len)
            memcpy(out + i * size, item.bytes.data, item.bytes.len);
        out[i * size + item.bytes.len] = 0;
    }
    *ret_n = v.count;
    return 0;
}

static int read_about(struct aiex_slice map, struct about *a)
{
    char *base = (char *)a, kind[16] = "";

    for (size_t i = 0; i < N_TEXTS; i++)
        if (aiex_get_text(map, texts[i].name, base + texts[i].offset, texts[i].size) != 1)
            return -EBADMSG;
    for (size_t i = 0; i < N_NUMBERS; i++) {
        int64_t *number = (int64_t *)(base + numbers[i].offset);
        int r = aiex_get_int(map, numbers[i].name, number);

        if (r < 0 || (r == 0 && number != &a->number) || *number < 0) /* it came later: 0 */
            return -EBADMSG;
    }
    if (!name_is_good(a->name) || aiex_get_text(map, "kind", kind, sizeof(kind)) != 1)
        return -EBADMSG;
    a->incremental = strcmp(kind, "incremental") == 0;
    if (read_texts(map, "tags", a->tags[0], sizeof(a->tags[0]), MAX_TAGS, &a->n_tags) < 0)
        return -EBADMSG;
    return read_texts(map, "parts", a->parts[0], sizeof(a->parts[0]), MAX_PARTS, &a->n_parts);
}

/* ---- Lists of chunks ---- */

static void write_list(struct aiex_writer *w, const char *key, const struct chunk_list *list)
{
    aiex_w_str(w, key);
    aiex_w_array(w, (uint32_t)list->n);
    for (size_t i = 0; i < list->n; i++) {
        const struct chunk_ref *ref = &list->all[i];

        aiex_w_array(w, 4);
        aiex_w_bin(w, ref->hash, CHUNK_HASH);
        aiex_w_uint(w, ref->raw);
        aiex_w_uint(w, ref->stored);
        aiex_w_uint(w, ref->items);
    }
}

static int read_number(struct aiex_slice *at, uint32_t max, uint32_t *ret)
{
    struct aiex_value v;

    if (aiex_r_value(at, &v) != 0 || v.type != AIEX_T_INT || v.i < 0 || v.i > (int64_t)max)
        return -EBADMSG;
    *ret = (uint32_t)v.i;
    return 0;
}

static int read_ref(struct aiex_slice *at, struct chunk_ref *ref)
{
    struct aiex_value v;

    if (aiex_r_value(at, &v) != 0 || v.type != AIEX_T_ARRAY || v.count != 4 ||
        aiex_r_value(at, &v) != 0 || v.type != AIEX_T_BIN || v.bytes.len != CHUNK_HASH)
        return -EBADMSG;
    memcpy(ref->hash, v.bytes.data, CHUNK_HASH);
    if (read_number(at, CHUNK_MAX, &ref->raw) < 0 ||
        read_number(at, CHUNK_MAX + CHUNK_HEAD, &ref->stored) < 0 ||
        read_number(at, CHUNK_MAX, &ref->items) < 0)
        return -EBADMSG;
    return 0;
}

static int read_list(struct aiex_slice map, const char *key, struct chunk_list *list)
{
    struct aiex_value v;
    struct chunk_ref ref;
    int r = 0;

    if (aiex_get(map, key, &v) != 1 || v.type != AIEX_T_ARRAY)
        return -EBADMSG;
    for (uint32_t i = 0; i < v.count && r == 0; i++) {
        r = read_ref(&v.bytes, &ref);
        r = r ? r : chunk_list_add(list, &ref);
    }
    return r;
}

/* ---- Tables ---- */

static void write_table(struct aiex_writer *w, const struct table_part *t)
{
    aiex_w_map(w, t->definition ? 4 : 3);
    aiex_w_key_str(w, "name", t->name);
    aiex_w_key_int(w, "rows", t->rows);
    write_list(w, "chunks", &t->chunks);
    if (t->definition) {
        aiex_w_str(w, "definition");
        aiex_w_raw(w, t->definition, t->definition_len);
    }
}

static int read_definition(struct aiex_slice map, struct table_part *t)
{
    struct aiex_slice whole = {NULL, 0};
    int r = aiex_get_whole(map, "definition", &whole);

    if (r == 0)
        return 0;
    if (r != 1 || !whole.len || whole.len > MAX_DEFINITION || (whole.data[0] & 0xf0) != 0x80)
        return -EBADMSG;
    t->definition = malloc(whole.len);
    if (!t->definition)
        return -ENOMEM;
    memcpy(t->definition, whole.data, whole.len);
    t->definition_len = whole.len;
    return 0;
}

static int read_table(struct aiex_slice map, struct manifest *m)
{
    char name[MAX_TABLE + 1] = "";
    struct table_part *t;
    int r;

    if (aiex_get_text(map, "name", name, sizeof(name)) != 1 || !name[0] || manifest_table(m, name))
        return -EBADMSG;
    t = manifest_add_table(m, name);
    if (!t)
        return -ENOMEM;
    if (aiex_get_int(map, "rows", &t->rows) != 1 || t->rows < 0)
        return -EBADMSG;
    r = read_list(map, "chunks", &t->chunks);
    return r ? r : read_definition(map, t);
}

static int read_tables(struct aiex_slice map, struct manifest *m)
{
    struct aiex_value v;
    int r = 0;

    if (aiex_get(map, "tables", &v) != 1 || v.type != AIEX_T_ARRAY || v.count > MAX_TABLES)
        return -EBADMSG;
    for (uint32_t i = 0; i < v.count && r == 0; i++) {
        struct aiex_slice one = v.bytes;

        if (aiex_r_skip(&v.bytes) != 0)
            return -EBADMSG;
        one.len -= v.bytes.len;
        r = read_table(one, m);
    }
    return r;
}

/* ---- The whole ---- */

static void write_all(struct aiex_writer *w, const struct manifest *m)
{
    aiex_w_raw(w, MAGIC, 8);
    aiex_w_map(w, N_ABOUT + 3);
    write_about(w, &m->about);
    write_list(w, "event_chunks", &m->events);
    write_list(w, "head_chunks", &m->heads);
    aiex_w_str(w, "tables");
    aiex_w_array(w, (uint32_t)m->about.n_tables);
    for (int64_t i = 0; i < m->about.n_tables; i++)
        write_table(w, &m->tables[i]);
}

int manifest_pack(const struct manifest *m, uint8_t **ret_bytes, size_t *ret_len)
{
    struct aiex_writer w;
    uint8_t *mem;

    aiex_writer_init(&w, NULL, 0);
    write_all(&w, m);
    mem = malloc(w.len + CHUNK_HASH);
    if (!mem)
        return -ENOMEM;
    aiex_writer_init(&w, mem, w.len);
    write_all(&w, m);
    crypto_generichash(mem + w.len, CHUNK_HASH, mem, w.len, NULL, 0);
    *ret_bytes = mem;
    *ret_len = w.len + CHUNK_HASH;
    return 0;
}

int manifest_unpack(struct aiex_slice bytes, struct manifest *ret, struct aiex_error *err)
{
    uint8_t hash[CHUNK_HASH];
    struct aiex_slice map, rest;
    int r;

    memset(ret, 0, sizeof(*ret));
    if (bytes.len < 8 + 1 + CHUNK_HASH || memcmp(bytes.data, MAGIC, 8) != 0)
        return aiex_failed(err, -EBADMSG, "it is no checkpoint, or the end of one is missing");
    crypto_generichash(hash, CHUNK_HASH, bytes.data, bytes.len - CHUNK_HASH, NULL, 0);
    if (memcmp(hash, bytes.data + bytes.len - CHUNK_HASH, CHUNK_HASH) != 0)
        return aiex_failed(err, -EBADMSG, "its checksum is another");
    map = (struct aiex_slice){bytes.data + 8, bytes.len - 8 - CHUNK_HASH};
    rest = map;
    r = aiex_r_skip(&rest) != 0 || rest.len ? -EBADMSG : read_about(map, &ret->about);
    r = r ? r : read_list(map, "event_chunks", &ret->events);
    r = r ? r : read_list(map, "head_chunks", &ret->heads);
    r = r ? r : read_tables(map, ret);
    if (r == -ENOMEM)
        return aiex_failed(err, r, "no memory for a manifest of %zu bytes", bytes.len);
    return r < 0 ? aiex_failed(err, r, "a field of it is missing or has the wrong type") : 0;
}

int manifest_read(const char *dir, const char *name, struct manifest *ret, struct aiex_error *err)
{
    struct aiex_error why = {""};
    uint8_t *bytes = NULL;
    size_t len = 0;
    char path[600];
    int r;

    memset(ret, 0, sizeof(*ret));
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    r = aiex_file_read(path, MAX_MANIFEST, &bytes, &len);
    if (r < 0)
        return aiex_failed(err, r, "manifest '%.300s': %s", path, strerror(-r));
    r = manifest_unpack((struct aiex_slice){bytes, len}, ret, &why);
    if (r == 0 && strcmp(ret->about.name, name) != 0)
        r = aiex_failed(&why, -EBADMSG, "it says that its name is '%s'", ret->about.name);
    free(bytes);
    return r < 0 ? aiex_failed(err, r, "manifest of '%s': %s", name, why.text) : 0;
}

int manifest_write(const char *dir, const struct manifest *m, struct aiex_error *err)
{
    struct aiex_slice piece = {NULL, 0};
    uint8_t *bytes = NULL;
    char path[600];
    int r = manifest_pack(m, &bytes, &piece.len);

    if (r < 0)
        return aiex_failed(err, r, "no memory for the manifest");
    piece.data = bytes;
    snprintf(path, sizeof(path), "%s/%s", dir, m->about.name);
    if (piece.len > MAX_MANIFEST)
        r = aiex_failed(err, -EFBIG, "the manifest would have %zu bytes, at most %u are read",
                        piece.len, MAX_MANIFEST);
    else
        r = aiex_file_replace(path, &piece, 1, AIEX_FILE_SYNC, err);
    free(bytes);
    return r;
}
