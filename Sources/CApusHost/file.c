#include "apus_file.h"
#include <errno.h>
#include <fcntl.h>

int apus_reserve_space(int descriptor, int64_t size) {
#ifdef __linux__
    return fallocate(descriptor, 0, 0, size) == 0 ? 0 : errno;
#else
    (void)descriptor;
    (void)size;
    return ENOTSUP;
#endif
}

void apus_begin_writing(int descriptor, int64_t offset, int64_t count) {
#ifdef __linux__
    // Only to be early: what fails here, fsync reports.
    (void)sync_file_range(descriptor, offset, count, SYNC_FILE_RANGE_WRITE);
#else
    (void)descriptor;
    (void)offset;
    (void)count;
#endif
}
