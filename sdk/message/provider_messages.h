/*
 * provider_messages.h - tables of the messages in sdk/kinds/provider.md and service.md.
 *
 * Structs as aiex_message_unpack() fills and aiex_message_pack() reads them; absent fields
 * as in aiex_message.h. Parts of provider.chat are bytes of the dialect, not messages.
 */
#ifndef AIEX_PROVIDER_MESSAGES_H
#define AIEX_PROVIDER_MESSAGES_H

#include <aiex/aiex_message.h>

#ifdef __cplusplus
extern "C" {
#endif

/* provider.chat, provider.complete, provider.embed */
struct aiex_provider_chat {
    struct aiex_slice dialect, model;
    int stream;
    struct aiex_slice body;
    int64_t attempt;
    int64_t first_token_ms, idle_ms, total_ms;
    struct aiex_slice account, settle;
    struct aiex_slice headers; /* MAP of str */
};

/* Their end after success. */
struct aiex_provider_chat_end {
    struct aiex_slice model, provider;
    int64_t input_tokens, output_tokens, cached_tokens;
    struct aiex_slice finish;
    int64_t first_ms, total_ms;
    int offline, estimated;
    int64_t attempts;
    int64_t cache_write_tokens, reasoning_tokens;
    int64_t left_requests, left_tokens, reset_ms;
};

/* The body of their failed end. */
struct aiex_provider_chat_error {
    int64_t http_status;
    struct aiex_slice body;
    int started;
    struct aiex_slice provider, reason;
    int64_t input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens;
    int estimated;
    int64_t attempts;
};

/* The cast coordinator.settle of a call that was cancelled. */
struct aiex_provider_settle {
    struct aiex_slice account, provider, model, code;
    int64_t first_ms, total_ms;
    int64_t input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens;
    int estimated;
};

/* provider.count and its end. */
struct aiex_provider_count {
    struct aiex_slice dialect, model, body, headers;
};

struct aiex_provider_count_end {
    int64_t input_tokens;
    int exact;
};

/* The end of provider.models, and one of its models. */
struct aiex_provider_models_end {
    struct aiex_slice models; /* MAPS of struct aiex_provider_model */
    int complete;
};

struct aiex_provider_model {
    struct aiex_slice id;
    int64_t created;
    struct aiex_slice owned_by;
    int64_t context;
    struct aiex_slice name;
    int64_t output;
    struct aiex_slice capabilities; /* STRS */
    int loaded;
    int64_t bytes;
    struct aiex_slice family, parameters, quantization;
};

/* The end of provider.health. */
struct aiex_provider_health_end {
    int healthy;
    struct aiex_slice reason;
    int64_t checked_ms;
};

/* The end of service.health. */
struct aiex_service_health_end {
    int healthy;
    struct aiex_slice reason;
};

extern const struct aiex_message_table aiex_provider_chat_table;
extern const struct aiex_message_table aiex_provider_chat_end_table;
extern const struct aiex_message_table aiex_provider_chat_error_table;
extern const struct aiex_message_table aiex_provider_settle_table;
extern const struct aiex_message_table aiex_provider_count_table;
extern const struct aiex_message_table aiex_provider_count_end_table;
extern const struct aiex_message_table aiex_provider_models_end_table;
extern const struct aiex_message_table aiex_provider_model_table;
extern const struct aiex_message_table aiex_provider_health_end_table;
extern const struct aiex_message_table aiex_service_health_end_table;

#ifdef __cplusplus
}
#endif

#endif /* AIEX_PROVIDER_MESSAGES_H */
