/*
 * audit_witness.c - aiex audit witness FILE: remembers, outside the log's folder, what was seen
 * last, and refuses a log that is not a continuation of it: an older copy, or another history.
 *
 * FILE is the signed head itself. With --cosign KEYFILE the head is signed as a C2SP witness does,
 * and the signature is given to the log.
 */
#include "audit_calls.h"
#include "json_out.h"

#include <aiex_audit_check.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct seen {
    int is_there;
    struct aiex_checkpoint point;
    char note[AIEX_NOTE_MAX + 1];
    size_t len;
};

/* ---- Small files ---- */

/* 0, 1 = there is none, -1 = said. */
static int read_small(struct command *c, const char *name, char *out, size_t size, size_t *ret_len)
{
    FILE *f = fopen(name, "re");

    if (!f && errno == ENOENT)
        return 1;
    if (!f) {
        complain(&c->screen, "can not open %.400s: %s", name, strerror(errno));
        return -1;
    }
    *ret_len = fread(out, 1, size - 1, f);
    out[*ret_len] = 0;
    fclose(f);
    return 0;
}

/* Replaced whole and on the disk before it counts. */
static int write_small(struct command *c, const char *name, const char *text, unsigned mode)
{
    char path[4200];
    size_t n = strlen(text);
    int fd, failed;

    if ((size_t)snprintf(path, sizeof(path), "%s.new", name) >= sizeof(path))
        return complain(&c->screen, "the name %.100s... is too long", name), -1;
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    failed = fd < 0 || write(fd, text, n) != (ssize_t)n || fsync(fd) != 0;
    if (fd >= 0 && close(fd) != 0)
        failed = 1;
    if (!failed && rename(path, name) == 0)
        return 0;
    complain(&c->screen, "can not write %.400s: %s", name, strerror(errno));
    unlink(path);
    return -1;
}

/* ---- Checking ---- */

static enum outcome bad(struct command *c, uint64_t from, uint64_t to, const char *kind,
                        const char *text)
{
    struct aiex_fault f = {.kind = kind, .has_place = 1, .from = from, .to = to, .text = text};
    char where[48];

    aiex_fault_where(&f, where);
    if (command_wants_json(c)) {
        fputs("{\"ok\":false,\"where\":", stdout);
        json_out_string(stdout, where, strlen(where));
        fputs(",\"kind\":", stdout);
        json_out_string(stdout, kind, strlen(kind));
        fputs(",\"text\":", stdout);
        json_out_string(stdout, text, strlen(text));
        puts("}");
    } else {
        printf("%s: %s: %s\n", where, kind, text);
    }
    return OUTCOME_FAILED;
}

static int read_seen(struct command *c, const char *name, struct seen *s)
{
    struct aiex_error err = {""};
    struct aiex_note note;
    int r = read_small(c, name, s->note, sizeof(s->note), &s->len);

    if (r != 0)
        return r < 0 ? -1 : 0;
    if (aiex_note_read(&note, (struct aiex_slice){(uint8_t *)s->note, s->len}, &err) != 0 ||
        aiex_checkpoint_read(&s->point, note.text, &err) != 0) {
        complain(&c->screen, "%.400s is no signed head: %s", name, err.text);
        return -1;
    }
    s->is_there = 1;
    return 0;
}

/* The head is what its key signed, and the key is the one that is expected. */
static enum outcome check_signature(struct command *c, const struct audit_head *head)
{
    const char *key = arguments_value(&c->args, "key");
    struct aiex_slice bytes = {(const uint8_t *)head->note, strlen(head->note)};
    struct aiex_error err = {""};
    struct aiex_note_key k;
    struct aiex_note note;

    if (aiex_note_key_read(&k, key ? key : head->key, &err) != 0 ||
        aiex_note_read(&note, bytes, &err) != 0) {
        complain(&c->screen, "%s%s", key ? "--key: " : "", err.text);
        return OUTCOME_USAGE;
    }
    if (aiex_note_signed_by(&note, &k, NULL) != 1)
        return bad(c, 0, head->size ? head->size - 1 : 0, "signature",
                   "the head is not signed by the log's key");
    return OUTCOME_OK;
}

