import ApusComm
import ApusTensor
import ApusTrain
import Testing

@Suite struct ComputeDeviceTests {
    private func device(_ wish: String?) throws -> Device {
        try ComputeDevice(
            beside: SingleRankProcessGroup(), environment: WorldEnvironment(), wish: wish
        ).device
    }

    @Test func whatThereIsIsUsed() throws {
        #expect(try device("cpu") == .cpu)
        #expect(try device(nil) == (Runtime.cudaDeviceCount > 0 ? .cuda(0) : .cpu))
    }

    @Test func wishesThatCannotBeFulfilledAreRefused() {
        #expect(throws: DeviceError.self) { try device("tpu") }
        guard Runtime.cudaDeviceCount == 0 else { return }
        let error = #expect(throws: DeviceError.self) { try device("cuda") }
        #expect(error?.summary.contains("no GPU for local rank 0") == true)
    }
}
