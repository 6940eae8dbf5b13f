/* message_test.c - sdk/message: tables, hostile bytes, JSON; msgpack-c as an oracle for
 * aiex_pack.h. */
#include "test.h"

#include <aiex/aiex_message.h>
#include <math.h>
#include <msgpack.h>
#include <provider_messages.h>
#include <stdlib.h>
#include <string.h>

struct sample {
    int64_t number;
    uint64_t big;
    int flag;
    double real;
    struct aiex_slice text, bytes, map, list, words, entries, any;
};

struct entry {
    struct aiex_slice id;
    int64_t rank;
};

static const struct aiex_field entry_fields[] = {
    {.name = "id",
     .type = AIEX_F_STR,
     .flags = AIEX_F_REQUIRED,
     .max = 8,
     .offset = offsetof(struct entry, id)},
    {.name = "rank",
     .type = AIEX_F_INT,
     .min = -5,
     .max = 5,
     .offset = offsetof(struct entry, rank)},
};
static const struct aiex_message_table entry_table = AIEX_MESSAGE("entry", struct entry,
                                                                  entry_fields);

#define AT(name) .offset = offsetof(struct sample, name)

static const struct aiex_field sample_fields[] = {
    {.name = "number", .type = AIEX_F_INT, AT(number)},
    {.name = "big", .type = AIEX_F_UINT, AT(big)},
    {.name = "flag", .type = AIEX_F_BOOL, AT(flag)},
    {.name = "real", .type = AIEX_F_REAL, AT(real)},
    {.name = "text", .type = AIEX_F_STR, .flags = AIEX_F_REQUIRED, .max = 10, AT(text)},
    {.name = "bytes", .type = AIEX_F_BIN, .max = 10, AT(bytes)},
    {.name = "map", .type = AIEX_F_MAP, .sub = &entry_table, AT(map)},
    {.name = "list", .type = AIEX_F_ARRAY, .max = 3, AT(list)},
    {.name = "words", .type = AIEX_F_STRS, .max = 3, AT(words)},
    {.name = "entries", .type = AIEX_F_MAPS, .max = 3, .sub = &entry_table, AT(entries)},
    {.name = "any", .type = AIEX_F_ANY, AT(any)},
};
static const struct aiex_message_table sample_table = AIEX_MESSAGE("sample", struct sample,
                                                                   sample_fields);

static struct aiex_slice slice(const char *text)
{
    return (struct aiex_slice){(const uint8_t *)text, strlen(text)};
}

/* A body from JSON, without a table; at most four are alive at a time. */
static struct aiex_slice body_of(const char *json)
{
    static uint8_t mem[4][4096];
    static unsigned turn;
    struct aiex_writer w;
    struct aiex_error err = {""};

    aiex_writer_init(&w, mem[turn++ % 4], sizeof(mem[0]));
    CU_ASSERT_EQUAL_FATAL(aiex_message_from_json(NULL, slice(json), &w, &err), 0);
    CU_ASSERT_FALSE_FATAL(w.failed);
    return aiex_written(&w);
}

static void check_refused(const struct aiex_message_table *t, struct aiex_slice body,
                          const char *reason)
{
    struct aiex_error err = {""};

    CU_ASSERT_EQUAL(aiex_message_check(t, body, &err), -EINVAL);
    if (strcmp(err.text, reason) != 0)
        printf("\n  got \"%s\"\n  not \"%s\"\n", err.text, reason);
    CU_ASSERT_STRING_EQUAL(err.text, reason);
    CU_ASSERT_EQUAL(aiex_message_check(t, body, NULL), -EINVAL);
}

/* ---- Tables ---- */

