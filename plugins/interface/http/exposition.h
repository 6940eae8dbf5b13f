/*
 * exposition.h - Prometheus texts of several sources made into one.
 *
 * The format (text 0.0.4) wants all samples of a family in one place under one HELP and TYPE. Each
 * source is whole by itself, but two may have the same family: three tiers, two stores. So the
 * texts are cut into blocks, one per family and source, and written family by family. What a plugin
 * sent is not trusted: lines that are no sample, HELP or TYPE are left out, and of two TYPEs the
 * first holds. Pure; at most EXPOSITION_BLOCKS blocks, what is beyond is left out whole.
 */
#ifndef INTERFACE_HTTP_EXPOSITION_H
#define INTERFACE_HTTP_EXPOSITION_H

#include <aiex/aiex_plugin.h>

#define EXPOSITION_BLOCKS 4096u

/* Gets the text piece by piece; not 0 ends it. */
typedef int (*exposition_fn)(void *arg, const void *bytes, size_t n);

/* 0, -ENOMEM, or what fn returned. */
int exposition_merge(const struct aiex_slice *texts, size_t n_texts, exposition_fn fn, void *arg);

#endif /* INTERFACE_HTTP_EXPOSITION_H */
