/*
 * endpoint_hostile_test.c - records that no honest host would send: an endpoint ignores
 * what concerns no call of its own, refuses what breaks the protocol, and keeps no more
 * than one body's worth of memory for it.
 */
#include "channel/endpoint_private.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rig {
    struct endpoint *ep;
    unsigned messages, sent, ends, parts;
    uint32_t call;
    uint64_t id;
    struct record last;
    char code[32];
    size_t part_len;
};

static int on_send(void *arg, const struct record *head, const void *body, size_t len)
{
    struct rig *r = arg;

    r->sent++;
    r->last = *head;
    return 0;
}

static int on_message(void *arg, unsigned instance, const struct aiex_message *m)
{
    struct rig *r = arg;

    r->messages++;
    r->id = m->id;
    return 0;
}

static const char *on_name(void *arg, unsigned instance)
{
    return "x";
}

static void on_answer(void *arg, const struct aiex_answer *a)
{
    struct rig *r = arg;

    r->ends += a->kind == AIEX_ANSWER_END;
    r->parts += a->kind == AIEX_ANSWER_PART;
    r->part_len = a->body.len;
    snprintf(r->code, sizeof(r->code), "%s", a->code ? a->code : "ok");
}

static void rig_init(struct rig *r)
{
    static const struct endpoint_ops ops = {on_send, NULL, on_message, NULL, on_name};
    struct aiex_request req = {.struct_size = sizeof(req), .service = "s", .method = "m"};
    uint64_t call;

    memset(r, 0, sizeof(*r));
    r->ep = endpoint_new(&ops, r, "node");
    CU_ASSERT_PTR_NOT_NULL_FATAL(r->ep);
    CU_ASSERT_EQUAL(endpoint_call(r->ep, 0, &req, on_answer, r, &call), 0);
    r->call = (uint32_t)call;
    r->sent = 0;
    CU_ASSERT_EQUAL(endpoint_record(r->ep, &(struct record){.kind = RECORD_NAME, .len = 3},
                                    (const uint8_t *)"s\0m"),
                    0);
}

static int give(struct rig *r, unsigned kind, uint64_t id, unsigned flags, const void *body,
                size_t len)
{
    return endpoint_record(
        r->ep,
        &(struct record){
            .kind = (uint8_t)kind, .id = id, .flags = (uint8_t)flags, .len = (uint32_t)len},
        body ? body : (const void *)"");
}

static void test_kinds(void)
{
    struct rig r;

    rig_init(&r);
    for (unsigned kind = 0; kind < 256; kind++) {
        int known = kind == RECORD_NAME || (kind >= RECORD_REQ && kind <= RECORD_EVENT);

        if (kind == RECORD_NAME || kind == RECORD_REQ)
            continue;
        CU_ASSERT_EQUAL(give(&r, kind, 0, 0, NULL, 0), known ? 0 : -EPROTO);
    }
    CU_ASSERT_EQUAL(r.messages + r.sent + r.ends, 0);
    endpoint_free(r.ep);
}

static void test_names(void)
{
    struct rig r;

    rig_init(&r);
    CU_ASSERT_EQUAL(give(&r, RECORD_NAME, 0, 0, "s\0m", 3), -EPROTO); /* twice */
    CU_ASSERT_EQUAL(endpoint_record(r.ep,
                                    &(struct record){.kind = RECORD_NAME, .name = 1024, .len = 3},
                                    (const uint8_t *)"s\0m"),
                    -EPROTO);
    CU_ASSERT_EQUAL(endpoint_record(r.ep, &(struct record){.kind = RECORD_REQ, .name = 7, .id = 1},
                                    (const uint8_t *)""),
                    -EPROTO);
    CU_ASSERT_EQUAL(r.messages, 0);
    /* an event nobody has a name for is no reason to end */
    CU_ASSERT_EQUAL(endpoint_record(r.ep, &(struct record){.kind = RECORD_EVENT, .name = 9},
                                    (const uint8_t *)""),
                    0);
    endpoint_free(r.ep);
}

static void test_unknown_ids(void)
{
    static const uint64_t ids[] = {0,       1,          0xffff,   0x10000,
                                   0x2ffff, UINT32_MAX, LOCAL_ID, LOCAL_ID | 0x10000};
    struct rig r;

    rig_init(&r);
    for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        for (unsigned kind = RECORD_STREAM; kind <= RECORD_CANCEL; kind++)
            if ((uint32_t)ids[i] != r.call)
                CU_ASSERT_EQUAL(give(&r, kind, ids[i], 0, "\x80", 1), 0);
    CU_ASSERT_EQUAL(r.messages + r.sent + r.ends + r.parts, 0);
    endpoint_free(r.ep);
}

