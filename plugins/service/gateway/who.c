/* who.c - who asks, and whether he may. */
#include "gateway.h"

#include <aiex_chat.h>
#include <stdio.h>

static struct key *unknown(struct gateway *g, const struct ask *a, struct refusal *r)
{
    if (a->credential.len)
        audit_refused(g, a, NULL, "unknown");
    refuse(r, REFUSED_AUTH, AIEX_E_DENIED, 401, AIEX_REASON_AUTH,
           a->credential.len ? "this API key is not known here"
                             : "no API key was given, and this server demands one");
    return NULL;
}

static struct key *not_good(struct gateway *g, const struct ask *a, const struct key *key,
                            const char *why, struct refusal *r)
{
    audit_refused(g, a, key, why);
    refuse(r, REFUSED_AUTH, AIEX_E_DENIED, 401, AIEX_REASON_AUTH, "the API key %s... is %s",
           key->prefix, why);
    return NULL;
}

static int is_demanded(const struct gateway *g, const struct ask *a)
{
    if (a->demand_key || g->config->require_key == REQUIRE_YES)
        return 1;
    return g->config->require_key == REQUIRE_AUTO && g->keys.demanded;
}

/* A text with the form of our keys is always judged as one, so that a proxy on a local socket
 * does not make operators of its clients. Other credentials count only where one is demanded: SDKs
 * send some made-up word where they need none. */
static struct key *identify(struct gateway *g, const struct ask *a, struct refusal *r)
{
    struct key *key;
    const char *why;
    int old = 0;

    if (!secret_form(a->credential)) {
        if (a->local && !a->demand_key)
            return g->keys.local;
        return is_demanded(g, a) ? unknown(g, a, r) : g->keys.open;
    }
    key = keys_find(&g->keys, a->credential, &old);
    if (!key)
        return a->local || is_demanded(g, a) ? unknown(g, a, r) : g->keys.open;
    calendar_look(&g->calendar);
    why = keys_refusal(key, old, g->calendar.now_ms);
    if (why)
        return not_good(g, a, key, why, r);
    audit_accepted(g, a, key);
    key->last_used = g->calendar.now_ms;
    return key;
}

struct key *who(struct gateway *g, const struct ask *a, enum permission need, struct refusal *r)
{
    struct key *key = identify(g, a, r);

    if (key && !role_may(key->role, need)) {
        audit_refused(g, a, key, "role");
        refuse(r, REFUSED_ROLE, AIEX_E_DENIED, 403, AIEX_REASON_AUTH,
               "the role '%s' of this key has no permission '%s'", role_names[key->role],
               permission_names[need]);
        return NULL;
    }
    return key;
}

int who_model(const struct key *key, struct aiex_slice model, struct refusal *r)
{
    if (key_may_use(key, model))
        return 0;
    return refuse(r, REFUSED_MODEL, AIEX_E_DENIED, 403, AIEX_REASON_AUTH,
                  "this key may not use the model '%.*s'", (int)model.len,
                  (const char *)model.data);
}

/* ---- Soft limits ---- */

static uint32_t warn(struct aiex_writer *w, const struct account *a, unsigned bit)
{
    int is_day = bit == ACCOUNT_SOFT_DAY;
    char text[240];

    if (!(account_soft(a) & bit))
        return 0;
    if (!w)
        return 1;
    snprintf(text, sizeof(text), "%s %s has spent %lld of %lld micro-dollars of this %s",
             scope_names[a->scope], a->name, (long long)(is_day ? a->spent_day : a->spent_month),
             (long long)(is_day ? a->limits.budget_day : a->limits.budget_month),
             is_day ? "day" : "month");
    aiex_w_str(w, text);
    return 1;
}

static uint32_t each_warning(struct aiex_writer *w, struct key *key)
{
    uint32_t n = 0;

    for (int s = 0; s < N_SCOPES; s++)
        if (key_account(key, s))
            n += warn(w, key_account(key, s), ACCOUNT_SOFT_DAY) +
                 warn(w, key_account(key, s), ACCOUNT_SOFT_MONTH);
    return n;
}

uint32_t warnings_write(struct aiex_writer *w, struct key *key)
{
    uint32_t n = each_warning(NULL, key);

    if (w) {
        aiex_w_str(w, "warnings");
        aiex_w_array(w, n);
        each_warning(w, key);
    }
    return n;
}
