/*
 * operator.c - calls through the control socket that are acts (acts.c has the table): who does it is
 * the user at the other end of the socket, as the kernel says.
 */
#include "admin/control_private.h"

#include "admin/acts.h"

#include <aiex/aiex_pack.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct operator_act {
    struct client_call *call;
    const struct act_rule *rule;
    struct acts_asked *asked; /* until the log has answered */
    int counts;               /* its end is counted */
    char actor[32], subject[256];
    char service[AIEX_MAX_NAME + 1], method[AIEX_MAX_NAME + 1];
    struct aiex_request request;
    size_t len;
    uint8_t body[]; /* may hold a secret */
};

static struct acts *acts_of(const struct operator_act *act)
{
    return act->call->client->control->admin->acts;
}

static struct aiex_slice body_of(const struct operator_act *act)
{
    return (struct aiex_slice){act->body, act->len};
}

void operator_free(struct operator_act *act)
{
    if (!act)
        return;
    if (act->counts) /* who asked has left */
        acts_count(acts_of(act), act->actor, body_of(act), ACT_UNKNOWN);
    acts_cancel(act->asked);
    explicit_bzero(act->body, act->len);
    free(act);
}

static void find_actor(const struct client *c, char out[32])
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
        snprintf(out, 32, "uid:%u", (unsigned)peer.uid);
    else
        snprintf(out, 32, "operator");
}

/* A text, a number, or nothing. */
static int find_field(struct aiex_slice body, const char *key, char *out, size_t size)
{
    int64_t number;

    if (aiex_get_text(body, key, out, size) == 1 && out[0])
        return 1;
    out[0] = 0;
    if (aiex_get_int(body, key, &number) == 1)
        snprintf(out, size, "%" PRId64, number);
    return out[0] != 0;
}

static void find_subject(struct aiex_slice body, const char *keys, char *out, size_t size)
{
    char key[32];
    size_t n;

    for (out[0] = 0; keys && *keys; keys += n + (keys[n] == ' ')) {
        n = strcspn(keys, " ");
        snprintf(key, sizeof(key), "%.*s", (int)n, keys);
        if (find_field(body, key, out, size))
            return;
    }
}

static struct operator_act *make(struct client_call *k, const struct act_rule *rule, size_t len)
{
    struct operator_act *act = calloc(1, sizeof(*act) + len);

    if (!act)
        return NULL;
    act->call = k;
    act->rule = rule;
    act->len = len;
    find_actor(k->client, act->actor);
    k->operator_act = act;
    return act;
}

static void on_asked(void *arg, int may_go, const char *reason)
{
    struct operator_act *act = arg;

    act->asked = NULL;
    if (!may_go) {
        acts_refused(acts_of(act), act->rule->type, act->actor, act->subject);
        control_refuse(act->call, AIEX_E_READ_ONLY, reason);
        return;
    }
    control_begin(act->call, &act->request);
}

/* What repairs the log can not wait for it. */
static int repairs_log(const struct acts *acts, const struct operator_act *act)
{
    return strcmp(act->rule->method, "host.reload") == 0 && strcmp(act->subject, acts_log(acts)) == 0;
}

int operator_asks(struct client_call *k, const struct aiex_request *req)
{
    struct acts *acts = k->client->control->admin->acts;
    const struct act_rule *rule = acts_rule(req->method);
    struct operator_act *act;

    if (!rule || acts_is_preview(rule, req->body) || !acts_are_told(acts))
        return 0;
    act = make(k, rule, req->body.len);
    if (!act) {
        control_refuse(k, AIEX_E_BUSY, "no memory");
        return 1;
    }
    find_subject(req->body, rule->subject, act->subject, sizeof(act->subject));
    act->counts = acts_is_counted(acts, rule);
    if ((act->counts || acts_must(acts, rule->type)) && req->body.len)
        memcpy(act->body, req->body.data, req->body.len);
    if (act->counts)
        return 0;
    if (repairs_log(acts, act) || !acts_must(acts, rule->type)) {
        acts_tell(acts, rule->type, act->actor, act->subject, (struct aiex_slice){0});
        return 0;
    }
    snprintf(act->service, sizeof(act->service), "%s", req->service);
    snprintf(act->method, sizeof(act->method), "%s", req->method);
    act->request = *req;
    act->request.service = act->service;
    act->request.method = act->method;
    act->request.body = body_of(act);
    if (acts_ask(acts, rule->type, act->actor, act->subject, on_asked, act, &act->asked) < 0)
        control_refuse(k, AIEX_E_BUSY, "the audit log can not be asked");
    return 1;
}

void operator_ended(struct operator_act *act, const struct aiex_answer *end)
{
    if (act && act->counts) {
        act->counts = 0;
        acts_count(acts_of(act), act->actor, body_of(act), end->code ? ACT_FAILED : ACT_DONE);
    } else if (act) {
        acts_ended(acts_of(act), act->rule, act->actor, act->subject, end);
    }
}

/* [method, subject, call that asks, body of one that is counted] */
void operator_save(const struct operator_act *act, struct pack *out)
{
    pack_array(out, 4);
    pack_str(out, act ? act->rule->method : "");
    pack_str(out, act ? act->subject : "");
    pack_int(out, act && act->asked ? (int64_t)acts_asked_call(act->asked) : 0);
    pack_bin(out, act ? act->body : NULL, act && act->counts ? act->len : 0);
}

int operator_load(struct client_call *k, const void *saved)
{
    char method[AIEX_MAX_NAME + 1] = "";
    const struct act_rule *rule = acts_rule(doc_text(doc_at(saved, 0), method, sizeof(method), ""));
    int64_t asking = doc_int(doc_at(saved, 2), 0);
    struct aiex_slice body = doc_bytes(doc_at(saved, 3));
    struct operator_act *act = rule ? make(k, rule, body.len) : NULL;

    if (act)
        doc_text(doc_at(saved, 1), act->subject, sizeof(act->subject), "");
    if (act && body.len) {
        memcpy(act->body, body.data, body.len);
        act->counts = 1;
    }
    if (asking)
        acts_drop_call(k->client->control->admin->acts, (uint64_t)asking);
    return k->call ? 0 : -1;
}
