// The machine: version, threads, CUDA where there is one.
#include "boundary.hpp"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <dlfcn.h>
#include <torch/version.h>

#include <mutex>

using namespace apus;

const char *apus_torch_version(void) { return TORCH_VERSION; }
void apus_set_thread_count(int32_t count) { at::set_num_threads(count); }
int32_t apus_thread_count(void) { return at::get_num_threads(); }

const char *apus_torch_library_path(void) {
    static const std::string path = [] {
        Dl_info info;
        auto address = reinterpret_cast<const void *>(&at::get_num_threads);
        return std::string(dladdr(address, &info) && info.dli_fname ? info.dli_fname : "");
    }();
    return path.c_str();
}

// The class is compiled into libtorch_cpu when that was built with Gloo.
bool apus_has_gloo(void) {
    return dlsym(RTLD_DEFAULT, "_ZTVN4c10d16ProcessGroupGlooE") != nullptr;
}

const char *apus_nccl_unavailable_reason(void) {
    static const std::string reason = [] {
        if (dlopen("libnccl.so.2", RTLD_LAZY | RTLD_LOCAL)) return std::string();
        const char *error = dlerror();
        return std::string(error ? error : "libnccl.so.2 not found");
    }();
    return reason.c_str();
}

static std::string cuda_reason;

// A CPU build of libtorch has no libtorch_cuda.so; a CUDA build registers its device guard when loaded.
static int32_t count_cuda_devices() {
    if (!dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL)) {
        const char *error = dlerror();
        cuda_reason = std::string("libtorch_cuda.so: ") + (error ? error : "not found");
        return 0;
    }
    try {
        if (!c10::impl::hasDeviceGuardImpl(c10::DeviceType::CUDA)) {
            cuda_reason = "libtorch_cuda.so registered no device";
            return 0;
        }
        int32_t count = c10::impl::getDeviceGuardImpl(c10::DeviceType::CUDA)->deviceCount();
        if (count == 0) cuda_reason = "the CUDA driver reports no device";
        return count;
    } catch (const std::exception &error) {
        cuda_reason = error.what();
        return 0;
    }
}

int32_t apus_cuda_device_count(void) {
    static const int32_t count = count_cuda_devices();
    return count;
}
const char *apus_cuda_unavailable_reason(void) {
    return apus_cuda_device_count() > 0 ? "" : cuda_reason.c_str();
}

// --- Catching errors ---

namespace {
struct Caught {
    int depth = 0;
    apus_status status = APUS_OK;
    std::string message;
};
thread_local Caught caught;
}  // namespace

void apus_catch_enter(void) {
    if (caught.depth++ == 0) caught.status = APUS_OK;
}
apus_status apus_catch_leave(void) {
    apus_status status = caught.status;
    // An inner scope reports the failure; what the outer one does next is unharmed by it.
    caught.status = APUS_OK;
    caught.depth--;
    return status;
}
const char *apus_caught_message(void) { return caught.message.c_str(); }
bool apus_catch_record(apus_status status, const char *message) {
    if (caught.depth == 0) return false;
    if (caught.status == APUS_OK) {
        caught.status = status;
        caught.message = message;
    }
    return true;
}
