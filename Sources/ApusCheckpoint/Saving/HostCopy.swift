internal import ApusFormats
internal import CApusHost
internal import Dispatch
internal import Synchronization

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
        let copies = Copies(zip(sources, slices).flatMap { Copies.pieces($0.memory, $1.memory) })
        DispatchQueue.concurrentPerform(iterations: min(threads, copies.count)) { _ in
            copies.run()
        }
    }

    private func reserve(_ byteCount: Int) -> LargePages {
        if memory.bytes.count < byteCount { memory = LargePages(byteCount: byteCount) }
        return memory
    }
}

/// Copies that threads share.
///
/// `@unchecked Sendable`: each piece is copied by the one thread that took it.
private final class Copies: @unchecked Sendable {
    typealias Piece = (
        source: UnsafeMutableRawBufferPointer, target: UnsafeMutableRawBufferPointer
    )

    private let pieces: [Piece]
    private let next = Atomic(0)
    var count: Int { pieces.count }

    private static let pieceBytes = 8 << 20

    init(_ pieces: [Piece]) { self.pieces = pieces }

    static func pieces(
        _ source: UnsafeMutableRawBufferPointer, _ target: UnsafeMutableRawBufferPointer
    ) -> [Piece] {
        stride(from: 0, to: source.count, by: pieceBytes).map { start in
            let end = min(start + pieceBytes, source.count)
            return (.init(rebasing: source[start..<end]), .init(rebasing: target[start..<end]))
        }
    }

    func run() {
        while true {
            let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
            guard index < pieces.count else { return }
            let (source, target) = pieces[index]
            apus_copy_past_caches(target.baseAddress, source.baseAddress, source.count)
        }
    }
}
