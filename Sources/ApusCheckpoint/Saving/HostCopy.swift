/// Memory into which the state is copied, so that training may go on while it is written.
///
/// Kept between saves: fresh pages would cost more than the copy. `@unchecked Sendable`: it is
/// filled before a save begins in the background and not touched until that has ended.
final class HostCopy: @unchecked Sendable {
    private var buffer = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private(set) var slices: [StateSlice] = []

    deinit { buffer.deallocate() }

    func fill(from sources: [StateSlice]) {
        // 64 bytes a start, so that elements of every dtype are aligned.
        var end = 0
        let starts = sources.map { source in
            defer { end += (source.memory.count + 63) / 64 * 64 }
            return end
        }
        if buffer.count < end {
            buffer.deallocate()
            buffer = .allocate(byteCount: end, alignment: 4096)
        }
        slices = zip(sources, starts).map { source, start in
            let memory = UnsafeMutableRawBufferPointer(
                rebasing: buffer[start..<start + source.memory.count])
            memory.copyMemory(from: UnsafeRawBufferPointer(source.memory))
            return StateSlice(
                source.key, shape: source.shape, dtype: source.dtype, elements: source.elements,
                memory: memory)
        }
    }
}
