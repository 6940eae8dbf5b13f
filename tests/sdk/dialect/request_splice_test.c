/* request_splice_test.c - equal dialects: the client's bytes, but for the model, the stream and the
 * wish for usage. Compared byte for byte. */
#include "test.h"

#include "request_rig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

struct splice {
    int dialect, stream;
    unsigned flags;
    const char *in, *out;
};

static int convert(struct aiex_chat *c, int dialect, int stream, unsigned flags, const char *in,
                   struct aiex_error *err)
{
    memset(c, 0, sizeof(*c));
    c->setup = (struct aiex_chat_setup){.struct_size = sizeof(c->setup),
                                        .flags = flags,
                                        .client = dialect,
                                        .vendor = dialect,
                                        .stream = stream};
    c->setup.model = (struct aiex_slice){(const uint8_t *)"m\"1", 3};
    return request_convert(c, (struct aiex_slice){(const uint8_t *)in, strlen(in)}, err);
}

static void changes_little(void)
{
    static const struct splice t[] = {
        {AIEX_OPENAI_CHAT, -1, 0, "{ 'model' : 'a','messages':[],'x': 1.50 }",
         "{ 'model' : 'm\\'1','messages':[],'x': 1.50 }"},
        {AIEX_OPENAI_CHAT, -1, 0, " {'messages':[],'stream':true}\n",
         " {'model':'m\\'1','stream_options':{'include_usage':true},'messages':[],'stream':true}"
         "\n"},
        {AIEX_OPENAI_CHAT, -1, 0, "{'model':'m\\'1','stream':true,'stream_options':{}}",
         "{'model':'m\\'1','stream':true,'stream_options':{'include_usage':true}}"},
        {AIEX_OPENAI_CHAT, -1, 0, "{'model':'m\\'1','stream':true,'stream_options':{ 'a':1}}",
         "{'model':'m\\'1','stream':true,'stream_options':{'include_usage':true, 'a':1}}"},
        {AIEX_OPENAI_CHAT, -1, 0,
         "{'stream':true,'stream_options':{'include_usage':false},'model':''}",
         "{'stream':true,'stream_options':{'include_usage':true},'model':'m\\'1'}"},
        {AIEX_OPENAI_CHAT, -1, 0, "{'model':'m\\'1','stream':true,'stream_options':null}",
         "{'model':'m\\'1','stream':true,'stream_options':{'include_usage':true}}"},
        {AIEX_OPENAI_CHAT, -1, AIEX_CHAT_NO_USAGE_ASK, "{'model':'m\\'1','stream':true}",
         "{'model':'m\\'1','stream':true}"},
        {AIEX_OPENAI_CHAT, 0, 0, "{'model':'m\\'1','stream':true,'stream_options':{'a':1}}",
         "{'model':'m\\'1','stream':false,'stream_options':null}"},
        {AIEX_OPENAI_CHAT, 1, 0, "{}",
         "{'model':'m\\'1','stream':true,'stream_options':{'include_usage':true}}"},
        {AIEX_OPENAI_RESPONSES, 1, 0, "{'input':'a','previous_response_id':'r'}",
         "{'model':'m\\'1','stream':true,'input':'a','previous_response_id':'r'}"},
        {AIEX_ANTHROPIC_MESSAGES, -1, 0, "{'model':'x','context_management':{'a':[1, 2]}}",
         "{'model':'m\\'1','context_management':{'a':[1, 2]}}"},
        {AIEX_OLLAMA_CHAT, -1, 0, "{'model':'x','messages':[]}", "{'model':'m\\'1','messages':[]}"},
        {AIEX_OLLAMA_CHAT, 0, 0, "{'model':'x'}", "{'stream':false,'model':'m\\'1'}"},
        {AIEX_OLLAMA_GENERATE, -1, 0, "{'model':'x','stream':false,'prompt':''}",
         "{'model':'m\\'1','stream':false,'prompt':''}"},
        {AIEX_OPENAI_COMPLETIONS, -1, 0, "{'model':'x','prompt':[1,2],'stream':true}",
         "{'stream_options':{'include_usage':true},'model':'m\\'1','prompt':[1,2],'stream':true}"},
        {AIEX_OPENAI_EMBEDDINGS, -1, 0, "{'model':'x','input':[[1],[2]]}",
         "{'model':'m\\'1','input':[[1],[2]]}"},
        {AIEX_OLLAMA_EMBED, -1, 0, "{'model':'x','input':['a','b'],'truncate':false}",
         "{'model':'m\\'1','input':['a','b'],'truncate':false}"},
    };

    for (size_t i = 0; i < N(t); i++) {
        char *in = rig_quotes(t[i].in), *out = rig_quotes(t[i].out);
        struct aiex_error err;
        struct aiex_chat c;

        CU_ASSERT_EQUAL(convert(&c, t[i].dialect, t[i].stream, t[i].flags, in, &err), 0);
        CU_ASSERT_TRUE(c.same);
        if (c.request_len != strlen(out) || memcmp(c.request, out, c.request_len) != 0)
            printf("%.*s\nis not\n%s\n", (int)c.request_len, (char *)c.request, out);
        CU_ASSERT_EQUAL(c.request_len, strlen(out));
        CU_ASSERT_EQUAL(memcmp(c.request, out, c.request_len), 0);
        rig_done(&c);
        free(in);
        free(out);
    }
}

