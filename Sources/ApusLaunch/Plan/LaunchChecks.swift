public import ApusBase
internal import CApusHost

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A launch that cannot even begin.
public struct LaunchError: OperationalError {
    public let summary: String
    public let likelyCause: String?
    public let remedy: String?

    public init(_ summary: String, likelyCause: String? = nil, remedy: String? = nil) {
        self.summary = summary
        self.likelyCause = likelyCause
        self.remedy = remedy
    }
}

/// What is found out before the first process is started.
public enum LaunchChecks {
    /// More ranks per core than this make a run slower than fewer ranks would, and exhaust memory.
    public static let ranksPerCore = 4

    public static func checkRanks(_ ranks: Int, cores: Int, oversubscribe: Bool) throws(LaunchError)
    {
        guard ranks > 0 else {
            throw LaunchError(
                "\(ranks) ranks cannot be started", remedy: "ask for at least one: --ranks 1")
        }
        let limit = cores * ranksPerCore
        guard ranks > limit, !oversubscribe else { return }
        throw LaunchError(
            "\(ranks) ranks on \(cores) core\(cores == 1 ? "" : "s")",
            likelyCause: "every rank is a process with its own copy of the model; more than "
                + "\(ranksPerCore) per core only wait for each other",
            remedy: "use --ranks \(cores) or fewer, or --oversubscribe if this is meant")
    }

    /// The port for the ranks' rendezvous: the wanted one if it is free, else any free one.
    public static func port(wanted: Int?) throws(LaunchError) -> Int {
        if let wanted, !(1...65535).contains(wanted) {
            throw LaunchError(
                "\(wanted) is no port", remedy: "use --master-port with a number from 1 to 65535")
        }
        var bound: Int32 = 0
        let failure = apus_port_probe(Int32(wanted ?? 0), &bound)
        if failure == 0 { return Int(bound) }
        throw portError(wanted, failure)
    }

    private static func portError(_ wanted: Int?, _ failure: Int32) -> LaunchError {
        let words = String(cString: strerror(failure))
        guard let wanted else {
            return LaunchError("no free port can be had: \(words)")
        }
        switch failure {
        case EADDRINUSE:
            return LaunchError(
                "port \(wanted) is in use",
                likelyCause: "another run, or what is left of one, listens on it",
                remedy: "leave --master-port out to take a free port, or end the other program "
                    + "('ss -ltnp sport = :\(wanted)' names it)")
        case EACCES:
            return LaunchError(
                "port \(wanted) may not be used: \(words)",
                likelyCause: "ports below 1024 are for the system's own services",
                remedy: "leave --master-port out, or use one from 1024")
        default:
            return LaunchError("port \(wanted) cannot be used: \(words)")
        }
    }
}
