/*
 * aiex_json.h - JSON on the hot path: check everything, look at little, build nothing.
 *
 * A gateway mostly passes documents on. aiex_json_scan() checks in one pass that
 * bytes are exactly one well-formed JSON text (RFC 8259) in well-formed UTF-8
 * (RFC 3629) and notes where the values of a few top-level keys are; no tree, no
 * allocation, no copy. A noted object or array can be scanned again or walked with
 * aiex_json_next(). The writer builds small documents in memory that the caller gives.
 *
 *     struct aiex_json_field f[] = {{.key = "model"}, {.key = "stream"}};
 *     struct aiex_json_fault fault;
 *     if (aiex_json_scan(body, 0, f, 2, &fault) != AIEX_JSON_OBJECT) ...
 *     if (f[0].seen && f[0].value.type == AIEX_JSON_STRING)
 *         n = aiex_json_text(&f[0].value, name, sizeof(name));
 *
 * Static library aiex_sdk_json (alias aiex::json). Thread rule: any thread, no state.
 * Ownership: spans point into the caller's text and live as long as it does.
 */
#ifndef AIEX_JSON_H
#define AIEX_JSON_H

#include <aiex/aiex_plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Nesting: the default of aiex_json_scan() and the most that it can be asked for. */
#define AIEX_JSON_DEPTH     64u
#define AIEX_JSON_MAX_DEPTH 512u

/* Types of a value; aiex_json_scan() returns one of them. */
#define AIEX_JSON_NULL   1
#define AIEX_JSON_FALSE  2
#define AIEX_JSON_TRUE   3
#define AIEX_JSON_NUMBER 4
#define AIEX_JSON_STRING 5
#define AIEX_JSON_ARRAY  6
#define AIEX_JSON_OBJECT 7

/* One value as it stands in the text: a string with its quotes, an object with its braces. */
struct aiex_json_span {
    int type;         /* AIEX_JSON_*, 0 = nothing here */
    const char *data; /* not 0-terminated */
    size_t len;
};

/* A top-level key to look out for. Set `key`, the scan sets the rest. */
struct aiex_json_field {
    const char *key;             /* plain text; escapes in the document are undone to compare */
    uint32_t seen;               /* how often the key occurred; above 1 readers disagree: refuse */
    struct aiex_json_span value; /* of the last occurrence */
};

/* Why a text was refused. */
struct aiex_json_fault {
    size_t offset;      /* bytes before the fault, at most the length of the text */
    const char *reason; /* static text: "expected ':'", "broken UTF-8", ... */
};

/* Checks the whole text and finds fields. `max_depth` 0 = AIEX_JSON_DEPTH. A text that is no
 * object has no fields. Escapes of lone surrogates ("\ud800") are correct grammar and pass. The
 * type of the top-level value, or -EINVAL (malformed), -EILSEQ (not UTF-8), -E2BIG (too deep),
 * with *fault set (fault may be NULL). Fields are set up to the fault, too. */
int aiex_json_scan(struct aiex_slice text, unsigned max_depth, struct aiex_json_field *fields,
                   size_t n_fields, struct aiex_json_fault *fault);

/* What a scan met on its way. */
struct aiex_json_notes {
    size_t data_bytes; /* of long strings without a blank near their start: an image in base64 */
    int surrogates;    /* "\\ud8xx" occurs: pairs, or lone ones, which are no characters */
};

/* The same for a reader of many keys: each member of the top-level object is given to `member` as
 * soon as it has been checked; when the text is refused, those before the fault have been. `notes`
 * may be NULL. */
typedef void (*aiex_json_member)(void *arg, const struct aiex_json_span *key,
                                 const struct aiex_json_span *value);
int aiex_json_scan_members(struct aiex_slice text, unsigned max_depth, aiex_json_member member,
                           void *arg, struct aiex_json_notes *notes, struct aiex_json_fault *fault);

