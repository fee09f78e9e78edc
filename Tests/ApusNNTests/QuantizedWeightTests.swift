import ApusBase
import ApusFormats
import ApusNN
import ApusTensor
import Testing

/// Weights in few bits are those of bitsandbytes (`Tools/goldens/quantization.py`).
@Suite struct QuantizedWeightTests {
    private let file: SafetensorsFile
    private let weight: Tensor

    init() throws {
        let folder = FilePaths.join(FilePaths.folder(of: #filePath), "Fixtures")
        file = try SafetensorsFile(path: FilePaths.join(folder, "quantization.safetensors"))
        weight = Tensor(try file.floats("weight"), shape: [72, 256])
    }

    private func encoded(_ format: WeightQuantization) -> QuantizedWeight {
        let store = ParameterStore(adaptation: Quantizing(format))
        let linear = Linear(256, 72, bias: false, in: store.root["layer"])
        let quantized = linear.weight.quantized!
        quantized.encode(weight)
        return quantized
    }

    private func bytes(_ name: String) throws -> [Int] {
        let entry = try #require(file.entry(name))
        return file.file.unsafeBytes[entry.byteRange].map { Int($0) }
    }

    private func largest(_ a: [Float], _ b: [Float]) -> Float {
        a.count == b.count ? zip(a, b).map { abs($0 - $1) }.max() ?? 0 : .infinity
    }

    @Test func nf4EqualsBitsandbytes() throws {
        let ours = encoded(.nf4(doubleQuantized: false))
        #expect(ours.codes.ints() == (try bytes("nf4.codes")))
        #expect(ours.scales.floats() == (try file.floats("nf4.scales")))
        #expect(ours.decoded().floats() == (try file.floats("nf4.decoded")))
    }

    @Test func doubleQuantizationEqualsBitsandbytes() throws {
        let ours = encoded(.nf4(doubleQuantized: true))
        #expect(ours.codes.ints() == (try bytes("nf4-double.codes")))
        let scaleCodes = try #require(ours.scaleCodes?.ints())
        let theirs = try bytes("nf4-double.scale-codes")
        let others = scaleCodes.indices.filter { scaleCodes[$0] != theirs[$0] }
        #expect(others.count <= 2)
        // Their search sometimes takes a neighbour: ours is never farther from the scale.
        let (table, scales) = (
            try file.floats("nf4-double.table"), try file.floats("nf4.scales")
        )
        let mean = try file.floats("nf4-double.offset")[0]
        let outer = try file.floats("nf4-double.scales")
        for block in others {
            func distance(_ code: Int) -> Float {
                abs(table[code] * outer[block / 256] + mean - scales[block])
            }
            #expect(distance(scaleCodes[block]) <= distance(theirs[block]) + 1e-6)
        }
        #expect(ours.scales.floats() == outer)
        #expect(ours.scaleOffset == mean)
        let decoded = try file.floats("nf4-double.decoded")
        for (index, (a, b)) in zip(ours.decoded().floats(), decoded).enumerated()
        where !others.contains(index / 64) {
            #expect(a == b)
        }
        // 4 bits a number and 8 for each 64, and little more.
        #expect(ours.byteCount < 72 * 256 / 2 + 72 * 256 / 64 + 64)
    }

    @Test func int8EqualsBitsandbytes() throws {
        let ours = encoded(.int8)
        let theirs = try bytes("int8.codes").map { $0 > 127 ? $0 - 256 : $0 }
        // They round half precision products: a code may differ by one where a half is near.
        let differences = zip(ours.codes.ints(), theirs).map { abs($0 - $1) }
        #expect(differences.count == 72 * 256)
        #expect((differences.max() ?? 9) <= 1)
        #expect(differences.filter { $0 != 0 }.count < 72 * 256 / 100)
        #expect(ours.scales.floats() == (try file.floats("int8.scales")))
        let decoded = ours.decoded()
        let steps = ours.scales.unsqueeze(-1) / 127
        let errors = ((decoded - weight).abs() / steps.clamp(min: 1e-12)).floats()
        #expect((errors.max() ?? 9) < 0.501)
    }

    @Test func oddCountsAndZerosSurvive() {
        for (rows, columns) in [(1, 1), (3, 5), (1, 65), (7, 129)] {
            let numbers = (0..<rows * columns).map { Float($0 % 7) - 3 }
            let values = Tensor(numbers, shape: [rows, columns])
            for format in [
                WeightQuantization.nf4(doubleQuantized: false), .nf4(doubleQuantized: true), .int8,
            ] {
                let rounded = format.rounded(values)
                #expect(rounded.shape == [rows, columns])
                #expect(largest(rounded.floats(), values.floats()) < 0.5)
                #expect(format.rounded(values.zerosLike()).floats().allSatisfy { $0 == 0 })
            }
        }
    }

    /// Forward and backward are those of the decoded weight, though it is not kept between them.
    @Test(arguments: [false, true])
    func gradientsGoThroughTheDecodedWeight(_ isTransposed: Bool) throws {
        let format = WeightQuantization.nf4(doubleQuantized: true)
        let store = ParameterStore(adaptation: Quantizing(format))
        let shape = isTransposed ? [256, 72] : [72, 256]
        let layer: (Tensor) -> Tensor
        let weight: Parameter
        if isTransposed {
            let conv = Conv1D(256, 72, initializer: .zeros, in: store.root["layer"])
            (layer, weight) = (conv.callAsFunction, conv.weight)
        } else {
            let linear = Linear(256, 72, bias: true, in: store.root["layer"])
            (layer, weight) = (linear.callAsFunction, linear.weight)
        }
        store.allocate(dtype: .float32)
        store.initialize(seed: 1)
        weight.quantized?.encode(self.weight.reshape(shape))
        #expect(store.quantized.map(\.name) == ["layer.weight"])
        let x = Tensor.randn([5, 256], generator: Generator(seed: 2)).requiringGradient()
        let plain = Tensor.randn([5, 256], generator: Generator(seed: 2)).requiringGradient()
        let decoded = isTransposed ? weight.value.transposed : weight.value
        layer(x).square().sum().backward()
        plain.linear(weight: decoded, bias: store["layer.bias"]?.value).square().sum().backward()
        let (a, b) = (try #require(x.gradient).floats(), try #require(plain.gradient).floats())
        #expect(largest(a, b) < 1e-5 * (b.map(abs).max() ?? 0))
    }
}

/// Holds every linear weight in few bits and trains nothing.
private final class Quantizing: LayerAdaptation {
    private let format: WeightQuantization

    init(_ format: WeightQuantization) { self.format = format }

    func update(forLayer path: String, kind: LayerKind) -> LowRankOptions? { nil }
    func update(ofExperts parameter: String) -> LowRankOptions? { nil }
    func quantization(ofLayer path: String, kind: LayerKind) -> WeightQuantization? { format }
    var tiesUpdates: Bool { false }
    func trainedRows(ofTable path: String) -> [Int]? { nil }
    func trains(_ parameter: String) -> Bool { false }
}
