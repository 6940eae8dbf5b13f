#include "wire/record.h"

#include <aiex/aiex_pack.h>
#include <string.h>

static const char *const codes[WIRE_STATUSES] = {
    [WIRE_TIMEOUT] = AIEX_E_TIMEOUT,         [WIRE_CRASHED] = AIEX_E_CRASHED,
    [WIRE_BUSY] = AIEX_E_BUSY,               [WIRE_CANCELLED] = AIEX_E_CANCELLED,
    [WIRE_UNAVAILABLE] = AIEX_E_UNAVAILABLE, [WIRE_INVALID] = AIEX_E_INVALID,
    [WIRE_DENIED] = AIEX_E_DENIED,           [WIRE_NOT_FOUND] = AIEX_E_NOT_FOUND,
    [WIRE_CONFLICT] = AIEX_E_CONFLICT,       [WIRE_READ_ONLY] = AIEX_E_READ_ONLY,
    [WIRE_UPSTREAM] = AIEX_E_UPSTREAM,       [WIRE_INTERNAL] = AIEX_E_INTERNAL,
};

const char *wire_code(int32_t status)
{
    if (status == WIRE_OK)
        return NULL;
    return status > 0 && status < WIRE_STATUSES ? codes[status] : AIEX_E_INTERNAL;
}

int32_t wire_status_of(const char *code)
{
    for (int32_t i = 1; code && i < WIRE_STATUSES; i++)
        if (!strcmp(code, codes[i]))
            return i;
    return WIRE_INTERNAL;
}

size_t wire_error_pack(uint8_t *out, size_t size, const char *text, uint32_t retry_after_ms,
                       const uint8_t *detail, size_t detail_len)
{
    int with = detail_len > 0;
    struct aiex_writer w;

    for (;;) {
        aiex_writer_init(&w, out, size);
        aiex_w_map(&w, with ? 3 : 2);
        aiex_w_key_strn(&w, "text", text, strnlen(text, 1024));
        aiex_w_key_uint(&w, "retry_after_ms", retry_after_ms);
        if (with) {
            aiex_w_str(&w, "detail");
            aiex_w_raw(&w, detail, detail_len);
        }
        if (!w.failed || !with)
            return w.failed ? 0 : w.len;
        with = 0;
    }
}
