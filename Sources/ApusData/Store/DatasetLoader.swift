internal import ApusBase

/// Collects samples, the account, and the faults of records.
struct DatasetLoader {
    private let options: Dataset.Options
    private var dataset = Dataset()
    private var faults: [DataError.Fault] = []
    private var faultCount = 0

    init(_ options: Dataset.Options) { self.options = options }

    mutating func load(
        _ file: any RecordFile, _ builder: SampleBuilder, weight: Double
    ) throws {
        defer {
            let added = dataset.samples.count - dataset.weights.count
            dataset.weights += repeatElement(weight, count: added)
        }
        for index in 0..<file.count {
            dataset.report.records += 1
            do {
                let sample = try builder.sample(try file.record(index))
                try checkIDs(sample)
                add(sample)
            } catch let fault as SampleBuilder.Fault {
                note(file, index, fault.problem, fault.remedy)
            } catch let error as FileError {
                note(file, index, error.problem, error.remedy)
            } catch {
                note(file, index, "the chat template refuses it: \(error)", nil)
            }
        }
    }

    func finished() throws -> Dataset {
        guard faultCount == 0 else { throw DataError(faults: faults, count: faultCount) }
        return dataset
    }

    private mutating func note(
        _ file: any RecordFile, _ index: Int, _ problem: String, _ remedy: String?
    ) {
        faultCount += 1
        guard faults.count < DataError.listed else { return }
        let line = file.line(of: index)
        faults.append(.init(path: file.path, line: line, problem: problem, remedy: remedy))
    }

    private func checkIDs(_ sample: TokenizedSample) throws(SampleBuilder.Fault) {
        guard let limit = options.vocabularySize else { return }
        let largest = max(sample.inputIDs.max() ?? 0, sample.labels.max() ?? 0)
        guard Int(largest) >= limit else { return }
        throw .init(
            problem: "token \(largest) is not in the model's vocabulary of \(limit)",
            remedy: "tokenise the data with the tokenizer of this model")
    }

    private mutating func add(_ sample: TokenizedSample) {
        dataset.report.longestRecord = max(dataset.report.longestRecord, sample.count)
        guard sample.count > options.sequenceLength else {
            keep(sample)
            return
        }
        switch options.excessLength {
        case .drop: dataset.report.drop(.tooLong)
        case .truncate:
            var shorter = sample
            shorter.truncate(to: options.sequenceLength)
            if keep(shorter) { dataset.report.truncated += 1 }
        case .split:
            dataset.report.split += 1
            for start in stride(from: 0, to: sample.count, by: options.sequenceLength) {
                let end = min(start + options.sequenceLength, sample.count)
                keep(sample.part(start..<end))
            }
        }
    }

    /// Returns whether there is anything in it to train on.
    @discardableResult
    private mutating func keep(_ sample: TokenizedSample) -> Bool {
        let trained = sample.trainedCount
        if trained == 0 {
            dataset.report.drop(sample.count < 2 ? .empty : .nothingTrained)
            return false
        }
        dataset.report.keep(sample, trained: trained)
        dataset.samples.append(sample, trained: trained)
        return true
    }
}
