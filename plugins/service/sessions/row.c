/*
 * row.c - one session as the table keeps it and as callers see it.
 *
 * `order` is the field that is indexed: the shelf (what is read together: live, archived, expired,
 * deleted, and `erase` for what is deleted but not yet erased), then the rank in hex and the id. It
 * is unique, so that a page can begin behind the last one of the page before.
 */
#include "sessions.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

static const char *const names[N_STATES] = {"open", "closed", "archived", "expired", "deleted"};

const char *state_name(unsigned state)
{
    return state < N_STATES ? names[state] : "";
}

int state_named(const char *name)
{
    for (int i = 0; i < N_STATES; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return -1;
}

void random_id(char out[MAX_ID + 1])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint8_t bytes[16];
    size_t got = 0;

    while (got < sizeof(bytes)) {
        ssize_t n = getrandom(bytes + got, sizeof(bytes) - got, 0);

        got += n > 0 ? (size_t)n : 0;
    }
    for (size_t i = 0; i < sizeof(bytes); i++)
        out[i] = letters[bytes[i] & 31];
    out[sizeof(bytes)] = 0;
}

/* ---- Order ---- */

const char *row_shelf(const struct row *row)
{
    if (state_is_live(row->state))
        return "live";
    return row->state == DELETED && !row->erased ? "erase" : state_name(row->state);
}

void row_order(const struct row *row, char out[MAX_ORDER])
{
    snprintf(out, MAX_ORDER, "%s/%016llx/%s", row_shelf(row), (unsigned long long)row->rank,
             row->id);
}

void shelf_bounds(const char *shelf, char from[MAX_ORDER], char to[MAX_ORDER])
{
    snprintf(from, MAX_ORDER, "%s/", shelf);
    snprintf(to, MAX_ORDER, "%s0", shelf); /* '0' is the one behind '/' */
}

int64_t row_expires(const struct row *row, int64_t default_ttl)
{
    int64_t ttl = row->ttl < 0 ? default_ttl : row->ttl;

    return ttl == 0 || row->updated > INT64_MAX - ttl ? INT64_MAX : row->updated + ttl;
}

/* ---- As the table keeps it ---- */

static const struct {
    const char *name;
    size_t offset, max;
} texts[] = {
    {"id", offsetof(struct row, id), MAX_ID},
    {"user", offsetof(struct row, user), MAX_USER},
    {"project", offsetof(struct row, project), MAX_PROJECT},
    {"title", offsetof(struct row, title), MAX_TITLE},
    {"origin", offsetof(struct row, origin), MAX_ID},
    {"turns", offsetof(struct row, turns), MAX_TURNS_TEXT},
};

static const struct {
    const char *name;
    size_t offset;
} numbers[] = {
    {"origin_at", offsetof(struct row, origin_at)}, {"version", offsetof(struct row, version)},
    {"messages", offsetof(struct row, messages)},   {"created", offsetof(struct row, created)},
    {"updated", offsetof(struct row, updated)},     {"ttl", offsetof(struct row, ttl)},
    {"state_at", offsetof(struct row, state_at)},   {"rank", offsetof(struct row, rank)},
};

#define N_TEXTS   (sizeof(texts) / sizeof(texts[0]))
#define N_NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

void row_write(struct aiex_writer *w, const struct row *row)
{
    const char *base = (const char *)row;
    char order[MAX_ORDER];

    row_order(row, order);
    aiex_w_map(w, N_TEXTS + N_NUMBERS + 4);
    aiex_w_key_str(w, "order", order);
    aiex_w_key_str(w, "state", state_name(row->state));
    aiex_w_key_int(w, "depth", row->depth);
    aiex_w_key_bool(w, "erased", row->erased);
    for (size_t i = 0; i < N_TEXTS; i++)
        aiex_w_key_str(w, texts[i].name, base + texts[i].offset);
    for (size_t i = 0; i < N_NUMBERS; i++)
        aiex_w_key_int(w, numbers[i].name, *(const int64_t *)(base + numbers[i].offset));
}

int row_read(struct aiex_slice value, struct row *ret)
{
    char state[16] = "", *base = (char *)ret;
    int64_t depth = 0;
    int erased = 0;

    memset(ret, 0, sizeof(*ret));
    ret->ttl = -1;
    for (size_t i = 0; i < N_TEXTS; i++)
        if (aiex_get_text(value, texts[i].name, base + texts[i].offset, texts[i].max + 1) < 0)
            return -EBADMSG;
    for (size_t i = 0; i < N_NUMBERS; i++)
        if (aiex_get_int(value, numbers[i].name, (int64_t *)(base + numbers[i].offset)) < 0)
            return -EBADMSG;
    if (aiex_get_text(value, "state", state, sizeof(state)) != 1 || state_named(state) < 0 ||
        aiex_get_int(value, "depth", &depth) < 0 || aiex_get_bool(value, "erased", &erased) < 0)
        return -EBADMSG;
    if (!ret->id[0] || ret->version < 1 || ret->rank < 0 || ret->updated < 0 || depth < 0 ||
        depth > (int64_t)MAX_DEPTH)
        return -EBADMSG;
    ret->state = (uint8_t)state_named(state);
    ret->depth = (uint8_t)depth;
    ret->erased = (uint8_t)erased;
    return 0;
}

void row_show(struct aiex_writer *w, const struct row *row)
{
    aiex_w_key_str(w, "session", row->id);
    aiex_w_key_str(w, "title", row->title);
    aiex_w_key_str(w, "user", row->user);
    aiex_w_key_str(w, "project", row->project);
    aiex_w_key_str(w, "state", state_name(row->state));
    aiex_w_key_int(w, "version", row->version);
    aiex_w_key_int(w, "messages", row->messages);
    aiex_w_key_int(w, "created", row->created);
    aiex_w_key_int(w, "updated", row->updated);
    aiex_w_key_int(w, "ttl_ms", row->ttl);
    aiex_w_key_str(w, "origin", row->origin);
    aiex_w_key_int(w, "origin_at", row->origin_at);
    aiex_w_key_int(w, "depth", row->depth);
    aiex_w_key_bool(w, "has_values", row->state_at != 0);
    aiex_w_key_uint(w, "open_turns", turns_count(row));
}
