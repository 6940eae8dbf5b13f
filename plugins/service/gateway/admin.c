/* admin.c - keys made, listed, changed, rotated, revoked. Every change is on disk before it is
 * answered. */
#include "admin.h"
#include "stored.h"

#include <aiex_chat.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_DEFAULT 10000
#define MAX_GRACE_MS (90 * (int64_t)DAY_MS)

/* ---- Shared ---- */

struct key *admin_who(struct gateway *g, const struct aiex_message *m)
{
    struct refusal r;
    struct key *key;
    struct ask a;
    const char *wrong = ask_read(m, &a);

    if (wrong) {
        refuse_form(g, m->id, NOTHING, wrong);
        return NULL;
    }
    key = who(g, &a, MAY_ADMIN, &r);
    if (!key)
        refusal_send(g, m->id, &r, NOTHING);
    return key;
}

int admin_failed(struct gateway *g, uint64_t id, int error, const struct aiex_error *err)
{
    const char *code = error == -EBUSY || error == -ENOMEM ? AIEX_E_BUSY : AIEX_E_READ_ONLY;

    g->host->log(g->host, AIEX_LOG_ERROR, 0, err->text);
    g->host->fail(g->host, id, code, err->text, 0, NOTHING);
    return 0;
}

/* The key that the field `id` names; else the request is answered. */
static struct key *key_asked(struct gateway *g, const struct aiex_message *m)
{
    struct aiex_slice id = NOTHING;
    struct key *key;

    if (aiex_get_str(m->body, "id", &id) != 1) {
        refuse_form(g, m->id, NOTHING, "field 'id' (str) is missing");
        return NULL;
    }
    key = keys_by_id(&g->keys, id);
    if (!key)
        g->host->fail(g->host, m->id, AIEX_E_NOT_FOUND,
                      "no key has this id; gateway.key_list shows them", 0, NOTHING);
    return key;
}

void admin_reply_key(struct gateway *g, uint64_t request, const char *id, const char *secret)
{
    struct aiex_writer w;
    uint8_t mem[128];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, secret ? 2 : 1);
    aiex_w_key_str(&w, "id", id);
    if (secret)
        aiex_w_key_str(&w, "key", secret);
    g->host->reply(g->host, request, aiex_written(&w));
    secret_wipe(mem, sizeof(mem));
}

/* A new secret for the record. 0, -EIO. */
static int give_secret(struct gateway *g, struct key_record *r, char secret[SECRET_TEXT + 1])
{
    if (secret_new(secret) < 0)
        return -EIO;
    secret_hash(g->keys.journal.pepper, (struct aiex_slice){(const uint8_t *)secret, SECRET_TEXT},
                r->hash);
    memcpy(r->prefix, secret, SECRET_PREFIX);
    return 0;
}

/* Writes a changed record and answers; with a store that is done behind the method. */
static int store(struct gateway *g, const struct aiex_message *m, const struct key_record *r,
                 const struct key *by, const char *type, const char *secret)
{
    struct aiex_error err = {""};
    struct key *key;
    int result;

    if (stored_is_on(g))
        return change_key(g, r, by, type, secret);
    result = keys_write(&g->keys, r, &key, &err);
    if (result < 0)
        return admin_failed(g, m->id, result, &err);
    audit_key(g, type, key, by->account.name, m->trace);
    admin_reply_key(g, m->id, r->id, secret);
    return 0;
}

/* ---- Create ---- */

static int new_id(struct gateway *g, char id[KEY_ID + 1])
{
    uint8_t raw[KEY_ID / 2];

    do {
        if (secret_random(raw, sizeof(raw)) < 0)
            return -EIO;
        for (size_t i = 0; i < sizeof(raw); i++)
            snprintf(id + 2 * i, 3, "%02x", raw[i]);
    } while (keys_by_id(&g->keys, (struct aiex_slice){(const uint8_t *)id, KEY_ID}));
    return 0;
}

int admin_create(struct gateway *g, const struct aiex_message *m)
{
    struct key_record r = {.role = ROLE_USER};
    char secret[SECRET_TEXT + 1];
    const char *wrong;
    struct key *by = admin_who(g, m);
    int result;

    if (!by)
        return 0;
    wrong = key_record_read(m->body, &r);
    if (wrong)
        return refuse_form(g, m->id, NOTHING, wrong);
    if (new_id(g, r.id) < 0 || give_secret(g, &r, secret) < 0)
        return -EIO;
    calendar_look(&g->calendar);
    r.created = g->calendar.now_ms;
    result = store(g, m, &r, by, "created", secret);
    secret_wipe(secret, sizeof(secret));
    return result;
}

/* ---- Change ---- */

int admin_set(struct gateway *g, const struct aiex_message *m)
{
    struct key_record r;
    const char *wrong;
    struct key *by = admin_who(g, m), *key = by ? key_asked(g, m) : NULL;

    if (!key)
        return 0;
    key_record_of(key, &r);
    wrong = key_record_read(m->body, &r);
    return wrong ? refuse_form(g, m->id, NOTHING, wrong) : store(g, m, &r, by, "changed", NULL);
}