static void round_trip(void)
{
    struct aiex_slice list = body_of("[1,\"two\",[3]]"), words = body_of("[\"a\",\"\",\"c\"]");
    struct aiex_slice entries = body_of("[{\"id\":\"x\",\"rank\":-5},{\"id\":\"y\"}]");
    struct sample in, out;
    struct aiex_error err = {""};
    struct aiex_writer w;
    uint8_t mem[512];

    aiex_message_init(&sample_table, &in);
    in.number = -70000;
    in.big = UINT64_MAX - 1;
    in.flag = 0;
    in.real = 0.5;
    in.text = slice("");
    in.bytes = (struct aiex_slice){(const uint8_t *)"\0\1\2", 3};
    in.list = list;
    in.words = words;
    in.entries = entries;
    aiex_writer_init(&w, mem, sizeof(mem));
    CU_ASSERT_EQUAL(aiex_message_pack(&sample_table, &in, &w, &err), 0);
    CU_ASSERT_STRING_EQUAL(err.text, "");
    CU_ASSERT_EQUAL_FATAL(aiex_message_unpack(&sample_table, aiex_written(&w), &out, &err), 0);
    CU_ASSERT_EQUAL(out.number, -70000);
    CU_ASSERT_EQUAL(out.big, UINT64_MAX - 1);
    CU_ASSERT_EQUAL(out.flag, 0);
    CU_ASSERT_DOUBLE_EQUAL(out.real, 0.5, 0);
    CU_ASSERT_EQUAL(out.text.len, 0);
    CU_ASSERT_PTR_NOT_NULL(out.text.data);
    CU_ASSERT_EQUAL(out.bytes.len, 3);
    CU_ASSERT_EQUAL(memcmp(out.bytes.data, "\0\1\2", 3), 0);
    CU_ASSERT_EQUAL(out.list.len, list.len);
    CU_ASSERT_EQUAL(memcmp(out.entries.data, entries.data, entries.len), 0);
    CU_ASSERT_PTR_NULL(out.map.data);
    CU_ASSERT_PTR_NULL(out.any.data);
}

static void absent_values(void)
{
    struct sample out;
    struct aiex_error err = {""};

    CU_ASSERT_EQUAL(aiex_message_unpack(&sample_table,
                                        body_of("{\"text\":\"t\",\"number\":null,\"other\":{}}"),
                                        &out, &err),
                    0);
    CU_ASSERT_EQUAL(out.number, AIEX_ABSENT_INT);
    CU_ASSERT_EQUAL(out.big, AIEX_ABSENT_UINT);
    CU_ASSERT_EQUAL(out.flag, AIEX_ABSENT_BOOL);
    CU_ASSERT_TRUE(isnan(out.real));
    CU_ASSERT_PTR_NULL(out.bytes.data);
}

static void pack_refuses(void)
{
    struct sample in;
    struct aiex_error err = {""};
    struct aiex_writer w;
    uint8_t mem[64];

    aiex_message_init(&sample_table, &in);
    aiex_writer_init(&w, mem, sizeof(mem));
    CU_ASSERT_EQUAL(aiex_message_pack(&sample_table, &in, &w, &err), -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "field 'text' is required");
    in.text = slice("eleven char");
    aiex_writer_init(&w, mem, sizeof(mem));
    CU_ASSERT_EQUAL(aiex_message_pack(&sample_table, &in, &w, &err), -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "field 'text' has 11 bytes, the limit is 10");
    in.text = slice("fits");
    aiex_writer_init(&w, mem, 4);
    CU_ASSERT_EQUAL(aiex_message_pack(&sample_table, &in, &w, &err), 0);
    CU_ASSERT_TRUE(w.failed);
    CU_ASSERT_EQUAL(w.len, 1 + 5 + 5);
}

