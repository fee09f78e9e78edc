// Collectives as a sequence of rounds. In a round every rank produces (copies a chunk of its input
// where others can read it), combines (reads the others' chunks) and, in an all-reduce, collects
// (reads the parts that the others reduced). The phases of neighbouring rounds overlap: while a
// chunk is combined, the next is already there.
//
//   produce t+1, t+2 ... while there are free slots     combine t     collect t-1
//
// A rank's slot is written again when all others have consumed it. Sums always run over rank 0, 1,
// 2 ..., so that the result depends neither on chunks nor on timing. An input which the others can
// read in place is not copied; then the operation ends only when all others have read it.
#include <string.h>
#include <sys/mman.h>

#include "shm_internal.h"

typedef struct {
    struct apus_shm_group *group;
    const apus_shm_call *call;
    size_t element;   // bytes
    size_t result;    // bytes of an element of the output
    size_t per_round; // elements of `count`
    uint64_t rounds;
    uint64_t base; // the group's rounds before this operation
    bool collects; // all-reduce: each rank reduces a part of the chunk and collects the others'
    uint64_t references[APUS_SHM_MAX_WORLD];
} plan;

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

// Elements of round t.
static size_t length(const plan *p, uint64_t t) {
    size_t start = t * p->per_round;
    return start >= p->call->count ? 0 : smaller(p->per_round, p->call->count - start);
}

// Rank's part of a chunk of n elements; whole cache lines but for the last.
static size_t part_start(const plan *p, size_t n, int32_t rank) {
    if (rank == p->group->world) return n;
    return n * (size_t)rank / (size_t)p->group->world & ~(size_t)63;
}

static bool is_sliced(apus_shm_kind kind) {
    return kind == APUS_SHM_REDUCE_SCATTER || kind == APUS_SHM_SCATTER ||
           kind == APUS_SHM_ALL_TO_ALL;
}

static bool contributes(const plan *p, int32_t rank) {
    switch (p->call->kind) {
    case APUS_SHM_BROADCAST:
    case APUS_SHM_SCATTER: return rank == p->call->peer;
    case APUS_SHM_BARRIER: return false;
    default: return true;
    }
}

static bool takes(const plan *p, int32_t rank) {
    switch (p->call->kind) {
    case APUS_SHM_REDUCE:
    case APUS_SHM_GATHER: return rank == p->call->peer;
    case APUS_SHM_BROADCAST: return rank != p->call->peer;
    case APUS_SHM_BARRIER: return false;
    default: return true;
    }
}

// What `rank` contributes to `taker` in round t: `at` is the element in its whole input, `staged`
// in its slot.
static const unsigned char *source(const plan *p, int32_t rank, uint64_t t, size_t at,
                                   size_t staged) {
    if (rank == p->group->rank) return (const unsigned char *)p->call->input + at * p->element;
    if (p->references[rank] != NO_REFERENCE)
        return referenced(p->group, rank, p->references[rank]) + at * p->element;
    return slot_of(p->group, rank, p->base + t)->contribution + staged * p->element;
}

static const unsigned char *source_slice(const plan *p, int32_t rank, uint64_t t, int32_t taker) {
    size_t start = t * p->per_round;
    if (!is_sliced(p->call->kind)) return source(p, rank, t, start, 0);
    return source(p, rank, t, (size_t)taker * p->call->count + start, (size_t)taker * p->per_round);
}

static void copy(void *to, const void *from, size_t bytes) {
    if (to != from && bytes > 0) memcpy(to, from, bytes);
}

// --- The three phases ---

static void announce(const plan *p, slot *own) {
    announcement *said = &own->announced;
    *said = (announcement){.sequence = p->group->sequence,
                           .count = p->call->count,
                           .reference = p->references[p->group->rank],
                           .kind = p->call->kind,
                           .dtype = p->call->dtype,
                           .result = p->call->result,
                           .reduction = p->call->reduction,
                           .peer = p->call->peer};
    if (p->call->label) strncat(said->label, p->call->label, APUS_SHM_LABEL - 1);
}

static void produce(const plan *p, uint64_t t) {
    int32_t self = p->group->rank;
    slot *own = slot_of(p->group, self, p->base + t);
    if (t == 0) announce(p, own);
    if (!contributes(p, self) || p->references[self] != NO_REFERENCE) return;
    size_t n = length(p, t), start = t * p->per_round;
    const unsigned char *input = p->call->input;
    if (is_sliced(p->call->kind)) {
        for (int32_t taker = 0; taker < p->group->world; taker++) {
            if (taker == self) continue;
            copy(own->contribution + (size_t)taker * p->per_round * p->element,
                 input + ((size_t)taker * p->call->count + start) * p->element, n * p->element);
        }
    } else if (p->collects) {
        size_t mine = part_start(p, n, self), next = part_start(p, n, self + 1);
        copy(own->contribution, input + start * p->element, mine * p->element);
        copy(own->contribution + next * p->element, input + (start + next) * p->element,
             (n - next) * p->element);
    } else {
        copy(own->contribution, input + start * p->element, n * p->element);
    }
}

