// Seeded generators and filling with random numbers.
#include "boundary.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/core/Generator.h>
#include <ATen/ops/multinomial.h>

#include <mutex>

using namespace apus;

struct apus_generator {
    at::Generator value;
};

static at::Generator choose(apus_optional_generator_t generator, apus_device where) {
    if (generator) return generator->value;
    return at::globalContext().defaultGenerator(device(where));
}

static c10::optional<at::Generator> optional(apus_optional_generator_t generator) {
    if (!generator) return c10::nullopt;
    return generator->value;
}

apus_status apus_seed_all(uint64_t seed) {
    return guarded([&] {
        at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
        std::lock_guard<std::mutex> lock(generator.mutex());
        generator.set_current_seed(seed);
        if (apus_cuda_device_count() == 0) return;
        for (int32_t index = 0; index < apus_cuda_device_count(); index++) {
            at::Generator cuda = at::globalContext().defaultGenerator(device(index));
            std::lock_guard<std::mutex> cuda_lock(cuda.mutex());
            cuda.set_current_seed(seed);
        }
    });
}
apus_status apus_generator_make(uint64_t seed, apus_device where, apus_generator_t *out) {
    return guarded([&] {
        at::Generator generator = where < 0 ? at::make_generator<at::CPUGeneratorImpl>(seed)
                                            : at::globalContext().defaultGenerator(device(where)).clone();
        generator.set_current_seed(seed);
        *out = new apus_generator{generator};
    });
}
void apus_generator_release(apus_generator_t generator) { delete generator; }
apus_status apus_generator_state(apus_optional_generator_t generator, apus_device where, apus_out_t out) {
    return making(out, [&] {
        at::Generator chosen = choose(generator, where);
        std::lock_guard<std::mutex> lock(chosen.mutex());
        return chosen.get_state();
    });
}
apus_status apus_generator_set_state(apus_optional_generator_t generator, apus_device where, apus_tensor_t state) {
    return guarded([&] {
        at::Generator chosen = choose(generator, where);
        std::lock_guard<std::mutex> lock(chosen.mutex());
        chosen.set_state(state->value);
    });
}
apus_status apus_fill_uniform(apus_tensor_t tensor, double low, double high, apus_optional_generator_t generator) {
    return guarded([&] { tensor->value.uniform_(low, high, optional(generator)); });
}
apus_status apus_fill_normal(apus_tensor_t tensor, double mean, double deviation,
                             apus_optional_generator_t generator) {
    return guarded([&] { tensor->value.normal_(mean, deviation, optional(generator)); });
}
apus_status apus_fill_integers(apus_tensor_t tensor, int64_t low, int64_t high, apus_optional_generator_t generator) {
    return guarded([&] { tensor->value.random_(low, high, optional(generator)); });
}
apus_status apus_multinomial(apus_tensor_t probabilities, int64_t count, bool replacement,
                             apus_optional_generator_t generator, apus_out_t out) {
    return making(out,
                  [&] { return at::multinomial(probabilities->value, count, replacement, optional(generator)); });
}
