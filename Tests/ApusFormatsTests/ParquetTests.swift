import ApusBase
import ApusFormats
import Testing

@Suite struct ParquetTests {
    static let ways = ["plain", "snappy", "gzip", "zstd", "lz4", "delta"]

    func expected() throws -> [JSON] {
        let text = String(decoding: try bytes(golden("parquet/rows.jsonl")), as: UTF8.self)
        return try text.split(separator: "\n").map { try JSON.parse(String($0)) }
    }

    func rows(_ file: ParquetFile) throws -> [JSON] {
        try file.rowGroups.indices.flatMap { try file.rows(ofGroup: $0) }
    }

    @Test(arguments: ways) func readsTheRowsThatPyarrowWrote(way: String) throws {
        let file = try ParquetFile(path: golden("parquet/\(way).parquet"))
        let expected = try expected()
        #expect(file.rowCount == expected.count)
        #expect(file.columnNames.first == "text" && file.columnNames.count == 12)
        for (row, (ours, theirs)) in zip(try rows(file), expected).enumerated() {
            #expect(ours == theirs, "row \(row)")
        }
    }

    @Test func rowGroupsAreReadOneByOne() throws {
        let file = try ParquetFile(path: golden("parquet/zstd.parquet"))
        #expect(file.rowGroups == [0..<37, 37..<74, 74..<100])
        let last = try file.rows(ofGroup: 2)
        #expect(last.count == 26 && last[0]["int32"] == .integer(74 * 3 - 50))
    }

    @Test func whatIsNoParquetFileIsRefused() throws {
        let folder = try TemporaryFolder()
        func problem(_ content: [UInt8]) throws -> String {
            let path = try folder.write("a.parquet", content)
            return failure { _ = try ParquetFile(path: path) }
        }
        #expect(try problem([]).contains("does not begin with \"PAR1\""))
        #expect(try problem(Array("PAR1PAR1PAR2".utf8)).contains("does not end with \"PAR1\""))
        let long = Array("PAR1".utf8) + [255, 255, 0, 0] + Array("PAR1".utf8)
        #expect(try problem(long).contains("metadata of 65535 bytes"))
        let whole = try bytes(golden("parquet/snappy.parquet"))
        #expect(try problem(Array(whole.dropLast(100))) != "no error")
    }
}
