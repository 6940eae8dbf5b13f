/* http_client_name_test.c - names and addresses: who is asked, what is believed, what is said. */
#include "rig.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <errno.h>

static struct rig rig;
static struct seen s;
static uint8_t mem[512];

static struct aiex_slice addresses(const char *const *list, uint32_t n)
{
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "addresses");
    aiex_w_array(&w, n);
    for (uint32_t i = 0; i < n; i++)
        aiex_w_str(&w, list[i]);
    return aiex_written(&w);
}

static void ask(const char *host)
{
    struct aiex_http_request q;
    char url[64], named[128];

    rig_open(&rig, NULL);
    seen_init(&s, &rig);
    q = rig_request(&rig, "x", url);
    snprintf(named, sizeof(named), "http://%s:%u/y", host, rig.port);
    q.url = named;
    rig_send(&s, &q);
}

static uint64_t asked(void)
{
    const struct aiex_fake_record *r = aiex_fake_last(rig.fake, AIEX_FAKE_CALL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT_STRING_EQUAL(r->service, "resolver");
    CU_ASSERT_STRING_EQUAL(r->name, "resolver.resolve");
    return r->id;
}

static void finish(void)
{
    seen_done(&s);
    rig_close(&rig);
}

static void served(const char *host)
{
    char want[128];
    int fd = peer_accept(&rig);

    snprintf(want, sizeof(want), "POST /y HTTP/1.1\r\nHost: %s:%u\r\n", host, rig.port);
    CU_ASSERT_TRUE(peer_expect(&rig, fd, want));
    peer_say(fd, OK_HEAD(0));
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_OK);
    close(fd);
}

static void a_name_is_resolved(void)
{
    static const char *const list[] = {"127.0.0.1"};
    struct aiex_slice body;
    char host[64];
    int64_t port;

    ask("Model.Example");
    body = aiex_fake_last(rig.fake, AIEX_FAKE_CALL)->body;
    CU_ASSERT_EQUAL(aiex_get_text(body, "host", host, sizeof(host)), 1);
    CU_ASSERT_STRING_EQUAL(host, "model.example");
    CU_ASSERT_EQUAL(aiex_get_int(body, "port", &port), 1);
    CU_ASSERT_EQUAL(port, rig.port);
    CU_ASSERT_EQUAL(aiex_fake_answer_ok(rig.fake, asked(), addresses(list, 1)), 0);
    served("model.example");
    finish();
}

static int at_once(void *arg, struct aiex_fake_host *h, const struct aiex_fake_record *call)
{
    static const char *const list[] = {"127.0.0.1"};

    if (*(int *)arg)
        return aiex_fake_answer_ok(h, call->id, addresses(list, 1));
    return aiex_fake_answer_error(h, call->id, AIEX_E_NOT_FOUND, "no such name", 0,
                                  (struct aiex_slice){0});
}

static void an_answer_inside_the_call(void)
{
    struct aiex_http_request q;
    char url[64], named[64];
    int good;

    for (good = 0; good < 2; good++) {
        rig_open(&rig, NULL);
        seen_init(&s, &rig);
        aiex_fake_on_call(rig.fake, at_once, &good);
        q = rig_request(&rig, "x", url);
        snprintf(named, sizeof(named), "http://model.example:%u/y", rig.port);
        q.url = named;
        rig_send(&s, &q);
        if (good) {
            served("model.example");
        } else {
            CU_ASSERT_TRUE(wait_end(&s));
            CU_ASSERT_EQUAL(s.result, AIEX_HTTP_CONNECT);
        }
        finish();
    }
}

static int refuse_call(void *arg, struct aiex_fake_host *h, const struct aiex_fake_record *call)
{
    (void)arg;
    (void)h;
    (void)call;
    return -EBUSY;
}

static void the_call_is_refused(void)
{
    struct aiex_http_request q;
    char url[64];

    rig_open(&rig, NULL);
    seen_init(&s, &rig);
    aiex_fake_on_call(rig.fake, refuse_call, NULL);
    q = rig_request(&rig, "x", url);
    q.url = "http://model.example/";
    rig_send(&s, &q);
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_CONNECT);
    finish();
}

