/* runner.c - the life of a cell; see runner.h. */
#include "runner/runner.h"

#include "base/err.h"
#include "channel/fdpass.h"
#include "config/plugin_info.h"
#include "runner/http/http_module.h"
#include "runner/load.h"
#include "runner/runner_private.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static struct runner self;

/* Frees what ran in the host's process, from the loop, and tells. */
static void end_inside(void *arg)
{
    struct runner ended = self;

    memset(&self, 0, sizeof(self));
    channel_free(ended.channel);
    endpoint_free(ended.endpoint);
    for (size_t i = 0; ended.instances && i < ended.start.n_instances; i++) {
        option_values_free(ended.instances[i].options);
        free((void *)(uintptr_t)ended.instances[i].plugin);
    }
    free(ended.instances);
    start_done(ended.box);
    settings_unmap(&ended);
    loop_timer_free(ended.ending);
    if (!ended.silent)
        ended.inside->exited(ended.inside_arg, ended.exit_code);
}

static void destroy_all(void);

/* The end of a cell inside the host: nothing of it runs any more, the rest happens from the loop. */
static void leave_inside(int code)
{
    if (self.left)
        return;
    self.left = 1;
    self.exit_code = code;
    if (self.instances)
        destroy_all();
    handles_done(&self);
    posts_done(&self);
    if (self.channel) {
        channel_push(self.channel);
        channel_hold(self.channel, 1);
    }
    loop_timer_set(self.ending, 0, 0);
}

/* Says why and ends; -EINVAL is the configuration's fault and not worth a retry. */
static _Noreturn void give_up(int instance, int r, const char *text)
{
    int code = r == -EINVAL || r == -EPERM ? AIEX_EXIT_CONFIG : 1;

    if (self.channel) {
        runner_send(&self,
                    &(struct record){.kind = RECORD_FAULT, .status = code, .aux = (uint32_t)instance}, text,
                    strlen(text));
        channel_push(self.channel);
    } else {
        fprintf(stderr, "%s\n", text);
    }
    if (self.inside) {
        self.exit_code = code;
        longjmp(self.refused, 1);
    }
    _exit(code);
}

/* ---- What the endpoint asks ---- */

static int on_send(void *arg, const struct record *head, const void *body, size_t len)
{
    return channel_send(self.channel, head, body, len);
}

static void on_begin(void *arg)
{
    channel_started(self.channel);
}

static int on_message(void *arg, unsigned index, const struct aiex_message *message)
{
    struct instance *in = index < self.start.n_instances ? &self.instances[index] : NULL;

    if (!in || !in->self || !in->plugin->handle)
        return -ENOSYS;
    return in->plugin->handle(in->self, message);
}

/* Most names differ in their first letter. */
static int is_name(const char *name, const char *service)
{
    return name[0] == service[0] && strcmp(name, service) == 0;
}

static int on_local(void *arg, const char *service)
{
    if (self.start.n_instances < 2)
        return -1;
    for (unsigned i = 0; i < self.start.n_instances; i++) {
        struct instance *in = &self.instances[i];

        if (is_name(in->start->name, service))
            return (int)i;
        for (unsigned k = 0; k < in->n_names; k++)
            if (is_name(in->names[k], service))
                return (int)i;
    }
    return -1;
}

static const char *on_instance_name(void *arg, unsigned index)
{
    return index < self.start.n_instances ? self.instances[index].start->name : "?";
}

/* ---- Draining and ending ---- */

static void on_drained(void *arg)
{
    struct instance *in = arg;

    in->drained = 1;
}

static void begin_drain(void)
{
    self.draining = 1;
    for (size_t i = 0; i < self.start.n_instances; i++) {
        struct instance *in = &self.instances[i];

        if (in->drain_asked)
            continue;
        in->drain_asked = 1;
        if (in->plugin->drain)
            in->plugin->drain(in->self, on_drained, in);
    }
}

static void check_drained(void)
{
    if (!self.draining || self.told_drained)
        return;
    for (size_t i = 0; i < self.start.n_instances; i++) {
        struct instance *in = &self.instances[i];

        if (in->plugin->drain ? !in->drained : endpoint_serving(self.endpoint, in->index) > 0)
            return;
    }
    if (endpoint_serving(self.endpoint, UINT32_MAX))
        return;
    self.told_drained = 1;
    runner_send(&self, &(struct record){.kind = RECORD_STOP}, NULL, 0);
}

