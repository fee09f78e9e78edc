// Whether another process is still there. A zombie that nobody has collected yet counts as ended.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm_internal.h"

#if defined(__linux__)
#include <sys/syscall.h>
#endif

// When the process began, in ticks since boot: with the id it names a process for ever. 0: no such
// process.
uint64_t process_start(int32_t pid) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0) return 0;
    text[length] = 0;
    // The command's name, in brackets, may hold anything; the state follows, the start is the 20th
    // field after it.
    char *cursor = strrchr(text, ')');
    if (cursor == NULL || cursor[1] == 0 || cursor[2] == 'Z' || cursor[2] == 'X') return 0;
    for (int field = 0; cursor != NULL && field < 20; field++) cursor = strchr(cursor + 1, ' ');
    return cursor == NULL ? 0 : strtoull(cursor, NULL, 10);
}

// A descriptor that becomes readable when the process ends, or -1 on kernels without them.
int watch_process(int32_t pid) {
#if defined(SYS_pidfd_open)
    return (int)syscall(SYS_pidfd_open, pid, 0);
#else
    (void)pid;
    return -1;
#endif
}

bool has_ended(int pidfd, int32_t pid) {
    if (pidfd < 0) return kill(pid, 0) != 0 && errno == ESRCH;
    struct pollfd watched = {pidfd, POLLIN, 0};
    return poll(&watched, 1, 0) == 1;
}
