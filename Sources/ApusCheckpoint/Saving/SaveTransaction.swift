internal import ApusBase

/// How far the ranks have come with a save, and what is next. No I/O: what the ranks report goes
/// in, actions come out, the same on every rank.
///
/// Ranks write their parts, then rank 0 commits: until it has renamed the folder, the save can be
/// discarded without a trace.
struct SaveTransaction: Sendable {
    /// What a rank reports about its present task.
    enum Status: Sendable, Hashable {
        case busy
        /// A finished part comes with its report.
        case done(JSON)
        case failed(String)
    }

    enum Action: Sendable, Hashable {
        /// Some rank is still busy.
        case wait
        /// Rank 0 commits what the parts hold.
        case commit([PartReport])
        /// Rank 0 removes what was written.
        case discard(RankFailure)
        /// The checkpoint is complete.
        case finish
        /// The commit failed, before or after the checkpoint got its name.
        case abandon(RankFailure)
    }

    enum State: Sendable, Hashable {
        case writing, committing, ended
    }

    private(set) var state = State.writing

    /// - statuses: of all ranks, by rank
    mutating func handle(_ statuses: [Status]) -> Action {
        precondition(state != .ended, "SaveTransaction: it has ended")
        if let failure = Self.firstFailure(statuses), !statuses.contains(.busy) {
            defer { state = .ended }
            return state == .writing ? .discard(failure) : .abandon(failure)
        }
        if statuses.contains(.busy) { return .wait }
        if state == .committing {
            state = .ended
            return .finish
        }
        return commit(statuses)
    }

    private mutating func commit(_ statuses: [Status]) -> Action {
        var reports: [PartReport] = []
        for (rank, status) in statuses.enumerated() {
            guard case .done(let json) = status, let report = PartReport(json) else {
                state = .ended
                return .discard(RankFailure(rank: rank, message: "its report is unreadable"))
            }
            reports.append(report)
        }
        state = .committing
        return .commit(reports)
    }

    private static func firstFailure(_ statuses: [Status]) -> RankFailure? {
        for (rank, status) in statuses.enumerated() {
            if case .failed(let message) = status {
                return RankFailure(rank: rank, message: message)
            }
        }
        return nil
    }
}

extension SaveTransaction.Status {
    var bytes: [UInt8] {
        let json: JSON =
            switch self {
            case .busy: ["busy": true]
            case .done(let report): ["done": report]
            case .failed(let message): ["failed": .string(message)]
            }
        return Array(json.text(.compact).utf8)
    }

    init(_ bytes: [UInt8]) throws {
        let json = try JSON.parse(bytes)
        if let report = json["done"] {
            self = .done(report)
        } else if let message = json["failed"]?.stringValue {
            self = .failed(message)
        } else {
            self = .busy
        }
    }
}

extension Manifest {
    /// Puts the parts of all ranks together.
    ///
    /// - Throws: when they contradict each other or leave a hole: a mistake of the program that
    ///   hands out the slices, found before anything is lost by it
    init(
        id: String, step: Int, metric: Double?, parts: [PartReport]
    ) throws(CheckpointError) {
        self.init(
            id: id, step: step, rankCount: parts.count, metric: metric, files: [], tensors: [])
        var positions: [StateKey: Int] = [:]
        for (rank, part) in parts.enumerated() {
            let base = files.count
            files += part.files
            for record in part.tensors {
                var record = record
                for index in record.slices.indices { record.slices[index].file += base }
                guard let position = positions[record.key] else {
                    positions[record.key] = tensors.count
                    tensors.append(record)
                    continue
                }
                let known = tensors[position]
                guard known.shape == record.shape, known.dtype == record.dtype else {
                    throw CheckpointError(
                        "rank \(rank) holds \(record.key) as \(record.dtype) \(record.shape), "
                            + "another rank as \(known.dtype) \(known.shape)",
                        likelyCause: "the ranks do not run the same model")
                }
                tensors[position].slices += record.slices
            }
        }
        tensors.sort { $0.key < $1.key }
        for index in tensors.indices {
            tensors[index].slices.sort { $0.elements.lowerBound < $1.elements.lowerBound }
            if let gap = tensors[index].gap {
                throw CheckpointError(
                    "\(tensors[index].key): \(gap)",
                    likelyCause: "the ranks disagree on who holds what")
            }
        }
    }
}
