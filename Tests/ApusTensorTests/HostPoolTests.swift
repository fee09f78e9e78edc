import ApusBase
import ApusTensor
import Testing

/// The pool serves the whole process, so other tests allocate meanwhile: figures get some room.
@Suite("Host memory pool", .serialized) struct HostPoolTests {
    private static let gibibyte = 1 << 30
    private static let room = 200 << 20

    @Test("Bytes of living tensors are counted, and freed blocks serve again")
    func counting() {
        #expect(HostPool.install())
        let before = HostPool.figures.usedBytes
        for _ in 0..<3 {
            // Never written, so that no memory is needed.
            let tensor = Tensor.empty([Self.gibibyte], dtype: .uint8)
            let figures = HostPool.figures
            #expect(abs(figures.usedBytes - before - Self.gibibyte) < Self.room)
            #expect(figures.mostUsedBytes >= figures.usedBytes)
            #expect(figures.reachedBytes < 2 * Self.gibibyte + Self.room)
            #expect(tensor.byteCount == Self.gibibyte)
        }
        #expect(HostPool.figures.usedBytes - before < Self.room)
    }

    @Test("Blocks of all sizes never overlap, however they come and go")
    func overlap() {
        HostPool.install()
        var random = SplitMix64(seed: 12)
        var living: [(tensor: Tensor, value: Double)] = []
        for step in 0..<400 {
            if living.count > 20 || (!living.isEmpty && Bool.random(using: &random)) {
                let index = Int.random(in: living.indices, using: &random)
                let (tensor, value) = living.remove(at: index)
                #expect(tensor.min().item() == value && tensor.max().item() == value)
            } else {
                // From far below to far above the size at which the pool begins.
                let count = 1 << Int.random(in: 4...17, using: &random)
                living.append((.full([count + step], Double(step)), Double(step)))
            }
            if step == 200 { HostPool.trim() }
        }
        for (tensor, value) in living {
            #expect(tensor.min().item() == value && tensor.max().item() == value)
        }
    }

    @Test("A tensor's memory starts at a multiple of 64 bytes", arguments: [1, 5000, 300_000])
    func alignment(count: Int) {
        HostPool.install()
        let memory = Tensor.empty([count]).hostMemory
        #expect(UInt(bitPattern: memory?.baseAddress) % 64 == 0)
    }

    @Test("More than the machine has is an error to catch")
    func outOfMemory() {
        HostPool.install()
        let error = #expect(throws: TensorError.self) {
            try catchingTensorErrors { _ = Tensor.empty([1 << 46]) }
        }
        #expect(error?.code == .outOfMemory)
    }
}
