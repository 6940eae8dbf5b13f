/*
 * topic.h - topics of events: words joined by dots, "provider.health"; and patterns of them: a
 * topic, "provider.*" for all below, "*" for all. Any thread.
 */
#ifndef AIEX_BASE_TOPIC_H
#define AIEX_BASE_TOPIC_H

#define TOPIC_BYTES 64u /* of the longest one, with the 0 */

/* 1 if `topic` falls under `pattern`: equal, or "a.*" and below a. */
int topic_matches(const char *pattern, const char *topic);
/* 1 if it is one that may be used. */
int topic_valid(const char *pattern, int is_pattern);
/* The next pattern of a list with commas or blanks between. 1 and *at behind it, 0 = there is no
 * more, -EINVAL = it is none; *at is where it begins. */
int topic_next(const char **at, char topic[TOPIC_BYTES]);

#endif