// Reduces elements from ..< to of the chunk into `out`.
static void reduce_chunk(const plan *p, uint64_t t, size_t from, size_t to, void *out) {
    if (from == to) return;
    const void *sources[APUS_SHM_MAX_WORLD];
    for (int32_t rank = 0; rank < p->group->world; rank++)
        sources[rank] = source_slice(p, rank, t, p->group->rank) + from * p->element;
    apus_reduce_sources(sources, p->group->world, out, to - from, p->call->dtype,
                        p->call->result, p->call->reduction, p->group->world);
}

static void combine_reduction(const plan *p, uint64_t t) {
    size_t n = length(p, t), start = t * p->per_round;
    unsigned char *out = (unsigned char *)p->call->output + start * p->result;
    if (!p->collects) {
        reduce_chunk(p, t, 0, n, out);
        return;
    }
    int32_t self = p->group->rank;
    size_t from = part_start(p, n, self), to = part_start(p, n, self + 1);
    reduce_chunk(p, t, from, to, out + from * p->element);
    copy(slot_of(p->group, self, p->base + t)->result, out + from * p->element,
         (to - from) * p->element);
}

static void combine(const plan *p, uint64_t t) {
    int32_t self = p->group->rank;
    if (!takes(p, self)) return;
    apus_shm_kind kind = p->call->kind;
    if (kind == APUS_SHM_ALL_REDUCE || kind == APUS_SHM_REDUCE || kind == APUS_SHM_REDUCE_SCATTER) {
        combine_reduction(p, t);
        return;
    }
    size_t bytes = length(p, t) * p->element, start = t * p->per_round;
    bool is_one = kind == APUS_SHM_BROADCAST || kind == APUS_SHM_SCATTER;
    for (int32_t step = 0; step < p->group->world; step++) {
        int32_t rank = (self + step) % p->group->world;
        if (!contributes(p, rank)) continue;
        size_t at = (is_one ? 0 : (size_t)rank * p->call->count) + start;
        copy((unsigned char *)p->call->output + at * p->element, source_slice(p, rank, t, self),
             bytes);
    }
}

static void collect(const plan *p, uint64_t t) {
    size_t n = length(p, t), start = t * p->per_round;
    for (int32_t step = 1; step < p->group->world; step++) {
        int32_t rank = (p->group->rank + step) % p->group->world;
        size_t from = part_start(p, n, rank), to = part_start(p, n, rank + 1);
        copy((unsigned char *)p->call->output + (start + from) * p->element,
             slot_of(p->group, rank, p->base + t)->result, (to - from) * p->element);
    }
}

// --- The sequence ---

static bool agrees(const announcement *a, const announcement *b) {
    return a->sequence == b->sequence && a->kind == b->kind && a->count == b->count &&
           a->dtype == b->dtype && a->result == b->result && a->reduction == b->reduction &&
           a->peer == b->peer && strcmp(a->label, b->label) == 0;
}

// After the first round's chunks are there: do all ranks mean the same operation?
static apus_shm_status compare_announcements(plan *p) {
    const announcement *own = &slot_of(p->group, p->group->rank, p->base)->announced;
    for (int32_t rank = 0; rank < p->group->world; rank++) {
        const announcement *said = &slot_of(p->group, rank, p->base)->announced;
        if (!agrees(own, said)) return end_group(p->group, APUS_SHM_MISMATCH, rank, 0);
        p->references[rank] = said->reference;
    }
    return APUS_SHM_OK;
}

// Every other rank has passed `value`: no waiting.
static bool all_consumed(const struct apus_shm_group *group, uint64_t value) {
    for (int32_t rank = 0; rank < group->world; rank++) {
        if (rank == group->rank) continue;
        uint64_t consumed =
            atomic_load_explicit(&group->members[rank].consumed, memory_order_acquire);
        if (consumed < value) return false;
    }
    return true;
}

// Produces round t, waiting for its slot, and as many after it as have a free slot: on a busy
// machine the others then find work for the whole of their time slice. What is read in place is
// produced at once.
static apus_shm_status produce_ahead(const plan *p, uint64_t t, uint64_t *made) {
    struct apus_shm_group *group = p->group;
    member *self = &group->members[group->rank];
    for (; *made < p->rounds; ++*made) {
        uint64_t end = p->base + *made + 1;
        uint64_t needed = end > SLOTS ? end - SLOTS : 0;
        if (*made > t && !all_consumed(group, needed)) break;
        apus_shm_status status = wait_for_all(group, offsetof(member, consumed), needed);
        if (status != APUS_SHM_OK) return status;
        produce(p, *made);
        publish(self, &self->produced, end);
        if (p->references[group->rank] == NO_REFERENCE) continue;
        *made = p->rounds;
        publish(self, &self->produced, p->base + p->rounds);
        break;
    }
    return APUS_SHM_OK;
}

