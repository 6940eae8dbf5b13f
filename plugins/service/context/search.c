/*
 * search.c - context.search: the words of a query, their postings, the best entries.
 *
 * Each term of the query (query.h) is one range of the table of postings.
 * Docs that are not live in memory are passed over, so what was deleted, replaced or is over is
 * never found, swept or not. When all words are read the docs are ranked, and the rows of the best
 * are read and compared once more with what was asked, until there are enough.
 *
 * Bounded: MAX_TERMS words, `max_postings` postings read, MAX_CANDIDATES docs; what that leaves out
 * is told as `partial`.
 */
#include "context.h"
#include "query.h"
#include "snippet.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE_ROWS      8000
#define MAX_CANDIDATES 50000u
#define MAX_SEARCHES   16u

struct candidate_doc {
    int64_t doc;
    const struct entry *e; /* while it is ranked */
    double score;
    uint16_t written[MAX_TERMS], forms[MAX_TERMS]; /* of each word; forms: as written too */
};

struct posting {
    int64_t doc;
    uint32_t tf;
};

struct search {
    char kind[MAX_KIND + 1], session[MAX_NAME + 1], project[MAX_NAME + 1];
    int64_t limit;
    int64_t snippet; /* bytes of it, 0 = none */
    int all, partial, no_memory;
    struct query query;
    unsigned at; /* the term that is read */
    uint8_t *token;
    size_t token_len;
    struct posting *page; /* of the answer that is being read */
    size_t n_page, cap_page;
    int64_t read; /* postings in all */
    struct candidate_doc *docs;
    uint32_t n_docs, cap_docs, *slots, n_slots;
    uint32_t look;  /* the candidate whose row is read */
    struct row row; /* of the one whose content is read */
    uint8_t *hits;  /* maps */
    size_t hits_len, hits_cap;
    uint32_t n_hits;
};

static void term_begin(struct work *w);
static void look_begin(struct work *w);

static void search_done(struct work *w)
{
    struct search *q = w->search;

    w->c->count.searching--;
    free(q->token);
    free(q->page);
    free(q->docs);
    free(q->slots);
    free(q->hits);
}

/* ---- The query ---- */

static int read_query(struct work *w, struct aiex_error *err)
{
    struct search *q = w->search;
    struct aiex_slice b = w->body, text = {NULL, 0};
    int r = field_text(b, "kind", q->kind, sizeof(q->kind), 0, err);

    q->limit = 10;
    r = r ? r : field_text(b, "session", q->session, sizeof(q->session), 0, err);
    r = r ? r : field_text(b, "project", q->project, sizeof(q->project), 0, err);
    r = r ? r : field_number(b, "limit", 1, MAX_HITS, &q->limit, err);
    r = r ? r : field_number(b, "snippet", 0, SNIPPET_MAX, &q->snippet, err);
    if (r == 0 && aiex_get_bool(b, "all", &q->all) < 0)
        r = aiex_failed(err, -EINVAL, "field 'all' must be a bool");
    if (r == 0 && (aiex_get_str(b, "query", &text) != 1 || text.len > MAX_QUERY))
        r = aiex_failed(err, -EINVAL, "field 'query' must be text of at most %u bytes", MAX_QUERY);
    if (r < 0)
        return r;
    if (query_read(&q->query, text) < 0)
        return aiex_failed(err, -EINVAL,
                           "the query has more than %u words (parts of identifiers count); ask "
                           "for fewer",
                           MAX_TERMS);
    return q->query.n_words ? 0 : aiex_failed(err, -EINVAL, "the query has no word in it");
}

/* ---- Postings ---- */

static void take_posting(void *arg, const struct row_seen *row)
{
    struct search *q = arg;
    struct posting p = {0, 0};

    if (row->key.len < 10 || row->value.len != 4 || row->key.data[row->key.len - 9] != 0)
        return;
    if (q->n_page == q->cap_page) {
        size_t cap = q->cap_page ? q->cap_page * 2 : 256;
        struct posting *more = realloc(q->page, cap * sizeof(*more));

        if (!more) {
            q->no_memory = 1;
            return;
        }
        q->page = more;
        q->cap_page = cap;
    }
    p.doc = (int64_t)aiex_r_be(row->key.data + row->key.len - 8, 8);
    p.tf = (uint32_t)aiex_r_be(row->value.data, 4);
    q->page[q->n_page++] = p;
}

