internal import ApusBase
internal import Synchronization

/// A function that runs on a thread of its own; whoever lets go of the task waits for its end.
///
/// For one owner: only the outcome is shared with the thread.
final class BackgroundTask<Value: Sendable> {
    private let outcome = Outcome<Value>()
    private let thread: SystemThread

    init(_ body: @escaping @Sendable () -> Value) {
        let outcome = outcome
        thread = SystemThread("a checkpoint in the background") { outcome.set(body()) }
    }

    deinit { thread.join() }

    /// Nil while it runs.
    var value: Value? { outcome.value }

    func wait() -> Value {
        thread.join()
        guard let value else { preconditionFailure("a background task without a result") }
        return value
    }
}

private final class Outcome<Value: Sendable>: Sendable {
    private let held = Mutex<Value?>(nil)

    var value: Value? { held.withLock { $0 } }

    func set(_ value: Value) { held.withLock { $0 = value } }
}
