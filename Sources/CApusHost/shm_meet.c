// How the processes of a host find each other: rank 0 puts a file with the group's name where the
// others look for it, and removes the name when all have mapped it. The memory lives on for as long
// as somebody maps it.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shm_internal.h"

static const uint64_t MAGIC = 0x3130307375706131; // changes with the layout
static const long LOOK_AGAIN_NS = 2 * 1000 * 1000;

typedef struct {
    const apus_shm_options *options;
    apus_shm_meeting *result;
    struct apus_shm_group *group;
    char path[4096];
    char draft[4160];
    uint64_t deadline;
} meeting;

static apus_shm_status system_error(meeting *m) {
    m->result->error_number = errno;
    return APUS_SHM_SYSTEM;
}

static void pause_briefly(void) { nanosleep(&(struct timespec){0, LOOK_AGAIN_NS}, NULL); }

static bool is_alive(int32_t pid, uint64_t start) { return pid > 0 && process_start(pid) == start; }

static bool name_paths(meeting *m) {
    const char *folder = m->options->folder ? m->options->folder : "/dev/shm";
    int length = snprintf(m->path, sizeof m->path, "%s/apus-%u-%s", folder, (unsigned)geteuid(),
                          m->options->name);
    snprintf(m->draft, sizeof m->draft, "%s.%d", m->path, (int)getpid());
    return length > 0 && (size_t)length < sizeof m->path;
}

