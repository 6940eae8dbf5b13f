/*
 * get.h - values out of a vendor's document, with the types that they must have.
 *
 * Absent and null are the same and no fault; another type than the wanted one ends the
 * answer with a sentence that names the place.
 */
#ifndef DIALECT_GET_H
#define DIALECT_GET_H

#include "answer.h"

#include <aiex_json.h>

/* A whole event or document that must be one JSON object; `fields` as in aiex_json_scan(). 0, or a
 * fault: not JSON, no object, one of the keys twice. */
int get_document(struct answer *a, struct aiex_slice data, struct aiex_json_field *fields,
                 size_t n);
/* The members of an object inside. An absent or null object has none. */
int get_members(struct answer *a, const struct aiex_json_span *object, const char *what,
                struct aiex_json_field *fields, size_t n);
/* The same for an item of aiex_json_step(), whose length is right then: it is walked once. */
int get_item(struct answer *a, struct aiex_json_span *object, const char *what,
             struct aiex_json_field *fields, size_t n);
/* The content of a string as it stands between its quotes; empty when absent. */
int get_string(struct answer *a, const struct aiex_json_span *v, const char *what,
               struct aiex_slice *ret);
/* A whole number of at least 0; *ret stays when absent. */
int get_number(struct answer *a, const struct aiex_json_span *v, const char *what, int64_t *ret);
/* Whether an array (or nothing) stands there. */
int get_array(struct answer *a, const struct aiex_json_span *v, const char *what);

static inline int get_has(const struct aiex_json_span *v)
{
    return v->type != 0 && v->type != AIEX_JSON_NULL;
}

/* Whether an "error" member says one: some servers send false or "" for none. */
static inline int get_error(const struct aiex_json_span *v)
{
    return get_has(v) && v->type != AIEX_JSON_FALSE &&
           !(v->type == AIEX_JSON_STRING && v->len == 2);
}

/* A token count: -1 = not said, below -1 = nonsense. Several may be added up. */
#define GET_MAX_COUNT ((int64_t)1 << 40)
int64_t get_count(const struct aiex_json_span *object, const char *key);

static inline struct aiex_slice get_all(const struct aiex_json_span *v)
{
    return (struct aiex_slice){(const uint8_t *)v->data, v->len};
}

/* Raw string content against a plain word. */
static inline int get_is(struct aiex_slice raw, const char *word)
{
    return raw.len == strlen(word) && memcmp(raw.data, word, raw.len) == 0;
}

/* OpenAI's usage object of chat and completions; false and nothing else when there is none. */
int get_openai_usage(const struct aiex_json_span *usage, struct aiex_usage *ret);
/* AIEX_FINISH_* of a word of the OpenAI dialects. */
int get_openai_finish(struct aiex_slice word);

#endif