static void nobody_resolves(void)
{
    ask("model.example");
    aiex_fake_answer_error(rig.fake, asked(), AIEX_E_UNAVAILABLE, "no service 'resolver'", 0,
                           (struct aiex_slice){0});
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_CONNECT);
    CU_ASSERT_EQUAL(s.sent, 0);
    CU_ASSERT_STRING_EQUAL(s.text, "host name 'model.example' was not resolved: no service "
                                   "'resolver'; check the name and resolver_system");
    finish();
}

/* Only addresses are believed: a name would make libcurl look it up. */
static void strange_answers(void)
{
    static const char *const none[] = {"x"};
    static const char *const strange[] = {"localhost", "1.2.3", "127.0.0.1:80", "", "1.2.3.4,evil"};
    static const uint8_t broken[] = {0x81, 0xa9, 'a'};

    for (int i = 0; i < 4; i++) {
        ask("model.example");
        if (i == 0)
            aiex_fake_answer_ok(rig.fake, asked(), addresses(none, 0));
        else if (i == 1)
            aiex_fake_answer_ok(rig.fake, asked(), addresses(strange, 5));
        else if (i == 2)
            aiex_fake_answer_ok(rig.fake, asked(), (struct aiex_slice){broken, sizeof(broken)});
        else
            aiex_fake_answer_ok(rig.fake, asked(), (struct aiex_slice){0});
        CU_ASSERT_TRUE(wait_end(&s));
        CU_ASSERT_EQUAL(s.result, AIEX_HTTP_CONNECT);
        CU_ASSERT_TRUE(peer_is_lonely(&rig));
        finish();
    }
}

static void the_second_address_serves(void)
{
    static const char *const list[] = {"nonsense", "127.0.0.1"};

    ask("model.example");
    aiex_fake_answer_ok(rig.fake, asked(), addresses(list, 2));
    served("model.example");
    finish();
}

static void localhost_is_known(void)
{
    ask("LocalHost");
    CU_ASSERT_EQUAL(aiex_fake_count(rig.fake, AIEX_FAKE_CALL), 0);
    served("localhost");
    finish();
}

static void cancel_while_resolving(void)
{
    ask("model.example");
    CU_ASSERT_EQUAL(rig.http->cancel(rig.host, s.id), 0);
    CU_ASSERT_EQUAL(aiex_fake_count(rig.fake, AIEX_FAKE_CANCEL), 1);
    CU_ASSERT_EQUAL(s.n_ends, 0);
    finish();
}

static void nobody_listens(void)
{
    struct aiex_http_request q;
    char url[64];

    rig_open(&rig, NULL);
    seen_init(&s, &rig);
    q = rig_request(&rig, "x", url);
    close(rig.listener);
    rig.listener = dup(0);
    rig_send(&s, &q);
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_CONNECT);
    CU_ASSERT_EQUAL(s.sent, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.text, "127.0.0.1"));
    finish();
}

static void nobody_listens_on_v6(void)
{
    struct aiex_http_request q;
    char url[64];

    rig_open(&rig, NULL);
    seen_init(&s, &rig);
    q = rig_request(&rig, "x", url);
    q.url = "http://[::1]:1/";
    rig_send(&s, &q);
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_CONNECT);
    finish();
}

const struct test_case tests[] = {
    {"a_name_is_resolved", a_name_is_resolved},
    {"an_answer_inside_the_call", an_answer_inside_the_call},
    {"the_call_is_refused", the_call_is_refused},
    {"nobody_resolves", nobody_resolves},
    {"strange_answers", strange_answers},
    {"the_second_address_serves", the_second_address_serves},
    {"localhost_is_known", localhost_is_known},
    {"cancel_while_resolving", cancel_while_resolving},
    {"nobody_listens", nobody_listens},
    {"nobody_listens_on_v6", nobody_listens_on_v6},
    {0},
};
