/*
 * services_test.c - the verbs for usage, routes, templates, keys and limits, against a scripted
 * host: what they send (as JSON), what they print for people and with --json.
 */
#include "test.h"

#include "json_in.h"
#include "json_out.h"
#include "money.h"
#include "scripted_host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUN(as, ret, ...) run_aiex(as, (const char *const[]){__VA_ARGS__, NULL}, ret)

static struct ran ran;

static int has(const char *text, const char *part)
{
    if (strstr(text, part))
        return 1;
    printf("\n'%s' is not in:\n%s\n", part, text);
    return 0;
}

/* One call, its parts and its end, as JSON. */
struct script {
    const char *service, *method, *sent;
    const char *parts[3];
    const char *answer;
};

static struct aiex_slice map_of(const char *json)
{
    struct aiex_slice map = {NULL, 0};
    struct aiex_error err;

    if (json_in(json, strlen(json), &map, &err) != 0) {
        fprintf(stderr, "%s: %s\n", json, err.text);
        abort();
    }
    return map;
}

static void play(struct peer *p)
{
    const struct script *s = p->arg;
    struct aiex_slice body = peer_expect_call(p, s->service, s->method), map;
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    json_out(f, body, JSON_LINE);
    fclose(f);
    if (strcmp(text, s->sent) != 0) {
        printf("\nsent %s\nwant %s\n", text, s->sent);
        p->failed = 1;
    }
    free(text);
    for (int i = 0; i < 3 && s->parts[i]; i++) {
        map = map_of(s->parts[i]);
        peer_part(p, peer_id(p), map.data, map.len);
        free((void *)(uintptr_t)map.data);
    }
    map = map_of(s->answer);
    peer_end(p, peer_id(p), map);
    free((void *)(uintptr_t)map.data);
}

static void run_with(const struct script *s, const char *input, const char *const *args)
{
    struct scripted_host *h = scripted_host_new(play, (void *)(uintptr_t)s);
    const struct run_as as = {.socket = scripted_host_path(h), .input = input};

    run_aiex(&as, args, &ran);
    CU_ASSERT_EQUAL(ran.code, 0);
    CU_ASSERT(scripted_host_free(h));
}

#define WITH(script, input, ...) run_with(script, input, (const char *const[]){__VA_ARGS__, NULL})

static void money_and_days(void)
{
    static const struct {
        int64_t micros;
        const char *text;
    } shown[] = {
        {0, "$0.00"},           {1, "$0.000001"},         {1200, "$0.0012"},
        {10000, "$0.01"},       {12345678, "$12.345678"}, {12500000, "$12.50"},
        {123456789, "$123.45"}, {-2500000, "-$2.50"},     {INT64_MIN, "-$9223372036854.77"}};
    static const struct {
        const char *text;
        int64_t micros;
    } read[] = {
        {"12", 12000000}, {"$0.5", 500000}, {".25", 250000}, {"0.000001", 1}, {"7.", 7000000}};
    static const char *const wrong[] = {"",   "$",   "x",   "1.0000001",
                                        "-1", "1e3", "1,5", "10000000000000"};
    static const char *const no_days[] = {"",           "2026-02-29",  "2026-1-01", "26-01-01",
                                          "2026-01-32", "2026-01-01x", "today"};
    static const struct {
        const char *text;
        int64_t ms;
    } moments[] = {{"2026-11-21T12:00", 1795262400000},
                   {"2026-11-21 12:00:05.25Z", 1795262405250},
                   {"2026-11-21T00:00:59Z", 1795219259000},
                   {"1795262400250", 1795262400250},
                   {"0", 0}};
    static const char *const no_moments[] = {"",
                                             "noon",
                                             "-5",
                                             "2026-11-21",
                                             "2026-11-21T",
                                             "2026-11-21T24:00",
                                             "2026-11-21T12:60",
                                             "2026-11-21T12:00:60",
                                             "2026-11-21T12:00:00.",
                                             "2026-02-30T12:00",
                                             "2026-11-21T12:00+1",
                                             "2026-11-21T 1:00",
                                             "9999999999999999"};
    char text[MONEY_TEXT];
    struct aiex_error err;
    int64_t v;

    for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++)
        CU_ASSERT_STRING_EQUAL(money_text(shown[i].micros, text), shown[i].text);
    for (size_t i = 0; i < sizeof(read) / sizeof(*read); i++) {
        CU_ASSERT_EQUAL(money_read(read[i].text, &v, &err), 0);
        CU_ASSERT_EQUAL(v, read[i].micros);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        CU_ASSERT_EQUAL(money_read(wrong[i], &v, &err), -EINVAL);
    for (size_t i = 0; i < sizeof(moments) / sizeof(*moments); i++) {
        CU_ASSERT_EQUAL(moment_read(moments[i].text, &v, &err), 0);
        CU_ASSERT_EQUAL(v, moments[i].ms);
    }
    for (size_t i = 0; i < sizeof(no_moments) / sizeof(*no_moments); i++)
        CU_ASSERT_EQUAL(moment_read(no_moments[i], &v, &err), -EINVAL);
    CU_ASSERT_EQUAL(day_read("2026-11-21", &v, &err), 0);
    CU_ASSERT_EQUAL(v, 1795219200000);
    for (size_t i = 0; i < sizeof(no_days) / sizeof(*no_days); i++)
        CU_ASSERT_EQUAL(day_read(no_days[i], &v, &err), -EINVAL);
}

