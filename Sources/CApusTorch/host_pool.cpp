// The pool's bookkeeping.
#include "host_pool.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

namespace apus {

namespace {

constexpr size_t cache_line = 64;

// One line more than asked for: otherwise neighbours of power-of-two sizes would start at equal
// offsets within their pages, and kernels that walk along several of them would fight for the same
// cache sets.
size_t block_size(size_t byte_count) {
    return (byte_count + 2 * cache_line - 1) / cache_line * cache_line;
}

}  // namespace

HostPool::HostPool(size_t capacity) {
    void *range = mmap(nullptr, capacity, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED) return;
#ifdef MADV_HUGEPAGE
    madvise(range, capacity, MADV_HUGEPAGE);  // a wish: the pool works with small pages too
#endif
    start_ = static_cast<char *>(range);
    capacity_ = capacity;
    insert_free(start_, capacity_);
}

void HostPool::insert_free(char *block, size_t size) {
    by_address_.emplace(block, size);
    by_size_.emplace(size, block);
}

void HostPool::erase_free(std::map<char *, size_t>::iterator position) {
    by_size_.erase({position->second, position->first});
    by_address_.erase(position);
}

void *HostPool::take(size_t byte_count) {
    size_t wanted = block_size(byte_count);
    std::lock_guard<std::mutex> lock(mutex_);
    // The smallest that fits; the untouched rest of the range is the largest and so comes last.
    auto fit = by_size_.lower_bound({wanted, nullptr});
    if (fit == by_size_.end()) return nullptr;
    auto [size, block] = *fit;
    erase_free(by_address_.find(block));
    if (size > wanted) insert_free(block + wanted, size - wanted);
    taken_.emplace(block, wanted);
    figures_.used += wanted;
    figures_.most_used = std::max(figures_.most_used, figures_.used);
    figures_.reached = std::max(figures_.reached, static_cast<size_t>(block + wanted - start_));
    return block;
}

void HostPool::give_back(void *pointer) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = taken_.find(pointer);
    if (found == taken_.end()) return;
    char *block = static_cast<char *>(pointer);
    size_t size = found->second;
    taken_.erase(found);
    figures_.used -= size;
    auto next = by_address_.lower_bound(block);
    if (next != by_address_.end() && next->first == block + size) {
        size += next->second;
        erase_free(next);
    }
    auto previous = by_address_.lower_bound(block);
    if (previous != by_address_.begin()) {
        --previous;
        if (previous->first + previous->second == block) {
            block = previous->first;
            size += previous->second;
            erase_free(previous);
        }
    }
    insert_free(block, size);
}

void HostPool::trim() {
    std::lock_guard<std::mutex> lock(mutex_);
    auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    for (auto &[block, size] : by_address_) {
        // The range starts at a page, so offsets tell whole pages.
        size_t offset = static_cast<size_t>(block - start_);
        size_t begin = (offset + page - 1) / page * page;
        size_t end = std::min(offset + size, figures_.reached) / page * page;
        if (begin < end) madvise(start_ + begin, end - begin, MADV_DONTNEED);
    }
}

HostPool::Figures HostPool::figures() {
    std::lock_guard<std::mutex> lock(mutex_);
    return figures_;
}

}  // namespace apus
