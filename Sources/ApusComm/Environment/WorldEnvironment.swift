internal import ApusBase

/// This process's place among all processes of a job, from the variables that launchers set.
public struct WorldEnvironment: Sendable, Hashable {
    public enum Backend: String, Sendable, CaseIterable {
        /// Shared memory inside hosts, Gloo between them.
        case automatic = "auto"
        case sharedMemory = "shared-memory"
        case gloo
    }

    public var rank = 0
    public var worldSize = 1
    public var localRank = 0
    public var localWorldSize = 1
    public var masterAddress = "127.0.0.1"
    public var masterPort = 29500
    public var backend = Backend.automatic
    /// How long ranks wait for each other: at the start and in every operation.
    public var timeoutSeconds = 600.0
    /// Tells runs apart that share a port one after the other; may be empty.
    public var runIdentifier = ""
    /// Where ranks write what they did last when a group fails; nil: nowhere.
    public var recordFolder: String?

    /// A world of one.
    public init() {}

    /// Reads RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT (as torchrun,
    /// `accelerate launch` and `apus launch` set them), APUS_COMM_BACKEND, APUS_COMM_TIMEOUT
    /// (seconds), APUS_FLIGHT_RECORDS and APUS_RUN_ID or TORCHELASTIC_RUN_ID. Without RANK and
    /// WORLD_SIZE this is a world of one.
    ///
    /// - Throws: `CommError` naming the variable that is missing, malformed or contradicts another.
    public init(_ variables: [String: String]) throws(CommError) {
        let reader = EnvironmentReader(variables)
        backend = try reader.choice("APUS_COMM_BACKEND") ?? .automatic
        timeoutSeconds = try reader.seconds("APUS_COMM_TIMEOUT") ?? timeoutSeconds
        recordFolder = variables["APUS_FLIGHT_RECORDS"].flatMap { $0.isEmpty ? nil : $0 }
        runIdentifier = variables["APUS_RUN_ID"] ?? variables["TORCHELASTIC_RUN_ID"] ?? ""
        guard variables["RANK"] != nil || variables["WORLD_SIZE"] != nil else { return }
        worldSize = try reader.required("WORLD_SIZE", 1...1_000_000)
        rank = try reader.required("RANK", 0...(worldSize - 1))
        guard worldSize > 1 else { return }
        masterAddress = try reader.requiredText("MASTER_ADDR")
        masterPort = try reader.required("MASTER_PORT", 1...65_535)
        let isLocal = hasLoopbackMaster
        localWorldSize =
            try reader.optional("LOCAL_WORLD_SIZE", 1...worldSize) ?? (isLocal ? worldSize : 1)
        let impliedRank = isLocal ? rank : 0
        localRank = try reader.optional("LOCAL_RANK", 0...(localWorldSize - 1)) ?? impliedRank
    }

    /// All ranks are processes of one host.
    public var isOneHost: Bool { localWorldSize == worldSize }

    /// The ranks meet at an address that only processes of one machine can mean.
    var hasLoopbackMaster: Bool { Self.loopbackNames.contains(masterAddress) }

    private static let loopbackNames: Set<String> = ["127.0.0.1", "localhost", "::1"]
}

/// Reads single variables, with errors that say what is allowed.
private struct EnvironmentReader {
    let variables: [String: String]

    init(_ variables: [String: String]) { self.variables = variables }

    func optional(_ name: String, _ range: ClosedRange<Int>) throws(CommError) -> Int? {
        guard let text = variables[name] else { return nil }
        guard let value = Int(text) else { throw malformed(name, text, "a whole number") }
        guard range.contains(value) else {
            throw malformed(name, text, "from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    func required(_ name: String, _ range: ClosedRange<Int>) throws(CommError) -> Int {
        guard let value = try optional(name, range) else { throw missing(name) }
        return value
    }

    func requiredText(_ name: String) throws(CommError) -> String {
        guard let text = variables[name], !text.isEmpty else { throw missing(name) }
        return text
    }

    func seconds(_ name: String) throws(CommError) -> Double? {
        guard let text = variables[name] else { return nil }
        guard let value = Double(text), value > 0, value < 1e7 else {
            throw malformed(name, text, "a number of seconds above 0")
        }
        return value
    }

    func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ name: String
    ) throws(CommError) -> Choice? {
        guard let text = variables[name] else { return nil }
        if let value = Choice(rawValue: text) { return value }
        let names = Choice.allCases.map(\.rawValue)
        let hint = nearestName(to: text, among: names).map { "; did you mean \($0)?" } ?? ""
        throw malformed(name, text, "one of " + names.joined(separator: ", ") + hint)
    }

    private func malformed(_ name: String, _ text: String, _ allowed: String) -> CommError {
        CommError(
            .environment, "the environment variable \(name) is \"\(text)\"; it must be \(allowed)",
            likelyCause: "it was set by hand, or by a launcher with other settings",
            remedy: "start the program with `apus launch`, or correct \(name)")
    }

    private func missing(_ name: String) -> CommError {
        CommError(
            .environment, "the environment variable \(name) is missing",
            likelyCause: "RANK or WORLD_SIZE is set, so this seems to be one rank of several, "
                + "but its launcher did not set \(name)",
            remedy: "start the program with `apus launch`, or set \(name)")
    }
}