// Opens the file if it is one of ours; -1 when there is none.
static int open_existing(meeting *m) {
    int fd = open(m->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    struct stat facts;
    if (fd >= 0 && (fstat(fd, &facts) != 0 || facts.st_uid != geteuid() ||
                    facts.st_size < (off_t)sizeof(header))) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool read_header(int fd, header *copy) {
    return pread(fd, copy, sizeof *copy, 0) == (ssize_t)sizeof *copy && copy->magic == MAGIC;
}

// --- Rank 0 ---

// A file of this name is either a start that is going on, or what a crashed one left behind.
static apus_shm_status clear_the_way(meeting *m) {
    int fd = open_existing(m);
    if (fd >= 0) {
        header found;
        bool is_whole = read_header(fd, &found);
        close(fd);
        if (is_whole && is_alive(found.creator, found.creator_start)) {
            m->result->pid = found.creator;
            return APUS_SHM_OCCUPIED;
        }
    }
    if (unlink(m->path) != 0 && errno != ENOENT) return system_error(m);
    return APUS_SHM_OK;
}

static apus_shm_status draft_segment(meeting *m, int fd) {
    struct apus_shm_group *group = m->group;
    size_t bytes = segment_bytes(group->world);
    if (ftruncate(fd, (off_t)bytes) != 0) return system_error(m);
    // Reserved now: a full /dev/shm should be a message here, not a SIGBUS in the middle of
    // training.
    int refused = posix_fallocate(fd, 0, (off_t)reserved_bytes(group->world));
    if (refused) {
        errno = refused;
        return system_error(m);
    }
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) return system_error(m);
    lay_out(group, base);
    group->head->world = group->world;
    group->head->creator = (int32_t)getpid();
    group->head->creator_start = process_start((int32_t)getpid());
    group->head->magic = MAGIC;
    return APUS_SHM_OK;
}

static apus_shm_status create(meeting *m) {
    apus_shm_status status = clear_the_way(m);
    if (status != APUS_SHM_OK) return status;
    unlink(m->draft);
    int fd = open(m->draft, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return system_error(m);
    status = draft_segment(m, fd);
    close(fd);
    // A link, not a rename: two first ranks at once must not both believe that they made it.
    if (status == APUS_SHM_OK && link(m->draft, m->path) != 0)
        status = errno == EEXIST ? APUS_SHM_OCCUPIED : system_error(m);
    unlink(m->draft);
    return status;
}

// --- The others ---

static apus_shm_status map_existing(meeting *m, int fd) {
    struct apus_shm_group *group = m->group;
    header found;
    if (!read_header(fd, &found) || !is_alive(found.creator, found.creator_start))
        return APUS_SHM_TIMED_OUT;
    if (found.world != group->world) {
        m->result->found_world = found.world;
        return APUS_SHM_OTHER_WORLD;
    }
    void *base = mmap(NULL, segment_bytes(group->world), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) return system_error(m);
    lay_out(group, base);
    return APUS_SHM_OK;
}

// Looks until rank 0's file is there; a dead start's leftover is passed over.
static apus_shm_status find(meeting *m) {
    while (true) {
        int fd = open_existing(m);
        if (fd >= 0) {
            apus_shm_status status = map_existing(m, fd);
            close(fd);
            if (status != APUS_SHM_TIMED_OUT) return status;
        }
        if (now_ns() >= m->deadline) {
            m->result->culprit = 0;
            m->result->missing = 1;
            return APUS_SHM_TIMED_OUT;
        }
        pause_briefly();
    }
}

// --- Together ---

static apus_shm_status take_seat(meeting *m) {
    struct apus_shm_group *group = m->group;
    int32_t nobody = 0;
    if (!atomic_compare_exchange_strong(&group->members[group->rank].pid, &nobody,
                                        (int32_t)getpid())) {
        m->result->pid = nobody;
        m->result->culprit = group->rank;
        return APUS_SHM_DUPLICATE_RANK;
    }
    open_arena(group);
    atomic_fetch_add(&group->head->joined, 1);
    return APUS_SHM_OK;
}

static void list_missing(meeting *m) {
    for (int32_t rank = m->group->world - 1; rank >= 0; rank--) {
        if (atomic_load(&m->group->members[rank].pid) != 0) continue;
        m->result->missing |= (uint64_t)1 << rank;
        m->result->culprit = rank;
    }
}

// Who has taken a seat and died since.
static int32_t find_dead(const meeting *m) {
    for (int32_t rank = 0; rank < m->group->world; rank++) {
        int32_t pid = atomic_load(&m->group->members[rank].pid);
        if (pid != 0 && process_start(pid) == 0) return rank;
    }
    return -1;
}

// A rank that ran out of time says so when it leaves: then the missing are to blame, not it.
static apus_shm_status judge_dead(meeting *m) {
    if (!atomic_load(&m->group->members[m->result->culprit].left)) return APUS_SHM_PEER_LEFT;
    list_missing(m);
    return APUS_SHM_TIMED_OUT;
}

static apus_shm_status wait_for_seats(meeting *m) {
    header *head = m->group->head;
    uint64_t look = now_ns();
    while (atomic_load(&head->joined) < (uint32_t)m->group->world) {
        if (now_ns() >= look) {
            look = now_ns() + 50 * 1000 * 1000;
            m->result->culprit = find_dead(m);
            if (m->result->culprit >= 0) return judge_dead(m);
        }
        if (now_ns() >= m->deadline) {
            list_missing(m);
            return APUS_SHM_TIMED_OUT;
        }
        pause_briefly();
    }
    return APUS_SHM_OK;
}

// Everybody tries to map everybody's arena; reading in place is on only where all can.
static apus_shm_status agree_on_arenas(struct apus_shm_group *group) {
    member *self = &group->members[group->rank];
    atomic_store(&self->reaches, map_peer_arenas(group) ? 1 : 2);
    apus_shm_status status =
        apus_shm_run(group, &(apus_shm_call){.kind = APUS_SHM_BARRIER, .label = "start"});
    group->sequence = 0; // users count their own operations
    self->place.sequence = 0;
    group->reads_in_place = true;
    for (int32_t rank = 0; rank < group->world; rank++)
        if (atomic_load(&group->members[rank].reaches) != 1) group->reads_in_place = false;
    return status;
}

static apus_shm_status meet(meeting *m) {
    struct apus_shm_group *group = m->group;
    apus_shm_status status = group->rank == 0 ? create(m) : find(m);
    if (status != APUS_SHM_OK) return status;
    status = take_seat(m);
    if (status == APUS_SHM_OK) status = wait_for_seats(m);
    if (group->rank == 0) unlink(m->path);
    if (status != APUS_SHM_OK) return status;
    group->pidfds = malloc((size_t)group->world * sizeof *group->pidfds);
    if (group->pidfds == NULL) return system_error(m);
    for (int32_t rank = 0; rank < group->world; rank++)
        group->pidfds[rank] =
            rank == group->rank ? -1 : watch_process(atomic_load(&group->members[rank].pid));
    status = agree_on_arenas(group);
    m->result->culprit = group->failure.culprit;
    return status;
}

apus_shm_status apus_shm_join(const apus_shm_options *options, apus_shm_meeting *result,
                              apus_shm_group_t *out) {
    *result = (apus_shm_meeting){.culprit = -1};
#if !defined(__linux__)
    return APUS_SHM_UNSUPPORTED;
#endif
    meeting m = {.options = options, .result = result};
    m.deadline = now_ns() + (uint64_t)(options->timeout_seconds * 1e9);
    if (!name_paths(&m)) {
        errno = ENAMETOOLONG;
        return system_error(&m);
    }
    apus_shm_status status =
        new_group(options->rank, options->world, options->timeout_seconds, &m.group);
    if (status != APUS_SHM_OK) return system_error(&m);
    status = meet(&m);
    if (status == APUS_SHM_OK) {
        *out = m.group;
    } else if (m.group->segment.base) {
        apus_shm_release(m.group);
    } else {
        stop_queue(m.group);
        free(m.group);
    }
    return status;
}
