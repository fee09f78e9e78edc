#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A state under a lock, for whose changes threads can wait.
///
/// `@unchecked Sendable`: the state is used under the lock.
package final class Monitor<State>: @unchecked Sendable {
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var state: State

    package init(_ state: State) {
        self.state = state
        pthread_mutex_init(lock, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(lock)
        changed.deallocate()
        lock.deallocate()
    }

    package func read<Result>(_ body: (State) -> Result) -> Result {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return body(state)
    }

    /// Wakes all who wait.
    package func change<Result>(_ body: (inout State) -> Result) -> Result {
        pthread_mutex_lock(lock)
        defer {
            pthread_cond_broadcast(changed)
            pthread_mutex_unlock(lock)
        }
        return body(&state)
    }

    /// Asks again after every change until there is an answer, which may change the state itself.
    package func wait<Result>(for answer: (inout State) -> Result?) -> Result {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        while true {
            if let result = answer(&state) { return result }
            pthread_cond_wait(changed, lock)
        }
    }

    package func wait(until condition: (State) -> Bool) {
        wait { condition($0) ? () : nil }
    }

    /// Returns whether the condition came to hold within so long.
    package func wait(milliseconds: Int, until condition: (State) -> Bool) -> Bool {
        var limit = timespec()
        clock_gettime(CLOCK_REALTIME, &limit)
        limit.tv_nsec += milliseconds % 1000 * 1_000_000
        limit.tv_sec += milliseconds / 1000 + limit.tv_nsec / 1_000_000_000
        limit.tv_nsec %= 1_000_000_000
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        while !condition(state) {
            let outcome = pthread_cond_timedwait(changed, lock, &limit)
            if outcome == ETIMEDOUT { return condition(state) }
        }
        return true
    }
}
