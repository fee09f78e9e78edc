internal import ApusFormats
internal import CApusHost

/// Memory into which the state is copied, so that training may go on while it is written.
///
/// Kept between saves, and touched ahead of the first one: fresh pages cost more than the copy.
/// `@unchecked Sendable`: it is filled before a save begins in the background and not touched until
/// that has ended.
final class HostCopy: @unchecked Sendable {
    private var memory = LargePages(byteCount: 0)
    private var touching: BackgroundTask<Void>?
    private(set) var slices: [StateSlice] = []

    /// Bytes that a slice of so many takes: each begins where elements of every dtype are aligned.
    static func room(for byteCount: Int) -> Int { (byteCount + 63) / 64 * 64 }

    /// Makes the memory, in the background.
    ///
    /// - byteCount: the sum of the slices' ``room(for:)``
    func prepare(byteCount: Int) {
        let memory = reserve(byteCount)
        touching = BackgroundTask { memory.touch() }
    }

    /// - threads: training waits, so the processors of this rank have nothing else to do
    func fill(from sources: [StateSlice], threads: Int) {
        var end = 0
        let starts = sources.map { source in
            defer { end += Self.room(for: source.memory.count) }
            return end
        }
        touching?.wait()
        touching = nil
        let bytes = reserve(end).bytes
        slices = zip(sources, starts).map { source, start in
            StateSlice(
                source.key, shape: source.shape, dtype: source.dtype, elements: source.elements,
                memory: UnsafeMutableRawBufferPointer(
                    rebasing: bytes[start..<start + source.memory.count]))
        }
        Copies(from: sources, to: slices).run(threads: threads)
    }

    private func reserve(_ byteCount: Int) -> LargePages {
        if memory.bytes.count < byteCount { memory = LargePages(byteCount: byteCount) }
        return memory
    }
}

/// Copies that threads share.
///
/// `@unchecked Sendable`: each piece is copied by the one thread that took it.
private struct Copies: @unchecked Sendable {
    private let pieces:
        [(source: UnsafeMutableRawBufferPointer, target: UnsafeMutableRawBufferPointer)]

    private static let pieceBytes = 8 << 20

    init(from sources: [StateSlice], to targets: [StateSlice]) {
        pieces = zip(sources, targets).flatMap { source, target in
            let size = source.memory.count
            return stride(from: 0, to: size, by: Self.pieceBytes).map { start in
                let part = start..<min(start + Self.pieceBytes, size)
                return (
                    UnsafeMutableRawBufferPointer(rebasing: source.memory[part]),
                    UnsafeMutableRawBufferPointer(rebasing: target.memory[part])
                )
            }
        }
    }

    func run(threads: Int) {
        let turns = ParallelSpans<Never>(pieces.indices, length: 1, threads: threads)
        turns.onThreads {
            while let taken = turns.take() {
                let (source, target) = pieces[taken.lowerBound]
                apus_copy_past_caches(target.baseAddress, source.baseAddress, source.count)
            }
        }
    }
}
