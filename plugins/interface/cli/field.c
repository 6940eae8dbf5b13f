#include "field.h"

#include "json_out.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char *none(char *out)
{
    strcpy(out, "-");
    return out;
}

static const char *bytes_text(int64_t n, char *out)
{
    static const char units[] = "BKMGTPE";
    double v = (double)n;
    size_t u = 0;

    for (; v >= 1024 && u < sizeof(units) - 2; u++)
        v /= 1024;
    if (u == 0)
        snprintf(out, FIELD_TEXT, "%" PRId64 "B", n);
    else
        snprintf(out, FIELD_TEXT, v < 10 ? "%.1f%c" : "%.0f%c", v, units[u]);
    return out;
}

static const char *duration_text(int64_t ms, char *out)
{
    int64_t s = ms / 1000;

    if (ms < 1000)
        snprintf(out, FIELD_TEXT, "%" PRId64 "ms", ms);
    else if (s < 60)
        snprintf(out, FIELD_TEXT, "%.1fs", (double)ms / 1000);
    else if (s < 3600)
        snprintf(out, FIELD_TEXT, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, FIELD_TEXT, "%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
    else
        snprintf(out, FIELD_TEXT, "%" PRId64 "d%02" PRId64 "h", s / 86400, s / 3600 % 24);
    return out;
}

static const char *time_text(int64_t wall_ms, char *out)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;
    size_t n;

    if (wall_ms < 0 || !localtime_r(&seconds, &parts))
        return none(out);
    n = strftime(out, FIELD_TEXT, "%H:%M:%S", &parts);
    snprintf(out + n, FIELD_TEXT - n, ".%03d", (int)(wall_ms % 1000));
    return out;
}

static const char *date_text(int64_t wall_ms, char *out)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;

    if (wall_ms <= 0 || !localtime_r(&seconds, &parts))
        return none(out);
    strftime(out, FIELD_TEXT, "%Y-%m-%d %H:%M:%S", &parts);
    return out;
}

static const char *words_text(const struct aiex_value *list, char *out)
{
    struct aiex_slice at = list->bytes;
    struct aiex_value word;
    size_t n = 0;

    out[0] = 0;
    for (uint32_t i = 0; i < list->count && n < FIELD_TEXT - 1; i++) {
        if (aiex_r_value(&at, &word) != 0 || word.type != AIEX_T_STR)
            return none(out);
        n += (size_t)snprintf(out + n, FIELD_TEXT - n, "%s%.*s", i ? ", " : "", (int)word.bytes.len,
                              (const char *)word.bytes.data);
    }
    return *out ? out : none(out);
}

static const char *json_text(struct aiex_slice value, char *out)
{
    FILE *f = fmemopen(out, FIELD_TEXT, "w");

    if (!f)
        return none(out);
    if (json_out(f, value, JSON_LINE) != 0)
        fputc('-', f);
    fclose(f);
    out[FIELD_TEXT - 1] = 0;
    return out;
}

static const char *plain_text(struct aiex_slice value, const struct aiex_value *v, char *out)
{
    if (v->type == AIEX_T_STR)
        snprintf(out, FIELD_TEXT, "%.*s",
                 (int)(v->bytes.len < FIELD_TEXT ? v->bytes.len : FIELD_TEXT),
                 (const char *)v->bytes.data);
    else if (v->type == AIEX_T_BOOL)
        strcpy(out, v->i ? "yes" : "no");
    else if (v->type == AIEX_T_NIL)
        return none(out);
    else
        return json_text(value, out);
    return out;
}

const char *field_value_text(struct aiex_slice value, enum field_form form, char *out)
{
    struct aiex_slice at = value;
    struct aiex_value v;

    if (aiex_r_value(&at, &v) != 0)
        return none(out);
    if (form == FIELD_PLAIN)
        return plain_text(value, &v, out);
    if (form == FIELD_WORDS)
        return v.type == AIEX_T_ARRAY ? words_text(&v, out) : none(out);
    if (v.type != AIEX_T_INT || v.i < 0)
        return none(out);
    if (form == FIELD_BYTES)
        return bytes_text(v.i, out);
    if (form == FIELD_DATE)
        return date_text(v.i, out);
    return form == FIELD_DURATION ? duration_text(v.i, out) : time_text(v.i, out);
}

const char *field_text(struct aiex_slice map, const char *key, enum field_form form, char *out)
{
    struct aiex_slice value;

    if (aiex_get_whole(map, key, &value) != 1)
        return none(out);
    return field_value_text(value, form, out);
}

static struct aiex_slice next_whole(struct aiex_slice *at)
{
    struct aiex_slice whole = *at;

    if (aiex_r_skip(at) != 0)
        at->len = 0;
    whole.len -= at->len;
    return whole;
}

int field_each(struct aiex_slice map, field_fn fn, void *arg)
{
    struct aiex_value head, k;
    int result = 0;

    if (map.len == 0 || !aiex_is_map(map) || aiex_r_value(&map, &head) != 0)
        return 0;
    for (uint32_t i = 0; i < head.count && !result; i++) {
        struct aiex_slice key = next_whole(&map), value = next_whole(&map);
        char name[128];

        if (aiex_r_value(&key, &k) != 0 || k.type != AIEX_T_STR)
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)(k.bytes.len < 127 ? k.bytes.len : 127),
                 (const char *)k.bytes.data);
        result = fn(arg, name, value);
    }
    return result;
}

int field_each_item(struct aiex_slice map, const char *key, field_item_fn fn, void *arg)
{
    struct aiex_slice whole;
    struct aiex_value head;
    int result = 0;

    if (aiex_get_whole(map, key, &whole) != 1 || aiex_r_value(&whole, &head) != 0 ||
        head.type != AIEX_T_ARRAY)
        return 0;
    for (uint32_t i = 0; i < head.count && !result; i++)
        result = fn(arg, next_whole(&whole));
    return result;
}