/* Every field is offered a value of every type: accepted or refused as its row says. */
static void every_wrong_type(void)
{
    static const struct {
        const char *json, *type;
        unsigned accepted; /* bit per AIEX_F_* */
    } values[] = {
        {"-7", "int", 1u << AIEX_F_INT | 1u << AIEX_F_REAL},
        {"7", "int", 1u << AIEX_F_INT | 1u << AIEX_F_UINT | 1u << AIEX_F_REAL},
        {"18446744073709551614", "uint", 1u << AIEX_F_UINT | 1u << AIEX_F_REAL},
        {"true", "bool", 1u << AIEX_F_BOOL},
        {"1.5", "real", 1u << AIEX_F_REAL},
        {"\"s\"", "str", 1u << AIEX_F_STR | 1u << AIEX_F_BIN},
        {"[]", "array", 1u << AIEX_F_ARRAY | 1u << AIEX_F_STRS | 1u << AIEX_F_MAPS},
        {"{\"id\":\"i\"}", "map", 1u << AIEX_F_MAP},
    };

    for (size_t f = 0; f < sample_table.n_fields; f++) {
        const struct aiex_field *field = &sample_fields[f];

        for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
            unsigned ok = values[v].accepted | 1u << AIEX_F_ANY;
            struct aiex_error err = {""};
            char json[128], want[64];
            int r;

            snprintf(json, sizeof(json), "{\"%s\":%s%s}", field->name, values[v].json,
                     strcmp(field->name, "text") == 0 ? "" : ",\"text\":\"t\"");
            r = aiex_message_check(&sample_table, body_of(json), &err);
            CU_ASSERT_EQUAL(r, (ok >> field->type & 1) ? 0 : -EINVAL);
            snprintf(want, sizeof(want), "field '%s' is %s, expected ", field->name,
                     values[v].type);
            if (r)
                CU_ASSERT_PTR_NOT_NULL(strstr(err.text, want));
        }
    }
}

static void limits_and_paths(void)
{
    check_refused(&sample_table, body_of("{}"), "field 'text' is required");
    check_refused(&sample_table, (struct aiex_slice){NULL, 0}, "field 'text' is required");
    check_refused(&sample_table, body_of("{\"text\":null}"), "field 'text' is required");
    check_refused(&sample_table, body_of("[1]"), "the message is array, expected map");
    check_refused(&sample_table, body_of("{\"text\":\"t\",\"list\":[1,2,3,4]}"),
                  "field 'list' has 4 items, the limit is 3");
    check_refused(&sample_table, body_of("{\"text\":\"t\",\"words\":[\"a\",2]}"),
                  "field 'words[1]' is int, expected str");
    check_refused(&sample_table, body_of("{\"text\":\"t\",\"entries\":[{\"id\":\"a\"},{}]}"),
                  "field 'entries[1].id' is required");
    check_refused(&sample_table,
                  body_of("{\"text\":\"t\",\"entries\":[{\"id\":\"a\",\"rank\":6}]}"),
                  "field 'entries[0].rank' is 6, the limit is 5");
    check_refused(&sample_table, body_of("{\"text\":\"t\",\"map\":{\"id\":\"a\",\"rank\":-6}}"),
                  "field 'map.rank' is -6, the least is -5");
    check_refused(&sample_table, body_of("{\"text\":\"t\",\"entries\":[7]}"),
                  "field 'entries[0]' is int, expected map");
    check_refused(&sample_table, body_of("{\"text\":\"t\",\"big\":18446744073709551615}"),
                  "field 'big' is 18446744073709551615, the limit is 18446744073709551614");
    check_refused(&sample_table, body_of("{\"text\":\"t\",\"text\":\"t\"}"),
                  "field 'text' is there twice");
    check_refused(&sample_table, (struct aiex_slice){(const uint8_t *)"\x81\x07\x07", 3},
                  "a key in 'sample' is int, expected str");
    check_refused(&sample_table, (struct aiex_slice){(const uint8_t *)"\x81\xa4text\xa1t\xc0", 9},
                  "1 bytes follow the message");
}

/* Every prefix of a good message, and every one-byte change of it, is accepted or refused cleanly.
 */
