/*
 * caller.c - who asks and how, from the head of the request.
 *
 * The key is taken from where the vendors' clients put it: `authorization: Bearer`,
 * `x-api-key`, `api-key`, or the password of `authorization: Basic`. It is passed on as it
 * came; the gateway alone judges it. One walk over the headers finds everything.
 */
#include "session.h"
#include "tls.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define SECRET_BYTES  4096 /* a longer key is no key */
#define BASIC_BYTES   512
#define SESSION_BYTES 256
#define BETA_BYTES    512
#define MAX_TAGS      14                   /* and one of a client certificate */
#define TAG_BYTES     64                   /* of a name, and of a value */
#define CERTIFIED     "client_certificate" /* the tag of one */

/* The headers that matter, NULL where there is none. */
struct wishes {
    const char *authorization, *x_api_key, *api_key;
    const char *session, *tags, *cache, *cache_control, *betas;
    int forwarded;
};

/* What proxies add when they speak for others. */
static int says_forwarded(const char *name)
{
    switch (*name) {
    case 'x':
        return strncmp(name, "x-forwarded-", 12) == 0 || strcmp(name, "x-real-ip") == 0;
    case 'f':
        return strcmp(name, "forwarded") == 0;
    case 'v':
        return strcmp(name, "via") == 0;
    default:
        return 0;
    }
}

static void note(struct wishes *w, const struct aiex_http_header *h)
{
    static const struct {
        const char *name;
        size_t at;
    } wanted[] = {
        {"authorization", offsetof(struct wishes, authorization)},
        {"x-api-key", offsetof(struct wishes, x_api_key)},
        {"api-key", offsetof(struct wishes, api_key)},
        {"x-aiex-session", offsetof(struct wishes, session)},
        {"x-aiex-tags", offsetof(struct wishes, tags)},
        {"x-aiex-cache", offsetof(struct wishes, cache)},
        {"cache-control", offsetof(struct wishes, cache_control)},
        {"anthropic-beta", offsetof(struct wishes, betas)},
    };

    if (!strchr("axcfv", h->name[0]))
        return;
    w->forwarded |= says_forwarded(h->name);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        const char **field = (const char **)(void *)((char *)w + wanted[i].at);

        if (*h->name == *wanted[i].name && !*field && strcmp(h->name, wanted[i].name) == 0)
            *field = h->value;
    }
}

static void read_head(const struct conn *c, struct wishes *w)
{
    const struct aiex_http1_head *head = aiex_http1_head(c->parser);

    memset(w, 0, sizeof(*w));
    for (size_t i = 0; i < head->n_headers; i++)
        note(w, &head->headers[i]);
}

/* ---- The key ---- */

/* Behind "Bearer ", or NULL. */
static const char *behind_scheme(const char *value, const char *scheme)
{
    size_t n = strlen(scheme);

    if (!value || strncasecmp(value, scheme, n) != 0 || value[n] != ' ')
        return NULL;
    return value + n + strspn(value + n, " ");
}

static int base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* The password in "dXNlcjpwYXNz", 0-terminated; "" when there is none. */
static void basic_password(const char *text, char *out, size_t size)
{
    unsigned bits = 0, n_bits = 0;
    size_t n = 0;
    char *colon;

    for (; base64_value(*text) >= 0 && n + 1 < size; text++) {
        bits = bits << 6 | (unsigned)base64_value(*text);
        n_bits += 6;
        if (n_bits >= 8)
            out[n++] = (char)(bits >> (n_bits -= 8));
    }
    out[n] = 0;
    colon = *text == 0 || *text == '=' ? memchr(out, ':', n) : NULL;
    if (colon)
        memmove(out, colon + 1, n - (size_t)(colon - out));
    else
        out[0] = 0;
}

/* The key as the client sent it; `mem` holds one that had to be decoded. */
static struct aiex_slice find_key(const struct wishes *w, char *mem, size_t size)
{
    const char *basic = behind_scheme(w->authorization, "Basic");
    const char *key = behind_scheme(w->authorization, "Bearer");

    if ((!key || !*key) && w->x_api_key)
        key = w->x_api_key;
    if ((!key || !*key) && w->api_key)
        key = w->api_key;
    if ((!key || !*key) && basic) {
        basic_password(basic, mem, size);
        key = mem;
    }
    return (struct aiex_slice){(const uint8_t *)key, key ? strnlen(key, SECRET_BYTES) : 0};
}

/* Whoever reaches a unix socket of this machine is its operator, unless he says that he speaks for
 * others, as proxies do, or the configuration wants a key from everybody. */
static int is_operator(const struct conn *c, const struct wishes *w)
{
    return c->local && !w->forwarded &&
           c->server->config->authentication != AUTHENTICATION_REQUIRED;
}

