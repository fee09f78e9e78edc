internal import ApusBase

/// A thread that executes jobs in order; it starts with the first job and sleeps when there are
/// none.
final class SerialWorker: Sendable {
    typealias Job = @Sendable () -> Void

    private struct State {
        var thread: SystemThread?
        var jobs: [Job] = []
        var isBusy = false
        var stops = false
    }

    private let state = Monitor(State())

    func submit(_ job: @escaping Job) {
        state.change { state in
            precondition(!state.stops, "an operation was started after its group was left")
            state.jobs.append(job)
            if state.thread == nil {
                state.thread = SystemThread("a process group's operations") { self.serve() }
            }
        }
    }

    /// Returns when every submitted job is done and none is running.
    func drain() { state.wait { $0.jobs.isEmpty && !$0.isBusy } }

    /// Changes what others wait for or read.
    func change(_ body: () -> Void) { state.change { _ in body() } }

    func read<Result>(_ body: () -> Result) -> Result { state.read { _ in body() } }

    /// Waits until `condition` holds, which a `change` brings about.
    func wait(until condition: () -> Bool) { state.wait { _ in condition() } }

    /// Executes what is left and ends the thread.
    func stop() {
        let running = state.change { state in
            state.stops = true
            return state.thread
        }
        running?.join()
        state.change { $0.thread = nil }
    }

    private func serve() {
        while let job = next() {
            job()
            state.change { $0.isBusy = false }
        }
    }

    private func next() -> Job? {
        state.wait { state -> Job?? in
            if state.jobs.isEmpty { return state.stops ? .some(nil) : nil }
            state.isBusy = true
            return state.jobs.removeFirst()
        }
    }
}
