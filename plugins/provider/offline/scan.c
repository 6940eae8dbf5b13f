/*
 * scan.c - finds definitions line by line. Languages with keywords ("def", "fn") are
 * found by them; C, C++, Java, methods of JavaScript and shell functions by their
 * shape: a name, arguments in parentheses, then an opening brace.
 */
#include "scan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SIGNATURE 4096u                /* bytes between the name and the brace */
#define MAX_WORK      (8u * 1024u * 1024u) /* bytes looked at for the ends of definitions */

static size_t line_end(struct source *s, size_t at)
{
    const char *lf = at < s->len ? memchr(s->masked + at, '\n', s->len - at) : NULL;

    return lf ? (size_t)(lf - s->masked) : s->len;
}

static size_t skip_blanks(struct source *s, size_t at, size_t end)
{
    while (at < end && (s->masked[at] == ' ' || s->masked[at] == '\t' || s->masked[at] == '\r'))
        at++;
    return at;
}

static size_t indent_of(struct source *s, size_t line)
{
    return skip_blanks(s, line, line_end(s, line)) - line;
}

static size_t word_end(struct source *s, size_t at, size_t end)
{
    while (at < end && is_word(s->masked[at]))
        at++;
    return at;
}

/* Ends are searched from every definition: hostile nesting must not cost the square of the text.
 * 1 = go on. */
static int work(struct source *s, size_t bytes)
{
    if (s->work > MAX_WORK)
        return 0;
    s->work += bytes;
    return 1;
}

/* Behind the bracket that closes the one at `at`, within `limit` bytes; 0 = not closed. */
static size_t closing(struct source *s, size_t at, char open, char close, size_t limit)
{
    size_t depth = 0, from = at, end = s->len - at < limit ? s->len : at + limit;

    for (; at < end; at++) {
        if (s->masked[at] == open)
            depth++;
        else if (s->masked[at] == close && --depth == 0)
            break;
    }
    return work(s, at - from) && at < end ? at + 1 : 0;
}

/* ---- Where a definition ends ---- */

/* Sets body and end from the first brace at or behind `from`; 0 when a ';' comes first. */
static int end_by_braces(struct source *s, struct definition *d, size_t from)
{
    size_t at = from, limit = s->len - from < MAX_SIGNATURE ? s->len : from + MAX_SIGNATURE;
    size_t end;

    while (at < limit && s->masked[at] != '{' && s->masked[at] != ';') {
        if (s->masked[at] == '(') {
            end = closing(s, at, '(', ')', MAX_SIGNATURE);
            if (!end)
                return 0;
            at = end;
        } else {
            at++;
        }
    }
    if (at >= limit || s->masked[at] == ';')
        return 0;
    d->body = at;
    end = closing(s, at, '{', '}', s->len);
    d->end = end ? end : s->len;
    return 1;
}

static void end_by_indent(struct source *s, struct definition *d, size_t line)
{
    size_t indent = indent_of(s, line), at = line_end(s, line), depth = 0;

    /* the signature may go over lines while a parenthesis is open */
    for (size_t i = line; i < s->len && (i < at || depth); i++) {
        depth += s->masked[i] == '(';
        depth -= s->masked[i] == ')' && depth;
        if (i >= at)
            at = line_end(s, i);
    }
    d->body = d->end = at;
    while (at < s->len && work(s, 80)) {
        size_t next = at + 1, stop = line_end(s, next);
        /* a line of a doc string is blank here and inside anyway */
        if (skip_blanks(s, next, stop) != stop && indent_of(s, next) <= indent)
            return;
        if (skip_blanks(s, next, stop) != stop)
            d->end = stop;
        at = stop;
    }
}

static void end_by_end(struct source *s, struct definition *d, size_t line)
{
    size_t indent = indent_of(s, line), at = line_end(s, line);

    d->body = d->end = at;
    if (memmem(s->masked + line, at - line, "do:", 3))
        return;
    while (at < s->len && work(s, 80)) {
        size_t next = at + 1, stop = line_end(s, next), word = skip_blanks(s, next, stop);

        if (word - next == indent && stop - word >= 3 && memcmp(s->masked + word, "end", 3) == 0 &&
            (stop - word == 3 || !is_word(s->masked[word + 3]))) {
            d->end = stop;
            return;
        }
        at = stop;
    }
}

static void end_of_macro(struct source *s, struct definition *d, size_t line)
{
    size_t at = line_end(s, line);

    while (at < s->len && at > line && s->text[at - 1] == '\\')
        at = line_end(s, at + 1);
    d->body = d->name + d->name_len;
    d->end = at;
}

/* ---- What a line defines ---- */

static const struct keyword *keyword_at(const struct language *l, const char *word, size_t len)
{
    for (const struct keyword *k = l->words; k->word; k++)
        if (strlen(k->word) == len && memcmp(k->word, word, len) == 0)
            return k;
    return NULL;
}

