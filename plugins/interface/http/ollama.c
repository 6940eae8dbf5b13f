/*
 * ollama.c - what Ollama's clients ask beside chats: /api/tags, ps, show, version.
 *
 * They speak of model files. What is not known of a model is told as empty or 0; the digest
 * is made from the name, so that one model always has the same one.
 *
 * Source: Ollama docs/api.md.
 */
#include "ask.h"
#include "model_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Clients compare it to decide what they may use: what is answered here is this version's. */
#define OLLAMA_VERSION "0.12.6"

static void write_text(struct aiex_json_out *w, const char *key, struct aiex_slice text)
{
    aiex_jw_raw(w, key);
    aiex_jw_strn(w, (const char *)text.data, text.len);
}

static void write_time(struct aiex_json_out *w, const char *key, int64_t seconds)
{
    time_t t = (time_t)(seconds > 0 && seconds < 253402300800 ? seconds : 0);
    char when[40] = "1970-01-01T00:00:00Z";
    struct tm tm;

    if (gmtime_r(&t, &tm))
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
    aiex_jw_raw(w, key);
    aiex_jw_str(w, when);
}

/* 64 hexadecimal digits, as clients expect them: four FNV-1a sums of the name. */
static void write_digest(struct aiex_json_out *w, struct aiex_slice id)
{
    char text[65];

    for (unsigned part = 0; part < 4; part++) {
        uint64_t sum = 0xcbf29ce484222325u + part;

        for (size_t i = 0; i < id.len; i++)
            sum = (sum ^ id.data[i]) * 0x100000001b3u;
        snprintf(text + part * 16, 17, "%016" PRIx64, sum);
    }
    aiex_jw_raw(w, ",\"digest\":");
    aiex_jw_str(w, text);
}

static void write_details(struct aiex_json_out *w, const struct model *m)
{
    aiex_jw_raw(w, ",\"details\":{\"parent_model\":\"\",\"format\":\"gguf\"");
    write_text(w, ",\"family\":", m->family);
    aiex_jw_raw(w, ",\"families\":[");
    if (m->family.len)
        aiex_jw_strn(w, (const char *)m->family.data, m->family.len);
    write_text(w, "],\"parameter_size\":", m->parameters);
    write_text(w, ",\"quantization_level\":", m->quantization);
    aiex_jw_raw(w, "}");
}

static void write_entry(struct aiex_json_out *w, const struct model *m)
{
    write_text(w, "{\"name\":", m->id);
    write_text(w, ",\"model\":", m->id);
    aiex_jw_raw(w, ",\"size\":");
    aiex_jw_int(w, m->bytes);
    write_digest(w, m->id);
    write_details(w, m);
}

/* ---- /api/tags, /api/ps ---- */

static void write_tags(struct aiex_json_out *w, const void *arg)
{
    struct model_list list = *(const struct model_list *)arg;
    const char *comma = "";
    struct model m;

    aiex_jw_raw(w, "{\"models\":[");
    while (model_list_next(&list, &m)) {
        aiex_jw_raw(w, comma);
        write_entry(w, &m);
        write_time(w, ",\"modified_at\":", m.created);
        aiex_jw_raw(w, "}");
        comma = ",";
    }
    aiex_jw_raw(w, "]}");
}

static void write_running(struct aiex_json_out *w, const void *arg)
{
    struct model_list list = *(const struct model_list *)arg;
    const char *comma = "";
    struct model m;

    aiex_jw_raw(w, "{\"models\":[");
    while (model_list_next(&list, &m)) {
        if (!m.loaded)
            continue;
        aiex_jw_raw(w, comma);
        write_entry(w, &m);
        write_time(w, ",\"expires_at\":", (int64_t)time(NULL) + 300);
        aiex_jw_raw(w, ",\"size_vram\":");
        aiex_jw_int(w, m.bytes);
        aiex_jw_raw(w, ",\"context_length\":");
        aiex_jw_int(w, m.context);
        aiex_jw_raw(w, "}");
        comma = ",";
    }
    aiex_jw_raw(w, "]}");
}

static void on_tags(struct conn *c, const struct aiex_answer *answer)
{
    struct model_list list;

    if (answer->kind == AIEX_ANSWER_END && model_list_take(c, answer, &list) == 0)
        respond_json(c, &(struct reply){.status = 200}, write_tags, &list);
}