static uint32_t write_identity(const struct conn *c, const struct wishes *wishes,
                               struct aiex_writer *w)
{
    const struct server *s = c->server;
    struct aiex_slice key;
    char mem[BASIC_BYTES];
    uint32_t n = 2;

    key = find_key(wishes, mem, sizeof(mem));
    aiex_w_key_str(w, "interface", s->host->instance);
    aiex_w_key_str(w, "address", c->peer);
    if (key.len) {
        aiex_w_key_strn(w, "credential", (const char *)key.data, key.len);
        n++;
    }
    if (is_operator(c, wishes)) {
        aiex_w_key_bool(w, "local", 1);
        n++;
    }
    if (s->config->authentication == AUTHENTICATION_REQUIRED) {
        aiex_w_key_bool(w, "demand_key", 1);
        n++;
    }
    if (key.data == (const uint8_t *)mem)
        explicit_bzero(mem, sizeof(mem));
    return n;
}

uint32_t caller_identity(const struct conn *c, struct aiex_writer *w)
{
    struct wishes wishes;

    read_head(c, &wishes);
    return write_identity(c, &wishes, w);
}

/* ---- Wishes ---- */

struct tag {
    const char *name, *value;
    size_t n_name, n_value;
};

static size_t trimmed(const char **text, size_t n)
{
    while (n && (**text == ' ' || **text == '\t')) {
        (*text)++;
        n--;
    }
    while (n && ((*text)[n - 1] == ' ' || (*text)[n - 1] == '\t'))
        n--;
    return n;
}

/* What only the server may say of a client. */
static int is_claim(const struct tag *t)
{
    return t->n_name == sizeof(CERTIFIED) - 1 && memcmp(t->name, CERTIFIED, t->n_name) == 0;
}

/* "a=b, c=d"; what has no name, or is too long, is left out. */
static size_t read_tags(const char *text, struct tag *tags)
{
    size_t n = 0;

    while (text && *text && n < MAX_TAGS) {
        size_t len = strcspn(text, ","), n_name = strcspn(text, "=,");
        struct tag *t = &tags[n];

        t->name = text;
        t->n_name = trimmed(&t->name, n_name);
        t->value = n_name < len ? text + n_name + 1 : text + len;
        t->n_value = trimmed(&t->value, n_name < len ? len - n_name - 1 : 0);
        n += t->n_name > 0 && t->n_name <= TAG_BYTES && t->n_value <= TAG_BYTES && !is_claim(t);
        text += len + (text[len] == ',');
    }
    return n;
}

static uint32_t write_tags(const struct conn *c, const char *text, struct aiex_writer *w)
{
    struct tag tags[MAX_TAGS];
    char name[TAG_BYTES + 1];
    int certified = tls_client_name(c, name, sizeof(name));
    size_t n = read_tags(text, tags);

    if (n + (size_t)certified == 0)
        return 0;
    aiex_w_str(w, "tags");
    aiex_w_map(w, (uint32_t)n + (uint32_t)certified);
    for (size_t i = 0; i < n; i++) {
        aiex_w_strn(w, tags[i].name, tags[i].n_name);
        aiex_w_strn(w, tags[i].value, tags[i].n_value);
    }
    if (certified)
        aiex_w_key_str(w, CERTIFIED, name);
    return 1;
}

/* The client's word on cached answers, or NULL. */
static const char *cache_wish(const struct wishes *w)
{
    static const char *const words[] = {"off", "on", "only"};

    for (size_t i = 0; w->cache && i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(w->cache, words[i]) == 0)
            return words[i];
    }
    if (!w->cache_control)
        return NULL;
    if (strcasestr(w->cache_control, "no-store") || strcasestr(w->cache_control, "no-cache"))
        return "off";
    return strcasestr(w->cache_control, "only-if-cached") ? "only" : NULL;
}

uint32_t caller_fields(const struct conn *c, struct aiex_slice session, struct aiex_writer *w)
{
    struct wishes wishes;
    const char *cache;
    uint32_t n;

    read_head(c, &wishes);
    n = write_identity(c, &wishes, w) + write_tags(c, wishes.tags, w);
    if (session_name(c, wishes.session).len)
        session = session_name(c, wishes.session);
    if (session.len && session.len <= SESSION_BYTES) {
        aiex_w_key_strn(w, "session", (const char *)session.data, session.len);
        n++;
    }
    cache = cache_wish(&wishes);
    if (cache) {
        aiex_w_key_str(w, "cache", cache);
        n++;
    }
    if (wishes.betas && strlen(wishes.betas) <= BETA_BYTES) {
        aiex_w_str(w, "headers");
        aiex_w_map(w, 1);
        aiex_w_key_str(w, "anthropic-beta", wishes.betas);
        n++;
    }
    return n;
}
