/* metrics.c - see aiex_metrics.h. */
#include "aiex_metrics.h"
#include "aiex_service.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT  (256u << 10)
#define MAX_LABEL 256u

int aiex_metrics_join(const struct aiex_host *host)
{
    return host->join(host, AIEX_METRICS_GROUP, AIEX_NAME_GROUP);
}

void aiex_metrics_begin(struct aiex_metrics *m, const struct aiex_host *host)
{
    *m = (struct aiex_metrics){.host = host};
}

static int grow(struct aiex_metrics *m, size_t more)
{
    size_t cap = m->cap ? m->cap : 4096;
    char *text;

    while (cap < m->len + more + 1)
        cap *= 2;
    if (cap == m->cap)
        return 0;
    text = realloc(m->text, cap);
    if (!text) {
        m->failed = 1;
        return -1;
    }
    m->text = text;
    m->cap = cap;
    return 0;
}

__attribute__((format(printf, 2, 3))) static void put(struct aiex_metrics *m, const char *format,
                                                      ...)
{
    char line[2048];
    va_list ap;
    int n;

    va_start(ap, format);
    n = vsnprintf(line, sizeof(line), format, ap);
    va_end(ap);
    if (n <= 0 || (size_t)n >= sizeof(line) || m->failed || m->len + (size_t)n > MAX_TEXT ||
        grow(m, (size_t)n) < 0)
        return;
    memcpy(m->text + m->len, line, (size_t)n + 1);
    m->len += (size_t)n;
}

void aiex_metrics_family(struct aiex_metrics *m, const char *name, const char *type,
                         const char *help)
{
    m->family = name;
    put(m, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Quotes, backslashes and line ends escaped; other control bytes become '?'. */
static const char *escaped(const char *from, char out[MAX_LABEL])
{
    size_t n = 0;

    for (; *from && n + 3 < MAX_LABEL; from++) {
        int special = *from == '"' || *from == '\\' || *from == '\n';

        if (special)
            out[n++] = '\\';
        out[n++] = *from == '\n' ? 'n' : !special && (unsigned char)*from < 32 ? '?' : *from;
    }
    out[n] = 0;
    return out;
}

void aiex_metrics_sample(struct aiex_metrics *m, const char *const *labels, double value)
{
    char all[1024], one[MAX_LABEL];
    size_t n;

    n = (size_t)snprintf(all, sizeof(all), "plugin=\"%s\"", escaped(m->host->instance, one));
    for (; labels && labels[0] && labels[1] && n < sizeof(all); labels += 2)
        n += (size_t)snprintf(all + n, sizeof(all) - n, ",%s=\"%s\"", labels[0],
                              escaped(labels[1], one));
    if (n < sizeof(all))
        put(m, "%s{%s} %.15g\n", m->family, all, value);
}

void aiex_metrics_one(struct aiex_metrics *m, const char *name, const char *type, const char *help,
                      double value)
{
    aiex_metrics_family(m, name, type, help);
    aiex_metrics_sample(m, NULL, value);
}

static void write_text(struct aiex_writer *w, const void *arg)
{
    const struct aiex_metrics *m = arg;

    aiex_w_map(w, 1);
    aiex_w_key_strn(w, "text", m->text ? m->text : "", m->len);
}

int aiex_metrics_reply(struct aiex_metrics *m, uint64_t id)
{
    int r = m->failed ? aiex_refuse(m->host, id, AIEX_E_BUSY, "no memory for the numbers")
                      : aiex_reply_by(m->host, id, write_text, m);

    aiex_metrics_done(m);
    return r;
}

void aiex_metrics_done(struct aiex_metrics *m)
{
    free(m->text);
    m->text = NULL;
    m->len = m->cap = 0;
}
