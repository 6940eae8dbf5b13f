/* request_openai_test.c - requests to vendors of openai.chat and openai.responses. */
#include "test.h"

#include "request_rig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define N(a)       (sizeof(a) / sizeof((a)[0]))
#define ANT(model) __LINE__, AIEX_ANTHROPIC_MESSAGES, AIEX_OPENAI_CHAT, model
#define RSP(model) __LINE__, AIEX_OPENAI_RESPONSES, AIEX_OPENAI_CHAT, model
#define OLL(model) __LINE__, AIEX_OLLAMA_CHAT, AIEX_OPENAI_CHAT, model

static void from_anthropic(void)
{
    static const struct row rows[] = {
        {ANT("m"),
         "{'model':'c','max_tokens':100,'system':[{'type':'text','text':'a','cache_control':{'type'"
         ":"
         "'ephemeral'}},{'type':'text','text':'b'}],'messages':[{'role':'user','content':'hi'},"
         "{'role':'assistant','content':[{'type':'thinking','thinking':'hm','signature':'s'},"
         "{'type':'redacted_thinking','data':'d'},{'type':'text','text':'I "
         "'},{'type':'text','text':"
         "'do'},{'type':'tool_use','id':'t1','name':'f','input':{'a': [1, '\\'q\\n']}},"
         "{'type':'tool_use','id':'t2','name':'g','input':{}}]},{'role':'user','content':["
         "{'type':'tool_result','tool_use_id':'t1','content':[{'type':'text','text':'r1'},"
         "{'type':'image','source':{'type':'base64','media_type':'image/png','data':'AA'}}]},"
         "{'type':'tool_result','tool_use_id':'t2','is_error':true},{'type':'text','text':'go "
         "on'}]}]"
         ",'tools':[{'name':'f','description':'F','input_schema':{'type':'object'}},{'name':'g',"
         "'input_schema':{'type':'object'}},{'type':'web_search_20250305','name':'web_search'}],"
         "'tool_choice':{'type':'any','disable_parallel_tool_use':true},'stop_sequences':['x'],"
         "'temperature':0.5,'top_k':5,'stream':true,'metadata':{'user_id':'u'},"
         "'thinking':{'type':'enabled','budget_tokens':9000},'context_management':{},"
         "'mcp_servers':[]}",
         "{'model':'m','stream':true,'stream_options':{'include_usage':true},'messages':["
         "{'role':'system','content':'a\\n\\nb'},{'role':'user','content':'hi'},{'role':'assistant'"
         ","
         "'content':'I do','tool_calls':[{'id':'t1','type':'function','function':{'name':'f',"
         "'arguments':'{\\'a\\': [1, \\'\\\\\\'q\\\\n\\']}'}},{'id':'t2','type':'function',"
         "'function':{'name':'g','arguments':'{}'}}]},{'role':'tool','content':'r1','tool_call_id':"
         "'t1'},{'role':'tool','content':'error','tool_call_id':'t2'},{'role':'user','content':["
         "{'type':'image_url','image_url':{'url':'data:image/png;base64,AA'}}]},{'role':'user',"
         "'content':'go on'}],'tools':[{'type':'function','function':{'name':'f','description':'F',"
         "'parameters':{'type':'object'}}},{'type':'function','function':{'name':'g','parameters':"
         "{'type':'object'}}}],'tool_choice':'required','parallel_tool_calls':false,'max_tokens':"
         "100,"
         "'temperature':0.5,'stop':['x'],'user':'u'}"},
        /* a model that reasons: other names, an effort, no temperature */
        {ANT("gpt-5.1"),
         "{'max_tokens':100,'messages':[{'role':'user','content':'hi'}],'temperature':1,"
         "'thinking':{'type':'enabled','budget_tokens':9000}}",
         "{'model':'gpt-5.1','stream':false,'messages':[{'role':'user','content':'hi'}],"
         "'max_completion_tokens':100,'reasoning_effort':'high'}"},
        /* one that shows its reasoning wants it back */
        {ANT("deepseek-chat"),
         "{'max_tokens':1,'messages':[{'role':'assistant','content':[{'type':'thinking','thinking':"
         "'hm','signature':''},{'type':'text','text':'a'}]},{'role':'user','content':'b'}]}",
         "{'model':'deepseek-chat','stream':false,'messages':[{'role':'assistant','content':'a',"
         "'reasoning_content':'hm'},{'role':'user','content':'b'}],'max_tokens':1}"},
        /* an id twice; a bill in the system text; more stop words than the vendor takes */
        {ANT("m"),
         "{'max_tokens':1,'system':[{'type':'text','text':'x-anthropic-billing-header: cch=1'},"
         "{'type':'text','text':'s'}],'messages':[{'role':'assistant','content':[{'type':'tool_use'"
         ","
         "'id':'a','name':'f','input':{}},{'type':'tool_use','id':'a','name':'f','input':{'x':1}}]}"
         ","
         "{'role':'user','content':[{'type':'tool_result','tool_use_id':'a','content':'1'},{'type':"
         "'tool_result','tool_use_id':'a','content':'2'}]}],'stop_sequences':['1','2','3','4','5']"
         "}",
         "{'model':'m','stream':false,'messages':[{'role':'system','content':'s'},{'role':'"
         "assistant',"
         "'content':null,'tool_calls':[{'id':'a','type':'function','function':{'name':'f',"
         "'arguments':'{}'}},{'id':'call_1_1','type':'function','function':{'name':'f','arguments':"
         "'{\\'x\\':1}'}}]},{'role':'tool','content':'1','tool_call_id':'a'},{'role':'tool','"
         "content':"
         "'2','tool_call_id':'call_1_1'}],'max_tokens':1,'stop':['1','2','3','4']}"},
        /* structured output */
        {ANT("m"),
         "{'max_tokens':1,'messages':[{'role':'user','content':[{'type':'document','source':{'type'"
         ":"
         "'text','media_type':'text/plain','data':'D'},'title':'T'},{'type':'document','source':"
         "{'type':'base64','media_type':'application/"
         "pdf','data':'BB'}}]}],'output_config':{'format':"
         "{'type':'json_schema','schema':{'type':'object'}}}}",
         "{'model':'m','stream':false,'messages':[{'role':'user','content':[{'type':'text','text':"
         "'T'},{'type':'text','text':'D'},{'type':'file','file':{'filename':'document.pdf',"
         "'file_data':'data:application/"
         "pdf;base64,BB'}}]}],'response_format':{'type':'json_schema',"
         "'json_schema':{'name':'answer','schema':{'type':'object'}}},'max_tokens':1}"},
    };

    CU_ASSERT_EQUAL(rig_rows(rows, N(rows)), 0);
}

