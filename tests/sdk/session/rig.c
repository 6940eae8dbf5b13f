/* rig.c - see rig.h. */
#include "rig.h"

#include <aiex/aiex_message.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct aiex_fake_host *h;
struct aiex_turns *turns;
struct told told;
struct aiex_turn *turn;

static struct {
    const char *method, *json;
} answers[8];

static uint8_t packed[256 << 10];

static struct aiex_slice pack(const char *json)
{
    char *text = strdup(json);
    struct aiex_error err = {""};
    struct aiex_writer w;

    for (char *c = text; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    aiex_writer_init(&w, packed, sizeof(packed));
    if (aiex_message_from_json(NULL, (struct aiex_slice){(uint8_t *)text, strlen(text)}, &w,
                               &err) != 0 ||
        w.failed)
        CU_FAIL_FATAL(err.text);
    free(text);
    return aiex_written(&w);
}

static void answer(uint64_t id, const char *json)
{
    char code[32] = "";

    if (json[0] != '!') {
        aiex_fake_answer_ok(h, id, pack(json));
        return;
    }
    snprintf(code, sizeof(code), "%.*s", (int)strcspn(json + 1, " "), json + 1);
    aiex_fake_answer_error(h, id, code, json + strcspn(json, " ") + 1, 0,
                           (struct aiex_slice){NULL, 0});
}

static int on_call(void *arg, struct aiex_fake_host *host, const struct aiex_fake_record *call)
{
    (void)arg;
    (void)host;
    CU_ASSERT_STRING_EQUAL(call->service, "sessions");
    for (size_t i = 0; i < 8 && answers[i].method; i++)
        if (strcmp(answers[i].method, call->name) == 0 && answers[i].json)
            answer(call->id, answers[i].json);
    return 0;
}

void rig_answer(const char *method, const char *json)
{
    size_t i = 0;

    while (answers[i].method && strcmp(answers[i].method, method) != 0)
        i++;
    answers[i].method = method;
    answers[i].json = json;
}

void rig_answer_open(const char *method, const char *json)
{
    const struct aiex_fake_record *r = aiex_fake_find(h, AIEX_FAKE_CALL, method,
                                                      rig_calls(method) - 1);

    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    answer(r->id, json);
}

void rig_begin(void)
{
    memset(answers, 0, sizeof(answers));
    memset(&told, 0, sizeof(told));
    turn = NULL;
    h = aiex_fake_host_new("interface_x");
    aiex_fake_on_call(h, on_call, NULL);
    turns = aiex_turns_new(aiex_fake_host_table(h), "sessions");
    CU_ASSERT_PTR_NOT_NULL_FATAL(turns);
    rig_answer("sessions.get", ROW);
    rig_answer("sessions.create", ROW);
    rig_answer("sessions.append", "{'version':3}");
}

void rig_end(void)
{
    aiex_turns_free(turns);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

unsigned rig_calls(const char *method)
{
    unsigned n = 0;

    while (aiex_fake_find(h, AIEX_FAKE_CALL, method, n))
        n++;
    return n;
}

const char *rig_asked(const char *method, unsigned n)
{
    static char out[4][1 << 20];
    static unsigned at;
    char *mem = out[at++ % 4];
    const struct aiex_fake_record *r = aiex_fake_find(h, AIEX_FAKE_CALL, method, n);

    strcpy(mem, "not asked");
    if (r)
        aiex_message_to_json(r->body, mem, sizeof(out[0]));
    for (char *c = mem; *c; c++)
        *c = *c == '"' ? '\'' : *c;
    return mem;
}

const char *rig_content(unsigned append, unsigned message)
{
    static char out[600 << 10];
    const struct aiex_fake_record *r = aiex_fake_find(h, AIEX_FAKE_CALL, "sessions.append", append);
    struct aiex_slice at = {NULL, 0}, content = {NULL, 0};
    struct aiex_value v;

    if (!r || aiex_get_whole(r->body, "messages", &at) != 1 || aiex_r_value(&at, &v) != 0)
        return "no such append";
    for (unsigned i = 0; i < message; i++)
        aiex_r_skip(&at);
    if (message >= v.count || aiex_get_bytes(at, "content", &content) != 1)
        return "no such message";
    snprintf(out, sizeof(out), "%.*s", (int)content.len, (const char *)content.data);
    return out;
}

static void begun(void *arg, const struct aiex_turn_begun *b)
{
    struct told *t = arg;

    t->begun++;
    snprintf(t->code, sizeof(t->code), "%s", b->code ? b->code : "");
    snprintf(t->text, sizeof(t->text), "%s", b->text ? b->text : "");
    snprintf(t->session, sizeof(t->session), "%s", b->session);
    snprintf(t->trouble, sizeof(t->trouble), "%s", b->trouble ? b->trouble : "");
    snprintf(t->history, sizeof(t->history), "%.*s", (int)b->history.len,
             b->history.len ? (const char *)b->history.data : "");
    if (b->code || !b->session[0])
        turn = NULL;
}

static void done(void *arg, const char *trouble)
{
    struct told *t = arg;

    t->done++;
    snprintf(t->not_recorded, sizeof(t->not_recorded), "%s", trouble ? trouble : "");
}

static struct aiex_slice slice(const char *text)
{
    return (struct aiex_slice){(const uint8_t *)text, strlen(text)};
}

void rig_turn(struct aiex_turn_setting setting, const char *body)
{
    struct aiex_turn *made;

    setting.dialect = setting.dialect ? setting.dialect : AIEX_OPENAI_CHAT;
    setting.body = slice(body);
    setting.session = setting.session.len ? setting.session : slice("s1");
    setting.trace = setting.trace ? setting.trace : 0xabc;
    memset(&told, 0, sizeof(told));
    if (aiex_turn_begin(turns, &setting, begun, &told, &made) != 0)
        return;
    turn = !told.begun || (!told.code[0] && told.session[0]) ? made : NULL;
}

void rig_part(const char *bytes)
{
    aiex_turn_part(turn, slice(bytes));
}

void rig_finish(const char *outcome)
{
    static const char end[] = "{'model':'m-1','provider':'p1','input_tokens':7,'output_tokens':3}";

    aiex_turn_end(turn, &(struct aiex_turn_end){outcome, outcome ? slice("") : pack(end)}, done,
                  &told);
}

int has(const char *text, const char *part)
{
    if (strstr(text, part))
        return 1;
    printf("\n  wanted: %s\n  in:     %.2000s\n", part, text);
    return 0;
}