/* Writes "\\ufffd" over every lone surrogate in a text that the scan has accepted. */
void aiex_json_mend_surrogates(char *text, size_t len);

/* Line and column (both from 1; columns in bytes) of an offset, for messages. */
void aiex_json_where(struct aiex_slice text, size_t offset, size_t *ret_line, size_t *ret_column);

/* ---- Reading spans of a text that the scan has accepted ---- */

/* The characters of a string, escapes undone, 0-terminated; a lone surrogate becomes U+FFFD.
 * Bytes without the 0 (a "\u0000" inside counts as one), or -EINVAL (no string), -ENOSPC. */
long aiex_json_text(const struct aiex_json_span *string, char *out, size_t size);

/* The characters of the inside of a string (without its quotes), escapes undone, into
 * out[len], which is always enough. Bytes written; no 0 at the end. */
size_t aiex_json_unescape(const char *inside, size_t len, char *out);

/* 1 when the span is a string equal to `plain`, escapes undone. */
int aiex_json_is(const struct aiex_json_span *string, const char *plain);
/* The same for a key with its quotes in an accepted text, which most often differs at once. */
static inline int aiex_json_key_is(const char *key, size_t len, const char *plain)
{
    size_t i = 1;

    if (key[1] != *plain && key[1] != '\\')
        return 0;
    while (plain[i - 1] && plain[i - 1] == key[i]) /* the closing quote ends it, or an escape */
        i++;
    if (key[i] == '\\') {
        const struct aiex_json_span span = {AIEX_JSON_STRING, key, len};

        return aiex_json_is(&span, plain);
    }
    return !plain[i - 1] && i == len - 1;
}

/* A whole number. 0, or -EINVAL (no number, has a fraction or exponent), -ERANGE. */
int aiex_json_int(const struct aiex_json_span *number, int64_t *out);

/* Walks an array or object: zero *at, then call until it returns 0. 1 and the next item in *value
 * (and its name as a string span in *key, when the span is an object; key may be NULL), 0 at the
 * end or when `whole` is neither. */
int aiex_json_next(const struct aiex_json_span *whole, size_t *at, struct aiex_json_span *key,
                   struct aiex_json_span *value);
/* As aiex_json_next(), for walks into the depth that see each byte once: an array or object is not
 * skipped. *at stays at its bracket, value->len reaches to the end of `whole`; the caller walks
 * it, and goes on one byte behind where that walk ended, or skips it. */
int aiex_json_step(const struct aiex_json_span *whole, size_t *at, struct aiex_json_span *key,
                   struct aiex_json_span *value);
/* Behind the value that aiex_json_step() gave, whose length is right then. */
void aiex_json_skip(const struct aiex_json_span *whole, size_t *at, struct aiex_json_span *value);

/* Finds `key` in an object span (last occurrence). 1 and *value, else 0 and value->type 0. */
int aiex_json_find(const struct aiex_json_span *object, const char *key,
                   struct aiex_json_span *value);

/* ---- Writing ---- */

/* Fills the caller's memory; once it is full it only counts, so one check at the end is enough. */
struct aiex_json_out {
    char *data;
    size_t len; /* bytes needed so far, also beyond cap */
    size_t cap;
    int failed; /* did not fit */
};

void aiex_jw_init(struct aiex_json_out *w, void *mem, size_t cap);
/* Punctuation and ready JSON, as it is. */
void aiex_jw_raw(struct aiex_json_out *w, const char *json);
void aiex_jw_rawn(struct aiex_json_out *w, const char *json, size_t len);
/* A string with quotes; what must be escaped is, bytes that are not UTF-8 become U+FFFD. */
void aiex_jw_str(struct aiex_json_out *w, const char *text);
void aiex_jw_strn(struct aiex_json_out *w, const char *text, size_t len);
/* The same without the quotes, to build a string from pieces. */
void aiex_jw_escape(struct aiex_json_out *w, const char *text, size_t len);
void aiex_jw_int(struct aiex_json_out *w, int64_t v);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_JSON_H */
