import ApusBase
import ApusFormats
import ApusModels
import ApusNN
import ApusTensor
import FileTestSupport
import Testing

/// A folder that `Tools/goldens/encoders.py` wrote, and what transformers computed with it.
struct EncoderFixture: Sendable, CustomTestStringConvertible {
    let kind: String
    let name: String

    static func all(_ kind: String) -> [EncoderFixture] {
        let names = (try? FilePaths.names(in: FilePaths.join(ModelFixture.root, kind))) ?? []
        return names.map { EncoderFixture(kind: kind, name: $0) }
    }

    var testDescription: String { "\(kind)/\(name)" }
    var folder: String { FilePaths.join(ModelFixture.root, "\(kind)/\(name)") }

    func expected() throws -> JSON { try readJSON(FilePaths.join(folder, "expected.json")) }

    func tensor(_ name: String) throws -> [Float] {
        try SafetensorsFile(path: FilePaths.join(folder, "expected.safetensors")).floats(name)
    }

    /// The padded batch.
    func batch() throws -> (tokens: Tensor, context: SequenceContext) {
        let expected = try expected()
        var context = SequenceContext()
        context.keyIsValid = try tokens(expected["attention_mask"]).isNotEqual(to: 0)
        context.tokenTypes = try expected["token_type_ids"].map { try tokens($0) }
        return (try tokens(expected["input_ids"]), context)
    }

    /// Of `[batch, length, ...]`: the places that are no padding.
    func visible(_ values: Tensor) throws -> [Float] {
        let valid = try tokens(expected()["attention_mask"]).reshape(-1).ints()
        let places = valid.enumerated().compactMap { $1 == 0 ? nil : $0 }
        return values.reshape(-1, values.size(-1)).indexSelect(0, Tensor(places)).floats()
    }
}

/// The BERT family computes what transformers computes.
@Suite struct EncoderTests {
    static let fixtures = EncoderFixture.all("encoders")

