/*
 * admin.h - what the host tells and takes: the bus service "host" (service.c, one table
 * of methods), the metrics text, and the control socket (control.c), through which a
 * program outside calls any service of the bus as if it were a plugin.
 *
 * Control protocol (unix stream socket, mode 0600; the peer must be the same user or
 * root): frames both ways, u32 little-endian length, then one msgpack map of at most
 * CONTROL_FRAME_MAX bytes.
 *   to the host   {id, op: "call", service, method, body: map, timeout_ms}
 *                 {id, op: "credit", bytes}   {id, op: "cancel"}
 *   from the host {id, kind: "part", body: bin}
 *                 {id, kind: "end", body: map [, code, text, retry_after_ms]}
 * `id` is the client's own number, unique among its open calls. At most CONTROL_WINDOW
 * bytes of parts are under way until the client credits them. A frame that is not
 * understood ends the connection with {id: 0, kind: "end", code: "invalid", text}.
 *
 * Thread rule: loop thread.
 */
#ifndef AIEX_ADMIN_H
#define AIEX_ADMIN_H

#include "node/node.h"

#define CONTROL_FRAME_MAX   (32u * 1024u * 1024u)
#define CONTROL_WINDOW      (256u * 1024u)
#define CONTROL_CLIENTS_MAX 256u
#define CONTROL_CALLS_MAX   256u /* open ones of a client */

struct admin;

/* Listens at `path` and serves "host". stop, reload and upgrade are performed by the caller's
 * functions (upgrade may be NULL). NULL and err on failure. */
struct admin_actions {
    void (*stop)(void *arg);
    int (*upgrade)(void *arg, struct aiex_error *err);
};
struct admin *admin_new(struct node *node, const char *path, const struct admin_actions *actions,
                        void *arg, struct aiex_error *err);
void admin_free(struct admin *admin);
/* A reload that a signal asked for: once the audit log knows, `reload` is called, which returns 0 or
 * negative errno; refused with a log line when it must be recorded and can not be. */
void admin_reload(struct admin *admin, int (*reload)(void));
/* The host has begun (a word of how), or is stopping because of `why`. */
void admin_begun(struct admin *admin, const char *how);
void admin_stopping(struct admin *admin, const char *why);
/* For re-exec: writes the open connections and watchers down; takes them over. */
void admin_save(struct admin *admin, struct pack *out);
void admin_resume(struct admin *admin, const void *doc_value);

#endif
