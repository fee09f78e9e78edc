internal import ApusBase
internal import ApusFormats

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Fetches a model into the cache. A transfer that broke off is continued where it ended; a file
/// takes its place only when its hash is the one that the hub names.
struct HubDownload {
    let settings: HubSettings
    let curl: Curl
    let model: HubName
    let cache: HubCache
    let proxy: HubProxy?

    func snapshot(
        revision: String, showsProgress: Bool, report: (Hub.Event) -> Void
    ) throws -> String {
        let listing = try list(revision)
        let files = listing.needed
        let bytes = files.reduce(0) { $0 + $1.size }
        try FilePaths.createFolder(FilePaths.join(cache.folder, "blobs"))
        let missing = files.filter { !FilePaths.isFile(cache.blob($0.digest.text)) }
        let size = missing.reduce(0) { $0 + $1.size }
        try FreeSpace.check(cache.folder, for: model.description, needs: size)
        for file in files {
            try fetch(file, of: listing.commit, showsProgress: showsProgress, report: report)
            try cache.link(file.name, of: listing.commit, to: file.digest.text)
        }
        try cache.setReference(revision, to: listing.commit)
        guard HubCache.isComplete(cache.snapshot(listing.commit)) else {
            throw HubError(
                "\(model) has \(files.count) files (\(ByteCount(bytes).decimal)), but they are no "
                    + "model that Apus reads",
                likelyCause: "its weights are in another format, or an adapter's",
                remedy: "give a model with config.json and safetensors")
        }
        return cache.snapshot(listing.commit)
    }

    private func list(_ revision: String) throws -> HubListing {
        let url = "\(settings.endpoint)/api/models/\(model)/revision/\(revision)?blobs=true"
        let path = FilePaths.join(cache.folder, "listing.\(getpid()).json")
        try FilePaths.createFolder(cache.folder)
        unlink(path)
        defer { unlink(path) }
        let what = "\(model) (\(revision), no folder here)"
        try transfer(url, to: path, what: what, showsProgress: false)
        let json = try MappedFile(path: path).withBytes { raw in
            Result { () throws(JSONSyntaxError) in try JSON.parse(raw) }
        }
        guard let listing = (try? json.get()).flatMap({ HubListing($0) }) else {
            throw HubError(
                "\(url) answered with no list of files",
                likelyCause: "the server is no hub, or asks to sign in first",
                remedy: "check HF_ENDPOINT and the network's proxy")
        }
        return listing
    }

    private func fetch(
        _ file: HubListing.File, of commit: String, showsProgress: Bool,
        report: (Hub.Event) -> Void
    ) throws {
        let blob = cache.blob(file.digest.text)
        if FilePaths.isFile(blob) { return }
        let locks = FilePaths.join(settings.cache, ".locks/" + FilePaths.name(of: cache.folder))
        let lock = try FileLock(path: FilePaths.join(locks, file.digest.text + ".lock"))
        defer { withExtendedLifetime(lock) {} }
        // Another process may have fetched it meanwhile.
        if FilePaths.isFile(blob) { return }
        report(.fetching(file: file.name, bytes: file.size))
        let partial = blob + ".incomplete"
        if size(of: partial) > file.size { unlink(partial) }
        if size(of: partial) < file.size || file.size == 0 {
            let url = "\(settings.endpoint)/\(model)/resolve/\(commit)/\(Self.escaped(file.name))"
            try transfer(url, to: partial, what: file.name, showsProgress: showsProgress)
        }
        // A server may send nothing for an empty file.
        if file.size == 0, !FilePaths.isFile(partial) { try OutputFile.write("", to: partial) }
        guard try file.digest.fits(partial) else {
            unlink(partial)
            throw HubError(
                "\(file.name) of \(model) arrived with other content than the hub announces",
                likelyCause: "a damaged transfer, or a proxy that changes files",
                remedy: "try again; what arrived was removed")
        }
        guard rename(partial, blob) == 0 else {
            throw FileError(partial, "cannot be renamed: \(String(cString: strerror(errno)))")
        }
    }

    private func transfer(
        _ url: String, to path: String, what: String, showsProgress: Bool
    ) throws(HubError) {
        do throws(Curl.Failure) {
            do throws(Curl.Failure) {
                try curl.download(url, to: path, showsProgress: showsProgress)
            } catch where error.cannotResume {
                unlink(path)
                try curl.download(url, to: path, showsProgress: showsProgress)
            }
        } catch {
            let reason = TransferFailure(error, proxy: proxy)
            throw HubError(
                "\(what) cannot be fetched from \(settings.endpoint): \(error.message)",
                likelyCause: reason.likelyCause, remedy: reason.remedy)
        }
    }

    private func size(of path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    private static func escaped(_ name: String) -> String {
        name.utf8.map { byte in
            let isPlain = byte.isASCIILetterOrDigit || "-_.~/".utf8.contains(byte)
            return isPlain
                ? String(UnicodeScalar(byte))
                : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }.joined()
    }
}

extension UInt8 {
    fileprivate var isASCIILetterOrDigit: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}
