/* http1_write.c - heads and chunks into memory of the caller; nothing can be injected. */
#include "http1_parser.h"

#include <stdio.h>
#include <time.h>

static const struct {
    int status;
    const char *text;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {529, "Overloaded"},
};

const char *aiex_http1_reason(int status)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status)
            return reasons[i].text;
    }
    return "";
}

void aiex_http1_writer_init(struct aiex_http1_writer *w, void *mem, size_t cap)
{
    w->data = mem;
    w->len = 0;
    w->cap = cap;
    w->failed = 0;
}

void aiex_http1_w_raw(struct aiex_http1_writer *w, const void *bytes, size_t n)
{
    if (n > w->cap || w->len > w->cap - n)
        w->failed = w->failed ? w->failed : AIEX_HTTP1_W_FULL;
    else if (n)
        memcpy(w->data + w->len, bytes, n);
    w->len += n;
}

static void put(struct aiex_http1_writer *w, const char *text)
{
    aiex_http1_w_raw(w, text, strlen(text));
}

/* Decimal digits of v at the end of out; returns the first. */
static const char *decimal(char out[24], uint64_t v)
{
    char *at = out + 23;

    *at = 0;
    do
        *--at = (char)('0' + v % 10);
    while (v /= 10);
    return at;
}

void aiex_http1_w_status(struct aiex_http1_writer *w, int status)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\n"; /* nearly all */
    char digits[24];

    if (status < 100 || status > 999) {
        w->failed = AIEX_HTTP1_W_BAD;
        return;
    }
    if (status == 200) {
        aiex_http1_w_raw(w, ok, sizeof(ok) - 1);
        return;
    }
    put(w, "HTTP/1.1 ");
    put(w, decimal(digits, (uint64_t)status));
    put(w, " ");
    put(w, aiex_http1_reason(status));
    put(w, "\r\n");
}

/* RFC 9110 5.6.2 */
static const unsigned char token[256] = {
    ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1, ['!'] = 1, ['#'] = 1, ['$'] = 1,
    ['%'] = 1,         ['&'] = 1,         ['\''] = 1,        ['*'] = 1, ['+'] = 1, ['-'] = 1,
    ['.'] = 1,         ['^'] = 1,         ['_'] = 1,         ['`'] = 1, ['|'] = 1, ['~'] = 1};

/* Length of a token, 0: it is none. */
static size_t token_length(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;

    while (token[c[0]] && token[c[1]]) /* two at a time: the 0 at the end is in no token */
        c += 2;
    c += token[*c];
    return *c ? 0 : (size_t)(c - (const unsigned char *)text);
}

static int is_token(const char *text)
{
    return token_length(text) != 0;
}

#define ALL(byte) (UINT64_MAX / 255 * (byte))

/* Is one of eight bytes a control character? (Mycroft's test: exact for the lowest that is.) */
static int has_control(const char *text)
{
    uint64_t v, del;

    memcpy(&v, text, sizeof(v));
    del = v ^ ALL(0x7f);
    return ((((v - ALL(0x20)) & ~v) | ((del - ALL(1)) & ~del)) & ALL(0x80)) != 0;
}

static int is_value(const char *text, size_t n)
{
    size_t i = 0;

    while (n - i >= 8 && !has_control(text + i))
        i += 8;
    if (n >= 8 && n - i < 8 && !has_control(text + n - 8)) /* the rest, with some seen before */
        return 1;
    for (; i < n; i++) {
        unsigned char c = (unsigned char)text[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return 0;
    }
    return 1;
}

void aiex_http1_w_request(struct aiex_http1_writer *w, const char *method, const char *target)
{
    const char *c = target;

    while (*c > ' ' && *c < 0x7f)
        c++;
    if (*c || c == target || !is_token(method)) {
        w->failed = AIEX_HTTP1_W_BAD;
        return;
    }
    put(w, method);
    put(w, " ");
    put(w, target);
    put(w, " HTTP/1.1\r\n");
}

void aiex_http1_w_headern(struct aiex_http1_writer *w, const char *name, const void *value,
                          size_t len)
{
    size_t n = token_length(name);
    char *at;

    if (!n || !is_value(value, len)) {
        w->failed = AIEX_HTTP1_W_BAD;
        return;
    }
    if (w->len > w->cap || len > w->cap - w->len || n + 4 > w->cap - w->len - len) {
        w->failed = w->failed ? w->failed : AIEX_HTTP1_W_FULL;
    } else {
        at = (char *)w->data + w->len;
        memcpy(at, name, n);
        memcpy(at + n, ": ", 2);
        if (len)
            memcpy(at + n + 2, value, len);
        memcpy(at + n + 2 + len, "\r\n", 2);
    }
    w->len += n + 4 + len;
}

void aiex_http1_w_header(struct aiex_http1_writer *w, const char *name, const char *value)
{
    aiex_http1_w_headern(w, name, value, strlen(value));
}

void aiex_http1_w_number(struct aiex_http1_writer *w, const char *name, uint64_t value)
{
    char digits[24];
    const char *at = decimal(digits, value);

    aiex_http1_w_headern(w, name, at, (size_t)(digits + 23 - at));
}

void aiex_http1_w_date(struct aiex_http1_writer *w, struct aiex_http1_date *date, int64_t wall_ms)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t second = wall_ms / 1000;
    time_t t = (time_t)second;
    struct tm tm;

    if (!date->text[0] || date->second != second) {
        if (!gmtime_r(&t, &tm) || tm.tm_year > 8099) {
            w->failed = AIEX_HTTP1_W_BAD;
            return;
        }
        /* by hand: strftime() would follow the locale */
        snprintf(date->text, sizeof(date->text), "%.3s, %02d %.3s %d %02d:%02d:%02d GMT",
                 days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900,
                 tm.tm_hour, tm.tm_min, tm.tm_sec);
        date->second = second;
    }
    aiex_http1_w_header(w, "Date", date->text);
}

void aiex_http1_w_end(struct aiex_http1_writer *w)
{
    put(w, "\r\n");
}

size_t aiex_http1_chunk_head(char out[AIEX_HTTP1_CHUNK_HEAD], size_t n)
{
    static const char digits[] = "0123456789abcdef";
    char mem[16];
    size_t at = sizeof(mem), len;

    do
        mem[--at] = digits[n & 15];
    while (n >>= 4);
    len = sizeof(mem) - at;
    memcpy(out, mem + at, len);
    out[len] = '\r';
    out[len + 1] = '\n';
    return len + 2;
}