static void usage(void)
{
    static const struct script s = {
        "ledger",
        "ledger.report",
        "{\"by\":\"user, tag:job\",\"from\":1795219200000,\"to\":1795305600000,\"team\":\"core\"}",
        {NULL},
        "{\"damaged\":0,\"rows\":[{\"user\":\"ada\",\"tag:job\":\"ci\",\"requests\":3,\"failed\":1,"
        "\"input_tokens\":30,\"output_tokens\":15,\"cached_tokens\":0,\"cost\":1700,\"unpriced\":0}"
        ","
        "{\"user\":\"bob\",\"tag:job\":\"\",\"requests\":1,\"failed\":0,\"input_tokens\":1,"
        "\"output_tokens\":1,\"cached_tokens\":0,\"cost\":2500000,\"unpriced\":1}]}"};
    static const struct script all = {
        "ledger", "ledger.report", "{}", {NULL}, "{\"rows\":[{\"requests\":1,\"cost\":0}]}"};

    WITH(&s, NULL, "usage", "--by", "user, tag:job", "--from", "2026-11-21", "--to", "2026-11-21",
         "--team", "core");
    CU_ASSERT(has(ran.out, "USER  TAG:JOB"));
    CU_ASSERT(has(ran.out, "$0.0017"));
    CU_ASSERT(has(ran.out, "$2.50"));
    WITH(&s, NULL, "usage", "--by", "user, tag:job", "--from", "2026-11-21", "--to", "2026-11-21",
         "--team", "core", "--json");
    CU_ASSERT_EQUAL(strncmp(ran.out, "[\n  {\n    \"user\": \"ada\"", 23), 0);
    CU_ASSERT(has(ran.out, "\"cost\": 1700"));
    WITH(&all, NULL, "usage");
    CU_ASSERT(has(ran.out, "$0.00"));
}

static void usage_tail(void)
{
    static const struct script s = {
        "ledger",
        "ledger.tail",
        "{\"limit\":2,\"follow\":true,\"user\":\"ada\",\"failed\":true}",
        {"{\"id\":\"00aa\",\"time\":1795262400000,\"principal\":{\"user\":\"ada\"},\"provider\":"
         "\"p\","
         "\"model\":\"m\\u001b[2J\",\"input_tokens\":3,\"output_tokens\":4,\"cost\":12000,"
         "\"total_ms\":1500,\"code\":\"busy\"}",
         "{\"id\":\"00ab\",\"missed\":7,\"code\":\"\",\"principal\":{\"key\":\"k1\",\"user\":\"\"}"
         "}",
         NULL},
        "{}"};

    WITH(&s, NULL, "usage", "tail", "-n", "2", "--follow", "--user", "ada", "--failed");
    CU_ASSERT(has(ran.out, "2026-11-21 12:00:00  00aa  ada  p  m[2J  3  4  $0.0120  1.5s  busy\n"));
    CU_ASSERT(has(ran.out, "  00ab  k1  "));
    CU_ASSERT(has(ran.out, "  ok\n"));
    CU_ASSERT(has(ran.err, "7 records before this one were missed"));
    WITH(&s, NULL, "usage", "tail", "-n", "2", "--follow", "--user", "ada", "--failed", "--json");
    CU_ASSERT(has(ran.out, "{\"id\":\"00aa\",\"time\":1795262400000,"));
}

