/* splice.c - see splice.h. */
#include "splice.h"

#include <errno.h>
#include <string.h>

/* A member of the document: its name with quotes, its value. */
struct member {
    const char *name, *name_end, *value, *value_end;
};

static int is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *back_over_blanks(const char *p, const char *begin)
{
    while (p > begin && is_blank(p[-1]))
        p--;
    return p;
}

/* From the value back to its name. The names looked for here have no quotes inside. */
static int locate(struct aiex_slice doc, const struct aiex_json_span *value, struct member *m)
{
    const char *begin = (const char *)doc.data, *p = back_over_blanks(value->data, begin);

    m->value = value->data;
    m->value_end = value->data + value->len;
    if (p == begin || p[-1] != ':')
        return -EINVAL;
    p = back_over_blanks(p - 1, begin);
    if (p == begin || p[-1] != '"')
        return -EINVAL;
    m->name_end = p--;
    while (p > begin && p[-1] != '"')
        p--;
    if (p == begin)
        return -EINVAL;
    m->name = p - 1;
    return 0;
}

static void put(struct splice *s, const char *from, const char *to)
{
    if (to > from)
        s->pieces[s->n++] = (struct aiex_slice){(const uint8_t *)from, (size_t)(to - from)};
}

static void put_text(struct splice *s, const char *text)
{
    put(s, text, text + strlen(text));
}

/* What stands between the brackets of an array, without blanks around. */
static struct aiex_slice inside(const char *data, size_t len)
{
    const char *from = data + 1, *to = data + len - 1;

    while (from < to && is_blank(*from))
        from++;
    to = back_over_blanks(to, from);
    return (struct aiex_slice){(const uint8_t *)from, (size_t)(to - from)};
}

static void put_slice(struct splice *s, struct aiex_slice bytes)
{
    put(s, (const char *)bytes.data, (const char *)bytes.data + bytes.len);
}

/* The items of an input, without brackets. 0 when there are none. */
static int put_items(struct splice *s, const struct aiex_json_span *input, const char *before)
{
    if (input->type == AIEX_JSON_STRING) {
        put_text(s, before);
        put_text(s, "{\"type\":\"message\",\"role\":\"user\",\"content\":");
        put(s, input->data, input->data + input->len);
        put_text(s, "}");
        return 1;
    }
    if (input->type == AIEX_JSON_ARRAY && inside(input->data, input->len).len) {
        put_text(s, before);
        put_slice(s, inside(input->data, input->len));
        return 1;
    }
    return 0;
}

void splice_input(const struct aiex_json_span *input, struct splice *ret)
{
    ret->n = 0;
    put_text(ret, "[");
    put_items(ret, input, "");
    put_text(ret, "]");
}

static void put_history(struct splice *s, struct aiex_slice items,
                        const struct aiex_json_span *input)
{
    struct aiex_slice old = inside((const char *)items.data, items.len);

    put_text(s, "[");
    put_slice(s, old);
    put_items(s, input, old.len ? "," : "");
    put_text(s, "]");
}

/* The member with the comma that goes with it. */
static void whole_member(struct aiex_slice doc, const struct member *m, const char **from,
                         const char **to)
{
    const char *begin = (const char *)doc.data, *end = begin + doc.len;

    *from = m->name;
    *to = m->value_end;
    while (*to < end && is_blank(**to))
        (*to)++;
    if (*to < end && **to == ',') {
        (*to)++;
        return;
    }
    *from = back_over_blanks(*from, begin);
    if (*from > begin && (*from)[-1] == ',')
        (*from)--;
}

/* Without blanks around, for brackets must be the first and last byte. */
static int is_array(struct aiex_slice *text)
{
    while (text->len && is_blank((char)text->data[0])) {
        text->data++;
        text->len--;
    }
    while (text->len && is_blank((char)text->data[text->len - 1]))
        text->len--;
    return aiex_json_scan(*text, 0, NULL, 0, NULL) == AIEX_JSON_ARRAY;
}

int splice_history(struct aiex_slice doc, const struct aiex_json_span *input,
                   const struct aiex_json_span *previous, struct aiex_slice items,
                   struct splice *ret)
{
    const char *begin = (const char *)doc.data, *end = begin + doc.len, *from, *to;
    struct member old;

    ret->n = 0;
    if (!is_array(&items) || locate(doc, previous, &old) != 0)
        return -EINVAL;
    if (!input->type) { /* the one takes the place of the other */
        put(ret, begin, old.name);
        put_text(ret, "\"input\":");
        put_history(ret, items, input);
        put(ret, old.value_end, end);
        return 0;
    }
    whole_member(doc, &old, &from, &to);
    if (from < input->data) {
        put(ret, begin, from);
        put(ret, to, input->data);
        put_history(ret, items, input);
        put(ret, input->data + input->len, end);
    } else {
        put(ret, begin, input->data);
        put_history(ret, items, input);
        put(ret, input->data + input->len, from);
        put(ret, to, end);
    }
    return 0;
}

static int is_system(const struct aiex_json_span *message)
{
    struct aiex_json_span role;

    return aiex_json_find(message, "role", &role) &&
           (aiex_json_is(&role, "system") || aiex_json_is(&role, "developer"));
}

/* Behind the system's messages at the begin of an array, or behind its bracket. */
static const char *behind_system(const struct aiex_json_span *array)
{
    const char *at_end = array->data + 1;
    struct aiex_json_span message;
    size_t at = 0;

    while (aiex_json_next(array, &at, NULL, &message) && is_system(&message))
        at_end = message.data + message.len;
    return at_end;
}

int splice_before(struct aiex_slice doc, const struct aiex_json_span *subject,
                  struct aiex_slice items, struct splice *ret)
{
    const char *end = (const char *)doc.data + doc.len, *behind;

    ret->n = 0;
    put(ret, (const char *)doc.data, subject->data);
    if (subject->type == AIEX_JSON_STRING) {
        put_text(ret, "[");
        put_slice(ret, items);
        put_items(ret, subject, ",");
        put_text(ret, "]");
        put(ret, subject->data + subject->len, end);
        return 0;
    }
    if (subject->type != AIEX_JSON_ARRAY || !inside(subject->data, subject->len).len)
        return -EINVAL;
    behind = behind_system(subject);
    put(ret, subject->data, behind);
    if (behind == subject->data + 1) {
        put_slice(ret, items);
        put_text(ret, ",");
    } else {
        put_text(ret, ",");
        put_slice(ret, items);
    }
    put(ret, behind, end);
    return 0;
}

int splice_rename(struct aiex_slice doc, const struct aiex_json_span *value, const char *name,
                  struct splice *ret)
{
    const char *begin = (const char *)doc.data;
    struct member m;

    ret->n = 0;
    if (locate(doc, value, &m) != 0)
        return -EINVAL;
    put(ret, begin, m.name + 1);
    put_text(ret, name);
    put(ret, m.name_end - 1, begin + doc.len);
    return 0;
}
