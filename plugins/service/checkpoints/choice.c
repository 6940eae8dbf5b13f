/*
 * choice.c - which streams and tables are meant.
 *
 *     all           everything                     sessions     streams session/..., table session
 *     contexts      tables context_*               stream:NAME  streams that begin so
 *     templates     stream templates               limits       stream gateway/limits
 *     keys          stream gateway/keys
 *     table:NAME    that table, or all that begin so when it ends in *
 */
#include "checkpoints.h"

#include <stdio.h>

static const struct {
    const char *part, *stream;
} single[] = {{"templates", "templates"}, {"limits", "gateway/limits"}, {"keys", "gateway/keys"}};

/* The one stream that a part is, or NULL. */
static const char *single_stream(const char *part)
{
    for (size_t i = 0; i < sizeof(single) / sizeof(*single); i++)
        if (strcmp(part, single[i].part) == 0)
            return single[i].stream;
    return NULL;
}

static int begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

int part_check(const char *part, struct aiex_error *err)
{
    if (strcmp(part, "all") == 0 || strcmp(part, "sessions") == 0 ||
        strcmp(part, "contexts") == 0 || single_stream(part))
        return 0;
    if (begins(part, "stream:") && part[7])
        return 0;
    if (begins(part, "table:") && part[6] && strlen(part + 6) <= MAX_TABLE + 1)
        return 0;
    return aiex_failed(err, -22,
                       "part '%s' is none of all, sessions, contexts, templates, limits, keys, "
                       "stream:BEGIN, table:NAME",
                       part);
}

static int slice_begins(struct aiex_slice s, const char *with)
{
    size_t n = strlen(with);

    return s.len >= n && memcmp(s.data, with, n) == 0;
}

static int name_fits(const char *name, const char *wanted)
{
    size_t n = strlen(wanted);

    if (n && wanted[n - 1] == '*')
        return strncmp(name, wanted, n - 1) == 0;
    return strcmp(name, wanted) == 0;
}

static int part_has_stream(const char *part, struct aiex_slice stream)
{
    if (strcmp(part, "all") == 0)
        return 1;
    if (strcmp(part, "sessions") == 0)
        return slice_begins(stream, SESSIONS);
    if (single_stream(part))
        return aiex_slice_is(stream, single_stream(part));
    return begins(part, "stream:") && slice_begins(stream, part + 7);
}

static int part_has_table(const char *part, const char *table)
{
    if (strcmp(part, "all") == 0)
        return 1;
    if (strcmp(part, "sessions") == 0)
        return strcmp(table, SESSION_TABLE) == 0;
    if (strcmp(part, "contexts") == 0)
        return begins(table, "context_");
    return begins(part, "table:") && name_fits(table, part + 6);
}

int is_derived_table(const char *table)
{
    return strcmp(table, "session_owner") == 0 || strcmp(table, "snapshots") == 0 ||
           strcmp(table, "projections") == 0 || begins(table, "projection.");
}

int choice_names_stream(const struct choice *c, struct aiex_slice stream)
{
    for (uint32_t i = 0; i < c->n; i++)
        if (begins(c->parts[i], "stream:") && part_has_stream(c->parts[i], stream))
            return 1;
    return 0;
}

int choice_has_stream(const struct choice *c, struct aiex_slice stream)
{
    if (slice_begins(stream, OWN_PREFIX))
        return 0;
    for (uint32_t i = 0; i < c->n; i++)
        if (part_has_stream(c->parts[i], stream))
            return 1;
    return c->n == 0;
}

int choice_has_table(const struct choice *c, const char *table)
{
    if (is_derived_table(table))
        return 0;
    for (uint32_t i = 0; i < c->n; i++)
        if (part_has_table(c->parts[i], table))
            return 1;
    return c->n == 0;
}

int choice_has_tables(const struct choice *c)
{
    for (uint32_t i = 0; i < c->n; i++)
        if (!begins(c->parts[i], "stream:") && !single_stream(c->parts[i]))
            return 1;
    return c->n == 0;
}

static int take_part(struct job *j, struct aiex_slice text, char out[MAX_PART + 1])
{
    struct aiex_error err = {""};

    if (!text.len || text.len > MAX_PART || memchr(text.data, 0, text.len))
        return job_fail(j, AIEX_E_INVALID, "a part has 1 to %u bytes", MAX_PART);
    memcpy(out, text.data, text.len);
    out[text.len] = 0;
    if (part_check(out, &err) < 0)
        return job_fail(j, AIEX_E_INVALID, "%.400s", err.text);
    return 0;
}

int choice_read(struct job *j, char (*parts)[MAX_PART + 1], uint32_t *ret_n)
{
    struct aiex_value v, item;
    int r = aiex_get(j->body, "parts", &v);

    *ret_n = 0;
    if (r == 0 || (r == 1 && v.type == AIEX_T_NIL))
        return 0;
    if (r != 1 || v.type != AIEX_T_ARRAY || v.count > MAX_PARTS)
        return job_fail(j, AIEX_E_INVALID, "field 'parts' must be an array of at most %u texts",
                        MAX_PARTS);
    for (uint32_t i = 0; i < v.count; i++) {
        if (aiex_r_value(&v.bytes, &item) != 0 || item.type != AIEX_T_STR)
            return job_fail(j, AIEX_E_INVALID, "field 'parts' must be an array of texts");
        r = take_part(j, item.bytes, parts[*ret_n]);
        if (r < 0)
            return r;
        if (strcmp(parts[*ret_n], "all") == 0) {
            *ret_n = 0;
            return 0;
        }
        ++*ret_n;
    }
    return 0;
}

void stream_part(struct aiex_slice stream, char out[MAX_PART + 1])
{
    size_t n = 0;

    while (n < stream.len && stream.data[n] != '/' && stream.data[n] != '-')
        n++;
    n += n < stream.len;
    snprintf(out, MAX_PART + 1, "stream:%.*s", (int)n, (const char *)stream.data);
    if (strcmp(out, "stream:" SESSIONS) == 0)
        strcpy(out, "sessions");
}
