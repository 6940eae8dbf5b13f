/*
 * schema_read.c - takes a schema: one table of keywords says what each one's value must be.
 *
 * Only what a reference reaches and what stands below the known keywords is looked at, which is
 * all that schema_check.c will ever read.
 */
#include "schema.h"
#include "pattern.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct keyword_row keywords[] = {
    {"$ref", K_REF, KEY_REF},
    {"type", K_TYPE, KEY_TYPE},
    {"enum", K_ENUM, KEY_ARRAY},
    {"const", K_CONST, KEY_ANY},
    {"properties", K_PROPERTIES, KEY_SCHEMA_MAP},
    {"patternProperties", K_PATTERN_PROPERTIES, KEY_SCHEMA_MAP},
    {"additionalProperties", K_ADDITIONAL, KEY_SCHEMA},
    {"propertyNames", K_PROPERTY_NAMES, KEY_SCHEMA},
    {"required", K_REQUIRED, KEY_NAMES},
    {"minProperties", K_MIN_PROPERTIES, KEY_COUNT},
    {"maxProperties", K_MAX_PROPERTIES, KEY_COUNT},
    {"items", K_ITEMS, KEY_SCHEMA},
    {"prefixItems", K_PREFIX_ITEMS, KEY_SCHEMAS},
    {"minItems", K_MIN_ITEMS, KEY_COUNT},
    {"maxItems", K_MAX_ITEMS, KEY_COUNT},
    {"uniqueItems", K_UNIQUE, KEY_BOOL},
    {"contains", K_CONTAINS, KEY_SCHEMA},
    {"minLength", K_MIN_LENGTH, KEY_COUNT},
    {"maxLength", K_MAX_LENGTH, KEY_COUNT},
    {"pattern", K_PATTERN, KEY_PATTERN},
    {"minimum", K_MINIMUM, KEY_NUMBER},
    {"maximum", K_MAXIMUM, KEY_NUMBER},
    {"exclusiveMinimum", K_ABOVE, KEY_NUMBER},
    {"exclusiveMaximum", K_BELOW, KEY_NUMBER},
    {"multipleOf", K_MULTIPLE, KEY_ABOVE_ZERO},
    {"anyOf", K_ANY_OF, KEY_SCHEMAS},
    {"oneOf", K_ONE_OF, KEY_SCHEMAS},
    {"allOf", K_ALL_OF, KEY_SCHEMAS},
    {"not", K_NOT, KEY_SCHEMA},
    {"$defs", K_DEFS, KEY_SCHEMA_MAP},
    {"definitions", K_DEFINITIONS, KEY_SCHEMA_MAP},
    {"if", K_OTHER, KEY_UNCHECKED},
    {"dependentSchemas", K_OTHER, KEY_UNCHECKED},
    {"dependentRequired", K_OTHER, KEY_UNCHECKED},
    {"dependencies", K_OTHER, KEY_UNCHECKED},
    {"minContains", K_OTHER, KEY_UNCHECKED},
    {"maxContains", K_OTHER, KEY_UNCHECKED},
    {"unevaluatedItems", K_OTHER, KEY_UNCHECKED},
    {"unevaluatedProperties", K_OTHER, KEY_UNCHECKED},
    {"additionalItems", K_OTHER, KEY_UNCHECKED},
    {"$dynamicRef", K_OTHER, KEY_UNCHECKED},
};

const struct keyword_row *schema_keyword_of(const struct aiex_json_span *name)
{
    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
        if (aiex_json_is(name, keywords[i].name))
            return &keywords[i];
    return NULL;
}

struct reading {
    struct aiex_schema *schema;
    struct aiex_schema_fault *fault;
    struct work work;
};

static int read_schema(struct reading *r, const struct aiex_json_span *s, const struct place *p,
                       unsigned depth);

__attribute__((format(printf, 3, 4))) static int wrong(struct reading *r, const struct place *p,
                                                       const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(r->fault->text, sizeof(r->fault->text), format, args);
    va_end(args);
    schema_place_write(p, r->fault->pointer);
    return -EINVAL;
}

static void not_checked(struct reading *r, const struct place *p)
{
    char *out = r->schema->unchecked, pointer[256];
    size_t n = strlen(out), size = sizeof(r->schema->unchecked);

    schema_place_write(p, pointer);
    if (n + strlen(pointer) + 3 < size)
        snprintf(out + n, size - n, "%s%s", n ? ", " : "", pointer);
    else if (n + 6 < size)
        strcpy(out + n, ", ...");
}

