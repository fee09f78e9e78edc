import ApusComm
import Testing

@Suite struct WorldEnvironmentTests {
    private let whole = [
        "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4",
        "MASTER_ADDR": "node0", "MASTER_PORT": "29400",
    ]

    @Test func readsWhatLaunchersSet() throws {
        let environment = try WorldEnvironment(whole)
        #expect(environment.rank == 5)
        #expect(environment.worldSize == 8)
        #expect(environment.localRank == 1)
        #expect(environment.localWorldSize == 4)
        #expect(environment.masterAddress == "node0")
        #expect(environment.masterPort == 29400)
        #expect(!environment.isOneHost)
    }

    @Test func nothingSetIsAWorldOfOne() throws {
        let group = try WorldEnvironment([:]).makeProcessGroup()
        #expect(group.worldSize == 1)
        #expect(group.backend == "single")
    }

    @Test func aLoopbackMasterMeansOneHost() throws {
        let environment = try WorldEnvironment([
            "RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1234",
        ])
        #expect(environment.isOneHost)
        #expect(environment.localRank == 1)
    }

    @Test(arguments: [
        ("RANK", "8", "must be from 0 to 7"),
        ("RANK", "-1", "must be from 0 to 7"),
        ("WORLD_SIZE", "many", "must be a whole number"),
        ("WORLD_SIZE", "0", "must be from 1 to 1000000"),
        ("MASTER_PORT", "70000", "must be from 1 to 65535"),
        ("LOCAL_RANK", "4", "must be from 0 to 3"),
        ("APUS_COMM_TIMEOUT", "0", "a number of seconds above 0"),
        ("APUS_COMM_BACKEND", "glo", "did you mean gloo?"),
    ])
    func aMalformedVariableIsNamed(name: String, value: String, expected: String) throws {
        let error = #expect(throws: CommError.self) {
            try WorldEnvironment(whole.merging([name: value]) { $1 })
        }
        #expect(error?.code == .environment)
        #expect(error?.summary.contains("\(name) is \"\(value)\"") == true)
        #expect(error?.summary.contains(expected) == true)
    }

    @Test(arguments: ["RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"])
    func aMissingVariableIsNamed(name: String) throws {
        let error = #expect(throws: CommError.self) {
            try WorldEnvironment(whole.filter { $0.key != name })
        }
        #expect(error?.summary == "the environment variable \(name) is missing")
        #expect(error?.remedy?.contains("apus launch") == true)
    }
}