static void hostile_bytes(void)
{
    struct aiex_slice good = body_of(
        "{\"text\":\"t\",\"entries\":[{\"id\":\"a\",\"rank\":1}],\"words\":[\"x\"],"
        "\"any\":{\"k\":[1.5,null]},\"big\":70000}");
    struct sample out;
    struct aiex_error err;
    size_t refused = 0;

    CU_ASSERT_EQUAL_FATAL(aiex_message_check(&sample_table, good, &err), 0);
    for (size_t n = 1; n < good.len; n++) {
        uint8_t *copy = malloc(n); /* exact size, so that a read beyond is seen */

        memcpy(copy, good.data, n);
        CU_ASSERT_EQUAL(
            aiex_message_unpack(&sample_table, (struct aiex_slice){copy, n}, &out, &err), -EINVAL);
        free(copy);
    }
    for (size_t i = 0; i < good.len; i++) {
        for (unsigned b = 0; b < 256; b++) {
            uint8_t *copy = malloc(good.len);
            char json[8];

            memcpy(copy, good.data, good.len);
            copy[i] = (uint8_t)b;
            refused += aiex_message_unpack(&sample_table, (struct aiex_slice){copy, good.len}, &out,
                                           &err) < 0;
            aiex_message_to_json((struct aiex_slice){copy, good.len}, json, sizeof(json));
            free(copy);
        }
    }
    CU_ASSERT_TRUE(refused > good.len * 64);
}

static void walking(void)
{
    struct aiex_slice words = body_of("[\"a\",\"bc\"]"), entries = body_of("[{\"id\":\"x\"},{}]");
    struct aiex_slice item, none = {0};
    uint32_t left = AIEX_ITEMS_BEGIN;

    CU_ASSERT_EQUAL(aiex_message_next(AIEX_F_STRS, &words, &left, &item), 1);
    CU_ASSERT_TRUE(aiex_slice_is(item, "a"));
    CU_ASSERT_EQUAL(aiex_message_next(AIEX_F_STRS, &words, &left, &item), 1);
    CU_ASSERT_TRUE(aiex_slice_is(item, "bc"));
    CU_ASSERT_EQUAL(aiex_message_next(AIEX_F_STRS, &words, &left, &item), 0);
    left = AIEX_ITEMS_BEGIN;
    CU_ASSERT_EQUAL(aiex_message_next(AIEX_F_MAPS, &entries, &left, &item), 1);
    CU_ASSERT_EQUAL(item.len, 6);
    CU_ASSERT_EQUAL(aiex_message_next(AIEX_F_MAPS, &entries, &left, &item), 1);
    CU_ASSERT_EQUAL(item.len, 1);
    CU_ASSERT_EQUAL(aiex_message_next(AIEX_F_MAPS, &entries, &left, &item), 0);
    left = AIEX_ITEMS_BEGIN;
    CU_ASSERT_EQUAL(aiex_message_next(AIEX_F_STRS, &none, &left, &item), 0);
}

/* ---- JSON ---- */

static void check_json(const char *in, const char *want)
{
    char out[512];
    long n = aiex_message_to_json(body_of(in), out, sizeof(out));

    CU_ASSERT_EQUAL(n, (long)strlen(want));
    CU_ASSERT_STRING_EQUAL(out, want);
    if (strcmp(out, want) != 0)
        printf("\n  got %s\n  not %s\n", out, want);
    CU_ASSERT_EQUAL(aiex_message_to_json(body_of(in), NULL, 0), n);
}

static void json_both_ways(void)
{
    check_json("{}", "{}");
    check_json(" { \"a\" : [ 1 , -2, 3.0, 0.1, 1e3, true, false, null ] } ",
               "{\"a\":[1,-2,3.0,0.1,1000.0,true,false,null]}");
    check_json("{\"\\u00e9\\n\":\"\\u0000\\\"\"}", "{\"\xc3\xa9\\n\":\"\\u0000\\\"\"}");
    check_json("[18446744073709551615,-9223372036854775808,1e300]",
               "[18446744073709551615,-9223372036854775808,1e+300]");
    check_json("\"alone\"", "\"alone\"");
}

