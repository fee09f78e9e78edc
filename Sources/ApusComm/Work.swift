internal import ApusBase

/// A collective that was started and not yet waited for.
///
/// Until `wait()` returns, its input must not change and its output must not be read. Waiting twice
/// is a compile error. A work that is dropped, for example because an error passed by, waits when
/// it goes: its buffers outlive the operation, and what went wrong in it is thrown by the group's
/// next operation.
public struct Work: ~Copyable {
    private let pending: any PendingOperation

    init(_ pending: any PendingOperation) { self.pending = pending }

    /// Whether `wait()` would return at once.
    public var isFinished: Bool { pending.isFinished }

    /// Returns when the output is there.
    ///
    /// - Throws: `CommError` when a peer left, disagreed or did not come in time.
    public consuming func wait() throws(CommError) {
        let pending = pending
        if pending.isFinished { return try pending.wait() }
        try Trace.shared.span("wait", .wait) { () throws(CommError) in try pending.wait() }
    }

    deinit { pending.settle() }
}

/// What a backend hands out for a started operation; `wait` and `settle` may follow each other.
protocol PendingOperation: AnyObject {
    var isFinished: Bool { get }
    func wait() throws(CommError)
    /// Waits unless that has been done; keeps the failure for the group's next operation.
    func settle()
}

/// The work of an operation that ended before it was handed out.
final class FinishedOperation: PendingOperation {
    var isFinished: Bool { true }
    func wait() throws(CommError) {}
    func settle() {}
}
