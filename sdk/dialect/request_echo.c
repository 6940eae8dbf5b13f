/*
 * request_echo.c - what a response object repeats of its request.
 *
 * Clients read their settings back from every response object; those they did not send are
 * told with the defaults of the vendor's reference.
 */
#include "keys.h"
#include "request.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    enum key key;
    const char *unsaid; /* NULL: left out */
} rows[] = {
    {K_background, "false"},
    {K_instructions, "null"},
    {K_max_output_tokens, "null"},
    {K_metadata, "{}"},
    {K_parallel_tool_calls, "true"},
    {K_previous_response_id, "null"},
    {K_prompt_cache_key, NULL},
    {K_reasoning, "{\"effort\":null,\"summary\":null}"},
    {K_safety_identifier, NULL},
    {K_service_tier, "\"default\""},
    {K_store, "true"},
    {K_temperature, "1.0"},
    {K_text, "{\"format\":{\"type\":\"text\"}}"},
    {K_tool_choice, "\"auto\""},
    {K_tools, "[]"},
    {K_top_p, "1.0"},
    {K_truncation, "\"disabled\""},
    {K_user, "null"},
};

static void put_rows(struct grow *g, const struct members *m)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct aiex_json_span *said = &m->of[rows[i].key];
        int unsaid = !said->type || (said->type == AIEX_JSON_NULL && rows[i].unsaid);

        if (unsaid && !rows[i].unsaid)
            continue;
        grow_key(g, key_name(rows[i].key));
        grow_raw(g, unsaid ? (struct raw){rows[i].unsaid, strlen(rows[i].unsaid)} : json_of(said));
    }
}

int request_echo(struct aiex_chat *c, const struct members *m, struct aiex_error *err)
{
    struct grow g;
    char *copy = NULL;

    if (grow_init(&g, 1024, AIEX_MAX_BODY) == 0)
        put_rows(&g, m);
    if (!g.error)
        copy = arena_copy(c->arena, g.data, g.len);
    c->echo = (struct aiex_slice){(const uint8_t *)copy, copy ? g.len : 0};
    free(g.data);
    if (!copy)
        snprintf(err->text, sizeof(err->text), "no memory for the request");
    return copy ? 0 : -ENOMEM;
}
