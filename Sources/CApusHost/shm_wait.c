// Waiting for a peer: a short spin, then a futex, looking each time at the peer, the group and the
// clock.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "shm_internal.h"

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

enum { SPIN_LEAST = 16, SPIN_MOST = 4096 };
// A wait that took less would have been met by a longer spin; waking a sleeper costs about as much.
static const uint64_t WORTH_SPINNING_NS = 150 * 1000;
static const uint64_t LOOK_AROUND_NS = 20 * 1000 * 1000;

uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

void futex_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t nanoseconds) {
    struct timespec limit = {(time_t)(nanoseconds / 1000000000u),
                             (long)(nanoseconds % 1000000000u)};
#if defined(__linux__)
    syscall(SYS_futex, word, FUTEX_WAIT, expected, &limit, NULL, 0);
#else
    (void)word, (void)expected;
    if (limit.tv_sec > 0 || limit.tv_nsec > 50000) limit = (struct timespec){0, 50000};
    nanosleep(&limit, NULL);
#endif
}

void futex_wake_all(_Atomic uint32_t *word) {
#if defined(__linux__)
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
#else
    (void)word;
#endif
}

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void ring(member *self) {
    // The order matters: either the waiter sees the new counter, or this sees the waiter.
    atomic_fetch_add(&self->bell, 1);
    if (atomic_load(&self->waiters) != 0) futex_wake_all(&self->bell);
}

void publish(member *self, _Atomic uint64_t *counter, uint64_t value) {
    atomic_store_explicit(counter, value, memory_order_release);
    ring(self);
}

static bool reached(const _Atomic uint64_t *counter, uint64_t value) {
    return atomic_load_explicit(counter, memory_order_acquire) >= value;
}

static bool spin_for(const struct apus_shm_group *group, const _Atomic uint64_t *counter,
                     uint64_t value) {
    for (uint32_t i = 0; i < group->spin; i++) {
        relax();
        if (reached(counter, value)) return true;
    }
    return false;
}

// After a short sleep the next spin is longer, after a long one shorter: with more ranks than cores
// it soon costs nothing, and with a core for each, chunks are handed over without the system.
static void learn(struct apus_shm_group *group, uint64_t slept_ns) {
    if (slept_ns < WORTH_SPINNING_NS) {
        if (group->spin < SPIN_MOST) group->spin *= 2;
    } else if (group->spin > SPIN_LEAST) {
        group->spin /= 2;
    }
}

apus_shm_status end_group(struct apus_shm_group *group, apus_shm_status status, int32_t culprit,
                          int32_t error_number) {
    uint32_t nobody = 0;
    if (atomic_compare_exchange_strong(&group->head->ended, &nobody, 1)) {
        group->head->failure = (apus_shm_failure){status, group->rank, culprit, error_number};
        atomic_store(&group->head->explained, 1);
        for (int32_t r = 0; r < group->world; r++) ring(&group->members[r]);
    }
    // Another rank was first: it explains within moments, unless it is killed in between.
    for (int i = 0; i < 200 && !atomic_load(&group->head->explained); i++)
        futex_wait(&group->head->explained, 0, 1000 * 1000);
    bool is_explained = atomic_load(&group->head->explained) != 0;
    group->failure = is_explained ? group->head->failure
                                  : (apus_shm_failure){APUS_SHM_PEER_LEFT, group->rank, culprit, 0};
    return group->failure.status;
}

static bool is_gone(struct apus_shm_group *group, int32_t rank) {
    if (atomic_load(&group->members[rank].left)) return true;
    if (group->pidfds == NULL) return false;
    return has_ended(group->pidfds[rank], atomic_load(&group->members[rank].pid));
}

static apus_shm_status look_around(struct apus_shm_group *group, int32_t rank,
                                   const _Atomic uint64_t *counter, uint64_t value) {
    if (atomic_load(&group->head->ended)) return end_group(group, APUS_SHM_OK, rank, 0);
    // A rank that left may have done its part before; so the counter is read after.
    if (is_gone(group, rank) && !reached(counter, value))
        return end_group(group, APUS_SHM_PEER_LEFT, rank, 0);
    if (now_ns() >= group->deadline) return end_group(group, APUS_SHM_TIMED_OUT, rank, 0);
    return APUS_SHM_OK;
}

apus_shm_status wait_for(struct apus_shm_group *group, int32_t rank, _Atomic uint64_t *counter,
                         uint64_t value) {
    if (reached(counter, value) || spin_for(group, counter, value)) return APUS_SHM_OK;
    member *peer = &group->members[rank];
    apus_shm_status status = APUS_SHM_OK;
    uint64_t began = now_ns();
    atomic_fetch_add(&peer->waiters, 1);
    while (status == APUS_SHM_OK) {
        uint32_t bell = atomic_load(&peer->bell);
        if (reached(counter, value)) break;
        status = look_around(group, rank, counter, value);
        if (status == APUS_SHM_OK && !reached(counter, value))
            futex_wait(&peer->bell, bell, LOOK_AROUND_NS);
    }
    atomic_fetch_sub(&peer->waiters, 1);
    learn(group, now_ns() - began);
    return status;
}

apus_shm_status wait_for_all(struct apus_shm_group *group, size_t counter_offset, uint64_t value) {
    for (int32_t step = 1; step < group->world; step++) {
        int32_t rank = (group->rank + step) % group->world;
        unsigned char *face = (unsigned char *)&group->members[rank];
        apus_shm_status status =
            wait_for(group, rank, (_Atomic uint64_t *)(face + counter_offset), value);
        if (status != APUS_SHM_OK) return status;
    }
    return APUS_SHM_OK;
}