static enum outcome check_continues(struct command *c, const struct audit_head *head,
                                    const struct seen *s)
{
    uint64_t a = s->point.size, b = head->size;
    struct aiex_value list, item;
    struct aiex_proof p = {.n = 0};
    struct control_end end;
    enum outcome outcome;

    if (strcspn(head->note, "\n") != strlen(s->point.origin) ||
        strncmp(head->note, s->point.origin, strlen(s->point.origin)) != 0)
        return bad(c, 0, a ? a - 1 : 0, "origin", "the witness file speaks of another log");
    if (b < a)
        return bad(
            c, b, a - 1, "rollback",
            "the log has fewer entries than were seen: an older copy, or its end was cut off");
    outcome = audit_proof(c, "size1", (int64_t)a, "size2", (int64_t)b, &end);
    if (outcome != OUTCOME_OK)
        return outcome;
    if (aiex_get(end.body, "proof", &list) == 1 && list.type == AIEX_T_ARRAY)
        while (list.count-- && p.n < AIEX_PROOF_MAX && aiex_r_value(&list.bytes, &item) == 0 &&
               item.bytes.len == AIEX_HASH)
            memcpy(p.hashes[p.n++], item.bytes.data, AIEX_HASH);
    control_end_done(&end);
    if (aiex_consistency_check(&p, a, b, s->point.root, head->root) != 0)
        return bad(c, 0, a ? a - 1 : 0, "fork",
                   "the log is not a continuation of what was seen: entries were changed");
    return OUTCOME_OK;
}

/* ---- Signing as a witness ---- */

static int load_signer(struct command *c, const char *name, struct aiex_note_signer *s)
{
    const char *own = arguments_value(&c->args, "name");
    char text[AIEX_NOTE_KEY + 2];
    struct aiex_error err = {""};
    size_t len;
    int r = read_small(c, name, text, sizeof(text), &len);

    if (r == 1) {
        if (aiex_note_generate(s, own ? own : "witness", AIEX_KEY_WITNESS) != 0)
            return complain(&c->screen, "--name: '%.60s' can not name a witness", own), -1;
        aiex_note_signer_text(s, text);
        strcat(text, "\n");
        r = write_small(c, name, text, 0600);
        aiex_note_key_text(&s->key, text);
        if (r == 0)
            notice(&c->screen, "a new witness key; configure it: witness.NAME = %s", text);
    } else if (r == 0) {
        text[strcspn(text, "\n")] = 0;
        r = aiex_note_signer_read(s, text, &err);
        if (r == 0 && s->key.type != AIEX_KEY_WITNESS)
            r = -1;
        if (r != 0)
            complain(&c->screen, "%.400s is no key of a witness%s%s", name, *err.text ? ": " : "",
                     err.text);
    }
    aiex_note_wipe(text, sizeof(text));
    return r;
}

static void pack_note(struct aiex_writer *w, const void *arg)
{
    aiex_w_map(w, 1);
    aiex_w_key_str(w, "note", arg);
}

/* head->note gets the witness's line. */
static enum outcome cosign(struct command *c, const char *key_file, struct audit_head *head)
{
    const struct command_call call = {
        .service = AUDIT, .method = "audit.cosign", .pack = pack_note, .pack_arg = head->note};
    struct aiex_note_signer s;
    struct aiex_note note;
    struct control_end end;
    size_t len = strlen(head->note);
    char line[512];
    enum outcome outcome;

    if (load_signer(c, key_file, &s) != 0)
        return OUTCOME_FAILED;
    aiex_note_read(&note, (struct aiex_slice){(uint8_t *)head->note, len}, NULL);
    if (aiex_note_sign(&s, note.text, (uint64_t)time(NULL), line, sizeof(line)) < 0 ||
        len + strlen(line) >= sizeof(head->note)) {
        complain(&c->screen, "the head is too long to be signed");
        return OUTCOME_FAILED;
    }
    aiex_note_wipe(&s, sizeof(s));
    strcat(head->note, line);
    outcome = command_call(c, &call, &end);
    if (outcome == OUTCOME_OK)
        control_end_done(&end);
    return outcome;
}

enum outcome verb_audit_witness(struct command *c)
{
    const char *name = c->args.words[0], *key_file = arguments_value(&c->args, "cosign");
    static struct seen seen;
    static struct audit_head head;
    enum outcome outcome;

    if (aiex_note_begin() != 0 || read_seen(c, name, &seen) != 0)
        return OUTCOME_FAILED;
    outcome = audit_head(c, &head);
    if (outcome == OUTCOME_OK)
        outcome = check_signature(c, &head);
    if (outcome == OUTCOME_OK && seen.is_there)
        outcome = check_continues(c, &head, &seen);
    if (outcome == OUTCOME_OK && key_file)
        outcome = cosign(c, key_file, &head);
    if (outcome != OUTCOME_OK)
        return outcome;
    if (write_small(c, name, head.note, 0644) != 0)
        return OUTCOME_FAILED;
    if (command_wants_json(c))
        printf("{\"ok\":true,\"size\":%" PRIu64 ",\"seen\":%" PRIu64 ",\"first\":%s}\n", head.size,
               seen.point.size, seen.is_there ? "false" : "true");
    else
        notice(&c->screen,
               seen.is_there ? "%" PRIu64 " entries, a continuation of the %" PRIu64 " seen before"
                             : "%" PRIu64 " entries are remembered; nothing was seen before",
               head.size, seen.point.size);
    return OUTCOME_OK;
}
