/* note_text.h - what the files of notes share: names, base64, reasons. */
#ifndef AUDIT_NOTE_TEXT_H
#define AUDIT_NOTE_TEXT_H

#include <aiex/aiex_plugin.h>

#define NOTE_BASE64(n) (((n) + 2) / 3 * 4 + 1) /* characters with the 0 */

int note_name_ok(const char *name, size_t len);
/* -EINVAL, with the reason in err (may be NULL). */
int note_fail(struct aiex_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Exactly base64 with padding, at most `max` bytes. 0, -EINVAL. note.c */
int note_unbase64(const char *text, size_t len, uint8_t *out, size_t max, size_t *ret_n);

#endif
