/*
 * request.c - fields of requests, one table: what a verb takes is a mask of its rows. Bytes of
 * others are checked here and nowhere else; slices point into the work's own copy.
 */
#include "sessions.h"

#include <errno.h>

#define TEXT(name) offsetof(struct work, name), sizeof(((struct work *)0)->name)

/* Ids are parts of names of streams and of event ids. */
static int is_id(const char *text)
{
    for (const char *p = text; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
              *p == '-' || *p == '_' || *p == '.'))
            return 0;
    return text[0] != 0;
}

static int is_clean(const char *text)
{
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 32 || *p == 127)
            return 0;
    return 1;
}

static const struct field {
    const char *name;
    unsigned mask;
    size_t offset, size;
    int is_id;
} texts[] = {
    {"session", F_SESSION | F_NEW | F_ANY, TEXT(session), 1},
    {"as", F_AS, TEXT(as), 1},
    {"request", F_WRITE, TEXT(request), 1},
    {"title", F_TITLE | F_FILTER, TEXT(title), 0},
    {"user", F_USER | F_FILTER, TEXT(user), 0},
    {"project", F_PROJECT | F_FILTER, TEXT(project), 0},
    {"state", F_FILTER, TEXT(find_state), 0},
    {"next", F_PAGE, TEXT(next_page), 0},
    {"turn", F_TURN, TEXT(turn), 1},
    {"turn_state", F_TURN, TEXT(turn_state), 0},
};

static int read_texts(struct work *w, struct aiex_slice body, struct aiex_error *err)
{
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const struct field *f = &texts[i];
        char *out = (char *)w + f->offset;
        int r;

        if (!(w->verb->fields & f->mask))
            continue;
        r = aiex_get_text(body, f->name, out, f->size);
        if (r < 0 || (r == 1 && !(f->is_id && out[0] ? is_id(out) : is_clean(out))))
            return aiex_failed(err, -EINVAL, "field '%s' must be %s of at most %zu bytes", f->name,
                               f->is_id ? "letters, digits, '-', '_', '.'"
                                        : "text without control characters",
                               f->size - 1);
        if (r == 1)
            w->given |= w->verb->fields & f->mask;
    }
    if ((w->verb->fields & F_SESSION) && !w->session[0])
        return aiex_failed(err, -EINVAL, "field 'session' is missing; say which session is meant");
    return 0;
}

static const struct number {
    const char *name;
    unsigned mask;
    size_t offset;
    int64_t min, max;
} numbers[] = {
    {"ttl_ms", F_TTL, offsetof(struct work, ttl), 0, (int64_t)1 << 48},
    {"version", F_AT, offsetof(struct work, at), 1, INT64_MAX},
    {"expected", F_WRITE, offsetof(struct work, expected), 0, INT64_MAX},
    {"limit", F_PAGE, offsetof(struct work, limit), 1, MAX_PAGE},
};

static int read_numbers(struct work *w, struct aiex_slice body, struct aiex_error *err)
{
    w->expected = w->ttl = -1;
    w->limit = 50;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        const struct number *n = &numbers[i];
        int64_t min = n->mask == F_TTL && w->verb->act == SET ? -1 : n->min; /* the option again */
        int64_t v;
        int r;

        if (!(w->verb->fields & n->mask))
            continue;
        r = aiex_get_int(body, n->name, &v);
        if (r < 0 || (r == 1 && (v < min || v > n->max)))
            return aiex_failed(err, -EINVAL, "field '%s' must be a number from %lld to %lld",
                               n->name, (long long)min, (long long)n->max);
        if (r == 1) {
            *(int64_t *)((char *)w + n->offset) = v;
            w->given |= w->verb->fields & n->mask;
        }
    }
    if (w->verb->act == ROLLBACK && !w->at)
        return aiex_failed(err, -EINVAL, "field 'version' is missing; say which point is meant");
    return 0;
}

/* ---- Messages and values ---- */

