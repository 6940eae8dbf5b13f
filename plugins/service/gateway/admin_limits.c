/* admin_limits.c - limits of users, teams and projects. */
#include "admin.h"
#include "stored.h"

#include <stdlib.h>

static int name_is_bad(struct aiex_slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] < ' ' || name.data[i] == 127)
            return 1;
    return name.len == 0 || name.len > MAX_LABEL;
}

int admin_limit_set(struct gateway *g, const struct aiex_message *m)
{
    struct aiex_slice scope = NOTHING, name = NOTHING;
    struct aiex_error err = {""};
    struct limits limits = {0};
    struct account *a;
    const char *wrong = NULL;
    struct key *by = admin_who(g, m);
    int s, r;

    if (!by)
        return 0;
    aiex_get_str(m->body, "scope", &scope);
    s = name_index(scope_names, N_SCOPES, scope);
    if (s < SCOPE_USER)
        wrong = "field 'scope' is not one of user, team, project";
    else if (aiex_get_str(m->body, "name", &name) != 1 || name_is_bad(name))
        wrong = "field 'name' (str of 1 to 63 bytes) is missing or wrong";
    if (wrong)
        return refuse_form(g, m->id, NOTHING, wrong);
    a = keys_account(&g->keys, (enum scope)s, name);
    if (a)
        limits = a->limits;
    wrong = limits_read(m->body, &limits);
    if (wrong)
        return refuse_form(g, m->id, NOTHING, wrong);
    if (stored_is_on(g))
        return change_limits(g, (enum scope)s, name, &limits, by);
    r = keys_write_limits(&g->keys, (enum scope)s, name, &limits, &err);
    if (r < 0)
        return admin_failed(g, m->id, r, &err);
    audit_limits(g, (enum scope)s, keys_account(&g->keys, (enum scope)s, name)->name,
                 by->account.name, m->trace);
    g->host->reply(g->host, m->id, NOTHING);
    return 0;
}

/* ---- List ---- */

static void write_account(struct aiex_writer *w, struct account *a, const struct moment *now)
{
    account_roll(a, now);
    aiex_w_map(w, 6 + LIMIT_FIELDS);
    aiex_w_key_str(w, "scope", scope_names[a->scope]);
    aiex_w_key_str(w, "name", a->name);
    limits_write(w, &a->limits);
    aiex_w_key_int(w, "spent_day", a->spent_day);
    aiex_w_key_int(w, "spent_month", a->spent_month);
    aiex_w_key_int(w, "reserved", a->reserved);
    aiex_w_key_int(w, "in_flight", a->in_flight);
}

static void write_all(struct aiex_writer *w, struct gateway *g)
{
    struct moment now = moment_of(g);
    struct map_node *n = NULL;
    size_t at = 0;

    aiex_w_map(w, 1);
    aiex_w_str(w, "limits");
    aiex_w_array(w, (uint32_t)g->keys.accounts.n);
    while ((n = map_walk(&g->keys.accounts, &at, n)) != NULL)
        write_account(w, map_entry(n, struct account, node), &now);
}

int admin_limit_list(struct gateway *g, const struct aiex_message *m)
{
    struct aiex_writer w;
    uint8_t *mem;

    if (!admin_who(g, m))
        return 0;
    aiex_writer_init(&w, NULL, 0);
    write_all(&w, g);
    mem = w.len <= AIEX_MAX_BODY ? malloc(w.len) : NULL;
    if (!mem) {
        g->host->fail(g->host, m->id, AIEX_E_BUSY, "the list is too long for one answer", 0,
                      NOTHING);
        return 0;
    }
    aiex_writer_init(&w, mem, w.len);
    write_all(&w, g);
    g->host->reply(g->host, m->id, aiex_written(&w));
    free(mem);
    return 0;
}
