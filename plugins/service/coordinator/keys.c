#include "keys.h"

#include <string.h>

static int is_here(const uint8_t *at, const uint8_t *end, const char *name)
{
    while (at < end && *name && *at == (uint8_t)*name) {
        at++;
        name++;
    }
    return !*name && at < end && *at == '"';
}

static size_t behind(struct aiex_slice json, const uint8_t *at)
{
    const uint8_t *end = json.data + json.len;

    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n' || *at == ':'))
        at++;
    return (size_t)(at - json.data);
}

int keys_next(struct aiex_slice json, size_t *at, const char *const *names, size_t n)
{
    const uint8_t *end = json.data + json.len, *quote;

    while (*at < json.len && (quote = memchr(json.data + *at, '"', json.len - *at)) != NULL) {
        *at = (size_t)(quote - json.data) + 1;
        for (size_t i = 0; i < n; i++)
            if (is_here(quote + 1, end, names[i])) {
                *at = behind(json, quote + 2 + strlen(names[i]));
                return (int)i;
            }
    }
    *at = json.len;
    return -1;
}
