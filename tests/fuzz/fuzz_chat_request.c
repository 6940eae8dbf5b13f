/* link: aiex_sdk_dialect */
/*
 * fuzz_chat_request.c - requests from strangers. The first byte chooses the dialects of both sides.
 * What is converted must be JSON again, the same each time, and must convert once more between
 * the same sides; what is refused must have a sentence.
 */
#include "arena.h"
#include "request.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
    if (!ok)
        abort();
}

static int convert(struct aiex_chat *c, int client, int vendor, struct aiex_slice body)
{
    struct aiex_error err = {""};
    int rc;

    memset(c, 0, sizeof(*c));
    c->setup = (struct aiex_chat_setup){.client = client, .vendor = vendor, .stream = -1};
    c->setup.model = (struct aiex_slice){(const uint8_t *)"claude-opus-4-6", 15};
    rc = request_convert(c, body, &err);
    check(rc == 0 || ((rc == -EINVAL || rc == -ENOTSUP) && err.text[0]));
    check((rc == 0) == (c->request != NULL));
    return rc;
}

static void done(struct aiex_chat *c)
{
    arena_free(c->arena);
    free(c->request);
}

static struct aiex_slice request(const struct aiex_chat *c)
{
    return (struct aiex_slice){c->request, c->request_len};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct aiex_chat a, b;
    struct aiex_slice body = {data + 1, size - 1};
    int client, vendor, images, messages;
    struct aiex_chat_size wants;

    if (!size)
        return 0;
    aiex_chat_size(body, &wants);
    check(wants.prompt >= 0 && wants.output >= 0 && wants.choices >= 1);
    client = data[0] % 8 + 1;
    vendor = data[0] / 8 % 8 + 1;
    if (convert(&a, client, vendor, body) == 0) {
        check(aiex_json_scan(request(&a), AIEX_JSON_MAX_DEPTH, NULL, 0, NULL) == AIEX_JSON_OBJECT);
        check(convert(&b, client, vendor, body) == 0);
        check(a.request_len == b.request_len && !memcmp(a.request, b.request, a.request_len));
        done(&b);
        convert(&b, vendor, client, request(&a));
        done(&b);
        check(request_text_bytes(client, body, &images, &messages) >= 0);
    }
    done(&a);
    return 0;
}
