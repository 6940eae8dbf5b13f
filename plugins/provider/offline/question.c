#include "question.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MESSAGE (4u * 1024u * 1024u)
#define MAX_PROSE   (32u * 1024u) /* of the last message: a question, not a book */

/* ---- Messages ---- */

/* Content is a string or an array of parts; only text counts. */
static void add_content(struct text *t, const cJSON *content)
{
    const cJSON *part, *inner;

    if (cJSON_IsString(content)) {
        text_add(t, content->valuestring);
        return;
    }
    if (!cJSON_IsArray(content))
        return;
    cJSON_ArrayForEach(part, content)
    {
        inner = cJSON_GetObjectItemCaseSensitive(part, "text");
        if (cJSON_IsString(inner)) {
            text_add(t, inner->valuestring);
            text_add(t, "\n");
        }
    }
}

static int is_role(const cJSON *message, const char *role)
{
    const cJSON *r = cJSON_GetObjectItemCaseSensitive(message, "role");

    return cJSON_IsString(r) && strcmp(r->valuestring, role) == 0;
}

/* ---- Code blocks ---- */

static void add_block(struct question *q, const char *text, size_t len, const char *word, size_t n,
                      int in_last)
{
    struct block *b = &q->blocks[q->n_blocks];

    if (q->n_blocks == QUESTION_MAX_BLOCKS || len == 0)
        return;
    b->text = malloc(len + 1);
    if (!b->text)
        return;
    memcpy(b->text, text, len);
    b->text[len] = 0;
    b->len = len;
    b->language = language_of_word(word, n);
    b->in_last = in_last;
    q->n_blocks++;
}

static void add_prose(struct text *prose, const char *p, size_t n)
{
    if (prose)
        text_addn(prose, p, n < prose->max - prose->len ? n : prose->max - prose->len);
}

/* Takes the fenced blocks out; what stands outside goes to `prose` (may be NULL). */
static void split(struct question *q, const char *p, struct text *prose, int in_last)
{
    const char *fence, *word, *code, *end;

    while ((fence = strstr(p, "```")) != NULL) {
        add_prose(prose, p, (size_t)(fence - p));
        word = fence + 3;
        code = strchr(word, '\n');
        if (!code)
            return;
        end = strstr(code + 1, "```");
        if (!end)
            end = code + strlen(code);
        add_block(q, code + 1, (size_t)(end - code - 1), word, strcspn(word, " \t\r\n{:"), in_last);
        p = *end ? end + 3 : end;
    }
    add_prose(prose, p, strlen(p));
}

/* ---- Names ---- */

static void add_name(struct question *q, const char *at, size_t len)
{
    if (len == 0 || len >= sizeof(q->names[0]) || q->n_names == QUESTION_MAX_NAMES)
        return;
    for (size_t i = 0; i < q->n_names; i++)
        if (strlen(q->names[i]) == len && memcmp(q->names[i], at, len) == 0)
            return;
    memcpy(q->names[q->n_names], at, len);
    q->names[q->n_names++][len] = 0;
}

static int is_name_char(char c)
{
    return is_word(c) || c == '.' || c == '/' || c == ':' || c == '-';
}

/* Looks like code and not like a word of a sentence: a_b, aB, a(), a::b, file.c. */
static int looks_like_code(const char *at, size_t len, char next)
{
    char path[128];

    if (next == '(')
        return 1;
    for (size_t i = 1; i < len; i++)
        if (at[i] == '_' ||
            (at[i] >= 'A' && at[i] <= 'Z' && at[i - 1] >= 'a' && at[i - 1] <= 'z') ||
            (at[i] == ':' && at[i - 1] == ':'))
            return 1;
    snprintf(path, sizeof(path), "%.*s", (int)len, at);
    return language_of_path(path) != NULL;
}

/* "the function NAME", "NAME function". */
static int is_kind_word(const char *at, size_t len)
{
    return language_list_has(
        " function method struct class macro enum type module trait interface file "
        "union procedure ",
        at, len);
}

static size_t token(const char *p, size_t *start)
{
    size_t n = 0, from = 0;

    while (p[from] && !is_word(p[from]))
        from++;
    while (is_name_char(p[from + n]))
        n++;
    *start = from;
    while (n && !is_word(p[from + n - 1]))
        n--; /* the full stop of the sentence */
    return n;
}

static int is_filler(const char *at, size_t len)
{
    return language_list_has(
        " the a an this that my our its what which is does do of in for and or work ", at, len);
}

