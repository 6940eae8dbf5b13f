/* state.c - may the store write, and if not, why. Told to the log once, when it changes. */
#include "store.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void state_init(struct state *st)
{
    pthread_mutex_init(&st->lock, NULL);
    pthread_cond_init(&st->changed, NULL);
    st->phase = OPENING;
}

void state_done(struct state *st)
{
    pthread_cond_destroy(&st->changed);
    pthread_mutex_destroy(&st->lock);
}

void state_phase(struct state *st, enum phase phase, const char *why)
{
    pthread_mutex_lock(&st->lock);
    st->phase = phase;
    snprintf(st->failed, sizeof(st->failed), "%s", why ? why : "");
    pthread_cond_broadcast(&st->changed);
    pthread_mutex_unlock(&st->lock);
}

enum phase state_now(struct state *st)
{
    enum phase phase;

    pthread_mutex_lock(&st->lock);
    phase = st->phase;
    pthread_mutex_unlock(&st->lock);
    return phase;
}

enum phase state_told(struct state *st, char why[STATE_TEXT])
{
    enum phase phase;

    pthread_mutex_lock(&st->lock);
    phase = st->phase;
    memcpy(why, st->failed, STATE_TEXT);
    pthread_mutex_unlock(&st->lock);
    return phase;
}

enum phase state_wait(struct state *st)
{
    enum phase phase;

    pthread_mutex_lock(&st->lock);
    while (st->phase == OPENING)
        pthread_cond_wait(&st->changed, &st->lock);
    phase = st->phase;
    pthread_mutex_unlock(&st->lock);
    return phase;
}

void state_set(struct store *s, enum cause cause, const char *format, ...)
{
    struct state *st = &s->state;
    va_list args;
    int known;

    pthread_mutex_lock(&st->lock);
    known = (st->causes >> cause) & 1;
    if (!known) {
        va_start(args, format);
        vsnprintf(st->why[cause], sizeof(st->why[cause]), format, args);
        va_end(args);
        st->causes |= 1u << cause;
    }
    pthread_mutex_unlock(&st->lock);
    if (!known)
        aiex_logf(s->host, cause == OPERATOR ? AIEX_LOG_NOTICE : AIEX_LOG_ERROR, 0, "read-only: %s",
                  st->why[cause]);
}

void state_clear(struct store *s, enum cause cause)
{
    struct state *st = &s->state;
    int was;

    pthread_mutex_lock(&st->lock);
    was = (st->causes >> cause) & 1;
    st->causes &= ~(1u << cause);
    pthread_mutex_unlock(&st->lock);
    if (was)
        aiex_logf(s->host, AIEX_LOG_NOTICE, 0, "no longer: %s", st->why[cause]);
}

int state_has(struct state *st, enum cause cause)
{
    int has;

    pthread_mutex_lock(&st->lock);
    has = (st->causes >> cause) & 1;
    pthread_mutex_unlock(&st->lock);
    return has;
}

int state_writes(struct state *st, char *why, size_t size)
{
    int writes;

    pthread_mutex_lock(&st->lock);
    writes = st->phase != FAILED && !st->causes;
    for (unsigned i = N_CAUSES; i-- > 0 && why && !writes;)
        if ((st->causes >> i) & 1)
            snprintf(why, size, "%s", st->why[i]);
    if (st->phase == FAILED && why)
        snprintf(why, size, "%s", st->failed);
    pthread_mutex_unlock(&st->lock);
    return writes;
}

void state_damage(struct store *s, const char *what)
{
    if (strstr(s->env.said, strerror(ENOMEM)))
        state_set(s, UNSURE, "the database gave up: %.160s; restart the store", s->env.said);
    else if (s->env.said[0])
        state_set(s, DAMAGE, "damage: %.160s; restore a backup", s->env.said);
    else
        state_set(s, DAMAGE, "damage in %.60s: a record that can not be; restore a backup", what);
}