static int is_type_name(const struct aiex_json_span *s)
{
    static const char *const names[] = {"null",   "boolean", "object", "array",
                                        "number", "string",  "integer"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (aiex_json_is(s, names[i]))
            return 1;
    return 0;
}

static int all_are(const struct aiex_json_span *array, int (*is)(const struct aiex_json_span *))
{
    struct aiex_json_span value;
    size_t at = 0;

    if (array->type != AIEX_JSON_ARRAY)
        return 0;
    while (aiex_json_next(array, &at, NULL, &value))
        if (!is(&value))
            return 0;
    return 1;
}

static int is_string(const struct aiex_json_span *s)
{
    return s->type == AIEX_JSON_STRING;
}

static int is_number(const struct aiex_json_span *s, enum keyword_kind kind)
{
    struct number n;

    if (s->type != AIEX_JSON_NUMBER)
        return 0;
    schema_number_read(s, &n);
    if (kind == KEY_COUNT)
        return schema_number_whole(&n) && !n.negative;
    return kind == KEY_NUMBER || (n.digits && !n.negative);
}

static int read_pattern(struct reading *r, const struct aiex_json_span *v, const struct place *p)
{
    int error = v->type == AIEX_JSON_STRING ? schema_pattern_check(v, NULL, &r->work) : -EINVAL;

    if (error == -ENOTSUP)
        not_checked(r, p);
    else if (error)
        return wrong(r, p, "is no regular expression");
    return 0;
}

static int read_each(struct reading *r, const struct aiex_json_span *v, const struct place *p,
                     unsigned depth, int patterns)
{
    struct aiex_json_span key, value;
    size_t at = 0;
    int error = 0;

    for (size_t i = 0; error == 0 && aiex_json_next(v, &at, &key, &value); i++) {
        struct place here = {p, v->type == AIEX_JSON_OBJECT ? &key : NULL, i};

        if (patterns)
            error = read_pattern(r, &key, &here);
        if (error == 0)
            error = read_schema(r, &value, &here, depth + 1);
    }
    return error;
}

static int read_reference(struct reading *r, const struct aiex_json_span *v, const struct place *p)
{
    struct aiex_json_span target;
    char text[160];

    if (v->type != AIEX_JSON_STRING || !schema_reference_find(&r->schema->root, v, &target)) {
        if (aiex_json_text(v, text, sizeof(text)) < 0)
            strcpy(text, "?");
        return wrong(r, p, "nothing stands at '%s' (references must be '#' or '#/...')", text);
    }
    if (target.type != AIEX_JSON_OBJECT && target.type != AIEX_JSON_TRUE &&
        target.type != AIEX_JSON_FALSE)
        return wrong(r, p, "refers to what is no schema");
    return 0;
}

static int read_keyword(struct reading *r, const struct keyword_row *k,
                        const struct aiex_json_span *v, const struct place *p, unsigned depth)
{
    switch (k->kind) {
    case KEY_TYPE:
        return is_type_name(v) || all_are(v, is_type_name)
                   ? 0
                   : wrong(r, p,
                           "expected null, boolean, object, array, number, string, integer "
                           "or an array of them");
    case KEY_ARRAY:
        return v->type == AIEX_JSON_ARRAY ? 0 : wrong(r, p, "expected an array");
    case KEY_NAMES:
        return all_are(v, is_string) ? 0 : wrong(r, p, "expected an array of strings");
    case KEY_COUNT:
        return is_number(v, k->kind) ? 0 : wrong(r, p, "expected a whole number from 0 on");
    case KEY_NUMBER:
        return is_number(v, k->kind) ? 0 : wrong(r, p, "expected a number");
    case KEY_ABOVE_ZERO:
        return is_number(v, k->kind) ? 0 : wrong(r, p, "expected a number above 0");
    case KEY_BOOL:
        return v->type == AIEX_JSON_TRUE || v->type == AIEX_JSON_FALSE
                   ? 0
                   : wrong(r, p, "expected true or false");
    case KEY_STRING:
        return is_string(v) ? 0 : wrong(r, p, "expected a string");
    case KEY_PATTERN:
        return read_pattern(r, v, p);
    case KEY_SCHEMA:
        return read_schema(r, v, p, depth + 1);
    case KEY_SCHEMAS:
        if (v->type != AIEX_JSON_ARRAY || !schema_value_count(v))
            return wrong(r, p, "expected an array of at least one schema");
        return read_each(r, v, p, depth, 0);
    case KEY_SCHEMA_MAP:
        if (v->type != AIEX_JSON_OBJECT)
            return wrong(r, p, "expected an object of schemas");
        return read_each(r, v, p, depth, k->key == K_PATTERN_PROPERTIES);
    case KEY_REF:
        return read_reference(r, v, p);
    case KEY_UNCHECKED:
        not_checked(r, p);
        return 0;
    default:
        return 0;
    }
}

static int read_schema(struct reading *r, const struct aiex_json_span *s, const struct place *p,
                       unsigned depth)
{
    struct aiex_json_span key, value;
    size_t at = 0;
    int error = 0;

    if (s->type == AIEX_JSON_TRUE || s->type == AIEX_JSON_FALSE)
        return 0;
    if (s->type != AIEX_JSON_OBJECT)
        return wrong(r, p, "a schema is an object, true or false");
    if (depth > AIEX_SCHEMA_DEPTH || !schema_work_take(&r->work, s->len)) {
        wrong(r, p, "the schema is nested too deep or too large");
        return -E2BIG;
    }
    while (error == 0 && aiex_json_next(s, &at, &key, &value)) {
        const struct keyword_row *k = schema_keyword_of(&key);
        struct place here = {p, &key, 0};

        if (k)
            error = read_keyword(r, k, &value, &here, depth);
    }
    return error;
}

int aiex_schema_read(struct aiex_slice text, struct aiex_schema *ret_schema,
                     struct aiex_schema_fault *fault)
{
    struct aiex_schema_fault own;
    struct reading r = {ret_schema, fault ? fault : &own, {AIEX_SCHEMA_WORK, 0}};
    struct aiex_json_fault broken;
    size_t line, column;
    int type = aiex_json_scan(text, AIEX_JSON_MAX_DEPTH, NULL, 0, &broken), error;

    memset(ret_schema, 0, sizeof(*ret_schema));
    memset(r.fault, 0, sizeof(*r.fault));
    if (type < 0) {
        aiex_json_where(text, broken.offset, &line, &column);
        snprintf(r.fault->text, sizeof(r.fault->text), "is no JSON: line %zu, column %zu: %s", line,
                 column, broken.reason);
        return type == -E2BIG ? type : -EINVAL;
    }
    while (strchr(" \t\r\n", *text.data)) {
        text.data++;
        text.len--;
    }
    ret_schema->root = (struct aiex_json_span){type, (const char *)text.data, text.len};
    error = read_schema(&r, &ret_schema->root, NULL, 0);
    return r.work.error ? r.work.error : error;
}
