/*
 * service_checkpoints_test.c - checkpoints through the door: made, listed, compared, verified,
 * deleted, pruned, exported and imported, on the real store.
 */
#include "checkpoints_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put(const char *table, const char *key, const char *value)
{
    HAS(query(STORE, "store.transact",
              "{'operations': [{'op': 'put', 'table': '%s', 'key': '%s', 'value': '%s'}]}", table,
              key, value),
        "'version':");
}

static void drop(const char *table, const char *key)
{
    HAS(query(STORE, "store.transact",
              "{'operations': [{'op': 'delete', 'table': '%s', 'key': '%s'}]}", table, key),
        "'version':");
}

static void say(const char *stream, const char *id)
{
    HAS(query(STORE, "store.append",
              "{'stream': '%s', 'events': [{'id': '%s', 'type': 'said', 'data': 'what %s says'}]}",
              stream, id, id),
        "'version':");
}

static void test_create(void)
{
    const char *a;

    rig_begin();
    rig_open(0);
    say("talk-1", "a1");
    say("talk-1", "a2");
    say("other-1", "b1");
    put("people", "ann", "one");
    put("people", "bob", "two");
    a = query_all(CHECKPOINTS, "checkpoints.create",
                  "{'name': 'first', 'description': 'a good day', 'tags': ['nightly', 'keep']}");
    HAS(a, "'phase':'events'");
    HAS(a, "'name':'first'");
    HAS(a, "'kind':'full'");
    HAS(a, "'events':3,'streams':2,'rows':2");
    HAS(a, "'tags':['nightly','keep']");
    a = query(CHECKPOINTS, "checkpoints.show", "{'name': 'first'}");
    HAS(a, "'description':'a good day'");
    HAS(a, "'tables':1");
    HAS(query(CHECKPOINTS, "checkpoints.list", "{}"), "'name':'first'");
    HAS(query(CHECKPOINTS, "checkpoints.list", "{'tag': 'nightly'}"), "'name':'first'");
    HAS(query(CHECKPOINTS, "checkpoints.list", "{'tag': 'weekly'}"), "'checkpoints':[]");
    HAS(query(CHECKPOINTS, "checkpoints.verify", "{'name': 'first'}"),
        "'whole':true,'faults':0,'chunks':3,'events':3,'rows':2,'streams':2");
    HAS(query(STORE, "store.read", "{'stream': 'checkpoint/log'}"), "'events':1");
    rig_close();
    rig_open(0);
    HAS(query(CHECKPOINTS, "checkpoints.list", "{}"), "'name':'first'");
    rig_close();
    rig_end();
}

static void test_incremental(void)
{
    const char *a;
    char name[40];
    long long full, more;

    rig_begin();
    rig_open(0);
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "e%d", i);
        say(i % 2 ? "left" : "right", name);
        put("big", name, "0123456789012345678901234567890123456789");
    }
    a = query(CHECKPOINTS, "checkpoints.create", "{'name': 'one'}");
    full = number(a, "new_bytes");
    CU_ASSERT_EQUAL(full, number(a, "stored_bytes"));
    say("left", "more");
    put("big", "e5", "changed");
    a = query(CHECKPOINTS, "checkpoints.create", "{'name': 'two'}");
    HAS(a, "'kind':'incremental'");
    HAS(a, "'parent':'one'");
    HAS(a, "'events':301,'streams':2,'rows':300");
    more = number(a, "new_bytes");
    CU_ASSERT_TRUE(more > 0 && more < full);
    HAS(query(CHECKPOINTS, "checkpoints.verify", "{'name': 'two'}"), "'whole':true");
    /* the parent goes, the child is whole by itself */
    HAS(query(CHECKPOINTS, "checkpoints.delete", "{'name': 'one'}"), "'chunks':");
    HAS(query(CHECKPOINTS, "checkpoints.verify", "{'name': 'two'}"), "'whole':true");
    a = query(CHECKPOINTS, "checkpoints.create", "{'name': 'three', 'full': true}");
    HAS(a, "'kind':'full'");
    HAS(a, "'parent':''");
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'name': 'four', 'parent': 'nobody'}"),
        "not_found: there is no checkpoint 'nobody'");
    HAS(query(CHECKPOINTS, "checkpoints.delete", "{'name': 'two'}"), "'chunks':");
    HAS(query(CHECKPOINTS, "checkpoints.delete", "{'name': 'three'}"), "'chunks':");
    CU_ASSERT_EQUAL(files_below("checkpoints/chunks"), 0);
    CU_ASSERT_EQUAL(files_below("checkpoints/manifests"), 0);
    rig_close();
    rig_end();
}

