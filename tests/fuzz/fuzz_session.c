/* link: aiex_sdk_session aiex_testkit */
/*
 * fuzz_session.c - a turn of a session with a stranger's request, a model's answer that is
 * anything, cut anywhere, and a history in the session that is anything, too. The first byte
 * chooses dialect, stream and history, the second the length of the request, the third that of the
 * history, the fourth where the answer is cut. It must end, and leave nothing.
 */
#include <aiex/aiex_pack.h>
#include <aiex_chat.h>
#include <aiex_fake_host.h>
#include <aiex_session.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct aiex_slice past;
static int begun, wrong;

/* One message of it as text, one as JSON. */
static void write_history(struct aiex_writer *w)
{
    aiex_w_map(w, 1);
    aiex_w_str(w, "events");
    aiex_w_array(w, 2);
    for (int i = 0; i < 2; i++) {
        aiex_w_map(w, 2);
        aiex_w_key_str(w, "type", "session.message");
        aiex_w_str(w, "data");
        aiex_w_map(w, 2);
        aiex_w_key_str(w, "role", i ? "user" : "assistant");
        if (i)
            aiex_w_key_strn(w, "content", (const char *)past.data, past.len);
        else
            aiex_w_key_bin(w, "content", past.data, past.len);
    }
}

static int on_call(void *arg, struct aiex_fake_host *h, const struct aiex_fake_record *call)
{
    uint8_t mem[2048];
    struct aiex_writer w;

    (void)arg;
    aiex_writer_init(&w, mem, sizeof(mem));
    if (strcmp(call->name, "sessions.history") == 0) {
        write_history(&w);
    } else {
        aiex_w_map(&w, 3);
        aiex_w_key_str(&w, "session", "s1");
        aiex_w_key_str(&w, "state", "open");
        aiex_w_key_int(&w, "messages", (int64_t)(past.len % 2));
    }
    return aiex_fake_answer_ok(h, call->id, aiex_written(&w));
}

static void on_begun(void *arg, const struct aiex_turn_begun *b)
{
    (void)arg;
    begun++;
    wrong = b->code || !b->session[0];
}

static struct aiex_slice cut(const uint8_t **data, size_t *size, size_t n)
{
    struct aiex_slice s = {*data, n < *size ? n : *size};

    *data += s.len;
    *size -= s.len;
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int dialects[] = {AIEX_OPENAI_CHAT, AIEX_OPENAI_RESPONSES, AIEX_ANTHROPIC_MESSAGES,
                                   AIEX_OLLAMA_CHAT};
    struct aiex_turn_setting setting = {
        .history_bytes = 4096, .session = {(const uint8_t *)"s1", 2}, .trace = 7};
    struct aiex_fake_host *h;
    struct aiex_turns *turns;
    struct aiex_turn *turn = NULL;
    uint8_t how, n_body, n_past, piece;

    if (size < 4)
        return 0;
    how = data[0];
    n_body = data[1];
    n_past = data[2];
    piece = data[3] ? data[3] : 1;
    data += 4;
    size -= 4;
    setting.dialect = dialects[how & 3];
    setting.stream = how >> 2 & 1;
    setting.history = how >> 3 & 1;
    setting.body = cut(&data, &size, n_body);
    past = cut(&data, &size, n_past);
    begun = wrong = 0;
    h = aiex_fake_host_new("fuzz");
    aiex_fake_on_call(h, on_call, NULL);
    turns = aiex_turns_new(aiex_fake_host_table(h), "sessions");
    if (aiex_turn_begin(turns, &setting, on_begun, NULL, &turn) != 0 || begun != 1)
        __builtin_trap();
    if (!wrong) {
        while (size)
            aiex_turn_part(turn, cut(&data, &size, piece));
        aiex_turn_end(turn, &(struct aiex_turn_end){.outcome = how & 16 ? "cut" : NULL}, NULL,
                      NULL);
    }
    aiex_fake_advance(h, 60000);
    aiex_turns_free(turns);
    if (aiex_fake_host_free(h) != 0)
        __builtin_trap();
    return 0;
}
