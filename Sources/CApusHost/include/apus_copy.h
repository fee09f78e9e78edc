#ifndef APUS_COPY_H
#define APUS_COPY_H

#include <stddef.h>

/// Copies like `memcpy`, but leaves the copy out of the caches: for memory that is read much later,
/// that is up to 1.5 times as fast, and what the caches hold stays there.
void apus_copy_past_caches(void *to, const void *from, size_t count);

#endif