static void test_parts(void)
{
    const char *a;

    rig_begin();
    rig_open(0);
    say("session/x", "s1");
    say("keys", "k1");
    say("keys/more", "k2");
    put("session", "x", "row");
    put("context_entry", "c", "row");
    put("context_index", "c", "row");
    put("people", "ann", "row");
    a = query(CHECKPOINTS, "checkpoints.create", "{'name': 's', 'parts': ['sessions']}");
    HAS(a, "'events':1,'streams':1,'rows':1");
    a = query(CHECKPOINTS, "checkpoints.create", "{'name': 'c', 'parts': ['contexts']}");
    HAS(a, "'events':0,'streams':0,'rows':2");
    a = query(CHECKPOINTS, "checkpoints.create",
              "{'name': 'k', 'parts': ['stream:keys', 'table:people']}");
    HAS(a, "'events':2,'streams':2,'rows':1");
    HAS(a, "'parts':['stream:keys','table:people']");
    a = query(CHECKPOINTS, "checkpoints.create", "{'name': 't', 'parts': ['table:context_*']}");
    HAS(a, "'rows':2");
    HAS(query(CHECKPOINTS, "checkpoints.create",
              "{'name': 'k2', 'parts': ['table:people'], "
              "'parent': 'k'}"),
        "invalid: checkpoint 'k' has other parts");
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'parts': ['everything']}"),
        "invalid: part 'everything' is none of all, sessions");
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'name': '../x'}"), "invalid: name '../x'");
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'name': 's'}"), "conflict: ");
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'tags': 'x'}"), "invalid: ");
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'name': 5}"), "invalid: ");
    rig_close();
    rig_end();
}

static void test_compare(void)
{
    const char *a;

    rig_begin();
    rig_open(0);
    say("talk-1", "a1");
    put("people", "ann", "one");
    put("people", "bob", "two");
    put("gone", "k", "v");
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'name': 'one'}"), "'name'");
    say("talk-1", "a2");
    say("talk-2", "a3");
    put("people", "ann", "other");
    put("people", "cid", "three");
    drop("people", "bob");
    drop("gone", "k");
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'name': 'two'}"), "'name'");
    a = query_all(CHECKPOINTS, "checkpoints.compare", "{'from': 'one', 'to': 'two'}");
    HAS(a, "{'part':'table:people','change':'changed','key':'ann'}");
    HAS(a, "{'part':'table:people','change':'removed','key':'bob'}");
    HAS(a, "{'part':'table:people','change':'added','key':'cid'}");
    HAS(a, "{'part':'stream:talk-','change':'changed','key':'talk-1','detail':'version 1 -> 2'}");
    HAS(a, "{'part':'stream:talk-','change':'added','key':'talk-2','detail':'version 0 -> 1'}");
    HAS(a, "{'part':'table:people','added':1,'changed':1,'removed':1}");
    HAS(a, "'same':false");
    HAS(a, "'total':{'added':2,'changed':2,'removed':2}");
    a = query_all(CHECKPOINTS, "checkpoints.compare", "{'from': 'one', 'to': 'two', 'list': 0}");
    HAS_NOT(a, "'key'");
    HAS(query(CHECKPOINTS, "checkpoints.compare", "{'from': 'one', 'to': 'one'}"), "'same':true");
    HAS(query(CHECKPOINTS, "checkpoints.compare", "{'from': 'one', 'to': 'x'}"), "not_found: ");
    HAS(query(CHECKPOINTS, "checkpoints.compare", "{'from': 'one'}"), "invalid: ");
    rig_close();
    rig_end();
}

static void damage(const char *folder, long at)
{
    char command[600];

    snprintf(command, sizeof(command),
             "f=$(find %s -type f -size +0 | sort | head -1); printf '\\377\\001' | dd of=\"$f\" "
             "bs=1 seek=%ld conv=notrunc 2>/dev/null",
             rig_path(folder), at);
    CU_ASSERT_EQUAL(system(command), 0);
}