static int on_local(void *arg, const char *service)
{
    return 1;
}

/* A call that is served in this process can only be answered there. */
static void test_answers_a_local_call(void)
{
    static const struct endpoint_ops ops = {on_send, NULL, on_message, on_local, on_name};
    struct aiex_request req = {.struct_size = sizeof(req), .service = "s", .method = "m"};
    struct rig r = {.sent = 0};
    uint64_t call;

    r.ep = endpoint_new(&ops, &r, "node");
    CU_ASSERT_EQUAL(endpoint_call(r.ep, 0, &req, on_answer, &r, &call), 0);
    CU_ASSERT_EQUAL(give(&r, RECORD_STREAM, call, 0, "abc", 3), 0);
    CU_ASSERT_EQUAL(give(&r, RECORD_REP, call, 0, "\x80", 1), 0);
    CU_ASSERT_EQUAL(r.ends + r.parts, 0);
    CU_ASSERT_EQUAL(endpoint_stream(r.ep, r.id, (struct aiex_slice){(const uint8_t *)"x", 1}), 0);
    CU_ASSERT_EQUAL(endpoint_reply(r.ep, r.id, (struct aiex_slice){0}), 0);
    CU_ASSERT_EQUAL(r.parts, 1);
    CU_ASSERT_EQUAL(r.ends, 1);
    endpoint_free(r.ep);
}

static void test_lost_pieces(void)
{
    struct rig r;

    rig_init(&r);
    CU_ASSERT_EQUAL(give(&r, RECORD_REQ, 5, RECORD_CONT, "\x80", 1), 0);
    CU_ASSERT_EQUAL(give(&r, RECORD_REQ, 5, RECORD_CONT | RECORD_MORE, "\x80", 1), 0);
    CU_ASSERT_EQUAL(r.messages, 0);
    CU_ASSERT_EQUAL(give(&r, RECORD_STREAM, r.call, RECORD_CONT, "abc", 3), 0);
    CU_ASSERT_EQUAL(r.parts, 0);
    /* a half part, then another kind of body, then a whole part */
    CU_ASSERT_EQUAL(give(&r, RECORD_STREAM, r.call, RECORD_MORE, "abc", 3), 0);
    CU_ASSERT_EQUAL(give(&r, RECORD_STREAM, r.call, 0, "de", 2), 0);
    CU_ASSERT_EQUAL(r.parts, 1);
    CU_ASSERT_EQUAL(r.part_len, 2);
    CU_ASSERT_EQUAL(give(&r, RECORD_STREAM, r.call, RECORD_MORE, "fghi", 4), 0);
    CU_ASSERT_EQUAL(give(&r, RECORD_STREAM, r.call, RECORD_CONT, "j", 1), 0);
    CU_ASSERT_EQUAL(r.parts, 2);
    CU_ASSERT_EQUAL(r.part_len, 5);
    CU_ASSERT_EQUAL(give(&r, RECORD_STREAM, r.call, RECORD_MORE, "abc", 3), 0);
    /* an end whose first piece is missing still ends the call, as a fault */
    CU_ASSERT_EQUAL(give(&r, RECORD_REP, r.call, RECORD_CONT, "\x80", 1), 0);
    CU_ASSERT_EQUAL(r.ends, 1);
    CU_ASSERT_STRING_EQUAL(r.code, AIEX_E_INTERNAL);
    CU_ASSERT_EQUAL(give(&r, RECORD_REP, r.call, 0, "\x80", 1), 0); /* a second end */
    CU_ASSERT_EQUAL(r.ends, 1);
    endpoint_free(r.ep);
}

/* Pieces for ever: refused once they exceed a body. */
static void test_more_for_ever(void)
{
    static const unsigned kinds[] = {RECORD_REQ, RECORD_STREAM, RECORD_REP};
    static uint8_t piece[RECORD_BODY_MAX];

    for (unsigned k = 0; k < 3; k++) {
        struct rig r;
        uint64_t id;
        int n = 0;

        rig_init(&r);
        id = kinds[k] == RECORD_REQ ? 9 : r.call;
        while (give(&r, kinds[k], id, RECORD_MORE | (n ? RECORD_CONT : 0), piece, sizeof(piece)) ==
                   0 &&
               n < 10000)
            n++;
        CU_ASSERT_EQUAL(n, (int)(AIEX_MAX_BODY / sizeof(piece)));
        CU_ASSERT_EQUAL(r.messages + r.ends + r.parts, 0);
        endpoint_free(r.ep);
    }
}

