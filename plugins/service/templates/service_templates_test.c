/* service_templates through its descriptor: versions, owners, variables, what survives. */
#include "test.h"

#include <aiex/aiex_pack.h>
#include <aiex_fake_host.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct aiex_fake_host *h;
static const struct aiex_plugin *p;
static void *self;
static char dir[64];

static void open_it(const struct aiex_fake_pair *pairs)
{
    struct aiex_error err = {""};

    h = aiex_fake_host_new("service_templates");
    aiex_fake_data_dir(h, dir);
    p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    if (aiex_fake_start(h, p, pairs, &self, &err) != 0)
        CU_FAIL_FATAL(err.text);
}

static void close_it(void)
{
    aiex_fake_stop(h, p, self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

static void begin(const struct aiex_fake_pair *pairs)
{
    strcpy(dir, "/tmp/aiex_templates_XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    open_it(pairs);
}

static char *log_path(void)
{
    static char path[100];

    snprintf(path, sizeof(path), "%s/templates.log", dir);
    return path;
}

static void finish(void)
{
    close_it();
    unlink(log_path());
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

/* A body: "key", "text" pairs; "#3" is a number, "true" a bool, "{a=1;b=x}" a map of such, and
 * "[name:type:default:choices,..]" declarations. */
static void write_value(struct aiex_writer *w, const char *text);

static void write_declarations(struct aiex_writer *w, const char *text)
{
    char copy[512], *save = NULL;
    uint32_t n = 1;

    snprintf(copy, sizeof(copy), "%.*s", (int)strlen(text) - 2, text + 1);
    for (char *s = copy; *s; s++)
        n += *s == ',';
    aiex_w_array(w, copy[0] ? n : 0);
    for (char *one = strtok_r(copy, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
        char *part[4] = {one, NULL, NULL, NULL};
        uint32_t k = 1;

        for (char *s = one; *s && k < 4; s++)
            if (*s == ':') {
                *s = 0;
                part[k++] = s + 1;
            }
        aiex_w_map(w, k == 1 ? 2 : k);
        aiex_w_key_str(w, "name", part[0]);
        if (k == 1)
            aiex_w_key_bool(w, "required", 1);
        if (k > 1)
            aiex_w_key_str(w, "type", part[1]);
        if (k > 2) {
            aiex_w_str(w, "default");
            if (part[2][0])
                write_value(w, part[2]);
            else
                aiex_w_nil(w);
        }
        if (k > 3) {
            aiex_w_str(w, "choices");
            aiex_w_array(w, 2);
            aiex_w_strn(w, part[3], 1);
            aiex_w_strn(w, part[3] + 1, 1);
        }
    }
}

static void write_map(struct aiex_writer *w, const char *text)
{
    char copy[512], *save = NULL;
    uint32_t n = 0;

    snprintf(copy, sizeof(copy), "%.*s", (int)strlen(text) - 2, text + 1);
    for (char *s = copy; *s; s++)
        n += *s == '=';
    aiex_w_map(w, n);
    for (char *one = strtok_r(copy, ";", &save); one; one = strtok_r(NULL, ";", &save)) {
        char *equal = strchr(one, '=');

        aiex_w_strn(w, one, (size_t)(equal - one));
        write_value(w, equal + 1);
    }
}

static void write_value(struct aiex_writer *w, const char *text)
{
    if (text[0] == '#')
        aiex_w_int(w, atoll(text + 1));
    else if (strcmp(text, "true") == 0)
        aiex_w_bool(w, 1);
    else if (text[0] == '{' && text[1] != '{')
        write_map(w, text);
    else if (text[0] == '[')
        write_declarations(w, text);
    else
        aiex_w_str(w, text);
}

static uint64_t ask(const char *method, const char *const *pairs)
{
    static uint8_t mem[400 << 10];
    struct aiex_writer w;
    uint32_t n = 0;

    while (pairs[n])
        n++;
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, n / 2);
    for (uint32_t i = 0; i < n; i += 2) {
        aiex_w_str(&w, pairs[i]);
        write_value(&w, pairs[i + 1]);
    }
    return aiex_fake_request(h, p, self, method, aiex_written(&w), 0);
}

#define ASK(method, ...) ask(method, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static struct aiex_slice body(uint64_t id)
{
    return aiex_fake_answer(h, id)->body;
}

static const char *code(uint64_t id)
{
    return aiex_fake_answer(h, id)->code;
}

static const char *why(uint64_t id)
{
    return aiex_fake_answer(h, id)->text;
}

static int64_t number(uint64_t id, const char *key)
{
    int64_t v = -1;

    aiex_get_int(body(id), key, &v);
    return v;
}

static const char *text(uint64_t id, const char *key)
{
    static char out[4][4096];
    static unsigned turn;
    char *mem = out[turn++ % 4];

    strcpy(mem, "?");
    aiex_get_text(body(id), key, mem, 4096);
    return mem;
}

static const char *rendered(uint64_t id)
{
    return code(id)[0] ? why(id) : text(id, "text");
}

static void test_versions(void)
{
    uint64_t id;

    begin(NULL);
    CU_ASSERT_EQUAL(number(ASK("templates.put", "name", "hi", "text", "one {{x}}"), "version"), 1);
    CU_ASSERT_EQUAL(number(ASK("templates.put", "name", "hi", "text", "two {{x}}"), "version"), 2);
    id = ASK("templates.render", "name", "hi", "values", "{x=A}");
    CU_ASSERT_STRING_EQUAL(rendered(id), "two A");
    CU_ASSERT_EQUAL(number(id, "version"), 2);
    id = ASK("templates.render", "name", "hi", "version", "#1", "values", "{x=A}");
    CU_ASSERT_STRING_EQUAL(rendered(id), "one A");
    id = ASK("templates.show", "name", "hi", "version", "#1");
    CU_ASSERT_STRING_EQUAL(text(id, "text"), "one {{x}}");
    CU_ASSERT_EQUAL(number(id, "version"), 1);
    id = ASK("templates.render", "name", "hi", "version", "#3", "values", "{x=A}");
    CU_ASSERT_STRING_EQUAL(code(id), "not_found");
    CU_ASSERT_STRING_EQUAL(why(id), "the template 'hi' has no version 3");
    CU_ASSERT_STRING_EQUAL(code(ASK("templates.show", "name", "none")), "not_found");
    /* removed: gone, and its numbers are not used again */
    CU_ASSERT_STRING_EQUAL(code(ASK("templates.remove", "name", "hi")), "");
    CU_ASSERT_STRING_EQUAL(code(ASK("templates.remove", "name", "hi")), "not_found");
    CU_ASSERT_STRING_EQUAL(code(ASK("templates.show", "name", "hi", "version", "#1")), "not_found");
    CU_ASSERT_EQUAL(number(ASK("templates.put", "name", "hi", "text", "new"), "version"), 3);
    finish();
}

static void test_owners(void)
{
    uint64_t id;

    begin(NULL);
    ASK("templates.put", "name", "t", "text", "system");
    CU_ASSERT_EQUAL(
        number(ASK("templates.put", "name", "t", "text", "ada's", "user", "ada"), "version"), 1);
    CU_ASSERT_STRING_EQUAL(rendered(ASK("templates.render", "name", "t")), "system");
    CU_ASSERT_STRING_EQUAL(rendered(ASK("templates.render", "name", "t", "user", "ada")), "ada's");
    CU_ASSERT_STRING_EQUAL(rendered(ASK("templates.render", "name", "t", "user", "bob")), "system");
    CU_ASSERT_STRING_EQUAL(
        rendered(ASK("templates.render", "name", "t", "user", "ada", "scope", "system")), "system");
    ASK("templates.put", "name", "u", "text", "x", "user", "ada", "scope", "user");
    CU_ASSERT_STRING_EQUAL(code(ASK("templates.show", "name", "u")), "not_found");
    CU_ASSERT_STRING_EQUAL(code(ASK("templates.show", "name", "u", "user", "ada")), "");
    ASK("templates.put", "name", "v", "text", "x", "user", "ada", "scope", "system");
    CU_ASSERT_STRING_EQUAL(code(ASK("templates.show", "name", "v")), "");
    /* lists: the system's and one's own */
    id = ASK("templates.list", "user", "bob");
    CU_ASSERT_EQUAL(body(ASK("templates.list", "user", "ada")).len >
                        body(ASK("templates.list", "user", "bob")).len,
                    1);
    CU_ASSERT_EQUAL(body(id).len, body(ASK("templates.list")).len);
    CU_ASSERT_EQUAL(body(ASK("templates.list", "all", "true")).len,
                    body(ASK("templates.list", "user", "ada")).len);
    CU_ASSERT_STRING_EQUAL(code(ASK("templates.remove", "name", "t", "user", "ada")), "");
    CU_ASSERT_STRING_EQUAL(rendered(ASK("templates.render", "name", "t", "user", "ada")), "system");
    finish();
}

static void test_built_in(void)
{
    static const char *const all[] = {"explain", "review", "gen-tests", "refactor"};
    const char *out;
    uint64_t id;

    begin(NULL);
    for (int i = 0; i < 4; i++) {
        id = ASK("templates.render", "name", all[i], "values", "{code=int x!;language=c}");
        CU_ASSERT_STRING_EQUAL(code(id), "");
        out = text(id, "text");
        CU_ASSERT_PTR_NOT_NULL(strstr(out, "```c\nint x!\n```\n"));
        CU_ASSERT_PTR_NULL(strstr(out, "{{"));
        CU_ASSERT_PTR_NULL(strstr(out, "\n\n\n"));
        CU_ASSERT_PTR_NOT_NULL(strstr(out, " c code"));
    }
    id = ASK("templates.render", "name", "commit-message", "values", "{diff=+x;intent=fast}");
    CU_ASSERT_PTR_NOT_NULL(strstr(text(id, "text"), "wanted: fast\nStyle: plain"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(id, "text"), "at most 50 characters"));
    CU_ASSERT_STRING_EQUAL(code(ASK("templates.remove", "name", "review")), "denied");
    /* one's own goes before it, and version 1 stays what it was */
    CU_ASSERT_EQUAL(number(ASK("templates.put", "name", "review", "text", "mine"), "version"), 2);
    CU_ASSERT_STRING_EQUAL(rendered(ASK("templates.render", "name", "review")), "mine");
    CU_ASSERT_EQUAL(number(ASK("templates.show", "name", "review", "version", "#1"), "version"), 1);
    CU_ASSERT_STRING_EQUAL(code(ASK("templates.remove", "name", "review")), "");
    CU_ASSERT_EQUAL(number(ASK("templates.show", "name", "review"), "version"), 1);
    finish();
}

static void test_variables(void)
{
    static const struct {
        const char *declared, *values, *text, *out;
    } t[] = {
        {"[s:string:d]", "{}", "{{s}}", "d"},
        {"[s:string:d]", "{s=x}", "{{s}}", "x"},
        {"[s:string]", "{}", "({{s}})", "()"},
        {"[s]", "{}", "{{s}}", "the variable 's' is missing (used at line 1, column 1)"},
        {"[s:string]", "{s=#3}", "{{s}}", "variable 's' takes a text (used at line 1, column 1)"},
        {"[n:int:#7]", "{}", "{{n}}", "7"},
        {"[n:int]", "{n=#-12}", "{{n}}{{#if n}}!{{/if}}", "-12!"},
        {"[n:int]", "{n=#0}", "{{n}}{{#if n}}!{{/if}}", "0"},
        {"[n:int]", "{n=42}", "{{n}}", "42"},
        {"[n:int]", "{n=4x}", "a\n{{n}}",
         "variable 'n' takes a whole number (used at line 2, column 1)"},
        {"[n:int]", "{n=true}", "{{n}}",
         "variable 'n' takes a whole number (used at line 1, column 1)"},
        {"[f:bool]", "{f=true}", "{{f}}{{#if f}}!{{/if}}", "true!"},
        {"[f:bool]", "{f=false}", "{{f}}{{#if f}}!{{/if}}", "false"},
        {"[f:bool]", "{f=maybe}", "{{f}}",
         "variable 'f' takes true or false (used at line 1, column 1)"},
        {"[c:choice:x:xy]", "{}", "{{c}}", "x"},
        {"[c:choice:x:xy]", "{c=y}", "{{c}}", "y"},
        {"[c:choice:x:xy]", "{c=z}", "{{c}}",
         "variable 'c' takes one of: x, y (used at line 1, column 1)"},
        {"[s:string]", "{s=x;other=y}", "{{s}}", "the template has no variable 'other'"},
        {"[s:string]", "{s={{s}}}", "{{s}}", "{{s}}"},
    };

    begin(NULL);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        uint64_t id = ASK("templates.put", "name", "t", "text", t[i].text, "variables",
                          t[i].declared);

        CU_ASSERT_STRING_EQUAL(code(id), "");
        id = ASK("templates.render", "name", "t", "values", t[i].values);
        CU_ASSERT_STRING_EQUAL(rendered(id), t[i].out);
        if (code(id)[0]) {
            CU_ASSERT_STRING_EQUAL(code(id), "invalid");
            CU_ASSERT_NOT_EQUAL(number(id, "line"), -1);
        }
    }
    finish();
}

static void test_wrong_puts(void)
{
    static const struct {
        const char *pairs[9], *says;
    } t[] = {
        {{"text", "x"}, "'name' must be"},
        {{"name", "a b", "text", "x"}, "'name' must be"},
        {{"name", "", "text", "x"}, "'name' must be"},
        {{"name", "a/../b", "text", "x"}, "'name' must be"},
        {{"name", "a"}, "'text' must be"},
        {{"name", "a", "text", ""}, "'text' must be"},
        {{"name", "a", "text", "x", "scope", "team"}, "'scope' must be"},
        {{"name", "a", "text", "x", "scope", "user"}, "needs 'user'"},
        {{"name", "a", "text", "x", "user", "#1"}, "'user' must be"},
        {{"name", "a", "text", "x", "version", "#-1"}, "'version' must be"},
        {{"name", "a", "text", "line\n {{x"}, "line 2, column 2: {{ without }}"},
        {{"name", "a", "text", "{{x}}", "variables", "[]"},
         "line 1, column 1: the variable 'x' is"},
        {{"name", "a", "text", "x", "variables", "#1"}, "must be an array"},
        {{"name", "a", "text", "x", "variables", "[1x:string]"}, "needs a 'name'"},
        {{"name", "a", "text", "x", "variables", "[x:text]"},
         "there are string, int, bool, choice"},
        {{"name", "a", "text", "x", "variables", "[x,x]"}, "declared twice"},
        {{"name", "a", "text", "x", "variables", "[x:choice]"}, "needs 'choices'"},
        {{"name", "a", "text", "x", "variables", "[x:choice:c:ab]"}, "takes one of: a, b"},
        {{"name", "a", "text", "x", "variables", "[x:int:many]"}, "takes a whole number"},
    };

    begin(NULL);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        uint64_t id = ask("templates.put", t[i].pairs);

        CU_ASSERT_STRING_EQUAL(code(id), "invalid");
        if (!strstr(why(id), t[i].says))
            CU_FAIL(why(id));
    }
    CU_ASSERT_STRING_EQUAL(code(ASK("templates.show", "name", "a")), "not_found");
    CU_ASSERT_STRING_EQUAL(code(ASK("templates.list", "user", "#1")), "invalid");
    CU_ASSERT_STRING_EQUAL(code(ASK("templates.other")), "not_found");
    finish();
}

static void test_bounds(void)
{
    static const struct aiex_fake_pair pairs[] = {{"max_bytes", "4k"}, {"max_versions", "3"}, {0}};
    static char large[(256 << 10) + 2];
    uint64_t id;

    begin(pairs);
    memset(large, 'x', sizeof(large) - 1);
    CU_ASSERT_STRING_EQUAL(code(ASK("templates.put", "name", "a", "text", large)), "invalid");
    large[3000] = 0;
    CU_ASSERT_STRING_EQUAL(code(ASK("templates.put", "name", "a", "text", large)), "");
    id = ASK("templates.put", "name", "a", "text", large);
    CU_ASSERT_STRING_EQUAL(code(id), "busy");
    CU_ASSERT_PTR_NOT_NULL(strstr(why(id), "max_bytes"));
    ASK("templates.remove", "name", "a");
    for (int i = 0; i < 3; i++)
        CU_ASSERT_STRING_EQUAL(code(ASK("templates.put", "name", "b", "text", "x")), "");
    id = ASK("templates.put", "name", "b", "text", "x");
    CU_ASSERT_STRING_EQUAL(code(id), "busy");
    CU_ASSERT_PTR_NOT_NULL(strstr(why(id), "max_versions"));
    finish();
}

static void test_restart(void)
{
    begin(NULL);
    ASK("templates.put", "name", "a", "text", "1 {{n}}", "variables", "[n:int:#5]");
    ASK("templates.put", "name", "a", "text", "2");
    ASK("templates.put", "name", "gone", "text", "x");
    ASK("templates.remove", "name", "gone");
    ASK("templates.put", "name", "a", "text", "ada", "user", "ada");
    close_it();
    open_it(NULL);
    CU_ASSERT_STRING_EQUAL(rendered(ASK("templates.render", "name", "a")), "2");
    CU_ASSERT_STRING_EQUAL(rendered(ASK("templates.render", "name", "a", "version", "#1")), "1 5");
    CU_ASSERT_STRING_EQUAL(rendered(ASK("templates.render", "name", "a", "user", "ada")), "ada");
    CU_ASSERT_STRING_EQUAL(code(ASK("templates.show", "name", "gone")), "not_found");
    CU_ASSERT_EQUAL(number(ASK("templates.put", "name", "gone", "text", "x"), "version"), 2);
    finish();
}

static void test_torn_and_damaged(void)
{
    struct stat st;
    FILE *f;

    begin(NULL);
    ASK("templates.put", "name", "a", "text", "first");
    ASK("templates.put", "name", "b", "text", "second");
    ASK("templates.put", "name", "c", "text", "third");
    close_it();
    CU_ASSERT_EQUAL(stat(log_path(), &st), 0);
    CU_ASSERT_EQUAL(truncate(log_path(), st.st_size - 1), 0);
    f = fopen(log_path(), "r+b");
    fseek(f, 24 + 30, SEEK_SET);
    fputc('!', f);
    fclose(f);
    open_it(NULL);
    CU_ASSERT_STRING_EQUAL(code(ASK("templates.show", "name", "a")), "not_found");
    CU_ASSERT_STRING_EQUAL(rendered(ASK("templates.render", "name", "b")), "second");
    CU_ASSERT_STRING_EQUAL(code(ASK("templates.show", "name", "c")), "not_found");
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "never finished", 0));
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "is damaged", 0));
    CU_ASSERT_PTR_NOT_NULL(strstr(text(ASK("service.health"), "reason"), "damaged"));
    CU_ASSERT_STRING_EQUAL(code(ASK("templates.put", "name", "c", "text", "again")), "");
    finish();
}

