/*
 * kinds.c - one row per required method. A kind's document in sdk/kinds is the contract; the rows
 * here are what a program can check of it. Only names, types and limits of fields are used, so the
 * tables have no struct.
 */
#include "kinds.h"

#include <provider_messages.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Fields ---- */

static const struct aiex_field health_end_fields[] = {
    {.name = "healthy", .type = AIEX_F_BOOL, .flags = AIEX_F_REQUIRED},
    {.name = "reason", .type = AIEX_F_STR, .max = 512},
};
static const struct aiex_message_table health_end = AIEX_MESSAGE("health end", char,
                                                                 health_end_fields);

static const struct aiex_field interface_status_end_fields[] = {
    {.name = "protocol", .type = AIEX_F_STR, .flags = AIEX_F_REQUIRED, .max = 32},
    {.name = "addresses", .type = AIEX_F_STRS, .flags = AIEX_F_REQUIRED},
    {.name = "clients", .type = AIEX_F_INT, .flags = AIEX_F_REQUIRED, .max = INT64_MAX},
    {.name = "in_flight", .type = AIEX_F_INT, .flags = AIEX_F_REQUIRED, .max = INT64_MAX},
    {.name = "requests", .type = AIEX_F_INT},
    {.name = "errors", .type = AIEX_F_INT},
};
static const struct aiex_message_table interface_status_end = AIEX_MESSAGE(
    "interface status end", char, interface_status_end_fields);

static const struct aiex_field chunk_request_fields[] = {
    {.name = "text", .type = AIEX_F_BIN, .flags = AIEX_F_REQUIRED, .max = AIEX_MAX_BODY},
    {.name = "language", .type = AIEX_F_STR, .max = 32},
    {.name = "path", .type = AIEX_F_STR, .max = 4096},
    {.name = "strategy", .type = AIEX_F_STR, .max = 16},
    {.name = "max_tokens", .type = AIEX_F_INT},
    {.name = "overlap_tokens", .type = AIEX_F_INT},
    {.name = "model", .type = AIEX_F_STR, .max = 256},
};
static const struct aiex_message_table chunk_request = AIEX_MESSAGE("chunk request", char,
                                                                    chunk_request_fields);

static const struct aiex_field chunk_end_fields[] = {
    {.name = "language", .type = AIEX_F_STR, .flags = AIEX_F_REQUIRED, .max = 32},
    {.name = "chunks", .type = AIEX_F_INT, .flags = AIEX_F_REQUIRED, .max = INT64_MAX},
    {.name = "exact", .type = AIEX_F_BOOL, .flags = AIEX_F_REQUIRED},
    {.name = "errors", .type = AIEX_F_INT},
};
static const struct aiex_message_table chunk_end = AIEX_MESSAGE("chunk end", char,
                                                                chunk_end_fields);

static const struct aiex_field language_entry_fields[] = {
    {.name = "name", .type = AIEX_F_STR, .flags = AIEX_F_REQUIRED, .max = 32},
    {.name = "extensions", .type = AIEX_F_STRS},
};
static const struct aiex_message_table language_entry = AIEX_MESSAGE("language entry", char,
                                                                     language_entry_fields);

static const struct aiex_field languages_end_fields[] = {
    {.name = "languages", .type = AIEX_F_MAPS, .flags = AIEX_F_REQUIRED, .sub = &language_entry},
};
static const struct aiex_message_table languages_end = AIEX_MESSAGE("languages end", char,
                                                                    languages_end_fields);

static const struct aiex_field append_event_fields[] = {
    {.name = "id", .type = AIEX_F_STR, .flags = AIEX_F_REQUIRED, .max = 64},
    {.name = "type", .type = AIEX_F_STR, .flags = AIEX_F_REQUIRED, .max = 128},
    {.name = "time", .type = AIEX_F_INT},
    {.name = "data", .type = AIEX_F_BIN},
    {.name = "correlation", .type = AIEX_F_STR},
    {.name = "causation", .type = AIEX_F_STR},
    {.name = "meta", .type = AIEX_F_MAP},
};
static const struct aiex_message_table append_event = AIEX_MESSAGE("append event", char,
                                                                   append_event_fields);