static void route_show(void)
{
    static const struct script s = {
        "ledger",
        "ledger.show",
        "{\"id\":\"00aa\"}",
        {NULL},
        "{\"id\":\"00aa\",\"time\":1795262400000,\"asked\":\"fast\",\"alias\":\"fast\","
        "\"provider\":\"b\","
        "\"code\":\"\",\"cost\":5,\"why\":\"it is "
        "cheapest\",\"attempts\":[{\"provider\":\"a\",\"model\":\"m\","
        "\"code\":\"busy\",\"reason\":\"rate_limit\",\"text\":\"later\",\"at_ms\":0,\"ms\":12,"
        "\"why\":\"first\"},"
        "{\"provider\":\"b\",\"code\":\"\",\"at_ms\":12,\"ms\":900,\"cost\":5}]}"};

    WITH(&s, NULL, "route", "show", "00aa");
    CU_ASSERT(has(ran.out, "asked for   fast\n"));
    CU_ASSERT(has(ran.out, "why         it is cheapest\n"));
    CU_ASSERT(has(ran.out, "result      ok\n"));
    CU_ASSERT(has(ran.out, "cost        $0.000005\n"));
    CU_ASSERT_PTR_NULL(strstr(ran.out, "strategy"));
    CU_ASSERT(has(ran.out, "rate_limit"));
    CU_ASSERT(has(ran.out, "  ok  ")); /* of the second attempt */
    CU_ASSERT(has(ran.out, "900ms"));
    WITH(&s, NULL, "route", "show", "00aa", "--json");
    CU_ASSERT(has(ran.out, "\"attempts\": [\n"));
}

static void templates(void)
{
    static const struct script list = {
        "templates",
        "templates.list",
        "{\"user\":\"ada\"}",
        {NULL},
        "{\"templates\":[{\"name\":\"review\",\"scope\":\"system\",\"user\":\"\",\"version\":1,"
        "\"builtin\":true,\"description\":\"reviews\",\"created\":0}]}"};
    static const struct script show = {"templates",
                                       "templates.show",
                                       "{\"version\":2,\"name\":\"review\"}",
                                       {NULL},
                                       "{\"name\":\"review\",\"version\":2,\"text\":\"a {{b}}\"}"};
    static const struct script put = {"templates",
                                      "templates.put",
                                      "{\"user\":\"ada\",\"description\":\"d\",\"name\":\"mine\","
                                      "\"text\":\"hello {{x}}\\n\"}",
                                      {NULL},
                                      "{\"version\":1}"};
    static const struct script gone = {
        "templates", "templates.remove", "{\"name\":\"mine\"}", {NULL}, "{}"};
    static const struct script render = {
        "templates",
        "templates.render",
        "{\"name\":\"mine\",\"values\":{\"x\":\"a=b\",\"y\":\"in\"}}",
        {NULL},
        "{\"text\":\"hello\",\"version\":1}"};
    const struct run_as as = {0};

    WITH(&list, NULL, "template", "list", "--user", "ada");
    CU_ASSERT(has(ran.out, "review"));
    CU_ASSERT(has(ran.out, "reviews"));
    WITH(&show, NULL, "template", "show", "review", "--version-of", "2");
    CU_ASSERT_STRING_EQUAL(ran.out, "a {{b}}");
    WITH(&show, NULL, "template", "show", "review", "--version-of", "2", "--json");
    CU_ASSERT(has(ran.out, "\"text\": \"a {{b}}\""));
    WITH(&put, "hello {{x}}\n", "template", "put", "mine", "-", "--user", "ada", "--description",
         "d");
    CU_ASSERT(has(ran.err, "kept mine"));
    WITH(&gone, NULL, "template", "remove", "mine");
    CU_ASSERT(has(ran.err, "removed mine"));
    WITH(&render, "in", "template", "render", "mine", "x=a=b", "y=@-");
    CU_ASSERT_STRING_EQUAL(ran.out, "hello");
    RUN(&as, &ran, "template", "render", "mine", "x");
    CU_ASSERT_EQUAL(ran.code, 2);
    CU_ASSERT(has(ran.err, "'x' is not NAME=VALUE"));
    RUN(&as, &ran, "template", "render", "mine", "x=@/nonexistent/value");
    CU_ASSERT_EQUAL(ran.code, 5);
    RUN(&as, &ran, "template", "put", "mine", "/nonexistent/file");
    CU_ASSERT_EQUAL(ran.code, 5);
    CU_ASSERT(has(ran.err, "/nonexistent/file"));
}

