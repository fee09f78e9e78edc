// c10d: the TCP store and the Gloo backend.
#include "boundary.hpp"

#include <ATen/ops/from_blob.h>
#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <signal.h>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <chrono>
#include <string>
#include <vector>

#include "apus_c10d.h"

using c10d::ProcessGroupGloo;
using Milliseconds = std::chrono::milliseconds;
using Tensors = std::vector<at::Tensor>;

struct apus_store {
    c10::intrusive_ptr<c10d::Store> value;
};

struct apus_gloo {
    c10::intrusive_ptr<ProcessGroupGloo> value;
    int32_t rank;
    int32_t world;
};

namespace {

Milliseconds milliseconds(double seconds) {
    return Milliseconds(static_cast<int64_t>(seconds * 1000));
}

bool is_timeout(const std::string &message) {
    for (const char *word : {"imed out", "imeout"}) {
        if (message.find(word) != std::string::npos) return true;
    }
    return false;
}

// The sentence alone: without the source position before it, and the stack trace and general advice
// after.
std::string sentence(std::string text) {
    text = text.substr(0, text.find('\n'));
    text = text.substr(0, text.find(". This is typically"));
    size_t end = text[0] == '[' ? text.find("] ") : std::string::npos;
    return end == std::string::npos ? text : text.substr(end + 2);
}

[[noreturn]] void refuse(const char *message) {
    std::string text = sentence(message);
    throw apus::Refusal(is_timeout(text) ? APUS_COMM_TIMEOUT : APUS_COMM_ABORTED, text);
}

// The network's failures come as several exception types, of c10 and of Gloo; the words tell them
// apart.
template <typename Body> apus_status on_network(Body &&body) noexcept {
    return apus::guarded([&] {
        try {
            body();
        } catch (const c10::Error &error) {
            refuse(error.what_without_backtrace());
        } catch (const std::bad_alloc &) {
            throw;
        } catch (const std::exception &error) {
            refuse(error.what());
        }
    });
}

std::vector<uint8_t> bytes(const char *text) {
    return std::vector<uint8_t>(text, text + std::char_traits<char>::length(text));
}

// --- Tensors over borrowed memory ---

int64_t element_bytes(apus_dtype dtype) {
    return static_cast<int64_t>(c10::elementSize(apus::scalar_type(dtype)));
}

bool reduces(apus_gloo_kind kind) {
    return kind == APUS_GLOO_ALL_REDUCE || kind == APUS_GLOO_REDUCE ||
           kind == APUS_GLOO_REDUCE_SCATTER;
}

at::Tensor elements(void *memory, int64_t count, apus_dtype dtype) {
    return at::from_blob(memory, {count}, at::TensorOptions().dtype(apus::scalar_type(dtype)));
}

// What is only moved goes as bytes: Gloo does not know all element types.
at::Tensor over(void *memory, int64_t count, const apus_gloo_call &call) {
    if (reduces(call.kind)) return elements(memory, count, call.dtype);
    return at::from_blob(memory, {count * element_bytes(call.dtype)},
                         at::TensorOptions().dtype(at::kByte));
}

Tensors slices(const at::Tensor &whole, int32_t count) {
    Tensors parts;
    int64_t size = whole.numel() / count;
    for (int32_t i = 0; i < count; i++) parts.push_back(whole.narrow(0, i * size, size));
    return parts;
}

// Gloo has no average: a sum that is divided afterwards.
c10d::ReduceOp reduction(const apus_gloo_call &call) {
    switch (call.reduction) {
    case APUS_GLOO_MINIMUM: return c10d::ReduceOp::MIN;
    case APUS_GLOO_MAXIMUM: return c10d::ReduceOp::MAX;
    default: return c10d::ReduceOp::SUM;
    }
}

void wait(const c10::intrusive_ptr<c10d::Work> &work) { work->wait(); }

void average(const apus_gloo &group, const apus_gloo_call &call, at::Tensor &tensor) {
    if (call.reduction == APUS_GLOO_AVERAGE) tensor.div_(group.world);
}

// --- The operations ---

void all_reduce(const apus_gloo &group, const apus_gloo_call &call) {
    Tensors tensors{over(call.output, call.count, call)};
    c10d::AllreduceOptions options;
    options.reduceOp = reduction(call);
    wait(group.value->allreduce(tensors, options));
    average(group, call, tensors[0]);
}

// Sums that stay in fp32 are made of a copy in fp32: Gloo has one dtype for both.
void reduce_scatter(const apus_gloo &group, const apus_gloo_call &call) {
    at::Tensor output = elements(call.output, call.count, call.result);
    at::Tensor input =
        over(call.input, call.count * group.world, call).to(output.scalar_type());
    c10d::ReduceScatterOptions options;
    options.reduceOp = reduction(call);
    wait(group.value->_reduce_scatter_base(output, input, options));
    average(group, call, output);
}

// Gloo reduces in place on every rank; only the root's tensor may change.
void reduce(const apus_gloo &group, const apus_gloo_call &call) {
    at::Tensor own = over(call.output, call.count, call);
    Tensors tensors{group.rank == call.peer ? own : own.clone()};
    c10d::ReduceOptions options;
    options.reduceOp = reduction(call);
    options.rootRank = call.peer;
    wait(group.value->reduce(tensors, options));
    if (group.rank == call.peer) average(group, call, own);
}

void all_gather(const apus_gloo &group, const apus_gloo_call &call) {
    at::Tensor output = over(call.output, call.count * group.world, call);
    at::Tensor input = over(call.input, call.count, call);
    wait(group.value->_allgather_base(output, input));
}

void gather(const apus_gloo &group, const apus_gloo_call &call) {
    Tensors inputs{over(call.input, call.count, call)};
    std::vector<Tensors> outputs;
    if (group.rank == call.peer)
        outputs.push_back(slices(over(call.output, call.count * group.world, call), group.world));
    c10d::GatherOptions options;
    options.rootRank = call.peer;
    wait(group.value->gather(outputs, inputs, options));
}

void scatter(const apus_gloo &group, const apus_gloo_call &call) {
    Tensors outputs{over(call.output, call.count, call)};
    std::vector<Tensors> inputs;
    if (group.rank == call.peer)
        inputs.push_back(slices(over(call.input, call.count * group.world, call), group.world));
    c10d::ScatterOptions options;
    options.rootRank = call.peer;
    wait(group.value->scatter(outputs, inputs, options));
}

void all_to_all(const apus_gloo &group, const apus_gloo_call &call) {
    at::Tensor output = over(call.output, call.count * group.world, call);
    at::Tensor input = over(call.input, call.count * group.world, call);
    std::vector<int64_t> equal;
    wait(group.value->alltoall_base(output, input, equal, equal));
}

void broadcast(const apus_gloo &group, const apus_gloo_call &call) {
    Tensors tensors{over(call.output, call.count, call)};
    c10d::BroadcastOptions options;
    options.rootRank = call.peer;
    wait(group.value->broadcast(tensors, options));
}

void run(const apus_gloo &group, const apus_gloo_call &call) {
    if (call.count == 0 && call.kind != APUS_GLOO_BARRIER) return;
    Tensors message;
    switch (call.kind) {
    case APUS_GLOO_ALL_REDUCE: return all_reduce(group, call);
    case APUS_GLOO_REDUCE_SCATTER: return reduce_scatter(group, call);
    case APUS_GLOO_ALL_GATHER: return all_gather(group, call);
    case APUS_GLOO_BROADCAST: return broadcast(group, call);
    case APUS_GLOO_REDUCE: return reduce(group, call);
    case APUS_GLOO_GATHER: return gather(group, call);
    case APUS_GLOO_SCATTER: return scatter(group, call);
    case APUS_GLOO_ALL_TO_ALL: return all_to_all(group, call);
    case APUS_GLOO_BARRIER: return wait(group.value->barrier());
    case APUS_GLOO_SEND:
        message = {over(call.input, call.count, call)};
        return wait(group.value->send(message, call.peer, 0));
    case APUS_GLOO_RECEIVE:
        message = {over(call.output, call.count, call)};
        return wait(group.value->recv(message, call.peer, 0));
    }
}

std::shared_ptr<gloo::transport::Device> make_device(const apus_gloo_options &options) {
    if (options.interface) return ProcessGroupGloo::createDeviceForInterface(options.interface);
    if (options.hostname) return ProcessGroupGloo::createDeviceForHostname(options.hostname);
    return ProcessGroupGloo::createDefaultDevice();
}

} // namespace

