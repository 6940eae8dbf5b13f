#include "test.h"

#include "loaded.h"

#define TEXT                                                                                       \
    "[host]\nlog_level = warn\n[settings:s]\nrate = 9\n[group:g]\n"                                \
    "[job:j]\ncron = 0 1 * * *\nservice = s\nmethod = m\n"                                         \
    "[provider_sample:x]\nmodel = big\napi_key = ${K}\ntimeout = 60s\ngroup = g\n"

static const char *const env[] = {"K=sk-very-secret", "SAMPLE_URL=http://from-env", NULL};

static int has(const struct buf *b, const char *text)
{
    if (b->data && strstr((const char *)b->data, text))
        return 1;
    fprintf(stderr, "\nnot shown: %s\nin:\n%s\n", text, b->data ? (const char *)b->data : "");
    return 0;
}

static void shows_what_holds(void)
{
    struct loaded l;
    struct buf b;

    buf_init(&b, 1 << 20);
    load_text(&l, TEXT, NULL, env);
    CU_ASSERT(has_errors(&l.report, 0));
    CU_ASSERT_EQUAL(config_show(l.config, NULL, &b), 0);
    CU_ASSERT(has(&b, "[host]\nnode = n ; default\nlog_level = warn\nlog_form = auto ; default\n"));
    CU_ASSERT(has(&b, "\n[settings]\ns.rate = 9\n"));
    CU_ASSERT(has(&b, "\n[group:g]\nstrategy = one_for_one ; default\n"));
    CU_ASSERT(has(&b, "\n[job:j]\nenabled = yes ; default\ncron = 0 1 * * *\n"));
    CU_ASSERT(has(&b, "\n[provider_sample:x]\nplugin = provider_sample ; default\n"));
    CU_ASSERT(has(&b, "\nhang = 500ms ; default\n"));
    CU_ASSERT(has(&b, "\ngroup = g\n"));
    CU_ASSERT(has(&b, "\nbase_url = http://from-env ; default, from the environment\n"));
    CU_ASSERT(has(&b, "\nmodel = big\n"));
    CU_ASSERT(has(&b, "\napi_key = ***\n"));
    CU_ASSERT(has(&b, "\ntimeout = 1m\n")); /* the plugin's, once */
    CU_ASSERT(has(&b, "\nmax_bytes = 64k ; default\n"));
    CU_ASSERT_PTR_NULL(strstr((const char *)b.data, "sk-very"));
    b.len = 0;
    CU_ASSERT_EQUAL(config_show(l.config, "provider_sample:x", &b), 0);
    CU_ASSERT_PTR_NULL(strstr((const char *)b.data, "[host]"));
    CU_ASSERT_EQUAL(config_show(l.config, "nobody", &b), -ENOENT);
    buf_done(&b);
    buf_init(&b, 40);
    CU_ASSERT_EQUAL(config_show(l.config, NULL, &b), -EMSGSIZE);
    buf_done(&b);
    unload(&l);
}

static void what_is_shown_can_be_read_again(void)
{
    struct config_diff d;
    struct loaded a, b;
    struct buf text;

    buf_init(&text, 1 << 20);
    load_text(&a, "[provider_sample:x]\nmodel = big\ntimeout = 60s\nmode = careful\n", NULL, NULL);
    CU_ASSERT_EQUAL(config_show(a.config, "provider_sample:x", &text), 0);
    load_text(&b, (const char *)text.data, NULL, NULL);
    CU_ASSERT(has_errors(&b.report, 0));
    CU_ASSERT_EQUAL_FATAL(config_diff(a.config, b.config, &d), 0);
    CU_ASSERT_EQUAL_FATAL(d.n, 1);
    CU_ASSERT_EQUAL(d.changes[0].change, CONFIG_SAME);
    config_diff_done(&d);
    buf_done(&text);
    unload(&a);
    unload(&b);
}

static int text_is(struct aiex_slice map, const char *key, const char *expected)
{
    struct aiex_slice s;

    return aiex_get_str(map, key, &s) == 1 && aiex_slice_is(s, expected);
}

