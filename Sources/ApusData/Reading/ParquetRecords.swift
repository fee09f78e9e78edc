internal import ApusBase
internal import ApusFormats
internal import Synchronization

/// The rows of a Parquet file. One row group is kept decoded: the one that was read last.
final class ParquetRecords: RecordFile {
    private struct Decoded {
        var rows: [JSON] = []
        var first = 0
    }

    private let file: ParquetFile
    private let decoded = Mutex(Decoded())

    init(path: String) throws(FileError) { file = try ParquetFile(path: path) }

    var path: String { file.path }
    var count: Int { file.rowCount }

    /// There are no lines; rows are counted from 1 instead.
    func line(of index: Int) -> Int { index + 1 }

    func record(_ index: Int) throws(FileError) -> JSON {
        let result = decoded.withLock { decoded in
            Result { () throws(FileError) -> JSON in
                if !decoded.rows.indices.contains(index - decoded.first) {
                    let group = file.rowGroups.firstIndex { $0.contains(index) }!
                    decoded.rows = try file.rows(ofGroup: group)
                    decoded.first = file.rowGroups[group].lowerBound
                }
                return decoded.rows[index - decoded.first]
            }
        }
        return try result.get()
    }
}