static const struct aiex_field append_request_fields[] = {
    {.name = "stream", .type = AIEX_F_STR, .flags = AIEX_F_REQUIRED, .max = 255},
    {.name = "expected", .type = AIEX_F_INT, .min = -2, .max = INT64_MAX},
    {.name = "events",
     .type = AIEX_F_MAPS,
     .flags = AIEX_F_REQUIRED,
     .max = 1000,
     .sub = &append_event},
    {.name = "level", .type = AIEX_F_STR, .max = 16},
};
static const struct aiex_message_table append_request = AIEX_MESSAGE("append request", char,
                                                                     append_request_fields);

static const struct aiex_field append_end_fields[] = {
    {.name = "version", .type = AIEX_F_INT, .flags = AIEX_F_REQUIRED, .max = INT64_MAX},
    {.name = "sequence", .type = AIEX_F_INT, .flags = AIEX_F_REQUIRED, .max = INT64_MAX},
    {.name = "duplicate", .type = AIEX_F_BOOL},
};
static const struct aiex_message_table append_end = AIEX_MESSAGE("append end", char,
                                                                 append_end_fields);

static const struct aiex_field read_request_fields[] = {
    {.name = "stream", .type = AIEX_F_STR, .max = 255},
    {.name = "from", .type = AIEX_F_INT},
    {.name = "backwards", .type = AIEX_F_BOOL},
    {.name = "limit", .type = AIEX_F_INT},
    {.name = "type", .type = AIEX_F_STR, .max = 128},
    {.name = "from_time", .type = AIEX_F_INT},
    {.name = "to_time", .type = AIEX_F_INT},
};
static const struct aiex_message_table read_request = AIEX_MESSAGE("read request", char,
                                                                   read_request_fields);

static const struct aiex_field read_end_fields[] = {
    {.name = "events", .type = AIEX_F_INT, .flags = AIEX_F_REQUIRED},
    {.name = "last", .type = AIEX_F_INT},
    {.name = "end", .type = AIEX_F_BOOL, .flags = AIEX_F_REQUIRED},
};
static const struct aiex_message_table read_end = AIEX_MESSAGE("read end", char, read_end_fields);

static const struct aiex_field get_request_fields[] = {
    {.name = "table", .type = AIEX_F_STR, .flags = AIEX_F_REQUIRED, .max = 255},
    {.name = "key", .type = AIEX_F_BIN, .flags = AIEX_F_REQUIRED},
};
static const struct aiex_message_table get_request = AIEX_MESSAGE("get request", char,
                                                                  get_request_fields);

static const struct aiex_field get_end_fields[] = {
    {.name = "found", .type = AIEX_F_BOOL, .flags = AIEX_F_REQUIRED},
    {.name = "value", .type = AIEX_F_BIN},
    {.name = "version", .type = AIEX_F_INT},
};
static const struct aiex_message_table get_end = AIEX_MESSAGE("get end", char, get_end_fields);

static const struct aiex_field transact_request_fields[] = {
    {.name = "conditions", .type = AIEX_F_MAPS, .max = 1000},
    {.name = "operations", .type = AIEX_F_MAPS, .flags = AIEX_F_REQUIRED, .max = 1000},
    {.name = "level", .type = AIEX_F_STR, .max = 16},
};
static const struct aiex_message_table transact_request = AIEX_MESSAGE("transact request", char,
                                                                       transact_request_fields);

static const struct aiex_field transact_end_fields[] = {
    {.name = "version", .type = AIEX_F_INT, .flags = AIEX_F_REQUIRED},
};
static const struct aiex_message_table transact_end = AIEX_MESSAGE("transact end", char,
                                                                   transact_end_fields);

static const struct aiex_field store_status_end_fields[] = {
    {.name = "sequence", .type = AIEX_F_INT, .flags = AIEX_F_REQUIRED},
    {.name = "streams", .type = AIEX_F_INT},
    {.name = "tables", .type = AIEX_F_INT},
    {.name = "bytes", .type = AIEX_F_INT},
    {.name = "read_only", .type = AIEX_F_BOOL, .flags = AIEX_F_REQUIRED},
    {.name = "reason", .type = AIEX_F_STR},
};
static const struct aiex_message_table store_status_end = AIEX_MESSAGE("store status end", char,
                                                                       store_status_end_fields);

