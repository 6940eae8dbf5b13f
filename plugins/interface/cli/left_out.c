/* left_out.c - see left_out.h. */
#include "left_out.h"

#include "json_out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static struct left_out_stream *find(struct left_out *l, const char *stream)
{
    struct left_out_stream *s;

    for (uint32_t i = 0; i < l->n_streams; i++)
        if (strcmp(l->streams[i].name, stream) == 0)
            return &l->streams[i];
    if (l->n_streams == LEFT_OUT_STREAMS)
        return NULL;
    s = &l->streams[l->n_streams];
    s->name = strdup(stream);
    if (!s->name)
        return NULL;
    s->n = 0;
    l->n_streams++;
    return s;
}

void left_out_add(struct left_out *l, const char *stream, uint64_t n_events)
{
    struct left_out_stream *s = find(l, stream);

    l->n_events += n_events;
    *(s ? &s->n : &l->n_others) += n_events;
}

void left_out_json(const struct left_out *l, FILE *to)
{
    putc('{', to);
    for (uint32_t i = 0; i < l->n_streams; i++) {
        if (i)
            putc(',', to);
        json_out_string(to, l->streams[i].name, strlen(l->streams[i].name));
        fprintf(to, ":%" PRIu64, l->streams[i].n);
    }
    if (l->n_others)
        fprintf(to, "%s\"...\":%" PRIu64, l->n_streams ? "," : "", l->n_others);
    putc('}', to);
}

void left_out_done(struct left_out *l)
{
    for (uint32_t i = 0; i < l->n_streams; i++)
        free(l->streams[i].name);
    l->n_streams = 0;
}
