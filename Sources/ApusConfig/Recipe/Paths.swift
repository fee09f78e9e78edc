import ApusBase

/// Paths in a recipe are relative to the current directory; where nothing is there, but something
/// is beside the recipe, that is meant.
extension ResolvedRecipe {
    mutating func resolvePaths(_ problems: inout [Problem]) {
        resolve(\.model.baseModel, "base_model", &problems)
        if recipe.adapter.modelDirectory != nil {
            resolve(\.adapter.modelDirectory.orEmpty, "lora_model_dir", &problems)
        }
        for index in recipe.data.datasets.indices {
            resolve(\.data.datasets[index].path, "datasets.\(index).path", &problems)
        }
        for index in recipe.data.testDatasets.indices {
            resolve(\.data.testDatasets[index].path, "test_datasets.\(index).path", &problems)
        }
        resolveTemplate(&problems)
    }

    private mutating func resolve(
        _ location: WritableKeyPath<Recipe, String>, _ path: String, _ problems: inout [Problem]
    ) {
        let written = recipe[keyPath: location]
        guard !written.isEmpty, !pathLeadsSomewhere(written) else { return }
        if path == "base_model", isOnHub(written) { return }
        guard let beside = Self.besideRecipe(written, self.path), pathLeadsSomewhere(beside) else {
            let tried =
                written.hasPrefix("/") ? "" : " in the current directory or beside the recipe"
            problems.append(
                Problem(
                    origin(of: path), path: path,
                    "'\(path)': no file or folder '\(written)'\(tried)",
                    hint: hint(path)))
            return
        }
        recipe[keyPath: location] = beside
        origins[path]?.note = "found beside the recipe"
    }

    /// Whether this is the name of a model on a hub rather than a path that leads nowhere, whose
    /// first folder would be there.
    private func isOnHub(_ written: String) -> Bool {
        guard let name = HubName(written) else { return false }
        let folders = [name.organization, Self.besideRecipe(name.organization, path)]
        return !folders.compactMap { $0 }.contains(where: pathLeadsSomewhere)
    }

    /// Puts the folder where a model was found in the place of its name.
    public mutating func useModel(in folder: String) {
        let written = recipe.model.baseModel
        guard folder != written else { return }
        origins["base_model"]?.note = "\(written) in \(folder)"
        recipe.model.baseModel = folder
    }

    private func hint(_ path: String) -> String {
        path == "base_model"
            ? "give a HuggingFace folder, a GGUF file, or a model's name on the hub (org/name)"
            : "Apus reads local files only: JSON Lines, text, CSV or Parquet"
    }

    /// The path of something that lies in the folder of the recipe.
    static func besideRecipe(_ written: String, _ recipePath: String) -> String? {
        guard !written.hasPrefix("/"), let slash = recipePath.lastIndex(of: "/") else { return nil }
        return recipePath[...slash] + written
    }

    /// A template is told from a path by the braces that no template can do without.
    private mutating func resolveTemplate(_ problems: inout [Problem]) {
        guard let written = recipe.data.chatTemplateJinja, !written.contains("{") else { return }
        let name = "chat_template_jinja"
        let candidates = [written, Self.besideRecipe(written, path)].compactMap { $0 }
        guard let file = candidates.first(where: fileExists) else {
            problems.append(
                Problem(origin(of: name), path: name, "'\(name)': no file '\(written)'"))
            return
        }
        do {
            recipe.data.chatTemplateJinja = try readText(file)
            origins[name]?.note = "the text of \(file)"
        } catch {
            problems.append(Problem(origin(of: name), path: name, error.summary))
        }
    }
}

extension String? {
    /// For a key path into a value that is there.
    fileprivate var orEmpty: String {
        get { self ?? "" }
        set { self = newValue }
    }
}
