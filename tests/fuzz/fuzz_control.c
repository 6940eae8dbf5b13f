/* link: aiex_cli */
/*
 * fuzz_control.c - the decoder of the control socket's frames on hostile bytes. The first
 * input byte chooses how the rest is cut; the frames must be those of the uncut bytes.
 */
#include <frame.h>
#include <json_out.h>
#include <stdio.h>
#include <stdlib.h>

struct digest {
    uint64_t hash;
    size_t n;
    int error;
};

static void add(struct digest *d, struct aiex_slice s)
{
    for (size_t i = 0; i < s.len; i++)
        d->hash = (d->hash ^ s.data[i]) * 1099511628211u;
    d->hash = (d->hash ^ s.len) * 1099511628211u;
}

/* Everything that the client would look at; ends of the answer are printed as JSON, too. */
static void take(struct digest *d, const struct frame_reply *reply, FILE *sink)
{
    d->n++;
    d->hash = (d->hash ^ (uint64_t)reply->id) * 1099511628211u;
    add(d, reply->body);
    add(d, reply->code);
    add(d, reply->text);
    if (reply->kind == FRAME_END && json_out(sink, reply->body, JSON_PRETTY) != 0)
        abort(); /* a body that was let through must be whole */
}

static void run(const uint8_t *bytes, size_t len, size_t step, FILE *sink, struct digest *d)
{
    struct frame_reader r;
    struct frame_reply reply;

    frame_reader_init(&r);
    while (len && !d->error) {
        size_t n = len < step ? len : step;
        int got;

        if (frame_feed(&r, bytes, n) != 0)
            abort();
        bytes += n;
        len -= n;
        while ((got = frame_next(&r, &reply)) == 1)
            take(d, &reply, sink);
        d->error = got;
    }
    frame_reader_done(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *sink;
    struct digest whole = {0, 0, 0}, cut = {0, 0, 0};

    if (!sink)
        sink = fopen("/dev/null", "w");
    if (!sink || size < 1)
        return 0;
    run(data + 1, size - 1, size, sink, &whole);
    run(data + 1, size - 1, 1u + data[0] % 61u, sink, &cut);
    if (whole.hash != cut.hash || whole.n != cut.n || whole.error != cut.error)
        abort();
    return 0;
}
