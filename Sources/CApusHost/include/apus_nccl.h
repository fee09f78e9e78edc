// NCCL's C interface, bound at run time: no header of NCCL or CUDA is needed to build, and the
// program runs where neither is installed. Every address is of device memory, every stream a
// cudaStream_t. A group is used by one thread at a time, but for apus_nccl_failure and
// apus_nccl_abort.
#ifndef APUS_NCCL_H
#define APUS_NCCL_H

#include <stddef.h>
#include <stdint.h>

#include "apus_shm.h"

#pragma clang assume_nonnull begin

enum { APUS_NCCL_ID_BYTES = 128 };

// Loads libnccl.so.2. Why it cannot be used, or NULL; the text lives as long as the process.
const char *_Nullable apus_nccl_problem(void);
// 23203 for 2.32.3; 0 where there is none.
int32_t apus_nccl_version(void);

// 0 is success; other results are NCCL's own.
typedef int32_t apus_nccl_result;

// A name for a new group, to be made on one rank and given to all.
apus_nccl_result apus_nccl_make_id(unsigned char *id);

typedef struct apus_nccl *apus_nccl_t;
// Meets the others; the calling thread's current device becomes the rank's.
apus_nccl_result apus_nccl_join(const unsigned char *id, int32_t rank, int32_t world,
                                apus_nccl_t _Nullable *_Nonnull out);

// Queues an operation on the stream. All kinds but gather, scatter, all-to-all and barrier; a
// reduction's input and result have one dtype, which is neither int16 nor bool.
apus_nccl_result apus_nccl_run(apus_nccl_t group, const apus_shm_call *call, void *stream);

// What went wrong with an operation after it was queued; 0: nothing so far.
apus_nccl_result apus_nccl_failure(apus_nccl_t group);
// NCCL's words for a result. Borrowed.
const char *apus_nccl_message(apus_nccl_result result);

// Ends queued operations at once, also one that another thread is about to queue; later ones are
// refused. The group is still to be released.
void apus_nccl_abort(apus_nccl_t group);
void apus_nccl_release(apus_nccl_t group);

#pragma clang assume_nonnull end
#endif
