internal import ApusBase
internal import ApusTensor

extension ProcessGroup {
    /// A few numbers of every rank, by rank: each rank contributes equally many.
    public func gathered(_ own: [Double], label: String) throws(CommError) -> [[Double]] {
        let input = own.withUnsafeBytes { Tensor(copying: $0, shape: [own.count], dtype: .float64) }
        let output = Tensor.empty([worldSize, own.count], dtype: .float64)
        try allGather(input, into: output, label: label)
        let numbers = output.doubles()
        return (0..<worldSize).map { Array(numbers[$0 * own.count..<($0 + 1) * own.count]) }
    }
}
