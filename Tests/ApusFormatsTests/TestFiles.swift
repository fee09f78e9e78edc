import ApusBase
import ApusFormats
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Files that `Tools/goldens/formats.py` wrote with the reference implementations.
func golden(_ name: String) -> String {
    FilePaths.join(FilePaths.folder(of: #filePath), "Goldens/" + name)
}

func bytes(_ path: String) throws -> [UInt8] { try MappedFile(path: path).withBytes { Array($0) } }

func floats(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

/// Reads a slice in another type, as raw bytes.
func read(
    _ source: some TensorSource, _ name: String, _ elements: Range<Int>, as dtype: DType
) throws(FileError) -> [UInt8] {
    let buffer = UnsafeMutableRawBufferPointer.allocate(
        byteCount: elements.count * dtype.byteCount, alignment: 64)
    defer { buffer.deallocate() }
    try source.read(name, elements: elements, as: dtype, into: buffer)
    return Array(buffer)
}

/// The summary of the file error that `body` throws.
func failure(_ body: () throws -> Void) -> String {
    do {
        try body()
        return "no error"
    } catch let error as FileError {
        return error.summary
    } catch {
        return "another error: \(error)"
    }
}
