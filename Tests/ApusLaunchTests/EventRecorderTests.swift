import Foundation
import Testing

@testable import ApusLaunch

/// What becomes of the events of an earlier run in the same folder.
@Suite struct EventRecorderTests {
    private static let step = "{\"event\": \"step\", \"step\": 1, \"loss\": 2.5}"
    private static let phase = "{\"event\": \"phase\", \"name\": \"loading\"}"
    private static let resumed =
        "{\"event\": \"resumed\", \"step\": 1, \"path\": \"c\", \"restored\": \"weight\"}"
    private static let start = "{\"event\": \"start\", \"steps\": 9, \"ranks\": 1}"

    /// The file after a run that reported `lines`, where `before` was in it.
    private func file(_ before: String, _ lines: [String]) throws -> [String] {
        let path = NSTemporaryDirectory() + "apus-events-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: path) }
        try before.write(toFile: path, atomically: false, encoding: .utf8)
        do {
            let recorder = try EventRecorder(path: path)
            for line in lines { recorder.record(line, try? TrainingEvent(line: line)) }
        }
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(text.isEmpty || text.hasSuffix("\n"))
        return text.split(separator: "\n").map(String.init)
    }

    @Test func aRunThatGoesOnAppends() throws {
        let lines = [Self.phase, Self.resumed, Self.start, Self.step]
        #expect(try file(Self.step + "\n", lines) == [Self.step] + lines)
        #expect(try file("", lines) == lines)
    }

    /// As a killed launcher or a full disk leaves it.
    @Test func aBrokenLineIsRemoved() throws {
        let broken = Self.step + "\n" + Self.step.dropLast(5)
        #expect(try file(broken, [Self.resumed]) == [Self.step, Self.resumed])
        #expect(try file("{\"ev", [Self.resumed]) == [Self.resumed])
    }

    @Test func aRunFromTheBeginningReplaces() throws {
        let lines = [Self.phase, Self.start, Self.step]
        #expect(try file(Self.step + "\n", lines) == lines)
    }

    @Test func aRunThatFailsBeforeReplacesNothing() throws {
        let error = "{\"event\": \"error\", \"message\": \"no data\"}"
        #expect(try file(Self.step + "\n", [Self.phase, error]) == [Self.step, Self.phase, error])
    }
}
