/* link: aiex_schedule aiex_base */
/*
 * fuzz_cron.c - cron expressions and TZif files from foreign bytes. The first byte says how many
 * bytes are the expression; the rest is read as a time zone file. Promised: no crash, a next time
 * is later than the time before, and refused text leaves a reason.
 */
#include "schedule/cron.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_next(const struct cron *cron, const struct zone *zone)
{
    int64_t at = 1767225600; /* 2026-01-01 */

    for (int i = 0; i < 4; i++) {
        int64_t next = cron_next(cron, zone, at);
        if (next <= at)
            abort();
        if (next == CRON_NEVER)
            break;
        at = next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[256];
    struct aiex_error err = {""};
    struct zone *zone = NULL;
    struct cron cron;
    size_t len;

    if (size == 0)
        return 0;
    len = data[0] < size ? data[0] : size - 1;
    memcpy(text, data + 1, len);
    text[len] = 0;
    if (zone_parse(data + 1 + len, size - 1 - len, &zone, &err) < 0)
        zone = NULL;
    if (cron_parse(text, &cron, &err) == 0)
        check_next(&cron, zone);
    else if (err.text[0] == 0)
        abort();
    zone_free(zone);
    return 0;
}