int admin_revoke(struct gateway *g, const struct aiex_message *m)
{
    struct key_record r;
    struct key *by = admin_who(g, m), *key = by ? key_asked(g, m) : NULL;

    if (!key)
        return 0;
    if (key->revoked) {
        admin_reply_key(g, m->id, key->account.name, NULL);
        return 0;
    }
    key_record_of(key, &r);
    calendar_look(&g->calendar);
    r.revoked = g->calendar.now_ms;
    r.old_until = 0;
    return store(g, m, &r, by, "revoked", NULL);
}

int admin_rotate(struct gateway *g, const struct aiex_message *m)
{
    struct key_record r;
    char secret[SECRET_TEXT + 1];
    int64_t grace = 0;
    struct key *by = admin_who(g, m), *key = by ? key_asked(g, m) : NULL;
    int result;

    if (!key)
        return 0;
    if (aiex_get_int(m->body, "grace_ms", &grace) < 0 || grace < 0 || grace > MAX_GRACE_MS)
        return refuse_form(g, m->id, NOTHING, "field 'grace_ms' is not a time of at most 90 days");
    if (key->revoked) {
        g->host->fail(g->host, m->id, AIEX_E_CONFLICT, "this key is revoked; create another one", 0,
                      NOTHING);
        return 0;
    }
    key_record_of(key, &r);
    memcpy(r.old_hash, r.hash, SECRET_HASH);
    calendar_look(&g->calendar);
    r.old_until = g->calendar.now_ms + grace;
    if (give_secret(g, &r, secret) < 0)
        return -EIO;
    result = store(g, m, &r, by, "rotated", secret);
    secret_wipe(secret, sizeof(secret));
    return result;
}

/* ---- List ---- */

static void write_models(struct aiex_writer *w, const struct key *key)
{
    uint32_t n = 0;

    for (size_t i = 0; i < key->models_len; i++)
        n += key->models[i] == 0;
    aiex_w_str(w, "models");
    aiex_w_array(w, n);
    for (size_t at = 0; at < key->models_len; at += strlen(key->models + at) + 1)
        aiex_w_str(w, key->models + at);
}

static void write_key(struct aiex_writer *w, struct key *key, const struct moment *now)
{
    account_roll(&key->account, now);
    aiex_w_map(w, 16 + LIMIT_FIELDS);
    aiex_w_key_str(w, "id", key->account.name);
    aiex_w_key_str(w, "prefix", key->prefix);
    aiex_w_key_str(w, "name", key->name);
    for (int s = SCOPE_USER; s < N_SCOPES; s++)
        aiex_w_key_str(w, scope_names[s], key->shared[s] ? key->shared[s]->name : "");
    aiex_w_key_str(w, "role", role_names[key->role]);
    write_models(w, key);
    limits_write(w, &key->account.limits);
    aiex_w_key_int(w, "created", key->created);
    aiex_w_key_int(w, "expires", key->expires);
    aiex_w_key_int(w, "last_used", key->last_used);
    aiex_w_key_bool(w, "revoked", key->revoked != 0);
    aiex_w_key_int(w, "spent_day", key->account.spent_day);
    aiex_w_key_int(w, "spent_month", key->account.spent_month);
    aiex_w_key_int(w, "reserved", key->account.reserved);
    aiex_w_key_int(w, "in_flight", key->account.in_flight);
}

static void write_list(struct aiex_writer *w, struct gateway *g, struct key *first, int64_t limit)
{
    struct moment now = moment_of(g);
    uint32_t n = 0;
    struct key *end = first;

    for (; end && n < limit; end = end->next)
        n++;
    aiex_w_map(w, 2);
    aiex_w_key_bool(w, "more", end != NULL);
    aiex_w_str(w, "keys");
    aiex_w_array(w, n);
    for (struct key *key = first; key != end; key = key->next)
        write_key(w, key, &now);
}

int admin_list(struct gateway *g, const struct aiex_message *m)
{
    struct aiex_slice after = NOTHING;
    int64_t limit = LIST_DEFAULT;
    struct key *first = g->keys.first;
    struct aiex_writer w;
    uint8_t *mem;

    if (!admin_who(g, m))
        return 0;
    if (aiex_get_int(m->body, "limit", &limit) < 0 || limit < 1 || limit > LIST_DEFAULT)
        return refuse_form(g, m->id, NOTHING, "field 'limit' is not a number from 1 to 10000");
    if (aiex_get_str(m->body, "after", &after) == 1) {
        first = keys_by_id(&g->keys, after);
        first = first ? first->next : NULL;
    }
    aiex_writer_init(&w, NULL, 0);
    write_list(&w, g, first, limit);
    mem = w.len <= AIEX_MAX_BODY ? malloc(w.len) : NULL;
    if (!mem) {
        g->host->fail(g->host, m->id, AIEX_E_BUSY,
                      "the list is too long for one answer; give a smaller 'limit'", 0, NOTHING);
        return 0;
    }
    aiex_writer_init(&w, mem, w.len);
    write_list(&w, g, first, limit);
    g->host->reply(g->host, m->id, aiex_written(&w));
    free(mem);
    return 0;
}
