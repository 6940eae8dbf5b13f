/*
 * error.c - what went wrong, as tables: words of vendors to reasons, reasons to words.
 *
 * A vendor says the reason in a code (OpenAI, Azure), in a type (Anthropic, llama.cpp,
 * vLLM), or only in a sentence (Ollama, LM Studio). The most exact source wins: a code or
 * type that means one thing, then the sentence, then words that mean several things, then
 * the HTTP status.
 */
#include "error.h"

#include <string.h>
#include <strings.h>

/* ---- Names ---- */

static const char *const names[AIEX_N_REASONS] = {
    [AIEX_REASON_UNKNOWN] = "",
    [AIEX_REASON_RATE_LIMIT] = "rate_limit",
    [AIEX_REASON_OVERLOADED] = "overloaded",
    [AIEX_REASON_CONTEXT_LENGTH] = "context_length",
    [AIEX_REASON_CONTENT_FILTER] = "content_filter",
    [AIEX_REASON_AUTH] = "auth",
    [AIEX_REASON_QUOTA] = "quota",
    [AIEX_REASON_MODEL] = "model",
    [AIEX_REASON_REQUEST] = "request",
    [AIEX_REASON_SERVER] = "server",
};

const char *aiex_reason_name(int reason)
{
    return reason > 0 && reason < AIEX_N_REASONS ? names[reason] : "";
}

int aiex_reason_of(struct aiex_slice name)
{
    for (int i = 1; i < AIEX_N_REASONS; i++)
        if (strlen(names[i]) == name.len && memcmp(names[i], name.data, name.len) == 0)
            return i;
    return AIEX_REASON_UNKNOWN;
}

const char *error_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } rows[] = {
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {529, "Overloaded"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].status == status)
            return rows[i].text;
    return "";
}

/* ---- What vendors say ---- */

struct word {
    const char *text;
    int reason;
};

/* Codes and types that mean one thing. */
static const struct word exact_words[] = {
    {"context_length_exceeded", AIEX_REASON_CONTEXT_LENGTH},
    {"exceed_context_size_error", AIEX_REASON_CONTEXT_LENGTH},
    {"model_context_window_exceeded", AIEX_REASON_CONTEXT_LENGTH},
    {"context_window_exceeded", AIEX_REASON_CONTEXT_LENGTH},
    {"insufficient_quota", AIEX_REASON_QUOTA},
    {"billing_hard_limit_reached", AIEX_REASON_QUOTA},
    {"billing_not_active", AIEX_REASON_QUOTA},
    {"billing_error", AIEX_REASON_QUOTA},
    {"rate_limit_exceeded", AIEX_REASON_RATE_LIMIT},
    {"rate_limit_error", AIEX_REASON_RATE_LIMIT},
    {"RateLimitError", AIEX_REASON_RATE_LIMIT},
    {"too_many_requests", AIEX_REASON_RATE_LIMIT},
    {"RESOURCE_EXHAUSTED", AIEX_REASON_RATE_LIMIT},
    {"overloaded_error", AIEX_REASON_OVERLOADED},
    {"server_is_overloaded", AIEX_REASON_OVERLOADED},
    {"engine_overloaded", AIEX_REASON_OVERLOADED},
    {"slow_down", AIEX_REASON_OVERLOADED},
    {"unavailable_error", AIEX_REASON_OVERLOADED},
    {"content_filter", AIEX_REASON_CONTENT_FILTER},
    {"content_policy_violation", AIEX_REASON_CONTENT_FILTER},
    {"ResponsibleAIPolicyViolation", AIEX_REASON_CONTENT_FILTER},
    {"moderation_blocked", AIEX_REASON_CONTENT_FILTER},
    {"invalid_api_key", AIEX_REASON_AUTH},
    {"authentication_error", AIEX_REASON_AUTH},
    {"AuthenticationError", AIEX_REASON_AUTH},
    {"permission_error", AIEX_REASON_AUTH},
    {"PermissionDeniedError", AIEX_REASON_AUTH},
    {"unsupported_country_region_territory", AIEX_REASON_AUTH},
    {"UNAUTHENTICATED", AIEX_REASON_AUTH},
    {"PERMISSION_DENIED", AIEX_REASON_AUTH},
    {"model_not_found", AIEX_REASON_MODEL},
    {"DeploymentNotFound", AIEX_REASON_MODEL},
};

