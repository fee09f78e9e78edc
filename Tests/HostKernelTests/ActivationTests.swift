import ApusBase
import CApusHost
import Glibc
import Testing

@Suite("Exponential, gated activation, rotary embedding") struct ActivationTests {
    private func exponential(_ values: [Float]) -> [Float] {
        var result = values
        apus_exp(&result, values, values.count)
        return result
    }

    @Test("exp is exact to about one unit in the last place, and at the ends")
    func exponential() {
        var random = SplitMix64(seed: 1)
        let values = random.floats(3000, in: -87...88.5) + random.floats(1000, in: -1...1)
        let ends: [Float] = [.infinity, -.infinity, .nan, 0, -0, 88.72283, 88.723, -87.3, -104]
        let results = outcomes { exponential(values + ends) }
        #expect(results.allSatisfy { $0.map(\.bitPattern) == results[0].map(\.bitPattern) })
        for (value, found) in zip(values, results[0]) {
            let exact = exp(Double(value))
            #expect(abs(Double(found) - exact) <= 1.02 * Double(Float(exact).ulp))
        }
        let found = results[0].suffix(ends.count)
        #expect(Array(found.prefix(2)) == [.infinity, 0])
        #expect(found[found.startIndex + 2].isNaN)
        #expect(Array(found.dropFirst(3).prefix(2)) == [1, 1])
        #expect(found[found.startIndex + 5].isFinite)
        #expect(Array(found.suffix(3))[0] == .infinity)
        #expect(Array(found.suffix(2))[0] > 0)
        #expect(found.last == 0)
    }

    @Test("SwiGLU agrees with double precision", arguments: 0..<3)
    func swiglu(format index: Int) {
        let (format, tolerance) = formats[index]
        var random = SplitMix64(seed: 2)
        let count = 1100
        let gate = random.memory(count, format, in: -12...12)
        let up = random.memory(count, format), dy = random.memory(count, format)
        let results = outcomes {
            let output = KernelMemory(zeros: count, format)
            let dGate = KernelMemory(zeros: count, format)
            let dUp = KernelMemory(zeros: count, format)
            apus_swiglu_forward(output.mutable, gate.floats, up.floats, count)
            apus_swiglu_backward(
                dGate.mutable, dUp.mutable, dy.floats, gate.floats, up.floats, count)
            return [output.doubles, dGate.doubles, dUp.doubles]
        }
        #expect(allEqual(results))
        let g = gate.doubles, u = up.doubles, d = dy.doubles
        let sigmoid = g.map { 1 / (1 + exp(-$0)) }
        let silu = zip(g, sigmoid).map { $0 * $1 }
        let slope = zip(g, sigmoid).map { $1 * (1 + $0 * (1 - $1)) }
        #expect(deviation(results[0][0], zip(silu, u).map { $0 * $1 }) <= tolerance)
        let toGate = (0..<count).map { d[$0] * u[$0] * slope[$0] }
        #expect(deviation(results[0][1], toGate) <= tolerance)
        #expect(deviation(results[0][2], zip(d, silu).map { $0 * $1 }) <= tolerance)
    }

    @Test("SwiGLU saturates without overflow")
    func saturation() {
        let gate = KernelMemory([-1e4, -200, 0, 200, 1e4]), up = KernelMemory([1, 1, 1, 1, 1])
        let output = KernelMemory(zeros: 5)
        let dGate = KernelMemory(zeros: 5), dUp = KernelMemory(zeros: 5)
        apus_swiglu_forward(output.mutable, gate.floats, up.floats, 5)
        #expect(output.values == [0, 0, 0, 200, 1e4])
        apus_swiglu_backward(dGate.mutable, dUp.mutable, up.floats, gate.floats, up.floats, 5)
        #expect(dGate.values == [0, 0, 0.5, 1, 1])
    }

    @Test("Rotation follows rotate_half; its inverse undoes it", arguments: [(8, 8), (70, 36)])
    func rotary(width: Int, rotary: Int) {
        let tokens = 5, heads = 3, half = rotary / 2
        var random = SplitMix64(seed: 3)
        let input = random.memory(tokens * heads * width, APUS_FLOAT32)
        let angles = random.floats(tokens * half, in: 0...6)
        let cosines = KernelMemory(angles.map { cosf($0) })
        let sines = KernelMemory(angles.map { sinf($0) })
        let turned = KernelMemory(zeros: input.count), back = KernelMemory(zeros: input.count)
        // Heads lie apart in `turned`, tokens in the others.
        var rotation = apus_rotation(
            tokens: tokens, heads: heads, width: width, rotary: rotary,
            cosines: cosines.pointer, sines: sines.pointer, table_stride: half,
            token_stride: heads * width, head_stride: width, output_token_stride: width,
            output_head_stride: tokens * width)
        apus_rotary_apply(rotation, turned.mutable, input.floats, 0)
        swap(&rotation.token_stride, &rotation.output_token_stride)
        swap(&rotation.head_stride, &rotation.output_head_stride)
        apus_rotary_apply(rotation, back.mutable, turned.floats, 1)
        let x = input.doubles, allCosines = cosines.doubles, allSines = sines.doubles
        var expected = x
        for index in 0..<tokens * heads {
            let (token, head) = (index / heads, index % heads)
            let angle = token * half, start = index * width
            let end = (head * tokens + token) * width
            for i in rotary..<width { expected[end + i] = x[start + i] }
            for i in 0..<half {
                let c = allCosines[angle + i], s = allSines[angle + i]
                expected[end + i] = x[start + i] * c - x[start + half + i] * s
                expected[end + half + i] = x[start + half + i] * c + x[start + i] * s
            }
        }
        #expect(deviation(turned.doubles, expected) <= 1e-6)
        #expect(deviation(back.doubles, x) <= 1e-6)
    }
}
