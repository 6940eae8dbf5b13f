/* request_anthropic_test.c - requests to a vendor of anthropic.messages. */
#include "test.h"

#include "request_rig.h"

#include <errno.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define CHAT __LINE__, AIEX_OPENAI_CHAT, AIEX_ANTHROPIC_MESSAGES, "m"
#define RSPS __LINE__, AIEX_OPENAI_RESPONSES, AIEX_ANTHROPIC_MESSAGES, "m"

static void says_turns(void)
{
    static const struct row rows[] = {
        {CHAT, "{'model':'x','messages':[{'role':'user','content':'hi'}]}",
         "{'model':'m','max_tokens':4096,'stream':false,'messages':[{'role':'user','content':["
         "{'type':'text','text':'hi'}]}]}"},
        /* system and developer anywhere; the same role twice; empty contents */
        {CHAT,
         "{'messages':[{'role':'system','content':'a'},{'role':'user','content':'1'},"
         "{'role':'developer','content':[{'type':'text','text':'b'}]},{'role':'user','content':''},"
         "{'role':'user','content':[{'type':'text','text':'2\\n'}]},"
         "{'role':'assistant','content':'A \\n'}],'max_tokens':7,'stream':true}",
         "{'model':'m','max_tokens':7,'stream':true,'system':[{'type':'text','text':'a'},"
         "{'type':'text','text':'b'}],'messages':[{'role':'user','content':["
         "{'type':'text','text':'1'},{'type':'text','text':'2\\n'}]},"
         "{'role':'assistant','content':[{'type':'text','text':'A'}]}]}"},
        /* only a system message; an assistant first */
        {CHAT, "{'messages':[{'role':'system','content':'a'}]}",
         "{'model':'m','max_tokens':4096,'stream':false,'messages':[{'role':'user','content':["
         "{'type':'text','text':'a'}]}]}"},
        {CHAT, "{'messages':[{'role':'assistant','content':'a'},{'role':'user','content':'b'}]}",
         "{'model':'m','max_tokens':4096,'stream':false,'messages':[{'role':'user','content':'.'},"
         "{'role':'assistant','content':[{'type':'text','text':'a'}]},"
         "{'role':'user','content':[{'type':'text','text':'b'}]}]}"},
    };

    CU_ASSERT_EQUAL(rig_rows(rows, N(rows)), 0);
}

static void says_calls(void)
{
    static const struct row rows[] = {
        /* two calls with text; results in the other order, a user's word between them */
        {CHAT,
         "{'messages':[{'role':'user','content':'go'},{'role':'assistant','content':'ok',"
         "'tool_calls':[{'id':'c1','type':'function','function':{'name':'f','arguments':"
         "'{\\\"a\\\": \\\"x\\\\ny\\u00e9\\\"}'}},{'id':'c2','type':'function','function':"
         "{'name':'g','arguments':''}}]},{'role':'tool','tool_call_id':'c2','content':'R2'},"
         "{'role':'user','content':'wait'},{'role':'tool','tool_call_id':'c1','content':["
         "{'type':'text','text':'R'},{'type':'text','text':'1'}]}],"
         "'tools':[{'type':'function','function':{'name':'f','description':'F','parameters':"
         "{'type':'object','properties':{'a':{'type':'string'}}}}},"
         "{'type':'function','function':{'name':'g'}}],'tool_choice':'required',"
         "'parallel_tool_calls':false}",
         "{'model':'m','max_tokens':4096,'stream':false,'tools':[{'name':'f','description':'F',"
         "'input_schema':{'type':'object','properties':{'a':{'type':'string'}}}},{'name':'g',"
         "'input_schema':{'type':'object','properties':{}}}],'tool_choice':{'type':'any',"
         "'disable_parallel_tool_use':true},'messages':[{'role':'user','content':[{'type':'text',"
         "'text':'go'}]},{'role':'assistant','content':[{'type':'text','text':'ok'},{'type':"
         "'tool_use','id':'c1','name':'f','input':{'a':'x\\ny\\u00e9'}},{'type':'tool_use',"
         "'id':'c2','name':'g','input':{}}]},{'role':'user','content':[{'type':'tool_result',"
         "'tool_use_id':'c1','content':'R\\n\\n1'},{'type':'tool_result','tool_use_id':'c2',"
         "'content':'R2'},{'type':'text','text':'wait'}]}]}"},
        /* arguments that are no object; a call without a result; a result without a call; no tools
         */
        {CHAT,
         "{'messages':[{'role':'tool','tool_call_id':'old','content':'R'},{'role':'assistant',"
         "'content':null,'tool_calls':[{'id':'a.b','function':{'name':'f','arguments':'{\\\"a'}}]},"
         "{'role':'user','content':'?'}]}",
         "{'model':'m','max_tokens':4096,'stream':false,'tools':[{'name':'f','input_schema':"
         "{'type':'object','properties':{}}}],'tool_choice':{'type':'none'},'messages':["
         "{'role':'user','content':[{'type':'text','text':'Result of an earlier tool call:'},"
         "{'type':'text','text':'R'}]},{'role':'assistant','content':[{'type':'tool_use',"
         "'id':'a_b_13db50ca','name':'f','input':{'raw_arguments':'{\\\"a'}}]},{'role':'user',"
         "'content':[{'type':'tool_result','tool_use_id':'a_b_13db50ca','content':"
         "'The call was interrupted: there is no result.','is_error':true},{'type':'text',"
         "'text':'?'}]}]}"},
        /* the time before tools */
        {CHAT,
         "{'messages':[{'role':'assistant','content':null,'function_call':{'name':'f','arguments':"
         "'{}'}},{'role':'function','name':'f','content':'R'}],'functions':[{'name':'f',"
         "'parameters':{'properties':{}}}],'function_call':{'name':'f'}}",
         "{'model':'m','max_tokens':4096,'stream':false,'tools':[{'name':'f','input_schema':"
         "{'type':'object','properties':{}}}],'tool_choice':{'type':'tool','name':'f'},"
         "'messages':[{'role':'user','content':'.'},{'role':'assistant','content':[{'type':"
         "'tool_use','id':'call_1_0','name':'f','input':{}}]},{'role':'user','content':[{'type':"
         "'tool_result','tool_use_id':'call_1_0','content':'R'}]}]}"},
    };

    CU_ASSERT_EQUAL(rig_rows(rows, N(rows)), 0);
}

