// System calls on files that Swift cannot reach.
#ifndef APUS_FILE_H
#define APUS_FILE_H
#include <stdint.h>

// Reserves disk space for the first `size` bytes of an open file. Returns 0, or an errno value:
// ENOTSUP where the system or file system cannot reserve.
int apus_reserve_space(int descriptor, int64_t size);

#endif