static void contexts(void)
{
    static const struct script search = {
        "context",
        "context.search",
        "{\"kind\":\"analysis\",\"limit\":5,\"all\":true,\"snippet\":100,\"query\":\"parse "
        "head*\"}",
        {NULL},
        "{\"entries\":[{\"score\":2.5041,\"id\":\"a1\",\"kind\":\"analysis\",\"project\":\"p\","
        "\"path\":\"src/a.c\",\"title\":\"T\"}],\"found\":1,\"partial\":false}"};
    static const struct script list = {"context",
                                       "context.list",
                                       "{\"session\":\"s\"}",
                                       {NULL},
                                       "{\"entries\":[{\"id\":\"a1\",\"kind\":\"k\",\"session\":"
                                       "\"s\",\"project\":\"\",\"path\":\"\","
                                       "\"bytes\":3,\"updated\":0}]}"};
    static const struct script get = {
        "context", "context.get", "{\"id\":\"a1\"}", {NULL}, "{\"id\":\"a1\",\"content\":\"one\"}"};
    static const struct script put = {"context",
                                      "context.put",
                                      "{\"path\":\"a.c\",\"ttl_ms\":3600000,\"kind\":\"note\","
                                      "\"content\":\"hello\\n\"}",
                                      {NULL},
                                      "{\"id\":\"a1\",\"stored\":\"added\"}"};
    static const struct script gone = {
        "context", "context.delete", "{\"id\":\"a1\"}", {NULL}, "{\"found\":true}"};
    static const struct script stats = {
        "context", "context.stats", "{}", {NULL}, "{\"entries\":7}"};
    const struct run_as as = {0};

    WITH(&search, NULL, "context", "search", "parse", "head*", "--kind", "analysis", "--limit", "5",
         "--all");
    CU_ASSERT(has(ran.out, "src/a.c"));
    CU_ASSERT(has(ran.out, "2.50 "));
    WITH(&list, NULL, "context", "list", "--session", "s");
    CU_ASSERT(has(ran.out, "a1"));
    WITH(&get, NULL, "context", "get", "a1");
    CU_ASSERT_STRING_EQUAL(ran.out, "one");
    WITH(&get, NULL, "context", "get", "a1", "--json");
    CU_ASSERT(has(ran.out, "\"content\": \"one\""));
    WITH(&put, "hello\n", "context", "put", "-", "--path", "a.c", "--ttl", "1h");
    CU_ASSERT(has(ran.err, "kept -"));
    WITH(&gone, NULL, "context", "remove", "a1");
    CU_ASSERT(has(ran.err, "removed a1"));
    WITH(&stats, NULL, "context", "stats");
    CU_ASSERT(has(ran.out, "\"entries\": 7"));
    RUN(&as, &ran, "context", "put", "/nonexistent/file");
    CU_ASSERT_EQUAL(ran.code, 5);
    RUN(&as, &ran, "context", "search");
    CU_ASSERT_EQUAL(ran.code, 2);
}

static void template_variables(void)
{
    static const struct script put = {
        "templates",
        "templates.put",
        "{\"name\":\"t\",\"text\":\"{{n}}\",\"variables\":[{\"name\":\"n\",\"type\":\"int\"}]}",
        {NULL},
        "{\"version\":1}"};
    char path[] = "/tmp/aiex_variables_XXXXXX";
    static const char text[] = "{\"variables\": [{\"name\": \"n\", \"type\": \"int\"}]}";
    int fd = mkstemp(path);
    const struct run_as as = {.input = "x"};

    CU_ASSERT_EQUAL(write(fd, text, sizeof(text) - 1), (ssize_t)sizeof(text) - 1);
    WITH(&put, "{{n}}", "template", "put", "t", "-", "--variables", path);
    CU_ASSERT_EQUAL(ftruncate(fd, 5), 0);
    RUN(&as, &ran, "template", "put", "t", "-", "--variables", path);
    CU_ASSERT_EQUAL(ran.code, 2);
    CU_ASSERT(has(ran.err, path));
    close(fd);
    unlink(path);
}

