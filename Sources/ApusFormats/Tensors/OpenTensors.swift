public import ApusBase

/// Opens the weights at a path: a `.gguf` or `.safetensors` file, an index file, or a model folder.
public func openTensors(at path: String) throws(FileError) -> any TensorSource {
    if FilePaths.isFolder(path) { return try openFolder(path) }
    if path.hasSuffix(".gguf") { return try GGUFFile(path: path) }
    if path.hasSuffix(".index.json") { return try ShardedSafetensors(indexPath: path) }
    if path.hasSuffix(".safetensors") { return try SafetensorsFile(path: path) }
    guard FilePaths.isFile(path) else {
        throw FileError(path, "there is no such file or folder", remedy: "check the path")
    }
    throw FileError(
        path, "is no kind of model file known here",
        remedy: "give a folder with safetensors, a .safetensors or a .gguf file")
}

private func openFolder(_ folder: String) throws(FileError) -> any TensorSource {
    let single = FilePaths.join(folder, ModelIndex.singleFileName)
    if FilePaths.isFile(single) { return try SafetensorsFile(path: single) }
    let index = FilePaths.join(folder, ModelIndex.fileName)
    if FilePaths.isFile(index) { return try ShardedSafetensors(indexPath: index) }
    let names = try FilePaths.names(in: folder)
    let hasPickles = names.contains { $0.hasSuffix(".bin") || $0.hasSuffix(".pt") }
    throw FileError(
        folder, "holds neither \(ModelIndex.singleFileName) nor \(ModelIndex.fileName)",
        likelyCause: hasPickles
            ? "the weights are in pickle files (.bin, .pt)" : "the path is not that of a model",
        remedy: hasPickles
            ? "convert them to safetensors" : "give the folder with config.json and weights")
}