static void test_damage(void)
{
    const char *a;

    rig_begin();
    rig_open(0);
    say("talk-1", "a1");
    put("people", "ann", "one");
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'name': 'one'}"), "'name'");
    damage("checkpoints/chunks", 20);
    a = query_all(CHECKPOINTS, "checkpoints.verify", "{'name': 'one'}");
    HAS(a, "'whole':false,'faults':1");
    HAS(a, "'what':'chunk ");
    HAS(query(CHECKPOINTS, "checkpoints.restore", "{'name': 'one'}"), "nothing was changed");
    HAS(query(CHECKPOINTS, "checkpoints.export", "{'name': 'one'}"), "internal: chunk ");
    /* a new one writes the damaged chunk anew */
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'name': 'two', 'full': true}"), "'name'");
    HAS(query(CHECKPOINTS, "checkpoints.verify", "{'name': 'one'}"), "'whole':true");
    damage("checkpoints/manifests", 30);
    rig_close();
    rig_open(0);
    HAS(query(CHECKPOINTS, "checkpoints.list", "{}"), "'broken':1");
    HAS(query(CHECKPOINTS, "service.health", "{}"), "its checksum is another");
    /* nothing of it is collected: who knows what it names */
    HAS(query(CHECKPOINTS, "checkpoints.delete", "{'name': 'two'}"), "'chunks':0");
    rig_close();
    rig_end();
}

/* What the clock asks for: only when something changed, and none of somebody's goes. */
static void test_nightly(void)
{
    static const char nightly[] = "{'if_changed': true, 'tags': ['nightly']}";
    const char *a;

    rig_begin();
    rig_open(0);
    HAS(query(STORE, "store.append", "{'stream': 'talk', 'events': [{'id': 'e1', 'type': 't'}]}"),
        "'version'");
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'name': 'own'}"), "'name':'own'");
    a = query(CHECKPOINTS, "checkpoints.create", "%s", nightly);
    HAS(a, "'skipped':true,'parent':'own'");
    HAS(query(STORE, "store.append",
              "{'stream': 'host/job', 'events': [{'id': 'e2', 'type': 'done'}]}"),
        "'version'");
    HAS(query(CHECKPOINTS, "checkpoints.create", "%s", nightly), "'skipped':true");
    CU_ASSERT_EQUAL(files_below("checkpoints/manifests"), 1);
    HAS(query(STORE, "store.append", "{'stream': 'talk', 'events': [{'id': 'e3', 'type': 't'}]}"),
        "'version'");
    HAS_NOT(query(CHECKPOINTS, "checkpoints.create", "%s", nightly), "'skipped'");
    HAS(query(CHECKPOINTS, "checkpoints.create", "%s", nightly), "'skipped':true");
    HAS(query(STORE, "store.transact",
              "{'operations': [{'op': 'put', 'table': 'people', 'key': 'a', 'value': 'x'}]}"),
        "'version'");
    for (int i = 0; i < 12; i++) {
        wall_off += 1000;
        HAS_NOT(query(CHECKPOINTS, "checkpoints.create", "%s", nightly), "'skipped'");
        HAS(query(STORE, "store.transact",
                  "{'operations': [{'op': 'put', 'table': 'people', 'key': 'a', 'value': '%d'}]}",
                  i),
            "'version'");
    }
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'if_changed': 1}"), "invalid: ");
    /* 13 nightly ones of one day, of which ten are kept, and the one that somebody made */
    HAS(query(CHECKPOINTS, "checkpoints.prune", "{'tag': 'nightly'}"), "'kept':10,");
    HAS(query(CHECKPOINTS, "checkpoints.list", "{}"), "'name':'own'");
    CU_ASSERT_EQUAL(files_below("checkpoints/manifests"), 11);
    rig_close();
    rig_end();
}

