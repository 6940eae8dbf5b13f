/*
 * rig.h - turns on a fake host whose sessions service is a script: what it answers, what it was
 * asked.
 */
#ifndef SESSION_RIG_H
#define SESSION_RIG_H

#include "test.h"

#include <aiex/aiex_pack.h>
#include <aiex_chat.h>
#include <aiex_fake_host.h>
#include <aiex_session.h>

extern struct aiex_fake_host *h;
extern struct aiex_turns *turns;

/* What begun() was told, and done(). */
struct told {
    int begun, done;
    char code[32], text[400], session[40], trouble[400], history[65536], not_recorded[400];
};
extern struct told told;
extern struct aiex_turn *turn;

void rig_begin(void);
void rig_end(void);

/* The service's answer to a method from now on, as JSON with ' for "; "!code text" = an error;
 * NULL = it stays open. */
void rig_answer(const char *method, const char *json);
/* Answers the open call of the method. */
void rig_answer_open(const char *method, const char *json);
unsigned rig_calls(const char *method);
/* The n-th (from 0) body of a method as JSON with ' for ". Static, four live. */
const char *rig_asked(const char *method, unsigned n);
/* Content of a message of the n-th append, text or bytes. Static. */
const char *rig_content(unsigned append, unsigned message);

/* Begins a turn of this setting's fields; the rest is a good default. */
void rig_turn(struct aiex_turn_setting setting, const char *body);
void rig_part(const char *bytes);
void rig_finish(const char *outcome);

int has(const char *text, const char *part);
#define HAS(text, part) CU_ASSERT_TRUE(has(text, part))

#define ROW  "{'session':'s1','state':'open','messages':0}"
#define FULL "{'session':'s1','state':'open','messages':4}"

#endif
