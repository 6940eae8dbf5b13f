/* settings_page_test.c - hot values: one writer, readers that can only read. */
#include "wire/settings_page.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct settings_page *page;
static const struct settings_page *view;
static int writer_fd, reader_fd;

static void begin(void)
{
    writer_fd = settings_page_make(&page);
    CU_ASSERT_FATAL(writer_fd >= 0);
    reader_fd = settings_page_reader(writer_fd);
    CU_ASSERT_FATAL(reader_fd >= 0);
    view = settings_page_map(reader_fd);
    CU_ASSERT_PTR_NOT_NULL_FATAL(view);
}

static void finish(void)
{
    settings_page_unmap(view);
    settings_page_unmap(page);
    settings_page_unmap(NULL);
    close(reader_fd);
    close(writer_fd);
}

static void test_set(void)
{
    const struct setting_slot *a, *b;
    uint64_t version;
    char text[200];

    begin();
    CU_ASSERT_PTR_NULL(settings_page_find(view, "a"));
    CU_ASSERT_EQUAL(settings_page_set(page, "a", 5, "5"), 0);
    CU_ASSERT_EQUAL(settings_page_set(page, "b", 0, "hello"), 0);
    a = settings_page_find(view, "a");
    b = settings_page_find(view, "b");
    CU_ASSERT_FATAL(a && b && a != b);
    CU_ASSERT_EQUAL(a->whole, 5);
    CU_ASSERT_EQUAL(settings_page_text(b, text, sizeof(text)), 5);
    CU_ASSERT_STRING_EQUAL(text, "hello");
    CU_ASSERT_EQUAL(settings_page_text(b, text, 5), -ENOSPC);
    CU_ASSERT_EQUAL(settings_page_text(b, text, 6), 5);
    version = atomic_load(&view->version);
    CU_ASSERT_EQUAL(settings_page_set(page, "a", 5, "5"), 0); /* the same: no change */
    CU_ASSERT_EQUAL(atomic_load(&view->version), version);
    CU_ASSERT_EQUAL(settings_page_set(page, "a", 6, "6"), 0);
    CU_ASSERT_EQUAL(atomic_load(&view->version), version + 1);
    CU_ASSERT_EQUAL(a->whole, 6); /* at the address found before */
    settings_page_unset(page, "a");
    CU_ASSERT_EQUAL(atomic_load(&view->version), version + 2);
    CU_ASSERT_EQUAL(a->whole, 0);
    CU_ASSERT_EQUAL(settings_page_text(a, text, sizeof(text)), -ENOENT);
    settings_page_unset(page, "a");
    settings_page_unset(page, "never");
    CU_ASSERT_EQUAL(atomic_load(&view->version), version + 2);
    CU_ASSERT_EQUAL(settings_page_set(page, "a", 7, "7"), 0); /* back in its slot */
    CU_ASSERT_PTR_EQUAL(settings_page_find(view, "a"), a);
    CU_ASSERT_EQUAL(a->whole, 7);
    finish();
}

static void test_limits(void)
{
    const struct setting_slot *slot;
    char name[120], text[200];

    begin();
    memset(name, 'n', sizeof(name));
    memset(text, 't', sizeof(text));
    name[96] = 0;
    CU_ASSERT_EQUAL(settings_page_set(page, name, 1, ""), -EMSGSIZE);
    name[95] = 0;
    text[144] = 0;
    CU_ASSERT_EQUAL(settings_page_set(page, name, 1, text), -EMSGSIZE);
    CU_ASSERT_PTR_NULL(settings_page_find(view, name));
    text[143] = 0;
    CU_ASSERT_EQUAL(settings_page_set(page, name, 1, text), 0);
    slot = settings_page_find(view, name);
    CU_ASSERT_PTR_NOT_NULL_FATAL(slot);
    CU_ASSERT_EQUAL(settings_page_text(slot, text, sizeof(text)), 143);
    for (unsigned i = 1; i < SETTINGS_SLOTS; i++) {
        snprintf(name, sizeof(name), "s%u", i);
        CU_ASSERT_EQUAL(settings_page_set(page, name, i, ""), 0);
    }
    CU_ASSERT_EQUAL(settings_page_set(page, "one more", 1, ""), -ENOSPC);
    CU_ASSERT_EQUAL(settings_page_set(page, "s1000", 5, "x"), 0);
    CU_ASSERT_EQUAL(settings_page_find(view, "s1000")->whole, 5);
    finish();
}

/* A cell's descriptor gives no way to write. */
static void test_read_only(void)
{
    void *other;

    begin();
    CU_ASSERT_PTR_EQUAL(mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, reader_fd, 0),
                        MAP_FAILED);
    other = mmap(NULL, sizeof(*page), PROT_READ, MAP_SHARED, reader_fd, 0);
    CU_ASSERT_FATAL(other != MAP_FAILED);
    CU_ASSERT_EQUAL(mprotect(other, sizeof(*page), PROT_READ | PROT_WRITE), -1);
    CU_ASSERT_EQUAL(munmap(other, sizeof(*page)), 0);
    CU_ASSERT_EQUAL(write(reader_fd, "x", 1), -1);
    CU_ASSERT_EQUAL(pwrite(reader_fd, "x", 1, 0), -1);
    CU_ASSERT_EQUAL(ftruncate(reader_fd, 0), -1);
    CU_ASSERT_EQUAL(ftruncate(writer_fd, 0), -1); /* nor pull it away from under the others */
    CU_ASSERT_EQUAL(fcntl(reader_fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    CU_ASSERT(fcntl(reader_fd, F_GETFD) & FD_CLOEXEC);
    finish();
}

/* The next image of the host goes on where this one was. */
static void test_adopt(void)
{
    struct settings_page *again;

    begin();
    settings_page_set(page, "a", 1, "one");
    again = settings_page_adopt(writer_fd);
    CU_ASSERT_PTR_NOT_NULL_FATAL(again);
    CU_ASSERT_EQUAL(settings_page_set(again, "a", 2, "two"), 0);
    CU_ASSERT_EQUAL(settings_page_find(view, "a")->whole, 2);
    CU_ASSERT_PTR_NULL(settings_page_adopt(reader_fd));
    settings_page_unmap(again);
    finish();
}

/* ---- A text is never seen half ---- */

static atomic_int stop;

static void *write_texts(void *arg)
{
    char text[144];

    for (unsigned i = 0; !atomic_load(&stop); i++) {
        memset(text, 'a' + (int)(i % 26), 143);
        text[1 + i % 143] = 0;
        settings_page_set(page, "text", i, text);
    }
    return NULL;
}

static void test_torn(void)
{
    const struct setting_slot *slot;
    unsigned different = 0, torn = 0;
    pthread_t thread;
    char text[200], last = 0;

    begin();
    settings_page_set(page, "text", 0, "aaa");
    slot = settings_page_find(view, "text");
    atomic_store(&stop, 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, write_texts, NULL), 0);
    for (unsigned i = 0; i < 300000 || different < 5; i++) {
        int n = settings_page_text(slot, text, sizeof(text));

        torn += n < 1 || (size_t)n != strspn(text, (char[]){text[0], 0});
        different += text[0] != last;
        last = text[0];
    }
    atomic_store(&stop, 1);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(torn, 0);
    finish();
}

const struct test_case tests[] = {
    {"set", test_set},     {"limits", test_limits}, {"read_only", test_read_only},
    {"adopt", test_adopt}, {"torn", test_torn},     {0},
};
