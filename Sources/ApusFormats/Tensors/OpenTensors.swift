public import ApusBase

/// Opens the weights at a path: a `.safetensors` or `.gguf` file, a file of PyTorch (`.bin`, `.pt`,
/// `.pth`), an index file, or a model folder.
public func openTensors(at path: String) throws(FileError) -> any TensorSource {
    if FilePaths.isFolder(path) { return try openFolder(path) }
    if path.hasSuffix(".index.json") { return try ShardedTensors(indexPath: path) }
    if path.hasSuffix(".safetensors") { return try SafetensorsFile(path: path) }
    if path.hasSuffix(".gguf") { return try GGUFFile(path: path) }
    if [".bin", ".pt", ".pth"].contains(where: { path.hasSuffix($0) }) {
        return try PickledTensors(path: path)
    }
    guard FilePaths.isFile(path) else {
        throw FileError(path, "there is no such file or folder", remedy: "check the path")
    }
    throw FileError(
        path, "is no kind of model file known here",
        remedy: "give a folder with weights, or a .safetensors, .gguf or .bin file")
}

/// Safetensors before the older PyTorch files, as `transformers` does.
private func openFolder(_ folder: String) throws(FileError) -> any TensorSource {
    for names in [ModelIndex.safetensors, ModelIndex.pytorch] {
        for name in [names.single, names.index] {
            let path = FilePaths.join(folder, name)
            if FilePaths.isFile(path) { return try openTensors(at: path) }
        }
    }
    throw FileError(
        folder, "holds neither \(ModelIndex.safetensors.single) nor its index",
        likelyCause: "the path is not that of a model",
        remedy: "give the folder with config.json and weights")
}
