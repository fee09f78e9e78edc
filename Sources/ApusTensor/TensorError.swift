public import ApusBase
internal import CApusTorch

/// A failure inside libtorch that the caller may handle: above all running out of memory.
public struct TensorError: OperationalError {
    /// What kind of failure it was.
    public enum Code: Sendable, Hashable {
        case outOfMemory, invalidArgument, notImplemented, callbackFailed, internalError
    }

    /// What kind of failure it was.
    public let code: Code
    /// The operation, its operands, and libtorch's words.
    public let summary: String

    public var likelyCause: String? {
        code == .outOfMemory
            ? "the model, its gradients and activations need more than there is" : nil
    }

    public var remedy: String? {
        code == .outOfMemory
            ? "a smaller micro_batch_size or sequence_len, gradient_checkpointing, or more ranks"
            : nil
    }

    init(status: apus_status, summary: String) {
        self.summary = summary
        switch Int(status) {
        case APUS_OUT_OF_MEMORY: code = .outOfMemory
        case APUS_INVALID_ARGUMENT: code = .invalidArgument
        case APUS_NOT_IMPLEMENTED: code = .notImplemented
        case APUS_CALLBACK_FAILED: code = .callbackFailed
        default: code = .internalError
        }
    }

    /// What the C layer calls this error when a callback throws it through C++.
    var status: apus_status {
        switch code {
        case .outOfMemory: apus_status(APUS_OUT_OF_MEMORY)
        case .invalidArgument: apus_status(APUS_INVALID_ARGUMENT)
        case .notImplemented: apus_status(APUS_NOT_IMPLEMENTED)
        case .callbackFailed: apus_status(APUS_CALLBACK_FAILED)
        case .internalError: apus_status(APUS_INTERNAL)
        }
    }
}

/// Runs `body`; the first failure of a tensor operation in it becomes an error thrown at its end.
///
/// After a failure operations return undefined tensors, and operations on those do too, so `body`
/// runs on to its end; results must not be used when this throws. Numbers read out of undefined
/// tensors are NaN, 0 or an empty array.
///
/// Scopes nest: each throws its own first failure, and a failure caught around an inner scope
/// leaves the outer one unharmed. A scope concerns the thread that it was opened on.
///
/// - Throws: ``TensorError``; when no tensor operation failed, what `body` throws.
public func catchingTensorErrors<Result>(_ body: () throws -> Result) throws -> Result {
    apus_catch_enter()
    let outcome = Swift.Result { try body() }
    let status = apus_catch_leave()
    if status != APUS_OK {
        throw TensorError(status: status, summary: String(cString: apus_caught_message()))
    }
    return try outcome.get()
}

/// Runs Swift code called from C++: an error becomes a status, which C++ turns into its exception.
///
/// A scope of its own, because libtorch may call on a thread that has none.
func callback(_ body: () throws -> Void) -> apus_status {
    do {
        try catchingTensorErrors(body)
        return apus_status(APUS_OK)
    } catch let error as TensorError {
        return apus_fail_callback(error.status, error.summary)
    } catch {
        return apus_fail_callback(apus_status(APUS_CALLBACK_FAILED), "\(error)")
    }
}
