#include "event_out.h"

#include "base64.h"
#include "field.h"
#include "json_out.h"
#include "screen.h"

#include <aiex/aiex_pack.h>
#include <aiex_json.h>
#include <errno.h>
#include <stdlib.h>

static const struct {
    const char *key, *shown;
} before[] = {{"stream", "stream"}, {"version", "version"}, {"sequence", "seq"},
              {"id", "id"},         {"type", "type"},       {"time", "time"}},
  behind[] = {{"correlation", "correlation"}, {"causation", "causation"}, {"meta", "meta"}};

static void put_field(FILE *to, struct aiex_slice event, const char *key, const char *shown, int *n)
{
    struct aiex_slice value;

    if (aiex_get_whole(event, key, &value) != 1)
        return;
    fprintf(to, "%s\"%s\":", (*n)++ ? "," : "", shown);
    json_out(to, value, JSON_LINE);
}

/* ---- Data ---- */

static int is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int is_json(struct aiex_slice data, enum event_form form)
{
    if (aiex_json_scan(data, 0, NULL, 0, NULL) < 0)
        return 0;
    if (form == EVENT_SHOWN)
        return 1;
    return !is_blank(data.data[0]) && !is_blank(data.data[data.len - 1]) &&
           !memchr(data.data, '\n', data.len) && !memchr(data.data, '\r', data.len);
}

/* In JSON a line end is a blank between values, never inside a text. */
static void put_on_one_line(FILE *to, struct aiex_slice json)
{
    for (size_t i = 0; i < json.len; i++)
        putc_unlocked(json.data[i] == '\n' || json.data[i] == '\r' ? ' ' : json.data[i], to);
}

static void put_data(FILE *to, struct aiex_slice data, enum event_form form)
{
    if (is_json(data, form)) {
        fputs(",\"data\":", to);
        put_on_one_line(to, data);
    } else if (form == EVENT_SHOWN && data.len && aiex_is_map(data)) {
        fputs(",\"data\":", to);
        json_out(to, data, JSON_LINE);
    } else {
        fputs(",\"data_base64\":\"", to);
        base64_write(to, data.data, data.len);
        putc_unlocked('"', to);
    }
}

void event_out_json(FILE *to, struct aiex_slice event, enum event_form form)
{
    struct aiex_slice data;
    int n = 0;

    putc_unlocked('{', to);
    for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++)
        put_field(to, event, before[i].key, before[i].shown, &n);
    if (aiex_get_bytes(event, "data", &data) == 1)
        put_data(to, data, form);
    for (size_t i = 0; i < sizeof(behind) / sizeof(*behind); i++)
        put_field(to, event, behind[i].key, behind[i].shown, &n);
    fputs("}\n", to);
}

/* ---- For people ---- */

static void put_clean(FILE *to, const char *text, size_t len)
{
    struct cleaner cleaner = {0};

    clean_write(&cleaner, to, text, len);
}

static void put_column(FILE *to, struct aiex_slice event, const char *key, enum field_form form)
{
    char text[FIELD_TEXT];

    field_text(event, key, form, text);
    put_clean(to, text, strlen(text));
    fputs("  ", to);
}

void event_out_text(FILE *to, struct aiex_slice event, int one_stream)
{
    struct aiex_slice data = {NULL, 0};
    char *text = NULL;
    size_t len = 0;
    FILE *kept;

    put_column(to, event, "sequence", FIELD_PLAIN);
    put_column(to, event, "time", FIELD_DATE);
    if (!one_stream)
        put_column(to, event, "stream", FIELD_PLAIN);
    put_column(to, event, "version", FIELD_PLAIN);
    put_column(to, event, "type", FIELD_PLAIN);
    kept = aiex_get_bytes(event, "data", &data) == 1 ? open_memstream(&text, &len) : NULL;
    if (kept) {
        put_data(kept, data, EVENT_SHOWN);
        if (fclose(kept) == 0 && strchr(text, ':'))
            put_clean(to, strchr(text, ':') + 1, strlen(strchr(text, ':') + 1));
        free(text);
    }
    putc_unlocked('\n', to);
}

/* ---- Parts ---- */

int event_each(struct aiex_slice part, event_fn fn, void *arg)
{
    struct aiex_value v;
    int r = 0;

    if (aiex_r_value(&part, &v) != 0 || v.type != AIEX_T_ARRAY)
        return -EPROTO;
    for (uint32_t i = 0; i < v.count && r == 0; i++) {
        struct aiex_slice event = part;

        if (aiex_r_skip(&part) != 0)
            return -EPROTO;
        event.len -= part.len;
        r = aiex_is_map(event) ? fn(arg, event) : -EPROTO;
    }
    return r;
}
