/* bus_private.h - the tables of the bus, shared by the files of this room only. */
#ifndef AIEX_BUS_PRIVATE_H
#define AIEX_BUS_PRIVATE_H

#include "base/list.h"
#include "bus/bus.h"
#include "channel/names.h"

#define ASKER       "caller" /* method of the pair that names one */
#define CALLS_MAX   65536u
#define WHEEL_SLOTS 1024u
#define PATTERNS_MAX 256u
#define INSTANCES_PER_CELL 64u

/* A record kept by the host: of a call that waits or may be repeated, or an event that waits. */
struct held {
    struct held *next;
    struct record head;
    uint8_t body[];
};

struct held_list {
    struct held *first, *last;
    size_t bytes;
};

struct call {
    uint32_t slot, generation;
    int live;
    struct bus_port *caller; /* NULL: nobody waits (cast, or the caller is gone) */
    uint32_t caller_id;
    unsigned caller_index;
    struct bus_instance *callee;
    struct bus_port *callee_port; /* NULL while it waits */
    uint32_t name_hash; /* of service and method, as names_out_find() wants it */
    uint32_t asker_hash; /* the same of `asker` and ASKER */
    char asker[AIEX_MAX_NAME + 1]; /* instance that called; "" = unknown */
    char service[AIEX_MAX_NAME + 1], method[AIEX_MAX_NAME + 1];
    uint64_t trace;
    uint64_t deadline_ms;
    uint64_t begun_ns;
    uint32_t window;
    uint64_t outstanding; /* bytes of parts on their way to the consumer */
    uint8_t flags;        /* RECORD_IDEMPOTENT, RECORD_CAST, priority */
    uint32_t request_len;
    int whole;   /* all pieces of the request have come */
    int pieces;  /* the request came in more than one */
    int repeats; /* times it was sent again after a crash */
    int unstarted; /* its process died before it began with it */
    int taken;   /* waits, and the owner of its pool has it */
    int parts;   /* a part of the answer went out */
    int ending;  /* a piece of the end went out: 1 to the caller, 2 joined, to the parent's too */
    uint32_t joining; /* bytes of the body of the answer that is under way in pieces */
    struct held_list held;
    struct call *parent;
    struct list children; /* of their `sibling` */
    struct list sibling;
    struct call *into;   /* splice: parts go to this call's caller */
    struct call *joined; /* the other way round */
    struct list wheel;   /* by deadline */
    struct list waiting; /* in callee->waiting */
    struct list served;  /* in callee_port->serving */
};

struct pattern {
    char text[AIEX_MAX_NAME + 1];
    unsigned count; /* instances of the cell that asked for it */
};

/* Where events of one topic of one publisher go; valid while bus->sub_generation stands. */
struct fan {
    uint64_t generation;
    struct bus_port **ports;
    unsigned n;
};

struct bus_port {
    struct bus *bus;
    struct list link;
    struct bus_port_ops ops;
    void *arg;
    struct names_in *names_in;   /* numbers the port uses */
    struct names_out *names_out; /* numbers we use towards it */
    struct bus_instance *instances[INSTANCES_PER_CELL];
    uint32_t *out; /* caller's slot -> call id + 1 */
    unsigned out_cap, n_out;
    struct list serving;
    unsigned n_serving;
    struct pattern patterns[PATTERNS_MAX];
    unsigned n_patterns;
    struct fan *fans; /* by topic number of this publisher */
    struct held_list events;
    uint32_t key;
    struct bus_instance_stats *stats; /* the owner's, or NULL */
    uint32_t events_missed;
    int broken;
};

struct bus_instance {
    struct bus *bus;
    struct list link;
    char name[AIEX_MAX_NAME + 1];
    struct bus_instance_options options;
    enum bus_serving serving;
    char why[160];
    struct bus_port *port;
    unsigned index;
    uint32_t asker_hash;
    char callers[BUS_CALLERS_MAX + 1], let_in[AIEX_MAX_NAME + 1]; /* callers.c */
    struct list waiting;
    struct list fresh;                             /* a pool's: its owner has not seen them */
    void (*pool_gone)(void *arg, uint32_t call); /* not NULL: a pool */
    void *pool_arg;
    struct bus_instance_stats stats;
    bus_tap_fn tap;
    void *tap_arg;
};

#define MEMBERS_MAX 64u

struct member {
    struct bus_instance *instance;
    struct bus_port *port; /* that joined last: the name leaves with it */
};

