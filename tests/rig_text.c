/* rig_text.c - see rig_text.h. */
#include "rig_text.h"

#include "test.h"

#include <aiex/aiex_message.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct aiex_slice rig_text_read(const char *format, va_list args)
{
    char *json = NULL;
    int n = vasprintf(&json, format, args);
    struct aiex_slice text = {(uint8_t *)json, n < 0 ? 0 : (size_t)n};
    struct aiex_error err = {"no memory"};
    struct aiex_writer w;
    size_t size = text.len + 64; /* packed it is shorter */
    uint8_t *mem = malloc(size);

    for (int i = 0; i < n; i++)
        json[i] = json[i] == '\'' ? '"' : json[i];
    aiex_writer_init(&w, mem, size);
    if (n < 0 || !mem || aiex_message_from_json(NULL, text, &w, &err) != 0 || w.failed)
        CU_FAIL_FATAL(err.text);
    free(json);
    return (struct aiex_slice){realloc(mem, w.len ? w.len : 1), w.len};
}

void rig_text_free(struct aiex_slice body)
{
    free((void *)(uintptr_t)body.data);
}

size_t rig_text_write(struct aiex_slice body, char *out, size_t size)
{
    long n = body.len ? aiex_message_to_json(body, out, size) : 0;

    if (n <= 0 || (size_t)n >= size)
        n = snprintf(out, size, n == 0 ? "{}" : "broken");
    for (long i = 0; i < n; i++)
        out[i] = out[i] == '"' ? '\'' : out[i];
    return (size_t)n;
}

int rig_text_has(const char *text, const char *part)
{
    if (strstr(text, part))
        return 1;
    printf("\n  wanted: %s\n  in:     %.2000s\n", part, text);
    return 0;
}

int rig_text_is(const char *text, const char *wanted)
{
    if (strcmp(text, wanted) == 0)
        return 1;
    printf("\n  wanted: %s\n  got:    %.2000s\n", wanted, text);
    return 0;
}

long long rig_text_number(const char *text, const char *key)
{
    char wanted[80];
    const char *at;

    snprintf(wanted, sizeof(wanted), "'%s':", key);
    at = strstr(text, wanted);
    return at ? strtoll(at + strlen(wanted), NULL, 10) : -1;
}
