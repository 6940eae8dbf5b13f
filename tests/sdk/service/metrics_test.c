/* sdk/service: numbers of a plugin as Prometheus text; labels, bounds, memory that ends. */
#include "test.h"

#include <aiex_fake_host.h>
#include <aiex_metrics.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t fails_at; /* the n-th realloc() fails; 0 = none */

void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_realloc(void *p, size_t n)
{
    return fails_at && --fails_at == 0 ? NULL : __real_realloc(p, n);
}

static const struct aiex_host *table;
static void (*fill)(struct aiex_metrics *x);

static int handle(void *self, const struct aiex_message *m)
{
    struct aiex_metrics x;

    (void)self;
    aiex_metrics_begin(&x, table);
    fill(&x);
    return aiex_metrics_reply(&x, m->id);
}

static const struct aiex_plugin plugin = {.magic = AIEX_ABI_MAGIC,
                                          .struct_size = sizeof(struct aiex_plugin),
                                          .name = "service_t",
                                          .handle = handle};

/* The text of the answer, or "!code"; the caller frees. */
static char *answer(const char *instance, void (*with)(struct aiex_metrics *x))
{
    struct aiex_fake_host *h = aiex_fake_host_new(instance);
    const struct aiex_fake_record *a;
    struct aiex_slice text = {NULL, 0};
    char *out;
    uint64_t id;

    table = aiex_fake_host_table(h);
    fill = with;
    id = aiex_fake_request(h, &plugin, NULL, "service.metrics", (struct aiex_slice){NULL, 0}, 0);
    a = aiex_fake_answer(h, id);
    CU_ASSERT_PTR_NOT_NULL_FATAL(a);
    if (a->kind == AIEX_FAKE_FAIL) {
        out = calloc(1, 40);
        snprintf(out, 40, "!%s", a->code);
    } else {
        aiex_get_str(a->body, "text", &text);
        out = calloc(1, text.len + 1);
        memcpy(out, text.data, text.len);
    }
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    return out;
}

static void some(struct aiex_metrics *x)
{
    static const char *const labels[] = {"level", "a\"b\\c\nd\x01", "q", "", NULL};

    aiex_metrics_one(x, "aiex_t_words", "gauge", "Words.", 7);
    aiex_metrics_family(x, "aiex_t_total", "counter", "All.");
    aiex_metrics_sample(x, labels, 1.5);
    aiex_metrics_sample(x, NULL, 9007199254740991.0);
}

static void one_family_after_another(void)
{
    char *text = answer("service_t:two", some);

    CU_ASSERT_STRING_EQUAL(
        text, "# HELP aiex_t_words Words.\n# TYPE aiex_t_words gauge\n"
              "aiex_t_words{plugin=\"service_t:two\"} 7\n"
              "# HELP aiex_t_total All.\n# TYPE aiex_t_total counter\n"
              "aiex_t_total{plugin=\"service_t:two\",level=\"a\\\"b\\\\c\\nd?\",q=\"\"}"
              " 1.5\n"
              "aiex_t_total{plugin=\"service_t:two\"} 9.00719925474099e+15\n");
    free(text);
}

static void nothing(struct aiex_metrics *x)
{
    (void)x;
}

static void many(struct aiex_metrics *x)
{
    for (int i = 0; i < 20000; i++)
        aiex_metrics_one(x, "aiex_t_words", "gauge", "Words.", i);
}

static void it_is_bounded_in_whole_lines(void)
{
    char *text = answer("t", nothing);

    CU_ASSERT_STRING_EQUAL(text, "");
    free(text);
    text = answer("t", many);
    CU_ASSERT_TRUE(strlen(text) > (200u << 10) && strlen(text) <= 256u << 10);
    CU_ASSERT_EQUAL(text[strlen(text) - 1], '\n');
    free(text);
}

static void says_when_memory_ends(void)
{
    for (size_t n = 1; n <= 3; n++) {
        char *text;

        fails_at = n;
        text = answer("t", many);
        fails_at = 0;
        CU_ASSERT_STRING_EQUAL(text, "!busy");
        free(text);
    }
}

const struct test_case tests[] = {
    {"one_family_after_another", one_family_after_another},
    {"it_is_bounded_in_whole_lines", it_is_bounded_in_whole_lines},
    {"says_when_memory_ends", says_when_memory_ends},
    {0},
};
