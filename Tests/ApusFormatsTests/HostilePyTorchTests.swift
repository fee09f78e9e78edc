import ApusBase
import ApusFormats
import FileTestSupport
import Testing

/// Pickles and archives that mean harm, or were damaged: nothing runs, everything has an end, and
/// the message names the place.
@Suite struct HostilePyTorchTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func open(_ bytes: [UInt8]) throws -> PyTorchFile {
        try PyTorchFile(path: folder.write("f.pt", bytes))
    }

    /// Each scalar is one byte.
    private func pickle(_ body: String) -> [UInt8] {
        [0x80, 2] + body.unicodeScalars.map { UInt8($0.value) }
    }

    private func problem(_ bytes: [UInt8]) -> String { failure { _ = try open(bytes) } }

    @Test func callsAreDescribedButNotMade() throws {
        let value = try open(pickle("cos\nsystem\nX\u{4}\0\0\0true\u{85}R.")).value
        let object = try #require(value.object)
        #expect(object.type == "os.system" && object.offset == 23)
        #expect(object.arguments.map(\.stringValue) == ["true"])
    }

    @Test func whatIsNeededButNotUnderstoodIsNamed() throws {
        let file = try open(pickle("}X\u{1}\0\0\0wcmine\nThing\n)Rs."))
        let message = failure {
            _ = try file.require(file.value["w"], "\"w\"") { $0.tensor }
        }
        #expect(message.contains("offset 22: \"w\" is an object of mine.Thing"))
        #expect(failure { _ = try PickledTensors(path: file.path) }.contains("no tensors by name"))
    }

    @Test(arguments: [
        ("I1\n.", "offset 2: byte 73 is no instruction"),
        ("", "the pickle ends inside a number"),
        ("0.", "wants a value"),
        ("t.", "wants a mark"),
        ("h\u{1}.", "part 1, which was not remembered"),
        ("K\u{1}K\u{2}a.", "appended to what is no container"),
        ("}(K\u{1}u.", "last key has no value"),
        ("X\u{7F}\0\0\0ab.", "127 bytes should follow"),
        ("K\u{1}Q.", "no storage of PyTorch"),
        ("ctorch._utils\n_rebuild_tensor_v2\n)R.", "_rebuild_tensor_v2 is called with arguments"),
    ])
    func faultyPickles(body: String, message: String) {
        #expect(problem(pickle(body)).contains(message), "\(problem(pickle(body)))")
    }

    @Test func otherProtocolsAndFiles() {
        #expect(problem([0x80, 9, 0x2E]).contains("pickle protocol 9"))
        #expect(problem(Array("hello".utf8)).contains("neither a zip file nor a pickle"))
        #expect(problem([]).contains("neither a zip file nor a pickle"))
    }

    /// A list in a list in a list: the end of the stack is never reached.
    @Test func nestingHasALimit() {
        let deep = String(repeating: "]", count: 100_000) + String(repeating: "a", count: 99_999)
        #expect(problem(pickle(deep + ".")).contains("nested deeper than 200"))
        // Levels of 150 on top of what was built before, by reference.
        var body = "]q\0"
        for _ in 0..<3 {
            body += "0" + String(repeating: "]", count: 150) + "h\0"
            body += String(repeating: "a", count: 150) + "q\0"
        }
        #expect(problem(pickle("]" + body + ".")).contains("nested deeper than 200"))
    }

    /// Doubling by reference costs nothing; copying again and again is refused.
    @Test func sizesHaveALimit() throws {
        var body = "]q\0"
        for _ in 0..<60 { body += "h\0h\0\u{86}q\0" }
        _ = try open(pickle(body + "."))
        let long = "(" + String(repeating: "N", count: 5000) + "tq\0"
        let copies = String(repeating: "cm\nf\nh\0R", count: 2000)
        #expect(problem(pickle("(" + long + copies + "t.")).contains("again and again"))
    }

    /// A tensor of a few bytes that would fill any memory.
    @Test func tensorsStayInsideTheirStorage() throws {
        let original = try bytes(golden("pytorch/sharded/pytorch_model-00002-of-00002.bin"))
        // The shape (3,) of "b.weight": BININT1 3, TUPLE1, after the offset BININT1 0.
        let at = try #require(original.firstRange(of: [0x4B, 0, 0x4B, 3, 0x85])).lowerBound
        var changed = original
        changed[at + 3] = 200
        #expect(problem(changed).contains("ends at element 200 of storage \"0\", which has 3"))
        changed = original
        changed[at + 1] = 1
        #expect(problem(changed).contains("ends at element 4"))
    }

    @Test func archivesAreChecked() throws {
        let original = try bytes(golden("pytorch/deflated.pt"))
        func changed(_ change: (inout [UInt8]) -> Void) -> String {
            var copy = original
            change(&copy)
            return problem(copy)
        }
        #expect(changed { $0.removeLast(30) }.contains("no directory at its end"))
        #expect(changed { $0[60] ^= 0xFF }.contains("cannot be unpacked"))
        let header = try #require(original.firstRange(of: Array("PK\u{1}\u{2}".utf8))).lowerBound
        #expect(changed { $0[header + 8] |= 1 }.contains("is encrypted"))
        #expect(changed { $0[header + 10] = 12 }.contains("compressed by method 12"))
        #expect(changed { $0[header + 27] = 0x7F }.contains("claims to unpack to"))
        #expect(changed { $0[header + 42] = 7 }.contains("is not where the directory says"))
    }

    @Test func oldFilesThatEndTooSoon() throws {
        let original = try bytes(golden("pytorch/legacy.pt"))
        #expect(problem(Array(original.dropLast(5))).contains("the file ends inside storage"))
    }
}