static void json_of_odd_msgpack(void)
{
    static const uint8_t odd[] = {0x83, 0x01, 0xc4, 0x04, 'a',  'b',  'c',  'd',  0xc0,
                                  0xd4, 0x05, 0x06, 0xc2, 0xca, 0x7f, 0xc0, 0x00, 0x00};
    char out[128];
    struct aiex_slice body = {odd, sizeof(odd)};

    CU_ASSERT_TRUE(aiex_message_to_json(body, out, sizeof(out)) > 0);
    CU_ASSERT_STRING_EQUAL(out, "{\"1\":\"YWJjZA==\",\"null\":null,\"false\":null}");
    body.len--;
    CU_ASSERT_EQUAL(aiex_message_to_json(body, out, sizeof(out)), -EINVAL);
    CU_ASSERT_EQUAL(aiex_message_to_json((struct aiex_slice){0}, out, sizeof(out)), 2);
}

static void json_depth(void)
{
    uint8_t deep[AIEX_PACK_DEPTH + 2];
    char text[2 * AIEX_PACK_DEPTH + 8], out[512];
    struct aiex_slice at;
    struct aiex_writer w;
    struct aiex_error err = {""};

    memset(deep, 0x91, sizeof(deep));
    deep[AIEX_PACK_DEPTH] = 0xc0;
    CU_ASSERT_TRUE(
        aiex_message_to_json((struct aiex_slice){deep, AIEX_PACK_DEPTH + 1}, out, sizeof(out)) > 0);
    deep[AIEX_PACK_DEPTH] = 0x91;
    deep[AIEX_PACK_DEPTH + 1] = 0xc0;
    CU_ASSERT_EQUAL(
        aiex_message_to_json((struct aiex_slice){deep, AIEX_PACK_DEPTH + 2}, out, sizeof(out)),
        -EINVAL);
    deep[AIEX_PACK_DEPTH] = 0x90; /* empty, but one level too many all the same */
    at = (struct aiex_slice){deep, AIEX_PACK_DEPTH + 1};
    CU_ASSERT_EQUAL(aiex_r_skip(&at), -1);
    at = (struct aiex_slice){deep + 1, AIEX_PACK_DEPTH};
    CU_ASSERT_EQUAL(aiex_r_skip(&at), 0);
    memset(text, '[', AIEX_PACK_DEPTH + 1);
    memset(text + AIEX_PACK_DEPTH + 1, ']', AIEX_PACK_DEPTH + 1);
    text[2 * AIEX_PACK_DEPTH + 2] = 0;
    aiex_writer_init(&w, deep, sizeof(deep));
    CU_ASSERT_EQUAL(aiex_message_from_json(NULL, slice(text), &w, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "line 1, column "));
}

static int from_json(const char *json, struct sample *out, struct aiex_error *err)
{
    static uint8_t mem[1024];
    struct aiex_writer w;
    int r;

    aiex_writer_init(&w, mem, sizeof(mem));
    r = aiex_message_from_json(&sample_table, slice(json), &w, err);
    return r ? r : aiex_message_unpack(&sample_table, aiex_written(&w), out, err);
}

static void json_with_a_table(void)
{
    struct aiex_error err = {""};
    struct sample s;

    CU_ASSERT_EQUAL(from_json("{\"text\":\"t\",\"real\":3,\"bytes\":\"AAEC\"}", &s, &err), 0);
    CU_ASSERT_DOUBLE_EQUAL(s.real, 3.0, 0);
    CU_ASSERT_EQUAL(s.bytes.len, 3);
    CU_ASSERT_EQUAL(memcmp(s.bytes.data, "\0\1\2", 3), 0);
    CU_ASSERT_EQUAL(from_json("{\"text\":\"t\",\"bytes\":{\"a\": 1}}", &s, &err), 0);
    CU_ASSERT_TRUE(aiex_slice_is(s.bytes, "{\"a\": 1}"));
    CU_ASSERT_EQUAL(from_json("{\"text\":\"t\",\"bytes\":\"AAE\"}", &s, &err), -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "field 'bytes' is not base64");
    CU_ASSERT_EQUAL(from_json("{\"text\":\"t\",\"bytes\":\"AAF=\"}", &s, &err), -EINVAL);
    CU_ASSERT_EQUAL(from_json("{\"text\":7}", &s, &err), -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "field 'text' is int, expected str");
    CU_ASSERT_EQUAL(from_json("[]", &s, &err), -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "the message is not a JSON object");
    CU_ASSERT_EQUAL(from_json("{\"text\":\n 't'}", &s, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "line 2, column 2"));
    CU_ASSERT_EQUAL(from_json("{\"text\":\"t\",\"any\":1e999}", &s, &err), -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "number 1e999 is out of range");
}

