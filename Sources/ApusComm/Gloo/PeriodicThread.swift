#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A thread that calls a function at intervals until it is stopped.
///
/// `@unchecked Sendable`: `stops` is used under the lock; `thread` only by the owner.
final class PeriodicThread: @unchecked Sendable {
    private let milliseconds: Int
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var thread: pthread_t?
    private var stops = false
    private var body: () -> Void = {}

    init(milliseconds: Int) {
        self.milliseconds = milliseconds
        pthread_mutex_init(lock, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(lock)
        changed.deallocate()
        lock.deallocate()
    }

    func start(_ body: @escaping () -> Void) {
        self.body = body
        var created = pthread_t()
        let context = Unmanaged.passRetained(self).toOpaque()
        let failure = pthread_create(&created, nil, { context in
            Unmanaged<PeriodicThread>.fromOpaque(context!).takeRetainedValue().repeatBody()
            return nil
        }, context)
        precondition(failure == 0, "no thread for a process group's reports: error \(failure)")
        thread = created
    }

    /// Returns when the thread has ended; calling it again does nothing.
    func stop() {
        guard let thread else { return }
        self.thread = nil
        pthread_mutex_lock(lock)
        stops = true
        pthread_cond_broadcast(changed)
        pthread_mutex_unlock(lock)
        pthread_join(thread, nil)
        body = {}
    }

    private func repeatBody() {
        pthread_mutex_lock(lock)
        while !stops {
            pthread_mutex_unlock(lock)
            body()
            pthread_mutex_lock(lock)
            if !stops { waitOnce() }
        }
        pthread_mutex_unlock(lock)
    }

    private func waitOnce() {
        var limit = timespec()
        clock_gettime(CLOCK_REALTIME, &limit)
        limit.tv_nsec += milliseconds % 1000 * 1_000_000
        limit.tv_sec += milliseconds / 1000 + limit.tv_nsec / 1_000_000_000
        limit.tv_nsec %= 1_000_000_000
        pthread_cond_timedwait(changed, lock, &limit)
    }
}
