#include "affinity.h"

#include "keys.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

struct entry {
    uint64_t conversation, place, used_ms;
    uint32_t chain;        /* next of the same bucket */
    uint32_t newer, older; /* by last use */
};

struct affinity {
    size_t cap, n;
    uint32_t newest, oldest;
    uint32_t mask;
    uint32_t *buckets;
    struct entry entries[];
};

struct affinity *affinity_new(size_t entries)
{
    struct affinity *a;
    uint32_t buckets = 16;

    while (buckets < entries)
        buckets *= 2;
    a = calloc(1, sizeof(*a) + entries * sizeof(struct entry));
    if (!a)
        return NULL;
    a->buckets = malloc(buckets * sizeof(*a->buckets));
    if (!a->buckets) {
        free(a);
        return NULL;
    }
    memset(a->buckets, 0xff, buckets * sizeof(*a->buckets));
    a->cap = entries;
    a->mask = buckets - 1;
    a->newest = a->oldest = NONE;
    return a;
}

void affinity_free(struct affinity *a)
{
    if (!a)
        return;
    free(a->buckets);
    free(a);
}

size_t affinity_count(const struct affinity *a)
{
    return a->n;
}

static uint32_t *bucket_of(struct affinity *a, uint64_t conversation)
{
    return &a->buckets[(uint32_t)(conversation ^ conversation >> 32) & a->mask];
}

static uint32_t find(struct affinity *a, uint64_t conversation)
{
    uint32_t at = *bucket_of(a, conversation);

    while (at != NONE && a->entries[at].conversation != conversation)
        at = a->entries[at].chain;
    return at;
}

static void unlink_use(struct affinity *a, uint32_t at)
{
    struct entry *e = &a->entries[at];

    if (e->newer != NONE)
        a->entries[e->newer].older = e->older;
    else
        a->newest = e->older;
    if (e->older != NONE)
        a->entries[e->older].newer = e->newer;
    else
        a->oldest = e->newer;
}

static void link_newest(struct affinity *a, uint32_t at)
{
    struct entry *e = &a->entries[at];

    e->newer = NONE;
    e->older = a->newest;
    if (a->newest != NONE)
        a->entries[a->newest].newer = at;
    else
        a->oldest = at;
    a->newest = at;
}

static void unchain(struct affinity *a, uint32_t at)
{
    uint32_t *link = bucket_of(a, a->entries[at].conversation);

    while (*link != at)
        link = &a->entries[*link].chain;
    *link = a->entries[at].chain;
}

uint64_t affinity_find(struct affinity *a, uint64_t conversation, uint64_t now_ms, uint64_t ttl_ms)
{
    uint32_t at = find(a, conversation);

    if (at == NONE || now_ms - a->entries[at].used_ms > ttl_ms)
        return 0;
    return a->entries[at].place;
}

void affinity_note(struct affinity *a, uint64_t conversation, uint64_t place, uint64_t now_ms)
{
    uint32_t at = find(a, conversation), *bucket;

    if (a->cap == 0)
        return;
    if (at != NONE) {
        unlink_use(a, at);
    } else {
        if (a->n < a->cap) {
            at = (uint32_t)a->n++;
        } else {
            at = a->oldest;
            unlink_use(a, at);
            unchain(a, at);
        }
        bucket = bucket_of(a, conversation);
        a->entries[at].conversation = conversation;
        a->entries[at].chain = *bucket;
        *bucket = at;
    }
    a->entries[at].place = place;
    a->entries[at].used_ms = now_ms;
    link_newest(a, at);
}

/* ---- What a conversation is ---- */

/* The end of the JSON value at `at`, by brackets and quotes alone; `end` when it is cut. */
static const uint8_t *end_of_value(const uint8_t *at, const uint8_t *end)
{
    int depth = 0, text = 0;

    for (; at < end; at++) {
        if (text) {
            if (*at == '\\' && at + 1 < end)
                at++;
            else if (*at == '"' && (text = 0, depth == 0))
                return at + 1;
            continue;
        }
        if (*at == '"') {
            text = 1;
        } else if (*at == '{' || *at == '[') {
            depth++;
        } else if (*at == '}' || *at == ']') {
            if (--depth <= 0)
                return depth < 0 ? at : at + 1;
        } else if (depth == 0 && *at == ',') {
            return at;
        }
    }
    return end;
}

static void add_messages(const uint8_t *at, const uint8_t *end, struct siphash *s)
{
    if (*at != '[') { /* one text */
        siphash_field(s, at, (size_t)(end_of_value(at, end) - at));
        return;
    }
    for (at++; at < end;) {
        const uint8_t *past;

        while (at < end && strchr(" \t\r\n,", *at) && *at)
            at++;
        past = end_of_value(at, end);
        if (past == at)
            return;
        siphash_field(s, at, (size_t)(past - at));
        if (memmem(at, (size_t)(past - at), "\"user\"", 6))
            return;
        at = past;
    }
}

void affinity_prefix(struct aiex_slice body, struct siphash *s)
{
    static const char *const lists[] = {"messages", "input", "prompt"};
    size_t at = 0;

    if (keys_next(body, &at, lists, 3) >= 0 && at < body.len)
        add_messages(body.data + at, body.data + body.len, s);
}
