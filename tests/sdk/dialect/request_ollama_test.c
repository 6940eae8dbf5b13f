/* request_ollama_test.c - requests to vendors of ollama.chat, and the completions dialects. */
#include "test.h"

#include "request_rig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define N(a)        (sizeof(a) / sizeof((a)[0]))
#define CHAT(model) __LINE__, AIEX_OPENAI_CHAT, AIEX_OLLAMA_CHAT, model
#define ANT(model)  __LINE__, AIEX_ANTHROPIC_MESSAGES, AIEX_OLLAMA_CHAT, model

static void to_ollama(void)
{
    static const struct row rows[] = {
        {CHAT("m"),
         "{'messages':[{'role':'developer','content':'d'},{'role':'user','content':[{'type':'text',"
         "'text':'a'},{'type':'image_url','image_url':{'url':'data:image/png;base64,AA'}},{'type':"
         "'text','text':'b'}]},{'role':'assistant','content':null,'reasoning_content':'hm',"
         "'tool_calls':[{'id':'c','type':'function','function':{'name':'f','arguments':"
         "'{\\'a\\':1}'}}]},{'role':'tool','tool_call_id':'c','content':'r'}],'tools':[{'type':"
         "'function','function':{'name':'f','parameters':{'type':'object'}}},{'type':'function',"
         "'function':{'name':'g'}}],'tool_choice':{'type':'function','function':{'name':'f'}},"
         "'max_tokens':5,'temperature':1.5,'stop':'x','seed':1,'presence_penalty':0.5,"
         "'reasoning_effort':'high','response_format':{'type':'json_schema','json_schema':{'name':"
         "'n','schema':{'type':'object'}}}}",
         "{'model':'m','stream':false,'messages':[{'role':'system','content':'d'},{'role':'user',"
         "'content':'a\\n\\nb','images':['AA']},{'role':'assistant','content':'','thinking':'hm',"
         "'tool_calls':[{'id':'c','function':{'name':'f','arguments':{'a':1}}}]},{'role':'tool',"
         "'content':'r','tool_name':'f','tool_call_id':'c'}],'tools':[{'type':'function','function'"
         ":"
         "{'name':'f','parameters':{'type':'object'}}}],'format':{'type':'object'},'options':"
         "{'num_predict':5,'temperature':1.5,'seed':1,'presence_penalty':0.5,'stop':['x']}}"},
        {CHAT("gpt-oss:20b"),
         "{'messages':[{'role':'user','content':'a'}],'tools':[{'type':'function','function':{'"
         "name':"
         "'f'}}],'tool_choice':'none','reasoning_effort':'minimal','stream':true}",
         "{'model':'gpt-oss:20b','stream':true,'messages':[{'role':'user','content':'a'}],'think':"
         "'low'}"},
        {ANT("m"),
         "{'max_tokens':1,'system':'s','messages':[{'role':'user','content':'a'}],'thinking':{'"
         "type':"
         "'disabled'}}",
         "{'model':'m','stream':false,'messages':[{'role':'system','content':'s'},{'role':'user',"
         "'content':'a'}],'think':false,'options':{'num_predict':1}}"},
        {ANT("m"),
         "{'max_tokens':1,'messages':[{'role':'user','content':'a'}],'thinking':{'type':'adaptive'}"
         ","
         "'output_config':{'effort':'max'}}",
         "{'model':'m','stream':false,'messages':[{'role':'user','content':'a'}],'options':"
         "{'num_predict':1}}"},
    };
    static const struct row refused[] = {
        {CHAT("m"),
         "{'messages':[{'role':'user','content':[{'type':'image_url','image_url':{'url':'http://"
         "x'}}"
         "]}]}",
         "data URL"},
        {ANT("m"),
         "{'messages':[{'role':'user','content':[{'type':'document','source':{'type':'base64',"
         "'media_type':'application/pdf','data':'AA'}}]}]}",
         "files"},
    };

    CU_ASSERT_EQUAL(rig_rows(rows, N(rows)), 0);
    CU_ASSERT_EQUAL(rig_refusals(refused, N(refused), -ENOTSUP), 0);
}

#define CMP(vendor) __LINE__, AIEX_OPENAI_COMPLETIONS, vendor, "m"
#define GEN(vendor) __LINE__, AIEX_OLLAMA_GENERATE, vendor, "m"

#define TASK                                                                                       \
    "Write the text that is missing between the prefix and the suffix. Answer with the missing "   \
    "text alone, exactly as it must stand there: no explanation, no code fence, nothing of the "   \
    "prefix or the suffix.\\n"

