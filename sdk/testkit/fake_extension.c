/* fake_extension.c - tables beyond the core: the test's own, "aiex.listen/1", "aiex.settings/1". */
#include "fake.h"

#include <aiex/aiex_listen.h>
#include <aiex/aiex_settings.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- aiex.listen/1 ---- */

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } u;
    socklen_t len;
};

/* Whatever host and port are asked for, it is loopback and a port that the system chooses. */
static int resolve(const char *text, struct address *a)
{
    memset(a, 0, sizeof(*a));
    if (strncmp(text, "unix:", 5) == 0) {
        if (!text[5] || strlen(text + 5) >= sizeof(a->u.un.sun_path))
            return -EINVAL;
        a->u.un.sun_family = AF_UNIX;
        strcpy(a->u.un.sun_path, text + 5);
        a->len = sizeof(a->u.un);
    } else if (text[0] == '[') {
        a->u.in6.sin6_family = AF_INET6;
        a->u.in6.sin6_addr = in6addr_loopback;
        a->len = sizeof(a->u.in6);
    } else {
        a->u.in.sin_family = AF_INET;
        a->u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        a->len = sizeof(a->u.in);
    }
    return 0;
}

static uint16_t port_of(int fd)
{
    struct address a = {.len = sizeof(a.u)};

    if (getsockname(fd, &a.u.any, &a.len) != 0)
        return 0;
    if (a.u.any.sa_family == AF_INET)
        return ntohs(a.u.in.sin_port);
    return a.u.any.sa_family == AF_INET6 ? ntohs(a.u.in6.sin6_port) : 0;
}

static int listen_open(const struct aiex_host *t, const char *address, struct aiex_error *err)
{
    struct aiex_fake_host *h = fake_of(t);
    struct address a;
    int fd, error;

    fake_loop_only(h, "listen.open");
    error = h->listen_error ? h->listen_error : resolve(address, &a);
    if (error < 0 || h->n_ports == FAKE_MAX_LISTENERS) {
        if (err)
            snprintf(err->text, sizeof(err->text), "address '%s' can not be opened: %s", address,
                     strerror(error < 0 ? -error : ENOSPC));
        return error < 0 ? error : -EINVAL;
    }
    fd = socket(a.u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, &a.u.any, a.len) != 0 || listen(fd, 64) != 0) {
        error = -errno;
        if (err)
            snprintf(err->text, sizeof(err->text), "address '%s' can not be opened: %s", address,
                     strerror(errno));
        if (fd >= 0)
            close(fd);
        return error;
    }
    h->ports[h->n_ports++] = port_of(fd);
    return fd;
}

static const struct aiex_listen listen_table = {
    .struct_size = sizeof(struct aiex_listen),
    .open = listen_open,
};

uint16_t aiex_fake_listen_port(struct aiex_fake_host *h, size_t n)
{
    return n < h->n_ports ? h->ports[n] : 0;
}

void aiex_fake_listen_fail(struct aiex_fake_host *h, int error)
{
    h->listen_error = error;
}

/* ---- aiex.settings/1 ---- */

static struct fake_setting *setting(struct aiex_fake_host *h, const char *name)
{
    struct fake_setting *s = h->settings;

    while (s && strcmp(s->name, name) != 0)
        s = s->next;
    return s;
}

static const int64_t *settings_find(const struct aiex_host *t, const char *name)
{
    struct fake_setting *s = setting(fake_of(t), name);

    return s ? &s->value : NULL;
}

static int settings_text(const struct aiex_host *t, const char *name, char *out, size_t size)
{
    struct fake_setting *s = setting(fake_of(t), name);
    size_t n;

    if (!s)
        return -ENOENT;
    n = strlen(s->text);
    if (n >= size)
        return -ENOSPC;
    memcpy(out, s->text, n + 1);
    return (int)n;
}

static uint64_t settings_version(const struct aiex_host *t)
{
    return fake_of(t)->settings_version;
}

static const struct aiex_settings settings_table = {
    .struct_size = sizeof(struct aiex_settings),
    .find = settings_find,
    .text = settings_text,
    .version = settings_version,
};

void aiex_fake_setting(struct aiex_fake_host *h, const char *name, const char *text)
{
    struct fake_setting *s = setting(h, name);

    if (!s) {
        s = fake_must(calloc(1, sizeof(*s) + strlen(name) + 1));
        strcpy(s->name, name);
        s->next = h->settings;
        h->settings = s;
    }
    free(s->text);
    s->text = fake_must(strdup(text));
    __atomic_store_n(&s->value, strtoll(text, NULL, 10), __ATOMIC_RELAXED);
    h->settings_version++;
}

/* ---- Finding them ---- */

const void *fake_extension(const struct aiex_host *t, const char *id)
{
    struct aiex_fake_host *h = fake_of(t);

    fake_loop_only(h, "extension");
    for (struct fake_extension *e = h->extensions; e; e = e->next) {
        if (strcmp(e->id, id) == 0)
            return e->table;
    }
    if (strcmp(id, AIEX_LISTEN_ID) == 0)
        return &listen_table;
    if (strcmp(id, AIEX_SETTINGS_ID) == 0)
        return &settings_table;
    return NULL;
}

/* The latest registration of an id wins, also over the built-in ones. */
void aiex_fake_extension(struct aiex_fake_host *h, const char *id, const void *table)
{
    struct fake_extension *e = fake_must(calloc(1, sizeof(*e) + strlen(id) + 1));

    strcpy(e->id, id);
    e->table = table;
    e->next = h->extensions;
    h->extensions = e;
}

void fake_extensions_free(struct aiex_fake_host *h)
{
    struct fake_extension *e;
    struct fake_setting *s;

    while ((e = h->extensions) != NULL) {
        h->extensions = e->next;
        free(e);
    }
    while ((s = h->settings) != NULL) {
        h->settings = s->next;
        free(s->text);
        free(s);
    }
}
