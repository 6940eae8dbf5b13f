/* stand_in.c - in place of the request half until it is there. */
#include "arena.h"
#include "chat.h"

#include <string.h>

int request_convert(struct aiex_chat *c, struct aiex_slice body, struct aiex_error *err)
{
    (void)err;
    c->same = c->setup.client == c->setup.vendor;
    c->client_stream = c->setup.stream != 0;
    c->vendor_stream = c->client_stream;
    c->client_usage = memmem(body.data, body.len, "include_usage\":true", 19) != NULL;
    c->prompt_bytes = body.len;
    c->model = (struct aiex_slice){(const uint8_t *)"asked", 5};
    return 0;
}

int64_t request_text_bytes(int dialect, struct aiex_slice body, int *n_images, int *n_messages)
{
    (void)dialect;
    *n_images = *n_messages = 0;
    return (int64_t)body.len;
}
