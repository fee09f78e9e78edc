// System calls on files that Swift cannot reach.
#ifndef APUS_FILE_H
#define APUS_FILE_H
#include <stdint.h>

// Reserves disk space for the first `size` bytes of an open file. Returns 0, or an errno value:
// ENOTSUP where the system or file system cannot reserve.
int apus_reserve_space(int descriptor, int64_t size);

// Has the system begin to write these bytes of an open file to the disk, without waiting for it.
void apus_begin_writing(int descriptor, int64_t offset, int64_t count);

#endif
