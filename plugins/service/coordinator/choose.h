/*
 * choose.h - who can serve a request: health and lists of models. Pure: no clock, no calls, no
 * memory. README.md shows the order; strategy.h sorts the candidates before they come here.
 */
#ifndef COORDINATOR_CHOOSE_H
#define COORDINATOR_CHOOSE_H

#include <aiex/aiex_plugin.h>

enum lists { LIST_UNKNOWN, LIST_WITHOUT, LIST_WITH }; /* does its list have the model */

struct candidate { /* in order of preference */
    int offline;   /* answers without a model: the last step */
    int healthy;
    int tried;
    enum lists lists;
};

struct wish {
    int only_listed;   /* a provider said not_found: another one must name the model */
    int pass_unlisted; /* a model that nobody lists goes to the first healthy one */
    int fallback;      /* the offline provider may be used */
};

#define CHOOSE_NO_PROVIDER (-1) /* nobody is reachable */
#define CHOOSE_NO_MODEL    (-2) /* somebody is, but none of them has the model */

/* Index of the one to try first or next, or CHOOSE_*. */
int choose_next(const struct candidate *c, size_t n, const struct wish *wish);
/* Index of an offline candidate that was not tried, or CHOOSE_NO_PROVIDER. */
int choose_offline(const struct candidate *c, size_t n);

#endif
