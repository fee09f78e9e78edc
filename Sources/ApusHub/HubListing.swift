internal import ApusBase

/// The files of a model at one commit, as `/api/models/NAME/revision/REVISION?blobs=true` lists
/// them.
struct HubListing {
    struct File: Hashable {
        let name: String
        let size: Int
        let digest: FileDigest
    }

    let commit: String
    let files: [File]

    /// Nil for what is no such list.
    init?(_ json: JSON) {
        guard let commit = json["sha"]?.stringValue, HubCache.isCommit(commit),
            let siblings = json["siblings"]?.arrayValue
        else { return nil }
        self.commit = commit
        files = siblings.compactMap { File($0) }
    }

    /// What a model is made of. Of weights in several formats, safetensors; other formats and the
    /// originals of converted models are left where they are.
    var needed: [File] {
        let top = files.filter { !$0.name.contains("/") }
        let hasSafetensors = top.contains { $0.name.hasSuffix(".safetensors") }
        let weights = hasSafetensors ? ".safetensors" : ".bin"
        return files.filter { file in
            if file.name.hasPrefix("additional_chat_templates/") { return true }
            guard !file.name.contains("/") else { return false }
            if file.name.hasSuffix(".index.json") {
                return file.name.hasSuffix(weights + ".index.json")
            }
            return file.name.hasSuffix(weights) || Self.isText(file.name)
        }
    }

    private static func isText(_ name: String) -> Bool {
        [".json", ".jinja", ".model", ".txt"].contains { name.hasSuffix($0) }
            || name.hasPrefix("LICENSE")
    }
}

extension HubListing.File {
    fileprivate init?(_ json: JSON) {
        guard let name = json["rfilename"]?.stringValue, Self.isSafe(name) else { return nil }
        if let large = json["lfs"], let hash = large["sha256"]?.stringValue,
            let size = large["size"]?.intValue ?? json["size"]?.intValue
        {
            self.init(name: name, size: size, digest: .sha256(hash.lowercased()))
        } else if let hash = json["blobId"]?.stringValue, let size = json["size"]?.intValue {
            self.init(name: name, size: size, digest: .git(hash.lowercased()))
        } else {
            return nil
        }
        guard size >= 0, digest.isWellFormed else { return nil }
    }

    /// A name must not lead out of the snapshot's folder.
    private static func isSafe(_ name: String) -> Bool {
        !name.isEmpty && !name.contains("\0")
            && name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
                !$0.isEmpty && $0 != "." && $0 != ".."
            }
    }
}
