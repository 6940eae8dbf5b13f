/* uuid7.h - identifiers that sort by the time they were made (RFC 9562, version 7). */
#ifndef AIEX_CLI_UUID7_H
#define AIEX_CLI_UUID7_H

#define UUID7_TEXT 37 /* with its final 0 */

/* Unique, and within this process ever larger. */
void uuid7_make(char out[UUID7_TEXT]);

#endif
