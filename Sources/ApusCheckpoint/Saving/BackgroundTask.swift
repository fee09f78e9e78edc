internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A function that runs on a thread of its own.
///
/// `@unchecked Sendable`: the thread's handle is only used by the owner; the result is under a
/// lock.
final class BackgroundTask<Value: Sendable>: @unchecked Sendable {
    private let outcome = Mutex<Value?>(nil)
    private let body: @Sendable () -> Value
    private var thread = pthread_t()
    private var isJoined = false

    init(_ body: @escaping @Sendable () -> Value) {
        self.body = body
        let context = Unmanaged.passRetained(Start { [unowned self] in
            let value = self.body()
            outcome.withLock { $0 = value }
        }).toOpaque()
        let failure = pthread_create(&thread, nil, { context in
            let raw: UnsafeMutableRawPointer? = context
            Unmanaged<Start>.fromOpaque(raw!).takeRetainedValue().run()
            return nil
        }, context)
        precondition(failure == 0, "no thread to write a checkpoint: \(failure)")
    }

    deinit { if !isJoined { pthread_join(thread, nil) } }

    /// Nil while it runs.
    var value: Value? { outcome.withLock { $0 } }

    func wait() -> Value {
        if !isJoined {
            pthread_join(thread, nil)
            isJoined = true
        }
        guard let value else { preconditionFailure("a background task without a result") }
        return value
    }
}

private final class Start: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}
