/*
 * owners.h - whose a stream, a table or an epoch is: the option `owner.*`, compiled.
 *
 *     owner.gateway = streams=gateway/ for=service_gateway*,service_checkpoints*
 *
 * claims all streams whose names begin with `gateway/` for the instances that `for` names, as the
 * host tells them with each request (aiex_message.caller). Nobody else appends to them, erases or
 * compacts them; with tables nobody else puts rows, deletes them or defines the table; with epochs
 * (the field `owner` of writes) nobody else writes under the name, and so nobody can raise its
 * epoch and lock the owner out. Reading is free, but for streams of a line with `readers=`: what
 * their events say is shown to its owners and to those readers only. What no line claims is
 * everybody's.
 *
 * An instance that `for` names stands for all of its plugin as well: `service_x` is
 * `service_x:two`, too. A name that ends in `*` or `/` means all that begin so. Of several claims
 * that fit a name the longest holds, so `gateway/key` can be another's in the middle of `gateway/`.
 * Two lines that claim the same are a mistake and refused. The store's own work (expiry, stamps,
 * restores) does not ask.
 *
 * What can be decided once is decided when the option is read: claims lie longest first, and a
 * pattern is its length and whether more may follow. A write costs one comparison of bytes for
 * each claim of its kind that is not longer than its name.
 *
 * Thread rule: the loop makes them, and takes and gives back references. They never change, so any
 * thread may look up what its job has a reference to.
 */
#ifndef OWNERS_H
#define OWNERS_H

#include <aiex/aiex_plugin.h>

#define MAX_CLAIMS 512u /* names of all lines */

enum owned { OWNED_STREAM, OWNED_TABLE, OWNED_EPOCH, N_OWNED };

struct owners;

/* A line of the option. Lives as long as its owners. */
struct owner {
    const char *key; /* "gateway" of "owner.gateway" */
    const char *to;  /* as it was written behind for= */
};

/* From the text of the option: lines "gateway TAB streams=... for=...". 0, -EINVAL (err names line
 * and word), -ENOMEM. Free with owners_unref(). */
int owners_new(const char *text, struct owners **ret_owners, struct aiex_error *err);
struct owners *owners_ref(struct owners *o);
void owners_unref(struct owners *o);

/* NULL: `caller` may write to what has this name. Else whose it is. */
const struct owner *owners_deny(const struct owners *o, enum owned kind, struct aiex_slice name,
                                const char *caller);
/* Whether something is hidden from `caller` at all, and whether this stream is. */
int owners_veil(const struct owners *o, const char *caller);
int owners_hide(const struct owners *o, struct aiex_slice stream, const char *caller);
/* "stream" ... for people. */
const char *owned_name(enum owned kind);

#endif
