/*
 * recording.h - a question and its answer for the session that it names, if there is one.
 *
 * `session` of a question is first of all the name of a conversation, by which the gateway keeps
 * its questions at one provider. When the sessions service has a session of that name, question
 * and answer are appended to it, both or none; without such a session, or without the service,
 * nothing is recorded and nothing is said. Thread rule: [loop].
 */
#ifndef AIEX_CLI_RECORDING_H
#define AIEX_CLI_RECORDING_H

#include <aiex/aiex_plugin.h>

#define RECORDING_BYTES (448u << 10) /* of the question, and of the answer */

struct recording;

/* Copies the prompt. NULL when that can not be the name of a session, or without memory. */
struct recording *recording_new(const struct aiex_host *host, struct aiex_slice session,
                                struct aiex_slice prompt);
/* Cancels what is under way; nobody is told. NULL is fine. */
void recording_free(struct recording *r);
/* More of the answer. */
void recording_add(struct recording *r, const char *text, size_t len);

/* `trouble` is NULL when it is recorded or nothing was to be recorded, else a sentence. */
typedef void (*recording_fn)(void *arg, const char *trouble);

/* Appends; fn is called once, perhaps before this returns; only later may it free r. The call
 * belongs to request `parent`, whose correlation id makes it one recording however often it is
 * sent. Counts below 0: unknown. */
void recording_end(struct recording *r, uint64_t parent, uint64_t trace, const char *model,
                   int64_t input_tokens, int64_t output_tokens, recording_fn fn, void *arg);

#endif
