/* responses_rig.h - service_responses through its descriptor, in files or in a store. */
#ifndef RESPONSES_RIG_H
#define RESPONSES_RIG_H

#include "responses.h"
#include "test.h"

#include <aiex_fake_host.h>
#include <table_store.h>

extern struct aiex_fake_host *h;
extern const struct aiex_plugin *p;
extern void *self;
extern char dir[64];
extern int64_t now; /* of the wall clock */
extern int in_store;
extern struct table_store *rows;

/* The test twice: in files, then in a store. */
void in_both(void (*test)(void));

/* An empty folder and store, and the plugin; it ends, and nothing was left behind. */
void begin(const struct aiex_fake_pair *pairs);
void finish(void);
/* The same with what is there. */
void open_it(const struct aiex_fake_pair *pairs);
void close_it(void);
void reload_it(const struct aiex_fake_pair *pairs);

/* A file of the folder; how many there are; responses that are kept. */
const char *path(const char *name);
unsigned files(int remove_them);
unsigned kept(void);

#define R(n) "{\"id\":\"r\",\"output\":[{\"o\":" #n "}]}"

/* The id of the call; its code, "" = good, "open" = not answered. */
uint64_t put_as(const char *key, const char *id, const char *previous, const char *input,
                const char *response);
uint64_t ask_as(const char *key, const char *method, const char *id);
const char *code(uint64_t call);
/* As k1; the code. */
const char *put(const char *id, const char *previous, const char *input, const char *response);
/* The bytes under a key as text, or the code of the refusal. */
const char *bytes(uint64_t call, const char *key);
const char *history(const char *id);
int64_t status(const char *key);

#endif
