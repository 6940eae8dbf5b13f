/* provider_messages.c - the rows behind sdk/kinds/provider.md and service.md. */
#include "provider_messages.h"

static const struct aiex_field provider_chat_fields[] = {
    {.name = "dialect",
     .type = AIEX_F_STR,
     .flags = AIEX_F_REQUIRED,
     .max = 32,
     .offset = offsetof(struct aiex_provider_chat, dialect)},
    {.name = "model",
     .type = AIEX_F_STR,
     .flags = AIEX_F_REQUIRED,
     .max = 256,
     .offset = offsetof(struct aiex_provider_chat, model)},
    {.name = "stream", .type = AIEX_F_BOOL, .offset = offsetof(struct aiex_provider_chat, stream)},
    {.name = "body",
     .type = AIEX_F_BIN,
     .flags = AIEX_F_REQUIRED,
     .max = AIEX_MAX_BODY,
     .offset = offsetof(struct aiex_provider_chat, body)},
    {.name = "attempt",
     .type = AIEX_F_INT,
     .max = INT64_MAX,
     .offset = offsetof(struct aiex_provider_chat, attempt)},
};

const struct aiex_message_table aiex_provider_chat_table = AIEX_MESSAGE(
    "provider.chat", struct aiex_provider_chat, provider_chat_fields);

static const struct aiex_field provider_chat_end_fields[] = {
    {.name = "model",
     .type = AIEX_F_STR,
     .flags = AIEX_F_REQUIRED,
     .max = 256,
     .offset = offsetof(struct aiex_provider_chat_end, model)},
    {.name = "provider",
     .type = AIEX_F_STR,
     .flags = AIEX_F_REQUIRED,
     .max = AIEX_MAX_NAME,
     .offset = offsetof(struct aiex_provider_chat_end, provider)},
    {.name = "input_tokens",
     .type = AIEX_F_INT,
     .max = INT64_MAX,
     .offset = offsetof(struct aiex_provider_chat_end, input_tokens)},
    {.name = "output_tokens",
     .type = AIEX_F_INT,
     .max = INT64_MAX,
     .offset = offsetof(struct aiex_provider_chat_end, output_tokens)},
    {.name = "cached_tokens",
     .type = AIEX_F_INT,
     .max = INT64_MAX,
     .offset = offsetof(struct aiex_provider_chat_end, cached_tokens)},
    {.name = "finish",
     .type = AIEX_F_STR,
     .max = 32,
     .offset = offsetof(struct aiex_provider_chat_end, finish)},
    {.name = "first_ms",
     .type = AIEX_F_INT,
     .max = INT64_MAX,
     .offset = offsetof(struct aiex_provider_chat_end, first_ms)},
    {.name = "total_ms",
     .type = AIEX_F_INT,
     .max = INT64_MAX,
     .offset = offsetof(struct aiex_provider_chat_end, total_ms)},
    {.name = "offline",
     .type = AIEX_F_BOOL,
     .offset = offsetof(struct aiex_provider_chat_end, offline)},
    {.name = "estimated",
     .type = AIEX_F_BOOL,
     .offset = offsetof(struct aiex_provider_chat_end, estimated)},
    {.name = "attempts",
     .type = AIEX_F_INT,
     .max = INT64_MAX,
     .offset = offsetof(struct aiex_provider_chat_end, attempts)},
};

const struct aiex_message_table aiex_provider_chat_end_table = AIEX_MESSAGE(
    "provider.chat end", struct aiex_provider_chat_end, provider_chat_end_fields);

static const struct aiex_field provider_chat_error_fields[] = {
    {.name = "http_status",
     .type = AIEX_F_INT,
     .min = 100,
     .max = 599,
     .offset = offsetof(struct aiex_provider_chat_error, http_status)},
    {.name = "body",
     .type = AIEX_F_BIN,
     .max = AIEX_MAX_BODY,
     .offset = offsetof(struct aiex_provider_chat_error, body)},
    {.name = "started",
     .type = AIEX_F_BOOL,
     .offset = offsetof(struct aiex_provider_chat_error, started)},
};

const struct aiex_message_table aiex_provider_chat_error_table = AIEX_MESSAGE(
    "provider.chat error", struct aiex_provider_chat_error, provider_chat_error_fields);

static const struct aiex_field provider_model_fields[] = {
    {.name = "id",
     .type = AIEX_F_STR,
     .flags = AIEX_F_REQUIRED,
     .max = 256,
     .offset = offsetof(struct aiex_provider_model, id)},
    {.name = "created",
     .type = AIEX_F_INT,
     .max = INT64_MAX,
     .offset = offsetof(struct aiex_provider_model, created)},
    {.name = "owned_by",
     .type = AIEX_F_STR,
     .max = 256,
     .offset = offsetof(struct aiex_provider_model, owned_by)},
    {.name = "context",
     .type = AIEX_F_INT,
     .max = INT64_MAX,
     .offset = offsetof(struct aiex_provider_model, context)},
};

const struct aiex_message_table aiex_provider_model_table = AIEX_MESSAGE(
    "provider.models entry", struct aiex_provider_model, provider_model_fields);

static const struct aiex_field provider_models_end_fields[] = {
    {.name = "models",
     .type = AIEX_F_MAPS,
     .flags = AIEX_F_REQUIRED,
     .max = 10000,
     .offset = offsetof(struct aiex_provider_models_end, models),
     .sub = &aiex_provider_model_table},
    {.name = "complete",
     .type = AIEX_F_BOOL,
     .offset = offsetof(struct aiex_provider_models_end, complete)},
};

const struct aiex_message_table aiex_provider_models_end_table = AIEX_MESSAGE(
    "provider.models end", struct aiex_provider_models_end, provider_models_end_fields);

static const struct aiex_field provider_health_end_fields[] = {
    {.name = "healthy",
     .type = AIEX_F_BOOL,
     .flags = AIEX_F_REQUIRED,
     .offset = offsetof(struct aiex_provider_health_end, healthy)},
    {.name = "reason",
     .type = AIEX_F_STR,
     .max = 512,
     .offset = offsetof(struct aiex_provider_health_end, reason)},
    {.name = "checked_ms",
     .type = AIEX_F_INT,
     .min = -1,
     .max = INT64_MAX,
     .offset = offsetof(struct aiex_provider_health_end, checked_ms)},
};

const struct aiex_message_table aiex_provider_health_end_table = AIEX_MESSAGE(
    "provider.health end", struct aiex_provider_health_end, provider_health_end_fields);

static const struct aiex_field service_health_end_fields[] = {
    {.name = "healthy",
     .type = AIEX_F_BOOL,
     .flags = AIEX_F_REQUIRED,
     .offset = offsetof(struct aiex_service_health_end, healthy)},
    {.name = "reason",
     .type = AIEX_F_STR,
     .max = 512,
     .offset = offsetof(struct aiex_service_health_end, reason)},
};

const struct aiex_message_table aiex_service_health_end_table = AIEX_MESSAGE(
    "service.health end", struct aiex_service_health_end, service_health_end_fields);
