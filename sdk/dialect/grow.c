#include "grow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ESCAPE_PIECE 1024u
#define SMALLEST     256u

int grow_init(struct grow *g, size_t first, size_t max)
{
    if (first > max)
        first = max;
    *g = (struct grow){.data = malloc(first ? first : 1), .cap = first, .max = max};
    if (!g->data)
        g->error = -ENOMEM;
    return g->error;
}

int grow_room(struct grow *g, size_t more)
{
    size_t cap;
    char *data;

    if (g->error)
        return 0;
    if (more > g->max - g->len) {
        g->error = -EMSGSIZE;
        g->cap = g->len; /* so that the next put comes here, too */
        return 0;
    }
    cap = g->cap > g->max / 2 ? g->max : 2 * g->cap;
    if (cap < SMALLEST && g->max >= SMALLEST)
        cap = SMALLEST;
    if (cap < g->len + more)
        cap = g->len + more;
    data = realloc(g->data, cap);
    if (!data) {
        g->error = -ENOMEM;
        g->cap = g->len;
        return 0;
    }
    g->data = data;
    g->cap = cap;
    return 1;
}

void grow_comma(struct grow *g)
{
    if (g->len && !memchr("{[:", g->data[g->len - 1], 3))
        grow_put(g, ",", 1);
}

void grow_open(struct grow *g, char bracket)
{
    grow_comma(g);
    grow_put(g, &bracket, 1);
}

void grow_close(struct grow *g, char bracket)
{
    grow_put(g, &bracket, 1);
}

void grow_key(struct grow *g, const char *key)
{
    grow_comma(g);
    grow_put(g, "\"", 1);
    grow_lit(g, key);
    grow_put(g, "\":", 2);
}

void grow_raw(struct grow *g, struct raw json)
{
    grow_comma(g);
    grow_put(g, json.at, json.len);
}

void grow_text(struct grow *g, struct raw text)
{
    grow_quote(g);
    grow_put(g, text.at, text.len);
    grow_unquote(g);
}

void grow_str(struct grow *g, const char *plain)
{
    grow_text(g, (struct raw){plain, strlen(plain)});
}

void grow_int(struct grow *g, int64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%lld", (long long)v);

    grow_raw(g, (struct raw){text, (size_t)n});
}

void grow_bool(struct grow *g, int on)
{
    grow_raw(g, on ? RAW("true") : RAW("false"));
}

void grow_quote(struct grow *g)
{
    grow_comma(g);
    grow_put(g, "\"", 1);
}

void grow_unquote(struct grow *g)
{
    grow_put(g, "\"", 1);
}

static char *put_escaped(char *to, unsigned char c)
{
    static const char hex[] = "0123456789abcdef", codes[] = "\b\t\n\f\r\"\\", names[] = "btnfr\"\\";
    const char *code = memchr(codes, c, sizeof(codes) - 1);

    *to++ = '\\';
    if (code) {
        *to++ = names[code - codes];
        return to;
    }
    memcpy(to, "u00", 3);
    to[3] = hex[c >> 4];
    to[4] = hex[c & 15];
    return to + 5;
}

/* Room is made for a piece at a time, as if all of it were controls. */
void grow_escape(struct grow *g, const char *bytes, size_t len)
{
    while (len) {
        size_t n = len < ESCAPE_PIECE ? len : ESCAPE_PIECE;
        char *to;

        if (6 * n > g->cap - g->len && !grow_room(g, 6 * n))
            return;
        to = g->data + g->len;
        for (size_t i = 0; i < n; i++) {
            unsigned char c = (unsigned char)bytes[i];

            if (c == '"' || c == '\\') {
                *to++ = '\\';
                *to++ = (char)c;
            } else if (c >= 0x20) {
                *to++ = (char)c;
            } else {
                to = put_escaped(to, c);
            }
        }
        g->len = (size_t)(to - g->data);
        bytes += n;
        len -= n;
    }
}
