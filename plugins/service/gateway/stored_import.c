/*
 * stored_import.c - what is here and not in the store.
 *
 * While a stream is read from its first event on, everything that was here before is `unproven`: an
 * event that says the same makes it `same`, one that says something else leaves it to be appended.
 * What is appended comes back as an event and is compared like the others, so that a crash in the
 * middle goes on where it was, and nothing is appended twice.
 */
#include "stored.h"

#include <errno.h>
#include <string.h>

#define PER_APPEND 50u

/* ---- In doubt ---- */

static struct account *next_account(struct gateway *g, size_t *at, struct map_node **node)
{
    *node = map_walk(&g->keys.accounts, at, *node);
    return *node ? map_entry(*node, struct account, node) : NULL;
}

static void mark(struct gateway *g, int stream, unsigned unproven)
{
    struct map_node *node = NULL;
    struct account *a;
    size_t at = 0;

    if (stream == STREAM_KEYS)
        for (struct key *key = g->keys.first; key; key = key->next) {
            key->account.unproven = unproven;
            key->account.same = 0;
        }
    else
        while ((a = next_account(g, &at, &node)) != NULL) {
            a->unproven = unproven && limits_are_set(&a->limits);
            a->same = 0;
        }
}

void import_doubt(struct gateway *g, int stream)
{
    mark(g, stream, 1);
}

static int is_same_record(const struct key_record *a, const struct key_record *b)
{
    uint8_t one[JOURNAL_MAX_RECORD], other[JOURNAL_MAX_RECORD];
    struct aiex_slice x = key_record_pack(a, NULL, one, sizeof(one));
    struct aiex_slice y = key_record_pack(b, NULL, other, sizeof(other));

    return x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
}

int import_compare_key(struct gateway *g, const struct key_record *r)
{
    struct key *key = keys_by_id(&g->keys, (struct aiex_slice){(const uint8_t *)r->id, KEY_ID});
    struct key_record here;

    if (!key || !key->account.unproven)
        return 0;
    if (r->revoked && !key->revoked) { /* for ever, whoever did it */
        key->account.unproven = 0;
        return 0;
    }
    key_record_of(key, &here);
    key->account.same = is_same_record(&here, r);
    return 1;
}

int import_compare_limits(struct gateway *g, enum scope scope, struct aiex_slice name,
                          const struct limits *limits)
{
    struct account *a = keys_account(&g->keys, scope, name);

    if (!a || !a->unproven)
        return 0;
    a->same = memcmp(&a->limits, limits, sizeof(*limits)) == 0;
    return 1;
}

/* ---- Appending ---- */

int import_decide_first(struct gateway *g, struct aiex_decision *d)
{
    struct aiex_writer w;
    uint8_t mem[64];
    int r;

    if (g->stored->has_pepper)
        return 0;
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_bin(&w, "pepper", g->keys.journal.pepper, PEPPER_BYTES);
    r = aiex_decide(d, "pepper.set", aiex_written(&w));
    secret_wipe(mem, sizeof(mem));
    if (r < 0 || !g->keys.demanded)
        return r;
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 0);
    return aiex_decide(d, "keys.demanded", aiex_written(&w));
}

static struct record_note note(struct gateway *g)
{
    return (struct record_note){.by = "import", .caller = g->host->instance};
}

static int decide_keys(void *arg, struct aiex_decision *d, struct aiex_error *err)
{
    struct gateway *g = arg;
    struct record_note n = note(g);
    uint8_t mem[JOURNAL_MAX_RECORD];
    struct key_record record;
    unsigned left = PER_APPEND;
    int r = g->keys.demanded ? import_decide_first(g, d) : 0;

    for (struct key *key = g->keys.first; key && left && r == 0; key = key->next) {
        if (!key->account.unproven || key->account.same)
            continue;
        key_record_of(key, &record);
        r = aiex_decide(d, "key.imported", key_record_pack(&record, &n, mem, sizeof(mem)));
        left--;
    }
    return r;
}

static int decide_limits(void *arg, struct aiex_decision *d, struct aiex_error *err)
{
    struct gateway *g = arg;
    struct record_note n = note(g);
    struct map_node *node = NULL;
    unsigned left = PER_APPEND;
    struct account *a;
    uint8_t mem[512];
    size_t at = 0;
    int r = 0;

    while (left && r == 0 && (a = next_account(g, &at, &node)) != NULL) {
        struct aiex_slice name = {(const uint8_t *)a->name, strlen(a->name)};

        if (!a->unproven || a->same)
            continue;
        r = aiex_decide(d, "limit.imported",
                        limits_record_pack(a->scope, name, &a->limits, &n, mem, sizeof(mem)));
        left--;
    }
    return r;
}

static void complete(struct gateway *g, int stream)
{
    mark(g, stream, 0);
    g->stored->is_complete[stream] = 1;
    if (g->stored->is_complete[STREAM_KEYS] && g->stored->is_complete[STREAM_LIMITS])
        keys_cache_anew(&g->keys);
    change_go(g);
}

/* A failure is told by the fold; stored_tick() tries again. */
static void ended(struct gateway *g, int stream, const struct aiex_fold_end *end)
{
    g->stored->is_importing[stream] = 0;
    if (end->code)
        return;
    if (end->n_events)
        import_begin(g, stream);
    else
        complete(g, stream);
}

static void keys_ended(void *arg, const struct aiex_fold_end *end)
{
    ended(arg, STREAM_KEYS, end);
}

static void limits_ended(void *arg, const struct aiex_fold_end *end)
{
    ended(arg, STREAM_LIMITS, end);
}

void import_begin(struct gateway *g, int stream)
{
    int is_keys = stream == STREAM_KEYS;

    if (g->stored->is_complete[stream] || g->stored->is_importing[stream])
        return;
    g->stored->is_importing[stream] = 1;
    if (aiex_fold_change(g->stored->folds[stream], is_keys ? decide_keys : decide_limits,
                         is_keys ? keys_ended : limits_ended, g, 0, NULL) < 0)
        g->stored->is_importing[stream] = 0;
}
