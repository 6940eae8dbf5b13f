/* schema_inside.c - keywords that look into arrays and objects. */
#include "schema_apply.h"

#include <string.h>

/* ---- Arrays ---- */

int schema_check_items(struct check *c, const struct pair *p, int prefix)
{
    struct aiex_json_span item, rule, first;
    size_t at = 0, rules = 0, skip = 0;

    if (p->value->type != AIEX_JSON_ARRAY)
        return 1;
    if (!prefix && aiex_json_find(p->schema, "prefixItems", &first))
        skip = schema_value_count(&first);
    for (size_t i = 0; aiex_json_next(p->value, &at, NULL, &item); i++) {
        struct place here = {p->place, NULL, i};

        if (prefix && !aiex_json_next(p->rule, &rules, NULL, &rule))
            return 1;
        if (i >= skip && !schema_apply(c, prefix ? &rule : p->rule, &item, &here))
            return 0;
    }
    return 1;
}

int schema_check_unique(struct check *c, const struct pair *p)
{
    struct aiex_json_span a, b;
    size_t at = 0, other;

    if (p->value->type != AIEX_JSON_ARRAY || p->rule->type != AIEX_JSON_TRUE)
        return 1;
    for (size_t i = 0; aiex_json_next(p->value, &at, NULL, &a); i++) {
        other = at;
        for (size_t k = i + 1; aiex_json_next(p->value, &other, NULL, &b); k++) {
            struct place here = {p->place, NULL, k};

            if (!schema_work_take(&c->work, 8 + b.len))
                return 0;
            if (schema_value_equal(&a, &b, &c->work))
                return schema_misfit(c, &here,
                                     "expected different items, found %s a second time (first "
                                     "at %zu)",
                                     schema_show(&b).text, i);
        }
    }
    return 1;
}

int schema_check_contains(struct check *c, const struct pair *p)
{
    struct aiex_json_span item;
    size_t at = 0;

    if (p->value->type != AIEX_JSON_ARRAY)
        return 1;
    while (aiex_json_next(p->value, &at, NULL, &item))
        if (schema_fits(c, p->rule, &item, p->place))
            return 1;
    if (aiex_json_find(p->schema, "minContains", &item)) /* may be 0: not checked */
        return 1;
    return schema_misfit(c, p->place, "expected an item that fits %s, found none",
                         schema_show(p->rule).text);
}

/* ---- Objects ---- */

int schema_check_required(struct check *c, const struct pair *p)
{
    struct aiex_json_span name, key, value;
    size_t at = 0;

    if (p->value->type != AIEX_JSON_OBJECT)
        return 1;
    while (aiex_json_next(p->rule, &at, NULL, &name)) {
        size_t k = 0;
        int found = 0;

        if (!schema_work_take(&c->work, p->value->len))
            return 0;
        while (!found && aiex_json_next(p->value, &k, &key, &value))
            found = schema_string_equal(&key, &name, &c->work);
        if (!found)
            return schema_misfit(c, p->place, "the property %s is missing",
                                 schema_show(&name).text);
    }
    return 1;
}

/* Checks `value` by all of properties (or patternProperties) that are for its key. The number of
 * them, or -1 when one does not fit. */
static int by_name(struct check *c, span *rules, int patterns, span *key, span *value,
                   const struct place *place)
{
    struct aiex_json_span name, schema;
    size_t at = 0;
    int n = 0;

    if (!schema_work_take(&c->work, rules->len))
        return -1;
    while (aiex_json_next(rules, &at, &name, &schema)) {
        int is = patterns ? schema_pattern_check(&name, key, &c->work)
                          : schema_string_equal(&name, key, &c->work);

        if (is == 0)
            continue;
        n++;
        if (is > 0 && !schema_apply(c, &schema, value, place))
            return -1;
    }
    return n;
}

int schema_check_properties(struct check *c, const struct pair *p, int patterns)
{
    struct aiex_json_span key, value;
    size_t at = 0;

    if (p->value->type != AIEX_JSON_OBJECT)
        return 1;
    while (aiex_json_next(p->value, &at, &key, &value)) {
        struct place here = {p->place, &key, 0};

        if (by_name(c, p->rule, patterns, &key, &value, &here) < 0)
            return 0;
    }
    return 1;
}

static int is_named(struct check *c, span *schema, const char *keyword, int patterns, span *key)
{
    struct aiex_json_span rules, name, value;
    size_t at = 0;

    if (!aiex_json_find(schema, keyword, &rules) || !schema_work_take(&c->work, rules.len))
        return 0;
    while (aiex_json_next(&rules, &at, &name, &value))
        if ((patterns ? schema_pattern_check(&name, key, &c->work)
                      : schema_string_equal(&name, key, &c->work)) != 0)
            return 1;
    return 0;
}

int schema_check_additional(struct check *c, const struct pair *p)
{
    struct aiex_json_span key, value;
    size_t at = 0;

    if (p->value->type != AIEX_JSON_OBJECT || p->rule->type == AIEX_JSON_TRUE)
        return 1;
    while (aiex_json_next(p->value, &at, &key, &value)) {
        struct place here = {p->place, &key, 0};

        if (is_named(c, p->schema, "properties", 0, &key) ||
            is_named(c, p->schema, "patternProperties", 1, &key))
            continue;
        if (p->rule->type == AIEX_JSON_FALSE)
            return schema_misfit(c, &here, "the property %s is not allowed",
                                 schema_show(&key).text);
        if (!schema_apply(c, p->rule, &value, &here))
            return 0;
    }
    return 1;
}

int schema_check_names(struct check *c, const struct pair *p)
{
    struct aiex_json_span key, value;
    size_t at = 0;

    if (p->value->type != AIEX_JSON_OBJECT)
        return 1;
    while (aiex_json_next(p->value, &at, &key, &value)) {
        struct place here = {p->place, &key, 0};

        if (!schema_apply(c, p->rule, &key, &here))
            return 0;
    }
    return 1;
}
