/// Deals whole parameters to ranks so that every rank has about as many elements to update.
///
/// The largest goes first, each to the rank that has the fewest elements so far; equal ones in
/// order. The result follows from the sizes alone, so all ranks agree on it.
public func parameterOwners(elementCounts: [Int], rankCount: Int) -> [Int] {
    precondition(rankCount > 0, "parameterOwners: \(rankCount) ranks")
    var owners = Array(repeating: 0, count: elementCounts.count)
    var loads = Array(repeating: 0, count: rankCount)
    let largestFirst = elementCounts.indices.sorted {
        (elementCounts[$1], $0) < (elementCounts[$0], $1)
    }
    for parameter in largestFirst {
        let rank = loads.indices.min { (loads[$0], $0) < (loads[$1], $1) } ?? 0
        owners[parameter] = rank
        loads[rank] += elementCounts[parameter]
    }
    return owners
}
