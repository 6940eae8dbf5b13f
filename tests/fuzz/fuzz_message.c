/* link: aiex_message */
/*
 * fuzz_message.c - bodies from strangers: tables, JSON out, and what JSON brings back.
 * A body that is taken must give JSON, and that JSON a body again.
 */
#include <aiex/aiex_message.h>
#include <provider_messages.h>
#include <stdint.h>
#include <stdlib.h>

static const struct aiex_message_table *const all[] = {
    &aiex_provider_chat_table,       &aiex_provider_chat_end_table,
    &aiex_provider_chat_error_table, &aiex_provider_models_end_table,
    &aiex_provider_health_end_table, &aiex_service_health_end_table,
};

union any_message {
    struct aiex_provider_chat chat;
    struct aiex_provider_chat_end chat_end;
    struct aiex_provider_chat_error chat_error;
    struct aiex_provider_models_end models_end;
    struct aiex_provider_health_end health_end;
    struct aiex_service_health_end service_end;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void through_json(struct aiex_slice body)
{
    long n = aiex_message_to_json(body, NULL, 0);
    char *json;
    struct aiex_writer w;
    void *mem;

    if (n < 0)
        return;
    json = malloc((size_t)n + 1);
    mem = malloc((size_t)n * 9 + 16);
    if (!json || !mem || aiex_message_to_json(body, json, (size_t)n + 1) != n)
        abort();
    aiex_writer_init(&w, mem, (size_t)n * 9 + 16);
    if (aiex_message_from_json(NULL, (struct aiex_slice){(uint8_t *)json, (size_t)n}, &w, NULL) <
            0 ||
        w.failed)
        abort();
    free(mem);
    free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct aiex_slice body = {data, size};
    union any_message msg;
    struct aiex_error err;
    uint8_t mem[4096];

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct aiex_writer w;

        if (aiex_message_unpack(all[i], body, &msg, &err) == 0) {
            aiex_writer_init(&w, mem, sizeof(mem));
            if (aiex_message_pack(all[i], &msg, &w, &err) < 0)
                abort();
        }
        aiex_writer_init(&w, mem, sizeof(mem));
        aiex_message_from_json(all[i], body, &w, &err);
    }
    through_json(body);
    return 0;
}
