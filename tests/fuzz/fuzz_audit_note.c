/* link: aiex_sdk_audit aiex_sdk_json */
/*
 * fuzz_audit_note.c - notes, checkpoints and keys from foreign bytes. Promised: what is refused has
 * a reason; slices lie in the note; a checkpoint that was read is written the same again; a note
 * that nobody here signed is signed by none of our keys; a key that was read is written the same
 * again.
 */
#include <aiex_note.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
    if (!ok)
        abort();
}

static void check_note(const uint8_t *data, size_t size)
{
    struct aiex_error err = {""};
    struct aiex_checkpoint c;
    struct aiex_note_signer s;
    struct aiex_note n;
    uint8_t seed[32] = {1};
    char out[1024];
    long len;

    if (aiex_note_read(&n, (struct aiex_slice){data, size}, &err) != 0) {
        check(err.text[0] != 0);
        return;
    }
    check(n.text.data >= data && n.text.data + n.text.len <= data + size && n.n > 0);
    for (int type = AIEX_KEY_ED25519; type <= AIEX_KEY_WITNESS; type += 3) {
        check(aiex_note_from_seed(&s, "example.org/log", (uint8_t)type, seed) == 0);
        check(aiex_note_signed_by(&n, &s.key, NULL) != 1);
    }
    err.text[0] = 0;
    if (aiex_checkpoint_read(&c, n.text, &err) != 0) {
        check(err.text[0] != 0);
        return;
    }
    len = aiex_checkpoint_write(&c, out, sizeof(out));
    check(len > 0 && (size_t)len <= n.text.len && memcmp(out, n.text.data, (size_t)len) == 0);
}

static void check_key(const uint8_t *data, size_t size)
{
    char text[AIEX_NOTE_KEY], again[AIEX_NOTE_KEY];
    struct aiex_note_key k, k2;
    struct aiex_note_signer s;

    if (size >= sizeof(text))
        return;
    memcpy(text, data, size);
    text[size] = 0;
    if (aiex_note_key_read(&k, text, NULL) == 0) {
        aiex_note_key_text(&k, again);
        check(aiex_note_key_read(&k2, again, NULL) == 0 && memcmp(&k, &k2, sizeof(k)) == 0);
    }
    aiex_note_signer_read(&s, text, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(aiex_note_begin() == 0);
    check_note(data, size);
    check_key(data, size);
    return 0;
}
