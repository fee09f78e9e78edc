// Child processes, signals as readable events, ports: what a launcher needs and Swift cannot do
// safely (nothing may run between fork and exec but async-signal-safe calls).
#ifndef APUS_PROCESS_H
#define APUS_PROCESS_H
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    const char *path;                // the program's file; no search
    const char *const *arguments;    // null-terminated, with the program's name first
    const char *const *environment;  // null-terminated, NAME=value
    int input;                       // becomes standard input
    int output;                      // becomes standard output
    int error;                       // becomes standard error
    int extra;                       // becomes descriptor APUS_EXTRA_DESCRIPTOR; -1 for none
} apus_spawn_options;

enum { APUS_EXTRA_DESCRIPTOR = 3 };

// Starts a program in a process group of its own that dies (SIGKILL) with the calling thread.
// Returns 0 and sets *pid, or an errno value; a program that cannot be executed is reported here.
// The caller keeps its descriptors; all others of the caller should be close-on-exec.
int apus_spawn(const apus_spawn_options *options, int32_t *pid);

typedef struct {
    bool has_ended;
    int32_t exit_code;  // -1 when a signal ended it
    int32_t signal;     // 0 when it exited
} apus_child_state;

// Looks at a child without removing it, so that its process group cannot be reused meanwhile.
// Returns 0 or an errno value.
int apus_child_look(int32_t pid, apus_child_state *state);

// Removes an ended child.
void apus_child_reap(int32_t pid);

// From now on each of these signals is one byte (its number) on the returned descriptor instead of
// its default action. Once per process; returns -1 and sets errno on failure.
int apus_signals_open(const int32_t *signals, int32_t count);

// Gives the signals their default actions back and closes the descriptor.
void apus_signals_close(void);

// Binds a TCP port on all interfaces for a moment; port 0 picks a free one. Returns 0 and sets
// *bound, or an errno value (EADDRINUSE when somebody has it).
int apus_port_probe(int32_t port, int32_t *bound);

// Cores that this process may run on.
int32_t apus_usable_cores(void);

// Columns of the terminal behind a descriptor; 0 when there is none.
int32_t apus_terminal_columns(int descriptor);

// A pipe whose ends are close-on-exec, the reading end non-blocking. Returns 0 or an errno value.
int apus_pipe(int *read_end, int *write_end);

// Free and total bytes of the file system that holds `path`. Returns 0 or an errno value.
int apus_disk_space(const char *path, uint64_t *free_bytes, uint64_t *total_bytes);

#endif