static void keys(void)
{
    static const struct script create = {
        "gateway",
        "gateway.key_create",
        "{\"local\":true,\"interface\":\"aiex\",\"name\":\"ci\",\"user\":\"ada\",\"role\":\"user\","
        "\"models\":[\"gpt-*\",\"local/"
        "*\"],\"rpm\":60,\"budget_day\":12500000,\"expires\":4950979200000}",
        {NULL},
        "{\"id\":\"k1\",\"key\":\"aiex_secret\"}"};
    static const struct script set = {
        "gateway",
        "gateway.key_set",
        "{\"local\":true,\"interface\":\"aiex\",\"id\":\"k1\",\"models\":[],\"budget_month\":0}",
        {NULL},
        "{}"};
    static const struct script rotate = {
        "gateway",
        "gateway.key_rotate",
        "{\"local\":true,\"interface\":\"aiex\",\"id\":\"k1\",\"grace_ms\":3600000}",
        {NULL},
        "{\"key\":\"aiex_other\"}"};
    static const struct script revoke = {"gateway",
                                         "gateway.key_revoke",
                                         "{\"local\":true,\"interface\":\"aiex\",\"id\":\"k1\"}",
                                         {NULL},
                                         "{}"};
    static const struct script list = {
        "gateway",
        "gateway.key_list",
        "{\"local\":true,\"interface\":\"aiex\"}",
        {NULL},
        "{\"keys\":[{\"id\":\"k1\",\"name\":\"ci\",\"prefix\":\"aiex_s\",\"spent_day\":1200,"
        "\"budget_day\":12500000,\"spent_month\":0,\"budget_month\":0,\"revoked\":false,"
        "\"last_used\":1795262400000}],\"more\":true}"};

    WITH(&create, NULL, "key", "create", "ci", "--user", "ada", "--role", "user", "--models",
         "gpt-*,local/*", "--rpm", "60", "--budget-day", "12.50", "--expires", "2126-11-21");
    CU_ASSERT_STRING_EQUAL(ran.out, "aiex_secret\n");
    CU_ASSERT(has(ran.err, "key k1; its secret is shown this once"));
    WITH(&set, NULL, "key", "set", "k1", "--models", "", "--budget-month", "0");
    CU_ASSERT_STRING_EQUAL(ran.out, "");
    WITH(&rotate, NULL, "key", "rotate", "k1", "--grace", "1h");
    CU_ASSERT_STRING_EQUAL(ran.out, "aiex_other\n");
    WITH(&revoke, NULL, "key", "revoke", "k1", "--json");
    CU_ASSERT_STRING_EQUAL(ran.out, "{}\n");
    WITH(&list, NULL, "key", "list");
    CU_ASSERT(has(ran.out, "$0.0012"));
    CU_ASSERT(has(ran.out, "$12.50"));
    CU_ASSERT(has(ran.out, "2026-11-21 12:00:00"));
    WITH(&list, NULL, "key", "list", "--json");
    CU_ASSERT(has(ran.out, "\"spent_day\": 1200"));
    CU_ASSERT(has(ran.err, "there are more than these"));
}

static void limits(void)
{
    static const struct script set = {"gateway",
                                      "gateway.limit_set",
                                      "{\"local\":true,\"interface\":\"aiex\",\"scope\":\"team\","
                                      "\"name\":\"core\",\"tpm\":100000,"
                                      "\"budget_month\":500000000,\"soft_percent\":80}",
                                      {NULL},
                                      "{}"};
    static const struct script list = {"gateway",
                                       "gateway.limit_list",
                                       "{\"local\":true,\"interface\":\"aiex\"}",
                                       {NULL},
                                       "{\"limits\":[{\"scope\":\"team\",\"name\":\"core\",\"rpm\":"
                                       "0,\"spent_month\":1200,\"budget_month\":500000000}]}"};

    WITH(&set, NULL, "limit", "set", "team", "core", "--tpm", "100000", "--budget-month", "500",
         "--soft-percent", "80");
    CU_ASSERT(has(ran.err, "limited core"));
    WITH(&list, NULL, "limit", "list");
    CU_ASSERT(has(ran.out, "$0.0012  $500.00"));
}

