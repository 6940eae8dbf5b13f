/*
 * schema_check.c - applies a schema to an instance, keyword by keyword as they stand.
 *
 * The recursion is over schemas, so its depth is bounded by a count (references may go in circles)
 * and its cost by work: every object that is walked is paid for by its length.
 */
#include "schema_apply.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int schema_misfit(struct check *c, const struct place *place, const char *format, ...)
{
    va_list args;

    if (!c->fault)
        return 0;
    va_start(args, format);
    vsnprintf(c->fault->text, sizeof(c->fault->text), format, args);
    va_end(args);
    schema_place_write(place, c->fault->pointer);
    return 0;
}

struct shown schema_show(span *v)
{
    struct shown s;
    int n = v->len > 60 ? 56 : (int)v->len;

    while (n && (size_t)n < v->len && ((unsigned char)v->data[n] & 0xc0) == 0x80)
        n--;
    snprintf(s.text, sizeof(s.text), "%.*s%s", n, v->data, (size_t)n < v->len ? "..." : "");
    for (char *p = s.text; *p; p++)
        if (*p == '\n' || *p == '\r' || *p == '\t')
            *p = ' ';
    return s;
}

/* ---- Any value ---- */

static int is_type(span *name, span *value)
{
    static const char *const names[] = {
        [AIEX_JSON_NULL] = "null",     [AIEX_JSON_FALSE] = "boolean", [AIEX_JSON_TRUE] = "boolean",
        [AIEX_JSON_NUMBER] = "number", [AIEX_JSON_STRING] = "string", [AIEX_JSON_ARRAY] = "array",
        [AIEX_JSON_OBJECT] = "object"};
    struct number n;

    if (aiex_json_is(name, names[value->type]))
        return 1;
    if (value->type != AIEX_JSON_NUMBER || !aiex_json_is(name, "integer"))
        return 0;
    schema_number_read(value, &n);
    return schema_number_whole(&n);
}

static int check_type(struct check *c, const struct pair *p)
{
    struct aiex_json_span name;
    size_t at = 0;

    if (p->rule->type == AIEX_JSON_STRING) {
        if (is_type(p->rule, p->value))
            return 1;
    } else {
        while (aiex_json_next(p->rule, &at, NULL, &name))
            if (is_type(&name, p->value))
                return 1;
    }
    return schema_misfit(c, p->place, "expected type %s, found %s", schema_show(p->rule).text,
                         schema_show(p->value).text);
}

static int check_enum(struct check *c, const struct pair *p)
{
    struct aiex_json_span one;
    size_t at = 0;

    while (aiex_json_next(p->rule, &at, NULL, &one))
        if (schema_value_equal(&one, p->value, &c->work))
            return 1;
    return schema_misfit(c, p->place, "expected one of %s, found %s", schema_show(p->rule).text,
                         schema_show(p->value).text);
}

static int check_const(struct check *c, const struct pair *p)
{
    return schema_value_equal(p->rule, p->value, &c->work) ||
           schema_misfit(c, p->place, "expected %s, found %s", schema_show(p->rule).text,
                         schema_show(p->value).text);
}

/* ---- Numbers and strings ---- */

static int check_bound(struct check *c, const struct pair *p, enum keyword key)
{
    static const char *const words[] = {[K_MINIMUM] = "at least",
                                        [K_MAXIMUM] = "at most",
                                        [K_ABOVE] = "more than",
                                        [K_BELOW] = "less than"};
    struct number bound, n;
    int r;

    if (p->value->type != AIEX_JSON_NUMBER)
        return 1;
    schema_number_read(p->rule, &bound);
    schema_number_read(p->value, &n);
    r = schema_number_compare(&n, &bound);
    if (key == K_MINIMUM ? r >= 0 : key == K_MAXIMUM ? r <= 0 : key == K_ABOVE ? r > 0 : r < 0)
        return 1;
    return schema_misfit(c, p->place, "expected %s %s, found %s", words[key],
                         schema_show(p->rule).text, schema_show(p->value).text);
}

