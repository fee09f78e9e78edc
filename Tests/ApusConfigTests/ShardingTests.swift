import ApusConfig
import Testing

@Suite struct ShardingSettingTests {
    @Test(arguments: [("none", 0), ("optimizer", 1), ("gradients", 2), ("parameters", 3)])
    func stagesByName(_ name: String, _ number: Int) throws {
        let sharding = try load(minimal, set: ["sharding=\(name)"]).recipe.sharding
        #expect(sharding.stage.rawValue == name)
        #expect(sharding.stage.stageNumber == number)
    }

    @Test func theGroupIsAllRanksUnlessSaid() throws {
        let all = try load(minimal, set: ["sharding=parameters", "ranks=4"])
        #expect(all.recipe.sharding.groupSize == 4)
        #expect(all.origin(of: "sharding_group_size").text == "= ranks")
        let pairs = try load(
            minimal, set: ["sharding=parameters", "ranks=4", "sharding_group_size=2"])
        #expect(pairs.recipe.sharding.groupSize == 2)
        #expect(try load(minimal, set: ["ranks=4"]).recipe.sharding.groupSize == nil)
    }

    @Test func halfPrecisionWithItsScale() throws {
        let text = minimal + "fp16: true\nloss_scaling: {initial_scale_power: 12, hysteresis: 1}\n"
        let model = try load(text).recipe.model
        #expect(model.fp16)
        #expect(model.lossScaling.initialScalePower == 12)
        #expect(model.lossScaling.hysteresis == 1)
        #expect(model.lossScaling.window == 1000)
        #expect(try load(text).outline.contains("fp16"))
    }

    @Test func automaticBF16GivesWayToFP16() throws {
        let able = MachineFacts(cores: 4, bfloat16: "avx512_bf16")
        let resolved = try load(minimal + "bf16: auto\nfp16: true\n", on: able)
        #expect(resolved.recipe.model.bf16 == .off)
        #expect(resolved.origin(of: "bf16").text == "auto (r.yaml:7): fp16 is true")
    }

    @Test func theOutlineNamesWhatIsShared() throws {
        let set = ["sharding=gradients", "ranks=2"]
        let outline = try load(minimal, set: set).outline
        #expect(outline == "r.yaml: 2 ranks x 4 threads, fp32, gradients sharded, into model-out")
    }
}
