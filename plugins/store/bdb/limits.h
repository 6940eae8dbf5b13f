/* limits.h - what is too much. README.md says the same to users. */
#ifndef LIMITS_H
#define LIMITS_H

#define MAX_STREAM       255u /* bytes of names */
#define MAX_ID           64u
#define MAX_TYPE         128u
#define MAX_CORRELATION  128u
#define MAX_TABLE        64u
#define MAX_SUBSCRIPTION 64u
#define MAX_KEY          1024u
#define MAX_FIELD        1024u /* bytes of an indexed value */
#define MAX_VALUE        (8u << 20)
#define MAX_META         65536u
#define MAX_EVENTS       1000u /* of a request */
#define MAX_OPS          1000u
#define MAX_INDEXES      8u
#define MAX_TABLES       1024u

#define QUEUE_WRITES (16u << 10)
#define QUEUE_BYTES  (96u << 20)
#define BATCH_WRITES 1024u
#define BATCH_EVENTS 4096u
#define BATCH_BYTES  (8u << 20)

#define MAX_READERS 8
#define MAX_JOBS    1024u
#define PART_BYTES  (128u << 10) /* of a part; one longer event is a part by itself */
#define RANGE_BYTES (2u << 20)   /* of the rows of one range request */
#define BLOCK       1024u        /* events of which earliest and latest time are known */

#define PIN_BYTES (64u << 20) /* of rows that changed while a snapshot is read */
#define MAX_PINS  4u

#define MAX_WINDOW     10000
#define MAX_PARTITIONS 256

#endif
