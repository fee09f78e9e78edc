// The pool as libtorch's allocator of host memory.
#include "apus_allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "host_pool.hpp"

namespace {

constexpr size_t alignment = 64;
// Smaller blocks come from the C library, whose heap keeps them well.
constexpr size_t smallest_pooled = 32 << 10;

apus::HostPool *pool = nullptr;

void release(void *block) {
    if (pool->owns(block))
        pool->give_back(block);
    else
        std::free(block);
}

class PooledAllocator final : public c10::Allocator {
public:
    c10::DataPtr allocate(size_t byte_count) override {
        void *block = byte_count == 0 ? nullptr : take(byte_count);
        return {block, block, &release, c10::Device(c10::DeviceType::CPU)};
    }
    c10::DeleterFnPtr raw_deleter() const override { return &release; }
    void copy_data(void *to, const void *from, size_t count) const override { std::memcpy(to, from, count); }

private:
    static void *take(size_t byte_count) {
        if (byte_count >= smallest_pooled)
            if (void *block = pool->take(byte_count)) return block;
        void *block = nullptr;
        int failure = posix_memalign(&block, alignment, byte_count);
        TORCH_CHECK_WITH(OutOfMemoryError, failure == 0, "the host has no memory left for ", byte_count, " bytes");
        return block;
    }
};

}  // namespace

bool apus_pool_install(void) {
    static bool installed = [] {
        auto pages = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)), page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
        // Never freed: tensors may outlive every static.
        auto *made = new apus::HostPool(pages * page);
        if (!made->is_open()) {
            delete made;
            return false;
        }
        pool = made;
        c10::SetCPUAllocator(new PooledAllocator(), /*priority=*/1);
#ifdef __GLIBC__
        // What libtorch's libraries take from the C library directly (scratch of matrix products) stays too.
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
