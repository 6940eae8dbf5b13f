/* sections.c - merging files and expanding values. */
#include "config/sections.h"

#include "base/auto.h"
#include "base/err.h"

#include <string.h>

/* Room for one more item of a growing list. */
static int grow(void *list, size_t n, size_t *cap, size_t item_bytes)
{
    size_t bigger = *cap ? *cap * 2 : 8;
    void *grown;

    if (n < *cap)
        return 0;
    grown = realloc(*(void **)list, bigger * item_bytes);
    if (!grown)
        return -ENOMEM;
    *(void **)list = grown;
    *cap = bigger;
    return 0;
}

static struct config_section *open_section(struct config_sections *s, const struct ini_entry *e)
{
    struct config_section *new;

    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->list[i].name, e->section) == 0)
            return &s->list[i];
    if (grow(&s->list, s->n, &s->cap, sizeof(*s->list)) != 0)
        return NULL;
    new = &s->list[s->n];
    *new = (struct config_section){.at = e->at};
    new->name = arena_copy(&s->arena, e->section, strlen(e->section));
    new->at.file = arena_copy(&s->arena, e->at.file, strlen(e->at.file));
    if (!new->name || !new->at.file)
        return NULL;
    s->n++;
    return new;
}

static void drop_pair(struct config_section *section, size_t i)
{
    section->n--;
    memmove(&section->pairs[i], &section->pairs[i + 1], (section->n - i) * sizeof(*section->pairs));
}

static int set_pair(struct config_sections *s, struct config_section *section,
                    const struct ini_entry *e)
{
    size_t i = 0;

    while (i < section->n && strcmp(section->pairs[i].key, e->key) != 0)
        i++;
    if (*e->value == 0) {
        if (i < section->n)
            drop_pair(section, i);
        return 0;
    }
    if (i == section->n) {
        if (grow(&section->pairs, section->n, &section->cap, sizeof(*section->pairs)) != 0)
            return -ENOMEM;
        section->n++;
        section->pairs[i] = (struct config_pair){.is_literal = 1};
        section->pairs[i].key = arena_copy(&s->arena, e->key, strlen(e->key));
    }
    section->pairs[i].text = arena_copy(&s->arena, e->value, strlen(e->value));
    section->pairs[i].at.line = e->at.line;
    section->pairs[i].at.file = strcmp(e->at.file, section->at.file) == 0
                                    ? section->at.file
                                    : arena_copy(&s->arena, e->at.file, strlen(e->at.file));
    return section->pairs[i].key && section->pairs[i].text && section->pairs[i].at.file ? 0
                                                                                        : -ENOMEM;
}

int sections_merge(struct config_sections *s, const struct ini *ini)
{
    for (size_t i = 0; i < ini->n; i++) {
        struct config_section *section = open_section(s, &ini->entries[i]);

        if (!section || (ini->entries[i].key && set_pair(s, section, &ini->entries[i]) != 0))
            return -ENOMEM;
    }
    return 0;
}

/* A value that can not be had is kept as broken: whether that matters is known later (an instance
 * that is not enabled may refer to a key that is not set). */
static int expand_pair(struct config_sections *s, struct config_pair *pair,
                       const struct value_source *source)
{
    auto_free char *expanded = NULL;
    struct aiex_error err = {""};
    int r;

    if (!value_is_reference(pair->text))
        return 0;
    r = value_expand(pair->text, source, &expanded, &err);
    if (r == -ENOMEM)
        return r;
    pair->is_literal = 0;
    pair->is_secret = value_is_secret(pair->text);
    pair->is_broken = r != 0;
    if (r != 0) {
        pair->why = arena_copy(&s->arena, err.text, strlen(err.text));
        return pair->why ? 0 : -ENOMEM;
    }
    pair->text = arena_copy(&s->arena, expanded, strlen(expanded));
    explicit_bzero(expanded, strlen(expanded));
    return pair->text ? 0 : -ENOMEM;
}

/* An empty result puts the default back, as `key =` does. */
int sections_expand(struct config_sections *s, const struct value_source *source)
{
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->list[i].n;) {
            if (expand_pair(s, &s->list[i].pairs[k], source) != 0)
                return -ENOMEM;
            if (*s->list[i].pairs[k].text)
                k++;
            else
                drop_pair(&s->list[i], k);
        }
    return 0;
}

void sections_done(struct config_sections *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->list[i].pairs);
    free(s->list);
    arena_done(&s->arena);
    *s = (struct config_sections){0};
}

const struct config_pair *section_get(const struct config_section *section, const char *key)
{
    for (size_t i = 0; i < section->n; i++)
        if (strcmp(section->pairs[i].key, key) == 0)
            return &section->pairs[i];
    return NULL;
}