/* Parts of sentences, compared without regard to case; the first that occurs decides. */
static const struct word sentences[] = {
    {"prompt is too long", AIEX_REASON_CONTEXT_LENGTH},     /* Anthropic */
    {"exceed context limit", AIEX_REASON_CONTEXT_LENGTH},   /* Anthropic: input and max_tokens */
    {"maximum context length", AIEX_REASON_CONTEXT_LENGTH}, /* OpenAI, vLLM */
    {"available context size", AIEX_REASON_CONTEXT_LENGTH}, /* llama.cpp */
    {"context size has been exceeded", AIEX_REASON_CONTEXT_LENGTH},
    {"exceeds the context", AIEX_REASON_CONTEXT_LENGTH}, /* Ollama embed, OpenAI responses */
    {"exceeded context", AIEX_REASON_CONTEXT_LENGTH},
    {"loaded with context length", AIEX_REASON_CONTEXT_LENGTH}, /* LM Studio */
    {"greater than the context length", AIEX_REASON_CONTEXT_LENGTH},
    {"context overflow", AIEX_REASON_CONTEXT_LENGTH},
    {"context window", AIEX_REASON_CONTEXT_LENGTH},
    {"input is too long", AIEX_REASON_CONTEXT_LENGTH},
    {"longer than the maximum model length", AIEX_REASON_CONTEXT_LENGTH}, /* vLLM */
    {"exceeds the maximum number of tokens", AIEX_REASON_CONTEXT_LENGTH},
    {"credit balance is too low", AIEX_REASON_QUOTA}, /* Anthropic */
    {"exceeded your current quota", AIEX_REASON_QUOTA},
    {"insufficient credits", AIEX_REASON_QUOTA},
    {"insufficient balance", AIEX_REASON_QUOTA},
    {"content management policy", AIEX_REASON_CONTENT_FILTER}, /* Azure */
    {"content filtering policy", AIEX_REASON_CONTENT_FILTER},  /* Anthropic */
    {"safety system", AIEX_REASON_CONTENT_FILTER},
    {"rate limit", AIEX_REASON_RATE_LIMIT},
    {"too many requests", AIEX_REASON_RATE_LIMIT},
    {"overloaded", AIEX_REASON_OVERLOADED},
    {"maximum pending requests", AIEX_REASON_OVERLOADED}, /* Ollama */
    {"server busy", AIEX_REASON_OVERLOADED},
    {"try pulling it first", AIEX_REASON_MODEL}, /* Ollama */
    {"no models loaded", AIEX_REASON_MODEL},     /* LM Studio */
};

/* Types that say little: asked only when the sentence said nothing. */
static const struct word vague_words[] = {
    {"requests", AIEX_REASON_RATE_LIMIT},
    {"tokens", AIEX_REASON_RATE_LIMIT},
    {"invalid_request_error", AIEX_REASON_REQUEST},
    {"BadRequestError", AIEX_REASON_REQUEST},
    {"invalid_prompt", AIEX_REASON_REQUEST},
    {"not_found_error", AIEX_REASON_REQUEST},
    {"request_too_large", AIEX_REASON_REQUEST},
    {"server_error", AIEX_REASON_SERVER},
    {"api_error", AIEX_REASON_SERVER},
    {"timeout_error", AIEX_REASON_SERVER},
    {"internal_error", AIEX_REASON_SERVER},
    {"InternalServerError", AIEX_REASON_SERVER},
};

static int find_word(const struct word *words, size_t n, const char *text)
{
    for (size_t i = 0; *text && i < n; i++)
        if (strcmp(words[i].text, text) == 0)
            return words[i].reason;
    return AIEX_REASON_UNKNOWN;
}

static int contains(const char *text, const char *part)
{
    size_t n = strlen(part);

    for (; *text; text++)
        if (strncasecmp(text, part, n) == 0)
            return 1;
    return 0;
}

/* "model 'x' not found", "The model `x` does not exist", Anthropic's "model: x". */
static int about_model(const char *message)
{
    return strncmp(message, "model:", 6) == 0 ||
           (contains(message, "model") &&
            (contains(message, "not found") || contains(message, "does not exist")));
}

