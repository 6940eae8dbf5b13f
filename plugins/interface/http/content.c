/* content.c - see content.h. HMAC is RFC 2104; the rest of it is one running digest. */
#include "content.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

#define HASH_BYTES  32u
#define BLOCK_BYTES 64u /* of SHA-256 */

struct content {
    EVP_MD_CTX *digest;
    int salted;
    int asked;  /* the gateway knows of it */
    int failed; /* no hash rather than a wrong one */
    uint8_t salt[HASH_BYTES], request[HASH_BYTES];
    size_t n_request, n_answer;
};

/* ---- One hash ---- */

static void add(struct content *h, const void *bytes, size_t n)
{
    if (n && EVP_DigestUpdate(h->digest, bytes, n) != 1)
        h->failed = 1;
}

/* The key of an HMAC, padded, is what the inner and the outer digest begin with. */
static void begin(struct content *h, uint8_t pad)
{
    uint8_t key[BLOCK_BYTES] = {0};

    if (EVP_DigestInit_ex(h->digest, EVP_sha256(), NULL) != 1)
        h->failed = 1;
    if (!h->salted)
        return;
    memcpy(key, h->salt, sizeof(h->salt));
    for (size_t i = 0; i < sizeof(key); i++)
        key[i] ^= pad;
    add(h, key, sizeof(key));
}

static void end(struct content *h, uint8_t out[HASH_BYTES])
{
    if (EVP_DigestFinal_ex(h->digest, out, NULL) != 1)
        h->failed = 1;
    if (!h->salted)
        return;
    begin(h, 0x5c);
    add(h, out, HASH_BYTES);
    if (EVP_DigestFinal_ex(h->digest, out, NULL) != 1)
        h->failed = 1;
}

/* ---- A request ---- */

static void drop(struct conn *c)
{
    struct content *h = c->content;

    c->content = NULL;
    EVP_MD_CTX_free(h->digest);
    explicit_bzero(h->salt, sizeof(h->salt));
    c->server->host->release(c->server->host, h);
}

static int make_salt(struct content *h)
{
    return !h->salted || getrandom(h->salt, sizeof(h->salt), 0) == (ssize_t)sizeof(h->salt);
}

int content_begin(struct conn *c)
{
    int64_t policy = c->server->config->content_hash;
    struct aiex_slice body;
    struct content *h;

    if (policy == CONTENT_OFF || !(c->route->flags & ROUTE_MODEL))
        return 0;
    h = c->server->host->alloc(c->server->host, sizeof(*h));
    if (!h)
        return -ENOMEM;
    c->content = h;
    h->salted = policy == CONTENT_SALTED;
    h->digest = EVP_MD_CTX_new();
    if (!h->digest || !make_salt(h)) {
        drop(c);
        return -ENOMEM;
    }
    body = call_body(c);
    begin(h, 0x36);
    add(h, body.data, body.len);
    end(h, h->request);
    h->n_request = body.len;
    begin(h, 0x36); /* the answer's */
    if (h->failed)
        drop(c);
    return c->content ? 0 : -ENOMEM;
}

uint32_t content_fields(const struct conn *c, struct aiex_writer *w)
{
    struct content *h = c->content;

    if (!h)
        return 0;
    h->asked = 1;
    aiex_w_str(w, "content");
    aiex_w_map(w, h->salted ? 4 : 3);
    aiex_w_key_str(w, "hash", h->salted ? "salted" : "sha256");
    aiex_w_key_bin(w, "request", h->request, sizeof(h->request));
    aiex_w_key_uint(w, "bytes", h->n_request);
    if (h->salted)
        aiex_w_key_bin(w, "salt", h->salt, sizeof(h->salt));
    return 1;
}

void content_answer(struct conn *c, const void *bytes, size_t n)
{
    if (!c->content)
        return;
    add(c->content, bytes, n);
    c->content->n_answer += n;
}

static void tell(struct conn *c, const uint8_t answer[HASH_BYTES])
{
    const struct aiex_host *host = c->server->host;
    struct aiex_request q = {.struct_size = sizeof(q),
                             .flags = AIEX_CALL_LAZY,
                             .service = c->server->config->gateway,
                             .method = "gateway.content",
                             .trace = c->trace};
    struct aiex_writer w;
    uint8_t mem[128];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_uint(&w, "trace", c->trace);
    aiex_w_key_bin(&w, "answer", answer, HASH_BYTES);
    aiex_w_key_uint(&w, "bytes", c->content->n_answer);
    q.body = aiex_written(&w);
    if (host->call(host, &q, NULL, NULL, NULL) < 0)
        host->log(host, AIEX_LOG_WARN, c->trace,
                  "the hash of an answer could not be sent to the gateway; its record has none");
}

void content_end(struct conn *c)
{
    uint8_t answer[HASH_BYTES];

    if (!c->content)
        return;
    end(c->content, answer);
    if (c->content->asked && !c->content->failed)
        tell(c, answer);
    drop(c);
}
