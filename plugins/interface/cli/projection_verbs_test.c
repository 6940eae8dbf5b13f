/* projection_verbs_test.c - aiex projection and aiex aggregate, against a scripted host. */
#include "test.h"

#include "json_in.h"
#include "json_out.h"
#include "scripted_host.h"

#include <stdlib.h>
#include <string.h>

static struct ran ran;

static int has(const char *text, const char *part)
{
    if (strstr(text, part))
        return 1;
    printf("\n'%s' is not in:\n%s\n", part, text);
    return 0;
}

static struct aiex_slice map_of(const char *json)
{
    struct aiex_slice map = {NULL, 0};
    struct aiex_error err;

    if (json_in(json, strlen(json), &map, &err) != 0) {
        fprintf(stderr, "%s: %s\n", json, err.text);
        abort();
    }
    return map;
}

static void end_with(struct peer *p, const char *json)
{
    struct aiex_slice map = map_of(json);

    peer_end(p, peer_id(p), map);
    free((void *)(uintptr_t)map.data);
}

/* The next call, behind the credits for what was sent before; its body. */
static struct aiex_slice expect(struct peer *p, const char *service, const char *method)
{
    struct aiex_slice frame, text = {NULL, 0}, body = {NULL, 0};

    if (!peer_expect_op(p, "call"))
        return body;
    frame = (struct aiex_slice){p->frame, p->frame_len};
    if (aiex_get_str(frame, "service", &text) != 1 || !aiex_slice_is(text, service) ||
        aiex_get_str(frame, "method", &text) != 1 || !aiex_slice_is(text, method)) {
        fprintf(stderr, "no call of %s at %s came\n", method, service);
        p->failed = 1;
    }
    aiex_get_whole(frame, "body", &body);
    return body;
}

static void put_row(struct aiex_writer *w, const char *key, const char *value)
{
    struct aiex_slice map = map_of(value);

    aiex_w_map(w, 3);
    aiex_w_key_bin(w, "key", key, strlen(key));
    aiex_w_key_bin(w, "value", map.data, map.len);
    aiex_w_key_int(w, "version", 1);
    free((void *)(uintptr_t)map.data);
}

#define ROW(name, service)                                                                         \
    "{\"name\":\"" name "\",\"version\":3,\"generation\":2,\"building\":0,\"service\":\"" service  \
    "\"}"

/* Two projections, their builds, and what does not belong there. */
static void give_rows(struct peer *p)
{
    uint8_t mem[1024];
    struct aiex_writer w;

    expect(p, "store", "store.range");
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_array(&w, 5);
    put_row(&w, "sums", ROW("sums", "service_a"));
    put_row(&w, "sums/2", "{\"name\":\"sums\",\"state\":\"live\"}");
    put_row(&w, "gone", ROW("gone", "service_b"));
    put_row(&w, "odd", "{}");
    put_row(&w, "other", ROW("other", "service_a"));
    peer_part(p, peer_id(p), mem, w.len);
    end_with(p, "{\"rows\":5,\"end\":true}");
}

static void list(struct peer *p)
{
    give_rows(p);
    expect(p, "service_a", "projection.list");
    end_with(p, "{\"projections\":[{\"name\":\"other\"},{\"name\":\"sums\",\"state\":\"failed\","
                "\"error\":\"event 5 of 'a': no\\u001b\",\"lag\":7,\"position\":4,\"version\":3,"
                "\"generation\":2,\"building\":3,\"failures\":2}]}");
    expect(p, "service_b", "projection.list");
    peer_error(p, peer_id(p), "unavailable", "nobody serves 'service_b'");
    expect(p, "service_a", "projection.list");
    end_with(p, "{\"projections\":[]}");
}

static void run_with(script_fn script, const char *const *args)
{
    struct scripted_host *h = scripted_host_new(script, NULL);
    const struct run_as as = {.socket = scripted_host_path(h)};

    run_aiex(&as, args, &ran);
    CU_ASSERT(scripted_host_free(h));
}

#define WITH(script, ...) run_with(script, (const char *const[]){__VA_ARGS__, NULL})

static void projections_as_they_say(void)
{
    WITH(list, "projection", "list", "--json");
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT(has(ran.out, "\"service\": \"service_a\",\n    \"name\": \"sums\""));
    CU_ASSERT(has(ran.out, "\"state\": \"failed\""));
    CU_ASSERT(has(ran.out, "\"state\": \"down\",\n    \"error\": \"nobody serves 'service_b' "
                           "(unavailable)\""));
    CU_ASSERT(has(ran.out,
                  "\"name\": \"other\",\n    \"state\": \"down\",\n    \"error\": \"it does "
                  "not run there any more\""));
    CU_ASSERT_PTR_NULL(strstr(ran.out, "sums/2"));
    WITH(list, "projection", "list");
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT(has(ran.out, "NAME "));
    CU_ASSERT(has(ran.out, "event 5 of 'a': no\n"));
}

