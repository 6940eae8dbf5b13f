/* body.c - an entry as the JSON object that is hashed. */
#include "log.h"

#include <aiex_json.h>
#include <errno.h>

static void key(struct aiex_json_out *w, const char *name)
{
    aiex_jw_raw(w, ",\"");
    aiex_jw_raw(w, name);
    aiex_jw_raw(w, "\":");
}

static void text(struct aiex_json_out *w, const char *name, struct aiex_slice value)
{
    key(w, name);
    aiex_jw_strn(w, (const char *)value.data, value.len);
}

static void hash(struct aiex_json_out *w, const char *name, const uint8_t *value)
{
    char hex[2 * AIEX_HASH + 1];

    aiex_hex(value, AIEX_HASH, hex);
    key(w, name);
    aiex_jw_raw(w, "\"");
    aiex_jw_rawn(w, hex, 2 * AIEX_HASH);
    aiex_jw_raw(w, "\"");
}

static void number(struct aiex_json_out *w, const char *name, int64_t value)
{
    key(w, name);
    aiex_jw_int(w, value);
}

long body_write(const struct entry *e, const struct writer *writer, const uint8_t *commit,
                char *out)
{
    struct aiex_json_out w;

    aiex_jw_init(&w, out, MAX_BODY);
    aiex_jw_raw(&w, "{\"writer\":");
    aiex_jw_str(&w, writer->name);
    number(&w, "wseq", (int64_t)writer->next);
    hash(&w, "prev", writer->chain);
    number(&w, "time", e->time);
    text(&w, "type", e->type);
    text(&w, "actor", e->actor);
    if (e->subject.len)
        text(&w, "subject", e->subject);
    if (e->correlation.len)
        text(&w, "correlation", e->correlation);
    if (e->reason.len)
        text(&w, "reason", e->reason);
    if (e->redacts >= 0)
        number(&w, "redacts", e->redacts);
    if (commit)
        hash(&w, "commit", commit);
    aiex_jw_raw(&w, "}");
    return w.failed ? -EMSGSIZE : (long)w.len;
}
