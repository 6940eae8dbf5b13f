/* ask.h - a model request whose document was looked at. */
#ifndef INTERFACE_HTTP_ASK_H
#define INTERFACE_HTTP_ASK_H

#include "server.h"

#define ASK_MODEL_BYTES   256 /* sdk/kinds/provider.md */
#define ASK_SESSION_BYTES 256

/* Spans point into call_body() and die with it. */
struct ask {
    char model[ASK_MODEL_BYTES + 1];
    size_t n_model;
    char session[ASK_SESSION_BYTES + 1]; /* "" = the body names none */
    struct aiex_json_span subject;       /* messages, prompt or input; type 0 = absent */
    struct aiex_json_span previous;      /* previous_response_id */
    int store;
    int template; /* the body names one: `aiex_template` */
};

/* Looks at the body as c->dialect demands and sets c->stream. 0, or -1: an error was answered. */
int ask_read(struct conn *c, struct ask *ask);
/* The same for other documents: a JSON object with these keys. */
int ask_scan(struct conn *c, struct aiex_json_field *fields, size_t n);
/* Sends it to the gateway; the answer goes to fn. */
void ask_send(struct conn *c, const struct ask *ask, answer_fn fn);

/* ---- answer.c ---- */

/* The gateway's answer to a model request goes to the client. */
void answer_take(struct conn *c, const struct aiex_answer *answer);

#endif /* INTERFACE_HTTP_ASK_H */