static apus_shm_status collect_round(const plan *p, uint64_t t) {
    member *self = &p->group->members[p->group->rank];
    apus_shm_status status = wait_for_all(p->group, offsetof(member, combined), p->base + t + 1);
    if (status != APUS_SHM_OK) return status;
    collect(p, t);
    publish(self, &self->consumed, p->base + t + 1);
    return APUS_SHM_OK;
}

static apus_shm_status run_rounds(plan *p) {
    struct apus_shm_group *group = p->group;
    member *self = &group->members[group->rank];
    apus_shm_status status = APUS_SHM_OK;
    uint64_t made = 0;
    for (uint64_t t = 0; t < p->rounds; t++) {
        if (made <= t) status = produce_ahead(p, t, &made);
        if (status == APUS_SHM_OK)
            status = wait_for_all(group, offsetof(member, produced), p->base + t + 1);
        if (status == APUS_SHM_OK && t == 0) status = compare_announcements(p);
        if (status != APUS_SHM_OK) return status;
        combine(p, t);
        publish(self, p->collects ? &self->combined : &self->consumed, p->base + t + 1);
        if (p->collects && t > 0) status = collect_round(p, t - 1);
        if (status == APUS_SHM_OK) status = produce_ahead(p, t, &made);
        if (status != APUS_SHM_OK) return status;
    }
    if (p->collects) status = collect_round(p, p->rounds - 1);
    if (status != APUS_SHM_OK || p->references[group->rank] == NO_REFERENCE) return status;
    return wait_for_all(group, offsetof(member, consumed), p->base + p->rounds);
}

// Of the tensor that the operation is about, over all ranks' slices.
static size_t whole_elements(const plan *p) {
    switch (p->call->kind) {
    case APUS_SHM_REDUCE_SCATTER:
    case APUS_SHM_ALL_GATHER:
    case APUS_SHM_GATHER:
    case APUS_SHM_SCATTER:
    case APUS_SHM_ALL_TO_ALL: return p->call->count * (size_t)p->group->world;
    default: return p->call->count;
    }
}

static size_t input_elements(const plan *p) {
    bool is_whole = p->call->kind == APUS_SHM_REDUCE_SCATTER ||
                    p->call->kind == APUS_SHM_ALL_TO_ALL ||
                    (p->call->kind == APUS_SHM_SCATTER && p->call->peer == p->group->rank);
    return p->call->count * (is_whole ? (size_t)p->group->world : 1);
}

// Pages that were read in place count as resident memory of every reader. They are dropped from
// this process's page table, which neither frees nor changes them.
static void forget_references(const plan *p) {
    if (p->group->sharers) return; // threads read their own process's memory, which would be lost
    size_t bytes = input_elements(p) * p->element;
    for (int32_t rank = 0; rank < p->group->world; rank++) {
        if (rank == p->group->rank || p->references[rank] == NO_REFERENCE) continue;
        uintptr_t start = (uintptr_t)referenced(p->group, rank, p->references[rank]);
        uintptr_t page = start & ~(uintptr_t)(PAGE - 1);
        madvise((void *)page, start + bytes - page, MADV_DONTNEED);
    }
}

// An all-reduce is always staged: reading in place was no faster (each rank reads every part
// and writes every part either way) and would make the others' buffers resident in this process
// too.
static uint64_t own_reference(const plan *p) {
    const apus_shm_call *call = p->call;
    bool stages = call->kind == APUS_SHM_ALL_REDUCE || !contributes(p, p->group->rank);
    if (stages || call->count == 0) return NO_REFERENCE;
    return reference_of(p->group, call->input, input_elements(p) * p->element);
}

apus_shm_status run_collective(struct apus_shm_group *group, const apus_shm_call *call) {
    plan p = {.group = group, .call = call, .base = group->rounds};
    p.element = apus_shm_dtype_size(call->dtype);
    p.result = apus_shm_dtype_size(call->result);
    p.per_round = CHUNK_BYTES / p.element;
    if (is_sliced(call->kind)) p.per_round = p.per_round / (size_t)group->world & ~(size_t)63;
    p.rounds = call->count == 0 ? 1 : (call->count + p.per_round - 1) / p.per_round;
    // A few elements: every rank reduces all of them, which takes one wait instead of two.
    bool is_small = call->count * p.element <= SMALL_BYTES;
    p.collects = call->kind == APUS_SHM_ALL_REDUCE && !is_small;
    p.references[group->rank] = own_reference(&p);
    group->sequence++;
    enter(group, call, group->sequence, whole_elements(&p) * p.element);
    apus_shm_status status = run_rounds(&p);
    group->rounds += p.rounds;
    if (status != APUS_SHM_OK) return status;
    forget_references(&p);
    step_out(group);
    return status;
}

apus_shm_status execute(struct apus_shm_group *group, const apus_shm_call *call) {
    if (group->failure.status != APUS_SHM_OK) return group->failure.status;
    group->deadline = now_ns() + group->timeout_ns;
    bool is_message = call->kind == APUS_SHM_SEND || call->kind == APUS_SHM_RECEIVE;
    return is_message ? run_channel(group, call) : run_collective(group, call);
}
