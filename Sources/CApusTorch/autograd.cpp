// Backward, gradient hooks, and nodes of the graph whose backward is the caller's.
#include "boundary.hpp"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/variable.h>

using namespace apus;
using torch::autograd::variable_list;

// --- Leaves and modes ---

bool apus_requires_grad(apus_tensor_t tensor) { return tensor->value.defined() && tensor->value.requires_grad(); }
bool apus_is_leaf(apus_tensor_t tensor) { return !tensor->value.defined() || tensor->value.is_leaf(); }
apus_status apus_set_requires_grad(apus_tensor_t tensor, bool requires_grad) {
    return guarded([&] { tensor->value.set_requires_grad(requires_grad); });
}
apus_status apus_detach(apus_tensor_t tensor, apus_out_t out) {
    return making(out, [&] { return tensor->value.detach(); });
}
apus_status apus_grad(apus_tensor_t tensor, apus_out_t out) {
    return guarded([&] {
        const at::Tensor &grad = tensor->value.grad();
        *out = grad.defined() ? handle(grad) : nullptr;
    });
}
apus_status apus_set_grad(apus_tensor_t tensor, apus_optional_tensor_t grad) {
    return guarded([&] { tensor->value.mutable_grad() = grad ? grad->value : at::Tensor(); });
}
bool apus_set_grad_enabled(bool enabled) {
    bool former = at::GradMode::is_enabled();
    at::GradMode::set_enabled(enabled);
    return former;
}
bool apus_is_grad_enabled(void) { return at::GradMode::is_enabled(); }

// --- Backward ---

static variable_list list(const apus_optional_tensor_t *tensors, int32_t count) {
    variable_list values;
    values.reserve(static_cast<size_t>(count));
    for (int32_t i = 0; i < count; i++) values.push_back(tensors[i] ? tensors[i]->value : at::Tensor());
    return values;
}

apus_status apus_backward(const apus_tensor_t *roots, const apus_optional_tensor_t *grads, int32_t count,
                          bool retain_graph) {
    return guarded([&] { torch::autograd::backward(list(roots, count), list(grads, count), retain_graph); });
}
apus_status apus_gradients(const apus_tensor_t *roots, const apus_optional_tensor_t *grads, int32_t root_count,
                           const apus_tensor_t *inputs, int32_t input_count, bool retain_graph, bool create_graph,
                           apus_optional_tensor_t *out) {
    return guarded([&] {
        variable_list gradients =
            torch::autograd::grad(list(roots, root_count), list(inputs, input_count), list(grads, root_count),
                                  retain_graph, create_graph, /*allow_unused=*/true);
        for (int32_t i = 0; i < input_count; i++)
            out[i] = gradients[static_cast<size_t>(i)].defined() ? handle(gradients[static_cast<size_t>(i)]) : nullptr;
    });
}

// --- Callbacks ---

namespace {

// Owns the caller's context; a callback that fails becomes an exception here, in C++ frames only.
struct Context {
    void *pointer;
    void (*release)(void *);
    Context(void *pointer, void (*release)(void *)) : pointer(pointer), release(release) {}
    Context(const Context &) = delete;
    ~Context() { release(pointer); }

    static void check(apus_status status, const char *what) {
        if (status != APUS_OK) throw Refusal(status, std::string(what) + ": " + apus_last_message());
    }
};

struct GradientHook final : torch::autograd::PostAccumulateGradHook {
    apus_gradient_hook hook;
    Context context;
    GradientHook(apus_gradient_hook hook, void *context, void (*release)(void *))
        : hook(hook), context(context, release) {}
    void operator()(const torch::autograd::Variable &) override { Context::check(hook(context.pointer), "gradient hook"); }
};

struct CallbackNode final : torch::autograd::Node {
    std::string title;
    apus_backward_callback callback;
    Context context;
    CallbackNode(const char *title, apus_backward_callback callback, void *context, void (*release)(void *))
        : title(title), callback(callback), context(context, release) {}

    std::string name() const override { return title; }

    variable_list apply(variable_list &&grads) override {
        std::vector<apus_tensor> boxes;
        std::vector<apus_optional_tensor_t> outputs;
        boxes.reserve(grads.size());
        for (at::Tensor &grad : grads) {
            boxes.push_back(apus_tensor{grad});
            outputs.push_back(grad.defined() ? &boxes.back() : nullptr);
        }
        size_t count = num_outputs();
        std::vector<apus_optional_tensor_t> inputs(count, nullptr);
        apus_status status = callback(context.pointer, outputs.data(), inputs.data());
        variable_list result(count);
        for (size_t i = 0; i < count; i++) {
            if (!inputs[i]) continue;
            result[i] = inputs[i]->value;
            delete inputs[i];
        }
        Context::check(status, title.c_str());
        return result;
    }
};

// Nodes are held by std::shared_ptr up to libtorch 2.12 and by c10::intrusive_ptr since.
using NodePointer = std::remove_cvref_t<decltype(torch::autograd::Edge::function)>;

template <typename Pointer, typename... Arguments>
Pointer make_node(Arguments &&...arguments) {
    if constexpr (std::is_same_v<Pointer, std::shared_ptr<torch::autograd::Node>>)
        return std::make_shared<CallbackNode>(std::forward<Arguments>(arguments)...);
    else
        return c10::make_intrusive<CallbackNode>(std::forward<Arguments>(arguments)...);
}

}  // namespace

apus_status apus_fail_callback(const char *message) { return failed(APUS_CALLBACK_FAILED, message); }

apus_status apus_set_gradient_hook(apus_tensor_t leaf, apus_gradient_hook hook, void (*release)(void *),
                                   void *context) {
    return guarded([&] {
        torch::autograd::impl::set_post_acc_grad_hooks(
            leaf->value, std::make_unique<GradientHook>(hook, context, release));
    });
}

apus_status apus_attach_backward(const apus_tensor_t *inputs, int32_t input_count, const apus_tensor_t *outputs,
                                 int32_t output_count, const char *name, apus_backward_callback callback,
                                 void (*release)(void *), void *context, apus_out_t attached) {
    return guarded([&] {
        NodePointer node = make_node<NodePointer>(name, callback, context, release);
        node->set_next_edges(torch::autograd::collect_next_edges(list(inputs, input_count)));
        for (int32_t i = 0; i < output_count; i++) {
            at::Tensor output = outputs[i]->value.detach();
            torch::autograd::set_history(output, node);
            attached[i] = handle(output);
        }
    });
}
