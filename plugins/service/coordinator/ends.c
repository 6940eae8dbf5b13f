/* ends.c - how a request ends: accounting, and which of several errors the client gets. */
#include "route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void route_account(struct route *r, const char *code, struct aiex_slice body)
{
    struct coordinator *c = r->c;
    struct aiex_event e = {.struct_size = sizeof(e), .topic = "coordinator.call", .type = "done"};
    int64_t input = 0, output = 0;
    struct aiex_writer w;
    uint8_t mem[512];

    aiex_get_int(body, "input_tokens", &input);
    aiex_get_int(body, "output_tokens", &output);
    if (!code) {
        r->at->input_tokens += (uint64_t)(input > 0 ? input : 0);
        r->at->output_tokens += (uint64_t)(output > 0 ? output : 0);
    }
    if (!c->config->accounting_events)
        return;
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 7);
    aiex_w_key_str(&w, "provider", r->at->name);
    aiex_w_key_str(&w, "model", r->bare);
    aiex_w_key_str(&w, "code", code ? code : "");
    aiex_w_key_int(&w, "input_tokens", input);
    aiex_w_key_int(&w, "output_tokens", output);
    aiex_w_key_uint(&w, "attempts", r->attempts);
    aiex_w_key_uint(&w, "total_ms", c->host->now_ms(c->host) - r->begun_ms);
    e.data = aiex_written(&w);
    e.trace = r->trace;
    c->host->publish(c->host, &e);
}

struct aiex_slice route_details(const struct route *r, int http_status, uint8_t *mem, size_t size)
{
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 4);
    aiex_w_key_int(&w, "http_status", http_status);
    aiex_w_key_bool(&w, "started", 0);
    aiex_w_key_str(&w, "provider", r && r->at ? r->at->name : "");
    aiex_w_key_int(&w, "attempts", r ? (int64_t)r->attempts : 0);
    return aiex_written(&w);
}

void route_fail(struct route *r, const char *code, int http_status, const char *text)
{
    uint8_t mem[256];

    r->c->host->fail(r->c->host, r->id, code, text, 0,
                     route_details(r, http_status, mem, sizeof(mem)));
    route_finish(r);
}

void route_keep_error(struct route *r, int rank, const char *code, const char *text,
                      uint32_t retry_after_ms, struct aiex_slice body)
{
    struct kept_error *e = &r->error;
    uint8_t own[256];

    if (rank <= e->rank)
        return;
    if (body.len == 0)
        body = route_details(r, strcmp(code, AIEX_E_TIMEOUT) == 0 ? 504 : 503, own, sizeof(own));
    free(e->body);
    e->body = malloc(body.len + 1);
    e->body_len = e->body ? body.len : 0;
    if (e->body_len)
        memcpy(e->body, body.data, body.len);
    e->rank = rank;
    e->retry_after_ms = retry_after_ms;
    snprintf(e->code, sizeof(e->code), "%s", code);
    snprintf(e->text, sizeof(e->text), "%s", text ? text : "");
}

void route_pass_on(struct route *r)
{
    struct kept_error *e = &r->error;

    r->c->host->fail(r->c->host, r->id, e->code, e->text, e->retry_after_ms,
                     (struct aiex_slice){e->body, e->body_len});
    route_finish(r);
}
