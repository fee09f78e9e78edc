internal import ApusBase
internal import ApusFormats

/// The files of a tokenizer as they were read or made, so that a tuned model is saved with the very
/// bytes its base model came with.
struct TokenizerFiles: Sendable {
    struct File: Sendable, Hashable {
        /// Relative to the model folder.
        var name: String
        var text: String
    }

    var files: [File] = []

    static let tokenizer = "tokenizer.json"
    static let configuration = "tokenizer_config.json"
    static let chatTemplate = "chat_template.jinja"
    static let chatTemplateJSON = "chat_template.json"
    static let specialTokensMap = "special_tokens_map.json"
    static let templateFolder = "additional_chat_templates"

    /// Read by this library, or by others and copied for them.
    private static let names = [
        tokenizer, configuration, specialTokensMap, chatTemplate, chatTemplateJSON,
        "added_tokens.json", "vocab.json", "merges.txt",
    ]

    init() {}

    /// Reads what `folder` has.
    init(folder: String) throws(FileError) {
        for name in Self.names where FilePaths.isFile(FilePaths.join(folder, name)) {
            files.append(File(name: name, text: try Self.read(FilePaths.join(folder, name))))
        }
        let templates = FilePaths.join(folder, Self.templateFolder)
        guard FilePaths.isFolder(templates) else { return }
        for name in try FilePaths.names(in: templates) where name.hasSuffix(".jinja") {
            let text = try Self.read(FilePaths.join(templates, name))
            files.append(File(name: FilePaths.join(Self.templateFolder, name), text: text))
        }
    }

    private static func read(_ path: String) throws(FileError) -> String {
        let text = try MappedFile(path: path).withBytes { String(validating: $0, as: UTF8.self) }
        guard let text else { throw FileError(path, "the file is not valid UTF-8") }
        return text
    }

    subscript(name: String) -> String? { files.first { $0.name == name }?.text }

    /// Chat templates from files of their own, by name.
    var additionalTemplates: [String: String] {
        var result: [String: String] = [:]
        for file in files where file.name.hasPrefix(Self.templateFolder + "/") {
            let name = FilePaths.name(of: file.name).dropLast(".jinja".count)
            result[String(name)] = file.text
        }
        return result
    }

    func write(to folder: String) throws(FileError) {
        try FilePaths.createFolder(folder)
        for file in files {
            let path = FilePaths.join(folder, file.name)
            try FilePaths.createFolder(FilePaths.folder(of: path))
            try OutputFile.write(file.text, to: path)
        }
    }
}

extension Tokenizer {
    /// Writes the tokenizer's files into a model folder: those it was read from, unchanged, or
    /// those made from a GGUF vocabulary. Other tools then load the folder as they load the
    /// original.
    public func save(to folder: String) throws {
        try files.write(to: folder)
    }

    /// The same files as texts by name, relative to the model folder.
    public var fileTexts: [(name: String, text: String)] { files.files.map { ($0.name, $0.text) } }
}
