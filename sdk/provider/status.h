/* status.h - what the head of a vendor's answer means: its status, how long to wait, what is left.
 */
#ifndef PROVIDER_STATUS_H
#define PROVIDER_STATUS_H

#include <aiex/aiex_http.h>
#include <time.h>

struct status_meaning {
    const char *code; /* AIEX_E_* */
    int http_status;  /* what a client of the dialect should see */
    int started;      /* the vendor may have begun to work */
};

/* `status` is not 2xx; `waits` = the answer says when to come again. */
struct status_meaning status_meaning(int status, int waits);

/* Milliseconds that retry-after-ms or Retry-After (seconds or a date, RFC 9110 10.2.3) ask for; a
 * date counts from the answer's own Date header, else from wall_now. At most a day. -1 = neither.
 */
int64_t status_retry_ms(const struct aiex_http_header *headers, size_t n_headers, time_t wall_now);

/* What is left of the vendor's limits; -1 = not said. */
struct rate {
    int64_t requests, tokens;
    int64_t reset_ms; /* until all that was named is renewed, at most a day */
};

/* x-ratelimit-{remaining,reset}-{requests,tokens} (OpenAI: "1s", "6m0s") and
 * anthropic-ratelimit-{requests,tokens}-{remaining,reset} (RFC 3339). */
struct rate status_rate(const struct aiex_http_header *headers, size_t n_headers, time_t wall_now);

/* Value of a header or NULL. Names are lower case. */
const char *status_header(const struct aiex_http_header *headers, size_t n_headers,
                          const char *name);

#endif
