/*
 * renew.h - instances with the key `reload_on`: an event of such a topic says that what they have
 * in memory is not true any more (the store was put back to a backup), and each is replaced by a
 * new process that reads it anew, as `aiex plugin reload` does. What the old one has under way it
 * ends. The event itself is not looked at; anybody may publish it, so each topic replaces at most
 * once a second, the last time after the last event.
 *
 * Thread rule: loop thread.
 */
#ifndef AIEX_NODE_RENEW_H
#define AIEX_NODE_RENEW_H

struct node;
struct renew;

struct renew *renew_new(struct node *node); /* NULL: no memory */
void renew_free(struct renew *renew);
/* The topics of the node's configuration; those that nobody names any more go. */
void renew_apply(struct renew *renew);

#endif