static void from_responses(void)
{
    static const struct row rows[] = {
        {RSP("m"), "{'input':'hi','instructions':'be','max_output_tokens':5,'store':true}",
         "{'model':'m','stream':false,'messages':[{'role':'system','content':'be'},{'role':'user',"
         "'content':'hi'}],'max_tokens':5}"},
        /* what an agent sends: namespaces, free text tools, developer notes, parallel calls */
        {RSP("m"),
         "{'instructions':'be','input':[{'type':'message','role':'developer','content':[{'type':"
         "'input_text','text':'perm'}]},{'type':'message','role':'user','content':[{'type':"
         "'input_text','text':'env'}]},{'type':'reasoning','id':'r','summary':[{'type':"
         "'summary_text','text':'hm'}],'encrypted_content':'e'},{'type':'message','role':'"
         "assistant',"
         "'content':[{'type':'output_text','text':'look'}]},{'type':'function_call','call_id':'c1',"
         "'name':'spawn','namespace':'agents','arguments':'{\\'a\\':1}'},{'type':'custom_tool_call'"
         ","
         "'call_id':'c2','name':'apply_patch','input':'*** \\'x\\'\\n'},{'type':"
         "'custom_tool_call_output','call_id':'c2','output':'done'},{'type':'function_call_output',"
         "'call_id':'c1','output':'ok'},{'type':'web_search_call','id':'w'},"
         "{'role':'developer','content':'note'}],'tools':[{'type':'namespace','name':'agents',"
         "'description':'d','tools':[{'type':'function','name':'spawn','strict':false,'parameters':"
         "{'type':'object','properties':{}}}]},{'type':'custom','name':'apply_patch','description':"
         "'P','format':{'type':'grammar','syntax':'lark','definition':'start: x'}},{'type':"
         "'web_search'}],'tool_choice':'auto','parallel_tool_calls':true,'reasoning':{'effort':"
         "'medium','summary':'auto'},'text':{'verbosity':'low','format':{'type':'json_schema','"
         "name':"
         "'n','strict':true,'schema':{'type':'object'}}},'include':['reasoning.encrypted_content'],"
         "'prompt_cache_key':'k','stream':true}",
         "{'model':'m','stream':true,'stream_options':{'include_usage':true},'messages':[{'role':"
         "'system','content':'be\\n\\nperm'},{'role':'user','content':'env'},{'role':'assistant',"
         "'content':'look','tool_calls':[{'id':'c1','type':'function','function':{'name':"
         "'agents__spawn','arguments':'{\\'a\\':1}'}},{'id':'c2','type':'function','function':{'"
         "name':"
         "'apply_patch','arguments':'{\\'input\\':\\'*** "
         "\\\\\\'x\\\\\\'\\\\n\\'}'}}]},{'role':'tool',"
         "'content':'ok','tool_call_id':'c1'},{'role':'tool','content':'done','tool_call_id':'c2'},"
         "{'role':'user','content':'note'}],'tools':[{'type':'function','function':{'name':"
         "'agents__spawn','parameters':{'type':'object','properties':{}}}},{'type':'function',"
         "'function':{'name':'apply_patch','description':'P\\n\\n`input` is free text, not JSON. "
         "It "
         "must follow this grammar (lark):\\nstart: x','parameters':{'type':'object','properties':"
         "{'input':{'type':'string'}},'required':['input'],'additionalProperties':false}}}],"
         "'tool_choice':'auto','response_format':{'type':'json_schema',"
         "'json_schema':{'name':'n','strict':true,'schema':{'type':'object'}}},'reasoning_effort':"
         "'medium'}"},
        /* calls of the vendor's own client-side tools */
        {RSP("gpt-4o"),
         "{'input':[{'role':'system','content':'s'},{'role':'user','content':'u'},{'role':'system',"
         "'content':'t'},{'type':'local_shell_call','call_id':'s','action':{'type':'exec','command'"
         ":"
         "['ls']}},{'type':'local_shell_call_output','call_id':'s','output':'x'},{'type':'mcp_call'"
         ","
         "'id':'mc','name':'q','server_label':'z','arguments':'{}','output':'y'}],'tool_choice':"
         "{'type':'allowed_tools','mode':'required','tools':[{'type':'function','name':'b'}]},"
         "'tools':[{'type':'function','name':'a'},{'type':'function','name':'b','strict':true,"
         "'parameters':{'type':'object'}}],'reasoning':{'effort':'low'}}",
         "{'model':'gpt-4o','stream':false,'messages':[{'role':'system','content':'s'},{'role':'"
         "user',"
         "'content':'u'},{'role':'system','content':'t'},{'role':'assistant','content':null,"
         "'tool_calls':[{'id':'s','type':'function','function':{'name':'local_shell','arguments':"
         "'{\\'type\\':\\'exec\\',\\'command\\':[\\'ls\\']}'}}]},{'role':'tool','content':'x',"
         "'tool_call_id':'s'},{'role':'assistant','content':null,'tool_calls':[{'id':'mc','type':"
         "'function','function':{'name':'q','arguments':'{}'}}]},{'role':'tool','content':'y',"
         "'tool_call_id':'mc'}],'tools':[{'type':'function','function':{'name':'b','strict':true,"
         "'parameters':{'type':'object'}}}],'tool_choice':'required'}"},
    };
    static const struct row refused[] = {
        {RSP("m"), "{'input':[{'type':'item_reference','id':'x'}]}", "input[0]: an item_reference"},
        {RSP("m"), "{'input':[{'role':'user','content':'a'},{'id':'x'}]}", "input[1]: an item_ref"},
        {RSP("m"), "{'input':7}", "input: a string"},
        {RSP("m"), "{}", "input: a string"},
        {RSP("m"), "{'input':[{'role':'cook','content':''}]}", "input[0].role"},
        {RSP("m"), "{'input':[{'type':'function_call','call_id':'c'}]}", "input[0].name"},
    };

    CU_ASSERT_EQUAL(rig_rows(rows, N(rows)), 0);
    CU_ASSERT_EQUAL(rig_refusals(refused, N(refused), -EINVAL), 0);
}

