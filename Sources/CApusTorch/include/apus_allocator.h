// Host memory of tensors from a pool that keeps it between steps.
#ifndef APUS_ALLOCATOR_H
#define APUS_ALLOCATOR_H

#include "apus_torch.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma clang assume_nonnull begin

// Makes the pool libtorch's allocator for host tensors from now on, in this process; those that
// exist keep theirs. False where the system grants no range of addresses: nothing changes then.
bool apus_pool_install(void);

typedef struct {
    uint64_t used;       // bytes of tensors that live in the pool
    uint64_t most_used;  // the largest such number so far
    uint64_t reached;    // bytes that were ever touched, an upper bound of what is resident
} apus_pool_figures;

// All zero unless the pool is installed.
apus_pool_figures apus_pool_current(void);

// Hands the pages of free blocks back to the system.
void apus_pool_trim(void);

#pragma clang assume_nonnull end

#ifdef __cplusplus
}
#endif

#endif
