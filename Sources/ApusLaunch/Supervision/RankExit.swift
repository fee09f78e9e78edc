internal import ApusBase

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// How a process ended.
public enum RankExit: Sendable, Hashable {
    case code(Int32)
    case signal(Int32)

    public var isSuccess: Bool { self == .code(0) }

    /// The rank was asked to stop and has saved its state.
    public var isStopped: Bool { self == .code(RankExitCode.stopped) }

    /// The rank ended because another one did: not the cause of a failure.
    public var isBystander: Bool { self == .code(RankExitCode.peerFailed) }

    /// To follow the name of a rank: `exited with code 1`, `was killed by SIGKILL`.
    public var words: String {
        switch self {
        case .code(RankExitCode.peerFailed): "ended because another rank had failed"
        case .code(let code): "exited with code \(code)"
        case .signal(let number): "was killed by \(signalName(number))"
        }
    }

    /// What that usually means; nil where the process's own words say more.
    public var likelyCause: String? {
        switch self {
        case .code: nil
        case .signal(SIGKILL):
            "the system ran out of memory and killed it, or somebody used kill -9"
        case .signal(SIGSEGV): "a crash in native code"
        case .signal(SIGBUS):
            "a mapped file was cut short, or shared memory (/dev/shm) or a disk is full"
        case .signal(SIGILL), .signal(SIGTRAP):
            "a broken assumption in the program, or a processor without an instruction it needs"
        case .signal(SIGABRT): "a failed check in native code"
        case .signal(SIGXCPU), .signal(SIGXFSZ): "a limit of the shell (ulimit)"
        case .signal: nil
        }
    }

    public var remedy: String? {
        guard self == .signal(SIGKILL) else { return nil }
        return
            "use fewer ranks, a smaller micro_batch_size or sequence_len, or "
            + "gradient_checkpointing: true; 'dmesg' tells whether memory ran out"
    }
}

/// The name of a signal: `SIGTERM`.
public func signalName(_ number: Int32) -> String {
    let names: [Int32: String] = [
        SIGHUP: "SIGHUP", SIGINT: "SIGINT", SIGQUIT: "SIGQUIT", SIGILL: "SIGILL",
        SIGTRAP: "SIGTRAP",
        SIGABRT: "SIGABRT", SIGBUS: "SIGBUS", SIGFPE: "SIGFPE", SIGKILL: "SIGKILL",
        SIGSEGV: "SIGSEGV", SIGPIPE: "SIGPIPE", SIGALRM: "SIGALRM", SIGTERM: "SIGTERM",
        SIGXCPU: "SIGXCPU", SIGXFSZ: "SIGXFSZ", SIGUSR1: "SIGUSR1", SIGUSR2: "SIGUSR2",
    ]
    return names[number] ?? "signal \(number)"
}
