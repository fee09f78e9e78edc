import ApusBase
import ApusLaunch
import Testing

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

@Suite struct PlanTests {
    private var plan: LaunchPlan {
        LaunchPlan(program: "/bin/true", localRanks: 2, masterPort: 4711, cores: 8)
    }

    @Test func aRankIsToldWhoItIs() {
        let environment = plan.environment(
            ofLocalRank: 1, inherited: ["HOME": "/root", "RANK": "99"], eventsDescriptor: nil)
        let expected = [
            "HOME": "/root", "RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1",
            "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "4711",
            "OMP_NUM_THREADS": "4",
        ]
        #expect(environment == expected)
    }

    @Test func ranksOfLaterHostsCountOn() {
        var plan = plan
        plan.hosts.count = 3
        plan.hosts.index = 2
        plan.hosts.masterAddress = "alpha"
        let environment = plan.environment(ofLocalRank: 1, inherited: [:], eventsDescriptor: nil)
        #expect(environment["RANK"] == "5")
        #expect(environment["WORLD_SIZE"] == "6")
        #expect(environment["LOCAL_RANK"] == "1")
        #expect(environment["MASTER_ADDR"] == "alpha")
    }

    @Test func threadsAreWhatThePlanSaysElseTheEnvironmentElseAShare() {
        var plan = plan
        let inherited = ["OMP_NUM_THREADS": "3"]
        func threads(_ inherited: [String: String]) -> String? {
            plan.environment(ofLocalRank: 0, inherited: inherited, eventsDescriptor: nil)[
                "OMP_NUM_THREADS"]
        }
        #expect(threads(inherited) == "3")
        plan.threadsPerRank = 5
        #expect(threads(inherited) == "5")
        plan.threadsPerRank = nil
        plan.localRanks = 30
        #expect(threads([:]) == "1")
    }

    @Test func ranksThatLogIntoAFolderKeepTheirFlightRecordsThere() {
        var plan = plan
        plan.output = .files(folder: "Runs/logs")
        let environment = plan.environment(ofLocalRank: 0, inherited: [:], eventsDescriptor: nil)
        #expect(environment["APUS_FLIGHT_RECORDS"] == "Runs/logs")
    }

    @Test func onlyARankWithADescriptorHearsOfIt() {
        let inherited = ["APUS_EVENTS_FD": "9"]
        let with = plan.environment(ofLocalRank: 0, inherited: inherited, eventsDescriptor: 3)
        #expect(with["APUS_EVENTS_FD"] == "3")
        let without = plan.environment(ofLocalRank: 1, inherited: inherited, eventsDescriptor: nil)
        #expect(without["APUS_EVENTS_FD"] == nil)
    }
}

@Suite struct LaunchCheckTests {
    private func refusal(_ ranks: Int, oversubscribe: Bool = false) -> String {
        do {
            try LaunchChecks.checkRanks(ranks, cores: 2, oversubscribe: oversubscribe)
            return ""
        } catch { return error.description }
    }

    @Test func impossibleNumbersOfRanksAreExplained() {
        #expect(refusal(0).contains("0 ranks cannot be started"))
        #expect(refusal(-2).contains("-2 ranks cannot be started"))
        #expect(refusal(9).contains("9 ranks on 2 cores"))
        #expect(refusal(9).contains("--oversubscribe"))
    }

    @Test func possibleNumbersOfRanksPass() {
        #expect(refusal(1).isEmpty)
        #expect(refusal(8).isEmpty)
        #expect(refusal(100, oversubscribe: true).isEmpty)
    }

    @Test func aFreePortIsFound() throws {
        let port = try LaunchChecks.port(wanted: nil)
        #expect((1024...65535).contains(port))
        #expect(try LaunchChecks.port(wanted: port) == port)
    }

    @Test func aPortInUseIsExplained() throws {
        let listener = try #require(Listener())
        defer { listener.close() }
        do {
            _ = try LaunchChecks.port(wanted: listener.port)
            Issue.record("port \(listener.port) should be in use")
        } catch {
            #expect(error.summary == "port \(listener.port) is in use")
            #expect(error.remedy?.contains("leave --master-port out") == true)
        }
    }

    @Test(arguments: [0, -1, 65536, 1_000_000])
    func numbersThatAreNoPorts(_ port: Int) {
        #expect(throws: LaunchError.self) { try LaunchChecks.port(wanted: port) }
    }
}

/// A socket that listens on a port of its own.
private struct Listener {
    let descriptor: Int32
    let port: Int

    init?() {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let handle = descriptor
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(handle, address, size) == 0 && listen(handle, 1) == 0
                    && getsockname(handle, address, &size) == 0
            }
        }
        guard isBound else { return nil }
        port = Int(UInt16(bigEndian: address.sin_port))
    }

    func close() { _ = Glibc.close(descriptor) }
}
