/*
 * trail.c - what passed to the client, as far as an error event must know it.
 *
 * Only openai.responses counts its events and repeats its response object. The first
 * event that has a response object gives id, model and time; of every part only the last
 * sequence_number matters. A quote inside a string is escaped, so that the bytes
 * "sequence_number": with both quotes bare can only be a key.
 */
#include "aiex_chat.h"

#include <aiex_json.h>
#include <string.h>

static const char key[] = "\"sequence_number\":";

/* Behind the last key of the part; NULL when there is none. */
static const uint8_t *last_number(struct aiex_slice part)
{
    size_t n = sizeof(key) - 1;
    const uint8_t *p = part.data + part.len;

    if (part.len < n)
        return NULL;
    for (p -= n; p >= part.data; p--) {
        if (*p == '"' && memcmp(p, key, n) == 0 && (p == part.data || p[-1] != '\\'))
            return p + n;
        if (p == part.data)
            break;
    }
    return NULL;
}

static void note_number(struct aiex_chat_trail *t, struct aiex_slice part)
{
    const uint8_t *p = last_number(part), *end = part.data + part.len;
    int64_t v = 0;
    int digits = 0;

    if (!p)
        return;
    while (p < end && *p == ' ')
        p++;
    for (; p < end && *p >= '0' && *p <= '9' && digits < 18; p++, digits++)
        v = v * 10 + (*p - '0');
    if (digits && v > t->sequence)
        t->sequence = v;
}

static void note_response(struct aiex_chat_trail *t, struct aiex_slice data)
{
    struct aiex_json_field f[] = {{.key = "response"}};
    struct aiex_json_span v;

    if (aiex_json_scan(data, 0, f, 1, NULL) != AIEX_JSON_OBJECT ||
        f[0].value.type != AIEX_JSON_OBJECT)
        return;
    if (aiex_json_find(&f[0].value, "id", &v) && aiex_json_text(&v, t->id, sizeof(t->id)) < 0)
        t->id[0] = 0;
    if (aiex_json_find(&f[0].value, "model", &v) &&
        aiex_json_text(&v, t->model, sizeof(t->model)) < 0)
        t->model[0] = 0;
    if (aiex_json_find(&f[0].value, "created_at", &v))
        (void)aiex_json_int(&v, &t->created);
}

void aiex_chat_trail_note(struct aiex_chat_trail *t, int dialect, struct aiex_slice part)
{
    const uint8_t *data, *end, *stop;

    if (dialect != AIEX_OPENAI_RESPONSES || !part.len)
        return;
    note_number(t, part);
    if (t->id[0])
        return;
    data = memmem(part.data, part.len, "data: ", 6);
    if (!data)
        return;
    data += 6;
    end = part.data + part.len;
    stop = memchr(data, '\n', (size_t)(end - data));
    note_response(t, (struct aiex_slice){data, (size_t)((stop ? stop : end) - data)});
}
