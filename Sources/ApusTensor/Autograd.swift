internal import CApusTorch

extension Tensor {
    /// Whether autograd records what is computed from this tensor.
    public var requiresGradient: Bool { apus_requires_grad(pointer) }

    /// Made by the user, not by an operation that autograd recorded.
    public var isLeaf: Bool { apus_is_leaf(pointer) }

    /// Whether autograd shall compute a gradient for this leaf of floating-point elements; returns
    /// the tensor.
    @discardableResult
    public func requiringGradient(_ requires: Bool = true) -> Tensor {
        done("requires_grad", [self], apus_set_requires_grad(pointer, requires))
        return self
    }

    /// The same memory, outside of autograd.
    public func detached() -> Tensor { made("detach", [self]) { apus_detach(pointer, $0) } }

    /// The accumulated gradient of a leaf; it has the leaf's shape.
    public var gradient: Tensor? {
        get {
            var out: OpaquePointer?
            done("grad", [self], apus_grad(pointer, &out))
            return out.map { Tensor(owning: $0) }
        }
        nonmutating set { done("set grad", [self], apus_set_grad(pointer, newValue?.pointer)) }
    }

    /// Adds the gradients of this scalar (or, with `gradient`, of a tensor of that shape) to all
    /// leaves it depends on.
    ///
    /// - retainGraph: keeps what operations saved, so that a second backward is possible
    public func backward(gradient: Tensor? = nil, retainGraph: Bool = false) {
        let status = [self].withPointers { roots, count in
            [gradient].withPointers { gradients, _ in
                apus_backward(roots, gradients, count, retainGraph)
            }
        }
        done("backward", [self], status)
    }
}

/// Gradients of `outputs` (weighted by `outputGradients`; nil for scalars) with respect to
/// `inputs`, without touching `.gradient`; nil for inputs that the outputs do not depend on.
///
/// - retainGraph: keeps what operations saved, so that a second backward is possible
/// - createGraph: records this backward, so that gradients of gradients can be taken
public func gradients(
    of outputs: [Tensor], weightedBy outputGradients: [Tensor?]? = nil,
    withRespectTo inputs: [Tensor], retainGraph: Bool = false, createGraph: Bool = false
) -> [Tensor?] {
    let weights = outputGradients ?? Array(repeating: nil, count: outputs.count)
    precondition(weights.count == outputs.count, "gradients: one weight for each output")
    var result = [OpaquePointer?](repeating: nil, count: inputs.count)
    let status = outputs.withPointers { roots, rootCount in
        weights.withPointers { weights, _ in
            inputs.withPointers { leaves, leafCount in
                apus_gradients(
                    roots, weights, rootCount, leaves, leafCount, retainGraph || createGraph,
                    createGraph, &result)
            }
        }
    }
    done("gradients", outputs, status)
    return result.map { $0.map { Tensor(owning: $0) } }
}

/// Runs `body` without recording operations for backward.
public func withoutGradient<Result>(_ body: () throws -> Result) rethrows -> Result {
    try withGradient(enabled: false, body)
}

/// Runs `body` with recording switched on or off on this thread; the former state returns
/// afterwards.
public func withGradient<Result>(
    enabled: Bool, _ body: () throws -> Result
) rethrows -> Result {
    let former = apus_set_grad_enabled(enabled)
    defer { _ = apus_set_grad_enabled(former) }
    return try body()
}

/// Whether operations on this thread are recorded for backward.
public var isGradientEnabled: Bool { apus_is_grad_enabled() }

// MARK: - Gradient hooks

/// A Swift closure in the hands of C: retained until libtorch releases it.
private final class HookContext {
    let body: () throws -> Void
    init(_ body: @escaping () throws -> Void) { self.body = body }
}

extension Tensor {
    /// Calls `body` after a gradient was accumulated into this leaf's ``gradient``, on the thread
    /// that runs backward; an error makes `backward` fail with its text. One hook a leaf: a second
    /// replaces it.
    ///
    /// A leaf used several times gets one call a backward, with the whole sum in place; one that is
    /// used in regions of ``checkpointed(_:_:)`` gets one for each region besides.
    public func onGradientAccumulated(_ body: @escaping () throws -> Void) {
        let context = Unmanaged.passRetained(HookContext(body)).toOpaque()
        let status = apus_set_gradient_hook(
            pointer,
            { context in
                let hook = Unmanaged<HookContext>.fromOpaque(context!).takeUnretainedValue()
                return callback { try hook.body() }
            },
            { Unmanaged<HookContext>.fromOpaque($0!).release() },
            context)
        done("gradient hook", [self], status)
    }
}
