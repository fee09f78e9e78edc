internal import ApusBase
internal import ApusFormats
internal import CApusHost
internal import Synchronization

/// What one slice of the state takes from a checkpoint.
struct SliceRead {
    let slice: StateSlice
    let tensor: Manifest.TensorRecord
}

extension Checkpoint {
    /// Reads from the beginning of the files to their end, which is what disks do best: each thread
    /// a stretch at a time, because checking and copying is slower than a fast disk.
    func read(_ reads: [SliceRead], threads: Int) throws(FileError) {
        let stretches = Stretches(Self.stretches(reads))
        let others = (1..<max(1, min(threads, stretches.count))).map { _ in
            let reader = Reader(checkpoint: Checkpoint(sharing: self))
            return BackgroundTask { reader.readAll(stretches) }
        }
        let own = Reader(checkpoint: self).readAll(stretches)
        let failures = ([own] + others.map { $0.wait() }).compactMap { $0 }
        if let failure = failures.first { throw failure }
    }

    /// In the order of the files, cut so that a stretch takes some hundredths of a second.
    private static func stretches(_ reads: [SliceRead]) -> [[SliceRead]] {
        var stretches: [[SliceRead]] = []
        var room = 0
        for read in reads.sorted(by: { $0.place < $1.place }) {
            let size = read.slice.memory.count
            if room < size || stretches.isEmpty {
                stretches.append([])
                room = 64 << 20
            }
            stretches[stretches.count - 1].append(read)
            room -= size
        }
        return stretches
    }

    /// The processors that a rank has for itself, where all ranks are on this machine; beyond a few
    /// there is no disk or memory to keep up.
    static func readingThreads(ranks: Int) -> Int {
        max(1, min(4, Int(apus_usable_cores()) / ranks))
    }
}

extension SliceRead {
    fileprivate var place: (file: Int, offset: Int) {
        let first = tensor.slices.first { $0.elements.overlaps(slice.elements) }
        return (first?.file ?? 0, first?.offset ?? 0)
    }
}

/// Hands stretches to threads, and none after a failure.
///
/// `@unchecked Sendable`: the memory of each slice is written by the one thread that took it.
private final class Stretches: @unchecked Sendable {
    private let stretches: [[SliceRead]]
    private let next = Atomic(0)
    var count: Int { stretches.count }

    init(_ stretches: [[SliceRead]]) { self.stretches = stretches }

    func take() -> [SliceRead]? {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        return index < stretches.count ? stretches[index] : nil
    }

    func end() { next.store(stretches.count, ordering: .relaxed) }
}

/// May go to a thread: only that one uses it.
private final class Reader: @unchecked Sendable {
    private let checkpoint: Checkpoint

    init(checkpoint: Checkpoint) { self.checkpoint = checkpoint }

    /// Returns what failed.
    func readAll(_ stretches: Stretches) -> FileError? {
        do throws(FileError) {
            while let reads = stretches.take() {
                for read in reads {
                    try checkpoint.read(
                        read.tensor, read.slice.elements, as: read.slice.dtype,
                        into: read.slice.memory)
                }
            }
            return nil
        } catch {
            stretches.end()
            return error
        }
    }
}
