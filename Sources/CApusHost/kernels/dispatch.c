// Chooses the kernels for the machine that the program runs on.
#include "kernels.h"
#include <stdatomic.h>

enum { UNKNOWN = -1 };

static _Thread_local enum apus_instruction_set limit = APUS_AVX512_BF16;

static enum apus_instruction_set detect(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
                && __builtin_cpu_supports("f16c");
    bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
                  && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (avx2 && avx512 && __builtin_cpu_supports("avx512bf16")) return APUS_AVX512_BF16;
    if (avx2 && avx512) return APUS_AVX512;
    if (avx2) return APUS_AVX2;
#endif
    return APUS_BASELINE;
}

enum apus_instruction_set apus_highest_instruction_set(void) {
    // Threads that race here store the same value.
    static _Atomic int detected = UNKNOWN;
    int set = atomic_load_explicit(&detected, memory_order_relaxed);
    if (set == UNKNOWN) {
        set = (int)detect();
        atomic_store_explicit(&detected, set, memory_order_relaxed);
    }
    return (enum apus_instruction_set)set;
}

enum apus_instruction_set apus_current_instruction_set(void) {
    enum apus_instruction_set highest = apus_highest_instruction_set();
    return limit < highest ? limit : highest;
}

void apus_limit_instruction_set(enum apus_instruction_set highest) { limit = highest; }

const struct kernels *apus_kernels(void) {
#if defined(__x86_64__)
    switch (apus_current_instruction_set()) {
    case APUS_AVX512_BF16: return &apus_kernels_avx512_bf16;
    case APUS_AVX512: return &apus_kernels_avx512;
    case APUS_AVX2: return &apus_kernels_avx2;
    case APUS_BASELINE: break;
    }
#endif
    return &apus_kernels_baseline;
}
