/* model_list.h - the list of `gateway.models`, as models.c and ollama.c read it. */
#ifndef INTERFACE_HTTP_MODEL_LIST_H
#define INTERFACE_HTTP_MODEL_LIST_H

#include "server.h"

/* One model (sdk/kinds/provider.md). Empty and 0 = not known. */
struct model {
    struct aiex_slice id, owned_by, family, parameters, quantization;
    struct aiex_slice capabilities; /* one whole array of str */
    int64_t created, context, output, bytes;
    int loaded;
};

/* The list and where to go on in it. */
struct model_list {
    struct aiex_slice at;
    uint32_t left;
};

/* Asks the gateway which models this client may use. */
void model_list_ask(struct conn *c, answer_fn fn);
/* The list of a good end: 0; else the error was answered: -1. */
int model_list_take(struct conn *c, const struct aiex_answer *answer, struct model_list *list);
/* 1 and the next entry that has an id, 0 at the end (or where the list is broken). */
int model_list_next(struct model_list *list, struct model *m);
/* 1 and the model of that id; 0 when there is none, answered with 404. */
int model_list_find(struct conn *c, struct model_list list, const char *id, struct model *m);

#endif /* INTERFACE_HTTP_MODEL_LIST_H */