static int is_role(struct aiex_slice role)
{
    static const char *const roles[] = {"system", "developer", "user", "assistant", "tool", NULL};

    for (const char *const *r = roles; *r; r++)
        if (aiex_slice_is(role, *r))
            return 1;
    return 0;
}

/* How a message came about. */
static int read_marks(struct aiex_slice m, uint32_t i, struct aiex_error *err)
{
    static const char *const marks[] = {"provider", "outcome", "finish"};

    for (size_t k = 0; k < sizeof(marks) / sizeof(marks[0]); k++) {
        struct aiex_slice text = {NULL, 0};

        if (aiex_get_str(m, marks[k], &text) < 0 || text.len > 64)
            return aiex_failed(err, -EINVAL, "message %u: '%s' must be text of at most 64 bytes", i,
                               marks[k]);
    }
    return 0;
}

static int read_message(struct work *w, struct aiex_slice m, struct aiex_error *err)
{
    struct aiex_slice role = {NULL, 0}, content = {NULL, 0}, model = {NULL, 0};
    struct aiex_value usage;
    uint32_t i = w->n_messages;
    int r;

    if (aiex_get_str(m, "role", &role) != 1 || !is_role(role))
        return aiex_failed(err, -EINVAL,
                           "message %u: 'role' must be system, developer, user, assistant or tool",
                           i);
    if (aiex_get_bytes(m, "content", &content) != 1)
        return aiex_failed(err, -EINVAL, "message %u: 'content' must be text, or bin with JSON", i);
    if ((int64_t)m.len > w->s->config->max_message)
        return aiex_failed(err, -EINVAL, "message %u has %zu bytes, max_message is %lld", i, m.len,
                           (long long)w->s->config->max_message);
    if (aiex_get_str(m, "model", &model) < 0 || model.len > 256)
        return aiex_failed(err, -EINVAL, "message %u: 'model' must be text of at most 256 bytes",
                           i);
    r = aiex_get(m, "usage", &usage);
    if (r < 0 || (r == 1 && usage.type != AIEX_T_MAP && usage.type != AIEX_T_NIL))
        return aiex_failed(err, -EINVAL, "message %u: 'usage' must be a map", i);
    return read_marks(m, i, err);
}

/* Moves *at behind one map; *ret is the whole of it. */
static int next_map(struct aiex_slice *at, struct aiex_slice *ret)
{
    struct aiex_slice start = *at, head = *at;
    struct aiex_value v;

    if (aiex_r_value(&head, &v) != 0 || v.type != AIEX_T_MAP || aiex_r_skip(at) != 0)
        return -EINVAL;
    *ret = start;
    ret->len -= at->len;
    return 0;
}

static int read_messages(struct work *w, struct aiex_slice body, struct aiex_error *err)
{
    struct aiex_value v;
    struct aiex_slice one;
    int r = aiex_get(body, "messages", &v);

    if (r == 0 || (r == 1 && v.type == AIEX_T_NIL))
        return 0;
    if (r < 0 || v.type != AIEX_T_ARRAY || v.count > MAX_MESSAGES)
        return aiex_failed(err, -EINVAL, "field 'messages' must be an array of at most %u maps",
                           MAX_MESSAGES);
    w->messages = v.bytes;
    for (uint32_t i = 0; i < v.count; i++) {
        if (next_map(&v.bytes, &one) < 0)
            return aiex_failed(err, -EINVAL, "message %u is no map", i);
        r = read_message(w, one, err);
        if (r < 0)
            return r;
        w->n_messages++;
    }
    w->messages.len -= v.bytes.len;
    if (w->messages.len > MAX_APPEND)
        return aiex_failed(err, -EINVAL, "the messages have %zu bytes, at most %u may come at once",
                           w->messages.len, MAX_APPEND);
    return 0;
}

static int read_values(struct work *w, struct aiex_slice body, struct aiex_error *err)
{
    struct aiex_slice whole = {NULL, 0};
    int r = aiex_get_whole(body, "values", &whole);

    if (r == 0)
        return 0;
    if (r < 0 || !aiex_is_map(whole) || whole.len > MAX_STATE)
        return aiex_failed(err, -EINVAL, "field 'values' must be a map of at most %u bytes",
                           MAX_STATE);
    w->state = whole;
    w->given |= F_STATE;
    return 0;
}