// --- Store ---

apus_status apus_store_open(const char *host, uint16_t port, bool is_server, double timeout_seconds,
                            apus_store_out_t out) {
    // c10d would print warnings about each broken connection; the errors say it better.
    FLAGS_caffe2_log_level = static_cast<int>(c10::GLOG_ERROR);
    // The store's event loop writes to sockets whose peer may just have died; that is an error to
    // report, not a signal to die of. A handler of the program's own stays.
    struct sigaction present;
    if (sigaction(SIGPIPE, nullptr, &present) == 0 && present.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
    return on_network([&] {
        c10d::TCPStoreOptions options;
        options.port = port;
        options.isServer = is_server;
        options.waitWorkers = false;
        options.timeout = milliseconds(timeout_seconds);
        *out = new apus_store{c10::make_intrusive<c10d::TCPStore>(host, options)};
    });
}

apus_status apus_store_clone(apus_store_t store, apus_store_out_t out) {
    return on_network([&] { *out = new apus_store{store->value->clone()}; });
}

void apus_store_release(apus_store_t store) { delete store; }

apus_status apus_store_set(apus_store_t store, const char *key, const char *value) {
    return on_network([&] { store->value->set(key, bytes(value)); });
}

apus_status apus_store_get(apus_store_t store, const char *key, double timeout_seconds,
                           const char **out) {
    thread_local std::string text;
    return on_network([&] {
        store->value->wait({key}, milliseconds(timeout_seconds));
        std::vector<uint8_t> value = store->value->get(key);
        text.assign(value.begin(), value.end());
        *out = text.c_str();
    });
}

apus_status apus_store_has(apus_store_t store, const char *key, bool *out) {
    return on_network([&] { *out = store->value->check({key}); });
}

apus_status apus_store_add(apus_store_t store, const char *key, int64_t amount, int64_t *out) {
    return on_network([&] { *out = store->value->add(key, amount); });
}

// --- Gloo ---

apus_status apus_gloo_make(apus_store_t store, const apus_gloo_options *options,
                           apus_gloo_out_t out) {
    return on_network([&] {
        auto settings = ProcessGroupGloo::Options::create(milliseconds(options->timeout_seconds));
        settings->devices.push_back(make_device(*options));
        settings->threads = 1;
        auto prefixed = c10::make_intrusive<c10d::PrefixStore>(options->name, store->value);
        auto group = c10::make_intrusive<ProcessGroupGloo>(prefixed, options->rank, options->world,
                                                           settings);
        *out = new apus_gloo{std::move(group), options->rank, options->world};
    });
}

void apus_gloo_release(apus_gloo_t group) { delete group; }

apus_status apus_gloo_run(apus_gloo_t group, const apus_gloo_call *call) {
    return on_network([&] { run(*group, *call); });
}
