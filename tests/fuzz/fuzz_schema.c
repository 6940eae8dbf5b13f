/* link: aiex_sdk_schema aiex_sdk_json */
/*
 * fuzz_schema.c - schema and instance from strangers, divided by the first zero byte. Whatever is
 * refused has a reason on one line; what is accepted is accepted again; JSON that is found in a
 * text is JSON.
 */
#include <aiex_schema.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    struct aiex_slice text = {data, zero ? (size_t)(zero - data) : size}, json, found;
    struct aiex_schema_fault fault;
    struct aiex_schema schema;
    int r = aiex_schema_read(text, &schema, &fault);

    json = zero ? (struct aiex_slice){zero + 1, size - text.len - 1} : text;
    if (r != 0)
        check(fault.text[0] && memchr(fault.text, 0, sizeof(fault.text)) &&
              memchr(fault.pointer, 0, sizeof(fault.pointer)));
    if (r == 0) {
        r = aiex_schema_check(&schema, json, &fault);
        check(r == aiex_schema_check(&schema, json, NULL));
        check(r == 0 || (fault.text[0] && memchr(fault.text, 0, sizeof(fault.text))));
    }
    if (aiex_schema_find_json(json, &found))
        check(aiex_json_scan(found, 0, NULL, 0, NULL) > 0 && found.data >= json.data &&
              found.data + found.len <= json.data + json.len);
    return 0;
}