/* ---- Who ---- */

/* An operator and an admin see everything, others what is their user's (or their key's). */
static int read_principal(struct work *w, struct aiex_slice body, struct aiex_error *err)
{
    char key[MAX_KEY + 1] = "", user[MAX_USER + 1] = "", role[16] = "";
    struct aiex_slice p;
    int r = aiex_get_whole(body, "principal", &p);

    if (r == 0)
        return 0;
    if (r < 0 || aiex_get_text(p, "key", key, sizeof(key)) < 0 ||
        aiex_get_text(p, "user", user, sizeof(user)) < 0 || !is_clean(user) || !is_clean(key) ||
        aiex_get_text(p, "role", role, sizeof(role)) < 0 || (!key[0] && !user[0]))
        return aiex_failed(err, -EINVAL,
                           "field 'principal' must be a map with 'key', 'user' and 'role'");
    strcpy(w->key, key);
    if (strcmp(role, "admin") == 0 || strcmp(key, "local") == 0)
        return 0;
    if (user[0])
        strcpy(w->who, user);
    else
        strcat(strcpy(w->who, "key:"), key);
    return 0;
}

static int read_turn(const struct work *w, struct aiex_error *err)
{
    int begin = strcmp(w->turn_state, "begin") == 0, end = strcmp(w->turn_state, "end") == 0;

    if (w->verb->act == APPEND && (w->turn[0] ? !begin && !end : w->turn_state[0] != 0))
        return aiex_failed(err, -EINVAL,
                           "'turn' and 'turn_state', which is begin or end, come together");
    if (w->verb->act == LOSE && !w->turn[0])
        return aiex_failed(err, -EINVAL, "field 'turn' is missing; say which turn is lost");
    return 0;
}

static int read_switches(struct work *w, struct aiex_slice body, struct aiex_error *err)
{
    w->with_state = 1;
    if (aiex_get_bool(body, "all", &w->all) < 0 ||
        aiex_get_bool(body, "with_values", &w->with_state) < 0)
        return aiex_failed(err, -EINVAL, "'all' and 'with_values' must be bools");
    return 0;
}

int request_read(struct work *w, struct aiex_error *err)
{
    const struct aiex_slice body = {w->body, w->body_len};
    unsigned fields = w->verb->fields;
    int r = aiex_is_map(body) ? 0 : aiex_failed(err, -EINVAL, "the request is no map");

    r = r ? r : read_texts(w, body, err);
    r = r ? r : read_numbers(w, body, err);
    r = r || !(fields & F_MESSAGES) ? r : read_messages(w, body, err);
    r = r || !(fields & F_STATE) ? r : read_values(w, body, err);
    r = r || !(fields & F_VIEW) ? r : read_switches(w, body, err);
    r = r ? r : read_principal(w, body, err);
    r = r || !(fields & F_TURN) ? r : read_turn(w, err);
    if (r == 0 && w->find_state[0] && state_named(w->find_state) < 0)
        r = aiex_failed(err, -EINVAL,
                        "state '%s' is none of open, closed, archived, expired, "
                        "deleted",
                        w->find_state);
    if (r == 0 && w->verb->act == APPEND && !w->n_messages && !(w->given & F_STATE))
        r = aiex_failed(err, -EINVAL, "there are no 'messages' and no 'values' to append");
    if (r == 0 && w->verb->act == SET &&
        !(w->given & (F_TITLE | F_USER | F_PROJECT | F_TTL | F_STATE)))
        r = aiex_failed(err, -EINVAL,
                        "there is nothing to set; give title, user, project, ttl_ms or values");
    if (r == 0 && w->verb->act == SET && w->who[0] && (w->given & F_USER))
        r = aiex_failed(err, -EINVAL, "only an operator or an admin gives a session to a user");
    w->has_request = w->request[0] != 0;
    return r;
}
