/* variables.c - declarations read and checked, values taken by their type. */
#include "variables.h"

#include <aiex_service.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

const char *const variable_types[N_VARIABLE_TYPES] = {"string", "int", "bool", "choice"};

struct variable *variables_find(struct variables *vars, const char *name)
{
    for (unsigned i = 0; i < vars->n; i++)
        if (strcmp(vars->v[i].name, name) == 0)
            return &vars->v[i];
    return NULL;
}

int variables_add(struct variables *vars, const char *name)
{
    struct variable *v = &vars->v[vars->n];

    if (vars->n == MAX_VARIABLES)
        return -ENOSPC;
    memset(v, 0, sizeof(*v));
    strcpy(v->name, name);
    v->required = 1;
    vars->n++;
    return 0;
}

static int set_int(struct variable *v, const struct aiex_value *value, struct aiex_error *err)
{
    int64_t number = value->i;
    char *end;

    if (value->type == AIEX_T_STR && value->bytes.len && value->bytes.len < sizeof(v->number)) {
        memcpy(v->number, value->bytes.data, value->bytes.len);
        v->number[value->bytes.len] = 0;
        errno = 0;
        number = strtoll(v->number, &end, 10);
        if (errno || *end)
            return aiex_failed(err, -EINVAL, "variable '%s' takes a whole number", v->name);
    } else if (value->type != AIEX_T_INT) {
        return aiex_failed(err, -EINVAL, "variable '%s' takes a whole number", v->name);
    }
    v->truth = number != 0;
    v->text.data = (const uint8_t *)v->number;
    v->text.len = (size_t)snprintf(v->number, sizeof(v->number), "%lld", (long long)number);
    return 0;
}

static int set_bool(struct variable *v, const struct aiex_value *value, struct aiex_error *err)
{
    if (value->type == AIEX_T_BOOL)
        v->truth = value->i != 0;
    else if (value->type == AIEX_T_STR && aiex_slice_is(value->bytes, "true"))
        v->truth = 1;
    else if (value->type == AIEX_T_STR && aiex_slice_is(value->bytes, "false"))
        v->truth = 0;
    else
        return aiex_failed(err, -EINVAL, "variable '%s' takes true or false", v->name);
    v->text.data = (const uint8_t *)(v->truth ? "true" : "false");
    v->text.len = v->truth ? 4 : 5;
    return 0;
}

static int is_choice(const struct variable *v, struct aiex_slice text)
{
    for (unsigned i = 0; i < v->n_choices; i++)
        if (v->choices[i].len == text.len && memcmp(v->choices[i].data, text.data, text.len) == 0)
            return 1;
    return 0;
}

static int choice_error(const struct variable *v, struct aiex_error *err)
{
    char list[300] = "";
    size_t n = 0;

    for (unsigned i = 0; i < v->n_choices && n < sizeof(list) - 1; i++)
        n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%.*s", i ? ", " : "",
                              (int)v->choices[i].len, v->choices[i].data);
    return aiex_failed(err, -EINVAL, "variable '%s' takes one of: %s", v->name, list);
}

static int set_value(struct variable *v, const struct aiex_value *value, struct aiex_error *err)
{
    v->has_value = 1;
    if (v->type == VAR_INT)
        return set_int(v, value, err);
    if (v->type == VAR_BOOL)
        return set_bool(v, value, err);
    if (value->type != AIEX_T_STR)
        return aiex_failed(err, -EINVAL, "variable '%s' takes a text", v->name);
    if (v->type == VAR_CHOICE && !is_choice(v, value->bytes))
        return choice_error(v, err);
    v->text = value->bytes;
    v->truth = value->bytes.len != 0;
    return 0;
}

static int read_choices(struct variable *v, struct aiex_slice map, struct aiex_error *err)
{
    struct aiex_value list, one;

    if (v->type != VAR_CHOICE)
        return 0;
    if (aiex_get(map, "choices", &list) != 1 || list.type != AIEX_T_ARRAY || !list.count ||
        list.count > MAX_CHOICES)
        return aiex_failed(err, -EINVAL, "variable '%s' needs 'choices', 1 to %u texts", v->name,
                           MAX_CHOICES);
    while (list.count--) {
        if (aiex_r_value(&list.bytes, &one) != 0 || one.type != AIEX_T_STR || !one.bytes.len)
            return aiex_failed(err, -EINVAL, "variable '%s': 'choices' has what is no text",
                               v->name);
        v->choices[v->n_choices++] = one.bytes;
    }
    return 0;
}