static int on_part(struct aiex_ask *a, struct aiex_slice part)
{
    struct search *q = ((struct work *)a->arg)->search;

    if (part.data)
        rows_each(part, take_posting, q);
    else
        q->n_page = 0;
    return 0;
}

static uint32_t *slot_of(struct search *q, int64_t doc)
{
    for (uint64_t at = (uint64_t)doc >> 8;; at++) {
        uint32_t *slot = &q->slots[at & (q->n_slots - 1)];

        if (!*slot || q->docs[*slot - 1].doc == doc)
            return slot;
    }
}

static int grow(struct search *q)
{
    uint32_t cap = q->cap_docs ? q->cap_docs * 2 : 256;
    struct candidate_doc *docs = realloc(q->docs, cap * sizeof(*docs));
    uint32_t *slots = docs ? calloc(cap * 2, sizeof(*slots)) : NULL;

    if (docs)
        q->docs = docs;
    if (!slots)
        return -ENOMEM;
    free(q->slots);
    q->slots = slots;
    q->n_slots = cap * 2;
    q->cap_docs = cap;
    for (uint32_t i = 0; i < q->n_docs; i++)
        *slot_of(q, q->docs[i].doc) = i + 1;
    return 0;
}

static void count_posting(struct candidate_doc *d, const struct term *t, uint32_t tf)
{
    uint16_t *counts[] = {&d->written[t->word], &d->forms[t->word]};

    for (unsigned i = 0; i < 2; i++)
        if (t->what & (1u << i))
            *counts[i] = tf > (uint32_t)UINT16_MAX - *counts[i] ? UINT16_MAX
                                                                : (uint16_t)(*counts[i] + tf);
}

static void add_posting(struct context *c, struct search *q, const struct posting *p)
{
    const struct entry *e = index_doc(&c->index, p->doc);
    uint32_t *slot;

    if (!e || !entry_is_live(e))
        return;
    if (q->n_docs == q->cap_docs && grow(q) < 0) {
        q->no_memory = 1;
        return;
    }
    slot = slot_of(q, p->doc);
    if (!*slot) {
        if (q->n_docs == MAX_CANDIDATES) {
            q->partial = 1;
            return;
        }
        memset(&q->docs[q->n_docs], 0, sizeof(q->docs[0]));
        q->docs[q->n_docs].doc = p->doc;
        *slot = ++q->n_docs;
    }
    count_posting(&q->docs[*slot - 1], &q->query.terms[q->at], p->tf);
}

static int keep_token(struct search *q, struct aiex_slice next)
{
    free(q->token);
    q->token = next.len ? malloc(next.len) : NULL;
    q->token_len = q->token ? next.len : 0;
    if (q->token)
        memcpy(q->token, next.data, next.len);
    return next.len && !q->token ? -ENOMEM : 0;
}

/* ---- Ranking ---- */

static int by_score(const void *a, const void *b)
{
    const struct candidate_doc *x = a, *y = b;
    int r;

    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    if (!x->e || !y->e)
        return (y->e != NULL) - (x->e != NULL);
    r = memcmp(x->e->id, y->e->id, x->e->id_len < y->e->id_len ? x->e->id_len : y->e->id_len);
    return r ? r : (int)x->e->id_len - (int)y->e->id_len;
}

/* Entries that were put before there were stems have no forms besides what is written. */
static unsigned forms_of(const struct candidate_doc *d, unsigned word)
{
    return d->forms[word] > d->written[word] ? d->forms[word] : d->written[word];
}

static int has_all(const struct search *q, const struct candidate_doc *d)
{
    for (unsigned i = 0; i < q->query.n_words; i++)
        if (q->query.words[i].needed && !forms_of(d, i))
            return 0;
    return 1;
}

