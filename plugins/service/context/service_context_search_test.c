/* service_context_search_test.c - words, and search against a reference that reads every document,
 * over random documents that come, change and go. */
#include "context_rig.h"
#include "snippet.h"
#include "stem.h"
#include "words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Words ---- */

static int join_word(void *arg, const struct word_seen *w)
{
    char *out = arg;

    sprintf(out + strlen(out), "%s%.*s", out[0] ? " " : "", (int)w->len, w->text);
    return 0;
}

static const char *words_of(const char *text)
{
    static char out[4096];

    out[0] = 0;
    words_scan((struct aiex_slice){(const uint8_t *)text, strlen(text)}, join_word, out);
    return out;
}

static void words_of_texts(void)
{
    static const char *const all[][2] = {
        {"", ""},
        {" .,-+*/ ", ""},
        {"The end.", "the end"},
        {"getUserName", "getusername get user name"},
        {"get_user_name", "getusername get user name"},
        {"GET_USER_NAME", "getusername get user name"},
        {"__init__", "init"},
        {"HTTPServer", "httpserver http server"},
        {"parseHTTP", "parsehttp parse http"},
        {"sha256sum utf8", "sha256sum utf8"},
        {"sha256Sum", "sha256sum sha256 sum"},
        {"x86_64", "x8664 x86 64"},
        {"A b C", "a b c"},
        {"iOS", "ios i os"},
        {"a->b.c(d)", "a b c d"},
        {"ŽLUŤOUČKÝ KŮŇ", "žluťoučký kůň"},
        {"ПриветМир", "приветмир привет мир"},
        {"ΑΒΓ", "αβγ"},
        {"ΛΌΓΟΣ λόγος", "λόγοσ λόγοσ"},
        {"ՀԱՅ ẞẠ ＡＢ", "հայ ßạ ａｂ"},
        {"ÅngströmMaß", "ångströmmaß ångström maß"},
        {"_ _a_ _", "a"},
        {"搜索 engine引擎", "搜 索 engine 引 擎"},
        {"a\xff"
         "b\xc3",
         "a b"},
        {"\xe2\x80\x9cquoted\xe2\x80\x9d", "quoted"},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        IS(words_of(all[i][0]), all[i][1]);
}

static int longest(void *arg, const struct word_seen *w)
{
    size_t *most = arg;

    *most = w->len > *most ? w->len : *most;
    return 0;
}

static void long_words_are_cut(void)
{
    static char text[1 << 20];
    size_t most = 0;

    memset(text, 'x', sizeof(text));
    words_scan((struct aiex_slice){(uint8_t *)text, sizeof(text)}, longest, &most);
    CU_ASSERT_EQUAL(most, WORD_MAX);
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 2 ? 'a' : 'B';
    words_scan((struct aiex_slice){(uint8_t *)text, sizeof(text)}, longest, &most);
    CU_ASSERT_EQUAL(most, WORD_MAX);
    memcpy(text, "žž", 4);
    for (size_t i = 1; i < sizeof(text); i += 2)
        memcpy(text + i - 1, "ž", 2);
    text[63] = 'x'; /* the character at the cut is no whole one */
    most = 0;
    words_scan((struct aiex_slice){(uint8_t *)text, 512}, longest, &most);
    CU_ASSERT_TRUE(most <= WORD_MAX && most > 0);
}

/* Any bytes: words are UTF-8 of 1 to WORD_MAX bytes without upper case, and found again. */
static int check_word(void *arg, const struct word_seen *w)
{
    size_t *n = arg;

    (*n)++;
    if (!w->len || w->len > WORD_MAX || ((uint8_t)w->text[0] & 0xc0) == 0x80)
        *n = 1u << 30;
    for (size_t i = 0; i < w->len; i++)
        if ((uint8_t)w->text[i] < '0' || (uint8_t)w->text[i] == 0xff ||
            (w->text[i] >= 'A' && w->text[i] <= 'Z'))
            *n = 1u << 30;
    return 0;
}

static void any_bytes_are_words_or_none(void)
{
    uint8_t bytes[300];
    size_t n = 0;

    srandom(7);
    for (int i = 0; i < 20000; i++) {
        size_t len = (size_t)random() % sizeof(bytes);

        for (size_t k = 0; k < len; k++)
            bytes[k] = (uint8_t)(random() % (i % 2 ? 256 : 128));
        words_scan((struct aiex_slice){bytes, len}, check_word, &n);
        CU_ASSERT_TRUE_FATAL(n < 1u << 29);
    }
}

static void forms_have_one_stem(void)
{
    static const char *const all[][6] = {
        {"test", "tests", "tested", "testing", "test"},
        {"pars", "parse", "parses", "parsed", "parsing"},
        {"hop", "hop", "hops", "hopped", "hopping"},
        {"file", "file", "files", "filed", "filing"},
        {"creat", "create", "creates", "created", "creating"},
        {"index", "index", "indexes", "indexed", "indexing"},
        {"class", "class", "classes", "class", "class"},
        {"cach", "cache", "caches", "cached", "caching"},
        {"queri", "query", "queries", "queried", "query"},
        {"tri", "try", "tries", "tried", "try"},
        {"agre", "agree", "agrees", "agreed", "agreeing"},
        {"roll", "roll", "rolls", "rolled", "rolling"},
        {"control", "control", "controls", "controlled", "controlling"},
        {"string", "string", "strings", "string", "string"},
        {"say", "say", "says", "saying", "say"},
    };
    char out[STEM_MAX];

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        for (size_t k = 1; k < 5; k++) {
            size_t n = stem_of(all[i][k], strlen(all[i][k]), out);

            if (n != strlen(all[i][0]) || memcmp(out, all[i][0], n) != 0)
                printf("\n%s has the stem %.*s, not %s\n", all[i][k], (int)n, out, all[i][0]);
            CU_ASSERT(n == strlen(all[i][0]) && memcmp(out, all[i][0], n) == 0);
        }
    CU_ASSERT_EQUAL(stem_of("is", 2, out), 0);
    CU_ASSERT_EQUAL(stem_of("sha256s", 7, out), 0);
    CU_ASSERT_EQUAL(stem_of("přišels", 9, out), 0);
    CU_ASSERT_EQUAL(stem_of("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaas", 33, out), 0);
}

/* Any letters: a stem is never longer than its word, nor empty. */
static void any_letters_have_a_stem(void)
{
    static const char letters[] = "aeiouybdlszngt";
    char word[STEM_MAX], out[STEM_MAX];

    srandom(11);
    for (int i = 0; i < 200000; i++) {
        size_t len = 3 + (size_t)random() % (i % 2 ? 6 : STEM_MAX - 2), n;

        for (size_t k = 0; k < len; k++)
            word[k] = letters[(size_t)random() % (sizeof(letters) - 1)];
        n = stem_of(word, len, out);
        CU_ASSERT_TRUE_FATAL(n > 0 && n <= len);
    }
}

static void forms_are_found(void)
{
    rig_begin(NULL);
    ask("context.put", "{'id':'a','kind':'k','content':'it parses the headers'}");
    ask("context.put", "{'id':'b','kind':'k','content':'parse one header'}");
    ask("context.put", "{'id':'c','kind':'k','content':'a parser of trees'}");
    ask("context.put", "{'id':'d','kind':'k','content':'static int parsingHeader(void)'}");
    CU_ASSERT_EQUAL(number(ask("context.search", "{'query':'parsing'}"), "found"), 3);
    IS(ids_of(ask("context.search", "{'query':'parses','limit':1}")), "a"); /* as written first */
    IS(ids_of(ask("context.search", "{'query':'tree'}")), "c");
    CU_ASSERT_EQUAL(number(ask("context.search", "{'query':'parsed headers','all':true}"), "found"),
                    3);
    CU_ASSERT_EQUAL(number(ask("context.search", "{'query':'pars*'}"), "found"), 4);
    CU_ASSERT_EQUAL(number(ask("context.search", "{'query':'parser'}"), "found"), 1);
    HAS(ask("context.search", "{'query':'a1 a2 a3 a4 a5 a6 a7 a8 a9 b1 b2 b3 b4 b5 b6 b7 b8'}"),
        "invalid");
    CU_ASSERT_EQUAL(number(ask("context.search", "{'query':'ones twos threes fours fives sixes "
                                                 "sevens eights nines tens keys maps lists sets "
                                                 "trees words'}"),
                           "found"),
                    2); /* 16 words and their forms */
    rig_end();
}

/* ---- Snippets ---- */

static int match_two(void *arg, const char *word, size_t len)
{
    (void)arg;
    return len == 5 && memcmp(word, "alpha", 5) == 0  ? 0
           : len == 4 && memcmp(word, "beta", 4) == 0 ? 1
                                                      : -1;
}

static struct snippet snippet_of(const char *text, size_t bytes)
{
    struct snippet s;

    snippet_make((struct aiex_slice){(const uint8_t *)text, strlen(text)}, bytes, match_two, NULL,
                 &s);
    s.text[s.len] = 0;
    CU_ASSERT_TRUE_FATAL(s.len <= bytes + 6);
    return s;
}

static void snippets_show_why(void)
{
    char text[4000] = "";
    struct snippet s = snippet_of("one alpha\n\n\ttwo  beta_x three", 100);

    IS(s.text, "one alpha two beta_x three");
    CU_ASSERT_EQUAL_FATAL(s.n_marks, 2);
    CU_ASSERT(s.marks[0].at == 4 && s.marks[0].len == 5);
    CU_ASSERT(s.marks[1].at == 14 && s.marks[1].len == 6); /* the whole identifier */
    for (int i = 0; i < 300; i++)
        strcat(text, i == 20 ? "alpha " : i == 200 ? "beta alpha " : "filler ");
    s = snippet_of(text, 60); /* where both are */
    CU_ASSERT_PTR_NOT_NULL(strstr(s.text, "beta alpha"));
    CU_ASSERT(strncmp(s.text, "...", 3) == 0 && strcmp(s.text + s.len - 3, "...") == 0);
    s = snippet_of("nothing of it in here", 10);
    CU_ASSERT(s.n_marks == 0 && strncmp(s.text, "nothing", 7) == 0);
    IS(snippet_of("", 100).text, "");
    IS(snippet_of("ž\x01\xffx \xc3", 100).text, "ž x ");
}

/* Any bytes, any size: whole UTF-8, marks within. */
static void snippets_of_anything(void)
{
    char text[600];

    srandom(3);
    for (int i = 0; i < 20000; i++) {
        size_t len = (size_t)random() % (sizeof(text) - 1), at = 0;
        struct snippet s;

        for (size_t k = 0; k < len; k++)
            text[k] = (char)(random() % 5 ? "alph bet\n"[random() % 9] : 1 + random() % 255);
        text[len] = 0;
        for (size_t k = 0; k + 6 < len && random() % 3; k += 1 + (size_t)random() % 100)
            memcpy(text + k, "alpha ", 6);
        s = snippet_of(text, (size_t)random() % 200);
        for (unsigned k = 0; k < s.n_marks; k++)
            CU_ASSERT_TRUE_FATAL(s.marks[k].len && s.marks[k].at + s.marks[k].len <= s.len);
        for (size_t n; at < s.len; at += n) {
            n = words_character((const uint8_t *)s.text + at, s.len - at);
            CU_ASSERT_TRUE_FATAL(n > 0 && (uint8_t)s.text[at] >= ' ');
        }
    }
}

static void hits_have_snippets(void)
{
    const char *a;

    rig_begin(NULL);
    ask("context.put",
        "{'id':'a','kind':'k','title':'Trees','content':'first line. It parses headers quickly.'}");
    a = ask("context.search", "{'query':'parsing','snippet':100}");
    HAS(a, "'snippet':'first line. It parses headers quickly.'");
    HAS(a, "'marks':[15,6]");
    a = ask("context.search", "{'query':'parsing'}");
    CU_ASSERT_PTR_NULL(strstr(a, "snippet"));
    a = ask("context.search", "{'query':'tree','snippet':12}"); /* only in the title */
    HAS(a, "'marks':[]");
    HAS(ask("context.search", "{'query':'x','snippet':1001}"), "invalid");
    rig_end();
}

/* ---- The reference ---- */

#define N_DOCS  60
#define N_WORDS 40

struct doc {
    int lives, kind, session;
    int n;
    char words[N_WORDS][4];
};

static struct doc docs[N_DOCS];

struct query {
    int n, all, kind, session, limit;
    struct {
        char text[4];
        int prefix;
    } terms[4];
};

static void random_word(char out[4], int most)
{
    int n = 1 + (int)(random() % most);

    for (int i = 0; i < n; i++)
        out[i] = (char)('a' + random() % 4);
    out[n] = 0;
}

static int count_term(const struct doc *d, const struct query *q, int t)
{
    size_t len = strlen(q->terms[t].text);
    int n = 0;

    for (int i = 0; i < d->n; i++)
        n += q->terms[t].prefix ? strncmp(d->words[i], q->terms[t].text, len) == 0
                                : strcmp(d->words[i], q->terms[t].text) == 0;
    return n;
}

/* -1 = it is not found. */
static double score(const struct query *q, const struct doc *d)
{
    double total = 0, sum = 0, all = 0;
    int any = 0;

    if (!d->lives || (q->kind && q->kind - 1 != d->kind) ||
        (q->session && q->session - 1 != d->session))
        return -1;
    for (int i = 0; i < N_DOCS; i++) {
        total += docs[i].lives;
        sum += docs[i].lives ? docs[i].n : 0;
    }
    for (int t = 0; t < q->n; t++) {
        double df = 0, tf = count_term(d, q, t);

        for (int i = 0; i < N_DOCS; i++)
            df += docs[i].lives && count_term(&docs[i], q, t) > 0;
        any |= tf > 0;
        if (q->all && tf == 0)
            return -1;
        all += log(1 + (total - df + 0.5) / (df + 0.5)) * tf * 2.2 /
               (tf + 1.2 * (0.25 + 0.75 * d->n / (sum / total)));
    }
    return any ? all : -1;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x < y) - (x > y);
}

