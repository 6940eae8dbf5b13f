/* mask.c - blanks out comments and strings, so that what is left is structure. */
#include "scan.h"

#include <stdlib.h>
#include <string.h>

struct mask {
    const struct language *l;
    const char *text;
    char *out;
    size_t at, len;
};

static int looking_at(const struct mask *m, const char *what)
{
    size_t n = strlen(what);

    return m->at + n <= m->len && memcmp(m->text + m->at, what, n) == 0;
}

static void blank_one(struct mask *m)
{
    if (m->out[m->at] != '\n')
        m->out[m->at] = ' ';
    m->at++;
}

static void blank_to(struct mask *m, const char *stop)
{
    while (m->at < m->len && !looking_at(m, stop))
        blank_one(m);
}

static void blank_n(struct mask *m, size_t n)
{
    while (n-- && m->at < m->len)
        blank_one(m);
}

static int line_comment(const struct mask *m)
{
    const char *list = m->l->line_comments;

    if (strstr(list, " // ") && looking_at(m, "//"))
        return 1;
    /* in a shell "$#" and "a#b" are no comments */
    return strstr(list, " # ") && looking_at(m, "#") &&
           (m->at == 0 || !is_word(m->text[m->at - 1])) &&
           (m->at == 0 || m->text[m->at - 1] != '$');
}

/* 'x' is a character, 'a in Rust a lifetime: without a second quote near by it is no string. */
static int is_quote(const struct mask *m)
{
    char c = m->text[m->at];

    if (!strchr(m->l->quotes, c) || !c)
        return 0;
    if (c != '\'' || strcmp(m->l->name, "Rust") != 0)
        return 1;
    return looking_at(m, "'\\") || (m->at + 2 < m->len && m->text[m->at + 2] == '\'');
}

/* A string ends at its line's end unless it is a backquote. */
static void blank_string(struct mask *m)
{
    char quote = m->text[m->at];

    blank_one(m);
    while (m->at < m->len && m->text[m->at] != quote) {
        if (m->text[m->at] == '\n' && quote != '`' && strcmp(m->l->name, "shell") != 0)
            return;
        if (m->text[m->at] == '\\')
            blank_one(m);
        if (m->at < m->len)
            blank_one(m);
    }
    blank_n(m, 1);
}

char *mask_text(const struct language *l, const char *text, size_t len)
{
    struct mask m = {l, text, malloc(len + 1), 0, len};

    if (!m.out)
        return NULL;
    memcpy(m.out, text, len);
    m.out[len] = 0;
    while (m.at < len) {
        if (line_comment(&m)) {
            blank_to(&m, "\n");
        } else if (l->block_comments && looking_at(&m, "/*")) {
            blank_n(&m, 2);
            blank_to(&m, "*/");
            blank_n(&m, 2);
        } else if (l->triple && (looking_at(&m, "\"\"\"") || looking_at(&m, "'''"))) {
            const char *stop = text[m.at] == '"' ? "\"\"\"" : "'''";

            blank_n(&m, 3);
            blank_to(&m, stop);
            blank_n(&m, 3);
        } else if (is_quote(&m)) {
            blank_string(&m);
        } else {
            m.at++;
        }
    }
    return m.out;
}