/* A slot taken by a new request while the old one was open, or half read. */
static void test_slot_taken_over(void)
{
    struct rig r;

    rig_init(&r);
    CU_ASSERT_EQUAL(give(&r, RECORD_REQ, 0x10003, 0, "\x80", 1), 0);
    CU_ASSERT_EQUAL(give(&r, RECORD_REQ, 0x20003, RECORD_MORE, "\x81", 1), 0);
    CU_ASSERT_EQUAL(endpoint_serving(r.ep, UINT32_MAX), 0);
    CU_ASSERT_EQUAL(endpoint_reply(r.ep, 0x10003, (struct aiex_slice){0}), -ENOENT);
    CU_ASSERT_EQUAL(endpoint_reply(r.ep, 0x20003, (struct aiex_slice){0}), -ENOENT); /* not begun */
    CU_ASSERT_EQUAL(give(&r, RECORD_REQ, 0x30003, 0, "\x80", 1), 0);
    CU_ASSERT_EQUAL(r.messages, 2);
    CU_ASSERT_EQUAL(r.id, 0x30003);
    CU_ASSERT_EQUAL(give(&r, RECORD_CANCEL, 0x10003, 0, NULL, 0), 0);
    CU_ASSERT_EQUAL(r.messages, 2);
    CU_ASSERT_EQUAL(endpoint_reply(r.ep, 0x30003, (struct aiex_slice){0}), 0);
    CU_ASSERT_EQUAL(endpoint_serving(r.ep, UINT32_MAX), 0);
    endpoint_free(r.ep);
}

static void test_credit(void)
{
    struct rig r;

    rig_init(&r);
    CU_ASSERT_EQUAL(give(&r, RECORD_REQ, 0x10001, 0, "\x80", 1), 0);
    r.messages = 0;
    for (int i = 0; i < 10; i++)
        CU_ASSERT_EQUAL(
            endpoint_record(
                r.ep, &(struct record){.kind = RECORD_CREDIT, .id = 0x10001, .aux = UINT32_MAX},
                (const uint8_t *)""),
            0);
    CU_ASSERT_EQUAL(r.messages, 0); /* nothing was paused */
    while (endpoint_stream(r.ep, r.id, (struct aiex_slice){(const uint8_t *)"abcdefgh", 8}) == 0)
        ;
    CU_ASSERT_EQUAL(
        endpoint_record(r.ep,
                        &(struct record){.kind = RECORD_CREDIT, .id = 0x10001, .aux = UINT32_MAX},
                        (const uint8_t *)""),
        0);
    CU_ASSERT_EQUAL(r.messages, 1);
    endpoint_free(r.ep);
}

static void test_error_bodies(void)
{
    static const struct {
        const char *body;
        size_t len;
        const char *code;
    } rows[] = {
        {"", 0, AIEX_E_BUSY},
        {"\x80", 1, AIEX_E_BUSY},
        {"\x81\xa4text\x05", 7, AIEX_E_BUSY},
        {"\x81\xa6"
         "detail\x91\x01",
         10, AIEX_E_BUSY},
        {"\x81\xae"
         "retry_after_ms\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
         25, AIEX_E_BUSY},
        {"\xdf\xff\xff\xff\xff", 5, AIEX_E_INTERNAL},
        {"\xc1", 1, AIEX_E_INTERNAL},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rig r;

        rig_init(&r);
        CU_ASSERT_EQUAL(endpoint_record(r.ep,
                                        &(struct record){.kind = RECORD_REP,
                                                         .id = r.call,
                                                         .status = WIRE_BUSY,
                                                         .len = (uint32_t)rows[i].len},
                                        (const uint8_t *)rows[i].body),
                        0);
        CU_ASSERT_EQUAL(r.ends, 1);
        CU_ASSERT_STRING_EQUAL(r.code, rows[i].code);
        endpoint_free(r.ep);
    }
}

const struct test_case tests[] = {
    {"kinds", test_kinds},
    {"names", test_names},
    {"unknown_ids", test_unknown_ids},
    {"answers_a_local_call", test_answers_a_local_call},
    {"lost_pieces", test_lost_pieces},
    {"more_for_ever", test_more_for_ever},
    {"slot_taken_over", test_slot_taken_over},
    {"credit", test_credit},
    {"error_bodies", test_error_bodies},
    {0},
};