static const struct aiex_field tier_put_request_fields[] = {
    {.name = "key", .type = AIEX_F_BIN, .flags = AIEX_F_REQUIRED, .max = 1024},
    {.name = "value", .type = AIEX_F_BIN, .flags = AIEX_F_REQUIRED, .max = AIEX_MAX_BODY},
    {.name = "ttl_ms", .type = AIEX_F_INT},
    {.name = "uses", .type = AIEX_F_INT},
    {.name = "meta", .type = AIEX_F_MAP, .max = 4096},
    {.name = "if_absent", .type = AIEX_F_BOOL},
};
static const struct aiex_message_table tier_put_request = AIEX_MESSAGE("tier put request", char,
                                                                       tier_put_request_fields);

static const struct aiex_field tier_put_end_fields[] = {
    {.name = "evicted", .type = AIEX_F_INT},
    {.name = "bytes", .type = AIEX_F_INT},
};
static const struct aiex_message_table tier_put_end = AIEX_MESSAGE("tier put end", char,
                                                                   tier_put_end_fields);

static const struct aiex_field tier_key_request_fields[] = {
    {.name = "key", .type = AIEX_F_BIN, .flags = AIEX_F_REQUIRED, .max = 1024},
    {.name = "touch", .type = AIEX_F_BOOL},
};
static const struct aiex_message_table tier_key_request = AIEX_MESSAGE("tier key request", char,
                                                                       tier_key_request_fields);

static const struct aiex_field tier_get_end_fields[] = {
    {.name = "found", .type = AIEX_F_BOOL, .flags = AIEX_F_REQUIRED},
    {.name = "value", .type = AIEX_F_BIN},
    {.name = "uses", .type = AIEX_F_INT},
    {.name = "age_ms", .type = AIEX_F_INT},
    {.name = "ttl_ms", .type = AIEX_F_INT},
    {.name = "meta", .type = AIEX_F_MAP},
};
static const struct aiex_message_table tier_get_end = AIEX_MESSAGE("tier get end", char,
                                                                   tier_get_end_fields);

static const struct aiex_field tier_delete_end_fields[] = {
    {.name = "found", .type = AIEX_F_BOOL, .flags = AIEX_F_REQUIRED},
};
static const struct aiex_message_table tier_delete_end = AIEX_MESSAGE("tier delete end", char,
                                                                      tier_delete_end_fields);

static const struct aiex_field tier_candidates_request_fields[] = {
    {.name = "direction", .type = AIEX_F_STR, .flags = AIEX_F_REQUIRED, .max = 8},
    {.name = "limit", .type = AIEX_F_INT},
};
static const struct aiex_message_table tier_candidates_request = AIEX_MESSAGE(
    "tier candidates request", char, tier_candidates_request_fields);

static const struct aiex_field tier_candidate_fields[] = {
    {.name = "key", .type = AIEX_F_BIN, .flags = AIEX_F_REQUIRED},
    {.name = "uses", .type = AIEX_F_INT},
    {.name = "age_ms", .type = AIEX_F_INT},
    {.name = "bytes", .type = AIEX_F_INT},
};
static const struct aiex_message_table tier_candidate = AIEX_MESSAGE("tier candidate", char,
                                                                     tier_candidate_fields);

static const struct aiex_field tier_candidates_end_fields[] = {
    {.name = "entries", .type = AIEX_F_MAPS, .flags = AIEX_F_REQUIRED, .sub = &tier_candidate},
};
static const struct aiex_message_table tier_candidates_end = AIEX_MESSAGE(
    "tier candidates end", char, tier_candidates_end_fields);

static const struct aiex_field tier_shrink_request_fields[] = {
    {.name = "bytes", .type = AIEX_F_INT, .flags = AIEX_F_REQUIRED},
};
static const struct aiex_message_table tier_shrink_request = AIEX_MESSAGE(
    "tier shrink request", char, tier_shrink_request_fields);

static const struct aiex_field tier_shrink_end_fields[] = {
    {.name = "freed", .type = AIEX_F_INT, .flags = AIEX_F_REQUIRED},
    {.name = "bytes", .type = AIEX_F_INT},
};
static const struct aiex_message_table tier_shrink_end = AIEX_MESSAGE("tier shrink end", char,
                                                                      tier_shrink_end_fields);

static const struct aiex_field tier_metrics_end_fields[] = {
    {.name = "text", .type = AIEX_F_STR, .flags = AIEX_F_REQUIRED},
};
static const struct aiex_message_table tier_metrics_end = AIEX_MESSAGE("tier metrics end", char,
                                                                       tier_metrics_end_fields);

