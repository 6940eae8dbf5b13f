/* link: aiex_sdk_audit aiex_sdk_json */
/*
 * fuzz_audit_export.c - lines of an export from strangers, with the first line as their witness
 * note. Promised: no crash, the same faults twice, every fault has a sentence on one line, and a
 * file without a good signature is never without a fault.
 */
#include <aiex_audit_check.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
    if (!ok)
        abort();
}

static void on_fault(void *arg, const struct aiex_fault *f)
{
    char where[48];

    check(f->text[0] && !strchr(f->text, '\n') && f->kind[0] &&
          (!f->has_place || f->from <= f->to));
    check(strlen(aiex_fault_where(f, where)) < sizeof(where));
    ++*(uint64_t *)arg;
}

static uint64_t run(const uint8_t *data, size_t size)
{
    const uint8_t *line = data, *end = data + size;
    uint64_t told = 0;
    struct aiex_export_setup s = {.fault = on_fault, .arg = &told};
    struct aiex_export_sum sum;
    struct aiex_error err = {""};
    struct aiex_export *x;
    int r = 0;

    if (size && data[0] == 'w') { /* up to the first 0 */
        const uint8_t *zero = memchr(data, 0, size);

        s.witness = (struct aiex_slice){data + 1, zero ? (size_t)(zero - data) - 1 : size - 1};
        line = zero ? zero + 1 : end;
    }
    check(aiex_export_new(&s, &x, &err) == 0);
    while (line < end && r == 0) {
        const uint8_t *stop = memchr(line, '\n', (size_t)(end - line));

        stop = stop ? stop : end;
        r = aiex_export_line(x, (struct aiex_slice){line, (size_t)(stop - line)}, &err);
        line = stop + 1;
    }
    if (r == 0 && aiex_export_finish(x, &sum, &err) == 0) {
        check(sum.faults == told || sum.faults > AIEX_AUDIT_MAX_FAULT);
        check(sum.faults || sum.entries == 0 || sum.key[0]);
    }
    aiex_export_free(x);
    return told;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(aiex_note_begin() == 0);
    check(run(data, size) == run(data, size));
    return 0;
}