static void check_query(const struct query *q)
{
    char text[64] = "", filter[64] = "";
    double best[N_DOCS], last = 1e9;
    const char *a, *ids;
    int n = 0, shown = 0;

    for (int t = 0; t < q->n; t++)
        sprintf(text + strlen(text), "%s%s ", q->terms[t].text, q->terms[t].prefix ? "*" : "");
    if (q->kind)
        sprintf(filter, ",'kind':'k%d'", q->kind - 1);
    if (q->session)
        sprintf(filter + strlen(filter), ",'session':'s%d'", q->session - 1);
    for (int i = 0; i < N_DOCS; i++)
        if (score(q, &docs[i]) >= 0)
            best[n++] = score(q, &docs[i]);
    qsort(best, (size_t)n, sizeof(best[0]), by_value);
    a = ask("context.search", "{'query':'%s','all':%s,'limit':%d%s}", text,
            q->all ? "true" : "false", q->limit, filter);
    if (number(a, "found") != n)
        printf("\n  query '%s' %s: %.300s\n", text, filter, a);
    CU_ASSERT_EQUAL(number(a, "found"), n);
    for (ids = ids_of(a); *ids; ids += strcspn(ids, " "), ids += *ids == ' ') {
        double s = score(q, &docs[atoi(ids + 1)]);

        CU_ASSERT_TRUE(shown < n && fabs(s - best[shown]) < 1e-9);
        CU_ASSERT_TRUE(s <= last + 1e-9);
        last = s;
        shown++;
    }
    CU_ASSERT_EQUAL(shown, n < q->limit ? n : q->limit);
}