static void says_media(void)
{
    static const struct row rows[] = {
        {CHAT,
         "{'messages':[{'role':'user','content':[{'type':'text','text':'see','cache_control':"
         "{'type':'ephemeral'}},{'type':'image_url','image_url':{'url':'data:image/"
         "jpg;base64,AA=='}},"
         "{'type':'image_url','image_url':{'url':'https://x/y.png','detail':'low'}},"
         "{'type':'file','file':{'filename':'a.pdf','file_data':'data:application/pdf;base64,BB'}},"
         "{'type':'file','file':{'filename':'a.txt','file_data':"
         "'data:text/plain;base64,aMOpIgo='}}]}]}",
         "{'model':'m','max_tokens':4096,'stream':false,'messages':[{'role':'user','content':["
         "{'type':'text','text':'see','cache_control':{'type':'ephemeral'}},{'type':'image','"
         "source':"
         "{'type':'base64','media_type':'image/jpeg','data':'AA=='}},{'type':'image','source':"
         "{'type':'url','url':'https://x/y.png'}},{'type':'document','source':{'type':'base64',"
         "'media_type':'application/pdf','data':'BB'},'title':'a.pdf'},{'type':'text','text':"
         "'a.txt'},{'type':'text','text':'h\u00e9\\'\\n'}]}]}"},
        /* an image in a result */
        {RSPS,
         "{'input':[{'type':'function_call','call_id':'c','name':'f','arguments':'{}'},"
         "{'type':'function_call_output','call_id':'c','output':[{'type':'input_text','text':'t'},"
         "{'type':'input_image','image_url':'data:image/png;base64,AA'}]}],'tools':[{'type':"
         "'function','name':'f','parameters':{'type':'object'}}]}",
         "{'model':'m','max_tokens':4096,'stream':false,'tools':[{'name':'f','input_schema':{'type'"
         ":"
         "'object'}}],'messages':[{'role':'user','content':'.'},{'role':'assistant','content':["
         "{'type':'tool_use','id':'c','name':'f','input':{}}]},{'role':'user','content':[{'type':"
         "'tool_result','tool_use_id':'c','content':[{'type':'text','text':'t'},{'type':'image',"
         "'source':{'type':'base64','media_type':'image/png','data':'AA'}}]}]}]}"},
    };
    static const struct row refused[] = {
        {CHAT,
         "{'messages':[{'role':'user','content':[{'type':'input_audio','input_audio':{'data':'A'}}]"
         "}]}",
         "audio"},
        {CHAT, "{'messages':[{'role':'user','content':[{'type':'file','file':{'file_id':'f'}}]}]}",
         "file_id"},
        {CHAT,
         "{'messages':[{'role':'user','content':[{'type':'file','file':{'file_data':"
         "'data:application/zip;base64,AA'}}]}]}",
         "application/zip"},
        {CHAT, "{'n':2,'messages':[]}", "n:"},
        {CHAT, "{'modalities':['text','audio'],'messages':[]}", "modalities:"},
    };

    CU_ASSERT_EQUAL(rig_rows(rows, N(rows)), 0);
    CU_ASSERT_EQUAL(rig_refusals(refused, N(refused), -ENOTSUP), 0);
}

