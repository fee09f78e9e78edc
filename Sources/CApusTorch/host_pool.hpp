// A pool of host memory: blocks of one reserved range, joined again when freed, taken where they
// fit best.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>

namespace apus {

// Training asks for the same large blocks step after step. The C library maps and unmaps many of
// them, and the kernel then zeroes every page again. The pool keeps what was touched, so that a
// steady state touches no fresh page; and it reserves addresses for everything at once, so that
// neighbours always join and pages can be huge.
class HostPool {
public:
    struct Figures {
        size_t used = 0;       // bytes in blocks that are taken
        size_t most_used = 0;  // the largest value of `used` so far
        size_t reached = 0;    // the end of the furthest block so far; bounds what is resident
    };

    // Reserves addresses, no memory; the pool stays closed if the system refuses.
    explicit HostPool(size_t capacity);

    bool is_open() const { return start_ != nullptr; }
    bool owns(const void *block) const { return block >= start_ && block < start_ + capacity_; }

    // A block aligned to 64 bytes, or nullptr when nothing fits.
    void *take(size_t byte_count);
    void give_back(void *block);

    // Hands the pages of free blocks back to the system.
    void trim();

    Figures figures();

private:
    using Free = std::set<std::pair<size_t, char *>>;  // by size, then address

    void insert_free(char *block, size_t size);
    void erase_free(std::map<char *, size_t>::iterator position);

    std::mutex mutex_;
    char *start_ = nullptr;
    size_t capacity_ = 0;
    Free by_size_;
    std::map<char *, size_t> by_address_;  // the same free blocks
    std::unordered_map<void *, size_t> taken_;
    Figures figures_;
};

}  // namespace apus
