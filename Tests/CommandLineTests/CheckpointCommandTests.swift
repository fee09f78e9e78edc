import ApusBase
import ProgramTestSupport
import Testing

/// `apus checkpoint` on real folders, with right and wrong arguments.
@Suite struct CheckpointCommandTests {
    private static func fixture(_ name: String) -> String {
        let tests = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2)
        return tests.joined(separator: "/") + "/ApusCheckpointTests/Fixtures/" + name
    }

    /// A checkpoint `ck`, imported from Accelerate, and what lines of shell do beside it.
    private func shell(_ lines: String) throws -> Program.Result {
        let scratch = try Scratch()
        let model = Self.fixture("accelerate")
        return try Program.shell(
            """
            cd '\(scratch.path)' && cp -r '\(model)' other && chmod -R u+w other &&
            apus checkpoint import other ck > imported || exit 99
            \(lines)
            """)
    }

    @Test func aCheckpointIsLookedIntoAndRewritten() throws {
        let result = try shell(
            """
            cat imported; apus checkpoint inspect ck --json > whole
            apus checkpoint reshard ck/ three/ --ranks 3 && apus checkpoint verify three
            mkdir empty; apus checkpoint reshard three empty && apus checkpoint inspect empty
            cmp ck/trainer.json empty/trainer.json; ls -d three* empty*
            """)
        #expect(result.exitCode == 0, "\(result.output)")
        #expect(result.output.contains("Accelerate or the HuggingFace trainer\n"))
        #expect(result.output.contains("three/: written in 3 parts\nthree: 4 files, "))
        #expect(result.output.contains("empty: step 3, written by 1 rank\n  1088 parameters, "))
        #expect(result.output.hasSuffix("empty\nthree\n"), "\(result.output)")
    }

    /// Every mistake has a message that names what is wrong and what to do, and changes nothing.
    @Test(arguments: [
        ("inspect nowhere", "nowhere: there is no such checkpoint"),
        ("inspect other", "other is a checkpoint of Accelerate\n  remedy: make one of Apus"),
        ("verify other", "apus checkpoint import other OUT"),
        ("inspect ck/manifest.json", "manifest.json: there is no such checkpoint"),
        ("reshard ck other", "other: is there already\n  remedy: choose another name"),
        ("reshard ck full/", "full: is there already"),
        ("reshard ck x --ranks 0", "--ranks must be from 1 to 9999."),
        ("reshard ck x --ranks 10000", "--ranks must be from 1 to 9999."),
        ("reshard ck", "Missing expected argument '<out>'"),
        ("export ck full", "full: is there already"),
        ("export ck full/f", "full/f: is there already"),
        ("export ck full --to gguf", "full: is there already"),
        ("export ck x --type f16", "--type is for --to gguf."),
        ("export ck x --to gguf --dtype bf16", "--dtype is for --to hf; use --type."),
        ("export ck x --to gguf --max-shard-size 1GB", "--max-shard-size is for --to hf."),
        ("export ck x --dtype fp64", "Please provide one of 'fp32', 'bf16' or 'fp16'."),
        ("export ck x --max-shard-size 0", "The value '0' is invalid"),
        ("export ck x --model nowhere", "nowhere: is no folder"),
        ("export ck x --model full", "full: holds no config.json"),
        ("export other x", "other: holds no config.json"),
        ("export nowhere x", "nowhere: there is no such file or folder"),
        ("import ck x", "ck is a checkpoint of Apus already\n  remedy: go on from it with"),
        ("import other ck", "ck: is there already"),
        ("import nowhere x", "nowhere: there is no such file or folder"),
        ("import full x", "full: holds no checkpoint and no weights of a kind known here"),
        ("import . x", "holds no checkpoint and no weights"),
        ("export ck ''", "'': is no name of a folder"),
        ("import other x --model nowhere", "nowhere: is no folder"),
        ("import other/optimizer.bin x", "optimizer.bin: holds no tensors by name"),
    ])
    func mistakesAreExplained(_ arguments: String, _ message: String) throws {
        let result = try shell(
            """
            mkdir full; echo kept > full/f; find . -type f | sort | xargs cksum > before
            apus checkpoint \(arguments) > said 2>&1; code=$?; cat said; rm said
            find . -type f ! -name before | sort | xargs cksum | cmp - before && exit $code
            """)
        #expect(result.exitCode == 1 || result.exitCode == 64, "\(result.output)")
        #expect(result.output.contains(message), "\(result.output)")
    }

    /// 128 MiB of weights in 16 tensors, with 32 MiB of memory for data and shards of 20 MB.
    @Test func memoryDoesNotGrowWithTheState() throws {
        let scratch = try Scratch()
        let size = 8 << 20
        let tensors = (0..<16).map {
            "\"t\($0)\":{\"dtype\":\"F32\",\"shape\":[2048,1024],"
                + "\"data_offsets\":[\($0 * size),\(($0 + 1) * size)]}"
        }
        let header = "{" + tensors.joined(separator: ",") + "}"
        let length = header.utf8.count
        scratch.write("header", header)
        scratch.write("config.json", "{}")
        let result = try Program.shell(
            """
            cd '\(scratch.path)'
            printf '\\\(String(length & 255, radix: 8))\\\(String(length >> 8, radix: 8))' > w
            printf '\\0\\0\\0\\0\\0\\0' >> w; cat header >> w
            mkdir m; mv w m/model.safetensors; mv config.json m
            truncate -s \(8 + length + 16 * size) m/model.safetensors
            ulimit -d 32768
            apus checkpoint import m ck && apus checkpoint reshard ck two --ranks 2 &&
            apus checkpoint verify two &&
            apus checkpoint export two hf --dtype fp32 --max-shard-size 20MB && ls hf | wc -l
            """)
        #expect(result.exitCode == 0, "\(result.output)")
        #expect(result.output.hasSuffix("hf: written and read back\n10\n"), "\(result.output)")
    }
}
