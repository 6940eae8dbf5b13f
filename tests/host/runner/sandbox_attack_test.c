/*
 * sandbox_attack_test.c - every attack, in every profile, from three places: a library's
 * constructor (right after sandbox_enter), a thread that it started, and the main thread after
 * sandbox_tighten. First the attacks themselves are tested: unconfined they must get through,
 * otherwise a refusal would prove nothing.
 */
#include "sandbox_cell.h"
#include "test.h"

#include "runner/sandbox/landlock.h"
#include "runner/sandbox/profile.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

enum origin { CONSTRUCTOR, THREAD, TIGHTENED };
static const char *const origin_words[] = {"constructor", "thread", "main"};

struct volley {
    const struct scene *scene;
    const struct sandbox_spec *spec; /* NULL = unconfined */
    enum origin origin;
    size_t first;
    int fd;
    int without_landlock;
};

static int child(void *arg)
{
    const struct volley *v = arg;
    struct shots shots = {v->scene, v->first, v->fd, v->origin == THREAD, shots_fire};
    char at[32];

    if (v->without_landlock && cell_without_call(SYS_landlock_create_ruleset, ENOSYS))
        return 90;
    snprintf(at, sizeof at, "%llx", (unsigned long long)(uintptr_t)&shots);
    setenv("AIEX_TEST_SHOTS", at, 1);
    if (v->spec && cell_enter(v->spec))
        return 91;
    if (v->origin != TIGHTENED)
        return dlopen(HOSTILE, RTLD_NOW | RTLD_LOCAL) ? 0 : 92;
    if (v->spec && cell_tighten(v->spec))
        return 93;
    shots_fire(&shots);
    return 0;
}

/* Results by attack: errno, 0 = got through, -1 = nothing was heard. A process that an attack ended
 * is replaced and goes on with the next one. Returns what the last process said. */
static int volley(struct volley *v, int *results)
{
    int rc = 0;

    for (size_t i = 0; i < attack_count(); i++)
        results[i] = -1;
    for (v->first = 0; v->first < attack_count();) {
        size_t next = v->first;
        struct verdict verdict;
        int fds[2];

        if (pipe2(fds, O_CLOEXEC))
            return 99;
        v->fd = fds[1];
        rc = cell_run(child, v);
        close(fds[1]);
        while (read(fds[0], &verdict, sizeof verdict) == (ssize_t)sizeof verdict) {
            results[verdict.attack] = verdict.refused;
            next = verdict.attack + 1;
        }
        close(fds[0]);
        if (next == attack_count() || (rc >= 90 && rc <= 99))
            return rc;
        /* Ended in the midst: by the filter = refused; by itself (execve worked) = got through. */
        results[next] = rc == 256 + SIGSYS ? REFUSED_BY_KILL : rc == 0 ? 0 : -1;
        v->first = next + 1;
        rc = 0;
    }
    return rc;
}

static uint32_t sets_at(const struct sandbox_spec *spec, enum origin origin)
{
    struct aiex_error err;
    uint32_t sets = 0;

    CU_ASSERT_EQUAL_FATAL(profile_sets(spec, &sets, &err), 0);
    return origin == TIGHTENED ? sets : sets | SET_LOAD;
}

/* NULL when the attack ended as it has to, else what is wrong. */
static const char *complaint(const struct attack *a, uint32_t sets, int landlock, int result)
{
    if (result < 0)
        return "ended without a verdict";
    if ((a->flags & ATTACK_KILL) && result != REFUSED_BY_KILL && result != ENOSYS)
        return "did not end the process";
    if (result > 0 || (a->allowed & sets) || (!landlock && (a->fenced & sets)))
        return NULL;
    return "got through";
}

/* Counts attacks that did not end as they have to; each is named. */
static int judge(const struct sandbox_spec *spec, enum origin origin, int landlock,
                 const int *results, int *n_refused)
{
    uint32_t sets = sets_at(spec, origin);
    int n_bad = 0;

    for (size_t i = 0; i < attack_count(); i++) {
        const char *wrong = complaint(attack_at(i), sets, landlock, results[i]);

        *n_refused += results[i] > 0;
        n_bad += wrong != NULL;
        if (wrong)
            fprintf(stderr, "\n  %s needs %u, %s: '%s' %s", spec->kind, spec->needs,
                    origin_words[origin], attack_at(i)->name, wrong);
    }
    return n_bad;
}

static void all_profiles(int without_landlock)
{
    int landlock = landlock_abi(LANDLOCK_ABI_KNOWN) >= 4 && !without_landlock;
    int *results = calloc(attack_count(), sizeof *results);
    struct scene scene;
    int n_refused = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(results);
    CU_ASSERT_EQUAL_FATAL(scene_open(&scene), 0);
    if (!landlock)
        fprintf(stderr, "\n  landlock ABI 4 is missing: attacks that only it stops are not judged");
    for (const struct cell_profile *p = cell_profiles; p->kind; p++) {
        struct sandbox_spec spec;

        cell_spec(&spec, p, &scene);
        for (enum origin origin = CONSTRUCTOR; origin <= TIGHTENED; origin++) {
            struct volley v = {&scene, &spec, origin, 0, -1, without_landlock};

            if (origin == THREAD && !(p->needs & AIEX_NEED_THREADS))
                continue;
            CU_ASSERT_EQUAL(volley(&v, results), 0);
            CU_ASSERT_EQUAL(judge(&spec, origin, landlock, results, &n_refused), 0);
        }
    }
    fprintf(stderr, "\n  %zu attacks, %d refusals ", attack_count(), n_refused);
    scene_close(&scene);
    free(results);
}

static void refused_in_all_profiles(void)
{
    all_profiles(0);
}

static void refused_by_seccomp_where_landlock_is_missing(void)
{
    all_profiles(1);
}

struct single {
    const struct scene *scene;
    const struct attack *attack;
};

static int try_one(void *arg)
{
    const struct single *s = arg;

    return s->attack->run(s->scene) & 0xff;
}

static void attacks_work_unconfined(void)
{
    struct scene scene;
    int n_through = 0;

    CU_ASSERT_EQUAL_FATAL(scene_open(&scene), 0);
    for (size_t i = 0; i < attack_count(); i++) {
        struct single s = {&scene, attack_at(i)};
        int must = (attack_at(i)->flags & ATTACK_SURE) ||
                   ((attack_at(i)->flags & ATTACK_ROOT) && geteuid() == 0);
        int rc = cell_run(try_one, &s);

        n_through += rc == 0;
        if (must && rc)
            fprintf(stderr, "\n  '%s' is no attack: %s", attack_at(i)->name,
                    rc < 256 ? strerror(rc) : "killed");
        CU_ASSERT(!must || rc == 0);
    }
    fprintf(stderr, "\n  %d of %zu get through unconfined ", n_through, attack_count());
    scene_close(&scene);
}

const struct test_case tests[] = {
    {"attacks work unconfined", attacks_work_unconfined},
    {"refused in all profiles", refused_in_all_profiles},
    {"refused by seccomp where landlock is missing", refused_by_seccomp_where_landlock_is_missing},
    {0},
};