static void on_running(struct conn *c, const struct aiex_answer *answer)
{
    struct model_list list;

    if (answer->kind == AIEX_ANSWER_END && model_list_take(c, answer, &list) == 0)
        respond_json(c, &(struct reply){.status = 200}, write_running, &list);
}

void ollama_tags(struct conn *c)
{
    model_list_ask(c, on_tags);
}

void ollama_running(struct conn *c)
{
    model_list_ask(c, on_running);
}

/* ---- /api/show ---- */

static const char *capability(struct aiex_slice ours)
{
    static const struct {
        const char *ours, *theirs;
    } names[] = {
        {"chat", "completion"},      {"tools", "tools"}, {"vision", "vision"},
        {"embeddings", "embedding"}, {"fim", "insert"},  {"reasoning", "thinking"},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (aiex_slice_is(ours, names[i].ours))
            return names[i].theirs;
    }
    return NULL;
}

/* Of a model that nothing is known of, clients may try what most can. */
static void write_capabilities(struct aiex_json_out *w, struct aiex_slice list)
{
    const char *comma = "", *name;
    struct aiex_value head, v;

    if (!list.len || aiex_r_value(&list, &head) != 0 || head.type != AIEX_T_ARRAY) {
        aiex_jw_raw(w, "\"completion\",\"tools\"");
        return;
    }
    for (uint32_t i = 0; i < head.count && aiex_r_value(&list, &v) == 0; i++) {
        name = v.type == AIEX_T_STR ? capability(v.bytes) : NULL;
        if (!name)
            continue;
        aiex_jw_raw(w, comma);
        aiex_jw_str(w, name);
        comma = ",";
    }
}

static void write_info(struct aiex_json_out *w, const struct model *m)
{
    struct aiex_slice family = m->family;

    if (!family.len)
        family = (struct aiex_slice){(const uint8_t *)"aiex", 4};
    write_text(w, ",\"model_info\":{\"general.architecture\":", family);
    if (m->context > 0) {
        aiex_jw_raw(w, ",\"");
        aiex_jw_escape(w, (const char *)family.data, family.len);
        aiex_jw_raw(w, ".context_length\":");
        aiex_jw_int(w, m->context);
    }
    aiex_jw_raw(w, "}");
}

static void write_show(struct aiex_json_out *w, const void *arg)
{
    const struct model *m = arg;

    aiex_jw_raw(w, "{\"modelfile\":\"\",\"parameters\":\"\",\"template\":\"\"");
    write_details(w, m);
    write_info(w, m);
    aiex_jw_raw(w, ",\"capabilities\":[");
    write_capabilities(w, m->capabilities);
    aiex_jw_raw(w, "]");
    write_time(w, ",\"modified_at\":", m->created);
    aiex_jw_raw(w, "}");
}

static void on_show(struct conn *c, const struct aiex_answer *answer)
{
    struct aiex_json_field f[] = {{.key = "model"}, {.key = "name"}};
    char id[ASK_MODEL_BYTES + 1];
    struct model_list list;
    struct model m;

    if (answer->kind != AIEX_ANSWER_END || model_list_take(c, answer, &list) != 0 ||
        ask_scan(c, f, 2) != 0)
        return;
    if (aiex_json_text(f[0].seen ? &f[0].value : &f[1].value, id, sizeof(id)) < 0)
        id[0] = 0;
    if (model_list_find(c, list, id, &m))
        respond_json(c, &(struct reply){.status = 200}, write_show, &m);
}

void ollama_show(struct conn *c)
{
    struct aiex_json_field f[] = {{.key = "model"}, {.key = "name"}};

    if (ask_scan(c, f, 2) != 0)
        return;
    if (f[0].value.type != AIEX_JSON_STRING && f[1].value.type != AIEX_JSON_STRING)
        error_respond(c, 400, NULL, "model", "you must provide a model parameter");
    else
        model_list_ask(c, on_show); /* the body is kept until then */
}

/* ---- /api/version ---- */

void ollama_version(struct conn *c)
{
    static const char text[] = "{\"version\":\"" OLLAMA_VERSION "\"}";

    respond(c, &(struct reply){.status = 200}, text, sizeof(text) - 1);
}
