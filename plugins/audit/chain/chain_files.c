/* chain_files.c - see chain_files.h. */
#include "chain_files.h"

#include <aiex_file.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

off_t size_of(const char *name)
{
    struct stat st;

    return stat(rig_path(name), &st) == 0 ? st.st_size : -1;
}

uint64_t entries(void)
{
    return (uint64_t)number(answer_of(ASK("audit.status")), "entries");
}

const char *state(void)
{
    return text(answer_of(ASK("audit.status")), "state");
}

/* ---- Files, changed by hand ---- */

struct image load(const char *name)
{
    struct image f = {NULL, 0};

    CU_ASSERT_EQUAL_FATAL(aiex_file_read(rig_path(name), 64u << 20, &f.data, &f.n), 0);
    return f;
}

void save(const char *name, const void *data, size_t n)
{
    FILE *f = fopen(rig_path(name), "wb");

    CU_ASSERT_EQUAL(fwrite(data, 1, n, f), n);
    fclose(f);
}

void save_image(const char *name, struct image f)
{
    save(name, f.data, f.n);
    free(f.data);
}

/* The n-th record of the first segment, in f. */
struct record nth(struct image f, unsigned n)
{
    struct record r = {.seq = 0};
    uint64_t salt, first;
    struct scan scan;
    int fd = open(rig_path(SEGMENT), O_RDONLY);

    CU_ASSERT_EQUAL(segment_head_read(f.data, &salt, &first), 0);
    CU_ASSERT_EQUAL(scan_begin(&scan, fd, salt, SEGMENT_HEAD, (uint64_t)size_of(SEGMENT)), 0);
    for (unsigned i = 0; i <= n; i++)
        CU_ASSERT_EQUAL_FATAL(scan_next(&scan, &r), SCAN_RECORD);
    scan_done(&scan);
    close(fd);
    r.body.data = f.data + r.offset + RECORD_HEAD;
    r.secret.data = r.body.data + r.body.len;
    return r;
}

/* Makes its checksum right again, as who tampers with it does. */
void seal(struct image f, struct record r)
{
    uint64_t salt, first;

    segment_head_read(f.data, &salt, &first);
    record_head_write(salt, &r, f.data + r.offset);
}

void change_text(struct record r, const char *from, const char *to)
{
    uint8_t *at = memmem(r.body.data, r.body.len, from, strlen(from));

    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    memcpy(at, to, strlen(to));
}

/* Twenty entries, closed; the caller changes files. */
void begin_twenty(void)
{
    rig_begin((struct aiex_fake_pair[]){{"head_entries", "8"}, {"verify_interval", "0s"}, {0}});
    for (int i = 0; i < 4; i++) {
        put(5);
        ASK("audit.head");
    }
    rig_close();
}

/* The writer looks by its own clock whether there is room again. */
void wait_state(const char *want)
{
    for (int i = 0; i < 2000 && strcmp(state(), want) != 0; i++) {
        pass(TICK_MS);
        aiex_fake_poll(h, 10);
    }
    CU_ASSERT_STRING_EQUAL(state(), want);
}