/* pass 0: in backquotes; 1: looks like code; 2: beside a word like "function". */
static void find_names(struct question *q, const char *text, int pass)
{
    const char *before = "";
    size_t before_len = 0, start, n;

    for (const char *p = text; (n = token(p, &start)) != 0; p += start + n) {
        const char *at = p + start, *after = at + n;
        size_t skip, after_len = token(after, &skip);
        int wanted;

        if (pass == 0)
            wanted = at > text && at[-1] == '`';
        else if (pass == 1)
            wanted = looks_like_code(at, n, at[n]);
        else
            wanted = !is_kind_word(at, n) && !is_filler(at, n) &&
                     (is_kind_word(before, before_len) || is_kind_word(after + skip, after_len));
        if (wanted)
            add_name(q, at, n);
        before = at;
        before_len = n;
    }
}

/* ---- The request ---- */

static int refuse(struct aiex_error *err, const char *text)
{
    snprintf(err->text, sizeof(err->text), "%s", text);
    return -EINVAL;
}

static int is_true(const cJSON *object, const char *key)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, key));
}

static void read_message(struct question *q, const cJSON *m, struct text *prose)
{
    struct text t;

    text_init(&t, MAX_MESSAGE);
    add_content(&t, cJSON_GetObjectItemCaseSensitive(m, "content"));
    q->n_input_bytes += t.len;
    if (t.data && (is_role(m, "user") || is_role(m, "assistant") || is_role(m, "tool")))
        split(q, t.data, prose, prose != NULL);
    text_done(&t);
}

/* From the newest to the oldest, so that the newest code comes first. */
static int read_messages(struct question *q, const cJSON *messages)
{
    const cJSON *m, *last = NULL;
    struct text prose;

    cJSON_ArrayForEach(m, messages)
    {
        if (is_role(m, "user"))
            last = m;
    }
    text_init(&prose, MAX_PROSE);
    /* the first element's prev is the last element */
    for (m = messages->child->prev;; m = m->prev) {
        read_message(q, m, m == last ? &prose : NULL);
        if (m == messages->child)
            break;
    }
    q->last = prose.data ? prose.data : strdup("");
    return q->last ? 0 : -ENOMEM;
}

int question_read(struct question *q, struct aiex_slice json, struct aiex_error *err)
{
    cJSON *root = cJSON_ParseWithLength((const char *)json.data, json.len);
    const cJSON *messages = cJSON_GetObjectItemCaseSensitive(root, "messages");
    const cJSON *format = cJSON_GetObjectItemCaseSensitive(root, "response_format");
    int r;

    memset(q, 0, sizeof(*q));
    if (!cJSON_IsObject(root)) {
        r = refuse(err, "the request body is not a JSON object");
    } else if (!cJSON_IsArray(messages) || cJSON_GetArraySize(messages) == 0) {
        r = refuse(err, "field 'messages' is missing or empty");
    } else {
        format = cJSON_GetObjectItemCaseSensitive(format, "type");
        q->wants_json = cJSON_IsString(format) && strncmp(format->valuestring, "json", 4) == 0;
        q->wants_tools = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(root, "tools")) > 0;
        q->include_usage = is_true(cJSON_GetObjectItemCaseSensitive(root, "stream_options"),
                                   "include_usage");
        r = read_messages(q, messages);
        for (int pass = 0; r == 0 && pass < 3; pass++)
            find_names(q, q->last, pass);
    }
    cJSON_Delete(root);
    return r;
}

void question_done(struct question *q)
{
    free(q->last);
    for (size_t i = 0; i < q->n_blocks; i++)
        free(q->blocks[i].text);
    memset(q, 0, sizeof(*q));
}

/* The last part of a::b, a.b: what a definition is called. */
static const char *bare(const char *name)
{
    const char *at = name;

    for (const char *p = name; *p; p++)
        if ((*p == ':' || *p == '.') && p[1])
            at = p + 1;
    return at;
}

static int is_called(const struct source *s, const struct definition *d, const char *name)
{
    return strlen(name) == d->name_len && memcmp(s->text + d->name, name, d->name_len) == 0;
}

/* The name stands as a whole word in the prose. */
static int is_mentioned(const char *prose, const char *name, size_t len)
{
    for (const char *p = prose; (p = memmem(p, strlen(p), name, len)) != NULL; p++)
        if ((p == prose || !is_word(p[-1])) && !is_word(p[len]))
            return 1;
    return 0;
}

const struct definition *question_names(const struct question *q, const struct source *s,
                                        int loosely)
{
    for (size_t i = 0; i < q->n_names; i++)
        for (size_t k = 0; k < s->n_defs; k++)
            if (is_called(s, &s->defs[k], q->names[i]) ||
                is_called(s, &s->defs[k], bare(q->names[i])))
                return &s->defs[k];
    for (size_t k = 0; loosely && k < s->n_defs; k++)
        if (s->defs[k].name_len > 2 &&
            is_mentioned(q->last, s->text + s->defs[k].name, s->defs[k].name_len))
            return &s->defs[k];
    return NULL;
}
