/*
 * health.c - GET / (who is there), /healthz (this process works), /readyz (a model can be asked).
 */
#include "server.h"

#include <stdio.h>
#include <string.h>

#define STATUS_WAIT_MS 2000
#define REASONS        8 /* told at most */

static void respond_text(struct conn *c, int status, const char *json)
{
    respond(c, &(struct reply){.status = status}, json, strlen(json));
}

void health_root(struct conn *c)
{
    respond_text(c, 200,
                 "{\"name\":\"aiex\",\"version\":\"" AIEX_VERSION "\",\"object\":\"service\"}");
}

void health_alive(struct conn *c)
{
    respond_text(c, 200, "{\"status\":\"ok\"}");
}

/* "name: reason" as one item of the list. */
static void write_reason(struct aiex_json_out *w, int first, struct aiex_slice name,
                         struct aiex_slice reason)
{
    const size_t most = 200;

    aiex_jw_raw(w, first ? "\"" : ",\"");
    aiex_jw_escape(w, (const char *)name.data, name.len < most ? name.len : most);
    aiex_jw_raw(w, ": ");
    aiex_jw_escape(w, (const char *)reason.data, reason.len < most ? reason.len : most);
    aiex_jw_raw(w, "\"");
}

/* Counts healthy providers; writes why the others are not. -1: the answer has no such list. */
static int look_at_providers(struct aiex_slice body, struct aiex_json_out *w, int *ret_n)
{
    struct aiex_value list;
    int n_healthy = 0, n_sick = 0;

    if (aiex_get(body, "providers", &list) != 1 || list.type != AIEX_T_ARRAY)
        return -1;
    *ret_n = (int)list.count;
    for (uint32_t i = 0; i < list.count; i++) {
        struct aiex_slice entry = list.bytes, name = {0}, reason = {0};
        int healthy = 0;

        if (aiex_r_skip(&list.bytes) != 0)
            return -1;
        entry.len -= list.bytes.len;
        if (aiex_get_bool(entry, "healthy", &healthy) == 1 && healthy) {
            n_healthy++;
            continue;
        }
        aiex_get_str(entry, "name", &name);
        aiex_get_str(entry, "reason", &reason);
        if (n_sick < REASONS)
            write_reason(w, n_sick == 0, name, reason);
        n_sick++;
    }
    return n_healthy;
}

static struct aiex_slice slice_of(const char *text)
{
    return (struct aiex_slice){(const uint8_t *)text, strlen(text)};
}

static void on_status(struct conn *c, const struct aiex_answer *answer)
{
    char mem[512 + REASONS * 3072], reasons[REASONS * 3072];
    struct aiex_json_out w, list;
    int n_healthy = -1, n = 0;

    if (answer->kind != AIEX_ANSWER_END)
        return;
    aiex_jw_init(&list, reasons, sizeof(reasons));
    if (!answer->code)
        n_healthy = look_at_providers(answer->body, &list, &n);
    if (n_healthy < 0) {
        aiex_jw_init(&list, reasons, sizeof(reasons));
        write_reason(&list, 1, slice_of(c->server->config->coordinator),
                     slice_of(answer->code
                                  ? answer->text && *answer->text ? answer->text : answer->code
                                  : "its answer can not be read"));
    } else if (n == 0) {
        aiex_jw_raw(&list, "\"no provider is configured\"");
    }
    aiex_jw_init(&w, mem, sizeof(mem));
    aiex_jw_raw(&w,
                n_healthy > 0 ? "{\"ready\":true,\"healthy\":" : "{\"ready\":false,\"healthy\":");
    aiex_jw_int(&w, n_healthy > 0 ? n_healthy : 0);
    aiex_jw_raw(&w, ",\"providers\":");
    aiex_jw_int(&w, n);
    aiex_jw_raw(&w, ",\"reasons\":[");
    aiex_jw_rawn(&w, reasons, list.failed ? 0 : list.len);
    aiex_jw_raw(&w, "]}");
    respond(c, &(struct reply){.status = n_healthy > 0 ? 200 : 503}, mem, w.len);
}

void health_ready(struct conn *c)
{
    if (c->server->draining)
        respond_text(c, 503, "{\"ready\":false,\"reasons\":[\"shutting down\"]}");
    else
        call_plain(c, c->server->config->coordinator, "coordinator.status", (struct aiex_slice){0},
                   STATUS_WAIT_MS, on_status);
}
