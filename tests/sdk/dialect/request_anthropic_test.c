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

const struct test_case tests[] = {
    {"turns", says_turns},
    {"calls and results", says_calls},
    {0},
};
