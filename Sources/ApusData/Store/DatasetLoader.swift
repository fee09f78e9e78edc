internal import ApusBase

/// Collects samples, the account, and the faults of records.
struct DatasetLoader {
    private let options: Dataset.Options
    private var dataset = Dataset()
    private var faults = FaultList()
    /// Once there was too much for memory.
    private var spill: TokenSpill?

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
            let fault = FaultList.fault {
                let sample = try builder.sample(try file.record(index))
                try checkIDs(sample)
                add(sample, Place(path: file.path, line: { file.line(of: index) }))
            }
            if let fault { faults.note(file, index, fault) }
            try spillIfNeeded()
        }
    }

    /// Where a record stands; its line is counted only when somebody is told.
    private struct Place {
        let path: String
        let line: () -> Int
    }

    private mutating func spillIfNeeded() throws(FileError) {
        guard let folder = options.scratchFolder,
            dataset.samples.heldCount >= options.memoryTokens
        else { return }
        if spill == nil { spill = try TokenSpill(folder: folder) }
        try spill?.append(dataset.samples.takeTokens())
    }

    mutating func finished() throws -> Dataset {
        try faults.check()
        if let spill {
            try spill.append(dataset.samples.takeTokens())
            dataset.samples.read(from: try spill.finish())
        }
        return dataset
    }

    private func checkIDs(_ sample: TokenizedSample) throws(SampleBuilder.Fault) {
        guard let limit = options.vocabularySize else { return }
        let largest = max(sample.inputIDs.max() ?? 0, sample.labels.max() ?? 0)
        guard Int(largest) >= limit else { return }
        throw .init(
            problem: "token \(largest) is not in the model's vocabulary of \(limit)",
            remedy: "tokenise the data with the tokenizer of this model")
    }

    private mutating func add(_ sample: TokenizedSample, _ place: Place) {
        dataset.report.longestRecord = max(dataset.report.longestRecord, sample.count)
        guard sample.count > options.sequenceLength else {
            if !keep(sample) {
                let reason: DataReport.DropReason = sample.count < 2 ? .empty : .nothingTrained
                note(.dropped(reason), sample, place)
            }
            return
        }
        switch options.excessLength {
        case .drop:
            dataset.report.drop(.tooLong)
            note(.dropped(.tooLong), sample, place)
        case .truncate:
            var shorter = sample
            shorter.truncate(to: options.sequenceLength)
            guard keep(shorter) else { return note(.dropped(.nothingTrained), sample, place) }
            dataset.report.truncated += 1
            note(.truncated, sample, place)
        case .split:
            dataset.report.split += 1
            note(.split, sample, place)
            for start in stride(from: 0, to: sample.count, by: options.sequenceLength) {
                let end = min(start + options.sequenceLength, sample.count)
                keep(sample.part(start..<end))
            }
        }
    }

    private mutating func note(
        _ fate: Exclusion.Fate, _ sample: TokenizedSample, _ place: Place
    ) {
        let known = dataset.exclusions.count { $0.fate == fate }
        guard known < Exclusion.kept else { return }
        dataset.exclusions.append(
            Exclusion(
                path: place.path, line: place.line(), fate: fate, tokens: sample.count))
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

/// The records that cannot be used: all are looked at before anything is said.
struct FaultList {
    private var faults: [DataError.Fault] = []
    private var count = 0

    /// What is wrong with a record, by trying to use it.
    static func fault(_ work: () throws -> Void) -> SampleBuilder.Fault? {
        do {
            try work()
            return nil
        } catch let fault as SampleBuilder.Fault {
            return fault
        } catch let error as FileError {
            return .init(problem: error.problem, remedy: error.remedy)
        } catch {
            return .init(problem: "the chat template refuses it: \(error)")
        }
    }

    mutating func note(_ file: any RecordFile, _ index: Int, _ fault: SampleBuilder.Fault) {
        count += 1
        guard faults.count < DataError.listed else { return }
        let line = file.line(of: index)
        faults.append(
            .init(path: file.path, line: line, problem: fault.problem, remedy: fault.remedy))
    }

    func check() throws(DataError) {
        guard count == 0 else { throw DataError(faults: faults, count: count) }
    }
}
