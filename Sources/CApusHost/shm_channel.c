// Messages between two ranks: a ring of pieces for each sender and receiver.
#include <string.h>

#include "shm_internal.h"

static channel *channel_of(struct apus_shm_group *group, int32_t sender, int32_t receiver) {
    return &group->channels[(size_t)sender * (size_t)group->world + (size_t)receiver];
}

static apus_shm_status send_piece(struct apus_shm_group *group, const apus_shm_call *call,
                                  size_t at, size_t bytes) {
    channel *to = channel_of(group, group->rank, call->peer);
    uint64_t number = group->sent[call->peer]++;
    if (number >= CHANNEL_SLOTS) {
        apus_shm_status status = wait_for(group, call->peer, &to->read, number + 1 - CHANNEL_SLOTS);
        if (status != APUS_SHM_OK) return status;
    }
    piece *next = &to->pieces[number % CHANNEL_SLOTS];
    next->count = call->count;
    next->dtype = call->dtype;
    if (bytes > 0) memcpy(next->bytes, (const unsigned char *)call->input + at, bytes);
    publish(&group->members[group->rank], &to->written, number + 1);
    return APUS_SHM_OK;
}

static apus_shm_status receive_piece(struct apus_shm_group *group, const apus_shm_call *call,
                                     size_t at, size_t bytes) {
    channel *from = channel_of(group, call->peer, group->rank);
    uint64_t number = group->received[call->peer]++;
    apus_shm_status status = wait_for(group, call->peer, &from->written, number + 1);
    if (status != APUS_SHM_OK) return status;
    const piece *next = &from->pieces[number % CHANNEL_SLOTS];
    if (next->count != call->count || next->dtype != (int32_t)call->dtype)
        return end_group(group, APUS_SHM_MISMATCH, call->peer, 0);
    if (bytes > 0) memcpy((unsigned char *)call->output + at, next->bytes, bytes);
    publish(&group->members[group->rank], &from->read, number + 1);
    return APUS_SHM_OK;
}

apus_shm_status run_channel(struct apus_shm_group *group, const apus_shm_call *call) {
    size_t total = call->count * apus_shm_dtype_size(call->dtype), at = 0;
    bool sends = call->kind == APUS_SHM_SEND;
    uint64_t *messages = sends ? group->sent_messages : group->received_messages;
    enter(group, call, ++messages[call->peer], total);
    apus_shm_status status;
    do {
        size_t bytes = total - at < CHANNEL_BYTES ? total - at : CHANNEL_BYTES;
        status = sends ? send_piece(group, call, at, bytes) : receive_piece(group, call, at, bytes);
        at += bytes;
    } while (status == APUS_SHM_OK && at < total);
    if (status == APUS_SHM_OK) step_out(group);
    return status;
}
