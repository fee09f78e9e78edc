internal import ApusBase

/// `model.safetensors.index.json` and its like: which file holds which tensor.
struct ModelIndex {
    /// What a model's files are called: the only one, or the index of several.
    static let safetensors = (single: "model.safetensors", index: "model.safetensors.index.json")
    static let pytorch = (single: "pytorch_model.bin", index: "pytorch_model.bin.index.json")

    /// In the order of the file.
    let weightMap: [(name: String, file: String)]

    init(path: String) throws(FileError) {
        let file = try MappedFile(path: path)
        let json: JSON
        do {
            json = try file.withBytes { raw throws(JSONSyntaxError) in try JSON.parse(raw) }
        } catch {
            throw FileError(
                path, at: .offset(error.offset), "not valid JSON: \(error.problem)",
                likelyCause: "the file was cut off or damaged", remedy: "download it again")
        }
        guard let map = json["weight_map"]?.objectValue else {
            throw FileError(
                path, "has no object \"weight_map\"", likelyCause: "it is no index of a model")
        }
        var weightMap: [(name: String, file: String)] = []
        for (name, value) in map.members {
            guard let file = value.stringValue else {
                throw FileError(path, "weight_map \"\(name)\" is \(value.kind), not a file name")
            }
            // A name that leads elsewhere would let a downloaded model read any file of the user.
            guard !file.contains("/"), !file.contains("\0"), !file.isEmpty, file != ".." else {
                throw FileError(
                    path, "weight_map \"\(name)\" names \"\(file)\", no file of this folder")
            }
            weightMap.append((name, file))
        }
        self.weightMap = weightMap
    }

    /// The text as `transformers` writes it: sorted keys, two spaces, a final line end.
    static func text(weightMap: [String: String], parameters: Int, bytes: Int) -> String {
        var map = JSONObject()
        let names = weightMap.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        for name in names { map[name] = .string(weightMap[name]!) }
        let metadata: JSON = [
            "total_parameters": .integer(parameters), "total_size": .integer(bytes),
        ]
        let index: JSON = ["metadata": metadata, "weight_map": .object(map)]
        return index.text(.indented) + "\n"
    }

    /// `model-00002-of-00007.safetensors`, counted from 1.
    static func shardName(_ number: Int, of count: Int) -> String {
        "model-\(padded(number))-of-\(padded(count)).safetensors"
    }

    /// Whether this is a name that ``shardName(_:of:)`` makes.
    static func isShardName(_ name: String) -> Bool {
        guard name.hasPrefix("model-"), name.hasSuffix(".safetensors") else { return false }
        let numbers = name.dropFirst(6).dropLast(12).split(
            separator: "-", omittingEmptySubsequences: false)
        guard numbers.count == 3, numbers[1] == "of" else { return false }
        return [numbers[0], numbers[2]].allSatisfy { number in
            number.count == 5 && number.utf8.allSatisfy { (0x30...0x39).contains($0) }
        }
    }

    private static func padded(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }
}
