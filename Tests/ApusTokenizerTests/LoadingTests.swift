import ApusBase
import ApusFormats
import ApusTokenizer
import FileTestSupport
import Testing

@Suite("Reading tokenizer files")
struct LoadingTests {
    /// A fixture's tokenizer with one member changed; returns where the complaint is.
    private func complaint(_ path: [String], _ value: JSON?) throws -> TokenizerError? {
        func changed(_ json: JSON, _ path: ArraySlice<String>) -> JSON? {
            guard let key = path.first else { return value }
            guard var object = json.objectValue else { return json }
            object[key] = changed(object[key] ?? .object(JSONObject()), path.dropFirst())
            return .object(object)
        }
        let text = try required(changed(Fixture("smollm").tokenizerJSON, path[...])).text()
        return #expect(throws: TokenizerError.self) {
            try Tokenizer(tokenizerJSON: text, file: "model/")
        }
    }

    @Test("What is not supported is refused with file, place and type")
    func unsupported() throws {
        let splitter = try complaint(["pre_tokenizer"], ["type": "Psychic", "strength": 3])
        #expect(splitter?.file == "model/tokenizer.json")
        #expect(splitter?.location == "pre_tokenizer")
        #expect(splitter?.problem.contains("Psychic") == true)
        #expect(try complaint(["normalizer"], ["type": "Rot13"])?.location == "normalizer")
        #expect(try complaint(["decoder"], ["type": "Enigma"])?.location == "decoder")
        #expect(try complaint(["model", "type"], "Oracle")?.location == "model")
        #expect(try complaint(["model", "dropout"], 0.1)?.location == "model.dropout")
        #expect(try complaint(["post_processor"], ["type": "Stamp"])?.location == "post_processor")
        let nested: JSON = ["type": "Sequence", "pretokenizers": [["type": "Digits", "base": 8]]]
        #expect(
            try complaint(["pre_tokenizer"], nested)?.location == "pre_tokenizer.pretokenizers[0]")
        #expect(try complaint(["extra"], true)?.problem.contains("extra") == true)
    }

    @Test("Broken values are refused, never a crash")
    func broken() throws {
        #expect(try complaint(["model"], nil)?.problem.contains("model") == true)
        #expect(try complaint(["model", "vocab"], [1, 2])?.location == "model.vocab")
        #expect(try complaint(["model", "vocab", "x"], -1)?.location == #"model.vocab["x"]"#)
        #expect(try complaint(["model", "vocab", "x"], 3)?.problem.contains("twice") == true)
        #expect(try complaint(["model", "vocab", "x"], 1e15) != nil)
        #expect(try complaint(["model", "merges"], ["a"])?.location == "model.merges[0]")
        #expect(
            try complaint(["model", "merges"], [["a", "nowhere"]])?.location == "model.merges[0]")
        #expect(try complaint(["added_tokens"], [["id": 1]])?.location == "added_tokens[0]")
        let syntax = #expect(throws: TokenizerError.self) {
            try Tokenizer(tokenizerJSON: "{\"a\": ", file: "f/")
        }
        #expect(syntax?.location == "offset 6")
    }

    @Test("A folder without a tokenizer says which file is missing")
    func missingFile() throws {
        let folder = try TemporaryFolder()
        let error = #expect(throws: FileError.self) { try Tokenizer(folder: folder.path) }
        #expect(error?.path == folder.path + "/tokenizer.json")
    }

    private func write(_ name: String, _ text: String, in folder: TemporaryFolder) throws {
        try OutputFile.write(text, to: FilePaths.join(folder.path, name))
    }

    @Test("Special tokens and templates come from the files beside, the newest place first")
    func configuration() throws {
        let folder = try TemporaryFolder()
        try write("tokenizer.json", Fixture("smollm").tokenizerJSON.text(), in: folder)
        try write(
            "special_tokens_map.json", #"{"bos_token": "a", "unk_token": "<|endoftext|>"}"#,
            in: folder)
        try write(
            "tokenizer_config.json",
            #"""
            {"bos_token": {"__type": "AddedToken", "content": "<|im_start|>"},
             "eos_token": "<|im_end|>",
             "pad_token": null, "model_max_length": 1e30, "add_bos_token": false,
             "chat_template": [
                {"name": "default", "template": "D"}, {"name": "tool_use", "template": "T"}],
             "added_tokens_decoder": {"900": {"content": "<new>", "special": true}}}
            """#, in: folder)
        let tokenizer = try Tokenizer(folder: folder.path)
        #expect(tokenizer.configuration.beginningOfText == "<|im_start|>")
        #expect(tokenizer.endOfTextID == tokenizer.id(of: "<|im_end|>"))
        #expect(tokenizer.unknownID == 0)
        #expect(tokenizer.paddingID == nil)
        #expect(tokenizer.configuration.maximumLength == nil)
        #expect(tokenizer.configuration.chatTemplates == ["default": "D", "tool_use": "T"])
        #expect(tokenizer.encode("<new>") == [900])
        #expect(tokenizer.vocabularySize == 901)
        try write("chat_template.jinja", "J", in: folder)
        #expect(try Tokenizer(folder: folder.path).configuration.chatTemplate == "J")
    }

    @Test("Saving copies the files byte for byte")
    func saving() throws {
        let (source, copy) = (try TemporaryFolder(), try TemporaryFolder())
        let text = try Fixture("smollm").tokenizerJSON.text(.indented)
        try write("tokenizer.json", text, in: source)
        try write("chat_template.jinja", "x\n", in: source)
        try Tokenizer(folder: source.path).save(to: copy.path)
        #expect(try FilePaths.names(in: copy.path) == ["chat_template.jinja", "tokenizer.json"])
        let saved = try MappedFile(path: copy.path + "/tokenizer.json").withBytes { Array($0) }
        #expect(saved == Array(text.utf8))
    }

    @Test("Ids and texts of tokens", arguments: ["smollm", "llama3"])
    func tokens(kind: String) throws {
        let tokenizer = try Fixture(kind).tokenizer()
        for id in 0..<Int32(tokenizer.vocabularySize) {
            let token = try required(tokenizer.token(of: id))
            #expect(tokenizer.id(of: token) == id)
        }
        #expect(tokenizer.token(of: -1) == nil)
        #expect(tokenizer.token(of: .max) == nil)
        #expect(tokenizer.id(of: "no such token") == nil)
        #expect(tokenizer.decode([-5, .max]) == "")
    }

    @Test(
        "A batch on several threads gives what one text after another gives", arguments: [1, 2, 5])
    func batches(threadCount: Int) throws {
        let tokenizer = try Fixture("qwen2").tokenizer()
        let texts = (0..<100).map { "text \($0) é\u{301} " + String(repeating: "ab ", count: $0) }
        let batch = tokenizer.encodeBatch(texts, threadCount: threadCount)
        #expect(batch == texts.map { tokenizer.encode($0) })
        #expect(tokenizer.encodeBatch([], threadCount: threadCount).isEmpty)
    }
}