static void random_query(struct query *q)
{
    memset(q, 0, sizeof(*q));
    q->n = 1 + (int)(random() % 4);
    q->all = random() % 3 == 0;
    q->kind = (int)(random() % 2 ? random() % 4 : 0);
    q->session = (int)(random() % 3 ? 0 : random() % 3);
    q->limit = 1 + (int)(random() % 100);
    for (int t = 0; t < q->n; t++) {
        int again;

        do { /* different ones: a repeated word counts once */
            random_word(q->terms[t].text, 3);
            q->terms[t].prefix = random() % 4 == 0;
            again = 0;
            for (int i = 0; i < t; i++)
                again |= strcmp(q->terms[i].text, q->terms[t].text) == 0 &&
                         q->terms[i].prefix == q->terms[t].prefix;
        } while (again);
    }
}

static void change(int i)
{
    struct doc *d = &docs[i];
    char text[N_WORDS * 4 + 1] = "";

    if (d->lives && random() % 3 == 0) {
        IS(ask("context.delete", "{'id':'d%d'}", i), "{'found':true}");
        d->lives = 0;
        return;
    }
    d->lives = 1;
    d->kind = (int)(random() % 3);
    d->session = (int)(random() % 2);
    d->n = (int)(random() % N_WORDS);
    for (int k = 0; k < d->n; k++) {
        random_word(d->words[k], 3);
        strcat(strcat(text, d->words[k]), " ");
    }
    HAS(ask("context.put", "{'id':'d%d','kind':'k%d','session':'s%d','content':'%s'}", i, d->kind,
            d->session, text),
        "'stored'");
}

