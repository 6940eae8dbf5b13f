/*
 * trust.c - which certificates are believed, without a file being opened after the start
 * and without reading 140 of them for each connection.
 *
 * libcurl takes certificates from memory (slow: OpenSSL parses the whole bundle, 30 ms or
 * more of the loop thread, for every new connection) or from a file, and then keeps the
 * parsed store in the multi handle. The store is only made during a handshake; so while
 * files may still be opened, one is begun with a socket of our own that never answers.
 * Where that can not be done, memory serves: slower, but right.
 */
#include "client.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A listener with a name that the kernel chooses: 5 digits behind a 0 byte. */
static int listen_nowhere(char name[16])
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    socklen_t n = sizeof(a.sun_family);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    if (bind(fd, (void *)&a, n) == 0 && listen(fd, 1) == 0) {
        n = sizeof(a);
        getsockname(fd, (void *)&a, &n);
        snprintf(name, 16, "%.*s", (int)(n - sizeof(a.sun_family) - 1), a.sun_path + 1);
        return fd;
    }
    close(fd);
    return -EACCES;
}

static int begin_handshake(struct client *cl, CURL *easy, const char *name)
{
    return curl_easy_setopt(easy, CURLOPT_URL, "https://127.0.0.1/") != CURLE_OK ||
           curl_easy_setopt(easy, CURLOPT_ABSTRACT_UNIX_SOCKET, name) != CURLE_OK ||
           curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L) != CURLE_OK ||
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) != CURLE_OK ||
           curl_easy_setopt(easy, CURLOPT_PROXY, "") != CURLE_OK || trust_set(cl, NULL, easy) != 0 ||
           curl_multi_add_handle(cl->multi, easy) != CURLM_OK;
}

/* Did the handshake begin? */
static int said_hello(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    char byte;
    int said = fd >= 0 && recv(fd, &byte, 1, 0) == 1;

    if (fd >= 0)
        close(fd);
    return said;
}

void trust_prepare(struct client *cl)
{
    char name[16];
    int listener, running = 0;
    CURL *easy = module->ca_path ? curl_easy_init() : NULL;

    if (!easy)
        return;
    listener = listen_nowhere(name);
    cl->store_ready = 1; /* for trust_set() */
    if (listener >= 0 && begin_handshake(cl, easy, name) == 0) {
        running = 1;
        for (int i = 0; i < 10 && running; i++)
            curl_multi_perform(cl->multi, &running);
    }
    /* It made the store behind its hello and now waits for an answer; without a store it had ended.
     */
    cl->store_ready = running && said_hello(listener);
    curl_multi_remove_handle(cl->multi, easy);
    curl_easy_cleanup(easy);
    if (listener >= 0)
        close(listener);
}

int trust_set(struct client *cl, const struct origin *o, CURL *easy)
{
    int own = o && o->ca; /* few certificates: parsed for each connection */
    struct curl_blob ca = {own ? (void *)o->ca : module->ca, own ? o->n_ca : module->n_ca,
                           CURL_BLOB_NOCOPY};
    int bad = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);

    if (cl->store_ready && !own) {
        bad |= curl_easy_setopt(easy, CURLOPT_CAINFO, module->ca_path);
        bad |= curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, -1L);
    } else {
        bad |= curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
        bad |= curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &ca);
    }
    return bad;
}
