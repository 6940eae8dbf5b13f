/*
 * aiex_message.h - one table per message: packing, unpacking, checking and JSON.
 *
 * A message of a kind (sdk/kinds) is described once, as rows of name, type, limit and
 * place in a C struct:
 *
 *     struct greet { struct aiex_slice name; int64_t times; };
 *     static const struct aiex_field greet_fields[] = {
 *         {.name = "name", .type = AIEX_F_STR, .flags = AIEX_F_REQUIRED, .max = 64,
 *          .offset = offsetof(struct greet, name)},
 *         {.name = "times", .type = AIEX_F_INT, .max = 9, .offset = offsetof(struct greet, times)},
 *     };
 *     static const struct aiex_message_table greet = AIEX_MESSAGE("greet", struct greet,
 * greet_fields);
 *
 *     if (aiex_message_unpack(&greet, message->body, &g, &err) < 0)
 *         host->fail(host, message->id, AIEX_E_INVALID, err.text, 0, none);
 *
 * Absent fields have a value of their own (AIEX_ABSENT_*), which init() and unpack() set
 * and pack() leaves out. Unknown keys are ignored, a known key that occurs twice is
 * refused (readers would disagree). Nothing here allocates what it returns; slices of an
 * unpacked struct point into the body.
 *
 * Optional for plugins; link aiex::message (static). Thread rule: any thread, no state.
 */
#ifndef AIEX_MESSAGE_H
#define AIEX_MESSAGE_H

#include <aiex/aiex_pack.h>
#include <aiex/aiex_plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Types of a field and what `offset` points at. */
#define AIEX_F_INT   1u  /* int64_t */
#define AIEX_F_UINT  2u  /* uint64_t */
#define AIEX_F_BOOL  3u  /* int: 0 or 1 */
#define AIEX_F_REAL  4u  /* double; whole numbers are taken, too */
#define AIEX_F_STR   5u  /* struct aiex_slice: UTF-8 text, not 0-terminated */
#define AIEX_F_BIN   6u  /* struct aiex_slice: bytes; msgpack str is taken, too */
#define AIEX_F_MAP   7u  /* struct aiex_slice: one whole msgpack map, also for `sub` */
#define AIEX_F_ARRAY 8u  /* struct aiex_slice: one whole msgpack array of anything */
#define AIEX_F_STRS  9u  /* struct aiex_slice: one whole msgpack array of str */
#define AIEX_F_MAPS  10u /* struct aiex_slice: one whole msgpack array of maps, also for `sub` */
#define AIEX_F_ANY   11u /* struct aiex_slice: one whole msgpack value */

#define AIEX_F_REQUIRED 1u

/* Not there. The extreme numbers can therefore not be carried: they are out of range. */
#define AIEX_ABSENT_INT  INT64_MIN
#define AIEX_ABSENT_UINT UINT64_MAX
#define AIEX_ABSENT_BOOL (-1)
/* A slice is absent when its data is NULL, a double when it is not a number. */

struct aiex_message_table;

struct aiex_field {
    const char *name;
    uint32_t type;  /* AIEX_F_* */
    uint32_t flags; /* AIEX_F_REQUIRED */
    int64_t min;    /* INT: lowest value, when min or max is set */
    uint64_t max;   /* INT, UINT: highest value; ARRAY STRS MAPS: items; others: bytes; 0 = no limit
                       (INT with a min: none above) */
    size_t offset;  /* of the value in the struct */
    const struct aiex_message_table *sub; /* MAP, MAPS: the table of each map, or NULL */
};

struct aiex_message_table {
    const char *name; /* "provider.chat" */
    size_t size;      /* sizeof the struct */
    const struct aiex_field *fields;
    size_t n_fields; /* at most 64 */
};

#define AIEX_MESSAGE(name, type, fields)                                                           \
    {                                                                                              \
        name, sizeof(type), fields, sizeof(fields) / sizeof((fields)[0])                           \
    }

/* Sets every field absent. */
void aiex_message_init(const struct aiex_message_table *t, void *msg);

/* Writes the map. 0 (the writer may still be too small: look at w->failed), or -EINVAL and a reason
 * in err (may be NULL) when a required field is absent or a limit does not hold. */
int aiex_message_pack(const struct aiex_message_table *t, const void *msg, struct aiex_writer *w,
                      struct aiex_error *err);

/* Checks everything and fills msg. 0, or -EINVAL and a reason that a client may see: "field 'model'
 * is required", "field 'limit' is str, expected int". An empty body is an empty map. After an
 * error msg is undefined. */
int aiex_message_unpack(const struct aiex_message_table *t, struct aiex_slice body, void *msg,
                        struct aiex_error *err);

/* The same without a struct. */
int aiex_message_check(const struct aiex_message_table *t, struct aiex_slice body,
                       struct aiex_error *err);

/* Walks STRS, MAPS and ARRAY fields: set *at = the field, *left = AIEX_ITEMS_BEGIN, call until it
 * returns 0. 1 and the next item as one whole value in *ret_item (for STRS the text itself). */
#define AIEX_ITEMS_BEGIN UINT32_MAX
int aiex_message_next(uint32_t field_type, struct aiex_slice *at, uint32_t *left,
                      struct aiex_slice *ret_item);

/* ---- JSON (RFC 8259) ---- */

/* Any body as JSON text: bin as base64 (RFC 4648), numbers that JSON can not carry as null, ext as
 * null, keys that are not str as their JSON text. Returns the bytes of the text (without the final
 * 0, which is written when there is room) even when they exceed `size`, as snprintf() does; or
 * -EINVAL: broken or nested deeper than AIEX_PACK_DEPTH. */
long aiex_message_to_json(struct aiex_slice body, char *out, size_t size);

/* JSON text to a body. With a table its fields steer: REAL takes whole numbers; BIN takes base64
 * text, or an object or array, whose JSON text it then is; and the result is checked. Table NULL =
 * any value. 0 (look at w->failed), or -EINVAL and a reason; -ENOMEM. */
int aiex_message_from_json(const struct aiex_message_table *t, struct aiex_slice json,
                           struct aiex_writer *w, struct aiex_error *err);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_MESSAGE_H */
