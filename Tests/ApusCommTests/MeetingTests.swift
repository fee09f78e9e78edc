import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// How ranks find each other, and what they say when they do not.
@Suite struct MeetingTests {
    @Test(arguments: ["auto", "gloo"])
    func aMissingRankIsNamed(backend: String) throws {
        let probe = Probe(worldSize: 3, backend: backend, timeoutSeconds: 4, ranks: [0, 1])
        for outcome in try probe.run("conform") {
            #expect(outcome.code == 1)
            #expect(outcome.output.contains("rank \(outcome.rank) has waited"))
            #expect(outcome.output.contains("for rank 2 to start"))
        }
    }

    @Test(arguments: ["auto", "gloo"])
    func aMissingFirstRankIsNamed(backend: String) throws {
        let probe = Probe(worldSize: 2, backend: backend, timeoutSeconds: 1, ranks: [1])
        let outcome = try probe.run("conform")[0]
        #expect(outcome.code == 1)
        let text =
            backend == "auto"
            ? "rank 1 has waited 1 s for rank 0 to start"
            : "nobody answers at 127.0.0.1:\(probe.port) within 1 s"
        #expect(outcome.output.contains(text), "\(outcome.output)")
    }

    @Test(arguments: ["auto", "gloo"])
    func aRankThatIsClaimedTwiceIsRefused(backend: String) throws {
        let probe = Probe(worldSize: 3, backend: backend, timeoutSeconds: 5, ranks: [0, 1, 1])
        let outcomes = try probe.run("conform")
        let refused = outcomes.filter { $0.output.contains("two processes claim rank 1") }
        #expect(refused.count == 1, "\(outcomes.map(\.output))")
        #expect(refused.first?.code == 1)
    }

    @Test func aPortInUseIsNamed() throws {
        let handle = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(handle) }
        let port = freePort()
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                _ = bind(handle, generic, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        listen(handle, 1)
        let probe = Probe(
            worldSize: 2, backend: "gloo", timeoutSeconds: 2, port: port, ranks: [0])
        let outcome = try probe.run("conform")[0]
        #expect(outcome.code == 1)
        #expect(outcome.output.contains("rank 0 cannot listen on port \(port)"))
        #expect(outcome.output.contains("choose another MASTER_PORT"))
    }

    @Test func whatACrashedStartLeftIsReplaced() throws {
        let probe = Probe(worldSize: 2)
        let path = "/dev/shm/apus-\(geteuid())-\(probe.port)"
        let file = open(path, O_WRONLY | O_CREAT, 0o600)
        write(file, [UInt8](repeating: 0x61, count: 8192), 8192)
        close(file)
        #expect(try probe.run("late", "1", "1").map(\.code) == [0, 0])
        #expect(access(path, F_OK) != 0)
    }

    @Test func nothingIsLeftInTheFileSystem() throws {
        let probe = Probe(worldSize: 2)
        _ = try probe.run("kill", "0")
        #expect(access("/dev/shm/apus-\(geteuid())-\(probe.port)", F_OK) != 0)
    }
}
