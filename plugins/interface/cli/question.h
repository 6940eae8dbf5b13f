/*
 * question.h - one running cli.ask: the chat call behind it and the stream back to the caller.
 *
 * Back-pressure: parts of the chat are credited only while our own caller takes parts; after
 * AIEX_PAUSE the credit is kept until question_resume(). Ownership: a question ends itself (and
 * calls its owner's `over`) when it has answered; question_free() drops it without an answer.
 * Thread rule: [loop].
 */
#ifndef AIEX_CLI_QUESTION_H
#define AIEX_CLI_QUESTION_H

#include <aiex/aiex_plugin.h>

struct question;

/* Texts need to live during question_new() only. */
struct question_setting {
    const struct aiex_host *host;
    const char *gateway;      /* name of the service */
    const char *model;        /* when the request names none; "" = auto */
    const char *system;       /* when the request names none; "" = none */
    int64_t timeout_ms;       /* 0 = the service's default */
    int64_t history_bytes;    /* of its session, when the request does not say */
    struct aiex_turns *turns; /* outlives the question */
    int64_t max_answer_bytes; /* of an answer that is not streamed */
    /* The question has answered its caller; it is freed after this returns. */
    void (*over)(void *arg, struct question *q);
    void *arg;
};

/* Begins to serve request `m`. On failure it has been answered and *ret_question is NULL.
 * 0, -ENOMEM. The answer may come before this returns; then *ret_question is NULL, too. */
int question_new(const struct question_setting *setting, const struct aiex_message *m,
                 struct question **ret_question);
/* Cancels the chat; no answer is given. NULL is fine. */
void question_free(struct question *q);
uint64_t question_id(const struct question *q);
/* The caller has room again. */
void question_resume(struct question *q);

#endif
