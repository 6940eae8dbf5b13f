/*
 * request_parts.c - contents: a string, or an array of parts.
 *
 * The part types of all dialects have different names, so one table reads them all; a client that
 * mixes them is understood. What no other dialect could be told (calls of server tools, citations,
 * references to stored things) is left out: a conversation that lacks a search result is better
 * than none. Unknown types that carry a text are texts.
 */
#include "keys.h"
#include "request.h"

/* Results hold documents, documents hold texts; what lies deeper is left out. */
#define MAX_NESTING 6

/* ---- Images and files ---- */

static struct raw cut(struct raw text, size_t from)
{
    return (struct raw){text.at + from, text.len - from};
}

/* "data:MEDIA;base64,DATA" into media and data; 0 when it is another URL. */
static int take_data_url(struct raw url, struct raw *media, struct raw *data)
{
    const char *comma;
    size_t head;

    if (url.len < 5 || memcmp(url.at, "data:", 5) != 0)
        return 0;
    comma = memchr(url.at, ',', url.len < 256 ? url.len : 256);
    if (!comma)
        return 0;
    head = (size_t)(comma - url.at);
    if (head < 5 + 7 || memcmp(comma - 7, ";base64", 7) != 0)
        return 0;
    *media = (struct raw){url.at + 5, head - 5 - 7};
    for (size_t i = 0; i < media->len; i++) /* parameters: ";charset=utf-8" */
        if (media->at[i] == ';')
            media->len = i;
    *data = cut(url, head + 1);
    return 1;
}

