#include "channel/names.h"

#include "base/text.h"

#include <aiex/aiex_plugin.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    struct name name; /* both point into text */
    uint16_t len;
    char text[];
};

static struct entry *entry_new(const char *text, size_t len, size_t service_len)
{
    struct entry *e = malloc(sizeof(*e) + len + 1);

    if (!e)
        return NULL;
    memcpy(e->text, text, len);
    e->text[len] = 0;
    e->len = (uint16_t)len;
    e->name = (struct name){.service = e->text,
                            .method = e->text + service_len + 1,
                            .hash = text_hash(text, len),
                            .service_hash = text_hash(text, service_len),
                            .service_len = (uint16_t)service_len,
                            .method_len = (uint16_t)(len - service_len - 1)};
    return e;
}

#define BUCKETS 2048u /* a power of two above NAMES_MAX */
#define RECENT  8u    /* a power of two */

struct names_out {
    uint16_t bucket[BUCKETS]; /* number + 1, 0 = free; linear probing */
    struct entry *entries[NAMES_MAX];
    unsigned n;
    /* By the addresses of the two texts: callers mostly give the same ones again. Number + 1. */
    uint16_t recent[RECENT];
};

struct names_out *names_out_new(void)
{
    return calloc(1, sizeof(struct names_out));
}

void names_out_free(struct names_out *n)
{
    if (!n)
        return;
    for (unsigned i = 0; i < n->n; i++)
        free(n->entries[i]);
    free(n);
}

static int is_pair(const struct entry *e, const char *service, const char *method)
{
    return strcmp(e->name.service, service) == 0 && strcmp(e->name.method, method) == 0;
}

uint32_t names_hash(const char *service, const char *method)
{
    char text[NAME_TEXT_MAX + AIEX_MAX_NAME];
    int len = snprintf(text, sizeof(text), "%.63s%c%.63s", service, 0, method);

    return text_hash(text, (size_t)len);
}

int names_out_find(const struct names_out *n, uint32_t hash, const char *service,
                   const char *method)
{
    for (uint32_t at = hash % BUCKETS; n->bucket[at]; at = (at + 1) % BUCKETS) {
        const struct entry *e = n->entries[n->bucket[at] - 1];

        if (e->name.hash == hash && is_pair(e, service, method))
            return n->bucket[at] - 1;
    }
    return -ENOENT;
}

static int find_or_add(struct names_out *n, const char *service, const char *method, int *ret_new,
                       char text[NAME_TEXT_MAX], size_t *ret_len)
{
    size_t a = strlen(service), b = strlen(method), len = a + 1 + b;
    uint32_t hash, at;

    if (a > AIEX_MAX_NAME || b > AIEX_MAX_NAME || !b)
        return -EINVAL;
    memcpy(text, service, a + 1);
    memcpy(text + a + 1, method, b);
    *ret_len = len;
    hash = text_hash(text, len);
    for (at = hash % BUCKETS; n->bucket[at]; at = (at + 1) % BUCKETS) {
        struct entry *e = n->entries[n->bucket[at] - 1];

        if (e->name.hash == hash && e->len == len && !memcmp(e->text, text, len)) {
            *ret_new = 0;
            return n->bucket[at] - 1;
        }
    }
    if (n->n == NAMES_MAX)
        return -ENOSPC;
    n->entries[n->n] = entry_new(text, len, a);
    if (!n->entries[n->n])
        return -ENOMEM;
    *ret_new = 1;
    n->bucket[at] = (uint16_t)(++n->n);
    return (int)n->n - 1;
}

/* Only a hint: what stands there is compared. */
static uint16_t *recent_of(struct names_out *n, const char *service, const char *method)
{
    uintptr_t mix = ((uintptr_t)service >> 3) ^ ((uintptr_t)method >> 4) ^ (uintptr_t)method;

    return &n->recent[mix % RECENT];
}

int names_out_get(struct names_out *n, const char *service, const char *method, int *ret_new,
                  char text[NAME_TEXT_MAX], size_t *ret_len)
{
    uint16_t *recent = recent_of(n, service, method);
    int number;

    if (*recent && *recent <= n->n && is_pair(n->entries[*recent - 1], service, method)) {
        *ret_new = 0;
        return *recent - 1;
    }
    number = find_or_add(n, service, method, ret_new, text, ret_len);
    if (number >= 0)
        *recent = (uint16_t)(number + 1);
    return number;
}

void names_out_undo(struct names_out *n)
{
    struct entry *e = n->entries[n->n - 1];
    uint32_t at = e->name.hash % BUCKETS;

    /* the last one in: no other probed past it */
    while (n->bucket[at] != n->n)
        at = (at + 1) % BUCKETS;
    n->bucket[at] = 0;
    n->entries[--n->n] = NULL;
    free(e);
}

const char *names_out_text(const struct names_out *n, unsigned number, size_t *ret_len)
{
    if (number >= n->n)
        return NULL;
    *ret_len = n->entries[number]->len;
    return n->entries[number]->text;
}

struct names_in {
    struct entry *entries[NAMES_MAX];
};

struct names_in *names_in_new(void)
{
    return calloc(1, sizeof(struct names_in));
}

void names_in_free(struct names_in *n)
{
    if (!n)
        return;
    for (unsigned i = 0; i < NAMES_MAX; i++)
        free(n->entries[i]);
    free(n);
}

int names_in_define(struct names_in *n, unsigned number, const void *text, size_t len)
{
    char copy[NAME_TEXT_MAX];
    size_t service_len;

    if (number >= NAMES_MAX || n->entries[number] || len < 2 || len >= NAME_TEXT_MAX)
        return -EINVAL;
    memcpy(copy, text, len); /* the peer may rewrite its copy while we look */
    service_len = strnlen(copy, len);
    if (service_len > AIEX_MAX_NAME || service_len >= len - 1 ||
        len - service_len - 1 > AIEX_MAX_NAME ||
        memchr(copy + service_len + 1, 0, len - service_len - 1))
        return -EINVAL;
    n->entries[number] = entry_new(copy, len, service_len);
    return n->entries[number] ? 0 : -ENOMEM;
}

const struct name *names_in_get(const struct names_in *n, unsigned number)
{
    return number < NAMES_MAX && n->entries[number] ? &n->entries[number]->name : NULL;
}

const char *names_in_text(const struct names_in *n, unsigned number, size_t *ret_len)
{
    if (number >= NAMES_MAX || !n->entries[number])
        return NULL;
    *ret_len = n->entries[number]->len;
    return n->entries[number]->text;
}
