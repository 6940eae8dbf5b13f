/*
 * answer_embeddings.c - vectors: openai.embeddings and ollama.embed, both ways.
 *
 *     openai: {"data": [{"embedding": [0.1, ...] or "base64", "index": 0}], "usage"}
 *     ollama: {"embeddings": [[0.1, ...]], "prompt_eval_count"}; older: {"embedding": [...]}
 *
 * Base64 stands for little-endian float32 (OpenAI's SDKs ask for it and decode it
 * themselves). Numbers go from JSON to JSON as they are written, so that nothing is lost.
 */
#include "get.h"
#include "put.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int is_openai(int dialect)
{
    return dialect == AIEX_OPENAI_EMBEDDINGS;
}

/* ---- Reading ---- */

/* The next vector of the vendor's document: 1, 0 at the end, or a fault. */
static int next_vector(struct answer *a, const struct aiex_json_span *list, size_t *at, int64_t n,
                       struct aiex_json_span *ret)
{
    struct aiex_json_span item;
    int64_t index = n;

    if (!aiex_json_next(list, at, NULL, &item))
        return 0;
    *ret = item;
    if (is_openai(a->c->setup.vendor)) {
        struct aiex_json_field f[] = {{.key = "embedding"}, {.key = "index"}};

        if (get_members(a, &item, "an embedding", f, 2) != 0 ||
            get_number(a, &f[1].value, "an embedding's index", &index) != 0)
            return a->error;
        *ret = f[0].value;
    }
    if (index != n)
        return answer_fault(a, -EPROTO, "embedding %lld comes where number %lld is due",
                            (long long)index, (long long)n);
    if (ret->type != AIEX_JSON_ARRAY &&
        !(ret->type == AIEX_JSON_STRING && is_openai(a->c->setup.vendor)))
        return answer_fault(a, -EPROTO, "embedding %lld is not a list of numbers", (long long)n);
    return 1;
}

/* Where the vendor's vectors are; a single one of the older form is wrapped by the caller. */
static int find_list(struct answer *a, struct aiex_slice doc, struct aiex_json_span *ret)
{
    struct aiex_json_field f[] = {{.key = "data"}, {.key = "embeddings"}, {.key = "error"}};

    if (get_document(a, doc, f, 3) != 0)
        return a->error;
    if (get_error(&f[2].value))
        return answer_vendor_error(a, doc);
    *ret = f[is_openai(a->c->setup.vendor) ? 0 : 1].value;
    if (ret->type != AIEX_JSON_ARRAY)
        return answer_fault(a, -EPROTO, "the answer has no list of embeddings");
    return 0;
}

static void take_usage(struct answer *a, const struct aiex_json_span *doc)
{
    struct aiex_usage u = NO_USAGE;
    struct aiex_json_span usage;

    if (!is_openai(a->c->setup.vendor))
        u.input = get_count(doc, "prompt_eval_count");
    else if (aiex_json_find(doc, "usage", &usage))
        u.input = get_count(&usage, "prompt_tokens");
    usage_take(a, &u);
}

static int take_vectors(struct answer *a, const struct aiex_json_span *list)
{
    struct aiex_json_span vector;
    size_t at = 0;
    int64_t n = 0;
    int r, wrong = 0;

    while ((r = next_vector(a, list, &at, n, &vector)) > 0) {
        n++;
        wrong |= is_openai(a->c->setup.client) &&
                 (vector.type == AIEX_JSON_STRING) != (a->c->base64 != 0);
    }
    if (r == 0 && a->c->n_inputs && n != a->c->n_inputs)
        return answer_fault(a, -EPROTO, "the answer has %lld embeddings for %d inputs",
                            (long long)n, a->c->n_inputs);
    if (wrong) /* not the form that the client asked for: written anew */
        a->pass = 0;
    return r;
}

/* The older form of one input, which only passes. */
static int is_single(struct answer *a, const struct aiex_json_span *doc)
{
    struct aiex_json_span one;

    return a->pass && !is_openai(a->c->setup.vendor) && !aiex_json_find(doc, "embeddings", &one) &&
           aiex_json_find(doc, "embedding", &one) && one.type == AIEX_JSON_ARRAY;
}

