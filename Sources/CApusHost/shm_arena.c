// Memory that every rank of the group can read: one large sparse file without a name per rank,
// mapped by all. It exists as long as somebody maps it, and only the pages that are used cost
// memory.
//
// Blocks lie on huge pages where the kernel gives them: peers map what they read in place and let
// go of it after each operation, which costs as much as the copy with pages of 4 KiB and next to
// nothing with pages of 2 MiB.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm_internal.h"

#if defined(__linux__) && !defined(MADV_COLLAPSE)
#define MADV_COLLAPSE 25 // Linux 6.1
#endif

struct free_block {
    size_t offset, bytes;
    struct free_block *next;
};

static size_t installed_memory(void) {
    size_t bytes = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
}

#if defined(__linux__)
// Maps a file at an address that huge pages can begin at.
static void *map_aligned(int fd, size_t bytes, int protection) {
    unsigned char *room = mmap(NULL, bytes + HUGE_PAGE, PROT_NONE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) return MAP_FAILED;
    size_t before = -(uintptr_t)room & (HUGE_PAGE - 1);
    void *base = mmap(room + before, bytes, protection, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd,
                      0);
    if (base == MAP_FAILED) {
        munmap(room, bytes + HUGE_PAGE);
        return MAP_FAILED;
    }
    if (before > 0) munmap(room, before);
    munmap(room + before + bytes, HUGE_PAGE - before);
    return base;
}
#endif

// Whole huge pages of the block; a wish, which an older kernel or one without free ones refuses.
// Asked for block by block, because most systems are set to give shared memory none by itself.
static void use_huge_pages(unsigned char *memory, size_t bytes) {
#if defined(__linux__)
    size_t whole = bytes & ~(size_t)(HUGE_PAGE - 1);
    // The kernel collapses only where it finds a page table: one page is touched.
    for (size_t at = 0; at < whole; at += HUGE_PAGE) {
        volatile unsigned char *first = memory + at;
        *first = *first;
    }
    if (whole > 0) madvise(memory, whole, MADV_COLLAPSE);
#endif
}

// Without an arena everything is staged; so no failure here is an error.
void open_arena(struct apus_shm_group *group) {
#if defined(__linux__)
    size_t bytes = installed_memory();
    int fd = memfd_create("apus-arena", MFD_CLOEXEC);
    if (fd < 0) return;
    void *base = MAP_FAILED;
    if (ftruncate(fd, (off_t)bytes) == 0) base = map_aligned(fd, bytes, PROT_READ | PROT_WRITE);
    if (base == MAP_FAILED) {
        close(fd);
        return;
    }
    group->arena = (arena){.fd = fd, .memory = {base, bytes}};
    group->members[group->rank].arena_fd = fd;
    group->members[group->rank].arena_bytes = bytes;
#else
    (void)group;
#endif
}

// Through /proc, because a file without a name can be opened nowhere else. False where that is not
// allowed.
bool map_peer_arenas(struct apus_shm_group *group) {
    group->peer_arenas = calloc((size_t)group->world, sizeof *group->peer_arenas);
    if (group->peer_arenas == NULL) return false;
    for (int32_t rank = 0; rank < group->world; rank++) {
        member *peer = &group->members[rank];
        if (rank == group->rank) continue;
        if (peer->arena_bytes == 0) return false;
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/fd/%d", atomic_load(&peer->pid), peer->arena_fd);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) return false;
        void *base = map_aligned(fd, peer->arena_bytes, PROT_READ);
        close(fd);
        if (base == MAP_FAILED) return false;
        group->peer_arenas[rank] = (mapping){base, peer->arena_bytes};
    }
    return group->arena.fd >= 0;
}

static void free_list(struct free_block *block) {
    while (block) {
        struct free_block *next = block->next;
        free(block);
        block = next;
    }
}

void close_arena(struct apus_shm_group *group) {
    if (group->arena.fd >= 0) {
        munmap(group->arena.memory.base, group->arena.memory.bytes);
        close(group->arena.fd);
        free_list(group->arena.free);
        free_list(group->arena.taken);
    }
    for (int32_t rank = 0; group->peer_arenas && rank < group->world; rank++)
        if (group->peer_arenas[rank].base)
            munmap(group->peer_arenas[rank].base, group->peer_arenas[rank].bytes);
    free(group->peer_arenas);
}

// --- A first-fit allocator by address; blocks are few and large ---

static void insert(struct free_block **list, struct free_block *block) {
    while (*list && (*list)->offset < block->offset) list = &(*list)->next;
    block->next = *list;
    *list = block;
}

static struct free_block *take_fit(arena *arena, size_t bytes) {
    struct free_block **link = &arena->free;
    while (*link && (*link)->bytes < bytes) link = &(*link)->next;
    struct free_block *block = *link;
    if (block == NULL) return NULL;
    if (block->bytes == bytes) {
        *link = block->next;
        return block;
    }
    struct free_block *front = malloc(sizeof *front);
    if (front == NULL) return NULL;
    *front = (struct free_block){block->offset, bytes, NULL};
    block->offset += bytes;
    block->bytes -= bytes;
    return front;
}

static struct free_block *take_new(arena *arena, size_t bytes) {
    if (bytes > arena->memory.bytes - arena->used) return NULL;
    struct free_block *block = malloc(sizeof *block);
    if (block == NULL) return NULL;
    *block = (struct free_block){arena->used, bytes, NULL};
    arena->used += bytes;
    return block;
}

void *apus_shm_alloc(apus_shm_group_t group, size_t bytes) {
    arena *arena = &group->arena;
    if (arena->fd < 0 || !group->reads_in_place || bytes > arena->memory.bytes) return NULL;
    // Addresses cost nothing: every block begins where a huge page can.
    size_t room = bytes == 0 ? HUGE_PAGE : (bytes + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
    struct free_block *block = take_fit(arena, room);
    if (block == NULL) block = take_new(arena, room);
    if (block == NULL) return NULL;
    insert(&arena->taken, block);
    unsigned char *memory = arena->memory.base + block->offset;
    use_huge_pages(memory, bytes);
    return memory;
}

void apus_shm_free(apus_shm_group_t group, void *memory) {
    arena *arena = &group->arena;
    size_t offset = (size_t)((unsigned char *)memory - arena->memory.base);
    struct free_block **link = &arena->taken;
    while (*link && (*link)->offset != offset) link = &(*link)->next;
    struct free_block *block = *link;
    if (block == NULL) abort(); // not from apus_shm_alloc, or freed twice
    *link = block->next;
    insert(&arena->free, block);
    for (struct free_block *left = arena->free; left && left->next;) {
        struct free_block *right = left->next;
        if (left->offset + left->bytes == right->offset) {
            left->bytes += right->bytes;
            left->next = right->next;
            free(right);
        } else {
            left = right;
        }
    }
}

// --- References: where an input lies, in a form that other ranks understand ---

uint64_t reference_of(const struct apus_shm_group *group, const void *memory, size_t bytes) {
    if (!group->reads_in_place || memory == NULL) return NO_REFERENCE;
    if (group->sharers) return (uint64_t)(uintptr_t)memory; // threads: any address will do
    uintptr_t address = (uintptr_t)memory, base = (uintptr_t)group->arena.memory.base;
    if (address < base || address - base >= group->arena.used) return NO_REFERENCE;
    return address - base + bytes <= group->arena.used ? address - base : NO_REFERENCE;
}

const unsigned char *referenced(const struct apus_shm_group *group, int32_t rank,
                                uint64_t reference) {
    if (group->sharers) return (const unsigned char *)(uintptr_t)reference;
    return group->peer_arenas[rank].base + reference;
}
