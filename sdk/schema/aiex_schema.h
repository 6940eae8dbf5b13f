/*
 * aiex_schema.h - does this JSON fit that JSON Schema? And where is the JSON in this answer?
 *
 * For structured outputs and tool parameters: a model promises JSON of a shape, this says
 * whether it kept the promise, and if not, where and why, in words that can be shown to a
 * person or to the model:
 *
 *     struct aiex_schema schema;
 *     struct aiex_schema_fault fault;
 *     if (aiex_schema_read(text, &schema, &fault) != 0) ...      the schema itself is wrong
 *     if (aiex_schema_check(&schema, json, &fault) != 0)
 *         "at /items/3/price: expected a number, found \"12\""
 *
 * Draft 2020-12 (https://json-schema.org/draft/2020-12), these keywords: type enum const
 * properties patternProperties additionalProperties propertyNames required minProperties
 * maxProperties items prefixItems minItems maxItems uniqueItems contains minLength maxLength
 * pattern minimum maximum exclusiveMinimum exclusiveMaximum multipleOf anyOf oneOf allOf not
 * $ref (within the document: "#", "#/..."). Names that only describe (title, format, default ...)
 * are passed over. Keywords that would constrain and are not supported (if, dependentSchemas,
 * unevaluatedProperties, patterns with look-around or back-references ...) do not refuse anything
 * and are named in `unchecked`.
 *
 * Patterns are ECMA-262's without look-around, back-references and \p; they are matched in time
 * proportional to pattern and text (Thompson's simulation), never by backtracking. Numbers are
 * compared by value, exactly up to 38 digits: 1.0 is an integer and equal to 1.
 *
 * No tree is built; a schema and an instance are read where they stand. Static library
 * aiex_sdk_schema (alias aiex::schema). Any thread, no state; what is allocated is freed before
 * the functions return. Ownership: a schema points into its text.
 */
#ifndef AIEX_SCHEMA_H
#define AIEX_SCHEMA_H

#include <aiex_json.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AIEX_SCHEMA_DEPTH 128u        /* nested schemas that are applied at once */
#define AIEX_SCHEMA_WORK  (32u << 20) /* steps of one check (about bytes looked at) */

struct aiex_schema {
    struct aiex_json_span root;
    char unchecked[256]; /* JSON Pointers of what is not checked, comma separated; "" = nothing */
};

struct aiex_schema_fault {
    char pointer[256]; /* JSON Pointer (RFC 6901) into the instance, or into the schema when that is
                          wrong; "" = the whole; cut at its front ("...") when longer */
    char text[256];    /* what was found and what was expected; one line */
};

/* Takes a schema: well-formed JSON, each known keyword with a value of its kind, each reference
 * resolvable. `text` must live as long as the schema. 0, -EINVAL and a fault (may be NULL), -E2BIG
 * (nested too deep). */
int aiex_schema_read(struct aiex_slice text, struct aiex_schema *ret_schema,
                     struct aiex_schema_fault *fault);

/* 0 = the JSON text fits. -EINVAL: it does not, or is no JSON. -E2BIG: deeper than
 * AIEX_SCHEMA_DEPTH or more than AIEX_SCHEMA_WORK to look at. -ENOMEM. With a fault (may be NULL).
 */
int aiex_schema_check(const struct aiex_schema *schema, struct aiex_slice json,
                      struct aiex_schema_fault *fault);

/* Walks the fenced code blocks (CommonMark: ``` or ~~~) of a text: zero *at, call until it returns
 * 0. 1, the info string's first word (may be empty) and the content with its line ends. A block
 * without an end reaches to the end of the text. */
int aiex_schema_next_block(struct aiex_slice text, size_t *at, struct aiex_slice *ret_language,
                           struct aiex_slice *ret_content);

/* The JSON object or array that a text answer holds: the whole text, else the first code block
 * that is one (blocks called json before others), else the first one standing in the text. 1, or 0
 * when there is none. At most 256 places are tried. */
int aiex_schema_find_json(struct aiex_slice text, struct aiex_slice *ret_json);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_SCHEMA_H */
