// Collectives between the ranks of one host through shared memory.
//
// A group is used by one thread; apus_shm_start hands operations to a thread of its own, which
// executes them in order. Waiting is a short bounded spin, then a futex with a time-out, so that a
// busy core is not starved. Every wait also looks whether the peers are alive, whether somebody
// ended the group, and at the clock.
#ifndef APUS_SHM_H
#define APUS_SHM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

enum { APUS_SHM_LABEL = 120, APUS_SHM_WORDS = 512, APUS_SHM_MAX_WORLD = 64 };

typedef enum {
    APUS_SHM_OK = 0,
    APUS_SHM_TIMED_OUT,      // a peer did not come before the deadline
    APUS_SHM_PEER_LEFT,      // a peer's process ended, or it left the group
    APUS_SHM_MISMATCH,       // a peer called something else
    APUS_SHM_SYSTEM,         // a system call failed: see `error_number`
    APUS_SHM_OCCUPIED,       // another living process starts a group of this name
    APUS_SHM_DUPLICATE_RANK, // two processes claim the same rank
    APUS_SHM_OTHER_WORLD,    // rank 0 was started with another world size
    APUS_SHM_UNSUPPORTED,    // not on this operating system
} apus_shm_status;

typedef enum {
    APUS_SHM_ALL_REDUCE,
    APUS_SHM_REDUCE_SCATTER,
    APUS_SHM_ALL_GATHER,
    APUS_SHM_BROADCAST,
    APUS_SHM_REDUCE,
    APUS_SHM_GATHER,
    APUS_SHM_SCATTER,
    APUS_SHM_ALL_TO_ALL,
    APUS_SHM_BARRIER,
    APUS_SHM_SEND,
    APUS_SHM_RECEIVE,
} apus_shm_kind;

typedef enum {
    APUS_SHM_SUM,
    APUS_SHM_AVERAGE,
    APUS_SHM_MINIMUM,
    APUS_SHM_MAXIMUM
} apus_shm_reduction;

// In the order of ApusBase.DType.
typedef enum {
    APUS_SHM_FLOAT32,
    APUS_SHM_FLOAT64,
    APUS_SHM_FLOAT16,
    APUS_SHM_BFLOAT16,
    APUS_SHM_INT8,
    APUS_SHM_INT16,
    APUS_SHM_INT32,
    APUS_SHM_INT64,
    APUS_SHM_UINT8,
    APUS_SHM_BOOL,
} apus_shm_dtype;

size_t apus_shm_dtype_size(apus_shm_dtype dtype);

// One operation. `count` is the elements that each rank contributes or receives: the whole tensor
// of a reduction, broadcast, send or receive; one slice of the others. `output` may alias `input`
// as in place. `result` is the output's dtype: fp32 for the reduce-scatter of a 16-bit input that
// keeps the sums as they are, otherwise `dtype`.
typedef struct {
    apus_shm_kind kind;
    apus_shm_dtype dtype;
    apus_shm_dtype result;
    apus_shm_reduction reduction;
    int32_t peer; // the root, or the partner of send and receive
    size_t count;
    const void *_Nullable input;
    void *_Nullable output;
    const char *_Nullable label; // copied
} apus_shm_call;

typedef struct apus_shm_group *apus_shm_group_t;
typedef struct apus_shm_work *apus_shm_work_t;

typedef struct {
    const char
        *name; // the same on all ranks of the group, different for every group alive on the host
    int32_t rank;
    int32_t world;
    double timeout_seconds;       // of the meeting and of every operation
    const char *_Nullable folder; // where the ranks meet; NULL: /dev/shm
} apus_shm_options;

// --- Making and leaving (shm_segment.c, shm_meet.c) ---

// Meets the other ranks. Once all have come nothing is left in the file system, whatever happens
// later; what a start that crashed half-way left there is recognised by its dead creator and
// removed. On failure `culprit` is the rank (or -1), `pid` the process in the way (or 0),
// `error_number` the system's.
typedef struct {
    int32_t culprit;
    int32_t pid;
    int32_t error_number;
    int32_t found_world;
    uint64_t missing; // bit r: rank r has not come
} apus_shm_meeting;
apus_shm_status apus_shm_join(const apus_shm_options *options, apus_shm_meeting *meeting,
                              apus_shm_group_t _Nullable *_Nonnull out);

// `world` groups in one process, for ranks that are threads. With `staged` false every buffer is
// read in place.
apus_shm_status apus_shm_make_local(int32_t world, double timeout_seconds, bool staged,
                                    apus_shm_group_t _Nullable *_Nonnull out);

// Publishes the last words (NULL: a clean end); peers that wait for this rank end at once.
void apus_shm_leave(apus_shm_group_t group, const char *_Nullable last_words);

// Leaves if that has not been done, ends the group's thread and frees everything.
void apus_shm_release(apus_shm_group_t group);

// --- Operations (shm_collectives.c, shm_channel.c, shm_queue.c) ---

// Executes the call after all that were started before.
apus_shm_status apus_shm_run(apus_shm_group_t group, const apus_shm_call *call);

apus_shm_work_t apus_shm_start(apus_shm_group_t group, const apus_shm_call *call);
bool apus_shm_work_is_finished(apus_shm_work_t work);
// Waits, frees the work and returns its status; the times are CLOCK_MONOTONIC in nanoseconds.
apus_shm_status apus_shm_work_wait(apus_shm_work_t work, uint64_t *began, uint64_t *ended);

// --- Memory that is read in place (shm_arena.c) ---

// Page-aligned memory that all ranks can read; NULL when there is none (then staging works all the
// same).
void *_Nullable apus_shm_alloc(apus_shm_group_t group, size_t bytes);
void apus_shm_free(apus_shm_group_t group, void *memory);

// --- Diagnosis (shm_report.c) ---

typedef enum {
    APUS_SHM_OUTSIDE, // computing; the fields tell the last operation
    APUS_SHM_INSIDE,  // executing the operation
    APUS_SHM_LEFT,    // has left in order; see last_words
    APUS_SHM_DEAD,    // the process has ended without leaving
} apus_shm_presence;

typedef struct {
    apus_shm_presence presence;
    apus_shm_kind kind;
    apus_shm_dtype dtype;
    uint64_t sequence; // 0: no operation yet
    uint64_t bytes;
    int32_t peer;
    int32_t pid;
    double seconds; // since it entered or left the operation
    char label[APUS_SHM_LABEL];
    char last_words[APUS_SHM_WORDS];
} apus_shm_place;

// Where a rank of the group is now.
void apus_shm_where(apus_shm_group_t group, int32_t rank, apus_shm_place *place);

// Why the group ended: the status, the rank that noticed and the rank that it was about.
typedef struct {
    apus_shm_status status;
    int32_t reporter;
    int32_t culprit;
    int32_t error_number;
} apus_shm_failure;
apus_shm_failure apus_shm_why(apus_shm_group_t group);

// --- Kernels, also used alone (shm_reduce.c) ---

// out[i] = reduction over sources of source[k][i], in the order of the sources. bf16 and fp16 in
// fp32, and rounded once unless `result` is fp32. `out` may be one of the sources if the dtypes are
// equal. An average divides by `divisor`: more than the sources, where these are sums themselves.
void apus_reduce_sources(const void *_Nonnull const *_Nonnull sources, int32_t source_count,
                         void *out, size_t count, apus_shm_dtype dtype, apus_shm_dtype result,
                         apus_shm_reduction reduction, int32_t divisor);

#pragma clang assume_nonnull end
#endif
