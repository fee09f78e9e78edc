// The memory of a group: header, members, slots, channels; and groups whose ranks are threads.
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm_internal.h"

static size_t aligned(size_t bytes) { return (bytes + PAGE - 1) & ~(size_t)(PAGE - 1); }

static size_t members_offset(void) { return aligned(sizeof(header)); }
static size_t slots_offset(int32_t world) {
    return members_offset() + aligned(sizeof(member) * (size_t)world);
}
static size_t channels_offset(int32_t world) {
    return slots_offset(world) + aligned(sizeof(slot) * SLOTS * (size_t)world);
}

size_t segment_bytes(int32_t world) {
    return channels_offset(world) + aligned(sizeof(channel) * (size_t)world * (size_t)world);
}

size_t reserved_bytes(int32_t world) { return channels_offset(world); }

void lay_out(struct apus_shm_group *group, unsigned char *base) {
    group->segment = (mapping){base, segment_bytes(group->world)};
    group->head = (header *)base;
    group->members = (member *)(base + members_offset());
    group->slots = (slot *)(base + slots_offset(group->world));
    group->channels = (channel *)(base + channels_offset(group->world));
}

apus_shm_status new_group(int32_t rank, int32_t world, double timeout_seconds,
                          struct apus_shm_group **out) {
    void *memory = NULL;
    if (posix_memalign(&memory, 64, sizeof(struct apus_shm_group)) != 0) return APUS_SHM_SYSTEM;
    struct apus_shm_group *group = memory;
    memset(group, 0, sizeof *group);
    group->rank = rank;
    group->world = world;
    group->timeout_ns = (uint64_t)(timeout_seconds * 1e9);
    group->spin = 256;
    group->arena.fd = -1;
    start_queue(group);
    *out = group;
    return APUS_SHM_OK;
}

apus_shm_status apus_shm_make_local(int32_t world, double timeout_seconds, bool staged,
                                    struct apus_shm_group **out) {
    void *base = mmap(NULL, segment_bytes(world), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return APUS_SHM_SYSTEM;
    _Atomic int32_t *sharers = malloc(sizeof *sharers);
    atomic_init(sharers, world);
    for (int32_t rank = 0; rank < world; rank++) {
        if (new_group(rank, world, timeout_seconds, &out[rank]) != APUS_SHM_OK) abort();
        lay_out(out[rank], base);
        out[rank]->sharers = sharers;
        out[rank]->reads_in_place = !staged;
        atomic_store(&out[rank]->members[rank].pid, (int32_t)getpid());
    }
    return APUS_SHM_OK;
}

void apus_shm_leave(apus_shm_group_t group, const char *last_words) {
    if (group->has_left) return;
    group->has_left = true;
    member *self = &group->members[group->rank];
    if (last_words) strncat(self->last_words, last_words, APUS_SHM_WORDS - 1);
    atomic_store(&self->left, group->failure.status == APUS_SHM_OK ? LEFT : LEFT_AFTER_FAILURE);
    atomic_fetch_add(&self->bell, 1);
    futex_wake_all(&self->bell);
}

void apus_shm_release(apus_shm_group_t group) {
    apus_shm_leave(group, NULL);
    stop_queue(group);
    close_arena(group);
    if (group->pidfds) {
        for (int32_t rank = 0; rank < group->world; rank++)
            if (group->pidfds[rank] >= 0) close(group->pidfds[rank]);
        free(group->pidfds);
    }
    bool is_last = group->sharers == NULL || atomic_fetch_sub(group->sharers, 1) == 1;
    if (is_last) {
        munmap(group->segment.base, group->segment.bytes);
        free(group->sharers);
    }
    free(group);
}