static void from_ollama(void)
{
    static const struct row rows[] = {
        {OLL("m"),
         "{'model':'l','messages':[{'role':'user','content':'see','images':['iVBORw0']},{'role':"
         "'assistant','content':'','thinking':'hm','tool_calls':[{'function':{'name':'f','"
         "arguments':"
         "{'a':1}}},{'function':{'name':'g','arguments':{}}}]},{'role':'tool','tool_name':'g',"
         "'content':'G'},{'role':'tool','tool_name':'f','content':'F'}],'options':{'temperature':0."
         "1,"
         "'num_predict':9,'stop':['a'],'num_ctx':8,'seed':3},'format':'json','think':true,"
         "'keep_alive':'5m','tools':[{'type':'function','function':{'name':'f','parameters':{'type'"
         ":"
         "'object'}}}]}",
         "{'model':'m','stream':true,'stream_options':{'include_usage':true},'messages':[{'role':"
         "'user','content':[{'type':'text','text':'see'},{'type':'image_url','image_url':{'url':"
         "'data:image/"
         "png;base64,iVBORw0'}}]},{'role':'assistant','content':null,'tool_calls':[{'id':"
         "'call_1_0','type':'function','function':{'name':'f','arguments':'{\\'a\\':1}'}},{'id':"
         "'call_1_1','type':'function','function':{'name':'g','arguments':'{}'}}]},{'role':'tool',"
         "'content':'F','tool_call_id':'call_1_0'},{'role':'tool','content':'G','tool_call_id':"
         "'call_1_1'}],'tools':[{'type':'function','function':{'name':'f','parameters':{'type':"
         "'object'}}}],'response_format':{'type':'json_object'},'max_tokens':9,'temperature':0.1,"
         "'stop':['a'],'seed':3}"},
    };

    CU_ASSERT_EQUAL(rig_rows(rows, N(rows)), 0);
}

