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

bool apus_requires_grad(apus_tensor_t tensor) {
    return tensor->value.defined() && tensor->value.requires_grad();
}
bool apus_is_leaf(apus_tensor_t tensor) {
    return !tensor->value.defined() || tensor->value.is_leaf();
}
apus_status apus_set_requires_grad(apus_tensor_t tensor, bool requires_grad) {
    return guarded([&] { defined(tensor).set_requires_grad(requires_grad); });
}
apus_status apus_detach(apus_tensor_t tensor, apus_out_t out) {
    return making(out, [&] { return defined(tensor).detach(); });
}
apus_status apus_grad(apus_tensor_t tensor, apus_out_t out) {
    return guarded([&] {
        const at::Tensor &grad = defined(tensor).grad();
        *out = grad.defined() ? handle(grad) : nullptr;
    });
}
apus_status apus_set_grad(apus_tensor_t tensor, apus_optional_tensor_t grad) {
    return guarded([&] {
        const at::Tensor &value = defined(tensor);
        if (grad && !defined(grad).sizes().equals(value.sizes()))
            refuse("a gradient has the shape of its tensor");
        value.mutable_grad() = grad ? grad->value : at::Tensor();
    });
}
bool apus_set_grad_enabled(bool enabled) {
    bool former = at::GradMode::is_enabled();
    at::GradMode::set_enabled(enabled);
    return former;
}
bool apus_is_grad_enabled(void) { return at::GradMode::is_enabled(); }

// --- Backward ---

static variable_list variables(const apus_optional_tensor_t *tensors, int32_t count) {
    variable_list values;
    values.reserve(static_cast<size_t>(count));
    for (int32_t i = 0; i < count; i++)
        values.push_back(tensors[i] ? defined(tensors[i]) : at::Tensor());
    return values;
}

apus_status apus_backward(apus_list_t roots, apus_optional_list_t grads, int32_t count,
                          bool retain_graph) {
    return guarded([&] {
        torch::autograd::backward(variables(roots, count), variables(grads, count), retain_graph);
    });
}
apus_status apus_gradients(apus_list_t roots, apus_optional_list_t grads, int32_t root_count,
                           apus_list_t inputs, int32_t input_count, bool retain_graph,
                           bool create_graph, apus_out_t out) {
    return guarded([&] {
        hand_out(torch::autograd::grad(variables(roots, root_count), variables(inputs, input_count),
                                       variables(grads, root_count), retain_graph, create_graph,
                                       /*allow_unused=*/true),
                 out);
    });
}

// --- Callbacks. One that fails becomes an exception here, in C++ frames only. ---

apus_status apus_fail_callback(apus_status status, const char *message) {
    return failed(status, message);
}

static void check_callback(apus_status status, const std::string &what) {
    if (status != APUS_OK) throw Refusal(status, what + ": " + apus_last_message());
}

namespace {

struct GradientHook final : torch::autograd::PostAccumulateGradHook {
    apus_gradient_hook hook;
    Context context;
    GradientHook(apus_gradient_hook hook, void *context, apus_release release)
        : hook(hook), context(context, release) {}
    void operator()(const torch::autograd::Variable &) override {
        check_callback(hook(context.pointer), "gradient hook");
    }
};

struct CallbackNode final : torch::autograd::Node {
    std::string title;
    apus_backward_callback callback;
    // Shared, so that it outlives a run of the callback that lets go of it.
    std::shared_ptr<Context> context;
    CallbackNode(const char *title, apus_backward_callback callback,
                 std::shared_ptr<Context> context)
        : title(title), callback(callback), context(std::move(context)) {}

    std::string name() const override { return title; }

    // What backward needs no more is let go of at once, as libtorch's own nodes do.
    void release_variables() override { context.reset(); }

    variable_list apply(variable_list &&grads) override {
        std::shared_ptr<Context> present = context;
        if (!present)
            refuse(title + ": a second backward through the same results needs retainGraph "
                           "at the first");
        std::vector<apus_tensor> boxes;
        std::vector<apus_optional_tensor_t> outputs;
        boxes.reserve(grads.size());
        for (at::Tensor &grad : grads) {
            boxes.push_back(apus_tensor{grad});
            outputs.push_back(grad.defined() ? &boxes.back() : nullptr);
        }
        size_t count = num_outputs();
        std::vector<apus_optional_tensor_t> inputs(count, nullptr);
        apus_status status = callback(present->pointer, outputs.data(), inputs.data());
        variable_list result(count);
        for (size_t i = 0; i < count; i++) {
            if (!inputs[i]) continue;
            result[i] = inputs[i]->value;
            delete inputs[i];
        }
        check_callback(status, title);
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

apus_status apus_set_gradient_hook(apus_tensor_t leaf, apus_gradient_hook hook,
                                   apus_release release, void *context) {
    return guarded([&] {
        auto owner = std::make_unique<GradientHook>(hook, context, release);
        if (!defined(leaf).is_leaf())
            refuse("gradients are accumulated into leaves only, and this is no leaf");
        torch::autograd::impl::set_post_acc_grad_hooks(leaf->value, std::move(owner));
    });
}

apus_status apus_attach_backward(apus_list_t inputs, int32_t input_count, apus_list_t outputs,
                                 int32_t output_count, const char *name,
                                 apus_backward_callback callback, apus_release release,
                                 void *context, apus_out_t attached) {
    return guarded([&] {
        auto owner = std::make_shared<Context>(context, release);
        NodePointer node = make_node<NodePointer>(name, callback, std::move(owner));
        variable_list from = variables(inputs, input_count);
        node->set_next_edges(torch::autograd::collect_next_edges(from));
        variable_list made;
        for (int32_t i = 0; i < output_count; i++) {
            at::Tensor output = defined(outputs[i]).detach();
            // Integers have no gradient; the place in the callback's list is kept.
            if (torch::autograd::isDifferentiableType(output.scalar_type()))
                torch::autograd::set_history(output, node);
            else
                node->add_input_metadata(torch::autograd::Node::undefined_input{});
            made.push_back(std::move(output));
        }
        hand_out(made, attached);
    });
}