static int read_whole(struct answer *a, struct aiex_slice bytes)
{
    struct aiex_json_span doc = {AIEX_JSON_OBJECT, (const char *)bytes.data, bytes.len}, list,
                          model;
    struct event start = {.kind = EVENT_START};
    int r;

    if (get_document(a, bytes, NULL, 0) != 0)
        return a->error;
    if (!is_single(a, &doc)) {
        r = find_list(a, bytes, &list);
        r = r ? r : take_vectors(a, &list);
        if (r != 0)
            return r;
    }
    take_usage(a, &doc);
    aiex_json_find(&doc, "model", &model);
    if (get_string(a, &model, "model", &start.name) != 0)
        return a->error;
    r = answer_emit(a, &start);
    r = r ? r : answer_finish(a, 0, AIEX_FINISH_STOP);
    return r ? r : answer_simple(a, EVENT_END);
}

static int read_event(struct answer *a, struct aiex_slice name, struct aiex_slice data)
{
    (void)name;
    (void)data;
    return answer_fault(a, -EPROTO, "embeddings do not come as a stream");
}

const struct answer_reader answer_embeddings_reader = {read_event, read_whole, "a document", 0};

/* ---- Numbers and base64 ---- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void put_base64(struct bytes *b, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i < 3 ? n - i : 3;
        uint32_t v = (uint32_t)p[i] << 16;
        char four[4] = {'=', '=', '=', '='};

        v |= left > 1 ? (uint32_t)p[i + 1] << 8 : 0;
        v |= left > 2 ? p[i + 2] : 0;
        for (size_t k = 0; k <= left; k++)
            four[k] = alphabet[v >> (18 - 6 * k) & 63];
        bytes_add(b, four, 4);
    }
}

/* JSON numbers to bytes of float32. */
static int pack(struct answer *a, const struct aiex_json_span *vector, struct bytes *ret)
{
    struct aiex_json_span item;
    size_t at = 0;

    ret->len = 0;
    while (aiex_json_next(vector, &at, NULL, &item)) {
        char text[64];
        uint8_t four[4];
        uint32_t bits;
        float v;

        if (item.type != AIEX_JSON_NUMBER || item.len >= sizeof(text))
            return answer_fault(a, -EPROTO, "an embedding holds something that is not a number");
        memcpy(text, item.data, item.len);
        text[item.len] = 0;
        v = strtof(text, NULL);
        if (!isfinite(v))
            return answer_fault(a, -EPROTO, "an embedding holds a number beyond float32");
        memcpy(&bits, &v, 4);
        for (int i = 0; i < 4; i++)
            four[i] = (uint8_t)(bits >> 8 * i);
        bytes_add(ret, four, 4);
    }
    return ret->failed;
}

static int digit(uint8_t c)
{
    const char *at = c ? strchr(alphabet, c) : NULL;

    return at ? (int)(at - alphabet) : -1;
}

/* Base64 to bytes; -EPROTO when it is none or does not hold float32. */
static int unpack(struct answer *a, const struct aiex_json_span *string, struct bytes *ret)
{
    const uint8_t *p = (const uint8_t *)string->data + 1, *end = p + string->len - 2;
    uint32_t v = 0;
    int bits = 0;

    ret->len = 0;
    for (; p < end && *p != '='; p++) {
        int d;

        if (*p == '\\' && p[1] == '/')
            p++;
        d = digit(*p);
        if (d < 0)
            return answer_fault(a, -EPROTO, "an embedding is not base64");
        v = v << 6 | (uint32_t)d;
        bits += 6;
        if (bits >= 8) {
            uint8_t byte = (uint8_t)(v >> (bits -= 8));

            bytes_add(ret, &byte, 1);
        }
    }
    if (end - p > 2 || ret->len % 4 != 0 || ret->len == 0)
        return answer_fault(a, -EPROTO, "an embedding in base64 does not hold float32 numbers");
    return ret->failed;
}

