/*
 * disk.h - what the disk can do, and a folder of its own there (BENCH_DIR, or /var/tmp).
 */
#ifndef AIEX_BENCH_DISK_H
#define AIEX_BENCH_DISK_H

#include <stdint.h>

#define DISK_PATH 64

/* A new folder; its name into `dir`. */
void disk_folder(char dir[DISK_PATH]);
void disk_remove(const char *dir);
/* A file to which events of 700 bytes are appended, each `batch` of them with an fdatasync. */
int disk_raw_open(const char *dir);
/* Nanoseconds. */
uint64_t disk_raw_append(int fd, int batch, long count);
void disk_raw_close(int fd, const char *dir);
/* Prints the rate of events that are appended to a file, `batch` of 700 bytes to an fdatasync. */
void disk_limit(const char *name, const char *dir, int batch, long count);

#endif
