import ApusBase
import ApusFormats
import FileTestSupport
import Foundation
import Testing

@testable import ApusCheckpoint

/// Checkpoints of other programs with damage: read or refused, never a crash.
@Suite struct DamagedImportTests {
    private static let fixtures = FilePaths.join(FilePaths.folder(of: #filePath), "Fixtures")

    /// APUS_DAMAGES sets how many damaged folders are opened.
    @Test func damageIsNoCrash() throws {
        let environment = ProcessInfo.processInfo.environment
        let rounds = environment["APUS_DAMAGES"].flatMap { Int($0) } ?? 300
        let folder = try TemporaryFolder(isFast: true)
        let names = try FilePaths.names(in: Self.fixtures).filter { !$0.hasSuffix(".json") }
        var random = SplitMix64(seed: 5)
        var (read, refused) = (0, 0)
        for round in 0..<rounds {
            let name = names.randomElement(using: &random)!
            let copy = folder / "\(round)"
            try FileManager.default.copyItem(atPath: Self.fixtures + "/" + name, toPath: copy)
            let files = try FileManager.default.subpathsOfDirectory(atPath: copy).sorted()
                .filter { FilePaths.isFile(copy + "/" + $0) && !$0.hasPrefix("expected") }
            try damage(copy + "/" + files.randomElement(using: &random)!, &random)
            do {
                let source = try ForeignState.open(copy)
                for tensor in source.stateTensors { try readAll(tensor, of: source) }
                read += 1
            } catch is FileError {
                refused += 1
            }
            try FileManager.default.removeItem(atPath: copy)
        }
        #expect(read > 0 && refused > rounds / 10, "\(read) read, \(refused) refused")
    }

    /// Changes some bytes, cuts the end off, or doubles a part.
    private func damage(_ path: String, _ random: inout SplitMix64) throws {
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        guard !bytes.isEmpty else { return }
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes.removeLast(Int.random(in: 1...bytes.count, using: &random))
        case 1:
            let start = Int.random(in: 0..<bytes.count, using: &random)
            let end = min(bytes.count, start + 64)
            bytes.insert(contentsOf: bytes[start..<end], at: start)
        default:
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                bytes[place] = .random(in: 0...255, using: &random)
            }
        }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    private func readAll(_ tensor: StateTensor, of source: ForeignState) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: tensor.byteCount, alignment: 64)
        defer { buffer.deallocate() }
        try source.read(tensor, 0..<tensor.elementCount, into: buffer)
    }
}
