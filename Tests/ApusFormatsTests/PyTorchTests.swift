import ApusBase
import ApusFormats
import Testing

/// Files of torch.save, Accelerate and DeepSpeed, written by `Tools/goldens/pytorch.py` and
/// `deepspeed_files.py`.
@Suite struct PyTorchTests {
    private func file(_ name: String) throws -> PyTorchFile {
        try PyTorchFile(path: golden("pytorch/" + name))
    }

    // MARK: Tensors

    /// Contiguous and strided tensors of every type, in both formats and out of a deflated archive.
    @Test(arguments: ["weights.bin", "deflated.pt", "legacy.pt"])
    func tensorsAreThoseOfPyTorch(name: String) throws {
        let tensors = try PickledTensors(path: golden("pytorch/" + name))
        let expected = try SafetensorsFile(path: golden("pytorch/weights.safetensors"))
        #expect(tensors.names.count == (name == "legacy.pt" ? 18 : 20))
        for name in tensors.names {
            let entry = try #require(tensors.entry(name))
            let other = try #require(expected.entry(name))
            #expect(entry.shape == other.shape, "\(name)")
            let dtype = try #require(other.dtype)
            let all = 0..<entry.elementCount
            #expect(
                try read(tensors, name, all, as: dtype) == read(expected, name, all, as: dtype),
                "\(name)")
            guard entry.elementCount > 2 else { continue }
            let inner = 1..<(entry.elementCount - 1)
            #expect(
                try read(tensors, name, inner, as: dtype) == read(expected, name, inner, as: dtype),
                "a part of \(name)")
        }
    }

    @Test func storedTensorsKeepTypeLayoutAndSharing() throws {
        let value = try file("weights.bin").value
        let base = try #require(value["float32"]?.tensor)
        let turned = try #require(value["transposed"]?.tensor)
        let part = try #require(value["part"]?.tensor)
        #expect(turned.storage === base.storage)
        #expect(turned.shape == [6, 4] && turned.strides == [1, 6] && !turned.isContiguous)
        #expect(part.shape == [2, 6] && part.offset == 6 && part.isContiguous)
        #expect(value["float64"]?.tensor?.storage !== base.storage)
        #expect(value["bfloat16"]?.tensor?.dtype == .bf16)
        #expect(value["float8"]?.tensor?.dtype == .f8E4M3)
        #expect(value["scalar"]?.tensor?.shape == [])
    }

    // MARK: Values

    @Test(arguments: ["values-2.pt", "values-3.pt", "values-4.pt", "values-5.pt", "plain.pkl"])
    func plainValuesOfEveryProtocol(name: String) throws {
        let file = try file(name)
        let value = file.value
        guard case .null = value["none"] else { throw Unexpected(value["none"]) }
        #expect(value["true"]?.boolValue == true)
        #expect(value["int"]?.intValue == 5 && value["negative"]?.intValue == -300)
        #expect(value["large"]?.intValue == 1 << 40)
        guard case .largeInteger(let huge) = value["huge"] else { throw Unexpected(value["huge"]) }
        #expect(huge == [0, 0, 0, 0, 0, 0, 0, 0, 0x40])
        #expect(value["float"]?.doubleValue == 0.1)
        #expect(value["text"]?.stringValue == "grüße")
        #expect(value["bytes"]?.bytesValue == [0, 0xFF] && value["empty bytes"]?.bytesValue == [])
        #expect(value["list"]?.elements?.last?.elements?.map(\.intValue) == [2, 3])
        #expect(value["tuple"]?.elements?.map(\.intValue) == [1, 2, 3, 4])
        guard case .set(let set) = value["set"], case .set(let frozen) = value["frozen"] else {
            throw Unexpected(value["set"])
        }
        #expect(set.map(\.intValue) == [1] && frozen.map(\.intValue) == [2])
        let ordered = try #require(value["ordered"]?.dictionary)
        #expect(ordered.members.map(\.key.stringValue) == ["b", "a"] && ordered["a"]?.intValue == 2)
        #expect(value["default"]?["a"]?.intValue == 1 && value["counter"]?["a"]?.intValue == 2)
        #expect(value["size"]?.elements?.map(\.intValue) == [2, 3])
        #expect(value.dictionary?[7]?.stringValue == "seven")
    }

    @Test(arguments: ["values-2.pt", "values-5.pt"])
    func numpyAndUnknownObjects(name: String) throws {
        let file = try file(name)
        let value = file.value
        let array = try #require(value["numpy"]?.tensor)
        #expect(array.dtype == .i32 && array.shape == [2, 3] && array.strides == [3, 1])
        let fortran = try #require(value["fortran"]?.tensor)
        #expect(fortran.shape == [2, 3] && fortran.strides == [1, 2])
        var ordered = [Double](repeating: 0, count: 6)
        try ordered.withUnsafeMutableBytes {
            try file.read(fortran, "fortran", elements: 0..<6, as: .float64, into: $0)
        }
        #expect(ordered == [0, 1, 2, 3, 4, 5])
        #expect(value["numpy float"]?.doubleValue == 0.5 && value["numpy int"]?.intValue == -3)
        #expect(value["numpy bool"]?.boolValue == true)
        guard case .global("torch.float32") = value["dtype"] else {
            throw Unexpected(value["dtype"])
        }
        let object = try #require(value["object"]?.object)
        #expect(object.type == "argparse.Namespace" && object["rate"]?.doubleValue == 0.5)
        #expect(object["names"]?.elements?.map(\.stringValue) == ["a"])
        #expect(value["words"]?.object?.type == "numpy.ndarray")
    }

    @Test func aListThatHoldsItself() throws {
        let loop = try #require(try file("loop.pt").value["loop"]?.elements)
        #expect(loop.first?.stringValue == "before")
        guard case .recursion = loop.last else { throw Unexpected(loop.last) }
    }

    // MARK: What Accelerate writes

    @Test func optimizerOfAccelerate() throws {
        let file = try file("optimizer.bin")
        let expected = try SafetensorsFile(path: golden("pytorch/optimizer.safetensors"))
        let states = try file.require(file.value["state"], "state") { $0.dictionary }
        #expect(states.count == 3)
        for (key, state) in states.members {
            for (part, value) in try #require(state.dictionary).members {
                let name = "\(key.intValue!).\(part.stringValue!)"
                let tensor = try #require(value.tensor)
                #expect(try file.floats(tensor) == expected.floats(name), "\(name)")
            }
        }
        let group = try #require(file.value["param_groups"]?.elements?.first)
        #expect(group["weight_decay"]?.doubleValue == 0.1)
        #expect(group["betas"]?.elements?.map(\.doubleValue) == [0.9, 0.999])
        #expect(group["params"]?.elements?.map(\.intValue) == [0, 1, 2])
    }

    @Test func schedulerAndRandomStatesOfAccelerate() throws {
        let scheduler = try file("scheduler.bin").value
        #expect(scheduler["last_epoch"]?.intValue == 3)
        #expect(scheduler["_last_lr"]?.elements?.map(\.doubleValue) == [0.0025])
        let states = try file("random_states_0.pkl").value
        #expect(states["random_state"]?.elements?[1].elements?.count == 625)
        let numpy = try #require(states["numpy_random_seed"]?.elements)
        #expect(numpy[0].stringValue == "MT19937" && numpy[1].tensor?.shape == [624])
        #expect(states["torch_manual_seed"]?.tensor?.dtype == .u8)
    }

    // MARK: What DeepSpeed writes

    /// The partitions of the two ranks, one behind the other, are the weights in the order of
    /// `param_shapes`.
    @Test func statesOfDeepSpeedStage1() throws {
        let model = try file("../deepspeed/stage1/mp_rank_00_model_states.pt")
        #expect(model.value["module"]?["a.weight"]?.tensor?.dtype == .bf16)
        #expect(model.value["note"]?.stringValue == "hello")
        #expect(model.value["dp_world_size"]?.intValue == 2)
        #expect(model.value["lr_scheduler"]?["last_batch_iteration"]?.intValue == 2)
        let shapes = try #require(model.value["param_shapes"]?.elements?.first?.dictionary)
        let weights = try SafetensorsFile(path: golden("deepspeed/stage1/weights.safetensors"))
        let expected = try shapes.members.flatMap { try weights.floats($0.key.stringValue!) }
        var flat: [Float] = []
        for rank in 0..<2 {
            let name = "bf16_zero_pp_rank_\(rank)_mp_rank_00_optim_states.pt"
            let states = try file("../deepspeed/stage1/" + name)
            let optimizer = try #require(states.value["optimizer_state_dict"])
            let groups = try #require(optimizer["single_partition_of_fp32_groups"]?.elements)
            flat += try states.floats(#require(groups.first?.tensor))
            let adam = optimizer["base_optimizer_state"]?["state"]?.dictionary?[0]
            // With the padding that the partition has in memory.
            #expect(adam?["exp_avg"]?.tensor?.elementCount == 16)
            let slice = optimizer["param_slice_mappings"]?.elements?.first?["a.weight"]
            if rank == 0 { #expect(slice?.object?["numel"]?.intValue == 15) }
        }
        #expect(flat == expected)
    }

    @Test func statesOfDeepSpeedStage3() throws {
        let model = try file("../deepspeed/stage3/zero_pp_rank_0_mp_rank_00_model_states.pt")
        let shapes = try #require(model.value["param_shapes"]?.elements?.first?.dictionary)
        #expect(shapes["b.weight"]?.elements?.map(\.intValue) == [2, 5])
        let name = "bf16_zero_pp_rank_1_mp_rank_00_optim_states.pt"
        let states = try file("../deepspeed/stage3/" + name)
        let optimizer = try #require(states.value["optimizer_state_dict"])
        let flat = try #require(optimizer["fp32_flat_groups"]?.elements?.first?.tensor)
        let weights = try SafetensorsFile(path: golden("deepspeed/stage3/weights.safetensors"))
        // The second half of the first parameter, of an odd size, ends with one padded element.
        let first = try weights.floats("a.weight")
        #expect(try states.floats(flat).prefix(7) == first[8...])
        // A member of an enumeration of DeepSpeed's: its value stands among the arguments.
        let stage = try #require(optimizer["zero_stage"]?.object)
        #expect(stage.type.hasSuffix("ZeroStageEnum") && stage.arguments.first?.intValue == 3)
    }

    // MARK: Model folders

    @Test func foldersWithBinFiles() throws {
        let sharded = try openTensors(at: golden("pytorch/sharded"))
        #expect(sharded.names == ["a.weight", "b.weight"])
        #expect(try sharded.floats("b.weight") == [0, 1, 2])
        #expect(try openTensors(at: golden("pytorch/weights.bin")).names.first == "float32")
    }
}

struct Unexpected: Error, CustomStringConvertible {
    let description: String

    init(_ value: PickleValue?) { description = "unexpected: \(value?.kind ?? "nothing")" }
}

extension PyTorchFile {
    func floats(_ tensor: PickledTensor) throws -> [Float] {
        var floats = [Float](repeating: .nan, count: tensor.elementCount)
        try floats.withUnsafeMutableBytes {
            try read(tensor, "", elements: 0..<tensor.elementCount, as: .float32, into: $0)
        }
        return floats
    }
}