static void packs_for_programs(void)
{
    static uint8_t mem[65536];
    struct aiex_slice all, part, in, options;
    struct aiex_writer w, counting;
    struct loaded l;

    load_text(&l, TEXT, NULL, env);
    aiex_writer_init(&w, mem, sizeof(mem));
    config_pack(l.config, &w);
    CU_ASSERT_EQUAL_FATAL(w.failed, 0);
    all = aiex_written(&w);
    CU_ASSERT_EQUAL(aiex_is_map(all), 1);
    CU_ASSERT_EQUAL(aiex_get_whole(all, "host", &part), 1);
    CU_ASSERT(text_is(part, "log_level", "warn"));
    CU_ASSERT_EQUAL(aiex_get_whole(all, "settings", &part), 1);
    CU_ASSERT(text_is(part, "s.rate", "9"));
    CU_ASSERT_EQUAL(aiex_get_whole(all, "cells", &part), 1);
    CU_ASSERT_EQUAL(aiex_get_whole(part, "provider_sample:x", &in), 1);
    CU_ASSERT(text_is(in, "hang", "500ms"));
    CU_ASSERT_EQUAL(aiex_get_whole(all, "instances", &part), 1);
    CU_ASSERT_EQUAL(aiex_get_whole(part, "provider_sample:x", &in), 1);
    CU_ASSERT_EQUAL(aiex_get_whole(in, "options", &options), 1);
    CU_ASSERT(text_is(options, "api_key", "***"));
    CU_ASSERT(text_is(options, "timeout", "1m"));
    CU_ASSERT_EQUAL(aiex_get_whole(in, "keys", &options), 1);
    CU_ASSERT(text_is(options, "restart", "permanent"));
    CU_ASSERT_PTR_NULL(memmem(all.data, all.len, "sk-very", 7));
    aiex_writer_init(&counting, NULL, 0);
    config_pack(l.config, &counting);
    CU_ASSERT(counting.failed && counting.len == w.len);
    unload(&l);
}

/* What a file or variable brings in may be anything; what is shown is text. */
static void foreign_bytes_are_not_shown(void)
{
    static const char *const bad[] = {"M=a\x1b[2J\xff\nb", NULL};
    struct loaded l;
    struct buf b;

    buf_init(&b, 1 << 20);
    load_text(&l, "[settings]\nm = ${M}\n[provider_sample:x]\nmodel = ${M}\n", NULL, bad);
    CU_ASSERT_EQUAL(config_show(l.config, NULL, &b), 0);
    CU_ASSERT(has(&b, "\nm = a?[2J??b\n"));
    CU_ASSERT(has(&b, "\nmodel = a?[2J??b\n"));
    buf_done(&b);
    unload(&l);
}

static void reference_lists_every_key_and_option(void)
{
    static const char *const lines[] = {
        "## `[host]`\n",
        "| `hang` | duration, from 50ms to 1h | `500ms` | ",
        "| `restart` | choice: `permanent`, `transient`, `temporary` | `permanent` | ",
        "| `cron` | text | required | ",
        "## `[provider_sample]`\nanswers with samples (provider/1, version 1.0.0)\n",
        "| `model` | text | required | which (reloadable) |\n",
        "| `api_key` | secret text | `${SAMPLE_KEY}` | key |\n",
        "| `timeout` | duration, from 1s to 10m | `30s` | limit \\| of a call (reloadable) |\n",
        "| `max_bytes` | size, from 1k to 1G | `64k` | size |\n",
        "| `temperature` | number, from 0 to 2 | `0.7` | heat (reloadable) |\n"};
    struct plugin_info *info = sample_info(&sample_plugin);
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    CU_ASSERT_PTR_NOT_NULL_FATAL(info);
    config_reference(&info, 1, out);
    fclose(out);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        CU_ASSERT_PTR_NOT_NULL(strstr(text, lines[i]));
        if (!strstr(text, lines[i]))
            fprintf(stderr, "\nmissing: %s\n%s", lines[i], text);
    }
    free(text);
    plugin_info_unref(info);
}

const struct test_case tests[] = {
    {"shows what holds", shows_what_holds},
    {"what is shown can be read again", what_is_shown_can_be_read_again},
    {"packs for programs", packs_for_programs},
    {"foreign bytes are not shown", foreign_bytes_are_not_shown},
    {"reference lists every key and option", reference_lists_every_key_and_option},
    {0}};
