// The state of the process: random numbers, the scopes that catch errors, threads, devices.
#include "boundary.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/Generator.h>
#include <ATen/ops/multinomial.h>
#include <ATen/ops/randperm.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>
#include <torch/version.h>

#include <mutex>

using namespace apus;

// --- Random numbers ---

struct apus_generator {
    at::Generator value;
};

static at::Generator choose(apus_optional_generator_t generator, apus_device where) {
    if (generator) return generator->value;
    return at::globalContext().defaultGenerator(device(where));
}

static std::optional<at::Generator> optional(apus_optional_generator_t generator) {
    if (!generator) return std::nullopt;
    return generator->value;
}

static void seed(at::Generator generator, uint64_t value) {
    std::lock_guard<std::mutex> lock(generator.mutex());
    generator.set_current_seed(value);
}

apus_status apus_seed_all(uint64_t value) {
    return guarded([&] {
        seed(at::globalContext().defaultGenerator(at::kCPU), value);
        for (int32_t index = 0; index < apus_cuda_device_count(); index++)
            seed(at::globalContext().defaultGenerator(device(index)), value);
    });
}
apus_status apus_generator_make(uint64_t value, apus_device where, apus_generator_t *out) {
    return guarded([&] {
        at::Generator made = where < 0
                                 ? at::make_generator<at::CPUGeneratorImpl>(value)
                                 : at::globalContext().defaultGenerator(device(where)).clone();
        seed(made, value);
        *out = new apus_generator{made};
    });
}
void apus_generator_release(apus_generator_t generator) { delete generator; }
apus_status apus_generator_state(apus_optional_generator_t generator, apus_device where,
                                 apus_out_t out) {
    return making(out, [&] {
        at::Generator chosen = choose(generator, where);
        std::lock_guard<std::mutex> lock(chosen.mutex());
        return chosen.get_state();
    });
}
apus_status apus_generator_set_state(apus_optional_generator_t generator, apus_device where,
                                     apus_tensor_t state) {
    return guarded([&] {
        at::Generator chosen = choose(generator, where);
        std::lock_guard<std::mutex> lock(chosen.mutex());
        chosen.set_state(operand(state));
    });
}
apus_status apus_fill_random(apus_random_kind kind, apus_tensor_t destination, double a, double b,
                             apus_optional_generator_t generator) {
    return guarded([&] {
        at::Tensor &tensor = operand(destination);
        switch (kind) {
        case APUS_RANDOM_UNIFORM: tensor.uniform_(a, b, optional(generator)); return;
        case APUS_RANDOM_NORMAL: tensor.normal_(a, b, optional(generator)); return;
        case APUS_RANDOM_INTEGERS:
            tensor.random_(static_cast<int64_t>(a), static_cast<int64_t>(b), optional(generator));
            return;
        case APUS_RANDOM_BERNOULLI: tensor.bernoulli_(a, optional(generator)); return;
        }
        refuse("unknown distribution");
    });
}
apus_status apus_multinomial(apus_tensor_t probabilities, int64_t count, bool replacement,
                             apus_optional_generator_t generator, apus_out_t out) {
    return making(out, [&] {
        return at::multinomial(operand(probabilities), count, replacement, optional(generator));
    });
}
apus_status apus_random_permutation(int64_t count, apus_device where,
                                    apus_optional_generator_t generator, apus_out_t out) {
    return making(out, [&] {
        at::TensorOptions made = at::TensorOptions().dtype(at::kLong).device(device(where));
        return at::randperm(count, optional(generator), made);
    });
}

// --- Catching errors ---

namespace {
struct Scope {
    apus_status status = APUS_OK;
    std::string message;
};
thread_local std::vector<Scope> scopes;
thread_local std::string caught_message;
}  // namespace

void apus_catch_enter(void) { scopes.emplace_back(); }
apus_status apus_catch_leave(void) {
    Scope left = std::move(scopes.back());
    scopes.pop_back();
    caught_message = std::move(left.message);
    return left.status;
}
const char *apus_caught_message(void) { return caught_message.c_str(); }
bool apus_catch_record(apus_status status, const char *message) {
    if (scopes.empty()) return false;
    Scope &scope = scopes.back();
    if (scope.status == APUS_OK) {
        scope.status = status;
        scope.message = message;
    }
    return true;
}

// --- The machine ---

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

// A CPU build has no libtorch_cuda.so; a CUDA build registers its device guard when loaded.
static int32_t count_cuda_devices() {
    if (!dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL)) {
        const char *error = dlerror();
        cuda_reason = error ? error : "libtorch_cuda.so not found";
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

static void require_cuda(apus_device where) {
    int32_t count = apus_cuda_device_count();
    if (where < count) return;
    if (count == 0) refuse("there is no CUDA device: " + cuda_reason);
    refuse("there is no CUDA device " + std::to_string(where) + " among " + std::to_string(count));
}

static c10::impl::VirtualGuardImpl guard(apus_device where) {
    require_cuda(where);
    return c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA);
}

