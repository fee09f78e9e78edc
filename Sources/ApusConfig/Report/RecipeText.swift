import ApusBase

/// `apus config convert`: settings as the text of a recipe, each with its origin as a comment.
public enum RecipeText {
    /// The recipe with everything that was given, also by a DeepSpeed file.
    public static func text(of resolved: ResolvedRecipe) -> String {
        settings(resolved.givenSettings) + notes(resolved.importNotes)
    }

    /// The part of a recipe that another tool's file says.
    public static func text(of foreign: ForeignConfiguration) -> String {
        let head = "# From \(foreign.path) (\(foreign.tool)).\n"
        let open = foreign.automatic.map { "# \($0.key): \"auto\" in \($0.origin.text)\n" }
        return head + settings(foreign.settings) + open.joined() + notes(foreign.notes)
    }

    private static func settings(_ settings: [ImportedSetting]) -> String {
        // What the file under 'deepspeed' says stands in the recipe itself now.
        settings.filter { $0.key != "deepspeed" }.map(line).joined()
    }

    private static func line(_ setting: ImportedSetting) -> String {
        let comment = "  # \(setting.origin.text.firstLine)"
        switch setting.value {
        case .object(let object) where !object.isEmpty:
            return "\(setting.key):\(comment)\n" + block(setting.value, indent: 1)
        case .array(let elements) where !elements.isEmpty:
            return "\(setting.key):\(comment)\n" + block(setting.value, indent: 1)
        default: return "\(setting.key): \(setting.value.scalarText)\(comment)\n"
        }
    }

    /// A mapping or list as indented lines; JSON's scalars are YAML's.
    private static func block(_ value: JSON, indent: Int) -> String {
        let space = String(repeating: "  ", count: indent)
        switch value {
        case .object(let object):
            return object.members.filter { !$0.value.isNull }.map { key, member in
                member.isNested
                    ? "\(space)\(key):\n" + block(member, indent: indent + 1)
                    : "\(space)\(key): \(member.scalarText)\n"
            }.joined()
        case .array(let elements):
            return elements.map { element in
                guard element.isNested else { return "\(space)- \(element.scalarText)\n" }
                let inner = block(element, indent: indent + 1)
                return "\(space)- " + inner.dropFirst(space.count + 2)
            }.joined()
        default: return "\(space)\(value.scalarText)\n"
        }
    }

    private static func notes(_ notes: [ImportNote]) -> String {
        guard !notes.isEmpty else { return "" }
        let lines = notes.map { "#   \($0.path): \($0.value) (\($0.origin.text)): \($0.reason)\n" }
        return "\n# Without effect here:\n" + lines.joined()
    }
}

extension JSON {
    /// As YAML: a word stands for itself, other text in quotes.
    fileprivate var scalarText: String {
        guard case .string(let text) = self, text != "null", text.first?.isLetter == true,
            text.utf8.allSatisfy({ $0 < 128 }),
            text.allSatisfy({ $0.isLetter || $0.isNumber || "_-./".contains($0) })
        else { return self.text() }
        return text
    }

    fileprivate var isNested: Bool {
        switch self {
        case .object(let object): !object.isEmpty
        case .array(let elements): !elements.isEmpty
        default: false
        }
    }
}

extension String {
    fileprivate var firstLine: String {
        String(split(separator: "\n", maxSplits: 1).first ?? "")
    }
}
