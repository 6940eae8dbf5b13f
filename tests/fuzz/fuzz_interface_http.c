/* link: aiex_interface_http aiex_http_splice aiex_testkit aiex_sdk_http */
/*
 * fuzz_interface_http.c - a stranger's bytes on a connection, through the plugin's descriptor.
 * Whatever the server calls is answered at once, in one of several ways that the first byte
 * chooses. It must neither fall over nor leave anything behind, and must answer or close.
 */
#include <aiex/aiex_pack.h>
#include <aiex_fake_host.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct aiex_fake_host *host;
static const struct aiex_plugin *plugin;
static void *self;
static unsigned mood; /* how services answer */

/* An end that has something for everybody. */
static struct aiex_slice end_map(void)
{
    static uint8_t mem[512];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 6);
    aiex_w_str(&w, "principal");
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "key", "k");
    aiex_w_key_str(&w, "items", "[{\"role\":\"user\"}]");
    aiex_w_key_str(&w, "response", "{\"id\":\"r\"}");
    aiex_w_key_str(&w, "text", "x 1\n");
    aiex_w_key_int(&w, "input_tokens", 7);
    aiex_w_str(&w, "models");
    aiex_w_array(&w, 1);
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "id", "m");
    return aiex_written(&w);
}

static int answer(void *arg, struct aiex_fake_host *h, const struct aiex_fake_record *call)
{
    static const char event[] = "event: response.completed\ndata: {\"type\":\"response.completed\","
                                "\"response\":{\"id\":\"r\"}}\n\n";
    struct aiex_slice part = {(const uint8_t *)event, sizeof(event) - 1};

    if (strncmp(call->name, "gateway.c", 9) == 0 && strcmp(call->name, "gateway.check") != 0 &&
        !(mood & 1))
        aiex_fake_answer_part(h, call->id, part);
    if (mood & 2 && strcmp(call->name, "gateway.check") != 0)
        return aiex_fake_answer_error(h, call->id, "not_found", "no", 0, end_map());
    return aiex_fake_answer_ok(h, call->id, end_map());
}

static void begin(void)
{
    static const uint8_t route[] = "\x84\xa6method\xa4POST\xa4path\xa4/ui*\xa7service\xa1s\xa4"
                                   "call\xa1"
                                   "c";
    struct aiex_error err;

    host = aiex_fake_host_new("interface_http");
    plugin = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    if (aiex_fake_start(host, plugin, (struct aiex_fake_pair[]){{"max_body", "64k"}, {0}}, &self,
                        &err) != 0)
        abort();
    aiex_fake_request(host, plugin, self, "http.route",
                      (struct aiex_slice){route, sizeof(route) - 1}, 0);
    aiex_fake_on_call(host, answer, NULL);
}

static void settle(void)
{
    while (aiex_fake_poll(host, 0))
        ;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint32_t n_clients;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    /* each from an address of its own: the ports of one may be used up by others on the machine */
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK + ++n_clients % 65536)};
    struct linger hard = {1, 0}; /* no port waits for its last packet */
    struct aiex_fake_live live;
    char in[4096];
    size_t used = 0;
    int fd;

    if (!host)
        begin();
    if (!size || size > 32768)
        return 0;
    mood = *data;
    a.sin_port = htons(aiex_fake_listen_port(host, 0));
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0 ||
        connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
        perror("no connection to the plugin");
        abort();
    }
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    for (used = 1; used < size;) {
        size_t n = mood & 4 ? size - used : (size - used + 1) / 2;
        ssize_t sent = send(fd, data + used, n, MSG_NOSIGNAL | MSG_DONTWAIT);

        settle();
        if (sent <= 0)
            break;
        used += (size_t)sent;
    }
    while (recv(fd, in, sizeof(in), MSG_DONTWAIT) > 0)
        settle();
    close(fd);
    settle();
    aiex_fake_live(host, &live);
    if (live.calls || live.misuse)
        abort();
    aiex_fake_forget(host);
    return 0;
}
