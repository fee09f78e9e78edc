internal import ApusBase

/// A thread that calls a function at intervals until it is stopped.
///
/// `@unchecked Sendable`: only the owner starts and stops it, and while it runs the thread alone
/// has the function.
final class PeriodicThread: @unchecked Sendable {
    private let milliseconds: Int
    private let stops = Monitor(false)
    private var thread: SystemThread?
    private var body: () -> Void = {}

    init(milliseconds: Int) { self.milliseconds = milliseconds }

    func start(_ body: @escaping () -> Void) {
        self.body = body
        thread = SystemThread("a process group's reports") { self.repeatBody() }
    }

    /// Returns when the thread has ended; calling it again does nothing.
    func stop() {
        guard let thread else { return }
        self.thread = nil
        stops.change { $0 = true }
        thread.join()
        body = {}
    }

    private func repeatBody() {
        if stops.read({ $0 }) { return }
        repeat { body() } while !stops.wait(milliseconds: milliseconds, until: { $0 })
    }
}
