// Where each rank is, written by itself and read by whoever has to explain an end.
#include <string.h>

#include "shm_internal.h"

static void begin_writing(member *self) {
    atomic_fetch_add_explicit(&self->place_version, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

static void end_writing(member *self) {
    atomic_fetch_add_explicit(&self->place_version, 1, memory_order_release);
    atomic_store_explicit(&self->place_time, now_ns(), memory_order_relaxed);
}

void enter(struct apus_shm_group *group, const apus_shm_call *call, uint64_t sequence,
           uint64_t bytes) {
    member *self = &group->members[group->rank];
    begin_writing(self);
    self->place.presence = APUS_SHM_INSIDE;
    self->place.kind = call->kind;
    self->place.dtype = call->dtype;
    self->place.sequence = sequence;
    self->place.bytes = bytes;
    self->place.peer = call->peer;
    self->place.label[0] = 0;
    if (call->label) strncat(self->place.label, call->label, APUS_SHM_LABEL - 1);
    end_writing(self);
}

void step_out(struct apus_shm_group *group) {
    member *self = &group->members[group->rank];
    begin_writing(self);
    self->place.presence = APUS_SHM_OUTSIDE;
    end_writing(self);
}

// Tries a few times for a copy that was not changed meanwhile; after a death in the middle, takes
// what is there.
static void copy_place(const member *peer, apus_shm_place *place) {
    for (int attempt = 0; attempt < 1000; attempt++) {
        uint64_t before = atomic_load_explicit(&peer->place_version, memory_order_acquire);
        memcpy(place, &peer->place, sizeof *place);
        atomic_thread_fence(memory_order_acquire);
        uint64_t after = atomic_load_explicit(&peer->place_version, memory_order_relaxed);
        if (before == after && before % 2 == 0) return;
    }
}

void apus_shm_where(apus_shm_group_t group, int32_t rank, apus_shm_place *place) {
    const member *peer = &group->members[rank];
    copy_place(peer, place);
    place->label[APUS_SHM_LABEL - 1] = 0;
    place->pid = atomic_load(&peer->pid);
    uint64_t since = atomic_load_explicit(&peer->place_time, memory_order_relaxed);
    uint64_t now = now_ns();
    place->seconds = since == 0 || since > now ? 0 : (double)(now - since) * 1e-9;
    place->last_words[0] = 0;
    int32_t left = atomic_load(&peer->left);
    if (left == LEFT) {
        place->presence = APUS_SHM_LEFT;
        memcpy(place->last_words, peer->last_words, APUS_SHM_WORDS);
        place->last_words[APUS_SHM_WORDS - 1] = 0;
    } else if (!left && rank != group->rank && group->pidfds &&
               has_ended(group->pidfds[rank], place->pid)) {
        place->presence = APUS_SHM_DEAD;
    }
}

apus_shm_failure apus_shm_why(apus_shm_group_t group) { return group->failure; }