static void nothing_there(struct peer *p)
{
    expect(p, "other", "store.range");
    end_with(p, "{\"rows\":0,\"end\":true}");
}

static void no_projections(void)
{
    WITH(nothing_there, "projection", "list", "--json", "--store", "other");
    CU_ASSERT(ran.code == 0 && strcmp(ran.out, "[]\n") == 0);
    WITH(nothing_there, "projection", "rebuild", "sums", "--store", "other");
    CU_ASSERT(ran.code == 5 && has(ran.err, "no projection 'sums' is known"));
}

static void refuse_range(struct peer *p)
{
    expect(p, "store", "store.range");
    peer_error(p, peer_id(p), "denied", "no");
}

static void rebuild(struct peer *p)
{
    struct aiex_slice name = {NULL, 0};

    give_rows(p);
    if (aiex_get_str(expect(p, "service_a", "projection.rebuild"), "name", &name) != 1 ||
        !aiex_slice_is(name, "sums"))
        p->failed = 1;
    end_with(p, "{}");
}

static void refuse_rebuild(struct peer *p)
{
    give_rows(p);
    expect(p, "service_b", "projection.rebuild");
    peer_error(p, peer_id(p), "conflict", "projection 'gone' is being built already");
}

static void rebuilds_are_asked_of_the_instance(void)
{
    WITH(rebuild, "projection", "rebuild", "sums");
    CU_ASSERT(ran.code == 0 && has(ran.err, "sums"));
    WITH(refuse_rebuild, "projection", "rebuild", "gone");
    CU_ASSERT(ran.code == 1 && has(ran.err, "is being built already (conflict)"));
    WITH(refuse_range, "projection", "rebuild", "gone");
    CU_ASSERT(ran.code == 4 && has(ran.err, "store.range: no (denied)"));
    WITH(refuse_range, "projection", "list");
    CU_ASSERT_EQUAL(ran.code, 4);
}

/* ---- aggregate show ---- */

static void last_version(struct peer *p, int version)
{
    uint8_t mem[64];
    struct aiex_writer w;

    expect(p, "store", "store.read");
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_array(&w, 1);
    aiex_w_map(&w, 1);
    aiex_w_key_int(&w, "version", version);
    if (version)
        peer_part(p, peer_id(p), mem, w.len);
    end_with(p, "{\"events\":1}");
}

static void saved_state(struct peer *p)
{
    struct aiex_slice state = map_of("{\"money\":7}");
    uint8_t value[128], mem[256];
    struct aiex_writer w;
    size_t len;

    last_version(p, 12);
    expect(p, "store", "store.get");
    aiex_writer_init(&w, value, sizeof(value));
    aiex_w_map(&w, 3);
    aiex_w_key_int(&w, "form", 2);
    aiex_w_key_int(&w, "version", 10);
    aiex_w_key_bin(&w, "state", state.data, state.len);
    len = w.len;
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_bool(&w, "found", 1);
    aiex_w_key_bin(&w, "value", value, len);
    peer_end(p, peer_id(p), aiex_written(&w));
    free((void *)(uintptr_t)state.data);
}

static void nothing_saved(struct peer *p)
{
    last_version(p, 12);
    expect(p, "store", "store.get");
    end_with(p, "{\"found\":false}");
}

static void no_stream(struct peer *p)
{
    last_version(p, 0);
}

static void aggregates(void)
{
    WITH(saved_state, "aggregate", "show", "account-1", "--json");
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT(has(ran.out, "{\"stream\":\"account-1\",\"version\":12,\"snapshot\":10,\"form\":2,"
                           "\"state\":{\"money\":7}}\n"));
    WITH(nothing_saved, "aggregate", "show", "account-1");
    CU_ASSERT(ran.code == 0 && has(ran.out, "\"snapshot\":0,\"form\":0,\"state\":null}\n"));
    WITH(no_stream, "aggregate", "show", "account-1");
    CU_ASSERT(ran.code == 5 && has(ran.err, "stream 'account-1' has no events"));
}

const struct test_case tests[] = {
    {"projections_as_they_say", projections_as_they_say},
    {"no_projections", no_projections},
    {"rebuilds_are_asked_of_the_instance", rebuilds_are_asked_of_the_instance},
    {"aggregates", aggregates},
    {0},
};
