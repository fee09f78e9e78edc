internal import ApusBase
internal import ApusFormats

extension ForeignState {
    /// Without the second names of tied weights, which FSDP saves as if they were others: matrices
    /// that the optimizer has no moments of, with the values of one that it has.
    func withoutSecondNames() throws(FileError) -> ForeignState {
        let tensors = stateTensors
        let trained = Set(tensors.filter { $0.key.kind != StateKey.weight }.map(\.key.parameter))
        guard !trained.isEmpty else { return self }
        let matrices = tensors.filter { $0.key.kind == StateKey.weight && $0.shape.count > 1 }
        var result = self
        for other in matrices where !trained.contains(other.key.parameter) {
            for first in matrices where trained.contains(first.key.parameter) {
                guard try hasSameValues(first, other) else { continue }
                result.leaveOut(
                    other.key, because: "\(other.key) has the values of \(first.key) and no "
                        + "moments: it is taken for a second name and left out")
                break
            }
        }
        return result
    }

    private func hasSameValues(
        _ first: StateTensor, _ second: StateTensor
    ) throws(FileError) -> Bool {
        guard first.shape == second.shape, first.dtype == second.dtype else { return false }
        let tile = 1 << 18
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: min(tile, first.elementCount) * first.dtype.byteCount, alignment: 64)
        defer { buffer.deallocate() }
        for start in stride(from: 0, to: first.elementCount, by: tile) {
            let part = start..<min(start + tile, first.elementCount)
            let bytes = UnsafeMutableRawBufferPointer(
                rebasing: buffer[..<(part.count * first.dtype.byteCount)])
            try read(first, part, into: bytes)
            let hash = BlockHashes.hash(UnsafeRawBufferPointer(bytes))
            try read(second, part, into: bytes)
            if hash != BlockHashes.hash(UnsafeRawBufferPointer(bytes)) { return false }
        }
        return true
    }
}
