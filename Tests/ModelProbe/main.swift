// Loads model folders and writes them again: apus-model-probe KIND OUT FOLDER...
//
// KIND is what stands on the model: `model` (its own head), `classifier` or `embedder` (none). Each
// folder becomes OUT/KIND/NAME. Tools/checks/families_load.py asks transformers what they hold.

import ApusBase
import ApusFormats
import ApusModels
import ApusNN

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

let arguments = Array(CommandLine.arguments.dropFirst())
guard arguments.count > 2, ["model", "classifier", "embedder"].contains(arguments[0]) else {
    print("usage: apus-model-probe model|classifier|embedder OUT FOLDER...")
    exit(2)
}

func store(of model: PretrainedModel) throws -> ParameterStore {
    switch arguments[0] {
    case "classifier": try model.makeClassifier(dtype: .float32).store
    case "embedder": try model.makeEmbedder(dtype: .float32).model.store
    default: try model.makeModel(dtype: .float32).store
    }
}

do {
    for folder in arguments.dropFirst(2) {
        let model = try PretrainedModel(path: folder)
        let kind = FilePaths.join(arguments[1], arguments[0])
        let target = FilePaths.join(kind, FilePaths.name(of: folder))
        try ModelSaver(model, dtype: .float32).save(store(of: model), to: target)
    }
} catch let error as any OperationalError {
    print(error.description)
    exit(1)
}
