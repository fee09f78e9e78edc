#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A thread of its own: for work that waits, which would hold up one of the few threads that all
/// share.
///
/// `@unchecked Sendable`: the handle never changes; the owner alone joins.
package final class SystemThread: @unchecked Sendable {
    private let thread: pthread_t
    private var isJoined = false

    /// With the stack that main threads have.
    ///
    /// - purpose: for the message when the system has no thread: "a process group's reports"
    package init(_ purpose: String, _ body: @escaping @Sendable () -> Void) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, 8 << 20)
        defer { pthread_attr_destroy(&attributes) }
        #if canImport(Glibc)
            var created = pthread_t()
        #else
            var created: pthread_t?
        #endif
        let context = Unmanaged.passRetained(Start(body)).toOpaque()
        let failure = pthread_create(&created, &attributes, { context in
            let raw: UnsafeMutableRawPointer? = context
            Unmanaged<Start>.fromOpaque(raw!).takeRetainedValue().body()
            return nil
        }, context)
        precondition(failure == 0, "no thread for \(purpose): error \(failure)")
        #if canImport(Glibc)
            thread = created
        #else
            thread = created!
        #endif
    }

    /// Returns when the thread has ended. Once; a thread that nobody joins is not cleaned up.
    package func join() {
        guard !isJoined else { return }
        isJoined = true
        pthread_join(thread, nil)
    }

    private final class Start: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
}
