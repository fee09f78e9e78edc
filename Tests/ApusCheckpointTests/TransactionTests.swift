import ApusBase
import Testing

@testable import ApusCheckpoint

/// The decisions of saving, as data.
@Suite struct TransactionTests {
    private let report = PartReport().json

    @Test func nothingIsCommittedBeforeAllRanksHaveWritten() {
        var transaction = SaveTransaction()
        #expect(transaction.handle([.busy, .done(report)]) == .wait)
        #expect(transaction.handle([.done(report), .busy]) == .wait)
        #expect(
            transaction.handle([.done(report), .done(report)])
                == .commit([PartReport(), PartReport()]))
        #expect(transaction.handle([.busy, .done(.null)]) == .wait)
        #expect(transaction.handle([.done(.null), .done(.null)]) == .finish)
    }

    /// A folder is not removed while another rank still writes to it.
    @Test func aFailureWaitsForTheOthers() {
        var transaction = SaveTransaction()
        #expect(transaction.handle([.busy, .failed("full")]) == .wait)
        #expect(
            transaction.handle([.done(report), .failed("full")])
                == .discard(RankFailure(rank: 1, message: "full")))
    }

    @Test func aFailedCommitIsToldFromAFailedPart() {
        var transaction = SaveTransaction()
        _ = transaction.handle([.done(report)])
        #expect(
            transaction.handle([.failed("gone")])
                == .abandon(RankFailure(rank: 0, message: "gone")))
    }

    /// The old checkpoint goes last, and under its own name it is whole until it is gone.
    @Test func theNewComesBeforeTheOldGoes() {
        let steps = Commit.steps(
            saving: "checkpoint-9.saving", exists: false, expired: ["checkpoint-3"])
        #expect(
            steps == [
                .rename("checkpoint-9.saving", to: "checkpoint-9"), .sync,
                .announce("checkpoint-9"),
                .rename("checkpoint-3", to: "checkpoint-3.deleting"), .sync,
                .remove("checkpoint-3.deleting"),
            ])
    }

    @Test func leftoversAreToldFromCheckpoints() {
        let names = [
            "checkpoint-1", "checkpoint-2.saving", "checkpoint-3.saving", "checkpoint-4.deleting",
            "my.saving", "checkpoint-x.deleting", "latest",
        ]
        let steps = Commit.recovery(names) { $0 == "checkpoint-3.saving" }
        #expect(
            steps == [
                .remove("checkpoint-2.saving"), .seal("checkpoint-3.saving"),
                .rename("checkpoint-3.saving", to: "checkpoint-3"), .sync,
                .announce("checkpoint-3"), .remove("checkpoint-4.deleting"),
            ])
    }

    /// The newest of all these is 3.
    @Test(arguments: [
        (nil, [1, 2, 3], nil, []), (1, [1, 2, 3], nil, [1, 2]), (2, [1, 2, 3], nil, [1]),
        (2, [1, 2, 3, 9], nil, [1, 9]), (5, [1, 2, 3], nil, []), (1, [3], nil, []),
        (1, [1, 2, 3], 1, [2]), (2, [1, 2, 3], 1, [2]), (2, [1, 2, 3], 3, [1]),
        (2, [1, 2, 3], 7, [1]), (2, [1, 2, 3, 9], 1, [2, 9]),
    ] as [(Int?, [Int], Int?, [Int])])
    func theNewestAndTheBestStay(_ limit: Int?, _ steps: [Int], _ best: Int?, _ expired: [Int]) {
        #expect(Retention(limit: limit).expired(steps, newest: 3, spared: best) == expired)
    }

    @Test func theManifestReadsWhatItWrites() throws {
        let manifest = Manifest(
            id: "a", step: 3, rankCount: 2, metric: 0.1,
            files: [.init(name: "f", byteCount: 40, hashes: [.max])],
            tensors: [
                .init(
                    key: StateKey("w", "firstMoment"), shape: [2, 2], dtype: .float32,
                    slices: [
                        .init(file: 0, offset: 0, elements: 0..<1),
                        .init(file: 0, offset: 8, elements: 1..<4),
                    ])
            ])
        #expect(try Manifest(text: manifest.text, path: "m") == manifest)
        // Every changed byte is noticed.
        let bytes = Array(manifest.text.utf8)
        for position in bytes.indices where bytes[position] > 32 {
            var changed = bytes
            changed[position] ^= 1
            let text = String(decoding: changed, as: UTF8.self)
            #expect(throws: FileError.self, "byte \(position)") {
                _ = try Manifest(text: text, path: "m")
            }
        }
    }
}
