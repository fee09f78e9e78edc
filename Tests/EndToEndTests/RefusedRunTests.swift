import ProgramTestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Runs that cannot work: each names the file, key or rank that is wrong.
@Suite struct RefusedRunTests {
    @Test(arguments: [
        ("--set base_model=nowhere", "'base_model': no file or folder 'nowhere'"),
        ("--set base_model=/tmp", "/tmp: holds no config.json"),
        ("--set datasets.0.path=no.jsonl", "'datasets.0.path': no file or folder 'no.jsonl'"),
        ("--ranks 0", "--ranks 0: 'ranks' must be an integer from 1"),
        ("--ranks 1000", "1000 ranks on "),
        ("--set output_dir=r.yaml", "r.yaml is no folder"),
        ("--set output_dir=/proc/apus", "/proc/apus cannot be written"),
        ("--set sequence_len=1", "sequence_len"),
        ("--set base_model=model --set output_dir=model/.", "is the folder of base_model"),
        ("--set datasets.0.weight=0", "no sample is left to train on"),
        ("--set load_best_model_at_end=true --set val_set_size=0.2", "none are saved"),
    ])
    func impossibleWishes(_ arguments: String, _ expected: String) throws {
        let run = try TinyRun()
        _ = try run.shell("cp -r \(TinyRun.model) model")
        let result = try run.train(arguments)
        #expect(result.exitCode == 1)
        #expect(result.output.contains(expected), "\(result.output)")
    }

    @Test func anUnknownKeyIsNamedWithItsLineAndNeighbour() throws {
        let run = try TinyRun()
        let result = try run.shell("sed -i s/warmup_steps/warmup_step/ r.yaml; apus train r.yaml")
        #expect(result.exitCode == 1)
        #expect(result.output.contains("r.yaml:11:1: unknown key 'warmup_step'"))
        #expect(result.output.contains("did you mean 'warmup_steps'?"))
    }

    @Test(arguments: [
        ("{\"input_ids\": [1, 2", "broken.jsonl:2: not valid JSON"),
        ("{\"input_ids\": [1, 128]}", "broken.jsonl:2: "),
        ("{\"input_ids\": [1, \"2\"]}", "broken.jsonl:2: "),
        ("{\"text\": \"words\"}", "broken.jsonl:2: "),
    ])
    func aBrokenDataLineIsNamed(_ line: String, _ expected: String) throws {
        let run = try TinyRun()
        run.scratch.write("broken.jsonl", "{\"input_ids\": [1, 2, 3]}\n\(line)\n")
        let result = try run.train("--ranks 2 --set datasets.0.path=broken.jsonl")
        #expect(result.exitCode == 1)
        #expect(result.output.contains(expected), "\(result.output)")
        #expect(result.output.contains(" of 2 exited with code 1 while reading data"))
    }

    @Test(arguments: [100, 40_000, 80_487])
    func aTruncatedSafetensorsFile(_ size: Int) throws {
        let run = try TinyRun()
        let cut = try run.shell(
            """
            cp -r \(TinyRun.model) cut; chmod -R u+w cut
            truncate -s \(size) cut/model.safetensors
            """)
        try #require(cut.exitCode == 0, "\(cut.output)")
        let result = try run.train("--ranks 2 --set base_model=cut")
        #expect(result.exitCode == 1)
        #expect(result.output.contains("cut/model.safetensors: "), "\(result.output)")
        #expect(result.output.contains("remedy: "))
    }

    /// The head of a GGUF file that promises 272 tensors, and nothing after it.
    @Test func aTruncatedGGUFFile() throws {
        let run = try TinyRun()
        let head = #"GGUF\003\000\000\000\020\001\000\000\000\000\000\000"#
        _ = try run.shell(#"printf '\#(head)\001\000\000\000\000\000\000\000' > cut.gguf"#)
        let result = try run.train("--set base_model=cut.gguf")
        #expect(result.exitCode == 1)
        #expect(result.output.contains("cut.gguf: offset "), "\(result.output)")
        #expect(result.output.contains("likely cause: the file was cut off"))
    }

    @Test func aPortInUse() throws {
        let listener = try Listener()
        let run = try TinyRun()
        let result = try run.train("--ranks 2 --master-port \(listener.port)")
        #expect(result.exitCode == 1)
        #expect(result.output.contains("port \(listener.port) is in use"), "\(result.output)")
        #expect(result.output.contains("remedy: leave --master-port out"))
    }
}

/// A socket that listens on a port of this machine.
private final class Listener {
    private let socket: Int32
    let port: Int

    init() throws {
        #if canImport(Glibc)
            let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #else
            let socket = Darwin.socket(AF_INET, SOCK_STREAM, 0)
        #endif
        try #require(socket >= 0)
        self.socket = socket
        port = try Self.listen(socket)
    }

    /// On a free port of the system's choice.
    private static func listen(_ socket: Int32) throws -> Int {
        #if canImport(Glibc)
            try #require(Glibc.listen(socket, 1) == 0)
        #else
            try #require(Darwin.listen(socket, 1) == 0)
        #endif
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let failure = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(socket, $0, &size)
            }
        }
        try #require(failure == 0)
        return Int(UInt16(bigEndian: address.sin_port))
    }

    deinit { close(socket) }
}