static const struct aiex_field tier_stats_end_fields[] = {
    {.name = "level", .type = AIEX_F_STR, .flags = AIEX_F_REQUIRED, .max = 16},
    {.name = "entries", .type = AIEX_F_INT, .flags = AIEX_F_REQUIRED},
    {.name = "bytes", .type = AIEX_F_INT, .flags = AIEX_F_REQUIRED},
    {.name = "max_bytes", .type = AIEX_F_INT},
    {.name = "hits", .type = AIEX_F_INT},
    {.name = "misses", .type = AIEX_F_INT},
    {.name = "evictions", .type = AIEX_F_INT},
    {.name = "expired", .type = AIEX_F_INT},
};
static const struct aiex_message_table tier_stats_end = AIEX_MESSAGE("tier stats end", char,
                                                                     tier_stats_end_fields);

static const struct aiex_field audit_append_request_fields[] = {
    {.name = "type", .type = AIEX_F_STR, .flags = AIEX_F_REQUIRED, .max = 128},
    {.name = "actor", .type = AIEX_F_STR, .flags = AIEX_F_REQUIRED, .max = 256},
    {.name = "subject", .type = AIEX_F_STR, .max = 1024},
    {.name = "time", .type = AIEX_F_INT},
    {.name = "payload", .type = AIEX_F_BIN, .max = 65536},
    {.name = "correlation", .type = AIEX_F_STR, .max = 64},
    {.name = "writer", .type = AIEX_F_STR, .max = 63},
    {.name = "must", .type = AIEX_F_BOOL},
};
static const struct aiex_message_table audit_append_request = AIEX_MESSAGE(
    "audit append request", char, audit_append_request_fields);

static const struct aiex_field audit_append_end_fields[] = {
    {.name = "seq", .type = AIEX_F_INT, .flags = AIEX_F_REQUIRED, .max = INT64_MAX},
    {.name = "hash", .type = AIEX_F_BIN, .flags = AIEX_F_REQUIRED, .max = 32},
};
static const struct aiex_message_table audit_append_end = AIEX_MESSAGE("audit append end", char,
                                                                       audit_append_end_fields);

static const struct aiex_field audit_range_request_fields[] = {
    {.name = "from", .type = AIEX_F_INT},      {.name = "to", .type = AIEX_F_INT},
    {.name = "type", .type = AIEX_F_STR},      {.name = "actor", .type = AIEX_F_STR},
    {.name = "from_time", .type = AIEX_F_INT}, {.name = "to_time", .type = AIEX_F_INT},
    {.name = "limit", .type = AIEX_F_INT},
};
static const struct aiex_message_table audit_range_request = AIEX_MESSAGE(
    "audit range request", char, audit_range_request_fields);

static const struct aiex_field audit_read_end_fields[] = {
    {.name = "entries", .type = AIEX_F_INT, .flags = AIEX_F_REQUIRED},
    {.name = "end", .type = AIEX_F_BOOL, .flags = AIEX_F_REQUIRED},
};
static const struct aiex_message_table audit_read_end = AIEX_MESSAGE("audit read end", char,
                                                                     audit_read_end_fields);

static const struct aiex_field audit_head_end_fields[] = {
    {.name = "size", .type = AIEX_F_INT, .flags = AIEX_F_REQUIRED},
    {.name = "root", .type = AIEX_F_BIN, .flags = AIEX_F_REQUIRED, .max = 32},
    {.name = "note", .type = AIEX_F_STR},
};
static const struct aiex_message_table audit_head_end = AIEX_MESSAGE("audit head end", char,
                                                                     audit_head_end_fields);

static const struct aiex_field audit_verify_end_fields[] = {
    {.name = "checked", .type = AIEX_F_INT, .flags = AIEX_F_REQUIRED},
    {.name = "faults", .type = AIEX_F_INT, .flags = AIEX_F_REQUIRED},
};
static const struct aiex_message_table audit_verify_end = AIEX_MESSAGE("audit verify end", char,
                                                                       audit_verify_end_fields);

/* ---- Methods ---- */

static const char chat_codes[] =
    " invalid denied not_found conflict busy upstream timeout unavailable ";

