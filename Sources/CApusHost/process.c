#include "apus_process.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#include <sys/prctl.h>
#endif

// Above every descriptor that the child is given.
enum { FIRST_SAFE_DESCRIPTOR = 10 };

static int move_up(int descriptor) {
    return fcntl(descriptor, F_DUPFD_CLOEXEC, FIRST_SAFE_DESCRIPTOR);
}

static void die_with_parent(pid_t parent) {
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    // The parent may have died before the line above took effect.
    if (getppid() != parent) _exit(1);
}

// Runs in the child; never returns. The descriptors are moved up first, so that none is
// overwritten by the placing of another.
static void become(const apus_spawn_options *options, pid_t parent, int report) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0);
    die_with_parent(parent);
    int sources[] = {options->input, options->output, options->error, options->extra};
    for (int target = 0; target < 4; target++) {
        if (sources[target] >= 0) sources[target] = move_up(sources[target]);
    }
    int failure = 0;
    for (int target = 0; target < 4 && !failure; target++) {
        if (sources[target] >= 0 && dup2(sources[target], target) < 0) failure = errno;
    }
    if (!failure) {
        execve(options->path, (char *const *)options->arguments,
               (char *const *)options->environment);
        failure = errno;
    }
    if (write(report, &failure, sizeof failure) < 0) _exit(126);
    _exit(127);
}

int apus_spawn(const apus_spawn_options *options, int32_t *pid) {
    int report[2];
    if (pipe(report) < 0) return errno;
    int reader = move_up(report[0]), writer = move_up(report[1]);
    close(report[0]);
    close(report[1]);
    pid_t parent = getpid();
    pid_t child = reader < 0 || writer < 0 ? -1 : fork();
    int failure = child < 0 ? errno : 0;
    if (child == 0) become(options, parent, writer);
    if (writer >= 0) close(writer);
    if (!failure) {
        setpgid(child, child);  // also here: whoever is first, before any signal to the group
        // Nothing to read: exec closed the other end.
        ssize_t count;
        do count = read(reader, &failure, sizeof failure);
        while (count < 0 && errno == EINTR);
        if (count != sizeof failure) failure = 0;
        if (failure) waitpid(child, NULL, 0);
    }
    if (reader >= 0) close(reader);
    *pid = (int32_t)child;
    return failure;
}

int apus_child_look(int32_t pid, apus_child_state *state) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    *state = (apus_child_state){.has_ended = false, .exit_code = -1, .signal = 0};
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0) return errno;
    if (info.si_pid == 0) return 0;
    state->has_ended = true;
    if (info.si_code == CLD_EXITED) {
        state->exit_code = info.si_status;
    } else {
        state->signal = info.si_status;
    }
    return 0;
}

void apus_child_reap(int32_t pid) {
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
}

enum { MAXIMUM_SIGNALS = 16 };
static int signal_pipe[2] = {-1, -1};
static int32_t watched[MAXIMUM_SIGNALS];
static int32_t watched_count;
static sigset_t mask_before;

static void note_signal(int number) {
    int saved = errno;
    unsigned char byte = (unsigned char)number;
    // A full pipe already holds more wake-ups than anybody needs.
    ssize_t written = write(signal_pipe[1], &byte, 1);
    (void)written;
    errno = saved;
}

int apus_signals_open(const int32_t *signals, int32_t count) {
    if (count > MAXIMUM_SIGNALS || signal_pipe[0] >= 0) {
        errno = EINVAL;
        return -1;
    }
    int failure = apus_pipe(&signal_pipe[0], &signal_pipe[1]);
    if (failure) {
        errno = failure;
        return -1;
    }
    fcntl(signal_pipe[1], F_SETFL, O_NONBLOCK);
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigset_t wanted;
    sigemptyset(&wanted);
    for (int32_t index = 0; index < count; index++) {
        watched[index] = signals[index];
        sigaddset(&wanted, signals[index]);
        sigaction(signals[index], &action, NULL);
    }
    watched_count = count;
    // Whoever started this process may have had them blocked, and that is inherited.
    pthread_sigmask(SIG_UNBLOCK, &wanted, &mask_before);
    return signal_pipe[0];
}

void apus_signals_close(void) {
    for (int32_t index = 0; index < watched_count; index++) signal(watched[index], SIG_DFL);
    if (watched_count > 0) pthread_sigmask(SIG_SETMASK, &mask_before, NULL);
    watched_count = 0;
    for (int end = 0; end < 2; end++) {
        if (signal_pipe[end] >= 0) close(signal_pipe[end]);
        signal_pipe[end] = -1;
    }
}

int apus_port_probe(int32_t port, int32_t *bound) {
    int handle = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (handle < 0) return errno;
    // As the store does: a port whose last connections linger in TIME_WAIT is free.
    int yes = 1;
    setsockopt(handle, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_ANY),
    };
    socklen_t length = sizeof address;
    int failure = 0;
    if (bind(handle, (struct sockaddr *)&address, sizeof address) < 0 || listen(handle, 1) < 0 ||
        getsockname(handle, (struct sockaddr *)&address, &length) < 0) {
        failure = errno;
    }
    close(handle);
    *bound = ntohs(address.sin_port);
    return failure;
}

int32_t apus_usable_cores(void) {
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (int32_t)count : 1;
}

int32_t apus_terminal_columns(int descriptor) {
    struct winsize size;
    if (ioctl(descriptor, TIOCGWINSZ, &size) < 0) return 0;
    return size.ws_col;
}

int apus_pipe(int *read_end, int *write_end) {
    int ends[2];
    if (pipe(ends) < 0) return errno;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    *read_end = ends[0];
    *write_end = ends[1];
    return 0;
}

int apus_disk_space(const char *path, uint64_t *free_bytes, uint64_t *total_bytes) {
    struct statvfs space;
    if (statvfs(path, &space) < 0) return errno;
    *free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
    *total_bytes = (uint64_t)space.f_blocks * space.f_frsize;
    return 0;
}