#define TO_RSP(client) __LINE__, client, AIEX_OPENAI_RESPONSES, "m"

/* Reasoning that openai sealed was handed out as anthropic's, and comes back; and the other way. */
static void brings_seals_back(void)
{
    static const struct row rows[] = {
        {__LINE__, AIEX_ANTHROPIC_MESSAGES, AIEX_OPENAI_RESPONSES, "gpt-5.1",
         "{'max_tokens':99,'messages':[{'role':'user','content':'u'},{'role':'assistant','content':"
         "[{"
         "'type':'thinking','thinking':'hm','signature':'gAAAAx'},{'type':'thinking','thinking':'"
         "no',"
         "'signature':'Er'},{'type':'text','text':'t'},{'type':'tool_use','id':'c','name':'f',"
         "'input':{}}]},{'role':'user','content':[{'type':'tool_result','tool_use_id':'c'}]}]}",
         "{'model':'gpt-5.1','stream':false,'store':false,'input':[{'type':'message','role':'user',"
         "'content':'u'},{'type':'reasoning','summary':[{'type':'summary_text','text':'hm'}],"
         "'encrypted_content':'gAAAAx'},{'type':'message','role':'assistant','content':'t'},{'type'"
         ":"
         "'function_call','call_id':'c','name':'f','arguments':'{}'},{'type':'function_call_output'"
         ","
         "'call_id':'c','output':''}],'max_output_tokens':99,'include':["
         "'reasoning.encrypted_content']}"},
        {__LINE__, AIEX_OPENAI_RESPONSES, AIEX_ANTHROPIC_MESSAGES, "m",
         "{'input':[{'role':'user','content':'u'},{'type':'reasoning','summary':[{'type':"
         "'summary_text','text':'hm'}],'encrypted_content':'Er'},{'type':'function_call','call_id':"
         "'c'"
         ",'name':'f','arguments':'{}'},{'type':'function_call_output','call_id':'c','output':'r'}]"
         ","
         "'tools':[{'type':'function','name':'f'}],'reasoning':{'effort':'low'}}",
         "{'model':'m','max_tokens':4096,'stream':false,'tools':[{'name':'f','input_schema':{'type'"
         ":"
         "'object','properties':{}}}],'messages':[{'role':'user','content':[{'type':'text','text':'"
         "u'}"
         "]},{'role':'assistant','content':[{'type':'thinking','thinking':'hm','signature':'Er'},"
         "{'type':'tool_use','id':'c','name':'f','input':{}}]},{'role':'user','content':[{'type':"
         "'tool_result','tool_use_id':'c','content':'r'}]}],'thinking':{'type':'enabled',"
         "'budget_tokens':2048}}"},
        /* begun without a seal: no thinking until the next word of the user */
        {__LINE__, AIEX_OPENAI_RESPONSES, AIEX_ANTHROPIC_MESSAGES, "m",
         "{'input':[{'type':'reasoning','summary':[],'encrypted_content':'gAAAA'},{'type':"
         "'function_call','call_id':'c','name':'f','arguments':'{}'},{'type':'function_call_output'"
         ","
         "'call_id':'c','output':'r'}],'tools':[{'type':'function','name':'f'}],'reasoning':{"
         "'effort':'low'}}",
         "{'model':'m','max_tokens':4096,'stream':false,'tools':[{'name':'f','input_schema':{'type'"
         ":"
         "'object','properties':{}}}],'messages':[{'role':'user','content':'.'},{'role':'assistant'"
         ","
         "'content':[{'type':'tool_use','id':'c','name':'f','input':{}}]},{'role':'user','content':"
         "[{"
         "'type':'tool_result','tool_use_id':'c','content':'r'}]}]}"},
    };

    CU_ASSERT_EQUAL(rig_rows(rows, N(rows)), 0);
}

