import ApusLaunch
import ArgumentParser

struct Launch: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Start a program of your own on many ranks, and watch over them.",
        discussion: """
            Each rank finds RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, \
            MASTER_PORT and OMP_NUM_THREADS in its environment. The first rank that fails ends \
            the others.
            """)

    @Option(help: "Processes on this host.")
    var ranks = 1

    @Option(help: "Hosts of the job; run this command on each.")
    var nnodes = 1

    @Option(help: "Which of them this is, from 0.")
    var nodeRank = 0

    @Option(help: "The first host, as all hosts reach it.")
    var masterAddr: String?

    @OptionGroup var rendezvous: RendezvousOptions

    @Option(help: "OMP_NUM_THREADS of each rank (default: cores / ranks).")
    var threadsPerRank: Int?

    @Option(help: "Write what ranks print into DIR/rank-N.log instead of to this terminal.")
    var logDir: String?

    @Flag(help: "Do not begin the lines that ranks print with [rank].")
    var noPrefix = false

    @Argument(
        parsing: .captureForPassthrough,
        help: ArgumentHelp("The program and its arguments.", valueName: "program"))
    var command: [String] = []

    func validate() throws {
        // Everything from the program's name on is the program's; without one it is ours.
        if ["--help", "-h"].contains(command.first) { throw CleanExit.helpRequest(self) }
        if command.isEmpty || command == ["--"] {
            throw ValidationError("Missing the program to launch.")
        }
        if nnodes < 1 { throw ValidationError("--nnodes must be at least 1.") }
        if !(0..<nnodes).contains(nodeRank) {
            throw ValidationError("--node-rank must be from 0 to \(nnodes - 1), not \(nodeRank).")
        }
        if nnodes > 1, masterAddr == nil || rendezvous.masterPort == nil {
            throw ValidationError("--nnodes \(nnodes) needs --master-addr and --master-port.")
        }
        if let threadsPerRank, threadsPerRank < 1 {
            throw ValidationError("--threads-per-rank must be at least 1.")
        }
    }

    func run() throws {
        try reporting {
            let report = try launch()
            if let message = report.message { fail(message) }
            if report.exitCode != 0 { throw ExitCode(report.exitCode) }
        }
    }

    private func launch() throws -> RunReport {
        let environment = currentEnvironment()
        // The usual sign between options and a program.
        let command = command.first == "--" ? Array(command.dropFirst()) : command
        let program = try ProgramSearch.find(command[0], searchPath: environment["PATH"])
        let cores = Machine.current().cores
        try LaunchChecks.checkRanks(
            ranks, cores: cores, oversubscribe: rendezvous.oversubscribe)
        var plan = LaunchPlan(
            program: program, localRanks: ranks, masterPort: try masterPort(), cores: cores)
        plan.arguments = Array(command.dropFirst())
        plan.threadsPerRank = threadsPerRank
        plan.hosts.count = nnodes
        plan.hosts.index = nodeRank
        if let masterAddr { plan.hosts.masterAddress = masterAddr }
        if let logDir {
            plan.output = .files(folder: try RunFolder.folder(logDir))
        }
        let observer = PassThrough(hasPrefix: !noPrefix && plan.worldSize > 1)
        return try Launcher(plan: plan, observer: observer).run(inherited: environment)
    }

    /// Only the first host can tell whether the port is free.
    private func masterPort() throws -> Int {
        if nodeRank > 0, let port = rendezvous.masterPort { return port }
        return try LaunchChecks.port(wanted: rendezvous.masterPort)
    }
}