static void destroy_all(void)
{
    for (size_t i = self.start.n_instances; i-- > 0;) {
        struct instance *in = &self.instances[i];

        if (in->self && in->plugin->destroy)
            in->plugin->destroy(in->self);
        in->self = NULL;
        if (self.http_close && (in->start->needs & AIEX_NEED_HTTP))
            self.http_close(&in->host);
    }
}

static void finish(void)
{
    if (self.inside) {
        leave_inside(AIEX_EXIT_DONE);
        return;
    }
    destroy_all();
    channel_push(self.channel);
    _exit(AIEX_EXIT_DONE);
}

/* ---- Reload ---- */

static int make_options(struct instance *in, const struct option_text *texts, size_t n,
                        struct aiex_error *err)
{
    struct option_values *values;
    int r = option_values_new(in->plugin->options, in->plugin->option_size, in->plugin->config_size, texts,
                              n, &values, err);

    if (r < 0)
        return r;
    if (in->self && in->plugin->reload) {
        r = in->plugin->reload(in->self, option_values_data(values), err);
        if (r < 0) {
            option_values_free(values);
            return r;
        }
    }
    option_values_free(in->options);
    in->options = values;
    return 0;
}

static int reload(struct instance *in, struct aiex_slice body, struct aiex_error *err)
{
    struct option_text texts[START_OPTIONS_MAX];
    char *store = malloc(body.len * 2 + 1), *at = store;
    struct doc *doc = NULL;
    size_t n = 0;
    int r = store ? doc_new(body, &doc) : -ENOMEM;

    if (r == 0 && doc_len(doc_root(doc)) > START_OPTIONS_MAX)
        r = -EMSGSIZE;
    for (; r == 0 && n < doc_len(doc_root(doc)); n++) {
        struct aiex_slice key, text;
        doc_value value;

        doc_pair(doc_root(doc), n, &key, &value);
        text = doc_bytes(value);
        texts[n].name = memcpy(at, key.data, key.len);
        at += key.len;
        *at++ = 0;
        texts[n].text = text.len ? memcpy(at, text.data, text.len) : at;
        at += text.len;
        *at++ = 0;
    }
    if (r < 0)
        r = fail(err, r, "reload message not understood");
    else
        r = make_options(in, texts, n, err);
    doc_free(doc);
    if (store)
        explicit_bzero(store, body.len * 2 + 1);
    free(store);
    return r;
}

static void on_state(const struct record *head, const uint8_t *body)
{
    static struct buf joined = {.max = START_MAX};
    struct aiex_error err = {""};
    unsigned index = record_instance(head);
    int r;

    if (index >= self.start.n_instances || buf_add(&joined, body, head->len) < 0)
        return;
    if (head->flags & RECORD_MORE)
        return;
    r = reload(&self.instances[index], (struct aiex_slice){joined.data, joined.len}, &err);
    explicit_bzero(joined.data, joined.len);
    joined.len = 0;
    runner_send(&self, &(struct record){.kind = RECORD_STATE, .status = r < 0, .aux = index}, err.text,
                strlen(err.text));
}

/* ---- Records from the host ---- */

static void on_record(void *arg, const struct record *head, const uint8_t *body)
{
    switch (head->kind) {
    case RECORD_STOP:
        if (head->status)
            finish();
        else
            begin_drain();
        return;
    case RECORD_STATE:
        on_state(head, body);
        return;
    default:
        if (endpoint_record(self.endpoint, head, body) == 0)
            return;
        if (!self.inside)
            give_up(0, -EPROTO, "the host's records were not understood");
        leave_inside(1);
    }
}

static void on_broken(void *arg)
{
    fprintf(stderr, "the ring shared with the host was overwritten: %s\n", channel_broken_why(self.channel));
    if (!self.inside)
        _exit(1);
    leave_inside(1);
}

static int after_records(void *arg)
{
    int did = posts_run(&self);

    check_drained();
    return did;
}

/* ---- Starting ---- */