static void completes(void)
{
    static const struct row rows[] = {
        {CMP(AIEX_OLLAMA_GENERATE),
         "{'prompt':'a','suffix':'b','max_tokens':4,'stop':['\\n'],'temperature':0,'best_of':3,"
         "'logprobs':2}",
         "{'model':'m','prompt':'a','suffix':'b','stream':false,'options':{'num_predict':4,"
         "'temperature':0,'stop':['\\n']}}"},
        {CMP(AIEX_ANTHROPIC_MESSAGES), "{'prompt':['a'],'stream':true}",
         "{'model':'m','max_tokens':4096,'stream':true,'messages':[{'role':'user','content':[{'"
         "type':"
         "'text','text':'a'}]}]}"},
        {CMP(AIEX_OPENAI_RESPONSES), "{'prompt':'a','suffix':''}",
         "{'model':'m','stream':false,'store':false,'input':[{'type':'message','role':'user',"
         "'content':'a'}]}"},
        {CMP(AIEX_ANTHROPIC_MESSAGES),
         "{'prompt':'a','suffix':'b','temperature':0.5,'max_tokens':9,'stop':['x']}",
         "{'model':'m','max_tokens':9,'stream':false,'messages':[{'role':'user','content':[{'type':"
         "'text','text':'" TASK "<prefix>\\na</prefix>\\n<suffix>b</suffix>'}]}],"
         "'temperature':0.5,'stop_sequences':['x']}"},
        {GEN(AIEX_OPENAI_RESPONSES), "{'prompt':'','suffix':'b','system':'s','stream':false}",
         "{'model':'m','stream':false,'store':false,'instructions':'s','input':[{'type':'message',"
         "'role':'user','content':'" TASK "<prefix>\\n</prefix>\\n<suffix>b</suffix>'}]}"},
        {GEN(AIEX_OPENAI_COMPLETIONS),
         "{'prompt':'a','suffix':'b','system':'s','template':'t','context':[1],'raw':true,'options'"
         ":"
         "{'num_predict':4,'seed':2,'num_ctx':1}}",
         "{'model':'m','prompt':'s\\n\\na','suffix':'b','stream':true,'stream_options':"
         "{'include_usage':true},'max_tokens':4,'seed':2}"},
        {GEN(AIEX_OPENAI_CHAT), "{'prompt':'a','system':'s','images':['/9j'],'stream':false}",
         "{'model':'m','stream':false,'messages':[{'role':'system','content':'s'},{'role':'user',"
         "'content':[{'type':'text','text':'a'},{'type':'image_url','image_url':{'url':"
         "'data:image/jpeg;base64,/9j'}}]}]}"},
    };
    static const struct row refused[] = {
        {CMP(AIEX_OLLAMA_GENERATE), "{'prompt':['a','b']}", "several"},
        {CMP(AIEX_OLLAMA_GENERATE), "{'prompt':[1,2]}", "tokens"},
        {CMP(AIEX_OLLAMA_GENERATE), "{'prompt':'a','n':2}", "n:"},
        {GEN(AIEX_OPENAI_COMPLETIONS), "{'prompt':'a','images':['AA']}", "images"},
        {__LINE__, AIEX_OPENAI_CHAT, AIEX_OPENAI_COMPLETIONS, "m", "{'messages':[]}", "nothing"},
        {__LINE__, AIEX_OPENAI_CHAT, AIEX_OLLAMA_EMBED, "m", "{'messages':[]}", "nothing"},
    };
    static const struct row wrong[] = {{CMP(AIEX_OLLAMA_GENERATE), "{'prompt':7}", "prompt:"}};

    CU_ASSERT_EQUAL(rig_rows(rows, N(rows)), 0);
    CU_ASSERT_EQUAL(rig_refusals(refused, N(refused), -ENOTSUP), 0);
    CU_ASSERT_EQUAL(rig_refusals(wrong, N(wrong), -EINVAL), 0);
}

#define EMB         __LINE__, AIEX_OPENAI_EMBEDDINGS, AIEX_OLLAMA_EMBED, "m"
#define OEM(vendor) __LINE__, AIEX_OLLAMA_EMBED, vendor, "m"

static void embeds(void)
{
    static const struct row rows[] = {
        {EMB, "{'input':['a','b'],'encoding_format':'base64','dimensions':7,'user':'u'}",
         "{'model':'m','input':['a','b'],'dimensions':7}"},
        {OEM(AIEX_OPENAI_EMBEDDINGS), "{'input':'a','truncate':true,'options':{},'dimensions':3}",
         "{'model':'m','input':'a','dimensions':3,'encoding_format':'float'}"},
        {OEM(AIEX_OPENAI_EMBEDDINGS), "{'prompt':'a'}",
         "{'model':'m','input':'a','encoding_format':'float'}"},
        {OEM(AIEX_OLLAMA_EMBED), "{'prompt':'a','options':{'x':1},'keep_alive':3}",
         "{'model':'m','input':'a','options':{'x':1},'keep_alive':3}"},
    };
    static const struct row refused[] = {{EMB, "{'input':[1,2]}", "tokens"},
                                         {EMB, "{'input':[[1],[2]]}", "tokens"}};
    static const struct row wrong[] = {{EMB, "{}", "input:"}, {EMB, "{'input':{}}", "input:"}};
    struct aiex_error err;
    struct aiex_chat c;

    CU_ASSERT_EQUAL(rig_rows(rows, N(rows)), 0);
    CU_ASSERT_EQUAL(rig_refusals(refused, N(refused), -ENOTSUP), 0);
    CU_ASSERT_EQUAL(rig_refusals(wrong, N(wrong), -EINVAL), 0);
    CU_ASSERT_EQUAL(
        rig_convert(&c, AIEX_OLLAMA_EMBED, AIEX_OLLAMA_EMBED, "m", "{\"prompt\":\"a\"}", 14, &err),
        0);
    CU_ASSERT_EQUAL(c.one_input, 1);
    CU_ASSERT_EQUAL(c.same, 0);
    CU_ASSERT_EQUAL(c.n_inputs, 1);
    rig_done(&c);
}

const struct test_case tests[] = {
    {"to ollama", to_ollama},
    {"completes", completes},
    {"embeds", embeds},
    {0},
};
