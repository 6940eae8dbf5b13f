/*
 * fuzz_append_line.c - any bytes as a line of aiex events append, and as an event that a store
 * sent. A line that is taken makes a body that the store can read: a whole map with an id and a
 * type for every event, printed as JSON again without a fault.
 */
/* link: aiex_cli */
#include <aiex/aiex_pack.h>
#include <append_line.h>
#include <event_out.h>
#include <stdlib.h>
#include <string.h>

static void check_events(struct aiex_slice map, const struct append_line *l, uint32_t *n)
{
    struct aiex_value v;
    struct aiex_slice text;

    if (aiex_get(map, "events", &v) != 1 || v.type != AIEX_T_ARRAY || v.count == 0)
        abort();
    for (uint32_t i = 0; i < v.count; i++) {
        struct aiex_slice event = v.bytes;

        if (aiex_r_skip(&v.bytes) != 0)
            abort();
        event.len -= v.bytes.len;
        if (aiex_get_str(event, "id", &text) != 1 || !text.len || text.len > APPEND_ID ||
            aiex_get_str(event, "type", &text) != 1 || !text.len)
            abort();
    }
    *n += v.count;
    if (*n > l->n_events)
        abort();
}

static void check_body(const struct append_line *l)
{
    struct aiex_value v;
    uint32_t n = 0;

    if (!aiex_is_map(l->body) || !l->n_events || !l->n_streams)
        abort();
    if (l->n_streams == 1) {
        check_events(l->body, l, &n);
    } else {
        if (aiex_get(l->body, "operations", &v) != 1 || v.count != l->n_streams)
            abort();
        for (uint32_t i = 0; i < v.count; i++) {
            struct aiex_slice operation = v.bytes;

            aiex_r_skip(&v.bytes);
            operation.len -= v.bytes.len;
            check_events(operation, l, &n);
        }
    }
    if (n != l->n_events)
        abort();
}

static int show(void *arg, struct aiex_slice event)
{
    event_out_json(arg, event, EVENT_EXACT);
    event_out_text(arg, event, 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct append_defaults defaults = {
        .stream = "s", .expected = EXPECT_ANY, .level = "synced", .keeps_expect = 1};
    const struct aiex_slice bytes = {data, size};
    struct append_line *l;
    struct aiex_error err;
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    if (size && append_line_parse((const char *)data, size, &defaults, &l, &err) == 0) {
        check_body(l);
        append_line_free(l);
    }
    if (f) {
        event_each(bytes, show, f);
        fclose(f);
    }
    free(text);
    return 0;
}
