#include "wire/start.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int start_pack(const struct start *s, struct pack *out)
{
    pack_map(out, 13);
    pack_key_int(out, "host_pid", s->host_pid);
    pack_key_str(out, "cell", s->cell);
    pack_key_str(out, "node", s->node);
    pack_key_str(out, "http_module", s->http_module);
    pack_key_str(out, "plugin_dir", s->plugin_dir);
    pack_key_int(out, "ring_bytes", (int64_t)s->ring_bytes);
    pack_key_int(out, "spin_us", s->spin_us);
    pack_key_int(out, "sandbox", s->sandbox);
    pack_key_int(out, "priority", s->priority);
    pack_key_int(out, "limit_memory", s->limit_memory_bytes);
    pack_key_int(out, "limit_files", s->limit_files);
    pack_key_int(out, "limit_threads", s->limit_threads);
    pack_str(out, "instances");
    pack_array(out, s->n_instances);
    for (size_t i = 0; i < s->n_instances; i++) {
        const struct start_instance *in = &s->instances[i];

        pack_map(out, 6);
        pack_key_str(out, "name", in->name);
        pack_key_str(out, "path", in->path);
        pack_key_str(out, "data_dir", in->data_dir);
        pack_key_str(out, "kind", in->kind);
        pack_key_int(out, "needs", in->needs);
        pack_str(out, "options");
        pack_map(out, in->n_options);
        for (size_t k = 0; k < in->n_options; k++)
            pack_key_str(out, in->options[k].name, in->options[k].text);
    }
    return out->failed ? -EMSGSIZE : 0;
}

/* Texts are copied out of the document, each with a final 0. */
struct start_box {
    char *text;
    size_t used, size;
    struct start_instance *instances;
    struct start_option *options;
};

static const char *keep(struct start_box *box, struct aiex_slice s)
{
    char *at = box->text + box->used;

    if (s.len + 1 > box->size - box->used)
        return "";
    if (s.len)
        memcpy(at, s.data, s.len);
    at[s.len] = 0;
    box->used += s.len + 1;
    return at;
}

static size_t count_options(doc_value instances)
{
    size_t n = 0;

    for (size_t i = 0; i < doc_len(instances); i++)
        n += doc_len(doc_get(doc_at(instances, i), "options"));
    return n;
}

static void read_instance(struct start_box *box, doc_value v, struct start_instance *in,
                          struct start_option **next)
{
    doc_value options = doc_get(v, "options");

    in->name = keep(box, doc_bytes(doc_get(v, "name")));
    in->path = keep(box, doc_bytes(doc_get(v, "path")));
    in->data_dir = keep(box, doc_bytes(doc_get(v, "data_dir")));
    in->kind = keep(box, doc_bytes(doc_get(v, "kind")));
    in->needs = (uint32_t)doc_int(doc_get(v, "needs"), 0);
    in->options = *next;
    in->n_options = doc_len(options);
    for (size_t k = 0; k < in->n_options; k++) {
        struct aiex_slice key;
        doc_value value;

        if (doc_pair(options, k, &key, &value) < 0) { /* a list, not a map */
            in->n_options = 0;
            return;
        }
        (*next)->name = keep(box, key);
        (*next)->text = keep(box, doc_bytes(value));
        (*next)++;
    }
}

int start_unpack(struct aiex_slice bytes, struct start *ret, struct start_box **ret_box)
{
    struct start_box *box = calloc(1, sizeof(*box));
    struct start_option *next;
    struct doc *doc = NULL;
    doc_value root, instances;
    int r = -ENOMEM;

    if (!box)
        return -ENOMEM;
    r = doc_new(bytes, &doc);
    if (r < 0)
        goto failed;
    root = doc_root(doc);
    instances = doc_get(root, "instances");
    r = -EBADMSG;
    if (doc_len(instances) == 0 || doc_len(instances) > START_INSTANCES_MAX)
        goto failed;
    r = -ENOMEM;
    box->size = bytes.len * 2 + 64;
    box->text = malloc(box->size);
    box->instances = calloc(doc_len(instances), sizeof(*box->instances));
    box->options = calloc(count_options(instances) + 1, sizeof(*box->options));
    if (!box->text || !box->instances || !box->options)
        goto failed;
    *ret = (struct start){
        .host_pid = (int)doc_int(doc_get(root, "host_pid"), 0),
        .cell = keep(box, doc_bytes(doc_get(root, "cell"))),
        .node = keep(box, doc_bytes(doc_get(root, "node"))),
        .http_module = keep(box, doc_bytes(doc_get(root, "http_module"))),
        .plugin_dir = keep(box, doc_bytes(doc_get(root, "plugin_dir"))),
        .ring_bytes = (uint64_t)doc_int(doc_get(root, "ring_bytes"), 0),
        .spin_us = (uint32_t)doc_int(doc_get(root, "spin_us"), 0),
        .sandbox = (int)doc_int(doc_get(root, "sandbox"), 1),
        .priority = (int)doc_int(doc_get(root, "priority"), 0),
        .limit_memory_bytes = doc_int(doc_get(root, "limit_memory"), 0),
        .limit_files = doc_int(doc_get(root, "limit_files"), 0),
        .limit_threads = doc_int(doc_get(root, "limit_threads"), 0),
        .n_instances = doc_len(instances),
        .instances = box->instances,
    };
    next = box->options;
    for (size_t i = 0; i < ret->n_instances; i++)
        read_instance(box, doc_at(instances, i), &box->instances[i], &next);
    doc_free(doc);
    *ret_box = box;
    return 0;
failed:
    doc_free(doc);
    start_done(box);
    return r;
}

void start_done(struct start_box *box)
{
    if (!box)
        return;
    if (box->text)
        explicit_bzero(box->text, box->size); /* it held secrets */
    free(box->text);
    free(box->instances);
    free(box->options);
    free(box);
}
