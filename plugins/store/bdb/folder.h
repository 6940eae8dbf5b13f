/* folder.h - the plain files of a folder: copied, put on the disk, removed. For backups. */
#ifndef FOLDER_H
#define FOLDER_H

#include <aiex/aiex_plugin.h>

/* Copies the files of `from` into the new folder `to` and puts them on the disk. 0 or negative
 * errno with a reason; then `to` is gone. */
int folder_copy(const char *from, const char *to, struct aiex_error *err);
int folder_copy_file(const char *from, const char *to);
/* fdatasync of each file, and of the folder. */
int folder_sync(const char *path);
/* fsync of the folder alone: the names in it. */
int folder_sync_names(const char *path);
/* Gives it its name `to` in a folder that is there, and all of that to the disk; `to` may be an empty
 * folder. 0 or negative errno with a reason. */
int folder_settle(const char *from, const char *to, struct aiex_error *err);
/* Bytes of the disk that its files take: a file of the log is longer than what was written. */
int64_t folder_bytes(const char *path);
/* Removes it with all inside; -ENOENT when there is none. */
int folder_remove(const char *path);

#endif