/* Hashes may be equal by chance: the rows are compared as well. */
static int is_wanted(const struct context *c, const struct search *q, const struct entry *e)
{
    return (!q->kind[0] || strcmp(c->kinds[e->kind], q->kind) == 0) &&
           (!q->session[0] || e->session == index_hash(&c->index, q->session)) &&
           (!q->project[0] || e->project == index_hash(&c->index, q->project));
}

static void rank(struct context *c, struct search *q)
{
    double average = c->index.n_live ? (double)c->index.length / (double)c->index.n_live : 0;
    double weights[MAX_TERMS];
    uint32_t kept = 0;

    for (uint32_t i = 0; i < q->n_docs; i++) {
        struct candidate_doc *d = &q->docs[i];

        d->e = index_doc(&c->index, d->doc);
        for (unsigned t = 0; d->e && t < q->query.n_words; t++)
            q->query.words[t].df += forms_of(d, t) != 0;
    }
    for (unsigned t = 0; t < q->query.n_words; t++)
        weights[t] = rank_weight(c->index.n_live, q->query.words[t].df);
    for (uint32_t i = 0; i < q->n_docs; i++) {
        struct candidate_doc *d = &q->docs[i];

        if (!d->e || !is_wanted(c, q, d->e) || (q->all && !has_all(q, d)))
            continue;
        for (unsigned t = 0; t < q->query.n_words; t++)
            d->score += rank_term(weights[t], (forms_of(d, t) + d->written[t]) / 2.0, d->e->length,
                                  average);
        q->docs[kept++] = *d;
    }
    q->n_docs = kept;
    if (kept)
        qsort(q->docs, kept, sizeof(q->docs[0]), by_score);
}

/* ---- Hits ---- */

struct hit {
    const struct row *row;
    const struct snippet *snippet; /* or NULL */
    double score;
};

static void write_hit(struct aiex_writer *w, const void *arg)
{
    const struct hit *h = arg;

    aiex_w_map(w, ROW_SHOWN + 1 + (h->snippet ? SNIPPET_SHOWN : 0));
    aiex_w_key_real(w, "score", h->score);
    if (h->snippet)
        snippet_write(w, h->snippet);
    row_show(w, h->row);
}

static int keep_hit(struct search *q, const struct row *row, const struct snippet *snippet,
                    double score)
{
    const struct hit h = {row, snippet, score};
    uint8_t mem[8192];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    write_hit(&w, &h);
    if (q->hits_len + w.len > q->hits_cap) {
        size_t cap = q->hits_cap ? q->hits_cap * 2 + w.len : 16384;
        uint8_t *more = realloc(q->hits, cap);

        if (!more)
            return -ENOMEM;
        q->hits = more;
        q->hits_cap = cap;
    }
    memcpy(q->hits + q->hits_len, mem, w.len);
    q->hits_len += w.len;
    q->n_hits++;
    return 0;
}

static void write_answer(struct aiex_writer *w, const void *arg)
{
    const struct search *q = arg;

    aiex_w_map(w, 3);
    aiex_w_str(w, "entries");
    aiex_w_array(w, q->n_hits);
    aiex_w_raw(w, q->hits, q->hits_len);
    aiex_w_key_int(w, "found", q->n_docs);
    aiex_w_key_bool(w, "partial", q->partial);
}

/* ---- Why it was found ---- */

static void next_hit(struct work *w, const struct row *row, const struct snippet *snippet)
{
    struct search *q = w->search;

    if (keep_hit(q, row, snippet, q->docs[q->look - 1].score) < 0)
        work_fail(w, AIEX_E_BUSY, "no memory for what was found");
    else
        look_begin(w);
}

static void on_text(struct work *w, struct aiex_slice text)
{
    struct search *q = w->search;
    struct aiex_slice content = {NULL, 0};
    struct snippet snippet;

    if (text.data && aiex_get_bytes(text, "content", &content) == 1)
        snippet_make(content, (size_t)q->snippet, query_match, &q->query, &snippet);
    next_hit(w, &q->row, content.data ? &snippet : NULL);
}

