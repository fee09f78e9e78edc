import ApusBase
import FileTestSupport
import Testing

@testable import ApusFormats

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

    /// A page's header of a few bytes takes no memory for the gigabyte that it promises.
    @Test(arguments: [1, 2, 6, 7])
    func sizesThatNoCompressionReachesAreRefused(codec: Int) throws {
        let column = ParquetColumn(
            path: "x", type: .int32, typeLength: 0, isText: false, isUnsigned: false,
            maxDefinition: 0, maxRepetition: 0)
        // Thrift's compact form: kind 0, 2^30 bytes, of which 8 are stored, one value, plain.
        let page: [UInt8] =
            [0x15, 0, 0x15, 0x80, 0x80, 0x80, 0x80, 0x08, 0x15, 16]
            + [0x2C, 0x15, 2, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0] + [UInt8](repeating: 1, count: 8)
        let problem = page.withUnsafeBytes { bytes in
            do throws(ParquetFault) {
                var pages = ParquetPages(bytes, column, codec: codec)
                _ = try pages.read(0..<bytes.count, count: 1)
                return "none"
            } catch {
                return error.problem
            }
        }
        #expect(problem == "column \"x\": a page of 1073741824 bytes cannot stand in 8")
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
