import ApusComm
import CommConformance
import Testing

@Suite struct LoopbackTests {
    @Test(arguments: [1, 2, 3, 4], [true, false])
    func everyOperationConforms(worldSize: Int, staged: Bool) throws {
        _ = try LoopbackWorld.run(worldSize, options: .init(staged: staged)) { group in
            try Conformance(group).checkAll()
        }
    }

    @Test func aWorldOfOneConforms() throws {
        try Conformance(SingleRankProcessGroup()).checkAll()
    }
}