static void open_channel(void)
{
    static const struct endpoint_ops ops = {on_send, on_begin, on_message, on_local, on_instance_name};
    struct channel_fds fds = {self.fds[START_FD_MEMORY], {self.fds[START_FD_WAKE0], self.fds[START_FD_WAKE1]}};
    int r = 0;

    if (!self.inside) {
        self.loop = loop_new();
        self.hub = self.loop ? hub_new(self.loop) : NULL;
        if (!self.hub)
            give_up(0, -ENOMEM, "no event loop");
        hub_spin(self.hub, self.start.spin_us);
    }
    self.channel = channel_new(self.hub, &fds, 1, self.start.ring_bytes,
                               &(struct channel_ops){on_record, on_broken}, &self, &r);
    self.endpoint = endpoint_new(&ops, &self, self.start.node);
    if (!self.channel || !self.endpoint)
        give_up(0, r, "no channel to the host");
    if (!self.inside)
        hub_after(self.hub, after_records, NULL);
}

static void open_http(struct instance *in)
{
    struct aiex_http_env env = {.struct_size = sizeof(env), .user_agent = "aiex/" AIEX_VERSION};
    struct aiex_error err = {""};
    aiex_http_open_fn open_fn;
    char text[700];
    void *symbol;

    for (size_t i = 0; i < in->start->n_options; i++)
        if (!strncmp(in->start->options[i].text, "https://", 8))
            env.flags = AIEX_HTTP_ENV_TLS; /* certificates are read while files can be */

    if (!self.http_library)
        self.http_library = dlopen(self.start.http_module, RTLD_NOW | RTLD_LOCAL);
    symbol = self.http_library ? dlsym(self.http_library, AIEX_HTTP_OPEN) : NULL;
    if (!symbol) {
        snprintf(text, sizeof(text), "the HTTP module can not be loaded: %s", dlerror());
        give_up((int)in->index, -EINVAL, text);
    }
    memcpy(&open_fn, &symbol, sizeof(open_fn));
    symbol = dlsym(self.http_library, AIEX_HTTP_CLOSE);
    memcpy(&self.http_close, &symbol, sizeof(self.http_close));
    self.http = open_fn(&in->host, &env, &err);
    if (!self.http)
        give_up((int)in->index, -EINVAL, err.text);
}

static void load_instance(struct instance *in)
{
    struct option_text texts[START_OPTIONS_MAX];
    struct aiex_error err = {""};
    char text[1024];
    int r = load_plugin(in->start->path, &in->plugin, &err);

    if (r < 0) {
        snprintf(text, sizeof(text), "%s: %s", in->start->path, err.text);
        give_up((int)in->index, -EINVAL, text);
    }
    if (strcmp(in->plugin->kind, in->start->kind) || (in->plugin->needs & ~in->start->needs))
        give_up((int)in->index, -EINVAL, "the plugin changed its kind or needs since it was probed");
    for (size_t i = 0; i < in->start->n_options; i++)
        texts[i] = (struct option_text){in->start->options[i].name, in->start->options[i].text};
    r = make_options(in, texts, in->start->n_options, &err);
    if (r < 0)
        give_up((int)in->index, -EINVAL, err.text);
    if (in->start->needs & AIEX_NEED_HTTP)
        open_http(in);
    r = in->plugin->create(&in->host, option_values_data(in->options), &in->self, &err);
    if (r < 0)
        give_up((int)in->index, r, err.text[0] ? err.text : "create() failed and gave no reason");
}

static void start_instances(void)
{
    struct aiex_error err = {""};
    int r;

    for (size_t i = 0; i < self.start.n_instances; i++)
        load_instance(&self.instances[i]);
    for (size_t i = 0; i < self.start.n_instances; i++) {
        struct instance *in = &self.instances[i];

        r = in->plugin->start ? in->plugin->start(in->self, &err) : 0;
        if (r < 0)
            give_up((int)i, r, err.text[0] ? err.text : "start() failed and gave no reason");
    }
    r = self.inside ? 0 : confine_tighten(&self, &err);
    if (r < 0)
        give_up(0, r, err.text);
}

