/* fake_record.c - the list of everything a plugin did, with copies of its bytes. */
#include "fake.h"

static const char *copy_text(uint8_t **at, const char *text)
{
    size_t n = text ? strlen(text) : 0;
    char *out = (char *)*at;

    if (n)
        memcpy(out, text, n);
    out[n] = 0;
    *at += n + 1;
    return out;
}

static size_t text_room(const char *text)
{
    return (text ? strlen(text) : 0) + 1;
}

const struct aiex_fake_record *fake_record(struct aiex_fake_host *h,
                                           const struct aiex_fake_record *r)
{
    size_t room = text_room(r->service) + text_room(r->name) + text_room(r->type) +
                  text_room(r->subject) + text_room(r->code) + text_room(r->text) + r->body.len;
    struct aiex_fake_record *copy = fake_must(malloc(sizeof(*copy) + room));
    uint8_t *at = (uint8_t *)(copy + 1);

    *copy = *r;
    copy->service = copy_text(&at, r->service);
    copy->name = copy_text(&at, r->name);
    copy->type = copy_text(&at, r->type);
    copy->subject = copy_text(&at, r->subject);
    copy->code = copy_text(&at, r->code);
    copy->text = copy_text(&at, r->text);
    if (r->body.len)
        memcpy(at, r->body.data, r->body.len);
    copy->body.data = at;

    pthread_mutex_lock(&h->lock);
    if (h->n_records == h->cap_records) {
        h->cap_records = h->cap_records ? h->cap_records * 2 : 64;
        h->records = fake_must(realloc(h->records, h->cap_records * sizeof(*h->records)));
    }
    h->records[h->n_records++] = copy;
    pthread_mutex_unlock(&h->lock);
    return copy;
}

static int is_kind(const struct aiex_fake_record *r, uint32_t kind)
{
    return kind == AIEX_FAKE_ANY || r->kind == kind;
}

size_t aiex_fake_count(struct aiex_fake_host *h, uint32_t kind)
{
    size_t n = 0;

    pthread_mutex_lock(&h->lock);
    for (size_t i = 0; i < h->n_records; i++)
        n += is_kind(h->records[i], kind);
    pthread_mutex_unlock(&h->lock);
    return n;
}

const struct aiex_fake_record *aiex_fake_nth(struct aiex_fake_host *h, uint32_t kind, size_t n)
{
    const struct aiex_fake_record *found = NULL;

    pthread_mutex_lock(&h->lock);
    for (size_t i = 0; i < h->n_records && !found; i++) {
        if (is_kind(h->records[i], kind) && n-- == 0)
            found = h->records[i];
    }
    pthread_mutex_unlock(&h->lock);
    return found;
}

const struct aiex_fake_record *aiex_fake_last(struct aiex_fake_host *h, uint32_t kind)
{
    const struct aiex_fake_record *found = NULL;

    pthread_mutex_lock(&h->lock);
    for (size_t i = h->n_records; i > 0 && !found; i--) {
        if (is_kind(h->records[i - 1], kind))
            found = h->records[i - 1];
    }
    pthread_mutex_unlock(&h->lock);
    return found;
}

static int is_named(const struct aiex_fake_record *r, const char *name)
{
    if (r->kind == AIEX_FAKE_LOG)
        return strstr(r->text, name) != NULL;
    return strcmp(r->name, name) == 0;
}

const struct aiex_fake_record *aiex_fake_find(struct aiex_fake_host *h, uint32_t kind,
                                              const char *name, size_t n)
{
    const struct aiex_fake_record *found = NULL;

    pthread_mutex_lock(&h->lock);
    for (size_t i = 0; i < h->n_records && !found; i++) {
        const struct aiex_fake_record *r = h->records[i];

        if (is_kind(r, kind) && is_named(r, name) && n-- == 0)
            found = r;
    }
    pthread_mutex_unlock(&h->lock);
    return found;
}

const struct aiex_fake_record *aiex_fake_answer(struct aiex_fake_host *h, uint64_t id)
{
    const struct aiex_fake_record *found = NULL;

    pthread_mutex_lock(&h->lock);
    for (size_t i = 0; i < h->n_records && !found; i++) {
        const struct aiex_fake_record *r = h->records[i];

        if ((r->kind == AIEX_FAKE_REPLY || r->kind == AIEX_FAKE_FAIL) && r->id == id &&
            r->result == 0)
            found = r;
    }
    pthread_mutex_unlock(&h->lock);
    return found;
}

static int is_part_of(const struct aiex_fake_record *r, uint64_t id)
{
    return r->kind == AIEX_FAKE_STREAM && r->id == id && r->result >= 0;
}

struct aiex_slice aiex_fake_parts(struct aiex_fake_host *h, uint64_t id)
{
    struct aiex_slice all = {0};
    uint8_t *mem;

    for (size_t i = 0; i < h->n_records; i++) {
        if (is_part_of(h->records[i], id))
            all.len += h->records[i]->body.len;
    }
    mem = fake_must(malloc(all.len + 1));
    all.data = mem;
    for (size_t i = 0; i < h->n_records; i++) {
        const struct aiex_fake_record *r = h->records[i];

        if (is_part_of(r, id) && r->body.len) {
            memcpy(mem, r->body.data, r->body.len);
            mem += r->body.len;
        }
    }
    *mem = 0; /* so that a test may compare text */
    h->joined = fake_must(realloc(h->joined, (h->n_joined + 1) * sizeof(*h->joined)));
    h->joined[h->n_joined++] = (void *)all.data;
    return all;
}

void aiex_fake_forget(struct aiex_fake_host *h)
{
    pthread_mutex_lock(&h->lock);
    while (h->n_records)
        free(h->records[--h->n_records]);
    while (h->n_joined)
        free(h->joined[--h->n_joined]);
    pthread_mutex_unlock(&h->lock);
}

void fake_records_free(struct aiex_fake_host *h)
{
    aiex_fake_forget(h);
    free(h->records);
    free(h->joined);
}