/* ---- Kinds ---- */

static void provider_tables(void)
{
    static uint8_t mem[512];
    struct aiex_provider_chat_end end;
    struct aiex_provider_chat chat;
    struct aiex_error err = {""};
    struct aiex_writer w;

    check_refused(&aiex_provider_chat_table,
                  body_of("{\"dialect\":\"openai.chat\",\"model\":\"m\"}"),
                  "field 'body' is required");
    check_refused(&aiex_provider_models_end_table, body_of("{\"models\":[{\"created\":1}]}"),
                  "field 'models[0].id' is required");
    check_refused(&aiex_provider_chat_error_table, body_of("{\"http_status\":99}"),
                  "field 'http_status' is 99, the least is 100");
    aiex_writer_init(&w, mem, sizeof(mem));
    CU_ASSERT_EQUAL_FATAL(
        aiex_message_from_json(&aiex_provider_chat_table,
                               slice("{\"dialect\":\"openai.chat\",\"model\":\"m\",\"body\":{}}"),
                               &w, &err),
        0);
    CU_ASSERT_EQUAL(aiex_message_unpack(&aiex_provider_chat_table, aiex_written(&w), &chat, &err),
                    0);
    CU_ASSERT_EQUAL(chat.stream, AIEX_ABSENT_BOOL);
    CU_ASSERT_TRUE(aiex_slice_is(chat.body, "{}"));
    aiex_message_init(&aiex_provider_chat_end_table, &end);
    end.model = end.provider = slice("m");
    end.offline = 1;
    aiex_writer_init(&w, mem, sizeof(mem));
    CU_ASSERT_EQUAL(aiex_message_pack(&aiex_provider_chat_end_table, &end, &w, &err), 0);
    CU_ASSERT_EQUAL(
        aiex_message_check(&aiex_provider_health_end_table, body_of("{\"healthy\":true}"), &err),
        0);
    check_refused(&aiex_provider_chat_table,
                  body_of("{\"dialect\":\"openai.chat\",\"model\":\"m\",\"body\":\"x\","
                          "\"first_token_ms\":-1}"),
                  "field 'first_token_ms' is -1, the least is 0");
    check_refused(&aiex_provider_count_end_table, body_of("{\"exact\":true}"),
                  "field 'input_tokens' is required");
    check_refused(&aiex_provider_settle_table, body_of("{\"account\":\"YQ==\"}"),
                  "field 'provider' is required");
    check_refused(&aiex_provider_models_end_table,
                  body_of("{\"models\":[{\"id\":\"m\",\"capabilities\":[1]}]}"),
                  "field 'models[0].capabilities[0]' is int, expected str");
    CU_ASSERT_EQUAL(aiex_message_check(&aiex_service_health_end_table,
                                       body_of("{\"healthy\":false,\"reason\":\"r\"}"), &err),
                    0);
}

/* ---- msgpack-c as an oracle for aiex_pack.h ---- */

static uint64_t random_state = 0x9e3779b97f4a7c15u;

static uint64_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Numbers of every width, so that every encoding is hit. */
static uint64_t random_number(void)
{
    return random_bits() >> (random_bits() % 64);
}