static int check_multiple(struct check *c, const struct pair *p)
{
    struct number of, n;

    if (p->value->type != AIEX_JSON_NUMBER)
        return 1;
    schema_number_read(p->rule, &of);
    schema_number_read(p->value, &n);
    return schema_number_multiple(&n, &of) ||
           schema_misfit(c, p->place, "expected a multiple of %s, found %s",
                         schema_show(p->rule).text, schema_show(p->value).text);
}

/* min and max of characters, items and properties. */
static int check_count(struct check *c, const struct pair *p, int type, size_t n, int least,
                       const char *what)
{
    struct aiex_json_span count;
    struct number bound, have;
    char text[24];
    int r;

    if (p->value->type != type)
        return 1;
    count = (struct aiex_json_span){AIEX_JSON_NUMBER, text,
                                    (size_t)snprintf(text, sizeof(text), "%zu", n)};
    schema_number_read(p->rule, &bound);
    schema_number_read(&count, &have);
    r = schema_number_compare(&have, &bound);
    if (least ? r >= 0 : r <= 0)
        return 1;
    return schema_misfit(c, p->place, "expected at %s %s %s, found %zu", least ? "least" : "most",
                         schema_show(p->rule).text, what, n);
}

static int check_pattern(struct check *c, const struct pair *p)
{
    int r;

    if (p->value->type != AIEX_JSON_STRING)
        return 1;
    r = schema_pattern_check(p->rule, p->value, &c->work);
    return r != 0 || schema_misfit(c, p->place, "expected a match of the pattern %s, found %s",
                                   schema_show(p->rule).text, schema_show(p->value).text);
}

int schema_fits(struct check *c, span *schema, span *value, const struct place *place)
{
    struct aiex_schema_fault *fault = c->fault;
    int r;

    c->fault = NULL;
    r = schema_apply(c, schema, value, place);
    c->fault = fault;
    return r;
}

/* ---- Alternatives ---- */

static int check_all(struct check *c, const struct pair *p)
{
    struct aiex_json_span schema;
    size_t at = 0;

    while (aiex_json_next(p->rule, &at, NULL, &schema))
        if (!schema_apply(c, &schema, p->value, p->place))
            return 0;
    return 1;
}

/* anyOf and oneOf. When none fits, the alternative that came furthest says why. */
static int check_some(struct check *c, const struct pair *p, int only_one)
{
    struct aiex_schema_fault *fault = c->fault, best = {"", ""}, one;
    struct aiex_json_span schema;
    size_t at = 0, n = 0, fitting = 0;

    for (; aiex_json_next(p->rule, &at, NULL, &schema) && !c->work.error; n++) {
        c->fault = fault ? &one : NULL;
        one.text[0] = one.pointer[0] = 0;
        if (schema_apply(c, &schema, p->value, p->place))
            fitting++;
        else if (!best.text[0] || strlen(one.pointer) > strlen(best.pointer))
            best = one;
        if (fitting > (size_t)only_one)
            break;
    }
    c->fault = fault;
    if (fitting == 1 || (fitting && !only_one))
        return 1;
    if (fitting)
        return schema_misfit(c, p->place, "fits more than one of the %zu alternatives of oneOf",
                             schema_value_count(p->rule));
    schema_misfit(c, p->place, "fits none of the %zu alternatives; the nearest: %.180s", n,
                  best.text);
    if (fault && best.pointer[0])
        memcpy(fault->pointer, best.pointer, sizeof(best.pointer));
    return 0;
}

static int check_not(struct check *c, const struct pair *p)
{
    return !schema_fits(c, p->rule, p->value, p->place) ||
           schema_misfit(c, p->place, "expected what does not fit %s, found %s",
                         schema_show(p->rule).text, schema_show(p->value).text);
}

static int check_reference(struct check *c, const struct pair *p)
{
    struct aiex_json_span target;

    if (!schema_work_take(&c->work, 64) ||
        !schema_reference_find(&c->schema->root, p->rule, &target))
        return schema_misfit(c, p->place, "the schema has nothing at %s",
                             schema_show(p->rule).text);
    return schema_apply(c, &target, p->value, p->place);
}