static int read_one(struct variables *vars, struct aiex_slice map, struct aiex_error *err)
{
    struct aiex_slice name = {NULL, 0}, type = {(const uint8_t *)"string", 6};
    struct variable *v = &vars->v[vars->n];
    struct aiex_value def;
    char plain[MAX_VARIABLE + 1];
    int r;

    if (aiex_get_str(map, "name", &name) != 1 || !syntax_is_name((const char *)name.data, name.len))
        return aiex_failed(err, -EINVAL,
                           "a variable needs a 'name': a letter, then letters, digits, _ . -, at "
                           "most %u bytes",
                           MAX_VARIABLE);
    snprintf(plain, sizeof(plain), "%.*s", (int)name.len, name.data);
    if (variables_find(vars, plain))
        return aiex_failed(err, -EINVAL, "variable '%s' is declared twice", plain);
    if (variables_add(vars, plain) != 0)
        return aiex_failed(err, -EINVAL, "more than %u variables", MAX_VARIABLES);
    v->required = 0;
    if (aiex_get_str(map, "type", &type) < 0 || aiex_get_bool(map, "required", &v->required) < 0)
        return aiex_failed(err, -EINVAL, "variable '%s': 'type' is a text, 'required' a bool",
                           plain);
    for (v->type = VAR_STRING; v->type < N_VARIABLE_TYPES; v->type++)
        if (aiex_slice_is(type, variable_types[v->type]))
            break;
    if (v->type == N_VARIABLE_TYPES)
        return aiex_failed(err, -EINVAL,
                           "variable '%s' has the type '%.*s'; there are string, int, bool, choice",
                           plain, (int)(type.len > 40 ? 40 : type.len), type.data);
    r = read_choices(v, map, err);
    if (r == 0 && aiex_get(map, "default", &def) == 1 && def.type != AIEX_T_NIL)
        r = set_value(v, &def, err);
    return r;
}

int variables_read(struct variables *vars, struct aiex_slice array, struct aiex_error *err)
{
    struct aiex_value head;

    vars->n = 0;
    if (!array.len)
        return 0;
    if (aiex_r_value(&array, &head) != 0 || head.type != AIEX_T_ARRAY)
        return aiex_failed(err, -EINVAL, "'variables' must be an array of maps");
    while (head.count--) {
        struct aiex_slice map = array;
        int r;

        if (aiex_r_skip(&array) != 0)
            return aiex_failed(err, -EINVAL, "'variables' is cut off");
        map.len -= array.len;
        r = read_one(vars, map, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int bind_one(struct variables *vars, const struct aiex_value *name,
                    const struct aiex_value *value, char ret_name[MAX_VARIABLE + 1],
                    struct aiex_error *err)
{
    struct variable *v;

    snprintf(ret_name, MAX_VARIABLE + 1, "%.*s",
             (int)(name->bytes.len > MAX_VARIABLE ? MAX_VARIABLE : name->bytes.len),
             (const char *)name->bytes.data);
    v = name->bytes.len <= MAX_VARIABLE ? variables_find(vars, ret_name) : NULL;
    if (!v)
        return aiex_failed(err, -EINVAL, "the template has no variable '%s'", ret_name);
    return value->type == AIEX_T_NIL ? 0 : set_value(v, value, err);
}

int variables_bind(struct variables *vars, struct aiex_slice values,
                   char ret_name[MAX_VARIABLE + 1], struct aiex_error *err)
{
    struct aiex_value map, name, value;

    ret_name[0] = 0;
    if (values.len && (aiex_r_value(&values, &map) != 0 || map.type != AIEX_T_MAP))
        return aiex_failed(err, -EINVAL, "'values' must be a map");
    for (uint32_t i = 0; values.len && i < map.count; i++) {
        struct aiex_slice whole;
        int r;

        if (aiex_r_value(&values, &name) != 0 || name.type != AIEX_T_STR)
            return aiex_failed(err, -EINVAL, "'values' has a name that is no text");
        whole = values;
        if (aiex_r_value(&whole, &value) != 0 || aiex_r_skip(&values) != 0)
            return aiex_failed(err, -EINVAL, "'values' is cut off");
        r = bind_one(vars, &name, &value, ret_name, err);
        if (r < 0)
            return r;
    }
    for (unsigned i = 0; i < vars->n; i++)
        if (vars->v[i].required && !vars->v[i].has_value) {
            strcpy(ret_name, vars->v[i].name);
            return aiex_failed(err, -EINVAL, "the variable '%s' is missing", vars->v[i].name);
        }
    return 0;
}

int variables_value(void *vars, const char *name, struct aiex_slice *ret_text, int *ret_true)
{
    const struct variable *v = variables_find(vars, name);

    if (!v)
        return 0;
    *ret_text = v->text;
    *ret_true = v->truth;
    return 1;
}