static void wrong_usage(void)
{
    static const struct {
        const char *args[6];
        const char *says;
    } t[] = {
        {{"usage", "--from", "yesterday"}, "--from: date 'yesterday' is none"},
        {{"usage", "tial"}, "there is `aiex usage tail`"},
        {{"usage", "tail", "-n", "many"}, "--count: 'many' is no whole number"},
        {{"key", "create", "x", "--budget-day", "ten"}, "--budget-day: amount 'ten' is none"},
        {{"key", "set", "x", "--expires", "2026-02-30"}, "--expires: date"},
        {{"key", "create", "x", "--role", "king"}, "is none of: admin user viewer"},
        {{"limit", "set", "team"}, "usage: aiex limit set SCOPE NAME"},
        {{"route", "show"}, "usage: aiex route show ID"},
        {{"usage", "--failed"}, "--failed is for `aiex usage tail` only"},
        {{"usage", "-n", "3"}, "--count is for `aiex usage tail` only"},
        {{"usage", "tail", "--team", "core"}, "--team is for `aiex usage` only"},
        {{"usage", "tail", "--from", "2026-11-21"}, "--from is for `aiex usage` only"},
        {{"key", "create", ""}, "the name of the key is empty"},
        {{"key", "create", "x", "--expires", "2020-01-01"}, "'2020-01-01' is over"},
        {{"key", "set", "x"}, "nothing to change"},
        {{"limit", "set", "team", "core"}, "nothing to change"},
        {{"template", "show", "x", "--version", "1"}, "write --version-of N"},
    };
    const struct run_as as = {0};

    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        run_aiex(&as, t[i].args, &ran);
        CU_ASSERT_EQUAL(ran.code, 2);
        CU_ASSERT(has(ran.err, t[i].says));
    }
}

/* A service that is older or wrong: said, not printed as nothing. */
static void memory(void)
{
    static const struct script s = {
        "host",
        "host.memory",
        "{}",
        {NULL},
        "{\"level\":\"high\",\"step\":4,\"used_percent\":91,\"stall_percent\":3,\"limit_bytes\":"
        "536870912,\"limited_by\":\"group\",\"watched\":true,\"cells\":[{\"cell\":\"tier_hot\","
        "\"pid\":77,\"bytes\":2097152}],\"users\":[{\"instance\":\"tier_hot\",\"part\":"
        "\"entries\",\"order\":3,\"percent\":25,\"bytes\":1048576,\"limit\":4194304,\"given\":"
        "3145728}]}"};
    static const struct script off = {
        "host", "host.memory", "{}", {NULL}, "{\"watched\":false,\"cells\":[],\"users\":[]}"};

    WITH(&s, NULL, "memory");
    CU_ASSERT(has(ran.out, "memory is high, parts up to order 4 give back; 91 % of the group's "
                           "512M in use; 3 % of the time waited for\n"));
    CU_ASSERT(has(ran.out, "tier_hot   77    2.0M"));
    CU_ASSERT(has(ran.out, "entries      3   1.0M      4.0M     25  3.0M"));
    WITH(&s, NULL, "memory", "--json");
    CU_ASSERT(has(ran.out, "\"used_percent\": 91"));
    WITH(&off, NULL, "memory");
    CU_ASSERT(has(ran.out, "memory is not watched"));
}

static void answers_without_what_was_asked(void)
{
    static const struct script s = {"gateway",
                                    "gateway.key_list",
                                    "{\"local\":true,\"interface\":\"aiex\"}",
                                    {NULL},
                                    "{\"other\":1}"};
    struct scripted_host *h = scripted_host_new(play, (void *)(uintptr_t)&s);
    const struct run_as as = {.socket = scripted_host_path(h)};

    RUN(&as, &ran, "key", "list");
    CU_ASSERT_EQUAL(ran.code, 1);
    CU_ASSERT(has(ran.err, "the answer has no 'keys'"));
    CU_ASSERT(scripted_host_free(h));
}

const struct test_case tests[] = {
    {"money_and_days", money_and_days},
    {"usage", usage},
    {"usage_tail", usage_tail},
    {"route_show", route_show},
    {"templates", templates},
    {"contexts", contexts},
    {"template_variables", template_variables},
    {"keys", keys},
    {"limits", limits},
    {"memory", memory},
    {"wrong_usage", wrong_usage},
    {"answers_without_what_was_asked", answers_without_what_was_asked},
    {0},
};
