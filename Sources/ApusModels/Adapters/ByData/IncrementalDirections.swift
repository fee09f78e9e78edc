internal import ApusBase
package import ApusTensor

/// The directions in which rows vary most, of rows that come in batches.
///
/// The leading singular vectors of all rows less their mean: a batch is joined to what is known of
/// those before it. Source: Ross et al.: "Incremental Learning for Robust Visual Tracking" (2008).
package struct IncrementalDirections {
    /// How many directions are kept.
    package let count: Int
    /// `[count, width]`, of length 1; nil before the first batch.
    package private(set) var directions: Tensor?
    /// `[count]`, in descending order.
    package private(set) var singularValues: Tensor?
    /// Which share of the rows' variance each direction explains.
    package private(set) var explained: [Double] = []
    /// The cosine of each direction with what it was a batch before.
    package private(set) var steadiness: [Double] = []
    private var rowCount = 0.0
    /// `[width]`, fp64.
    private var mean: Tensor?
    /// The sum of the squares of all rows less their mean.
    private var squares = 0.0

    /// - count: at most the rows' width
    package init(count: Int) { self.count = count }

    /// Joins rows `[n, width]` in fp32, at least as many as there are directions.
    package mutating func add(_ rows: Tensor) {
        precondition(rows.size(0) >= count, "add: \(rows.size(0)) rows for \(count) directions")
        let newCount = Double(rows.size(0))
        let wide = rows.to(.float64)
        let newMean = wide.mean(0)
        let centred = wide - newMean
        squares += centred.square().sum().item()
        let total = rowCount + newCount
        let known = directions
        if let known, let singularValues, let mean {
            // What the batch's mean is off counts as one more row.
            let shift = mean - newMean
            let weight = rowCount * newCount / total
            squares += weight * shift.square().sum().item()
            decompose(
                Tensor.concatenate([
                    (singularValues.unsqueeze(-1) * known).to(.float64), centred,
                    (shift * weight.squareRoot()).unsqueeze(0),
                ]))
            self.mean = mean * (rowCount / total) + newMean * (newCount / total)
        } else {
            // As PEFT does, so that the same directions are drawn.
            decompose(centred.to(.float32))
            self.mean = newMean
        }
        rowCount = total
        if let known, let directions {
            let products = (known.to(.float64) * directions.to(.float64)).sum(-1)
            steadiness = products.doubles()
        }
    }

    private mutating func decompose(_ matrix: Tensor) {
        let sketch = min(2 * count, matrix.size(0), matrix.size(1))
        // The seed is PEFT's.
        let generator = Generator(seed: 42)
        let (_, values, vectors) = matrix.leadingSVD(count: sketch, iterations: 4) { shape in
            Tensor.randn(shape, dtype: matrix.dtype, generator: generator)
                .to(device: matrix.device)
        }
        // The largest component of each vector is positive, so that signs do not jump.
        let places = vectors.abs().argmax(-1, keepDims: true)
        let flipped = vectors * vectors.gather(-1, index: places).sign()
        directions = flipped.slice(0, 0..<count).contiguous()
        let kept = values.slice(0, 0..<count)
        singularValues = kept
        let variance = max(squares, Double.leastNormalMagnitude)
        explained = kept.to(.float64).square().doubles().map { $0 / variance }
    }
}