#define HI        "'messages':[{'role':'user','content':'hi'}]"
#define SAID      "'messages':[{'role':'user','content':[{'type':'text','text':'hi'}]}]"
#define TO(model) __LINE__, AIEX_OPENAI_CHAT, AIEX_ANTHROPIC_MESSAGES, model

static void says_settings(void)
{
    static const struct row rows[] = {
        {CHAT,
         "{" HI ",'temperature':1.5,'top_p':0.5,'stop':'E','max_tokens':10,'user':'u','seed':1,"
         "'presence_penalty':1,'logprobs':true,'service_tier':'auto','store':true,'unknown':{}}",
         "{'model':'m','max_tokens':10,'stream':false," SAID
         ",'temperature':1,'stop_sequences':['E'],'metadata':{'user_id':'u'}}"},
        {CHAT, "{" HI ",'top_p':0.5,'stop':['\\n','a'],'max_completion_tokens':11}",
         "{'model':'m','max_tokens':11,'stream':false," SAID
         ",'top_p':0.5,'stop_sequences':['a']}"},
        /* thinking: a budget below the limit, none when there is no room, adaptive, refused */
        {CHAT, "{" HI ",'reasoning_effort':'high','temperature':0}",
         "{'model':'m','max_tokens':20480,'stream':false," SAID
         ",'thinking':{'type':'enabled','budget_tokens':16384}}"},
        {CHAT, "{" HI ",'reasoning_effort':'high','max_tokens':4000}",
         "{'model':'m','max_tokens':4000,'stream':false," SAID
         ",'thinking':{'type':'enabled','budget_tokens':2000}}"},
        {CHAT, "{" HI ",'reasoning_effort':'high','max_tokens':1500,'temperature':0.1}",
         "{'model':'m','max_tokens':1500,'stream':false," SAID ",'temperature':0.1}"},
        {CHAT, "{" HI ",'reasoning_effort':'none'}",
         "{'model':'m','max_tokens':4096,'stream':false," SAID "}"},
        {TO("claude-opus-4-7"), "{" HI ",'reasoning_effort':'xhigh','temperature':0.3}",
         "{'model':'claude-opus-4-7','max_tokens':4096,'stream':false," SAID
         ",'thinking':{'type':'adaptive'},'output_config':{'effort':'high'}}"},
        {TO("claude-3-5-haiku-latest"), "{" HI ",'reasoning_effort':'low','temperature':0.3}",
         "{'model':'claude-3-5-haiku-latest','max_tokens':4096,'stream':false," SAID
         ",'temperature':0.3}"},
        /* a prefilled answer excludes thinking */
        {CHAT,
         "{'messages':[{'role':'user','content':'a'},{'role':'assistant','content':'b'}],"
         "'reasoning_effort':'high'}",
         "{'model':'m','max_tokens':4096,'stream':false,'messages':[{'role':'user','content':[{"
         "'type':'text','text':'a'}]},{'role':'assistant','content':[{'type':'text','text':'b'}]}]"
         "}"},
        /* structured output: of the vendor, as a tool, in words */
        {TO("claude-sonnet-4-5"),
         "{" HI ",'response_format':{'type':'json_schema','json_schema':{'name':'n','schema':"
         "{'type':'object','additionalProperties':false}}}}",
         "{'model':'claude-sonnet-4-5','max_tokens':4096,'stream':false," SAID
         ",'output_config':{'format':{'type':'json_schema','schema':{'type':'object',"
         "'additionalProperties':false}}}}"},
        {CHAT,
         "{" HI ",'response_format':{'type':'json_schema','json_schema':{'name':'n','schema':"
         "{'type':'object'}}},'reasoning_effort':'high'}",
         "{'model':'m','max_tokens':4096,'stream':false," SAID
         ",'tools':[{'name':'json_answer','description':'Gives the answer.','input_schema':"
         "{'type':'object'}}],'tool_choice':{'type':'tool','name':'json_answer'}}"},
        {CHAT, "{" HI ",'response_format':{'type':'json_object'}}",
         "{'model':'m','max_tokens':4096,'stream':false," SAID
         ",'system':[{'type':'text','text':'Answer with one JSON object and nothing else: no "
         "words around it, no fence.'}]}"},
        /* built-in tools go, and a choice of them */
        {RSPS,
         "{'input':'hi','tools':[{'type':'web_search'},{'type':'local_shell'}],'tool_choice':"
         "{'type':'web_search'},'parallel_tool_calls':false}",
         "{'model':'m','max_tokens':4096,'stream':false," SAID "}"},
    };

    CU_ASSERT_EQUAL(rig_rows(rows, N(rows)), 0);
}

const struct test_case tests[] = {
    {"turns", says_turns},
    {"calls and results", says_calls},
    {"media", says_media},
    {"settings", says_settings},
    {0},
};