static int put_numbers(struct answer *a, const struct bytes *packed)
{
    for (size_t i = 0; i < packed->len; i += 4) {
        uint32_t bits = 0;
        char text[32];
        float v;
        int n;

        for (int k = 0; k < 4; k++)
            bits |= (uint32_t)packed->data[i + (size_t)k] << 8 * k;
        memcpy(&v, &bits, 4);
        if (!isfinite(v))
            return answer_fault(a, -EPROTO, "an embedding holds a number that is not finite");
        n = snprintf(text, sizeof(text), "%s%.9g", i ? "," : "", (double)v);
        bytes_add(&a->out, text, (size_t)n);
    }
    return a->out.failed;
}

/* ---- Writing ---- */

static int put_vector(struct answer *a, const struct aiex_json_span *vector)
{
    int string = is_openai(a->c->setup.client) && a->c->base64, r = 0;

    if ((vector->type == AIEX_JSON_STRING) == string) {
        bytes_add(&a->out, vector->data, vector->len);
        return a->out.failed;
    }
    r = string ? pack(a, vector, &a->scratch) : unpack(a, vector, &a->scratch);
    if (r != 0)
        return r;
    bytes_str(&a->out, string ? "\"" : "[");
    if (string)
        put_base64(&a->out, a->scratch.data, a->scratch.len);
    else
        r = put_numbers(a, &a->scratch);
    bytes_str(&a->out, string ? "\"" : "]");
    return r ? r : a->out.failed;
}

static int put_vectors(struct answer *a)
{
    int openai = is_openai(a->c->setup.client);
    struct aiex_json_span list, vector;
    size_t at = 0;
    int64_t n = 0;
    int r = find_list(a, bytes_all(&a->doc), &list);

    while (r == 0 && next_vector(a, &list, &at, n, &vector) > 0) {
        bytes_str(&a->out, n ? "," : "");
        if (openai) {
            bytes_str(&a->out, "{\"object\":\"embedding\",\"index\":");
            bytes_int(&a->out, n);
            bytes_str(&a->out, ",\"embedding\":");
        }
        r = put_vector(a, &vector);
        bytes_str(&a->out, openai ? "}" : "");
        n++;
    }
    return r ? r : a->error;
}

static int write_openai(struct answer *a)
{
    int64_t input = answer_usage(a).input;
    int r;

    bytes_str(&a->out, "{\"object\":\"list\",\"data\":[");
    r = put_vectors(a);
    bytes_str(&a->out, "],\"model\":");
    answer_put_model(a, &a->out);
    bytes_str(&a->out, ",\"usage\":{\"prompt_tokens\":");
    bytes_int(&a->out, input);
    bytes_str(&a->out, ",\"total_tokens\":");
    bytes_int(&a->out, input);
    bytes_str(&a->out, "}}");
    return r ? r : a->out.failed;
}

static int write_ollama(struct answer *a)
{
    uint64_t now = answer_now_ns();
    int r;

    if (a->c->one_input) {
        bytes_str(&a->out, "{\"embedding\":");
        r = put_vectors(a);
        bytes_str(&a->out, "}");
        return r ? r : a->out.failed;
    }
    bytes_str(&a->out, "{\"model\":");
    answer_put_model(a, &a->out);
    bytes_str(&a->out, ",\"embeddings\":[");
    r = put_vectors(a);
    bytes_str(&a->out, "],\"total_duration\":");
    bytes_int(&a->out, now > a->begun_ns ? (int64_t)(now - a->begun_ns) : 1);
    bytes_str(&a->out, ",\"load_duration\":0,\"prompt_eval_count\":");
    bytes_int(&a->out, answer_usage(a).input);
    bytes_str(&a->out, "}");
    return r ? r : a->out.failed;
}

static int write_whole(struct answer *a)
{
    return is_openai(a->c->setup.client) ? write_openai(a) : write_ollama(a);
}

static int write_event(struct answer *a, const struct event *e)
{
    (void)a;
    (void)e;
    return 0;
}

const struct answer_writer answer_embeddings_writer = {write_event, write_whole, KEEP_NOTHING};
