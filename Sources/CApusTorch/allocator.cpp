// The pool as libtorch's allocator of host memory.
#include "apus_allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <unistd.h>

#include <cstring>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "host_pool.hpp"

namespace {

// Smaller blocks come from libtorch's own allocator: the C library's heap keeps them well.
constexpr size_t smallest_pooled = 32 << 10;

apus::HostPool *pool = nullptr;
c10::Allocator *others = nullptr;

void release(void *block) {
    if (pool->owns(block))
        pool->give_back(block);
    else
        others->raw_deallocate(block);
}

class PooledAllocator final : public c10::Allocator {
public:
    c10::DataPtr allocate(size_t byte_count) override {
        void *block = byte_count < smallest_pooled ? nullptr : pool->take(byte_count);
        if (!block) block = others->raw_allocate(byte_count);  // throws when memory is exhausted
        return {block, block, &release, c10::Device(c10::DeviceType::CPU)};
    }
    c10::DeleterFnPtr raw_deleter() const override { return &release; }
    void copy_data(void *to, const void *from, size_t count) const override {
        std::memcpy(to, from, count);
    }
};

}  // namespace

bool apus_pool_install(void) {
    static bool installed = [] {
        auto pages = static_cast<size_t>(sysconf(_SC_PHYS_PAGES));
        auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
        // Never freed: tensors may outlive every static.
        auto *made = new apus::HostPool(pages * page);
        if (!made->is_open()) {
            delete made;
            return false;
        }
        pool = made;
        others = c10::GetDefaultCPUAllocator();
        c10::SetCPUAllocator(new PooledAllocator(), /*priority=*/1);
#ifdef __GLIBC__
        // What libtorch takes from the C library directly (scratch of matrix products) stays too.
        mallopt(M_MMAP_THRESHOLD, 32 << 20);
        mallopt(M_TRIM_THRESHOLD, 256 << 20);
#endif
        return true;
    }();
    return installed;
}

apus_pool_figures apus_pool_current(void) {
    if (!pool) return {0, 0, 0};
    apus::HostPool::Figures figures = pool->figures();
    return {figures.used, figures.most_used, figures.reached};
}

void apus_pool_trim(void) {
    if (pool) pool->trim();
}