static int check_keyword(struct check *c, enum keyword key, const struct pair *p)
{
    switch (key) {
    case K_REF:
        return check_reference(c, p);
    case K_TYPE:
        return check_type(c, p);
    case K_ENUM:
        return check_enum(c, p);
    case K_CONST:
        return check_const(c, p);
    case K_PROPERTIES:
    case K_PATTERN_PROPERTIES:
        return schema_check_properties(c, p, key == K_PATTERN_PROPERTIES);
    case K_ADDITIONAL:
        return schema_check_additional(c, p);
    case K_PROPERTY_NAMES:
        return schema_check_names(c, p);
    case K_REQUIRED:
        return schema_check_required(c, p);
    case K_MIN_PROPERTIES:
    case K_MAX_PROPERTIES:
        return check_count(c, p, AIEX_JSON_OBJECT, schema_value_count(p->value),
                           key == K_MIN_PROPERTIES, "properties");
    case K_ITEMS:
    case K_PREFIX_ITEMS:
        return schema_check_items(c, p, key == K_PREFIX_ITEMS);
    case K_MIN_ITEMS:
    case K_MAX_ITEMS:
        return check_count(c, p, AIEX_JSON_ARRAY, schema_value_count(p->value), key == K_MIN_ITEMS,
                           "items");
    case K_UNIQUE:
        return schema_check_unique(c, p);
    case K_CONTAINS:
        return schema_check_contains(c, p);
    case K_MIN_LENGTH:
    case K_MAX_LENGTH:
        return check_count(c, p, AIEX_JSON_STRING,
                           p->value->type == AIEX_JSON_STRING ? schema_string_length(p->value) : 0,
                           key == K_MIN_LENGTH, "characters");
    case K_PATTERN:
        return check_pattern(c, p);
    case K_MINIMUM:
    case K_MAXIMUM:
    case K_ABOVE:
    case K_BELOW:
        return check_bound(c, p, key);
    case K_MULTIPLE:
        return check_multiple(c, p);
    case K_ANY_OF:
    case K_ONE_OF:
        return check_some(c, p, key == K_ONE_OF);
    case K_ALL_OF:
        return check_all(c, p);
    case K_NOT:
        return check_not(c, p);
    default:
        return 1;
    }
}

int schema_apply(struct check *c, span *schema, span *value, const struct place *place)
{
    struct aiex_json_span name, rule;
    size_t at = 0;
    int good = 1;

    if (schema->type == AIEX_JSON_TRUE)
        return 1;
    if (schema->type == AIEX_JSON_FALSE)
        return schema_misfit(c, place, "nothing is allowed here, found %s",
                             schema_show(value).text);
    if (c->depth == AIEX_SCHEMA_DEPTH)
        c->work.error = -E2BIG;
    if (!schema_work_take(&c->work, schema->len + value->len / 8 + 16))
        return 0;
    c->depth++;
    while (good && aiex_json_next(schema, &at, &name, &rule)) {
        const struct keyword_row *k = schema_keyword_of(&name);

        if (k)
            good = check_keyword(c, k->key, &(struct pair){schema, &rule, value, place});
        good = good && !c->work.error;
    }
    c->depth--;
    return good;
}

int aiex_schema_check(const struct aiex_schema *schema, struct aiex_slice json,
                      struct aiex_schema_fault *fault)
{
    struct aiex_schema_fault own;
    struct check c = {
        .schema = schema, .fault = fault ? fault : &own, .work = {AIEX_SCHEMA_WORK, 0}};
    struct aiex_json_fault broken;
    struct aiex_json_span value;
    size_t line, column;
    int type = aiex_json_scan(json, 0, NULL, 0, &broken);

    memset(c.fault, 0, sizeof(*c.fault));
    if (type < 0) {
        aiex_json_where(json, broken.offset, &line, &column);
        schema_misfit(&c, NULL, "is no JSON: line %zu, column %zu: %s", line, column,
                      broken.reason);
        return type == -E2BIG ? type : -EINVAL;
    }
    while (strchr(" \t\r\n", *json.data)) {
        json.data++;
        json.len--;
    }
    value = (struct aiex_json_span){type, (const char *)json.data, json.len};
    if (schema_apply(&c, &schema->root, &value, NULL))
        return 0;
    if (!c.work.error)
        return -EINVAL;
    schema_misfit(&c, NULL,
                  c.work.error == -ENOMEM ? "no memory to check this"
                                          : "is too deep or too large to be checked");
    return c.work.error;
}
