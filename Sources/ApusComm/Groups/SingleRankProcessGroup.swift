internal import CApusHost

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The world of one rank: every operation is a copy or nothing at all.
public final class SingleRankProcessGroup: ProcessGroup {
    public let ledger = CommLedger(isTraced: false)
    private var operations = 0

    public init() {}

    public var rank: Int { 0 }
    public var worldSize: Int { 1 }
    public var backend: String { "single" }

    public func start(_ collective: Collective) throws(CommError) -> Work {
        try run(collective)
        return Work(FinishedOperation())
    }

    public func run(_ collective: Collective) throws(CommError) {
        collective.requireHostMemory("a world of one")
        operations += 1
        let number = ledger.issue(collective.tag(sequence: operations, worldSize: 1))
        let began = monotonicSeconds()
        if let from = collective.input.address, let to = collective.output.address, from != to {
            if collective.resultDtype == collective.dtype {
                memmove(to, from, collective.output.byteCount)
            } else {
                sum(from, of: collective, into: to)
            }
        }
        ledger.end(number, began: began, ended: monotonicSeconds(), failed: false)
    }

    /// The sum over one rank, in the output's wider dtype.
    private func sum(
        _ from: UnsafeMutableRawPointer, of collective: Collective,
        into to: UnsafeMutableRawPointer
    ) {
        var source: UnsafeRawPointer = UnsafeRawPointer(from)
        apus_reduce_sources(
            &source, 1, to, collective.output.elementCount, .init(collective.dtype),
            .init(collective.resultDtype), APUS_SHM_SUM, 1)
    }

    public func subgroup(_ ranks: [Int], name: String) throws(CommError) -> any ProcessGroup {
        precondition(ranks == [0], "subgroup \(name): ranks \(ranks) of a world of one")
        return SingleRankProcessGroup()
    }

    public func leave(_ lastWords: String?) {}
}