/* The process as a plugin may expect it: no inherited handlers, output captured, dies with the host. */
static void settle(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != self.start.host_pid)
        _exit(0); /* the host died before the line above */
    prctl(PR_SET_NAME, self.start.cell);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* Ctrl-C in the host's terminal: the host decides */
    fcntl(self.fds[START_FD_OUTPUT], F_SETFL, 0);
    dup2(self.fds[START_FD_OUTPUT], 1);
    dup2(self.fds[START_FD_OUTPUT], 2);
    close(self.fds[START_FD_OUTPUT]);
    setvbuf(stdout, NULL, _IOLBF, 4096);
    if (self.start.priority)
        setpriority(PRIO_PROCESS, 0, self.start.priority);
}

/* From the start message to HELLO. */
static void begin(const int *fds)
{
    struct aiex_error err = {""};
    int r;

    memcpy(self.fds, fds, sizeof(self.fds));
    self.thread = pthread_self();
    pthread_mutex_init(&self.posts_lock, NULL);
    if (!self.inside)
        settle();
    open_channel();
    settings_map(&self);
    self.instances = calloc(self.start.n_instances, sizeof(*self.instances));
    if (!self.instances)
        give_up(0, -ENOMEM, "no memory");
    for (unsigned i = 0; i < self.start.n_instances; i++) {
        self.instances[i].runner = &self;
        self.instances[i].index = i;
        self.instances[i].start = &self.start.instances[i];
        instance_table(&self.instances[i]);
    }
    r = self.inside ? 0 : confine_enter(&self, &err);
    if (r < 0)
        give_up(0, r, err.text);
    start_instances();
    self.ready = 1;
    confine_report(&self);
}

_Noreturn void runner_run(struct aiex_slice message, const int *fds)
{
    if (start_unpack(message, &self.start, &self.box) < 0)
        _exit(1);
    begin(fds);
    malloc_trim(0); /* what building the filters took: more than a plain plugin itself needs */
    loop_run(self.loop);
    _exit(1);
}

/* ---- Inside the host ---- */

static int inside_start(struct loop *loop, struct hub *hub, struct aiex_slice message,
                        const struct channel_fds *fds, int settings_fd, const struct cell_inside_ops *ops,
                        void *arg)
{
    int all[START_FDS] = {[START_FD_MEMORY] = fds->memory,  [START_FD_WAKE0] = fds->wake[0],
                          [START_FD_WAKE1] = fds->wake[1],  [START_FD_SETTINGS] = settings_fd,
                          [START_FD_OUTPUT] = -1,           [START_FD_CONTROL] = -1};
    int r;

    if (self.inside)
        return -EBUSY; /* the one before is still there: changes wait for the host's next start */
    r = start_unpack(message, &self.start, &self.box);
    if (r < 0)
        return r;
    self.inside = ops;
    self.inside_arg = arg;
    self.loop = loop;
    self.hub = hub;
    self.ending = loop_timer_new(loop, end_inside, NULL);
    if (setjmp(self.refused) == 0)
        begin(all);
    else
        leave_inside(self.exit_code);
    return 0;
}

static int inside_turn(void)
{
    return self.inside && !self.left ? after_records(NULL) : 0;
}

static void inside_stop(int silent)
{
    if (!self.inside)
        return;
    self.silent = silent;
    leave_inside(1);
    if (silent)
        end_inside(NULL);
}

const struct cell_inside runner_inside = {inside_start, inside_turn, inside_stop};

_Noreturn void runner_probe(const char *path, int sock)
{
    static uint8_t packed[PLUGIN_INFO_MAX_BYTES];
    const struct aiex_plugin *plugin;
    struct aiex_error err = {""};
    struct aiex_writer w;
    char text[700];

    if (confine_probe(path, &err) < 0 || load_plugin(path, &plugin, &err) < 0) {
        snprintf(text, sizeof(text), "!%s", err.text);
        fdpass_send(sock, text, strlen(text), NULL, 0);
        _exit(AIEX_EXIT_CONFIG);
    }
    aiex_writer_init(&w, packed, sizeof(packed));
    plugin_info_pack(plugin, &w);
    if (w.failed)
        fdpass_send(sock, "!its descriptor is too large", 28, NULL, 0);
    else
        fdpass_send(sock, packed, w.len, NULL, 0);
    _exit(AIEX_EXIT_DONE);
}