static const struct kind_method provider_methods[] = {
    {.method = "provider.chat",
     .request = "{\"dialect\":\"openai.chat\",\"model\":\"check\",\"stream\":true,\"body\":{"
                "\"model\":\"check\","
                "\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}}",
     .request_table = &aiex_provider_chat_table,
     .end_table = &aiex_provider_chat_end_table,
     .parts = KIND_PARTS_SSE,
     .last = "data: [DONE]",
     .codes = chat_codes},
    {.method = "provider.chat",
     .request = "{\"dialect\":\"openai.chat\",\"model\":\"check\",\"stream\":false,\"body\":{"
                "\"model\":\"check\","
                "\"stream\":false,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}}",
     .request_table = &aiex_provider_chat_table,
     .end_table = &aiex_provider_chat_end_table,
     .parts = KIND_PARTS_JSON,
     .codes = chat_codes},
    {.method = "provider.chat",
     .request = "{\"dialect\":\"openai.responses\",\"model\":\"check\",\"stream\":true,\"body\":{"
                "\"model\":\"check\","
                "\"stream\":true,\"input\":\"hello\"}}",
     .request_table = &aiex_provider_chat_table,
     .end_table = &aiex_provider_chat_end_table,
     .parts = KIND_PARTS_SSE,
     .last = "response.completed",
     .codes = chat_codes},
    {.method = "provider.chat",
     .request = "{\"dialect\":\"openai.responses\",\"model\":\"check\",\"stream\":false,\"body\":{"
                "\"model\":\"check\","
                "\"stream\":false,\"input\":\"hello\"}}",
     .request_table = &aiex_provider_chat_table,
     .end_table = &aiex_provider_chat_end_table,
     .parts = KIND_PARTS_JSON,
     .codes = chat_codes},
    {.method = "provider.chat",
     .request = "{\"dialect\":\"anthropic.messages\",\"model\":\"check\",\"stream\":true,\"body\":{"
                "\"model\":\"check\","
                "\"stream\":true,\"max_tokens\":64,\"messages\":[{\"role\":\"user\",\"content\":"
                "\"hello\"}]}}",
     .request_table = &aiex_provider_chat_table,
     .end_table = &aiex_provider_chat_end_table,
     .parts = KIND_PARTS_SSE,
     .last = "message_stop",
     .codes = chat_codes},
    {.method = "provider.chat",
     .request = "{\"dialect\":\"anthropic.messages\",\"model\":\"check\",\"stream\":false,\"body\":"
                "{\"model\":\"check\","
                "\"stream\":false,\"max_tokens\":64,\"messages\":[{\"role\":\"user\",\"content\":"
                "\"hello\"}]}}",
     .request_table = &aiex_provider_chat_table,
     .end_table = &aiex_provider_chat_end_table,
     .parts = KIND_PARTS_JSON,
     .codes = chat_codes},
    {.method = "provider.chat",
     .request = "{\"dialect\":\"ollama.chat\",\"model\":\"check\",\"stream\":true,\"body\":{"
                "\"model\":\"check\","
                "\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}}",
     .request_table = &aiex_provider_chat_table,
     .end_table = &aiex_provider_chat_end_table,
     .parts = KIND_PARTS_LINES,
     .last = "\"done\":true",
     .codes = chat_codes},
    {.method = "provider.chat",
     .request = "{\"dialect\":\"ollama.chat\",\"model\":\"check\",\"stream\":false,\"body\":{"
                "\"model\":\"check\","
                "\"stream\":false,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}}",
     .request_table = &aiex_provider_chat_table,
     .end_table = &aiex_provider_chat_end_table,
     .parts = KIND_PARTS_JSON,
     .codes = chat_codes},
    {.method = "provider.count",
     .request = "{\"dialect\":\"openai.chat\",\"model\":\"check\",\"body\":{\"model\":\"check\","
                "\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}}",
     .request_table = &aiex_provider_count_table,
     .end_table = &aiex_provider_count_end_table},
    {.method = "provider.models", .request = "{}", .end_table = &aiex_provider_models_end_table},
    {.method = "provider.health", .request = "{}", .end_table = &aiex_provider_health_end_table},
    {0},
};

static const struct kind_method service_methods[] = {
    {.method = "service.health", .request = "{}", .end_table = &aiex_service_health_end_table},
    {0},
};

static const struct kind_method interface_methods[] = {
    {.method = "interface.status", .request = "{}", .end_table = &interface_status_end},
    {.method = "interface.health", .request = "{}", .end_table = &health_end},
    {0},
};

