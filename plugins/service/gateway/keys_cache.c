/*
 * keys_cache.c - the file of keys as a cache of the store's streams.
 *
 * It begins with a record "cache". Each event that was applied is a record with `at` and `event`,
 * version and id of the event; a file that was written anew ends with a "position" for each stream
 * instead. What the last one says holds: everything up to there is in the file. A record of a key
 * or limit without `at` is from a time without a store: the store knows nothing of it, so the
 * position is 0 and stored_import.c looks what is missing there.
 *
 * Two processes may write for a moment, each all events from where it read on; after a mixture of
 * both the last position may be the lower one, and some events are read once more.
 */
#include "keys.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const stream_names[N_STREAMS] = {"keys", "limits"};

/* ---- Reading ---- */

static void position_read(struct position *p, const char *version, struct aiex_slice record)
{
    p->version = 0;
    p->event[0] = 0;
    if (aiex_get_int(record, version, &p->version) != 1 || p->version < 0 ||
        aiex_get_text(record, "event", p->event, sizeof(p->event)) != 1)
        p->version = 0;
}

/* A change that is not of the stream makes the only copy of itself of a cache. */
static void changed(struct keys *k, int stream, struct aiex_slice record)
{
    position_read(&k->position[stream], "at", record);
    if (k->is_whole && !k->position[stream].version)
        k->was_cache = k->journal.cache = 0;
}

int keys_cache_take(struct keys *k, struct aiex_slice type, struct aiex_slice record)
{
    struct aiex_slice stream = {NULL, 0};
    int s;

    if (aiex_slice_is(type, "key"))
        changed(k, STREAM_KEYS, record);
    else if (aiex_slice_is(type, "limits"))
        changed(k, STREAM_LIMITS, record);
    if (aiex_slice_is(type, "cache")) {
        k->was_cache = k->cached;
        k->journal.cache = k->cached;
        return 1;
    }
    if (!aiex_slice_is(type, "position"))
        return 0;
    aiex_get_str(record, "stream", &stream);
    s = name_index(stream_names, N_STREAMS, stream);
    if (s >= 0)
        position_read(&k->position[s], "version", record);
    k->is_whole = s == N_STREAMS - 1; /* the last record */
    return 1;
}

/* ---- Writing ---- */

struct aiex_slice keys_cache_mark(void *mem, size_t size)
{
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "type", "cache");
    return aiex_written(&w);
}

struct aiex_slice keys_cache_position(const struct keys *k, int stream, void *mem, size_t size)
{
    const struct position *p = &k->position[stream];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "type", "position");
    aiex_w_key_str(&w, "stream", stream_names[stream]);
    aiex_w_key_int(&w, "version", p->version);
    aiex_w_key_str(&w, "event", p->event);
    return aiex_written(&w);
}

static void append(struct keys *k, struct aiex_slice record)
{
    struct aiex_error err = {""};
    char text[600];
    int r;

    if (k->stale)
        return; /* nothing behind a gap */
    r = journal_append(&k->journal, record, &err);
    if (r == -ESTALE) {
        r = journal_attach(&k->journal, &err);
        if (r == 0 && k->journal.emptied) {
            r = -EBADMSG;
            snprintf(err.text, sizeof(err.text), "another process has left it damaged");
        }
        if (r == 0)
            r = journal_append(&k->journal, record, &err);
    }
    if (r == 0)
        return;
    k->stale = 1;
    snprintf(text, sizeof(text), "the cache of keys can not be written and will be, anew: %s",
             err.text);
    k->host->log(k->host, AIEX_LOG_WARN, 0, text);
}

static struct record_note note_of(const struct keys *k, int stream)
{
    return (struct record_note){.at = k->position[stream].version,
                                .event = k->position[stream].event};
}

void keys_cache_key(struct keys *k, const struct key_record *r)
{
    struct record_note note = note_of(k, STREAM_KEYS);
    uint8_t mem[JOURNAL_MAX_RECORD];

    append(k, key_record_pack(r, &note, mem, sizeof(mem)));
}

void keys_cache_limits(struct keys *k, enum scope scope, struct aiex_slice name,
                       const struct limits *limits)
{
    struct record_note note = note_of(k, STREAM_LIMITS);
    uint8_t mem[512];

    append(k, limits_record_pack(scope, name, limits, &note, mem, sizeof(mem)));
}

void keys_cache_anew(struct keys *k)
{
    struct aiex_error err = {"no memory"};
    char text[600];
    int r = 0;

    if (journal_changed(&k->journal))
        r = journal_attach(&k->journal, &err);
    if (r == 0)
        r = keys_compact(k, &err);
    if (r == 0) {
        k->stale = 0;
        k->journal.broken[0] = 0;
        return;
    }
    if (!k->stale) {
        snprintf(text, sizeof(text), "the cache of keys can not be written anew: %s", err.text);
        k->host->log(k->host, AIEX_LOG_WARN, 0, text);
    }
    k->stale = 1;
}
