// What the files of the shared-memory group know of each other.
#ifndef APUS_SHM_INTERNAL_H
#define APUS_SHM_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "apus_shm.h"

enum {
    SLOTS = 4, // chunks of a rank in flight
    CHUNK_BYTES = 256
        << 10,         // of a chunk: fits the second-level cache together with its destination
    CHANNEL_SLOTS = 2, // of a sender-receiver pair
    CHANNEL_BYTES = 64 << 10,
    SMALL_BYTES = 16 << 10, // up to here every rank reduces everything: one wait instead of two
    PAGE = 4096,
    HUGE_PAGE = 2 << 20,
};

#define NO_REFERENCE UINT64_MAX

// A rank that leaves because the group failed is shown where it was when that happened.
enum { LEFT = 1, LEFT_AFTER_FAILURE = 2 };

// What a rank calls, for the others to compare; `reference` says where its input can be read in
// place.
typedef struct {
    uint64_t sequence;
    uint64_t count;
    uint64_t reference;
    int32_t kind;
    int32_t dtype;
    int32_t result;
    int32_t reduction;
    int32_t peer;
    char label[APUS_SHM_LABEL];
} announcement;

typedef struct {
    _Alignas(64) announcement announced; // valid in the first slot of an operation
    _Alignas(64) unsigned char contribution[CHUNK_BYTES];
    _Alignas(64) unsigned char result[CHUNK_BYTES];
} slot;

// A piece of a message; every piece tells the whole message's size and dtype.
typedef struct {
    uint64_t count;
    int32_t dtype;
    _Alignas(64) unsigned char bytes[CHANNEL_BYTES];
} piece;

typedef struct {
    _Alignas(64) _Atomic uint64_t written;
    _Alignas(64) _Atomic uint64_t read;
    piece pieces[CHANNEL_SLOTS];
} channel;

// One rank's public face. Only its owner writes, but for `waiters`.
typedef struct {
    // Rounds whose chunk is written, whose part is reduced, whose peers' chunks are no longer
    // needed.
    _Alignas(64) _Atomic uint64_t produced;
    _Atomic uint64_t combined;
    _Atomic uint64_t consumed;
    _Atomic uint32_t bell; // rung at every change of a counter
    _Alignas(64) _Atomic uint32_t waiters;
    _Alignas(64) _Atomic int32_t pid; // 0: not yet here
    _Atomic int32_t left;             // LEFT or LEFT_AFTER_FAILURE
    _Atomic int32_t reaches;          // 1: reads the others' arenas; 2: cannot
    int32_t arena_fd;
    uint64_t arena_bytes;
    // Where this rank is; odd while being written.
    _Alignas(64) _Atomic uint64_t place_version;
    _Atomic uint64_t place_time;
    apus_shm_place place;
    char last_words[APUS_SHM_WORDS];
} member;

typedef struct {
    uint64_t magic;
    int32_t world;
    int32_t creator;
    uint64_t creator_start;
    _Atomic uint32_t joined;
    // Why the group ended; `ended` is claimed by the first rank that notices, `explained` set after
    // it wrote.
    _Alignas(64) _Atomic uint32_t ended;
    _Atomic uint32_t explained;
    apus_shm_failure failure;
} header;

typedef struct {
    unsigned char *base;
    size_t bytes;
} mapping;

struct free_block;

typedef struct {
    int fd;
    mapping memory;
    size_t used;             // high-water mark
    struct free_block *free; // by address
    struct free_block *taken;
} arena;

struct apus_shm_group {
    int32_t rank;
    int32_t world;
    uint64_t timeout_ns;
    header *head;
    member *members;
    slot *slots;       // world x SLOTS
    channel *channels; // world x world, sender first
    mapping segment;
    _Atomic int32_t
        *sharers; // of ranks that are threads: who still uses the segment; NULL between processes
    bool reads_in_place;
    int *pidfds;          // NULL for threads
    mapping *peer_arenas; // NULL for threads
    arena arena;

    uint64_t rounds;                                                 // of all operations so far
    uint64_t sequence;                                               // of collectives
    uint64_t sent[APUS_SHM_MAX_WORLD], received[APUS_SHM_MAX_WORLD]; // pieces
    uint64_t sent_messages[APUS_SHM_MAX_WORLD], received_messages[APUS_SHM_MAX_WORLD];
    uint64_t deadline;
    uint32_t spin; // adapted: how long a spin has paid lately
    bool has_left;
    apus_shm_failure failure;

    // The queue and its thread (shm_queue.c).
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool has_thread, stops, is_executing;
    struct apus_shm_work *first, *last;
};

// shm_segment.c
size_t segment_bytes(int32_t world);
size_t reserved_bytes(int32_t world); // all but the channels, which few programs use
void lay_out(struct apus_shm_group *group, unsigned char *base);
apus_shm_status new_group(int32_t rank, int32_t world, double timeout_seconds,
                          struct apus_shm_group **out);
uint64_t now_ns(void);
static inline slot *slot_of(const struct apus_shm_group *group, int32_t rank, uint64_t round) {
    return &group->slots[(size_t)rank * SLOTS + round % SLOTS];
}

// shm_wait.c: waiting for one counter of one member to reach a value.
apus_shm_status wait_for(struct apus_shm_group *group, int32_t rank, _Atomic uint64_t *counter,
                         uint64_t value);
void publish(member *self, _Atomic uint64_t *counter, uint64_t value);
apus_shm_status wait_for_all(struct apus_shm_group *group, size_t counter_offset, uint64_t value);
apus_shm_status end_group(struct apus_shm_group *group, apus_shm_status status, int32_t culprit,
                          int32_t error_number);
void futex_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t nanoseconds);
void futex_wake_all(_Atomic uint32_t *word);

// shm_process.c: is a process there?
uint64_t process_start(int32_t pid);
int watch_process(int32_t pid);
bool has_ended(int pidfd, int32_t pid);

// shm_arena.c
void open_arena(struct apus_shm_group *group);
bool map_peer_arenas(struct apus_shm_group *group);
void close_arena(struct apus_shm_group *group);
uint64_t reference_of(const struct apus_shm_group *group, const void *memory, size_t bytes);
const unsigned char *referenced(const struct apus_shm_group *group, int32_t rank,
                                uint64_t reference);

// shm_report.c
void enter(struct apus_shm_group *group, const apus_shm_call *call, uint64_t sequence,
           uint64_t bytes);
void step_out(struct apus_shm_group *group);

// shm_collectives.c, shm_channel.c: called in order by one thread at a time.
apus_shm_status execute(struct apus_shm_group *group, const apus_shm_call *call);
apus_shm_status run_collective(struct apus_shm_group *group, const apus_shm_call *call);
apus_shm_status run_channel(struct apus_shm_group *group, const apus_shm_call *call);

// shm_queue.c
void start_queue(struct apus_shm_group *group);
void stop_queue(struct apus_shm_group *group);

#endif