/* A word with the signs that some keywords have: "#define", "function*", "macro_rules!". */
static size_t token_end(struct source *s, size_t at, size_t end)
{
    size_t from = at;

    if (at < end && s->masked[at] == '#')
        at++;
    at = word_end(s, at, end);
    if (at < end && at > from && (s->masked[at] == '!' || s->masked[at] == '*'))
        return keyword_at(s->language, s->masked + from, at + 1 - from) ? at + 1 : at;
    if (at + 1 < end && s->masked[at] == '(' && at - from == 3 &&
        memcmp(s->masked + from, "pub", 3) == 0) {
        const char *close = memchr(s->masked + at, ')', end - at);

        return close ? (size_t)(close - s->masked) + 1 : at;
    }
    return at;
}

/* "const f = (a) => {" and "let f = function" are functions, other variables are not. */
static int is_function_value(struct source *s, size_t at, size_t end)
{
    return memmem(s->masked + at, end - at, "=>", 2) ||
           memmem(s->masked + at, end - at, "function", 8);
}

/* "type T = string", "const f = x => x + 1": no brace, and nothing stays open. */
static int ends_on_its_line(struct source *s, size_t at, size_t stop)
{
    int open = 0;

    for (; at < stop; at++) {
        if (s->masked[at] == '{')
            return 0;
        open += (s->masked[at] == '(') - (s->masked[at] == ')');
    }
    return open <= 0;
}

static int finish_keyword(struct source *s, struct definition *d, size_t line, size_t stop,
                          const struct keyword *k)
{
    if (strcmp(k->word, "#define") == 0) {
        end_of_macro(s, d, line);
        return 1;
    }
    if (language_list_has(" const let var ", k->word, strlen(k->word)) &&
        !is_function_value(s, d->name, stop))
        return 0;
    if (language_list_has(" const let var type ", k->word, strlen(k->word)) &&
        ends_on_its_line(s, d->name, stop)) {
        d->body = d->end = stop;
        return 1;
    }
    if (s->language->extent == BY_INDENT)
        end_by_indent(s, d, line);
    else if (s->language->extent == BY_END)
        end_by_end(s, d, line);
    else if (!end_by_braces(s, d, d->name)) {
        if (!strstr(" Rust Go TypeScript JavaScript ", s->language->name))
            return 0; /* a declaration only */
        d->body = d->end = stop;
    }
    return 1;
}

static int by_keyword(struct source *s, size_t line, size_t stop, struct definition *d)
{
    const struct keyword *k = NULL;
    size_t at = skip_blanks(s, line, stop), end;

    d->start = at;
    for (; at < stop && !k; at = skip_blanks(s, end, stop)) {
        end = token_end(s, at, stop);
        if (end == at)
            return 0;
        k = keyword_at(s->language, s->masked + at, end - at);
        if (!k && !language_list_has(s->language->modifiers, s->masked + at, end - at))
            return 0;
    }
    if (!k)
        return 0;
    if (at < stop && s->masked[at] == '(') { /* the receiver of a Go method */
        end = closing(s, at, '(', ')', stop - at);
        at = end ? skip_blanks(s, end, stop) : stop;
    }
    if (at < stop && s->masked[at] == '<' && strcmp(k->word, "impl") == 0) {
        end = closing(s, at, '<', '>', stop - at);
        at = end ? skip_blanks(s, end, stop) : stop;
    }
    end = word_end(s, at, stop);
    while (end > at && end + 1 < stop && s->masked[end] == '.' && is_word(s->masked[end + 1]))
        end = word_end(s, end + 1, stop); /* Elixir: Some.Module, Ruby: self.name */
    if (end < stop && end > at && (s->masked[end] == '?' || s->masked[end] == '!') &&
        s->language->extent == BY_END)
        end++;
    if (end == at)
        return 0;
    d->name = at;
    d->name_len = end - at;
    d->kind = k->kind;
    return finish_keyword(s, d, line, stop, k);
}

static const char *const not_names = " if for while switch return sizeof catch else do new throw "
                                     "defined function typeof await case synchronized until elif ";

/* Only what may stand before the name of a function: types, stars, modifiers. */
static int is_type(struct source *s, size_t from, size_t to)
{
    size_t words = 0;

    for (size_t at = from; at < to;) {
        if (is_word(s->masked[at])) {
            size_t end = word_end(s, at, to);

            if (language_list_has(" return else new throw case goto typedef ", s->masked + at,
                                  end - at))
                return -1;
            words++;
            at = end;
        } else if (strchr(" \t*&:<>,~[]@", s->masked[at])) {
            at++;
        } else {
            return -1;
        }
    }
    return words > 0;
}

