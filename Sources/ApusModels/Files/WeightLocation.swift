internal import ApusBase
internal import ApusFormats

/// Where a parameter's values stand in a file.
struct WeightLocation {
    var entry: TensorEntry
    /// How they stand there; nil: as in the model.
    var place: GGUFNaming.Place?

    /// The parameter's shape by the file.
    var shape: [Int] {
        guard let place else { return entry.shape }
        let own = place.expert == nil ? entry.shape : Array(entry.shape.dropFirst())
        return place.isTransposed ? own.reversed() : own
    }

    /// Reads elements (row-major) of the parameter as `dtype`; they are exactly the destination's
    /// size, and there when the pipeline has finished, at the latest.
    func read(
        _ elements: Range<Int>, as dtype: DType, from source: any TensorSource,
        into destination: UnsafeMutableRawBufferPointer, through pipeline: ReadPipeline
    ) throws(FileError) {
        guard let place else {
            return try source.read(
                entry.name, elements: elements, as: dtype, into: destination, through: pipeline)
        }
        if place.addsOne {
            try readLessOne(elements, as: dtype, from: source, into: destination)
        } else if place.isTransposed {
            try source.readTransposed(entry.name, elements: elements, as: dtype, into: destination)
        } else if let rows = place.rows.groupRows {
            try readGroups(
                of: rows, in: place.rows, elements, as: dtype, from: source, into: destination)
        } else {
            let start = (place.expert ?? 0) * shape.reduce(1, *)
            let own = (start + elements.lowerBound)..<(start + elements.upperBound)
            try source.read(
                entry.name, elements: own, as: dtype, into: destination, through: pipeline)
        }
    }

    private func readLessOne(
        _ elements: Range<Int>, as dtype: DType, from source: any TensorSource,
        into destination: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: elements.count)
        defer { values.deallocate() }
        let raw = UnsafeMutableRawBufferPointer(values)
        try source.read(entry.name, elements: elements, as: .float32, into: raw)
        for index in values.indices { values[index] -= 1 }
        NumberConversion.convert(UnsafeRawBufferPointer(raw), .float32, to: destination, dtype)
    }

    /// Group by group of rows, as they change places within it.
    private func readGroups(
        of groupRows: Int, in order: GGUFRowOrder, _ elements: Range<Int>, as dtype: DType,
        from source: any TensorSource, into destination: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        if elements.isEmpty { return }
        guard let rows = shape.first, groupRows > 0, rows.isMultiple(of: groupRows) else {
            throw FileError(
                entry.path, at: .offset(entry.byteRange.lowerBound),
                "\(entry.name) has \(shape.first ?? 0) rows, which are no heads of \(groupRows)")
        }
        let row = shape.dropFirst().reduce(1, *) * dtype.byteCount
        let group = groupRows * row
        let wanted =
            (elements.lowerBound * dtype.byteCount)..<(elements.upperBound * dtype.byteCount)
        let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: group, alignment: 64)
        defer { scratch.deallocate() }
        for number in (wanted.lowerBound / group)...((wanted.upperBound - 1) / group) {
            let first = order.fileGroup(number) * group / dtype.byteCount
            let whole = first..<(first + group / dtype.byteCount)
            try source.read(entry.name, elements: whole, as: dtype, into: scratch)
            for inner in 0..<groupRows {
                let start = number * group + inner * row
                let part = (start..<start + row).clamped(to: wanted)
                if part.isEmpty { continue }
                let from = order.fileRow(inner) * row + part.lowerBound - start
                let to = part.lowerBound - wanted.lowerBound
                destination.baseAddress!.advanced(by: to).copyMemory(
                    from: scratch.baseAddress! + from, byteCount: part.count)
            }
        }
    }
}
