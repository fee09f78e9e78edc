/// Which processes to start: the whole description of a launch, without any side effect.
public struct LaunchPlan: Sendable {
    /// The program's file.
    public var program: String
    public var arguments: [String] = []
    /// Ranks on this host.
    public var localRanks: Int
    public var hosts = HostPlan()
    public var masterPort: Int
    /// Threads per rank for OMP_NUM_THREADS; nil keeps what the environment says, else cores /
    /// ranks.
    public var threadsPerRank: Int?
    /// Cores of this host, for that default.
    public var cores: Int
    public var output = RankOutput.pipes
    /// Give rank 0 a descriptor (its number in APUS_EVENTS_FD) on which it reports JSON Lines.
    public var wantsEvents = false
    public var patience = Patience()

    public init(program: String, localRanks: Int, masterPort: Int, cores: Int) {
        self.program = program
        self.localRanks = localRanks
        self.masterPort = masterPort
        self.cores = cores
    }

    public var worldSize: Int { localRanks * hosts.count }

    /// The rank in the whole world of the local rank `localRank`.
    public func rank(_ localRank: Int) -> Int { hosts.index * localRanks + localRank }
}

/// Where this host stands among the hosts of a job.
public struct HostPlan: Sendable {
    public var count = 1
    public var index = 0
    /// The host of rank 0, as all hosts reach it.
    public var masterAddress = "127.0.0.1"

    public init() {}
}

/// Where what the ranks print goes.
public enum RankOutput: Sendable {
    /// Into `rank-N.log` in a folder.
    case files(folder: String)
    /// Line by line to the observer.
    case pipes
}

/// How long processes may take to end before they are killed.
public struct Patience: Sendable {
    /// After another rank failed: they only have to notice.
    public var afterFailureSeconds = 10.0
    /// After Ctrl-C, SIGTERM or SIGUSR1: they may want to save. A second signal ends them at once.
    public var afterInterruptSeconds = 300.0

    public init() {}
}
