import ApusTestSupport
import Foundation
import Testing

/// The C headers have nothing that nobody uses, and nothing that no golden exercises.
@Suite struct SurfaceTests {
    static let root = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        .dropLast(3).joined(separator: "/")

    /// Words of a source file without its comments.
    func words(of path: String) throws -> [String] {
        let text = String(decoding: try Fixture.contents(of: "\(Self.root)/\(path)"), as: UTF8.self)
        return text.split(separator: "\n").flatMap { line in
            let code = line.split(separator: "//", omittingEmptySubsequences: false)[0]
            return code.split { !($0.isLetter || $0.isNumber || $0 == "_") }.map(String.init)
        }
    }

    func swiftWords() throws -> Set<String> {
        let folder = "Sources/ApusTensor"
        let names = try FileManager.default.contentsOfDirectory(atPath: "\(Self.root)/\(folder)")
        return try names.filter { $0.hasSuffix(".swift") }.reduce(into: []) {
            $0.formUnion(try words(of: "\(folder)/\($1)"))
        }
    }

    @Test(arguments: ["apus_torch.h", "apus_ops.h"])
    func everyFunctionAndConstantIsUsedFromSwift(_ header: String) throws {
        let used = try swiftWords()
        let all = try words(of: "Sources/CApusTorch/include/\(header)")
        // Types are used by the functions; include guards and comm codes by others.
        let types = all.filter { $0.hasSuffix("_t") || $0.hasSuffix("_kind") }
        let others: Set = [
            "apus_out_t", "apus_status", "apus_dtype", "apus_device", "apus_release",
            "apus_gradient_hook", "apus_backward_callback", "apus_torch", "apus_ops",
            "apus_tensor", "apus_generator", "apus_event", "apus_last_message",
            "APUS_TORCH_H", "APUS_OPS_H", "APUS_COMM_TIMEOUT", "APUS_COMM_ABORTED",
        ]
        let surface = Set(all.filter { $0.hasPrefix("apus_") || $0.hasPrefix("APUS_") })
            .subtracting(types).subtracting(others)
        #expect(surface.count > 50)
        #expect(surface.subtracting(used).sorted() == [])
    }

    @Test func everyKindIsExercised() throws {
        let constants = Set(
            try words(of: "Sources/CApusTorch/include/apus_ops.h").filter { $0.hasPrefix("APUS_") })
        let elsewhere: Set = [
            "APUS_OPS_H",
            "APUS_EACH_ADD", "APUS_EACH_MULTIPLY", "APUS_EACH_DIVIDE", "APUS_EACH_LERP",
            "APUS_EACH_COPY", "APUS_EACH_SCALE", "APUS_EACH_OFFSET", "APUS_EACH_ZERO",
        ]
        let covered = Set(try OperationTests.cases.get().flatMap(\.covers))
        #expect(constants.subtracting(covered).subtracting(elsewhere).sorted() == [])
        #expect(covered.subtracting(constants).filter { !$0.hasPrefix("APUS_PAD") } == [])
    }
}