    @Test func thereAreFixtures() { #expect(Self.fixtures.count >= 4) }

    @Test(arguments: fixtures)
    func hiddenStatesLogitsLossAndGradientsEqual(_ fixture: EncoderFixture) throws {
        let model = try PretrainedModel(path: fixture.folder).makeModel(dtype: .float32)
        let (batch, context) = try fixture.batch()
        let hidden = withoutGradient { model.hiddenStates(batch, context) }
        #expect(largestDifference(try fixture.visible(hidden), try fixture.tensor("hidden")) < 1e-5)
        let logits = withoutGradient { model.logits(batch, context) }
        #expect(largestDifference(try fixture.visible(logits), try fixture.tensor("logits")) < 1e-5)

        for parameter in model.store.parameters { parameter.value.requiringGradient() }
        let labels = try tokens(fixture.expected()["labels"])
        let count = labels.isNotEqual(to: -100).sum().intItem()
        let mean = model.lossSum(tokens: batch, labels: labels, context) / Double(count)
        mean.backward()
        let loss = try #require(fixture.expected()["loss"]?.doubleValue)
        #expect(abs(mean.item() - loss) < 1e-6 * loss)
        try expectGradients(of: model.store, fixture.expected()["gradients"])
    }

    @Test(arguments: fixtures)
    func savedFoldersHoldTheSame(_ fixture: EncoderFixture) throws {
        let folder = try TemporaryFolder()
        let pretrained = try PretrainedModel(path: fixture.folder)
        let model = try pretrained.makeModel(dtype: .float32)
        try ModelSaver(pretrained, dtype: .float32).save(model.store, to: folder.path)
        let (before, after) = (
            try openTensors(at: fixture.folder), try openTensors(at: folder.path)
        )
        // transformers keeps a second bias beside an untied head, which nothing uses.
        let unused = try pretrained.check(model.store.specs)
        #expect(unused.count <= (fixture.name == "bert-untied" ? 1 : 0))
        #expect(Set(after.names) == Set(before.names).subtracting(unused))
        for name in after.names { #expect(try after.floats(name) == before.floats(name)) }
    }

    /// Packed documents see only themselves, also in an encoder.
    @Test func packedDocumentsDoNotSeeEachOther() throws {
        let pretrained = try PretrainedModel(path: Self.fixtures[0].folder)
        let model = try pretrained.makeModel(dtype: .float32)
        let (first, second) = ([5, 17, 99, 23], [31, 8, 64, 77, 12, 40])
        var packed = SequenceContext()
        packed.documents = Tensor([0, 0, 0, 0, 1, 1, 1, 1, 1, 1], shape: [1, 10])
        packed.positions = Tensor([0, 1, 2, 3, 0, 1, 2, 3, 4, 5], shape: [1, 10])
        withoutGradient {
            let together = model.hiddenStates(Tensor(first + second, shape: [1, 10]), packed)
            let alone = model.hiddenStates(Tensor(second, shape: [1, 6]), SequenceContext())
            let part = together.slice(1, 4..<10)
            #expect(largestDifference(part.floats(), alone.floats()) < 1e-5)
        }
    }

    @Test func encodersContinueNoText() throws {
        let model = try PretrainedModel(path: Self.fixtures[0].folder).makeModel(dtype: .float32)
        #expect(throws: GenerationError.self) {
            try TokenGenerator(model, GenerationOptions()).generate([[3, 4]])
        }
    }

    /// Files of the first BERT call a norm's parts gamma and beta, and have no outer prefix.
    @Test func oldNamesAreUnderstood() throws {
        let fixture = EncoderFixture(kind: "encoders", name: "bert")
        let folder = try TemporaryFolder(copying: fixture.folder)
        let source = try openTensors(at: fixture.folder)
        func old(_ name: String) -> String {
            name.replacing("LayerNorm.weight", with: "LayerNorm.gamma")
                .replacing("LayerNorm.bias", with: "LayerNorm.beta")
                .replacing(/^bert\./, with: "")
        }
        let path = folder / "model.safetensors"
        try FilePaths.remove(path)
        let writer = try SafetensorsWriter(
            path: path,
            tensors: source.names.map { .init(old($0), .f32, shape: source.entry($0)!.shape) })
        for name in source.names {
            try source.floats(name).withUnsafeBytes { try writer.write(old(name), $0) }
        }
        try writer.finish()
        let model = try PretrainedModel(path: folder.path).makeModel(dtype: .float32)
        let (batch, context) = try fixture.batch()
        let logits = withoutGradient { model.logits(batch, context) }
        #expect(largestDifference(try fixture.visible(logits), try fixture.tensor("logits")) < 1e-5)
    }
}

/// Heads for sequences, on encoders and decoders.
@Suite struct SequenceClassifierTests {
    static let fixtures = EncoderFixture.all("classifiers")

