/* find_json.c - code blocks and JSON inside of what a model wrote. */
#include "aiex_schema.h"

#include <string.h>

#define MAX_TRIES 256u

static int is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The line that begins at `at`; *ret_next is the begin of the following one. */
static struct aiex_slice line_at(struct aiex_slice text, size_t at, size_t *ret_next)
{
    const uint8_t *end = memchr(text.data + at, '\n', text.len - at);
    size_t n = end ? (size_t)(end - text.data) - at : text.len - at;

    *ret_next = at + n + (end != NULL);
    return (struct aiex_slice){text.data + at, n};
}

/* How many of ` or ~ a line begins with (at least 3, behind at most 3 spaces), else 0. */
static size_t fence(struct aiex_slice line, char *ret_mark, size_t *ret_behind)
{
    size_t i = 0, begin;

    while (i < line.len && i < 3 && line.data[i] == ' ')
        i++;
    begin = i;
    if (i == line.len || (line.data[i] != '`' && line.data[i] != '~'))
        return 0;
    *ret_mark = (char)line.data[i];
    while (i < line.len && line.data[i] == (uint8_t)*ret_mark)
        i++;
    *ret_behind = i;
    return i - begin >= 3 ? i - begin : 0;
}

static int blank_from(struct aiex_slice line, size_t at)
{
    while (at < line.len && is_space((char)line.data[at]))
        at++;
    return at == line.len;
}

static struct aiex_slice first_word(struct aiex_slice line, size_t at)
{
    size_t end;

    while (at < line.len && is_space((char)line.data[at]))
        at++;
    for (end = at; end < line.len && !is_space((char)line.data[end]);)
        end++;
    return (struct aiex_slice){line.data + at, end - at};
}

int aiex_schema_next_block(struct aiex_slice text, size_t *at, struct aiex_slice *ret_language,
                           struct aiex_slice *ret_content)
{
    while (*at < text.len) {
        size_t next, behind, begin, n;
        struct aiex_slice line = line_at(text, *at, &next);
        char mark, other;

        n = fence(line, &mark, &behind);
        *at = next;
        if (!n || (mark == '`' && memchr(line.data + behind, '`', line.len - behind)))
            continue;
        *ret_language = first_word(line, behind);
        for (begin = next; *at < text.len; *at = next) {
            line = line_at(text, *at, &next);
            if (fence(line, &other, &behind) >= n && other == mark && blank_from(line, behind)) {
                *ret_content = (struct aiex_slice){text.data + begin, *at - begin};
                *at = next;
                return 1;
            }
        }
        *ret_content = (struct aiex_slice){text.data + begin, text.len - begin};
        return 1;
    }
    return 0;
}

static int is_json(struct aiex_slice text, struct aiex_slice *ret)
{
    int type;

    while (text.len && is_space((char)*text.data)) {
        text.data++;
        text.len--;
    }
    while (text.len && is_space((char)text.data[text.len - 1]))
        text.len--;
    if (!text.len || (*text.data != '{' && *text.data != '['))
        return 0;
    type = aiex_json_scan(text, 0, NULL, 0, NULL);
    if (type != AIEX_JSON_OBJECT && type != AIEX_JSON_ARRAY)
        return 0;
    *ret = text;
    return 1;
}

static int is_word(struct aiex_slice s, const char *word)
{
    size_t n = strlen(word);

    for (size_t i = 0; i < n && s.len == n; i++)
        if ((s.data[i] | 32) != (uint8_t)word[i])
            return 0;
    return s.len == n;
}

static int in_blocks(struct aiex_slice text, int only_json, struct aiex_slice *ret)
{
    struct aiex_slice language, content;
    size_t at = 0;

    while (aiex_schema_next_block(text, &at, &language, &content))
        if ((!only_json || is_word(language, "json")) && is_json(content, ret))
            return 1;
    return 0;
}

/* Where the bracket at 0 is closed, by counting outside of strings; 0 when it is not. */
static size_t closed(struct aiex_slice text)
{
    size_t depth = 0;
    int in_string = 0;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];

        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
        } else if (c == '"') {
            in_string = 1;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

int aiex_schema_find_json(struct aiex_slice text, struct aiex_slice *ret_json)
{
    unsigned tries = 0;

    if (is_json(text, ret_json) || in_blocks(text, 1, ret_json) || in_blocks(text, 0, ret_json))
        return 1;
    for (size_t i = 0; i < text.len && tries < MAX_TRIES; i++) {
        struct aiex_slice rest = {text.data + i, text.len - i};

        if (*rest.data != '{' && *rest.data != '[')
            continue;
        tries++;
        rest.len = closed(rest);
        if (rest.len && is_json(rest, ret_json))
            return 1;
    }
    return 0;
}
