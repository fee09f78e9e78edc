import ApusBase
import ApusComm
import ApusTensor
import CommConformance
import Testing

@Suite struct LoopbackTests {
    @Test(arguments: [1, 2, 3, 4], [true, false])
    func everyOperationConforms(worldSize: Int, staged: Bool) throws {
        Runtime.threadCount = 1
        _ = try LoopbackWorld.run(worldSize, options: .init(staged: staged)) { group in
            try Conformance(group).checkAll()
        }
    }

    @Test func aWorldOfOneConforms() throws {
        try Conformance(SingleRankProcessGroup()).checkAll()
    }

    @Test func subgroupsTalkAmongThemselves() throws {
        let sums = try LoopbackWorld.run(4) { group in
            let pair = group.rank < 2 ? [0, 1] : [2, 3]
            let inner = try group.subgroup(pair, name: "pair")
            let tensor = Tensor([Float(group.rank)])
            try inner.allReduce(tensor)
            try group.allReduce(tensor)
            return tensor.floats()
        }
        #expect(sums == [[12], [12], [12], [12]])
    }

    /// fp32 sums in rank order, whatever the chunking: the same elements at other places of a
    /// larger tensor give the same bits.
    @Test(arguments: [DType.float32, .bfloat16, .float16])
    func sumsDoNotDependOnChunksOrStaging(dtype: DType) throws {
        func sums(_ size: Int, staged: Bool) throws -> [Double] {
            try LoopbackWorld.run(3, options: .init(staged: staged)) { group in
                let scale = 1.1 + Double(group.rank) * 0.7
                let index = Tensor.arange(0, 500, dtype: .float64)
                let some = (index * scale + 0.1).sin().to(dtype)
                let padding = Tensor.zeros([size - 500], dtype: dtype)
                let tensor = Tensor.concatenate([padding, some])
                try group.allReduce(tensor)
                return tensor.slice(0, (size - 500)..<size).contiguous().doubles()
            }[0]
        }
        let few = try sums(500, staged: true)
        #expect(try sums(100_003, staged: true) == few)
        #expect(try sums(100_003, staged: false) == few)
    }

    @Test func bfloat16IsAddedInFloat32AndRoundedOnce() throws {
        // 256 + 1 + 1 is 258 in fp32; adding in bf16 would lose both ones.
        let sums = try LoopbackWorld.run(3) { group in
            let tensor = Tensor([Float(group.rank == 0 ? 256 : 1)]).to(.bfloat16)
            try group.allReduce(tensor)
            return tensor.doubles()
        }
        #expect(sums == [[258], [258], [258]])
    }

    @Test func startedOperationsEndInOrder() throws {
        _ = try LoopbackWorld.run(2) { group in
            let first = Tensor.ones([300_000])
            let second = Tensor.ones([3])
            let slow = try group.startAllReduce(first, label: "first")
            let quick = try group.startAllReduce(second, label: "second")
            try quick.wait()
            let firstIsFinished = slow.isFinished
            #expect(firstIsFinished)
            try slow.wait()
            try group.allReduce(second)
            #expect(second.floats() == [4, 4, 4])
        }
    }

    @Test func aDroppedWorkWaits() throws {
        let sums = try LoopbackWorld.run(2) { group in
            let tensor = Tensor.ones([200_000])
            do { _ = try group.startAllReduce(tensor) }
            return tensor.sum().item()
        }
        #expect(sums == [400_000, 400_000])
    }
}
