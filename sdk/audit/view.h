/* view.h - whether what people read in an export says what the signed bytes say. */
#ifndef AUDIT_VIEW_H
#define AUDIT_VIEW_H

#include <aiex_json.h>

/* Every key of the object `view` equals the body's: 0. Else -EINVAL and the first key that does not
 * (cut) in `key`; -ENOMEM. In msgpack bodies bytes may be shown as hex or base64. `view` lies in a
 * text that was scanned, the body may be anything. */
int view_check(const struct aiex_json_span *view, struct aiex_slice body, int encoding, char *key,
               size_t key_size);

#endif
