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
