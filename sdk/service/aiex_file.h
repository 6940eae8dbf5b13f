/*
 * aiex_file.h - small files that are read and replaced whole.
 *
 * aiex_file_replace() writes NAME.tmp beside the file and renames it: a reader, and the
 * next start after a crash, sees the old content or the new one. Any thread, no state.
 */
#ifndef AIEX_FILE_H
#define AIEX_FILE_H

#include <aiex/aiex_plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* AIEX_FILE_SYNC: on the disk before the rename (may take long). Without it a power failure may
 * leave a file that is empty or torn: readers need a checksum. */
#define AIEX_FILE_SYNC 1u

/* Puts the pieces one behind the other as the new content of `path`. 0 or negative errno with a
 * reason (err may be NULL); then the old file stands and no temporary one is left. */
int aiex_file_replace(const char *path, const struct aiex_slice *pieces, size_t n_pieces,
                      unsigned flags, struct aiex_error *err);

/* Reads a file of at most `max` bytes. free() *ret_data. 0, -ENOENT, -EFBIG, -ENOMEM, other errno.
 */
int aiex_file_read(const char *path, size_t max, uint8_t **ret_data, size_t *ret_len);

/* The whole of n bytes at `offset`, through interrupts and short writes. 0 or negative errno. */
int aiex_file_pwrite(int fd, const void *bytes, size_t n, uint64_t offset);
/* Up to n bytes; *ret_got is less at the end of the file only. 0 or negative errno. */
int aiex_file_pread(int fd, void *mem, size_t n, uint64_t offset, size_t *ret_got);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_FILE_H */