/* The disk that they take is bounded, and what does not fit leaves nothing. */
static void test_bounded(void)
{
    static char text[1800001];
    uint32_t x = 1;
    int files;

    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        x = x * 1664525u + 1013904223u;
        text[i] = (char)('A' + (x >> 16) % 26);
    }
    max_bytes = "1M";
    rig_begin();
    rig_open(0);
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'name': 'small'}"), "'name'");
    files = files_below("checkpoints/chunks");
    HAS(query(STORE, "store.transact",
              "{'operations': [{'op': 'put', 'table': 'people', 'key': 'a', 'value': '%s'}]}",
              text),
        "'version'");
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'name': 'large'}"),
        "read_only: nothing was kept: all checkpoints together would be more than max_bytes");
    CU_ASSERT_EQUAL(files_below("checkpoints/chunks"), files);
    CU_ASSERT_EQUAL(files_below("checkpoints/manifests"), 1);
    rig_close();
    max_bytes = "2M";
    rig_open(0);
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'name': 'large'}"), "'name'");
    rig_close();
    max_bytes = "1M";
    rig_open(0);
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'name': 'more'}"), "nothing was begun; delete");
    HAS(query(CHECKPOINTS, "checkpoints.delete", "{'name': 'large'}"), "'chunks'");
    HAS(query(STORE, "store.transact",
              "{'operations': [{'op': 'delete', 'table': 'people', 'key': 'a'}]}"),
        "'version'");
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'name': 'more'}"), "'name'");
    rig_close();
    max_bytes = "8G";
    rig_end();
}

static void test_prune(void)
{
    const int64_t day = 86400000;
    char name[16];
    const char *a;

    rig_begin();
    rig_open(0);
    wall_off = -100 * day;
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'name': 'old', 'tags': ['keep']}"), "'name'");
    for (int i = 60; i >= 0; i--) {
        wall_off = -i * day;
        snprintf(name, sizeof(name), "d%d", i);
        HAS(query(CHECKPOINTS, "checkpoints.create", "{'name': '%s'}", name), "'name'");
    }
    a = query(CHECKPOINTS, "checkpoints.prune", "{'dry_run': true}");
    HAS(a, "'dry_run':true");
    CU_ASSERT_EQUAL(number(a, "kept"),
                    number(query(CHECKPOINTS, "checkpoints.prune", "{}"), "kept"));
    a = query(CHECKPOINTS, "checkpoints.list", "{}");
    HAS(a, "'name':'old'");
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof(name), "'name':'d%d'", i);
        HAS(a, name);
    }
    /* ten last ones, which have all days and two of the four weeks; the others have one each */
    CU_ASSERT_EQUAL(number(query(CHECKPOINTS, "checkpoints.status", "{}"), "checkpoints") >= 13, 1);
    CU_ASSERT_EQUAL(number(query(CHECKPOINTS, "checkpoints.status", "{}"), "checkpoints") <= 14, 1);
    HAS_NOT(a, "'name':'d40'");
    rig_close();
    rig_end();
}

/* ---- Export, import ---- */

static const char *upload(struct aiex_slice file, const char *name)
{
    uint8_t *mem = malloc(file.len + 4096);
    size_t at = 0;
    const char *a = "";

    do {
        size_t n = file.len - at < 4000 ? file.len - at : 4000;
        struct aiex_writer w;

        aiex_writer_init(&w, mem, file.len + 4096);
        aiex_w_map(&w, name[0] ? 5 : 4);
        aiex_w_key_str(&w, "upload", "u1");
        aiex_w_key_int(&w, "offset", (int64_t)at);
        aiex_w_key_bin(&w, "data", file.data + at, n);
        aiex_w_key_bool(&w, "end", at + n == file.len);
        if (name[0])
            aiex_w_key_str(&w, "name", name);
        a = end_of(CHECKPOINTS, begin_bytes(CHECKPOINTS, "checkpoints.import", aiex_written(&w)));
        at += n;
    } while (at < file.len);
    free(mem);
    return a;
}

static struct aiex_slice export_of(const char *name)
{
    uint64_t id = begin(CHECKPOINTS, "checkpoints.export", "{'name': '%s'}", name);
    struct aiex_slice parts, copy;
    uint8_t *mem;

    HAS(end_of(CHECKPOINTS, id), "'bytes':");
    parts = bytes_of(CHECKPOINTS, id);
    mem = malloc(parts.len);
    memcpy(mem, parts.data, parts.len);
    copy = (struct aiex_slice){mem, parts.len};
    return copy;
}