/* While the plugin is replaced both processes see what either wrote. */
static void test_successor_beside_predecessor(void)
{
    struct aiex_fake_host *old_h;
    void *old_self;

    begin(NULL);
    old_h = h;
    old_self = self;
    open_it(NULL);
    ASK("templates.put", "name", "new", "text", "by the new one");
    {
        struct aiex_fake_host *new_h = h;
        void *new_self = self;

        h = old_h;
        self = old_self;
        CU_ASSERT_STRING_EQUAL(rendered(ASK("templates.render", "name", "new")), "by the new one");
        CU_ASSERT_EQUAL(
            number(ASK("templates.put", "name", "new", "text", "by the old"), "version"), 2);
        close_it();
        h = new_h;
        self = new_self;
    }
    CU_ASSERT_STRING_EQUAL(rendered(ASK("templates.render", "name", "new")), "by the old");
    finish();
}

static void test_start_says_why(void)
{
    struct aiex_error err = {""};

    p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    h = aiex_fake_host_new("service_templates");
    CU_ASSERT_EQUAL(aiex_fake_start(h, p, NULL, &self, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "no data folder"));
    aiex_fake_host_free(h);
    h = aiex_fake_host_new("service_templates");
    aiex_fake_data_dir(h, "/tmp/aiex_no_such_folder/x");
    CU_ASSERT_EQUAL(aiex_fake_start(h, p, NULL, &self, &err), -ENOENT);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    h = aiex_fake_host_new("service_templates");
    aiex_fake_data_dir(h, "/tmp");
    aiex_fake_fail_alloc(h, 1);
    CU_ASSERT_EQUAL(aiex_fake_start(h, p, NULL, &self, &err), -ENOMEM);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

const struct test_case tests[] = {
    {"versions", test_versions},
    {"owners", test_owners},
    {"built in", test_built_in},
    {"variables", test_variables},
    {"wrong puts", test_wrong_puts},
    {"bounds", test_bounds},
    {"restart", test_restart},
    {"torn and damaged", test_torn_and_damaged},
    {"successor beside predecessor", test_successor_beside_predecessor},
    {"start says why", test_start_says_why},
    {0},
};