static void write_random(struct aiex_writer *a, msgpack_packer *b, unsigned depth)
{
    static const char text[70000];
    size_t n = (size_t)(random_number() % (random_bits() % 8 ? 300 : sizeof(text)));
    uint64_t u = random_number();
    double real;

    switch (random_bits() % (depth ? 8 : 6)) {
    case 0:
        aiex_w_uint(a, u);
        msgpack_pack_uint64(b, u);
        break;
    case 1:
        aiex_w_bool(a, (int)(u & 1));
        (u & 1) ? msgpack_pack_true(b) : msgpack_pack_false(b);
        break;
    case 2:
        memcpy(&real, &u, 8);
        aiex_w_real(a, real);
        msgpack_pack_double(b, real);
        break;
    case 3:
        aiex_w_strn(a, text, n);
        msgpack_pack_str(b, n);
        msgpack_pack_str_body(b, text, n);
        break;
    case 4:
        aiex_w_bin(a, text, n);
        msgpack_pack_bin(b, n);
        msgpack_pack_bin_body(b, text, n);
        break;
    case 5:
        aiex_w_nil(a);
        msgpack_pack_nil(b);
        break;
    case 6:
        n = (size_t)(u % 20);
        aiex_w_array(a, (uint32_t)n);
        msgpack_pack_array(b, n);
        while (n--)
            write_random(a, b, depth - 1);
        break;
    default:
        n = (size_t)(u % 18);
        aiex_w_map(a, (uint32_t)n);
        msgpack_pack_map(b, n);
        while (n--) {
            aiex_w_str(a, "key");
            msgpack_pack_str(b, 3);
            msgpack_pack_str_body(b, "key", 3);
            write_random(a, b, depth - 1);
        }
        break;
    }
}

static void writer_writes_what_msgpack_c_writes(void)
{
    const size_t cap = 4u << 20;
    uint8_t *mem = malloc(cap);

    for (int round = 0; round < 400; round++) {
        struct aiex_writer w;
        msgpack_sbuffer want;
        msgpack_packer packer;

        msgpack_sbuffer_init(&want);
        msgpack_packer_init(&packer, &want, msgpack_sbuffer_write);
        aiex_writer_init(&w, mem, cap);
        write_random(&w, &packer, 3);
        CU_ASSERT_EQUAL_FATAL(w.len, want.size);
        CU_ASSERT_TRUE(w.failed || memcmp(mem, want.data, want.size) == 0);
        msgpack_sbuffer_destroy(&want);
    }
    free(mem);
}

static int same_value(struct aiex_slice *at, const msgpack_object *o);

static int same_items(struct aiex_slice *at, const struct aiex_value *v, const msgpack_object *o)
{
    if (v->type == AIEX_T_ARRAY) {
        if (o->type != MSGPACK_OBJECT_ARRAY || v->count != o->via.array.size)
            return 0;
        for (uint32_t i = 0; i < v->count; i++) {
            if (!same_value(at, &o->via.array.ptr[i]))
                return 0;
        }
        return 1;
    }
    if (o->type != MSGPACK_OBJECT_MAP || v->count != o->via.map.size)
        return 0;
    for (uint32_t i = 0; i < v->count; i++) {
        if (!same_value(at, &o->via.map.ptr[i].key) || !same_value(at, &o->via.map.ptr[i].val))
            return 0;
    }
    return 1;
}