static const struct kind_method chunker_methods[] = {
    {.method = "chunker.chunk",
     .request = "{\"text\":\"aW50IG1haW4odm9pZCkgeyByZXR1cm4gMDsgfQo=\",\"path\":\"main.c\"}",
     .request_table = &chunk_request,
     .end_table = &chunk_end,
     .parts = KIND_PARTS_ARRAYS},
    {.method = "chunker.languages", .request = "{}", .end_table = &languages_end},
    {.method = "chunker.health", .request = "{}", .end_table = &health_end},
    {0},
};

static const struct kind_method store_methods[] = {
    {.method = "store.append",
     .request = "{\"stream\":\"check\",\"events\":[{\"id\":\"check-1\",\"type\":\"checked\","
                "\"data\":\"AAEC\"}]}",
     .request_table = &append_request,
     .end_table = &append_end},
    {.method = "store.read",
     .request = "{\"stream\":\"check\"}",
     .request_table = &read_request,
     .end_table = &read_end,
     .parts = KIND_PARTS_ARRAYS},
    {.method = "store.transact",
     .request =
         "{\"operations\":[{\"op\":\"put\",\"table\":\"check\",\"key\":\"k\",\"value\":\"v\"}]}",
     .request_table = &transact_request,
     .end_table = &transact_end},
    {.method = "store.get",
     .request = "{\"table\":\"check\",\"key\":\"aw==\"}",
     .request_table = &get_request,
     .end_table = &get_end},
    {.method = "store.status", .request = "{}", .end_table = &store_status_end},
    {.method = "store.health", .request = "{}", .end_table = &health_end},
    {0},
};

static const struct kind_method tier_methods[] = {
    {.method = "tier.put",
     .request = "{\"key\":\"aw==\",\"value\":\"dg==\"}",
     .request_table = &tier_put_request,
     .end_table = &tier_put_end},
    {.method = "tier.get",
     .request = "{\"key\":\"aw==\"}",
     .request_table = &tier_key_request,
     .end_table = &tier_get_end},
    {.method = "tier.delete",
     .request = "{\"key\":\"aw==\"}",
     .request_table = &tier_key_request,
     .end_table = &tier_delete_end},
    {.method = "tier.candidates",
     .request = "{\"direction\":\"down\"}",
     .request_table = &tier_candidates_request,
     .end_table = &tier_candidates_end},
    {.method = "tier.shrink",
     .request = "{\"bytes\":0}",
     .request_table = &tier_shrink_request,
     .end_table = &tier_shrink_end},
    {.method = "tier.stats", .request = "{}", .end_table = &tier_stats_end},
    {.method = "tier.metrics", .request = "{}", .end_table = &tier_metrics_end},
    {.method = "tier.health", .request = "{}", .end_table = &health_end},
    {0},
};

static const struct kind_method audit_methods[] = {
    {.method = "audit.append",
     .request = "{\"type\":\"check\",\"actor\":\"aiex-check\"}",
     .request_table = &audit_append_request,
     .end_table = &audit_append_end},
    {.method = "audit.read",
     .request = "{}",
     .request_table = &audit_range_request,
     .end_table = &audit_read_end,
     .parts = KIND_PARTS_ARRAYS},
    {.method = "audit.head", .request = "{}", .end_table = &audit_head_end},
    {.method = "audit.verify",
     .request = "{}",
     .request_table = &audit_range_request,
     .end_table = &audit_verify_end},
    {.method = "audit.health", .request = "{}", .end_table = &health_end},
    {0},
};

static const struct kind kinds[] = {
    {"provider/1", "provider", provider_methods},
    {"service/1", "*", service_methods},
    {"interface/1", "interface", interface_methods},
    {"chunker/1", "chunker", chunker_methods},
    {"store/1", NULL, store_methods},
    {"tier/1", "tier", tier_methods},
    {"audit/1", NULL, audit_methods},
    {"resolver/1", NULL, NULL},
    {"discovery/1", NULL, NULL},
    {"bridge/1", NULL, NULL},
};

const struct kind *kind_find(const char *name)
{
    for (size_t i = 0; name && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    }
    return NULL;
}

struct aiex_slice kind_request(const struct kind_method *m)
{
    static uint8_t mem[4096];
    struct aiex_slice json = {(const uint8_t *)m->request, strlen(m->request)};
    struct aiex_error err = {""};
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    if (aiex_message_from_json(m->request_table, json, &w, &err) < 0 || w.failed) {
        fprintf(stderr, "aiex-check: the request of %s is wrong: %s\n", m->method, err.text);
        abort();
    }
    return aiex_written(&w);
}
