import ApusBase
import ApusFormats
import FileTestSupport
import Foundation
import Testing

@testable import ApusCheckpoint

/// Whenever a run dies, there is a whole checkpoint to go on from, and none older than promised.
@Suite struct CrashTests {
    /// Processes that are killed with SIGKILL at 100 seeded operations: one rank of several, or
    /// the only one; in the foreground and in the background; three saves each, the oldest removed.
    @Test func killedAtAHundredPoints() throws {
        let folder = try TemporaryFolder(isFast: true)
        var random = SplitMix64(seed: 4)
        var killed = 0
        // The folder lives on from death to death: what one leaves, the next must bear.
        for point in 0..<100 {
            let ranks = [1, 2, 3][point % 3]
            let victim = Int.random(in: 0..<ranks, using: &random)
            let operation = Int.random(in: 0..<(victim == 0 ? 60 : 15), using: &random)
            let mode = Bool.random(using: &random) ? "sync" : "async"
            let job = try ProbeJob(
                folder / "out", ranks: ranks, mode: mode, victim: victim, operation: operation)
            #expect(
                job.problems.isEmpty, "\(point): \(mode), operation \(operation): \(job.problems)")
            killed += job.wasKilled ? 1 : 0
        }
        #expect(killed > 80)
        let last = try ProbeJob(
            folder / "out", ranks: 2, mode: "sync", victim: 0, operation: -1)
        #expect(last.problems.isEmpty && !last.wasKilled)
        let names = try FilePaths.names(in: folder / "out")
        #expect(names.count == 4, "\(names)")
    }

    /// The power fails: files that were not synced lose content, names that were not synced are
    /// undone, in the order that a journal keeps.
    @Test func thePowerFailsAtAHundredPoints() throws {
        for seed in 0..<100 {
            var random = SplitMix64(seed: UInt64(seed))
            let folder = try TemporaryFolder(isFast: true)
            let ranks = 1 + seed % 3
            let isAsynchronous = Bool.random(using: &random)
            let power = try FailingPower(at: Int.random(in: 12..<90, using: &random))
            let promised = Promise()
            let results = World.results(ranks) { peers in
                var options = CheckpointSaver.Options()
                options.isAsynchronous = isAsynchronous
                options.retention = Retention(limit: 1)
                let directory = try CheckpointDirectory(folder.path, peers: peers, storage: power)
                let saver = CheckpointSaver(directory, peers: peers, options: options)
                // The second time, step 2 is there already.
                for step in [1, 2, 2, 3] {
                    let state = TestState(stage: 2, rank: peers.rank, ranks: ranks, value: step)
                    try saver.save(state, step: step, rank: peers.rank)
                    if peers.rank == 0 { promised.note(saver.lastSaved) }
                }
                try saver.finish()
                if peers.rank == 0 { promised.note(saver.lastSaved) }
            }
            withExtendedLifetime(results) {}
            try power.fail(&random)
            let directory = try CheckpointDirectory(folder.path, peers: SinglePeer())
            let newest = try CheckpointDirectory.newest(in: folder.path)
            let step = newest.flatMap { CheckpointNames.step(of: FilePaths.name(of: $0)) } ?? 0
            #expect(step >= promised.step, "seed \(seed)")
            if let newest { #expect(try loads(newest, value: step, ranks: 2), "seed \(seed)") }
            for name in folder.names where CheckpointNames.step(of: name) != nil {
                #expect(try Checkpoint(path: folder / name).problems().isEmpty, "seed \(seed)")
            }
            let left = folder.names.filter { $0.contains(".saving") || $0.contains(".deleting") }
            #expect(left.isEmpty, "seed \(seed): \(left)")
            withExtendedLifetime(directory) {}
        }
    }
}

/// The newest step that a save has promised.
private final class Promise: @unchecked Sendable {
    // Rank 0's thread writes, the test reads when it has ended.
    private(set) var step = 0

    func note(_ saved: String?) {
        let name = saved.map { FilePaths.name(of: $0) }
        step = name.flatMap { CheckpointNames.step(of: $0) } ?? step
    }
}

/// Runs the probe's ranks to their end and judges what they report.
private struct ProbeJob {
    private(set) var problems: [String] = []
    private(set) var wasKilled = false

    private static let program: String = {
        let bundle = CommandLine.arguments.first { $0.contains(".xctest") }
        let test = bundle ?? CommandLine.arguments[0]
        return FilePaths.join(FilePaths.folder(of: test), "apus-checkpoint-probe")
    }()

    init(_ folder: String, ranks: Int, mode: String, victim: Int, operation: Int) throws {
        let promisedBefore = Self.promise(folder)
        let pipes = folder + "-pipes"
        try? FileManager.default.removeItem(atPath: pipes)
        try FileManager.default.createDirectory(
            atPath: pipes, withIntermediateDirectories: true)
        for rank in 1..<max(ranks, 1) {
            mkfifo("\(pipes)/up-\(rank)", 0o600)
            mkfifo("\(pipes)/down-\(rank)", 0o600)
        }
        let output = Pipe()
        let processes = try (0..<ranks).map { rank in
            let process = Process()
            process.executableURL = URL(fileURLWithPath: Self.program)
            process.arguments = [
                folder, "\(rank)", "\(ranks)", mode, rank == victim ? "\(operation)" : "-1",
            ]
            process.standardOutput = rank == 0 ? output : FileHandle.nullDevice
            try process.run()
            return process
        }
        let text = String(
            decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        for (rank, process) in processes.enumerated() {
            process.waitUntilExit()
            let isDead = process.terminationReason == .uncaughtSignal
            wasKilled = wasKilled || isDead
            if isDead ? rank != victim : ![0, 75].contains(process.terminationStatus) {
                problems.append("rank \(rank) ended with \(process.terminationStatus)")
            }
        }
        if let resumed = Self.number("resumed ", text), resumed < promisedBefore {
            problems.append("resumed at \(resumed), \(promisedBefore) was promised")
        }
        let saved = Self.number("saved checkpoint-", text) ?? 0
        try "\(max(saved, promisedBefore))".write(
            toFile: folder + "-promise", atomically: false, encoding: .utf8)
    }

    private static func promise(_ folder: String) -> Int {
        (try? String(contentsOfFile: folder + "-promise", encoding: .utf8)).flatMap { Int($0) } ?? 0
    }

    private static func number(_ word: String, _ text: String) -> Int? {
        text.split(separator: "\n").last { $0.hasPrefix(word) }
            .flatMap { Int($0.dropFirst(word.count)) }
    }
}