    @Test func thereAreFixtures() { #expect(Self.fixtures.count >= 10) }

    @Test(arguments: fixtures)
    func logitsLossAndGradientsEqual(_ fixture: EncoderFixture) throws {
        let classifier = try PretrainedModel(path: fixture.folder).makeClassifier(dtype: .float32)
        let (batch, context) = try fixture.batch()
        let logits = withoutGradient { classifier.logits(batch, context) }
        let wanted = try fixture.tensor("logits")
        let bound = max(1e-5, 1e-6 * (wanted.map(abs).max() ?? 0))
        #expect(largestDifference(logits.floats(), wanted) < bound)

        for parameter in classifier.store.parameters { parameter.value.requiringGradient() }
        let labels = try #require(fixture.expected()["labels"]?.arrayValue)
        let rows = labels.map { $0.arrayValue ?? [$0] }
        let numbers = rows.flatMap { $0 }.compactMap(\.doubleValue)
        let isSingle = classifier.problem == .singleLabel
        let targets = isSingle ? Tensor(numbers.map { Int($0) }) : Tensor(numbers.map { Float($0) })
        let shaped = rows[0].count > 1 ? targets.reshape(rows.count, rows[0].count) : targets
        let sum = classifier.lossSum(tokens: batch, targets: shaped, context)
        let mean = sum / Double(isSingle ? rows.count : numbers.count)
        mean.backward()
        let loss = try #require(fixture.expected()["loss"]?.doubleValue)
        #expect(abs(mean.item() - loss) < 2e-6 * abs(loss))
        try expectGradients(of: classifier.store, fixture.expected()["gradients"])
    }

    @Test(arguments: fixtures)
    func savedFoldersHoldTheSame(_ fixture: EncoderFixture) throws {
        let folder = try TemporaryFolder()
        let pretrained = try PretrainedModel(path: fixture.folder)
        let classifier = try pretrained.makeClassifier(dtype: .float32)
        try ModelSaver(pretrained, dtype: .float32).save(classifier.store, to: folder.path)
        let (before, after) = (
            try openTensors(at: fixture.folder), try openTensors(at: folder.path)
        )
        #expect(Set(after.names) == Set(before.names))
        for name in before.names { #expect(try after.floats(name) == before.floats(name)) }
    }

    @Test func kindsOfProblemsThatThereAreNot() throws {
        let fixture = EncoderFixture(kind: "classifiers", name: "bert")
        let folder = try TemporaryFolder(copying: fixture.folder)
        var json = try #require(readJSON(folder / "config.json").objectValue)
        json["problem_type"] = "guessing"
        try folder.write("config.json", json)
        let pretrained = try PretrainedModel(path: folder.path)
        let text = failure { _ = try pretrained.makeClassifier(dtype: .float32) }
        #expect(text.contains("problem_type"))
    }
}

/// Vectors of sequences.
@Suite struct TextEmbedderTests {
    @Test(arguments: [
        ("pooling_mode_mean_tokens", TextEmbedder.Pooling.mean),
        ("pooling_mode_cls_token", .firstToken), ("pooling_mode_max_tokens", .maximum),
        ("pooling_mode_lasttoken", .lastToken),
    ])
    func poolingsLeavePaddingOut(_ key: String, _ pooling: TextEmbedder.Pooling) throws {
        let fixture = EncoderFixture(kind: "encoders", name: "bert")
        let folder = try TemporaryFolder(copying: fixture.folder)
        try FilePaths.createFolder(folder / "1_Pooling")
        try folder.write("1_Pooling/config.json", [key: true, "word_embedding_dimension": 32])
        let embedder = try PretrainedModel(path: folder.path).makeEmbedder(dtype: .float32)
        #expect(embedder.pooling == pooling)
        #expect(!embedder.normalizes)
        let (batch, context) = try fixture.batch()
        let vectors = withoutGradient { embedder(batch, context) }
        // transformers' hidden states without the padding: rows of 20, 13 and 7 tokens.
        let hidden = Tensor(try fixture.tensor("hidden"), shape: [40, 32])
        for (row, range) in [0..<20, 20..<33, 33..<40].enumerated() {
            let states = hidden[range]
            let wanted =
                switch pooling {
                case .mean: states.mean(0)
                case .maximum: states.max(0)
                case .firstToken: states[0]
                case .lastToken: states[states.size(0) - 1]
                }
            #expect(largestDifference(vectors[row].floats(), wanted.floats()) < 1e-5)
        }
    }

    @Test func decodersGiveNormalizedVectorsWhereAsked() throws {
        let folder = try TemporaryFolder(copying: ModelFixture(name: "qwen3").folder)
        let modules: JSON = [["type": "sentence_transformers.models.Normalize"]]
        try OutputFile.write(modules.text(), to: folder / "modules.json")
        let embedder = try PretrainedModel(path: folder.path).makeEmbedder(dtype: .float32)
        #expect(embedder.pooling == .lastToken)
        let vectors = withoutGradient { embedder(Tensor([5, 6, 7, 8, 9, 10], shape: [2, 3])) }
        for length in vectors.norm(-1).floats() { #expect(abs(length - 1) < 1e-6) }
    }
}
