/* audit.c - events for those who watch: what became of keys, who was refused, whose money ends. The
 * audit log is told of the first two as well. */
#include "recorded.h"
#include "secret.h"

#include <stdio.h>
#include <string.h>

#define AUDIT_PER_SECOND 20u

static void publish(struct gateway *g, const char *topic, const char *type, const char *subject,
                    struct aiex_slice data, uint64_t trace)
{
    const struct aiex_event e = {.struct_size = sizeof(e),
                                 .topic = topic,
                                 .type = type,
                                 .subject = subject,
                                 .data = data,
                                 .trace = trace};

    g->host->publish(g->host, &e);
}

void audit_key(struct gateway *g, const char *type, const struct key *key, const char *by,
               uint64_t trace)
{
    struct aiex_writer w;
    uint8_t mem[512];
    char act[32];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 5);
    aiex_w_key_str(&w, "prefix", key->prefix);
    aiex_w_key_str(&w, "name", key->name);
    aiex_w_key_str(&w, "user", key->shared[SCOPE_USER] ? key->shared[SCOPE_USER]->name : "");
    aiex_w_key_str(&w, "role", role_names[key->role]);
    aiex_w_key_str(&w, "by", by);
    publish(g, "gateway.key", type, key->account.name, aiex_written(&w), trace);
    snprintf(act, sizeof(act), "key.%s", type);
    recorded_told(g, act, by, key->account.name, aiex_written(&w), trace);
}

void audit_limits(struct gateway *g, enum scope scope, const char *name, const char *by,
                  uint64_t trace)
{
    struct aiex_writer w;
    uint8_t mem[256];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "scope", scope_names[scope]);
    aiex_w_key_str(&w, "by", by);
    publish(g, "gateway.key", "limits", name, aiex_written(&w), trace);
    recorded_told(g, "key.limits", by, name, aiex_written(&w), trace);
}

/* 1: may be told; the count of what was left out before is then the caller's to tell. */
static int audit_may_tell(struct gateway *g)
{
    uint64_t now = g->host->now_ms(g->host);

    if (now - g->audit_window_ms >= 1000) {
        g->audit_window_ms = now;
        g->audit_told = 0;
    }
    if (g->audit_told < AUDIT_PER_SECOND) {
        g->audit_told++;
        return 1;
    }
    g->audit_left_out++;
    return 0;
}

/* Enough of what was tried to find it again, and no more: the beginning of what looks like one of
 * our keys. Another text may be any secret of the client's. */
static struct aiex_slice tried(const struct ask *a)
{
    if (!secret_form(a->credential))
        return NOTHING;
    return (struct aiex_slice){a->credential.data, SECRET_PREFIX};
}

static void put_slice(struct aiex_writer *w, const char *key, struct aiex_slice s)
{
    aiex_w_key_strn(w, key, s.len ? (const char *)s.data : "", s.len);
}

void audit_refused(struct gateway *g, const struct ask *a, const struct key *key, const char *why)
{
    char interface[MAX_INTERFACE + 1] = "";
    struct aiex_writer w;
    uint8_t mem[512];

    if (!audit_may_tell(g))
        return;
    if (a->interface.len)
        memcpy(interface, a->interface.data, a->interface.len);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 6);
    aiex_w_key_str(&w, "why", why);
    aiex_w_key_str(&w, "prefix", key ? key->prefix : "");
    put_slice(&w, "tried", tried(a));
    put_slice(&w, "address", a->address);
    aiex_w_key_str(&w, "interface", interface);
    aiex_w_key_uint(&w, "left_out", g->audit_left_out);
    g->audit_left_out = 0;
    publish(g, "gateway.key", "refused", key ? key->account.name : NULL, aiex_written(&w), 0);
    recorded_told(g, "auth.failed", key ? key->account.name : "unknown", interface,
                  aiex_written(&w), 0);
}

void audit_accepted(struct gateway *g, const struct ask *a, const struct key *key)
{
    char interface[MAX_INTERFACE + 1] = "";
    struct aiex_writer w;
    uint8_t mem[256];

    if (g->config->audit_auth == AUTH_FAILURES ||
        (g->config->audit_auth == AUTH_DAILY &&
         key->last_used / DAY_MS == g->calendar.now_ms / DAY_MS))
        return;
    if (a->interface.len)
        memcpy(interface, a->interface.data, a->interface.len);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "prefix", key->prefix);
    put_slice(&w, "address", a->address);
    recorded_told(g, "auth.accepted", key->account.name, interface, aiex_written(&w), 0);
}

void audit_budget(struct gateway *g, const char *type, const struct account *a, const char *period,
                  int64_t spent, int64_t budget)
{
    struct aiex_writer w;
    uint8_t mem[256];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "scope", scope_names[a->scope]);
    aiex_w_key_str(&w, "period", period);
    aiex_w_key_int(&w, "spent", spent);
    aiex_w_key_int(&w, "budget", budget);
    publish(g, "gateway.budget", type, a->name, aiex_written(&w), 0);
}
