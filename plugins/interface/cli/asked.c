#include "asked.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAP_BYTES 512 /* of the message around its texts */

static int read_files(struct asked *a, struct aiex_slice body)
{
    struct aiex_slice at, item;
    struct aiex_value v;
    int got = aiex_get_whole(body, "files", &at);

    if (got == 0)
        return 0;
    if (got < 0 || aiex_r_value(&at, &v) != 0)
        return -EINVAL;
    if (v.type == AIEX_T_NIL)
        return 0;
    if (v.type != AIEX_T_ARRAY || v.count > ASKED_MAX_FILES)
        return -EINVAL;
    for (uint32_t i = 0; i < v.count; i++) {
        struct chat_file *f = &a->files[i];

        item = at;
        if (aiex_r_skip(&at) != 0)
            return -EINVAL;
        item.len -= at.len;
        if (aiex_get_str(item, "name", &f->name) != 1 || aiex_get_str(item, "text", &f->text) != 1)
            return -EINVAL;
        a->request.n_files++;
    }
    a->request.files = a->files;
    return 0;
}

static struct aiex_slice slice_of(const char *text)
{
    struct aiex_slice s = {(const uint8_t *)text, strlen(text)};

    return s;
}

const char *asked_read(struct asked *a, struct aiex_slice body, const struct asked_defaults *d)
{
    a->request.model = slice_of(d->model);
    a->request.system = slice_of(d->system);
    a->stream = 1;
    a->history = d->history;
    if (aiex_get_str(body, "prompt", &a->request.prompt) != 1 || a->request.prompt.len == 0)
        return "'prompt' is missing, empty or no string";
    if (aiex_get_str(body, "model", &a->request.model) < 0 || a->request.model.len > 256)
        return "'model' is no string of at most 256 bytes";
    if (a->request.model.len == 0)
        a->request.model = slice_of("auto");
    if (aiex_get_str(body, "system", &a->request.system) < 0)
        return "'system' is no string";
    if (aiex_get_str(body, "session", &a->session) < 0 || a->session.len > 256)
        return "'session' is no string of at most 256 bytes";
    if (aiex_get_int(body, "history", &a->history) < 0 || a->history < 0 || a->history > (8 << 20))
        return "'history' is no number of bytes up to 8 MiB";
    if (aiex_get_bool(body, "stream", &a->stream) < 0)
        return "'stream' is no boolean";
    if (read_files(a, body) != 0)
        return "'files' is no array of at most 256 maps with 'name' and 'text'";
    return NULL;
}

static void write_chat(struct aiex_writer *w, const struct asked *a, const char *interface,
                       const struct aiex_json_out *json)
{
    aiex_w_map(w, a->session.len ? 8 : 7);
    aiex_w_key_str(w, "dialect", "openai.chat");
    aiex_w_key_strn(w, "model", (const char *)a->request.model.data, a->request.model.len);
    aiex_w_key_bool(w, "stream", 1);
    aiex_w_key_bool(w, "local", 1); /* who may use the control socket is an operator */
    aiex_w_key_str(w, "interface", interface);
    aiex_w_key_bool(w, "template", 0); /* chat_request_write() names none */
    if (a->session.len)
        aiex_w_key_strn(w, "session", (const char *)a->session.data, a->session.len);
    aiex_w_key_bin(w, "body", json->data, json->len);
}

int asked_document(const struct asked *a, char **ret_mem, struct aiex_slice *ret_document)
{
    struct aiex_json_out json;
    char *mem;

    aiex_jw_init(&json, NULL, 0);
    chat_request_write(&json, &a->request);
    if (json.len > AIEX_MAX_BODY - 1024)
        return -EMSGSIZE;
    mem = malloc(json.len);
    if (!mem)
        return -ENOMEM;
    aiex_jw_init(&json, mem, json.len);
    chat_request_write(&json, &a->request);
    *ret_mem = mem;
    *ret_document = (struct aiex_slice){(const uint8_t *)mem, json.len};
    return 0;
}

/* In one piece of memory: the JSON document, behind it the message. */
int asked_pack(const struct asked *a, const char *interface, uint8_t **ret_mem,
               struct aiex_slice *ret_body)
{
    size_t around = a->session.len + a->request.model.len + strlen(interface) + MAP_BYTES;
    struct aiex_json_out json;
    struct aiex_writer w;
    size_t json_len;
    uint8_t *mem;

    aiex_jw_init(&json, NULL, 0);
    chat_request_write(&json, &a->request);
    json_len = json.len;
    if (json_len > AIEX_MAX_BODY - 1024)
        return -EMSGSIZE;
    mem = malloc(2 * json_len + around);
    if (!mem)
        return -ENOMEM;
    aiex_jw_init(&json, mem, json_len);
    chat_request_write(&json, &a->request);
    aiex_writer_init(&w, mem + json_len, json_len + around);
    write_chat(&w, a, interface, &json);
    *ret_mem = mem;
    *ret_body = aiex_written(&w);
    return 0;
}