static void mends_surrogates(void)
{
    static const struct row rows[] = {
        {RSP("m"), "{'input':'a\\ud800b\\ud83d\\ude00'}",
         "{'model':'m','stream':false,'messages':[{'role':'user','content':'"
         "a\\ufffdb\\ud83d\\ude00'"
         "}]}"},
    };
    char *in = rig_quotes(rows[0].in);
    struct aiex_error err;
    struct aiex_chat c;

    CU_ASSERT_EQUAL(rig_rows(rows, 1), 0);
    CU_ASSERT_EQUAL(rig_convert(&c, rows[0].client, rows[0].vendor, "m", in, strlen(in), &err), 0);
    CU_ASSERT_PTR_NULL(memmem(c.request, c.request_len, "\\ud800", 6));
    rig_done(&c);
    free(in);
}

static void to_responses(void)
{
    static const struct row rows[] = {
        {TO_RSP(AIEX_OPENAI_CHAT),
         "{'messages':[{'role':'system','content':'s'},{'role':'developer','content':'d'},{'role':"
         "'user','content':[{'type':'text','text':'t'},{'type':'image_url','image_url':{'url':"
         "'http://"
         "i','detail':'high'}},{'type':'file','file':{'file_id':'f'}}]},{'role':'assistant',"
         "'content':'a','tool_calls':[{'id':'c','type':'function','function':{'name':'f','"
         "arguments':"
         "'{}'}}]},{'role':'tool','tool_call_id':'c','content':'r'}],'tools':[{'type':'function',"
         "'function':{'name':'f','parameters':{'type':'object'},'description':'F'}},{'type':'"
         "custom',"
         "'custom':{'name':'p'}}],'tool_choice':{'type':'function','function':{'name':'f'}},"
         "'max_completion_tokens':3,'response_format':{'type':'json_object'},'reasoning_effort':"
         "'low','verbosity':'low','stop':'x','n':1,'metadata':{'a':'b'},'user':'u','top_p':0.1,"
         "'stream':true,'stream_options':{'include_usage':true}}",
         "{'model':'m','stream':true,'store':false,'instructions':'s','input':[{'type':'message',"
         "'role':'developer','content':'d'},{'type':'message','role':'user','content':[{'type':"
         "'input_text','text':'t'},{'type':'input_image','image_url':'http://i','detail':'high'},"
         "{'type':'input_file','file_id':'f'}]},{'type':'message','role':'assistant','content':'a'}"
         ","
         "{'type':'function_call','call_id':'c','name':'f','arguments':'{}'},{'type':"
         "'function_call_output','call_id':'c','output':'r'}],'tools':[{'type':'function','name':'"
         "f',"
         "'description':'F','parameters':{'type':'object'},'strict':false},{'type':'function','"
         "name':"
         "'p','description':'`input` is free text, not JSON.','parameters':{'type':'object',"
         "'properties':{'input':{'type':'string'}},'required':['input'],'additionalProperties':"
         "false}"
         ",'strict':false}],'tool_choice':{'type':'function','name':'f'},'text':{'format':{'type':"
         "'json_object'},'verbosity':'low'},'max_output_tokens':16,'top_p':0.1,'reasoning':{'"
         "effort':"
         "'low'},'metadata':{'a':'b'},'user':'u'}"},
        {TO_RSP(AIEX_ANTHROPIC_MESSAGES),
         "{'max_tokens':99,'system':'s','messages':[{'role':'user','content':[{'type':'document',"
         "'source':{'type':'url','url':'http://p'}},{'type':'document','source':{'type':'base64',"
         "'media_type':'application/pdf','data':'QQ'},'title':'x.pdf'}]},{'role':'assistant',"
         "'content':'pre'}],'output_format':{'type':'json_schema','schema':{}}}",
         "{'model':'m','stream':false,'store':false,'instructions':'s','input':[{'type':'message',"
         "'role':'user','content':[{'type':'input_file','file_url':'http://"
         "p'},{'type':'input_file',"
         "'filename':'x.pdf','file_data':'data:application/pdf;base64,QQ'}]},{'type':'message',"
         "'role':'assistant','content':'pre'}],'text':{'format':{'type':'json_schema','name':"
         "'answer','strict':false,'schema':{}}},'max_output_tokens':99}"},
    };

    CU_ASSERT_EQUAL(rig_rows(rows, N(rows)), 0);
}

const struct test_case tests[] = {
    {"from anthropic", from_anthropic},
    {"from responses", from_responses},
    {"from ollama", from_ollama},
    {"to responses", to_responses},
    {"brings seals back", brings_seals_back},
    {"mends surrogates", mends_surrogates},
    {0},
};
