/*
 * v1.c - the layout of ABI major 1, locked.
 *
 * Compiled with every build. A field that moves, changes its size or disappears stops
 * the build here; appending a field at the end of a struct only needs a new line (and
 * the new size). To move anything is a new major: docs/abi.md says what that costs.
 *
 * The numbers are those of LP64 (all platforms Aiex runs on today).
 */
#include <aiex/aiex_http.h>
#include <aiex/aiex_listen.h>
#include <aiex/aiex_plugin.h>
#include <aiex/aiex_settings.h>

#if defined(__LP64__)

/* A published field: offset and size. */
#define AT(type, field, offset, size)                                                              \
    _Static_assert(offsetof(struct type, field) == (offset),                                       \
                   #type "." #field " moved: that is a new ABI major");                            \
    _Static_assert(sizeof(((struct type *)0)->field) == (size),                                    \
                   #type "." #field " changed its size: that is a new ABI major")

/* The size at this minor; it may grow, by an appended field that gets its line below. */
#define SIZE(type, size)                                                                           \
    _Static_assert(sizeof(struct type) == (size), #type " has another size: lock the new fields")

_Static_assert(AIEX_ABI_MAGIC == 0x41694558u, "the magic is part of the ABI");
_Static_assert(AIEX_ABI_MAJOR == 1u, "this file locks major 1");

/* ---- aiex_plugin.h ---- */

SIZE(aiex_slice, 16);
AT(aiex_slice, data, 0, 8);
AT(aiex_slice, len, 8, 8);

SIZE(aiex_error, 512);
AT(aiex_error, text, 0, 512);

SIZE(aiex_option, 64);
AT(aiex_option, name, 0, 8);
AT(aiex_option, def, 8, 8);
AT(aiex_option, help, 16, 8);
AT(aiex_option, type, 24, 4);
AT(aiex_option, flags, 28, 4);
AT(aiex_option, min, 32, 8);
AT(aiex_option, max, 40, 8);
AT(aiex_option, choices, 48, 8);
AT(aiex_option, offset, 56, 8);

SIZE(aiex_message, 72);
AT(aiex_message, struct_size, 0, 4);
AT(aiex_message, kind, 4, 4);
AT(aiex_message, flags, 8, 4);
AT(aiex_message, timeout_ms, 12, 4);
AT(aiex_message, id, 16, 8);
AT(aiex_message, trace, 24, 8);
AT(aiex_message, service, 32, 8);
AT(aiex_message, method, 40, 8);
AT(aiex_message, body, 48, 16);
AT(aiex_message, caller, 64, 8);

SIZE(aiex_answer, 56);
AT(aiex_answer, struct_size, 0, 4);
AT(aiex_answer, kind, 4, 4);
AT(aiex_answer, call, 8, 8);
AT(aiex_answer, code, 16, 8);
AT(aiex_answer, text, 24, 8);
AT(aiex_answer, retry_after_ms, 32, 4);
AT(aiex_answer, flags, 36, 4);
AT(aiex_answer, body, 40, 16);

SIZE(aiex_request, 72);
AT(aiex_request, struct_size, 0, 4);
AT(aiex_request, flags, 4, 4);
AT(aiex_request, service, 8, 8);
AT(aiex_request, method, 16, 8);
AT(aiex_request, body, 24, 16);
AT(aiex_request, parent, 40, 8);
AT(aiex_request, trace, 48, 8);
AT(aiex_request, timeout_ms, 56, 4);
AT(aiex_request, window_bytes, 60, 4);
AT(aiex_request, priority, 64, 4);
AT(aiex_request, reserved, 68, 4);

SIZE(aiex_event, 64);
AT(aiex_event, struct_size, 0, 4);
AT(aiex_event, flags, 4, 4);
AT(aiex_event, topic, 8, 8);
AT(aiex_event, type, 16, 8);
AT(aiex_event, subject, 24, 8);
AT(aiex_event, data, 32, 16);
AT(aiex_event, trace, 48, 8);
AT(aiex_event, causation, 56, 8);

SIZE(aiex_host, 208);
AT(aiex_host, struct_size, 0, 4);
AT(aiex_host, abi_major, 4, 2);
AT(aiex_host, abi_minor, 6, 2);
AT(aiex_host, ctx, 8, 8);
AT(aiex_host, instance, 16, 8);
AT(aiex_host, node, 24, 8);
AT(aiex_host, data_dir, 32, 8);
AT(aiex_host, log, 40, 8);
AT(aiex_host, alloc, 48, 8);
AT(aiex_host, release, 56, 8);
AT(aiex_host, now_ms, 64, 8);
AT(aiex_host, alive, 72, 8);
AT(aiex_host, post, 80, 8);
AT(aiex_host, stream, 88, 8);
AT(aiex_host, reply, 96, 8);
AT(aiex_host, fail, 104, 8);
AT(aiex_host, call, 112, 8);
AT(aiex_host, credit, 120, 8);
AT(aiex_host, cancel, 128, 8);
AT(aiex_host, join, 136, 8);
AT(aiex_host, publish, 144, 8);
AT(aiex_host, subscribe, 152, 8);
AT(aiex_host, unsubscribe, 160, 8);
AT(aiex_host, timer, 168, 8);
AT(aiex_host, watch, 176, 8);
AT(aiex_host, rewatch, 184, 8);
AT(aiex_host, unwatch, 192, 8);
AT(aiex_host, extension, 200, 8);

SIZE(aiex_plugin, 120);
AT(aiex_plugin, magic, 0, 4);
AT(aiex_plugin, struct_size, 4, 4);
AT(aiex_plugin, abi_major, 8, 2);
AT(aiex_plugin, abi_minor, 10, 2);
AT(aiex_plugin, option_size, 12, 4);
AT(aiex_plugin, name, 16, 8);
AT(aiex_plugin, version, 24, 8);
AT(aiex_plugin, summary, 32, 8);
AT(aiex_plugin, kind, 40, 8);
AT(aiex_plugin, options, 48, 8);
AT(aiex_plugin, config_size, 56, 8);
AT(aiex_plugin, needs, 64, 4);
AT(aiex_plugin, reserved, 68, 4);
AT(aiex_plugin, create, 72, 8);
AT(aiex_plugin, start, 80, 8);
AT(aiex_plugin, handle, 88, 8);
AT(aiex_plugin, reload, 96, 8);
AT(aiex_plugin, drain, 104, 8);
AT(aiex_plugin, destroy, 112, 8);

/* ---- aiex_http.h ---- */

SIZE(aiex_http_header, 16);
AT(aiex_http_header, name, 0, 8);
AT(aiex_http_header, value, 8, 8);

SIZE(aiex_http_handler, 32);
AT(aiex_http_handler, struct_size, 0, 4);
AT(aiex_http_handler, reserved, 4, 4);
AT(aiex_http_handler, head, 8, 8);
AT(aiex_http_handler, body, 16, 8);
AT(aiex_http_handler, end, 24, 8);

SIZE(aiex_http_request, 88); /* 80 in 1.0 */
AT(aiex_http_request, struct_size, 0, 4);
AT(aiex_http_request, flags, 4, 4);
AT(aiex_http_request, method, 8, 8);
AT(aiex_http_request, url, 16, 8);
AT(aiex_http_request, headers, 24, 8);
AT(aiex_http_request, n_headers, 32, 8);
AT(aiex_http_request, body, 40, 16);
AT(aiex_http_request, connect_ms, 56, 4);
AT(aiex_http_request, first_byte_ms, 60, 4);
AT(aiex_http_request, idle_ms, 64, 4);
AT(aiex_http_request, total_ms, 68, 4);
AT(aiex_http_request, max_body_bytes, 72, 8);
AT(aiex_http_request, ca_pem, 80, 8); /* 1.1 */

SIZE(aiex_http, 32);
AT(aiex_http, struct_size, 0, 4);
AT(aiex_http, reserved, 4, 4);
AT(aiex_http, request, 8, 8);
AT(aiex_http, pause, 16, 8);
AT(aiex_http, cancel, 24, 8);

/* ---- aiex_listen.h ---- */

SIZE(aiex_listen, 16);
AT(aiex_listen, struct_size, 0, 4);
AT(aiex_listen, reserved, 4, 4);
AT(aiex_listen, open, 8, 8);

/* ---- aiex_settings.h ---- */

SIZE(aiex_settings, 32);
AT(aiex_settings, struct_size, 0, 4);
AT(aiex_settings, reserved, 4, 4);
AT(aiex_settings, find, 8, 8);
AT(aiex_settings, text, 16, 8);
AT(aiex_settings, version, 24, 8);

#endif