static void refuses_doubles(void)
{
    static const char *const t[] = {
        "{'model':'a','model':'b'}",
        "{'stream':true,'str\\u0065am':false}",
        "{'stream_options':{},'stream_options':{}}",
        "{'messages':[],'messages':[]}",
    };

    for (size_t i = 0; i < N(t); i++) {
        char *in = rig_quotes(t[i]);
        struct aiex_error err;
        struct aiex_chat c;

        CU_ASSERT_EQUAL(convert(&c, AIEX_OPENAI_CHAT, -1, 0, in, &err), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "twice"));
        CU_ASSERT_PTR_NULL(c.request);
        rig_done(&c);
        free(in);
    }
}

/* Servers written in Go take keys in any case, and of two the last: such a request would ask them
 * for another model than the one that was allowed. */
static void refuses_a_model_in_disguise(void)
{
    static const char *const t[] = {
        "{'model':'a','Model':'b'}",       "{'MODEL':'b','model':'a'}",        "{'mOdel':'b'}",
        "{'model':'a','mod\\u0045l':'b'}", "{'model':'a', '\\u004dodel' :{}}",
    };
    static const int dialects[] = {AIEX_OPENAI_CHAT, AIEX_OLLAMA_CHAT, AIEX_OLLAMA_GENERATE,
                                   AIEX_OLLAMA_EMBED, AIEX_OPENAI_COMPLETIONS};

    for (size_t i = 0; i < N(t) * N(dialects); i++) {
        char *in = rig_quotes(t[i % N(t)]);
        struct aiex_error err = {""};
        struct aiex_chat c;

        CU_ASSERT_EQUAL(convert(&c, dialects[i / N(t)], -1, 0, in, &err), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "model: "));
        rig_done(&c);
        free(in);
    }
}

static void notes_what_the_answer_needs(void)
{
    struct aiex_error err;
    struct aiex_chat c;
    char *in = rig_quotes("{'model':'a\\u00e9','stream':true,'stream_options':{'include_usage':"
                          "true},'messages':[{'role':'user','content':'12345'}]}");

    CU_ASSERT_EQUAL(convert(&c, AIEX_OPENAI_CHAT, -1, 0, in, &err), 0);
    CU_ASSERT_EQUAL(c.client_stream, 1);
    CU_ASSERT_EQUAL(c.vendor_stream, 1);
    CU_ASSERT_EQUAL(c.client_usage, 1);
    CU_ASSERT_EQUAL(c.model.len, 3);
    CU_ASSERT_EQUAL(memcmp(c.model.data, "a\xc3\xa9", 3), 0);
    CU_ASSERT_EQUAL(c.prompt_bytes, strlen(in));
    rig_done(&c);
    free(in);

    in = rig_quotes("{'input':['a','b'],'encoding_format':'base64'}");
    CU_ASSERT_EQUAL(convert(&c, AIEX_OPENAI_EMBEDDINGS, 1, 0, in, &err), 0);
    CU_ASSERT_EQUAL(c.client_stream, 0);
    CU_ASSERT_EQUAL(c.n_inputs, 2);
    CU_ASSERT_EQUAL(c.base64, 1);
    rig_done(&c);
    free(in);

    in = rig_quotes("{'prompt':'a','suffix':'b\\n','echo':true}");
    CU_ASSERT_EQUAL(convert(&c, AIEX_OPENAI_COMPLETIONS, -1, 0, in, &err), 0);
    CU_ASSERT_EQUAL(c.fill, 0); /* the vendor does it */
    CU_ASSERT_EQUAL(c.echo_prompt, 1);
    rig_done(&c);
    CU_ASSERT_EQUAL(convert(&c, AIEX_OPENAI_COMPLETIONS, -1, AIEX_CHAT_NO_SUFFIX, in, &err),
                    -ENOTSUP);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "suffix"));
    rig_done(&c);
    free(in);
}

const struct test_case tests[] = {
    {"changes little", changes_little},
    {"refuses doubles", refuses_doubles},
    {"refuses a model in disguise", refuses_a_model_in_disguise},
    {"notes what the answer needs", notes_what_the_answer_needs},
    {0},
};
