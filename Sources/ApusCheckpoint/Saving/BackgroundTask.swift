internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A function that runs on a thread of its own; whoever lets go of the task waits for its end.
///
/// For one owner: only the outcome is shared with the thread.
final class BackgroundTask<Value: Sendable> {
    private let outcome = Outcome<Value>()
    private var thread = pthread_t()
    private var isJoined = false

    init(_ body: @escaping @Sendable () -> Value) {
        let outcome = outcome
        let context = Unmanaged.passRetained(Start { outcome.set(body()) }).toOpaque()
        let failure = pthread_create(&thread, nil, { context in
            let raw: UnsafeMutableRawPointer? = context
            Unmanaged<Start>.fromOpaque(raw!).takeRetainedValue().run()
            return nil
        }, context)
        precondition(failure == 0, "no thread to write a checkpoint: \(failure)")
    }

    deinit { join() }

    /// Nil while it runs.
    var value: Value? { outcome.value }

    func wait() -> Value {
        join()
        guard let value else { preconditionFailure("a background task without a result") }
        return value
    }

    private func join() {
        guard !isJoined else { return }
        isJoined = true
        pthread_join(thread, nil)
    }
}

private final class Outcome<Value: Sendable>: Sendable {
    private let held = Mutex<Value?>(nil)

    var value: Value? { held.withLock { $0 } }

    func set(_ value: Value) { held.withLock { $0 = value } }
}

private final class Start: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}