static int same_value(struct aiex_slice *at, const msgpack_object *o)
{
    struct aiex_value v;

    if (aiex_r_value(at, &v) != 0)
        return 0;
    switch (v.type) {
    case AIEX_T_NIL:
        return o->type == MSGPACK_OBJECT_NIL;
    case AIEX_T_BOOL:
        return o->type == MSGPACK_OBJECT_BOOLEAN && v.i == o->via.boolean;
    case AIEX_T_INT:
        if (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
            return v.i >= 0 && v.u == o->via.u64;
        return o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER && v.i == o->via.i64;
    case AIEX_T_UINT:
        return o->type == MSGPACK_OBJECT_POSITIVE_INTEGER && v.u == o->via.u64;
    case AIEX_T_REAL:
        return (o->type == MSGPACK_OBJECT_FLOAT64 || o->type == MSGPACK_OBJECT_FLOAT32) &&
               memcmp(&v.real, &o->via.f64, 8) == 0;
    case AIEX_T_STR:
        return o->type == MSGPACK_OBJECT_STR && v.bytes.len == o->via.str.size &&
               (v.bytes.len == 0 || memcmp(v.bytes.data, o->via.str.ptr, v.bytes.len) == 0);
    case AIEX_T_BIN:
        return o->type == MSGPACK_OBJECT_BIN && v.bytes.len == o->via.bin.size &&
               (v.bytes.len == 0 || memcmp(v.bytes.data, o->via.bin.ptr, v.bytes.len) == 0);
    case AIEX_T_EXT:
        return o->type == MSGPACK_OBJECT_EXT;
    default:
        return same_items(at, &v, o);
    }
}

/* Random bytes biased to heads: both readers take or refuse them, and read the same. msgpack-c
 * knows no depth limit of ours, so bytes that only it takes must be deep. */
static void reader_reads_what_msgpack_c_reads(void)
{
    static const uint8_t heads[] = {0x81, 0x92, 0xa1, 0xc0, 0xc2, 0xc3, 0xc4, 0xca,
                                    0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2,
                                    0xd3, 0xd4, 0xd9, 0xda, 0xc7, 0x00};
    size_t both = 0;

    for (int round = 0; round < 40000; round++) {
        size_t n = 1 + random_bits() % 24;
        uint8_t *bytes = malloc(n);
        struct aiex_slice at = {bytes, n}, walk = {bytes, n};
        msgpack_unpacked unpacked;
        size_t off = 0;
        int mine, theirs;

        for (size_t i = 0; i < n; i++) {
            bytes[i] = random_bits() % 2 ? heads[random_bits() % sizeof(heads)]
                                         : (uint8_t)random_bits();
            if (bytes[i] == 0xdd || bytes[i] == 0xdf)
                bytes[i] = 0;
        }
        msgpack_unpacked_init(&unpacked);
        mine = aiex_r_skip(&at) == 0;
        theirs = msgpack_unpack_next(&unpacked, (const char *)bytes, n, &off) ==
                 MSGPACK_UNPACK_SUCCESS;
        CU_ASSERT_EQUAL(mine, theirs);
        if (mine && theirs) {
            both++;
            CU_ASSERT_EQUAL(n - at.len, off);
            CU_ASSERT_TRUE(same_value(&walk, &unpacked.data));
        }
        msgpack_unpacked_destroy(&unpacked);
        free(bytes);
    }
    CU_ASSERT_TRUE(both > 10000);
}

/* Signed numbers: another width than msgpack-c's may be chosen, the value is the same. */
static void signed_numbers(void)
{
    for (int round = 0; round < 20000; round++) {
        int64_t v = (int64_t)random_number();
        uint8_t mem[16];
        struct aiex_writer w;
        struct aiex_slice at;
        msgpack_unpacked unpacked;
        size_t off = 0;

        v = (round & 1) && v != INT64_MIN ? -v : v;
        aiex_writer_init(&w, mem, sizeof(mem));
        aiex_w_int(&w, v);
        at = aiex_written(&w);
        msgpack_unpacked_init(&unpacked);
        CU_ASSERT_EQUAL_FATAL(msgpack_unpack_next(&unpacked, (char *)mem, w.len, &off),
                              MSGPACK_UNPACK_SUCCESS);
        CU_ASSERT_EQUAL(unpacked.data.via.i64, v);
        CU_ASSERT_TRUE(same_value(&at, &unpacked.data));
        msgpack_unpacked_destroy(&unpacked);
    }
}

const struct test_case tests[] = {
    {"round trip", round_trip},
    {"absent values", absent_values},
    {"pack refuses", pack_refuses},
    {"every wrong type", every_wrong_type},
    {"limits and paths", limits_and_paths},
    {"hostile bytes", hostile_bytes},
    {"walking", walking},
    {"json both ways", json_both_ways},
    {"json of odd msgpack", json_of_odd_msgpack},
    {"json depth", json_depth},
    {"json with a table", json_with_a_table},
    {"provider tables", provider_tables},
    {"writer writes what msgpack-c writes", writer_writes_what_msgpack_c_writes},
    {"reader reads what msgpack-c reads", reader_reads_what_msgpack_c_reads},
    {"signed numbers", signed_numbers},
    {0},
};
