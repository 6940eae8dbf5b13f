/* request_samples.h - one rich request per dialect: everything that readers look at, once. */
#ifndef REQUEST_SAMPLES_H
#define REQUEST_SAMPLES_H

#include "aiex_chat.h"

static const char *const request_samples[AIEX_N_DIALECTS] = {
    [AIEX_OPENAI_CHAT] =
        "{'model':'x','stream':true,'stream_options':{'include_usage':true},'messages':[{'role':"
        "'system','content':'s'},{'role':'user','content':[{'type':'text','text':'t','cache_"
        "control'"
        ":{'type':'ephemeral'}},{'type':'image_url','image_url':{'url':'data:image/"
        "png;base64,iVBOR',"
        "'detail':'low'}},{'type':'file','file':{'filename':'n','file_data':"
        "'data:text/plain;base64,QUJD'}}]},{'role':'assistant','content':null,'reasoning_content':"
        "'hm','refusal':'no','tool_calls':[{'id':'c','type':'function','function':{'name':'f',"
        "'arguments':'{\\'a\\':1}'}},{'id':'d','type':'custom','custom':{'name':'p','input':'i'}}]}"
        ","
        "{'role':'tool','tool_call_id':'c','content':[{'type':'text','text':'r'}]},{'role':"
        "'assistant','content':'','tool_calls':[{'id':'a|b','function':{'name':'o.p','arguments':'{"
        "'}}]},{'role':"
        "'assistant','function_call':{'name':'f','arguments':'{}'}},{'role':'function','name':'f',"
        "'content':'r'}],'tools':[{'type':'function','function':{'name':'f','description':'d',"
        "'parameters':{'type':'object'},'strict':true}},{'type':'custom','custom':{'name':'p',"
        "'format':{'type':'grammar','grammar':{'syntax':'lark','definition':'g'}}}}],'tool_choice':"
        "{'type':'allowed_tools','allowed_tools':{'mode':'auto','tools':[{'type':'function',"
        "'function':{'name':'f'}}]}},'parallel_tool_calls':false,'max_tokens':9,'temperature':0.5,"
        "'top_p':0.5,'stop':['a'],'seed':1,'n':1,'user':'u','response_format':{'type':'json_schema'"
        ","
        "'json_schema':{'name':'n','description':'d','schema':{'type':'object'},'strict':true}},"
        "'reasoning_effort':'low','verbosity':'low','metadata':{'a':'b'},'prompt_cache_key':'k'}",
    [AIEX_OPENAI_RESPONSES] =
        "{'model':'x','instructions':'i','input':[{'type':'message','role':'user','content':[{'"
        "type':"
        "'input_text','text':'t'},{'type':'input_image','image_url':'data:image/png;base64,iVBOR',"
        "'detail':'low'},{'type':'input_file','filename':'n','file_data':"
        "'data:text/plain;base64,QUJD'}]},{'type':'reasoning','summary':[{'type':'summary_text',"
        "'text':'hm'}],'encrypted_content':'e'},{'type':'message','role':'assistant','content':["
        "{'type':'output_text','text':'t'},{'type':'refusal','refusal':'no'}]},{'type':"
        "'function_call','call_id':'c','name':'f','namespace':'n','arguments':'{}'},{'type':"
        "'custom_tool_call','call_id':'d','name':'p','input':'i'},{'type':'local_shell_call',"
        "'call_id':'e','action':{'type':'exec','command':['ls']}},{'type':'apply_patch_call',"
        "'call_id':'g','operation':{'type':'x'}},{'type':'mcp_call','id':'m','name':'q','arguments'"
        ":"
        "'{}','output':'o'},{'type':'function_call_output','call_id':'c','output':'r'},{'type':"
        "'custom_tool_call_output','call_id':'d','output':[{'type':'input_text','text':'r'}]},"
        "{'type':'computer_call_output','call_id':'h','output':{'type':'computer_screenshot',"
        "'image_url':'data:image/png;base64,iVBOR'}},{'type':'shell_call_output','call_id':'e',"
        "'output':[{'stdout':'x'}]},{'type':'additional_tools','tools':[{'type':'function','name':"
        "'z'}]}],'tools':[{'type':'namespace','name':'n','tools':[{'type':'function','name':'f',"
        "'parameters':{}}]},{'type':'custom','name':'p','format':{'type':'grammar','syntax':'lark',"
        "'definition':'g'}},{'type':'web_search'}],'tool_choice':{'type':'function','name':'f'},"
        "'reasoning':{'effort':'high','summary':'auto'},'text':{'verbosity':'low','format':{'type':"
        "'json_schema','name':'n','schema':{'type':'object'},'strict':true}},'max_output_tokens':9,"
        "'temperature':0.5,'metadata':{},'store':false,'stream':true}",
    [AIEX_ANTHROPIC_MESSAGES] =
        "{'model':'x','max_tokens':9000,'system':[{'type':'text','text':'s','cache_control':{'type'"
        ":"
        "'ephemeral'}}],'messages':[{'role':'user','content':[{'type':'text','text':'t'},{'type':"
        "'image','source':{'type':'base64','media_type':'image/png','data':'iVBOR'}},{'type':"
        "'document','source':{'type':'text','media_type':'text/plain','data':'D'},'title':'T'},"
        "{'type':'document','source':{'type':'content','content':[{'type':'text','text':'c'}]}},"
        "{'type':'search_result','title':'t','content':[{'type':'text','text':'s'}]}]},{'role':"
        "'assistant','content':[{'type':'thinking','thinking':'hm','signature':'gAAAAs'},{'type':"
        "'redacted_thinking','data':'d'},{'type':'text','text':'t'},{'type':'tool_use','id':'c',"
        "'name':'f','input':{'a':1}},{'type':'server_tool_use','id':'s','name':'w','input':{}}]},"
        "{'role':'user','content':[{'type':'tool_result','tool_use_id':'c','is_error':true,"
        "'content':[{'type':'text','text':'r'},{'type':'image','source':{'type':'base64',"
        "'media_type':'image/png','data':'iVBOR'}}]}]}],'tools':[{'name':'f','description':'d',"
        "'input_schema':{'type':'object'}},{'type':'web_search_20250305','name':'w'}],'tool_choice'"
        ":"
        "{'type':'tool','name':'f','disable_parallel_tool_use':true},'thinking':{'type':'enabled',"
        "'budget_tokens':2000},'output_config':{'effort':'low','format':{'type':'json_schema',"
        "'schema':{'type':'object'}}},'stop_sequences':['a'],'metadata':{'user_id':'u'},'top_k':3}",
    [AIEX_OLLAMA_CHAT] =
        "{'model':'x','messages':[{'role':'system','content':'s'},{'role':'user','content':'u',"
        "'images':['iVBOR']},{'role':'assistant','content':'','thinking':'hm','tool_calls':[{'id':"
        "'c','function':{'name':'f','arguments':{'a':1}}},{'function':{'name':'g','arguments':{}}}]"
        "}"
        ",{'role':'tool','tool_name':'g','content':'r'},{'role':'tool','tool_call_id':'c','content'"
        ":"
        "'r'}],'tools':[{'type':'function','function':{'name':'f','description':'d','parameters':"
        "{'type':'object'}}}],'options':{'temperature':0.1,'num_predict':9,'stop':['a'],'seed':3},"
        "'format':{'type':'object'},'think':'high','stream':false}",
    [AIEX_OPENAI_COMPLETIONS] =
        "{'model':'x','prompt':['p'],'suffix':'s','max_tokens':9,'echo':true,"
        "'stop':'a','stream':true,'stream_options':null,'n':1}",
    [AIEX_OLLAMA_GENERATE] = "{'model':'x','prompt':'p','suffix':'s','system':'y','images':[],"
                             "'options':{'num_predict':9},'format':'json','think':true}",
    [AIEX_OPENAI_EMBEDDINGS] =
        "{'model':'x','input':['a','b'],'encoding_format':'base64','dimensions':3}",
    [AIEX_OLLAMA_EMBED] = "{'model':'x','prompt':'a','options':{'a':1},'truncate':true}",
};

#endif