static int reason_of_status(int status)
{
    static const struct {
        int from, to, reason;
    } rows[] = {
        {401, 401, AIEX_REASON_AUTH},       {403, 403, AIEX_REASON_AUTH},
        {402, 402, AIEX_REASON_QUOTA},      {408, 408, AIEX_REASON_SERVER},
        {429, 429, AIEX_REASON_RATE_LIMIT}, {503, 503, AIEX_REASON_OVERLOADED},
        {529, 529, AIEX_REASON_OVERLOADED}, {400, 499, AIEX_REASON_REQUEST},
        {500, 599, AIEX_REASON_SERVER},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (status >= rows[i].from && status <= rows[i].to)
            return rows[i].reason;
    return AIEX_REASON_SERVER;
}

static int reason_of_sentence(int status, const char *message)
{
    for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
        if (contains(message, sentences[i].text))
            return sentences[i].reason;
    if ((status < 400 || status == 400 || status == 404) && about_model(message))
        return AIEX_REASON_MODEL;
    return AIEX_REASON_UNKNOWN;
}

int error_reason(int status, const char *code, const char *type, const char *message)
{
    static const size_t n_exact = sizeof(exact_words) / sizeof(exact_words[0]);
    static const size_t n_vague = sizeof(vague_words) / sizeof(vague_words[0]);
    int reason = find_word(exact_words, n_exact, code);

    /* a sentence knows more than "rate_limit_error" beside "exceeded your current quota" */
    if (!reason || reason == AIEX_REASON_RATE_LIMIT) {
        int other = reason_of_sentence(status, message);

        if (other && (!reason || other == AIEX_REASON_QUOTA))
            reason = other;
    }
    if (!reason)
        reason = find_word(exact_words, n_exact, type);
    if (!reason && status >= 400 && status != 400)
        reason = reason_of_status(status);
    if (!reason)
        reason = find_word(vague_words, n_vague, code);
    if (!reason)
        reason = find_word(vague_words, n_vague, type);
    return reason ? reason : reason_of_status(status);
}

/* ---- What clients are told ---- */

static const struct error_words all_words[] = {
    {AIEX_REASON_RATE_LIMIT, 0, 429, "rate_limit_error", "rate_limit_error", "rate_limit_exceeded"},
    {AIEX_REASON_OVERLOADED, 0, 529, "overloaded_error", "server_error", "server_is_overloaded"},
    {AIEX_REASON_CONTEXT_LENGTH, 0, 400, "invalid_request_error", "invalid_request_error",
     "context_length_exceeded"},
    {AIEX_REASON_CONTENT_FILTER, 0, 400, "invalid_request_error", "invalid_request_error",
     "content_filter"},
    {AIEX_REASON_AUTH, 403, 403, "permission_error", "invalid_request_error", "permission_denied"},
    {AIEX_REASON_AUTH, 0, 401, "authentication_error", "invalid_request_error", "invalid_api_key"},
    {AIEX_REASON_QUOTA, 429, 429, "rate_limit_error", "insufficient_quota", "insufficient_quota"},
    {AIEX_REASON_QUOTA, 0, 402, "billing_error", "insufficient_quota", "insufficient_quota"},
    {AIEX_REASON_MODEL, 0, 404, "not_found_error", "invalid_request_error", "model_not_found"},
    {AIEX_REASON_REQUEST, 404, 404, "not_found_error", "invalid_request_error", NULL},
    {AIEX_REASON_REQUEST, 413, 413, "request_too_large", "invalid_request_error", NULL},
    {AIEX_REASON_REQUEST, 0, 400, "invalid_request_error", "invalid_request_error", NULL},
    {AIEX_REASON_SERVER, 408, 408, "timeout_error", "server_error", NULL},
    {AIEX_REASON_SERVER, 504, 504, "timeout_error", "server_error", NULL},
    {AIEX_REASON_SERVER, 0, 500, "api_error", "server_error", NULL},
};

const struct error_words *error_words(int reason, int status)
{
    size_t n = sizeof(all_words) / sizeof(all_words[0]);

    if (reason <= AIEX_REASON_UNKNOWN || reason >= AIEX_N_REASONS)
        reason = reason_of_status(status);
    for (size_t i = 0; i < n; i++)
        if (all_words[i].reason == reason &&
            (!all_words[i].status || all_words[i].status == status))
            return &all_words[i];
    return &all_words[n - 1];
}

int error_is_anthropic_type(const char *type)
{
    static const char *const words[] = {
        "invalid_request_error", "authentication_error", "billing_error",
        "permission_error",      "not_found_error",      "request_too_large",
        "rate_limit_error",      "timeout_error",        "api_error",
        "overloaded_error",
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(words[i], type) == 0)
            return 1;
    return 0;
}
