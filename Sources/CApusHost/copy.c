#include "apus_copy.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

enum { LINE = 64, AHEAD = 1024 };

typedef float quarter __attribute__((vector_size(LINE / 4)));
typedef float loose_quarter __attribute__((vector_size(LINE / 4), aligned(1)));

void apus_copy_past_caches(void *to, const void *from, size_t count) {
    uint8_t *target = to;
    const uint8_t *source = from;
    size_t head = -(uintptr_t)target % LINE;
    if (head > count) head = count;
    memcpy(target, source, head);
    size_t at = head;
    for (; at + LINE <= count; at += LINE) {
        __builtin_prefetch(source + at + AHEAD, 0, 0);
        const loose_quarter *in = (const loose_quarter *)(source + at);
        quarter *out = (quarter *)(target + at);
        for (int part = 0; part < 4; part++) __builtin_nontemporal_store(in[part], out + part);
    }
    memcpy(target + at, source + at, count - at);
    // Stores past the caches are ordered by nothing else.
    atomic_thread_fence(memory_order_seq_cst);
}