static void test_carry(void)
{
    struct aiex_slice file;
    char name[16];
    uint8_t *bad;

    rig_begin();
    rig_open(0);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "a%d", i);
        say("talk-1", name);
        put("people", name, name);
    }
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'name': 'one', 'tags': ['t']}"), "'name'");
    file = export_of("one");
    HAS(upload(file, ""), "conflict: there is a checkpoint 'one' already");
    HAS(upload(file, "copy"), "'name':'copy'");
    HAS(query(CHECKPOINTS, "checkpoints.verify", "{'name': 'copy'}"), "'whole':true");
    HAS(query(CHECKPOINTS, "checkpoints.compare", "{'from': 'one', 'to': 'copy'}"), "'same':true");
    room_close(CHECKPOINTS);
    room_move(CHECKPOINTS, "elsewhere");
    room_open(CHECKPOINTS);
    CU_ASSERT_TRUE(comes(CHECKPOINTS, "checkpoints.status", "'ready':true"));
    /* every byte counts, and every cut is told */
    bad = malloc(file.len);
    for (size_t i = 0; i < file.len; i += 1 + file.len / 97) {
        memcpy(bad, file.data, file.len);
        bad[i] ^= 0x41;
        HAS(upload((struct aiex_slice){bad, file.len}, ""), "invalid: ");
        HAS(upload((struct aiex_slice){file.data, i}, ""), "invalid: ");
    }
    free(bad);
    CU_ASSERT_EQUAL(files_below("elsewhere/chunks"), 0);
    CU_ASSERT_EQUAL(files_below("elsewhere/imports"), 0);
    HAS(upload(file, ""), "'tags':['t']");
    HAS(query(CHECKPOINTS, "checkpoints.verify", "{'name': 'one'}"), "'whole':true");
    HAS(query(CHECKPOINTS, "checkpoints.import", "{'upload': 'u2', 'offset': 5, 'data': 'x'}"),
        "conflict: a piece at byte 5");
    HAS(query(CHECKPOINTS, "checkpoints.import", "{'upload': '../x'}"), "invalid: ");
    HAS(query(CHECKPOINTS, "checkpoints.import", "{'upload': 'u3', 'data': 'x', 'offset': -1}"),
        "invalid: ");
    free((void *)(uintptr_t)file.data);
    rig_close();
    rig_end();
}

/* ---- A slow consumer, and one that gives up ---- */

static void test_slow(void)
{
    uint64_t id;
    char name[16];

    rig_begin();
    rig_open(0);
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "a%d", i);
        put("people", name, name);
    }
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'name': 'one'}"), "'name'");
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "a%d", i);
        drop("people", name);
    }
    HAS(query(CHECKPOINTS, "checkpoints.create", "{'name': 'two'}"), "'name'");
    narrow(CHECKPOINTS, 64);
    id = begin(CHECKPOINTS, "checkpoints.compare", "{'from': 'one', 'to': 'two'}");
    for (int i = 0; i < 20; i++)
        turn();
    CU_ASSERT_TRUE(is_open(CHECKPOINTS, id));
    CU_ASSERT_TRUE(bytes_of(CHECKPOINTS, id).len < 300);
    HAS(query(CHECKPOINTS, "checkpoints.list", "{}"), "'name':'two'"); /* does not wait behind it */
    for (int i = 0; i < 2000 && is_open(CHECKPOINTS, id); i++) {
        widen(CHECKPOINTS, id);
        turn();
    }
    HAS(end_of(CHECKPOINTS, id), "'removed':50");
    id = begin(CHECKPOINTS, "checkpoints.compare", "{'from': 'one', 'to': 'two'}");
    for (int i = 0; i < 20; i++)
        turn();
    give_up(CHECKPOINTS, id);
    narrow(CHECKPOINTS, 0);
    HAS(query(CHECKPOINTS, "checkpoints.verify", "{'name': 'one'}"), "'whole':true");
    rig_close();
    rig_end();
}

const struct test_case tests[] = {
    {"a checkpoint is made and found again", test_create},
    {"an incremental one shares chunks and outlives its parent", test_incremental},
    {"chosen parts", test_parts},
    {"two are compared", test_compare},
    {"damage is found, told and mended", test_damage},
    {"the policy keeps last, daily and weekly ones", test_prune},
    {"a clock makes one when something changed", test_nightly},
    {"all together are bounded", test_bounded},
    {"one is exported and imported elsewhere", test_carry},
    {"a slow consumer, and one that gives up", test_slow},
    {0},
};
