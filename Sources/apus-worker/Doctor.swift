import ApusBase
import ApusTensor
import ArgumentParser

/// What this build and machine can do, as far as it takes libtorch to know.
struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "The tensor side of 'apus doctor'.")

    @Flag(help: "Print one JSON object (the only form there is).")
    var json = false

    func run() {
        let cuda = Runtime.cudaUnavailableReason
        let nccl = Runtime.ncclUnavailableReason
        let report: JSON = [
            "libtorch": [
                "version": .string(Runtime.torchVersion), "path": .string(Runtime.libraryPath),
            ],
            "gloo": ["available": .bool(Runtime.hasGloo)],
            "cuda": Self.capability(cuda), "nccl": Self.capability(nccl),
            "threads": .integer(Runtime.threadCount),
        ]
        print(report.text())
    }

    private static func capability(_ missing: String?) -> JSON {
        guard let missing else { return ["available": true] }
        return ["available": false, "reason": .string(missing)]
    }
}
