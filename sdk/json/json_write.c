/*
 * json_write.c - small JSON documents into memory of the caller.
 */
#include "aiex_json.h"
#include "json_utf8.h"

#include <stdio.h>
#include <string.h>

void aiex_jw_init(struct aiex_json_out *w, void *mem, size_t cap)
{
    *w = (struct aiex_json_out){.data = mem, .cap = cap};
}

void aiex_jw_rawn(struct aiex_json_out *w, const char *json, size_t len)
{
    if (len > w->cap || w->len > w->cap - len)
        w->failed = 1;
    else if (len)
        memcpy(w->data + w->len, json, len);
    w->len += len;
}

void aiex_jw_raw(struct aiex_json_out *w, const char *json)
{
    aiex_jw_rawn(w, json, strlen(json));
}

static void put_escaped(struct aiex_json_out *w, unsigned char c)
{
    static const char codes[] = "\b\t\n\f\r\"\\", names[] = "btnfr\"\\";
    const char *code = memchr(codes, c, sizeof(codes) - 1);
    char text[8];

    if (code)
        snprintf(text, sizeof(text), "\\%c", names[code - codes]);
    else
        snprintf(text, sizeof(text), "\\u%04x", (unsigned)c);
    aiex_jw_raw(w, text);
}

void aiex_jw_escape(struct aiex_json_out *w, const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + len, *from = p;

    while (p < end) {
        size_t n = utf8_length(p, end);

        if (n && *p >= 0x20 && *p != '"' && *p != '\\' && *p != 0x7f) {
            p += n;
            continue;
        }
        aiex_jw_rawn(w, (const char *)from, (size_t)(p - from));
        if (n)
            put_escaped(w, *p);
        else
            aiex_jw_raw(w, "\xef\xbf\xbd");
        from = ++p;
    }
    aiex_jw_rawn(w, (const char *)from, (size_t)(p - from));
}

void aiex_jw_strn(struct aiex_json_out *w, const char *text, size_t len)
{
    aiex_jw_rawn(w, "\"", 1);
    aiex_jw_escape(w, text, len);
    aiex_jw_rawn(w, "\"", 1);
}

void aiex_jw_str(struct aiex_json_out *w, const char *text)
{
    aiex_jw_strn(w, text, strlen(text));
}

void aiex_jw_int(struct aiex_json_out *w, int64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%lld", (long long)v);

    aiex_jw_rawn(w, text, (size_t)n);
}
