#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A thread that executes jobs in order; it starts with the first job and sleeps when there are
/// none.
///
/// `@unchecked Sendable`: all state is used under the lock.
final class SerialWorker: @unchecked Sendable {
    typealias Job = @Sendable () -> Void

    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var thread: pthread_t?
    private var jobs: [Job] = []
    private var isBusy = false
    private var stops = false

    init() {
        pthread_mutex_init(lock, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(lock)
        changed.deallocate()
        lock.deallocate()
    }

    func submit(_ job: @escaping Job) {
        locked {
            precondition(!stops, "an operation was started after its group was left")
            jobs.append(job)
            if thread == nil { startThread() }
            pthread_cond_broadcast(changed)
        }
    }

    /// Returns when every submitted job is done and none is running.
    func drain() {
        locked { while !jobs.isEmpty || isBusy { pthread_cond_wait(changed, lock) } }
    }

    /// Changes what others wait for or read.
    func change(_ body: () -> Void) {
        locked {
            body()
            pthread_cond_broadcast(changed)
        }
    }

    func read<Result>(_ body: () -> Result) -> Result { locked(body) }

    /// Waits until `condition` holds, which a `change` brings about.
    func wait(until condition: () -> Bool) {
        locked { while !condition() { pthread_cond_wait(changed, lock) } }
    }

    /// Executes what is left and ends the thread.
    func stop() {
        let running = locked {
            stops = true
            pthread_cond_broadcast(changed)
            return thread
        }
        if let running { pthread_join(running, nil) }
        locked { thread = nil }
    }

    private func startThread() {
        var created = pthread_t()
        let context = Unmanaged.passRetained(self).toOpaque()
        let failure = pthread_create(&created, nil, { context in
            Unmanaged<SerialWorker>.fromOpaque(context!).takeRetainedValue().serve()
            return nil
        }, context)
        precondition(failure == 0, "no thread for a process group's operations: error \(failure)")
        thread = created
    }

    private func serve() {
        while let job = next() {
            job()
            locked {
                isBusy = false
                pthread_cond_broadcast(changed)
            }
        }
    }

    private func next() -> Job? {
        locked {
            while jobs.isEmpty, !stops { pthread_cond_wait(changed, lock) }
            guard !jobs.isEmpty else { return nil }
            isBusy = true
            return jobs.removeFirst()
        }
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return body()
    }
}
