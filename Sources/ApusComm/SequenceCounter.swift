/// Numbers a group's operations: collectives from 1, messages from 1 for each partner and
/// direction.
struct SequenceCounter {
    private var collectives = 0
    private var sent: [Int: Int] = [:]
    private var received: [Int: Int] = [:]

    mutating func next(_ collective: Collective) -> Int {
        switch collective.kind {
        case .send:
            sent[collective.peer, default: 0] += 1
            return sent[collective.peer]!
        case .receive:
            received[collective.peer, default: 0] += 1
            return received[collective.peer]!
        default:
            collectives += 1
            return collectives
        }
    }
}
