/* url.c - absolute http and https URLs, taken apart strictly (RFC 3986, RFC 9110 4.2). */
#include "client.h"

#include <arpa/inet.h>
#include <strings.h>

/* Letters, digits, '-', '.', '_' of a name; lower case into out. */
static int take_name(const char *from, size_t n, char *out)
{
    if (n == 0 || n > 253)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        char c = from[i] >= 'A' && from[i] <= 'Z' ? (char)(from[i] | 0x20) : from[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'))
            return -EINVAL;
        out[i] = c;
    }
    out[n] = 0;
    return 0;
}

static int take_port(const char *from, size_t n, uint16_t *ret_port)
{
    unsigned v = 0;

    if (n == 0 || n > 5)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        if (from[i] < '0' || from[i] > '9')
            return -EINVAL;
        v = v * 10 + (unsigned)(from[i] - '0');
    }
    if (v == 0 || v > 65535)
        return -EINVAL;
    *ret_port = (uint16_t)v;
    return 0;
}

/* [v6]:port or name:port, n bytes. */
static int take_authority(struct url *u, const char *from, size_t n)
{
    const char *close = *from == '[' ? memchr(from, ']', n) : NULL;
    const char *end, *colon;
    unsigned char address[16];

    if (*from == '[') {
        if (!close || close - from > 46)
            return -EINVAL;
        memcpy(u->host, from + 1, (size_t)(close - from - 1));
        u->host[close - from - 1] = 0;
        if (inet_pton(AF_INET6, u->host, address) != 1)
            return -EINVAL;
        u->literal = 6;
        end = close + 1;
    } else {
        colon = memchr(from, ':', n);
        end = colon ? colon : from + n;
        if (take_name(from, (size_t)(end - from), u->host) != 0)
            return -EINVAL;
        u->literal = inet_pton(AF_INET, u->host, address) == 1 ? 4 : 0;
    }
    if (end == from + n)
        return 0;
    return *end == ':' ? take_port(end + 1, (size_t)(from + n - end - 1), &u->port) : -EINVAL;
}

int url_parse(const char *text, struct url *ret_url, struct aiex_error *err)
{
    struct url u = {0};
    const char *at;
    size_t n;

    if (strncasecmp(text, "https://", 8) == 0)
        u.tls = 1;
    else if (strncasecmp(text, "http://", 7) != 0)
        return fail(err, -EINVAL, "url '%.100s' must begin with http:// or https://", text);
    u.port = u.tls ? 443 : 80;
    at = text + (u.tls ? 8 : 7);
    n = strcspn(at, "/?#");
    if (memchr(at, '@', n))
        return fail(err, -EINVAL, "url holds a user name; give credentials in a header");
    if (take_authority(&u, at, n) != 0)
        return fail(err, -EINVAL, "url '%.100s' has no valid host and port", text);
    u.target = at + n;
    u.n_target = strcspn(u.target, "#");
    for (size_t i = 0; i < u.n_target; i++) {
        if (u.target[i] <= ' ' || u.target[i] >= 0x7f)
            return fail(err, -EINVAL, "url '%.100s' has a byte that must be percent-encoded", text);
    }
    *ret_url = u;
    return 0;
}

void url_authority(const struct url *u, char out[280])
{
    const char *open = u->literal == 6 ? "[" : "", *close = u->literal == 6 ? "]" : "";

    if (u->port == (u->tls ? 443 : 80))
        snprintf(out, 280, "%s%s%s", open, u->host, close);
    else
        snprintf(out, 280, "%s%s%s:%u", open, u->host, close, u->port);
}

int url_look_up(struct known_url *known, const char *text, struct url *ret_url,
                struct aiex_error *err)
{
    size_t n = strlen(text);
    int r;

    if (n == 0 || n >= sizeof(known->text) || memcmp(known->text, text, n + 1) != 0) {
        known->text[0] = 0;
        r = url_parse(text, &known->url, err);
        if (r != 0)
            return r;
        url_authority(&known->url, known->authority);
        known->prefix = (size_t)(known->url.target - text);
        if (n < sizeof(known->text))
            memcpy(known->text, text, n + 1);
    }
    *ret_url = known->url;
    ret_url->target = text + known->prefix;
    return 0;
}
