public import ApusBase

/// Ranks that communicate: the same calls in the same order on each of them.
///
/// One thread of a rank makes all calls. Operations of one group are executed in the order in which
/// they were started; an error ends the group on all of its ranks. The convenient calls
/// (`allReduce`, `startAllGather` ...) are extensions over `start` and `run`.
public protocol ProcessGroup: AnyObject {
    /// This process's place, from 0.
    var rank: Int { get }
    var worldSize: Int { get }
    /// `shared memory`, `gloo`, `loopback`, `single`: for messages and the self-check.
    var backend: String { get }
    /// What has been sent so far: byte counters and the record of the last operations.
    var ledger: CommLedger { get }

    /// Starts an operation; its buffers belong to the group until the work has been waited for.
    func start(_ collective: Collective) throws(CommError) -> Work

    /// Executes an operation after all that were started before.
    func run(_ collective: Collective) throws(CommError)

    /// The group of `ranks` (ascending ranks of this group), in which they are numbered from 0.
    ///
    /// Called by all of `ranks`; `name` is the same on them and different for every group.
    func subgroup(_ ranks: [Int], name: String) throws(CommError) -> any ProcessGroup

    /// Memory which the group reads in place, without staging; nil where there is nothing to gain.
    ///
    /// For the inputs of reduce-scatters and all-gathers that live long, such as a unit's flat
    /// gradient (an all-reduce gains nothing). What a rank reads of the others' memory counts as
    /// resident in its process too. Freed with the last `CommBuffer` of it.
    func allocateShared(elementCount: Int, dtype: DType) -> CommBuffer?

    /// Publishes this rank's last words and leaves; peers that still wait for it end at once and
    /// quote them.
    ///
    /// `nil` is a clean end. Nothing may be called afterwards; calling it twice is harmless.
    func leave(_ lastWords: String?)
}

extension ProcessGroup {
    public func allocateShared(elementCount: Int, dtype: DType) -> CommBuffer? { nil }
}