struct service {
    struct list link;
    char name[AIEX_MAX_NAME + 1];
    uint32_t hash;
    int group;
    struct member members[MEMBERS_MAX];
    unsigned n_members, turn;
};

#define SERVICE_BUCKETS 256u

struct bus {
    struct bus_limits limits;
    uint64_t now_ms, wheel_ms;
    uint64_t turn_ns; /* clock of this turn, 0 = not asked yet */
    struct list ports, instances;
    struct list services[SERVICE_BUCKETS];
    struct call **calls;
    uint32_t n_calls, calls_cap;
    uint32_t *free_calls;
    uint32_t n_free;
    struct list wheel[WHEEL_SLOTS];
    uint64_t sub_generation;
    unsigned backlog; /* ports with waiting events */
    struct bus_stats stats;
};

/* call.c */
/* The entry of a slot, made with all before it. NULL: no memory. */
struct call *call_at(struct bus *bus, uint32_t slot);
struct call *call_new(struct bus *bus);
void call_free(struct call *c);
static inline uint32_t call_id(const struct call *c)
{
    return c->slot | c->generation << 16;
}
struct call *call_by_id(struct bus *bus, uint32_t id);
struct call *call_of_caller(struct bus_port *port, uint32_t caller_id);
/* The open call under the slot of an id, whatever its generation. */
struct call *call_in_slot(struct bus_port *port, uint32_t caller_id);
/* Who asks: instance `index` of the port; "" when there is none. */
const char *call_asker(const struct bus_port *port, unsigned index);
void call_asked_by(struct call *c, const struct bus_port *port, unsigned index);
int call_book(struct call *c, struct bus_port *caller, uint32_t caller_id);
/* Nobody waits for c any more. */
void call_unbook(struct call *c);
void call_deadline(struct call *c, uint64_t deadline_ms);
/* Ends c with an error: tells the caller, cancels callee and children, frees it. */
void call_fail(struct call *c, int32_t status, const char *text, uint32_t retry_after_ms);
/* Ends c without telling the caller; callee and children are cancelled. */
void call_abandon(struct call *c);
/* Tells a caller whose request never became a call. */
void refuse(struct bus_port *caller, uint32_t caller_id, uint64_t trace, int32_t status,
            const char *text, uint32_t retry_after_ms);
void call_count_end(struct call *c, int32_t status);

/* held lists */
int held_add(struct held_list *list, const struct record *head, const uint8_t *body);
struct held *held_take(struct held_list *list);
void held_clear(struct held_list *list);

/* route.c */
int port_send(struct bus_port *port, const struct record *head, const void *body, size_t len);
/* A short record that the port's books depend on: a port whose queue does not take it is ended. */
void port_tell(struct bus_port *port, const struct record *head, const void *body, size_t len);
void port_violation(struct bus_port *port, const char *why);
/* Sends what is held of a waiting call to its instance's port. */
void call_dispatch_held(struct call *c);
void call_dispatch_to(struct call *c, struct bus_port *port);
void route_request(struct bus_port *port, const struct record *head, const uint8_t *body);
void route_answer(struct bus_port *port, const struct record *head, const uint8_t *body);
void route_credit(struct bus_port *port, const struct record *head);

/* callers.c */
void callers_set(struct bus_instance *callee, const char *list);
int callers_allow(struct bus_instance *callee, const char *name);
/* 1 = the key `callers` does not hold for this method. */
int callers_is_open(const char *method);

/* bus.c */
/* Nanoseconds, the same for all that happens between two bus_flush(): the clock costs as much as half
 * of what a call does here. */
uint64_t bus_clock_ns(struct bus *bus);

/* registry.c */
/* hash: text_hash() of the name, as struct name has it. */
struct bus_instance *bus_resolve(struct bus *bus, const char *service, uint32_t hash);
void registry_join(struct bus_port *port, const struct record *head, const uint8_t *body);
void registry_port_gone(struct bus_port *port);
void registry_instance_gone(struct bus_instance *instance);

/* Takes a name for an instance; port NULL = its own name. 0 or -1. */
int registry_hold(struct bus_instance *instance, struct bus_port *port, const char *name, int group);

/* pool.c */
/* Lets a call wait for its instance. */
void call_wait(struct call *c);
/* A port of the pool but this one, or NULL. */
struct bus_port *pool_other_port(struct bus_instance *in, const struct bus_port *but);

/* event.c */
void event_subscribe(struct bus_port *port, const struct record *head, const uint8_t *body);
void event_publish(struct bus_port *port, const struct record *head, const uint8_t *body);
void event_port_gone(struct bus_port *port);

#endif
