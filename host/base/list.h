/*
 * list.h - intrusive doubly linked list. A `struct list` is both head and link;
 * an empty head points at itself. Elements embed it and are found by list_of().
 */
#ifndef AIEX_BASE_LIST_H
#define AIEX_BASE_LIST_H

#include <stddef.h>

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline int list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_append(struct list *head, struct list *item)
{
    item->prev = head->prev;
    item->next = head;
    head->prev->next = item;
    head->prev = item;
}

/* Takes the item out and leaves it an empty list, so that removing twice is harmless. */
static inline void list_remove(struct list *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    list_init(item);
}

#define list_of(link, type, member) ((type *)(void *)((char *)(link) - offsetof(type, member)))
#define list_each(it, head)         for (struct list *it = (head)->next; it != (head); it = it->next)
#define list_each_safe(it, nx, head)                                                               \
    for (struct list *it = (head)->next, *nx = it->next; it != (head); it = nx, nx = it->next)

#endif