static void on_row(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->arg;
    struct search *q = w->search;
    const struct candidate_doc *d = &q->docs[q->look++];
    struct aiex_slice value = {NULL, 0};
    struct row row;

    if (end->code)
        work_store_failed(w, end, "the entries could not be read");
    else if (aiex_get_bytes(end->body, "value", &value) != 1 || row_read(value, 0, &row) != 0 ||
             row.doc != d->doc || row_is_over(&row) ||
             (q->session[0] && strcmp(q->session, row.session) != 0) ||
             (q->project[0] && strcmp(q->project, row.project) != 0))
        look_begin(w);
    else if (!q->snippet)
        next_hit(w, &row, NULL);
    else
        fetch(w, (q->row = row).doc, row.expires, on_text);
}

static void look_begin(struct work *w)
{
    struct context *c = w->c;
    struct search *q = w->search;
    const struct entry *e = NULL;

    while (q->look < q->n_docs && q->n_hits < q->limit) {
        e = index_doc(&c->index, q->docs[q->look].doc);
        if (e && entry_is_live(e))
            break;
        q->look++; /* meanwhile it went */
        e = NULL;
    }
    if (!e) {
        c->count.searches++;
        c->count.partial += q->partial != 0;
        work_reply(w, write_answer, q);
        return;
    }
    w->ask.end = on_row;
    w->ask.part = NULL;
    ask_row(&w->ask, "context_entry", e->id, e->id_len);
}

/* ---- Word by word ---- */

static void on_page(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct work *w = a->arg;
    struct search *q = w->search;
    struct aiex_slice next = {NULL, 0};
    int is_end = 1;

    if (end->code) {
        work_store_failed(w, end, "the postings could not be read");
        return;
    }
    for (size_t i = 0; i < q->n_page; i++)
        add_posting(w->c, q, &q->page[i]);
    q->read += (int64_t)q->n_page;
    aiex_get_bool(end->body, "end", &is_end);
    aiex_get_bytes(end->body, "next", &next);
    if (q->no_memory || keep_token(q, is_end ? (struct aiex_slice){NULL, 0} : next) < 0) {
        work_fail(w, AIEX_E_BUSY, "no memory for the search");
        return;
    }
    if (q->read >= w->c->config->max_postings && (q->token || q->at + 1 < q->query.n_terms)) {
        q->partial = 1;
        q->at = q->query.n_terms;
    } else if (!q->token) {
        q->at++;
    }
    term_begin(w);
}

static void term_begin(struct work *w)
{
    struct search *q = w->search;
    const struct term *t = &q->query.terms[q->at];
    uint8_t from[WORD_MAX + 2], to[WORD_MAX + 2];
    struct range r = {
        .table = "context_posting", .token = {q->token, q->token_len}, .limit = PAGE_ROWS};

    if (q->at == q->query.n_terms) {
        rank(w->c, q);
        look_begin(w);
        return;
    }
    memcpy(from, t->text, t->len);
    memcpy(to, t->text, t->len);
    from[t->len] = 0;
    to[t->len] = 1;
    if (t->prefix)
        to[t->len - 1]++; /* never 255: it is UTF-8 */
    r.from = (struct aiex_slice){from, t->len + !t->prefix};
    r.to = (struct aiex_slice){to, t->len + !t->prefix};
    q->n_page = 0;
    w->ask.part = on_part;
    w->ask.end = on_page;
    w->ask.late = NULL;
    ask_by(&w->ask, "store.range", write_range, &r);
}

int search_take(void *self, const struct aiex_message *m)
{
    struct context *c = self;
    struct aiex_error err = {""};
    struct work *w;

    if (c->count.searching >= MAX_SEARCHES)
        return aiex_refuse(c->host, m->id, AIEX_E_BUSY, "%u searches run already", MAX_SEARCHES);
    w = work_new(c, m, sizeof(struct search));
    if (!w)
        return 0;
    c->count.searching++;
    w->done = search_done;
    if (read_query(w, &err) < 0)
        work_fail(w, AIEX_E_INVALID, "%s", err.text);
    else
        work_go(w, term_begin);
    return 0;
}
