/*
 * zone.c - a TZif file has a table of changes and a rule for the time after them. Both
 * become one question here: the offset at a time, and when it changes next.
 */
#include "schedule/zone.h"
#include "schedule/tzrule.h"
#include "base/auto.h"

#include <string.h>

#define ZONE_FOLDER    "/usr/share/zoneinfo"
#define ZONE_LOCAL     "/etc/localtime"
#define ZONE_MAX_BYTES (256u * 1024u)
#define HEADER_BYTES   44u

struct zone {
    struct tzrule rule;
    int has_rule;
    int32_t first; /* offset before the first change */
    uint32_t n;
    int64_t *at;      /* n changes, ascending */
    int32_t *offsets; /* from each on */
};

/* The counts of a TZif header. */
struct counts {
    uint32_t isut, isstd, leap, time, type, chars;
};

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be_time(const uint8_t *p, unsigned size)
{
    if (size == 4)
        return (int32_t)be32(p);
    return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

static int read_header(const uint8_t *p, size_t len, struct counts *c)
{
    if (len < HEADER_BYTES || memcmp(p, "TZif", 4) != 0)
        return -EINVAL;
    *c = (struct counts){be32(p + 20), be32(p + 24), be32(p + 28),
                         be32(p + 32), be32(p + 36), be32(p + 40)};
    if (c->isut > 65536 || c->isstd > 65536 || c->leap > 65536 || c->time > 65536 ||
        c->type > 256 || c->type == 0 || c->chars > 65536)
        return -EINVAL;
    return 0;
}

static size_t body_bytes(const struct counts *c, unsigned time_size)
{
    return (size_t)c->time * time_size + c->time + (size_t)c->type * 6 + c->chars +
           (size_t)c->leap * (time_size + 4) + c->isstd + c->isut;
}

static int read_changes(struct zone *z, const uint8_t *p, const struct counts *c,
                        unsigned time_size)
{
    const uint8_t *index = p + (size_t)c->time * time_size;
    const uint8_t *types = index + c->time;

    z->at = calloc(c->time + 1u, sizeof z->at[0]);
    z->offsets = calloc(c->time + 1u, sizeof z->offsets[0]);
    if (!z->at || !z->offsets)
        return -ENOMEM;
    z->first = (int32_t)be32(types);
    for (uint32_t i = 0; i < c->time; i++) {
        z->at[i] = be_time(p + (size_t)i * time_size, time_size);
        if (index[i] >= c->type || (i > 0 && z->at[i] <= z->at[i - 1]))
            return -EINVAL;
        z->offsets[i] = (int32_t)be32(types + (size_t)index[i] * 6);
        if (z->offsets[i] < -93600 || z->offsets[i] > 93600) /* RFC 8536 3.2: about a day */
            return -EINVAL;
    }
    z->n = c->time;
    return z->first < -93600 || z->first > 93600 ? -EINVAL : 0;
}

/* "\n" rule "\n"; an empty rule means that nothing is known beyond the table. */
static int read_footer(struct zone *z, const uint8_t *p, size_t len)
{
    const uint8_t *end;

    if (len < 2 || p[0] != '\n')
        return -EINVAL;
    end = memchr(p + 1, '\n', len - 1);
    if (!end)
        return -EINVAL;
    if (end == p + 1)
        return 0;
    z->has_rule = 1;
    return tzrule_parse((const char *)p + 1, (size_t)(end - p - 1), &z->rule);
}

static int parse_into(struct zone *z, const uint8_t *p, size_t len)
{
    struct counts c;
    unsigned time_size = 4;
    size_t body;

    if (read_header(p, len, &c) < 0)
        return -EINVAL;
    body = body_bytes(&c, 4);
    if (body > len - HEADER_BYTES)
        return -EINVAL;
    if (p[4] >= '2') { /* the same again with 8-byte times */
        p += HEADER_BYTES + body;
        len -= HEADER_BYTES + body;
        time_size = 8;
        if (read_header(p, len, &c) < 0)
            return -EINVAL;
        body = body_bytes(&c, 8);
        if (body > len - HEADER_BYTES)
            return -EINVAL;
    }
    p += HEADER_BYTES;
    len -= HEADER_BYTES;
    if (time_size == 8 && read_footer(z, p + body, len - body) < 0)
        return -EINVAL;
    return read_changes(z, p, &c, time_size);
}

int zone_parse(const uint8_t *bytes, size_t len, struct zone **ret_zone, struct aiex_error *err)
{
    struct zone *z = calloc(1, sizeof *z);
    int r;

    if (!z)
        return -ENOMEM;
    r = parse_into(z, bytes, len);
    if (r < 0) {
        zone_free(z);
        return fail(err, r, "time zone file of %zu bytes is damaged; reinstall tzdata", len);
    }
    *ret_zone = z;
    return 0;
}

void zone_free(struct zone *z)
{
    if (!z)
        return;
    free(z->at);
    free(z->offsets);
    free(z);
}

/* Letters, digits, + - _ and single slashes inside: never a path that leaves the folder. */
static int name_ok(const char *name)
{
    size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-_/");

    return n > 0 && n < 64 && name[n] == 0 && name[0] != '/' && !strstr(name, "//") &&
           name[n - 1] != '/';
}

static int read_zone(const char *path, const char *name, struct zone **ret_zone,
                     struct aiex_error *err)
{
    auto_fclose FILE *f = fopen(path, "re");
    auto_free uint8_t *bytes = malloc(ZONE_MAX_BYTES);
    size_t len;

    if (!f)
        return fail(err, -ENOENT,
                    "time zone '%s' is not in " ZONE_FOLDER
                    "; use a name like Europe/Prague, or install tzdata",
                    name);
    if (!bytes)
        return -ENOMEM;
    len = fread(bytes, 1, ZONE_MAX_BYTES, f);
    return zone_parse(bytes, len, ret_zone, err);
}

static int make_utc(struct zone **ret_zone)
{
    *ret_zone = calloc(1, sizeof **ret_zone);
    return *ret_zone ? 0 : -ENOMEM;
}

int zone_open(const char *name, struct zone **ret_zone, struct aiex_error *err)
{
    char path[128];

    if (name[0] == 0 || strcmp(name, "UTC") == 0)
        return make_utc(ret_zone);
    if (strcmp(name, "local") == 0)
        return access(ZONE_LOCAL, F_OK) == 0 ? read_zone(ZONE_LOCAL, name, ret_zone, err)
                                             : make_utc(ret_zone);
    if (!name_ok(name))
        return fail(err, -EINVAL, "time zone '%.80s' is not a name like Europe/Prague", name);
    snprintf(path, sizeof path, ZONE_FOLDER "/%s", name);
    return read_zone(path, name, ret_zone, err);
}

/* Number of changes at or before a time. */
static uint32_t changes_until(const struct zone *z, int64_t utc_s)
{
    uint32_t low = 0, high = z->n;

    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (z->at[mid] <= utc_s)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

int32_t zone_offset(const struct zone *z, int64_t utc_s)
{
    uint32_t n;

    if (!z)
        return 0;
    n = changes_until(z, utc_s);
    if (n == z->n && z->has_rule)
        return tzrule_offset(&z->rule, utc_s);
    return n ? z->offsets[n - 1] : z->first;
}

int64_t zone_next_change(const struct zone *z, int64_t utc_s)
{
    uint32_t n;

    if (!z)
        return INT64_MAX;
    n = changes_until(z, utc_s);
    if (n < z->n)
        return z->at[n];
    return z->has_rule ? tzrule_next(&z->rule, utc_s) : INT64_MAX;
}

int64_t zone_utc(const struct zone *z, int64_t local_s)
{
    int64_t from = local_s - 2 * 86400; /* no offset is that large */

    for (;;) {
        int64_t to = zone_next_change(z, from);
        int64_t utc = local_s - zone_offset(z, from);
        if (utc < from)
            return from; /* the gap before this stretch swallowed it */
        if (utc < to)
            return utc;
        from = to;
    }
}