static void equals_brute_force(void)
{
    struct query q;

    srandom(20261121);
    memset(docs, 0, sizeof(docs));
    rig_begin(NULL);
    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < 8; i++)
            change((int)(random() % N_DOCS));
        for (int i = 0; i < 12; i++) {
            random_query(&q);
            check_query(&q);
        }
        if (round % 20 == 19) { /* what is on the disk is as good as what is in memory */
            rig_close();
            rig_open(NULL);
        }
        aiex_fake_forget(h);
    }
    rig_end();
}

static void bounds_are_told(void)
{
    const char *a;

    rig_begin((struct aiex_fake_pair[]){{"max_postings", "1000"}, {0}});
    for (int i = 0; i < 1100; i++) {
        ask("context.put", "{'id':'d%d','kind':'k','content':'common w%d'}", i, i % 10);
        aiex_fake_forget(h);
    }
    a = ask("context.search", "{'query':'w3'}");
    HAS(a, "'found':110,'partial':false");
    a = ask("context.search", "{'query':'common w3'}");
    HAS(a, "'partial':true");
    CU_ASSERT_EQUAL(number(ask("context.stats", "{}"), "partial"), 1);
    rig_end();
}

/* Documents that change while the postings are read: whole or not found, never twice. */
static void changes_during_a_search(void)
{
    uint64_t id;
    const char *a;

    for (int n = 0; n < 12; n++) {
        rig_begin(NULL);
        ask("context.put", "{'id':'a','kind':'k','content':'one two'}");
        ask("context.put", "{'id':'b','kind':'k','content':'one two'}");
        id = begin("context.search", "{'query':'one two','all':true}");
        for (int i = 0; i < n; i++)
            rig_step();
        begin("context.put", "{'id':'a','kind':'k','content':'one two three'}");
        begin("context.delete", "{'id':'b'}");
        a = end_of(id);
        HAS(a, "'entries':[");
        CU_ASSERT_PTR_NULL(strstr(a, "'code'"));
        rig_advance(1000);
        IS(ids_of(ask("context.search", "{'query':'one two','all':true}")), "a");
        rig_end();
    }
}

const struct test_case tests[] = {
    {"words_of_texts", words_of_texts},
    {"long_words_are_cut", long_words_are_cut},
    {"any_bytes_are_words_or_none", any_bytes_are_words_or_none},
    {"forms_have_one_stem", forms_have_one_stem},
    {"any_letters_have_a_stem", any_letters_have_a_stem},
    {"forms_are_found", forms_are_found},
    {"snippets_show_why", snippets_show_why},
    {"snippets_of_anything", snippets_of_anything},
    {"hits_have_snippets", hits_have_snippets},
    {"equals_brute_force", equals_brute_force},
    {"bounds_are_told", bounds_are_told},
    {"changes_during_a_search", changes_during_a_search},
    {0},
};
