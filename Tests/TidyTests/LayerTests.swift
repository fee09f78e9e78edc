import Foundation
import Testing

/// Imports only point downwards: ARCHITECTURE.md draws the layers.
@Suite struct LayerTests {
    /// What the files of each target may import of Apus. A target that is not listed here fails.
    static let allowed: [String: Set<String>] = [
        "ApusBase": [],
        "ApusShard": ["ApusBase"],
        "ApusFormats": ["ApusBase", "CApusHost"],
        "ApusTensor": ["ApusBase", "CApusTorch"],
        "ApusComm": ["ApusBase", "ApusTensor", "CApusTorch", "CApusHost"],
        "ApusOptim": ["ApusBase", "ApusTensor", "CApusHost"],
        "ApusLaunch": ["ApusBase", "CApusHost"],
        "ApusConfig": ["ApusBase", "ApusShard"],
        "ApusNN": ["ApusBase", "ApusTensor", "CApusHost"],
        // Never ApusNN: other front ends can drive the engine.
        "ApusZeRO": ["ApusBase", "ApusShard", "ApusTensor", "ApusComm", "ApusOptim"],
        "ApusTokenizer": ["ApusBase", "ApusFormats", "CApusHost"],
        // No libtorch, and never the engine: it takes slices of plain memory.
        "ApusCheckpoint": ["ApusBase", "ApusFormats", "CApusHost"],
        "ApusModels": ["ApusBase", "ApusFormats", "ApusTensor", "ApusNN"],
        "ApusData": ["ApusBase", "ApusConfig", "ApusFormats", "ApusTokenizer", "CApusHost"],
        "ApusHub": ["ApusBase", "ApusFormats", "CApusHost"],
        "ApusExport": ["ApusBase", "ApusFormats", "ApusTokenizer"],
        "ApusTrain": [
            "ApusBase", "ApusFormats", "ApusShard", "ApusTensor", "ApusComm", "ApusOptim", "ApusNN",
            "ApusZeRO", "ApusTokenizer", "ApusModels", "ApusData", "ApusConfig",
            "ApusCheckpoint",
        ],
        // No libtorch: it answers in milliseconds.
        "apus": [
            "ApusBase", "ApusShard", "ApusConfig", "ApusLaunch", "ApusTokenizer", "ApusFormats",
            "ApusData", "ApusExport", "ApusHub", "ApusCheckpoint",
        ],
        "apus-worker": [
            "ApusBase", "ApusFormats", "ApusTensor", "ApusComm", "ApusOptim", "ApusModels",
            "ApusTokenizer", "ApusTrain", "ApusConfig", "ApusData", "ApusNN", "ApusShard",
        ],
    ]

    @Test func importsPointDownwards() {
        var wrong: [String] = []
        for file in SourceFile.swift where file.isSource {
            guard let allowed = Self.allowed[file.target] else {
                wrong.append("\(file): the target \(file.target) has no place in the layers")
                continue
            }
            for name in file.imports where name.hasPrefix("Apus") || name.hasPrefix("CApus") {
                if !allowed.contains(name) { wrong.append("\(file) imports \(name)") }
            }
        }
        #expect(wrong.isEmpty, "\(wrong)")
    }

    /// No C type in a public signature.
    @Test func cModulesAreImportedInternally() {
        let wrong = SourceFile.swift.filter(\.isSource).filter { file in
            file.lines.contains { $0.hasPrefix("public import CApus") }
        }
        #expect(wrong.isEmpty, "\(wrong)")
    }

    /// Foundation costs start-up time and 50 MB in a static binary.
    @Test func librariesDoNotImportFoundation() {
        let wrong = SourceFile.swift.filter(\.isSource).filter { $0.imports.contains("Foundation") }
        #expect(wrong.isEmpty, "\(wrong)")
    }
}

extension SourceFile {
    var imports: [String] {
        lines.compactMap { line in
            let words = line.split(separator: " ")
            guard let place = words.firstIndex(of: "import"), place <= 2, place + 1 < words.count,
                words[..<place].allSatisfy({
                    ["public", "package", "internal", "@testable"].contains($0)
                })
            else { return nil }
            return String(words[place + 1])
        }
    }
}