void part_from_url(struct part *p, struct raw url)
{
    if (!take_data_url(url, &p->media, &p->data))
        p->url = url;
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

/* Undoes base64 (white space, escapes of '/' and padding are passed over). */
static size_t decode(struct raw data, char *out)
{
    uint32_t bits = 0;
    unsigned n = 0;
    size_t len = 0;

    for (size_t i = 0; i < data.len; i++) {
        int v = base64_value(data.at[i]);

        if (v < 0)
            continue;
        bits = bits << 6 | (unsigned)v;
        n += 6;
        if (n >= 8) {
            n -= 8;
            out[len++] = (char)(bits >> n & 255);
        }
    }
    return len;
}

static int is_text_media(struct raw media)
{
    return (media.len > 5 && memcmp(media.at, "text", 4) == 0) || raw_is(media, "application/json");
}

/* The text of a file in base64; bytes that are not UTF-8 become U+FFFD. */
static int text_of_file(struct reader *r, struct raw data, struct raw *ret)
{
    char *plain = arena_raw(r->c->arena, data.len + 1), *json = NULL;
    struct aiex_json_out w;
    size_t len = plain ? decode(data, plain) : 0;

    aiex_jw_init(&w, NULL, 0);
    aiex_jw_escape(&w, plain, len);
    if (plain)
        json = arena_raw(r->c->arena, w.len + 1);
    if (!json)
        return read_fail(r, -ENOMEM, "no memory for the request");
    aiex_jw_init(&w, json, w.len);
    aiex_jw_escape(&w, plain, len);
    *ret = (struct raw){json, w.len};
    return 0;
}

/* ---- One part ---- */

struct parts {
    struct reader *r;
    struct part **end;
    int glued;
    const struct place *place;
    size_t index;
};

static int put_text(struct parts *s, struct raw text, struct raw cache)
{
    struct part *p;
    int rc = 0;

    if (!text.len)
        return 0;
    p = add_part(s->r, &s->end, PART_TEXT, &rc);
    if (!p)
        return rc;
    p->text = text;
    p->cache = cache;
    p->glued = s->glued;
    return 0;
}

static int read_text(struct parts *s, const struct members *m)
{
    return put_text(s, text_of(&m->of[K_text]),
                    m->of[K_cache_control].type == AIEX_JSON_OBJECT
                        ? json_of(&m->of[K_cache_control])
                        : RAW(""));
}

/* openai.chat: image_url is {url, detail}; responses: the URL itself. */
static int read_image(struct parts *s, const struct members *m)
{
    struct members in;
    struct part *p;
    int rc = 0;

    p = add_part(s->r, &s->end, PART_IMAGE, &rc);
    if (!p)
        return rc;
    members_read(&m->of[K_image_url], &in);
    part_from_url(p, in.of[K_url].type ? text_of(&in.of[K_url]) : text_of(&m->of[K_image_url]));
    p->detail = text_of(in.of[K_detail].type ? &in.of[K_detail] : &m->of[K_detail]);
    p->ref = text_of(&m->of[K_file_id]);
    return 0;
}

static int is_kind(const struct members *m, const char *type)
{
    return aiex_json_is(&m->of[K_type], type);
}

/* anthropic: {type: base64 | url | file | text | content}. */
static void read_source(struct part *p, const struct members *in)
{
    p->media = text_of(&in->of[K_media_type]);
    if (is_kind(in, "base64"))
        p->data = text_of(&in->of[K_data]);
    else if (is_kind(in, "url"))
        p->url = text_of(&in->of[K_url]);
    else
        p->ref = text_of(&in->of[K_file_id]);
}

static int read_source_image(struct parts *s, const struct members *m)
{
    struct members in;
    struct part *p;
    int rc = 0;

    p = add_part(s->r, &s->end, PART_IMAGE, &rc);
    if (!p)
        return rc;
    members_read(&m->of[K_source], &in);
    read_source(p, &in);
    return 0;
}

static int read_document(struct parts *s, const struct members *m)
{
    struct members in;
    struct part *p;
    int rc = 0;

    members_read(&m->of[K_source], &in);
    if (is_kind(&in, "content")) {
        rc = put_text(s, text_of(&m->of[K_title]), RAW(""));
        return rc != 0 ? rc : read_parts(s->r, &in.of[K_content], &s->end, 0, s->place);
    }
    if (is_kind(&in, "text")) {
        rc = put_text(s, text_of(&m->of[K_title]), RAW(""));
        return rc != 0 ? rc : put_text(s, text_of(&in.of[K_data]), RAW(""));
    }
    p = add_part(s->r, &s->end, PART_FILE, &rc);
    if (!p)
        return rc;
    read_source(p, &in);
    p->file = text_of(&m->of[K_title]);
    return 0;
}

/* A file of text becomes text, with its name before it. */
static int put_text_file(struct parts *s, const struct part *file)
{
    struct raw text = RAW("");
    int rc = text_of_file(s->r, file->data, &text);

    if (rc == 0)
        rc = put_text(s, file->file, RAW(""));
    return rc != 0 ? rc : put_text(s, text, RAW(""));
}

/* openai.chat: {file: {file_data, filename, file_id}}; responses: the same flat, or file_url. */
static int read_file(struct parts *s, const struct members *m)
{
    struct part file = {.kind = PART_FILE}, *p;
    const struct members *f = m;
    struct members in;
    int rc = 0;

    if (m->of[K_file].type == AIEX_JSON_OBJECT) {
        members_read(&m->of[K_file], &in);
        f = &in;
    }
    part_from_url(&file, text_of(&f->of[K_file_data]));
    if (f->of[K_file_data].type && !file.data.len) { /* some clients send bare base64 */
        file.data = file.url;
        file.url = RAW("");
        file.media = RAW("application/pdf");
    }
    if (f->of[K_file_url].type)
        file.url = text_of(&f->of[K_file_url]);
    file.file = text_of(&f->of[K_filename]);
    file.ref = text_of(&f->of[K_file_id]);
    if (file.data.len && is_text_media(file.media))
        return put_text_file(s, &file);
    p = add_part(s->r, &s->end, PART_FILE, &rc);
    if (p) {
        file.next = p->next;
        *p = file;
    }
    return rc;
}

static int read_audio(struct parts *s, const struct members *m)
{
    struct part *p;
    int rc = 0;

    p = add_part(s->r, &s->end, PART_AUDIO, &rc);
    if (p)
        p->data = json_of(&m->of[K_input_audio]);
    return rc;
}

static int read_refusal(struct parts *s, const struct members *m)
{
    struct part *p;
    int rc = 0;

    p = add_part(s->r, &s->end, PART_REFUSAL, &rc);
    if (p)
        p->text = text_of(&m->of[K_refusal]);
    return rc;
}

static int read_thinking(struct parts *s, const struct members *m)
{
    struct part *p;
    int rc = 0;

    if (!text_of(&m->of[K_thinking]).len && !text_of(&m->of[K_signature]).len)
        return 0;
    p = add_part(s->r, &s->end, PART_REASONING, &rc);
    if (!p)
        return rc;
    p->text = text_of(&m->of[K_thinking]);
    p->sealed = text_of(&m->of[K_signature]);
    return 0;
}

static int read_tool_use(struct parts *s, const struct members *m)
{
    struct part *p;
    int rc = 0;

    if (!text_of(&m->of[K_name]).len)
        return read_fail(s->r, -EINVAL, "%s[%zu].content[%zu].name: a tool_use needs one",
                         s->place->list, s->place->index, s->index);
    p = add_part(s->r, &s->end, PART_CALL, &rc);
    if (!p)
        return rc;
    p->id = text_of(&m->of[K_id]);
    p->name = text_of(&m->of[K_name]);
    p->args_form = ARGS_OBJECT;
    p->args = m->of[K_input].type == AIEX_JSON_OBJECT ? json_of(&m->of[K_input]) : RAW("{}");
    return 0;
}

static int read_tool_result(struct parts *s, const struct members *m)
{
    struct part *p, **end;
    int rc = 0;

    p = add_part(s->r, &s->end, PART_RESULT, &rc);
    if (!p)
        return rc;
    p->id = text_of(&m->of[K_tool_use_id]);
    p->is_error = m->of[K_is_error].type == AIEX_JSON_TRUE;
    end = &p->inside;
    return read_parts(s->r, &m->of[K_content], &end, 0, s->place);
}

/* anthropic search_result: {title, source, content: [texts]}. */
static int read_search(struct parts *s, const struct members *m)
{
    int rc = put_text(s, text_of(&m->of[K_title]), RAW(""));

    return rc != 0 ? rc : read_parts(s->r, &m->of[K_content], &s->end, 0, s->place);
}

static int read_nothing(struct parts *s, const struct members *m)
{
    (void)s;
    (void)m;
    return 0;
}

static const struct {
    const char *type;
    int (*read)(struct parts *, const struct members *);
} kinds[] = {
    {"text", read_text},
    {"input_text", read_text},
    {"output_text", read_text},
    {"summary_text", read_text},
    {"reasoning_text", read_text},
    {"tool_use", read_tool_use},
    {"tool_result", read_tool_result},
    {"image_url", read_image},
    {"input_image", read_image},
    {"computer_screenshot", read_image},
    {"image", read_source_image},
    {"document", read_document},
    {"file", read_file},
    {"input_file", read_file},
    {"input_audio", read_audio},
    {"refusal", read_refusal},
    {"thinking", read_thinking},
    {"redacted_thinking", read_nothing},
    {"search_result", read_search},
};

static int read_part(struct parts *s, const struct members *m, const struct aiex_json_span *string)
{
    if (string->type)
        return put_text(s, text_of(string), RAW(""));
    if (m->type != AIEX_JSON_OBJECT)
        return read_fail(s->r, -EINVAL, "%s[%zu].content[%zu]: a part is an object", s->place->list,
                         s->place->index, s->index);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (is_kind(m, kinds[i].type))
            return kinds[i].read(s, m);
    return read_text(s, m);
}

static int read_array(struct parts *s, const struct aiex_json_span *content)
{
    struct aiex_json_span string;
    struct members m;
    size_t at = 0;
    int rc = 0;

    for (; rc == 0 && members_next(content, &at, &m, &string); s->index++) {
        rc = count_piece(s->r);
        if (rc == 0)
            rc = read_part(s, &m, &string);
    }
    return rc;
}

int read_parts(struct reader *r, const struct aiex_json_span *content, struct part ***end,
               int text_glued, const struct place *place)
{
    struct parts s = {.r = r, .end = *end, .glued = text_glued, .place = place};
    int rc = 0;

    if (r->depth == MAX_NESTING)
        return 0;
    r->depth++;
    if (content->type == AIEX_JSON_STRING)
        rc = put_text(&s, text_of(content), RAW(""));
    else if (content->type == AIEX_JSON_ARRAY)
        rc = read_array(&s, content);
    else if (content->type && content->type != AIEX_JSON_NULL)
        rc = read_fail(r, -EINVAL, "%s[%zu].content: a string or an array of parts is needed",
                       place->list, place->index);
    r->depth--;
    *end = s.end;
    return rc;
}

/* ---- What an image is, by its first bytes ---- */

struct raw media_of_base64(struct raw data)
{
    static const struct {
        const char *start;
        struct raw media;
    } starts[] = {
        {"/9j", {"image/jpeg", 10}},  {"\\/9j", {"image/jpeg", 10}}, /* some clients escape '/' */
        {"R0lGOD", {"image/gif", 9}}, {"UklGR", {"image/webp", 10}}, {"iVBOR", {"image/png", 9}},
    };

    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        size_t n = strlen(starts[i].start);

        if (data.len >= n && memcmp(data.at, starts[i].start, n) == 0)
            return starts[i].media;
    }
    return RAW("image/png");
}
