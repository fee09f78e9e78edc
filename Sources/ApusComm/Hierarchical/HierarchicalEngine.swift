internal import ApusBase

/// Composes each operation of operations inside the hosts and between them.
///
/// Every operation begins with a comparison of what all ranks call, so the steps need none.
///
/// `@unchecked Sendable`: the queue executes one operation at a time.
final class HierarchicalEngine: CollectiveExecutor, @unchecked Sendable {
    let grid: HostGrid
    /// The ranks of this host.
    let inside: any ProcessGroup
    /// The ranks of all hosts that have this rank's place there.
    let across: any ProcessGroup
    var scratch = ScratchMemory()
    private let board: RankBoard
    private let place: HierarchicalPlace
    private var pairs: [Int: GlooProcessGroup] = [:]
    private var failure: CommError?
    private var hasLeft = false

    init(
        board: RankBoard, grid: HostGrid, inside: any ProcessGroup, across: any ProcessGroup,
        place: HierarchicalPlace
    ) {
        self.board = board
        self.grid = grid
        self.inside = inside
        self.across = across
        self.place = place
    }

    var rank: Int { board.rank }
    var worldSize: Int { grid.members.count }
    var localSize: Int { grid.localSize }
    var hostCount: Int { grid.hostCount }
    private var local: Int { grid.local(rank) }

    func execute(_ collective: Collective, _ tag: OperationTag) throws(CommError) {
        if let failure { throw failure }
        let call = CallText(collective, tag)
        board.enter(call)
        do {
            if collective.kind == .send || collective.kind == .receive {
                try message(collective)
            } else {
                try compare(call)
                try run(collective)
            }
        } catch {
            let explained = error.operation == tag ? error : explain(error, tag)
            failure = explained
            throw explained
        }
        board.stepOut(call)
    }

    /// Each rank is connected with a few of the others only: it breaks its connections at once, so
    /// that the news goes round.
    private func explain(_ error: CommError, _ tag: OperationTag) -> CommError {
        leaveSteps(nil)
        return board.explain(error, in: tag)
    }

    func leave(_ lastWords: String?) {
        guard !hasLeft else { return }
        hasLeft = true
        leaveSteps(lastWords)
        let line = lastWords.map { String($0.prefix { $0 != "\n" }) }
        board.leave(line, afterFailure: failure != nil, hostsStore: grid.members[rank] == 0)
    }

    private func leaveSteps(_ lastWords: String?) {
        inside.leave(lastWords)
        across.leave(lastWords)
        for pair in pairs.values { pair.leave(lastWords) }
    }

    private func run(_ call: Collective) throws(CommError) {
        switch call.kind {
        case .allReduce: try allReduce(call.output, call.op, call.label)
        case .reduceScatter: try reduceScatter(call.input, call.output, call.op, call.label)
        case .reduce: try reduce(call)
        case .allGather: try allGather(call.input, call.output, call.label)
        case .broadcast: try broadcast(call)
        case .gather: try gather(call)
        case .scatter: try scatter(call)
        case .allToAll: try allToAll(call)
        // The comparison was one already.
        case .barrier, .send, .receive: break
        }
    }

    // MARK: - Copies

    /// Between hosts each rank gathers its column of the output; inside, host by host, the rows.
    func allGather(
        _ input: CommBuffer, _ output: CommBuffer, _ label: String?
    ) throws(CommError) {
        let count = input.elementCount
        let column = scratch.take(.columns, count * hostCount, input.dtype, inside)
        try across.allGather(input, into: column, label: label)
        for host in 0..<hostCount {
            try inside.allGather(
                column.slice(host, count), into: output.slice(host, count * localSize),
                label: label)
        }
    }

    private func broadcast(_ call: Collective) throws(CommError) {
        let root = grid.local(call.peer)
        if local == root {
            try across.broadcast(call.output, from: grid.host(call.peer), label: call.label)
        }
        try inside.broadcast(call.output, from: root, label: call.label)
    }

    private func gather(_ call: Collective) throws(CommError) {
        let root = grid.local(call.peer)
        guard local == root else {
            return try inside.gather(call.input, into: nil, to: root, label: call.label)
        }
        let count = call.input.elementCount * localSize
        let row = scratch.take(.columns, count, call.dtype, inside)
        try inside.gather(call.input, into: row, to: root, label: call.label)
        try across.gather(
            row, into: rank == call.peer ? call.output : nil, to: grid.host(call.peer),
            label: call.label)
    }

    private func scatter(_ call: Collective) throws(CommError) {
        let root = grid.local(call.peer)
        guard local == root else {
            return try inside.scatter(nil, into: call.output, from: root, label: call.label)
        }
        let count = call.output.elementCount * localSize
        let row = scratch.take(.columns, count, call.dtype, inside)
        try across.scatter(
            rank == call.peer ? call.input : nil, into: row, from: grid.host(call.peer),
            label: call.label)
        try inside.scatter(row, into: call.output, from: root, label: call.label)
    }

    /// Inside, what goes to the same place of another host is collected; then it crosses at once.
    private func allToAll(_ call: Collective) throws(CommError) {
        let row = call.input.elementCount / hostCount
        let collected = scratch.take(.columns, call.input.elementCount, call.dtype, inside)
        for host in 0..<hostCount {
            try inside.allToAll(
                call.input.slice(host, row), into: collected.slice(host, row), label: call.label)
        }
        try across.allToAll(collected, into: call.output, label: call.label)
    }

    // MARK: - Messages

    private func message(_ call: Collective) throws(CommError) {
        let isNear = grid.host(call.peer) == grid.host(rank)
        let group: any ProcessGroup = isNear ? inside : try pair(with: call.peer)
        let peer = isNear ? grid.local(call.peer) : call.peer > rank ? 1 : 0
        if call.kind == .send {
            try group.send(call.input, to: peer, label: call.label)
        } else {
            try group.receive(into: call.output, from: peer, label: call.label)
        }
    }

    private func pair(with peer: Int) throws(CommError) -> GlooProcessGroup {
        if let pair = pairs[peer] { return pair }
        let pair = try place.joinPair(grid.members[rank], grid.members[peer])
        pairs[peer] = pair
        return pair
    }

    // MARK: - Do all mean the same?

    private func compare(_ call: CallText) throws(CommError) {
        let size = CallText.byteCount
        let row = scratch.take(.columns, size * (localSize + 1), .uint8, inside)
        let own = row.slice(localSize, size)
        own.write(call.bytes)
        let rows = row[0..<(size * localSize)]
        try inside.allGather(own, into: rows)
        let all = scratch.take(.received, size * worldSize, .uint8, inside)
        try across.allGather(rows, into: all)
        let said = (0..<worldSize).map { all.slice($0, size).bytes }
        if said.allSatisfy({ $0 == call.bytes }) { return }
        throw mismatch(call, said.map { CallText(bytes: $0) })
    }

    private func mismatch(_ own: CallText, _ calls: [CallText?]) -> CommError {
        let places = zip(grid.members, calls).map { member, call in
            RankPlace(rank: member, presence: .inside, tag: call?.tag, seconds: 0)
        }
        let other = calls.firstIndex { $0 != own }
        return Explanation(
            code: .mismatched, rank: grid.members[rank], operation: own.tag,
            culprit: other.map { grid.members[$0] }, places: places,
            timeoutSeconds: place.gloo.timeoutSeconds
        ).error
    }
}