static c10::DeviceAllocator *allocator(apus_device where) {
    require_cuda(where);
    return c10::getDeviceAllocator(c10::DeviceType::CUDA);
}

// --- Memory of GPUs ---

apus_status apus_device_memory(apus_device where, apus_memory_figures *out) {
    return guarded([&] {
        if (where < 0) refuse("the host's memory is not kept by a device allocator");
        c10::DeviceIndex index = device(where).index();
        c10::CachingDeviceAllocator::DeviceStats stats = allocator(where)->getDeviceStats(index);
        auto [available, total] = allocator(where)->getMemoryInfo(index);
        size_t all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
        out->allocated = stats.allocated_bytes[all].current;
        out->peak_allocated = stats.allocated_bytes[all].peak;
        out->reserved = stats.reserved_bytes[all].current;
        out->peak_reserved = stats.reserved_bytes[all].peak;
        out->available = static_cast<int64_t>(available);
        out->total = static_cast<int64_t>(total);
    });
}
apus_status apus_device_reset_peak(apus_device where) {
    return guarded([&] {
        if (where >= 0) allocator(where)->resetPeakStats(device(where).index());
    });
}
apus_status apus_device_empty_cache(apus_device where) {
    return guarded([&] {
        if (where >= 0) allocator(where)->emptyCache();
    });
}
apus_status apus_device_synchronize(apus_device where) {
    return guarded([&] {
        if (where >= 0) guard(where).synchronizeDevice(device(where).index());
    });
}

apus_status apus_device_use(apus_device where) {
    return guarded([&] {
        if (where >= 0) guard(where).setDevice(device(where));
    });
}

// --- Streams and events ---

static c10::Stream stream_of(apus_stream stream) {
    require_cuda(stream.device);
    return c10::Stream(c10::Stream::UNSAFE, device(stream.device), stream.id);
}

apus_status apus_stream_current(apus_device where, apus_stream *out) {
    return guarded([&] {
        int64_t id = where < 0 ? 0 : guard(where).getStream(device(where)).id();
        *out = apus_stream{id, where};
    });
}
apus_status apus_stream_make(apus_device where, bool high_priority, apus_stream *out) {
    return guarded([&] {
        int64_t id = 0;
        if (where >= 0)
            id = guard(where).getStreamFromGlobalPool(device(where), high_priority).id();
        *out = apus_stream{id, where};
    });
}
apus_status apus_stream_use(apus_stream stream) {
    return guarded([&] {
        if (stream.device >= 0) guard(stream.device).exchangeStream(stream_of(stream));
    });
}
apus_status apus_stream_is_idle(apus_stream stream, bool *out) {
    return guarded([&] { *out = stream.device < 0 || stream_of(stream).query(); });
}
apus_status apus_stream_synchronize(apus_stream stream) {
    return guarded([&] {
        if (stream.device >= 0) stream_of(stream).synchronize();
    });
}
apus_status apus_stream_native(apus_stream stream, void **out) {
    return guarded([&] {
        *out = stream.device < 0
                   ? nullptr
                   : guard(stream.device).getStreamNativeHandle(stream_of(stream));
    });
}
apus_status apus_stream_uses_tensor(apus_stream stream, apus_tensor_t tensor) {
    return guarded([&] {
        if (stream.device >= 0) operand(tensor).record_stream(stream_of(stream));
    });
}

struct apus_event {
    std::optional<c10::Event> value;  // none on the CPU
};

apus_status apus_event_make(apus_device where, bool timed, apus_event_t *out) {
    return guarded([&] {
        auto made = std::make_unique<apus_event>();
        if (where >= 0) {
            require_cuda(where);
            auto flag = timed ? c10::EventFlag::BACKEND_DEFAULT : c10::EventFlag::PYTORCH_DEFAULT;
            made->value.emplace(c10::DeviceType::CUDA, flag);
        }
        *out = made.release();
    });
}
void apus_event_release(apus_event_t event) { delete event; }
apus_status apus_event_record(apus_event_t event, apus_stream stream) {
    return guarded([&] {
        if (event->value) event->value->record(stream_of(stream));
    });
}
apus_status apus_event_block(apus_event_t event, apus_stream stream) {
    return guarded([&] {
        if (event->value) event->value->block(stream_of(stream));
    });
}
apus_status apus_event_is_done(apus_event_t event, bool *out) {
    return guarded([&] { *out = !event->value || event->value->query(); });
}
apus_status apus_event_synchronize(apus_event_t event) {
    return guarded([&] {
        if (event->value) event->value->synchronize();
    });
}
apus_status apus_event_elapsed(apus_event_t start, apus_event_t end, double *milliseconds) {
    return guarded([&] {
        bool timed = start->value && end->value;
        *milliseconds = timed ? start->value->elapsedTime(*end->value) : 0;
    });
}