/* Between the arguments and the body: "const", "throws X", ": type", ": a(b)", "-> type". */
static int reaches_brace(struct source *s, size_t at)
{
    size_t limit = s->len - at < MAX_SIGNATURE ? s->len : at + MAX_SIGNATURE;

    for (; at < limit; at++) {
        if (s->masked[at] == '{')
            return 1;
        if (!is_word(s->masked[at]) && !strchr(" \t\r\n:,<>[]()&*-|?.", s->masked[at]))
            return 0;
    }
    return 0;
}

static int by_shape(struct source *s, size_t line, size_t stop, size_t depth, struct definition *d)
{
    size_t at = skip_blanks(s, line, stop), paren, end, name;
    unsigned shapes = s->language->shapes;
    int typed;

    if (!shapes || (depth && !(shapes & SHAPE_INSIDE)) || at == stop || s->masked[at] == '#')
        return 0;
    for (paren = at; paren < stop && s->masked[paren] != '('; paren++)
        ;
    for (end = paren; end > at && s->masked[end - 1] == ' '; end--)
        ;
    for (name = end; name > at && is_word(s->masked[name - 1]); name--)
        ;
    if (paren == stop || name == end || language_list_has(not_names, s->masked + name, end - name))
        return 0;
    typed = is_type(s, at, name);
    if (typed < 0 ||
        (!typed && !(shapes & SHAPE_NO_TYPE) && depth == 0 && !strstr(s->language->name, "+")))
        return 0;
    end = closing(s, paren, '(', ')', MAX_SIGNATURE);
    if (!end || !reaches_brace(s, end))
        return 0;
    d->start = at;
    d->name = name;
    d->name_len = word_end(s, name, stop) - name;
    d->kind = depth ? "method" : "function";
    return end_by_braces(s, d, end);
}

/* ---- The comment above ---- */

static size_t line_before(struct source *s, size_t line)
{
    size_t at = line - 1;

    while (at > 0 && s->text[at - 1] != '\n')
        at--;
    return at;
}

/* A line that is part of a comment or an attribute. Its masked form is blank, or begins with @ #[.
 */
static int belongs_above(struct source *s, size_t line, size_t end)
{
    size_t at = skip_blanks(s, line, end), raw = line;

    while (raw < end && (s->text[raw] == ' ' || s->text[raw] == '\t' || s->text[raw] == '\r'))
        raw++;
    if (raw == end)
        return 0;
    return at == end || s->masked[at] == '@' || (s->masked[at] == '#' && s->masked[at + 1] == '[');
}

static void find_doc(struct source *s, struct definition *d, size_t line)
{
    d->doc = d->start;
    while (line > 0) {
        size_t above = line_before(s, line);

        if (!belongs_above(s, above, line - 1))
            return;
        d->doc = above;
        line = above;
    }
}

/* ---- The walk ---- */

static int add(struct source *s, const struct definition *d)
{
    struct definition *grown;

    if (s->n_defs == SCAN_MAX_DEFS)
        return 0;
    if ((s->n_defs & 15) == 0) {
        grown = realloc(s->defs, (s->n_defs + 16) * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        s->defs = grown;
    }
    s->defs[s->n_defs++] = *d;
    return 0;
}

static size_t count_lines(struct source *s, size_t from, size_t to)
{
    size_t n = 0;

    work(s, to - from);
    for (size_t i = from; i < to; i++)
        n += s->text[i] == '\n';
    return n;
}

static int walk(struct source *s)
{
    size_t depth = 0, line_no = 1, next;
    int r = 0;

    for (size_t line = 0; line < s->len && r == 0; line = next, line_no++) {
        struct definition d = {.kind = NULL};
        size_t stop = line_end(s, line);

        next = stop + 1;
        if (by_keyword(s, line, stop, &d) || by_shape(s, line, stop, depth, &d)) {
            d.first_line = line_no;
            d.last_line = line_no + count_lines(s, line, d.end);
            find_doc(s, &d, line);
            r = add(s, &d);
        }
        for (size_t i = line; i < stop; i++) {
            depth += s->masked[i] == '{';
            depth -= s->masked[i] == '}' && depth;
        }
    }
    return r;
}

int source_init(struct source *s, const char *text, size_t len, const struct language *language,
                const char *label)
{
    *s = (struct source){.text = text, .len = len < SCAN_MAX_BYTES ? len : SCAN_MAX_BYTES};
    snprintf(s->label, sizeof(s->label), "%s", label);
    s->language = language ? language : language_of_text(text, s->len);
    if (!s->language)
        return 0;
    s->masked = mask_text(s->language, text, s->len);
    return s->masked ? walk(s) : -ENOMEM;
}

void source_done(struct source *s)
{
    free(s->masked);
    free(s->defs);
    s->masked = NULL;
    s->defs = NULL;
    s->n_defs = 0;
}
