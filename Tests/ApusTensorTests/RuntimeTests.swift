import ApusBase
import ApusTensor
import ApusTestSupport
import Testing

@Suite struct RuntimeTests {
    @Test func knowsItsLibrary() {
        #expect(Runtime.torchVersion.hasPrefix("2."))
        #expect(Runtime.threadCount >= 1)
    }

    @Test(.enabled(if: Runtime.cudaDeviceCount == 0)) func withoutGPU() {
        #expect(Runtime.cudaUnavailableReason?.isEmpty == false)
        for use: () -> Void in [
            { _ = Device.cuda(0).memory }, { Device.cuda(0).synchronize() },
            { Device.cuda(0).emptyCache() }, { Device.cuda(0).resetMemoryPeak() },
            { _ = Stream(device: .cuda(0)) }, { _ = Stream.current(of: .cuda(0)) },
            { _ = Tensor.zeros([2], device: .cuda(0)) },
        ] {
            #expect(tensorError(in: use) != nil)
        }
    }

    @Test(.enabled(if: Runtime.cudaDeviceCount > 0)) func withGPU() throws {
        let gpu = Device.cuda(0)
        let x = Tensor.full([1 << 20], 2, device: gpu)
        let memory = try #require(gpu.memory)
        #expect(memory.allocatedBytes >= 4 << 20 && memory.totalBytes > memory.allocatedBytes)
        let side = Stream(device: gpu)
        let ready = Event(device: gpu)
        ready.record(on: .current(of: gpu))
        side.wait(for: ready)
        let y = side.use { x * 3 }
        side.keepsAlive(x)
        side.synchronize()
        #expect(side.isIdle && side.native != nil)
        let host = Tensor.empty([1 << 20], pinned: true)
        host.copyInPlace(from: y, asynchronously: true)
        gpu.synchronize()
        #expect(host.isPinned && host.mean().item() == 6)
    }

    @Test func memoryOfTheProcess() throws {
        #if os(Linux)
            let before = try #require(HostMemoryFigures.current)
            #expect(before.residentBytes > 1 << 20)
            #expect(before.peakResidentBytes >= before.residentBytes)
            let size = 64 << 20
            let tensor = Tensor.ones([size / 4])
            let after = try #require(HostMemoryFigures.current)
            #expect(after.peakResidentBytes >= size)
            #expect(tensor.byteCount == size)
        #else
            #expect(HostMemoryFigures.current == nil)
        #endif
        #expect(Device.cpu.memory == nil)
    }

    @Test func theHostsStreamsDoNothing() {
        let stream = Stream(device: .cpu)
        #expect(stream == Stream.current(of: .cpu))
        let start = Event(device: .cpu, isTimed: true)
        let end = Event(device: .cpu, isTimed: true)
        start.record(on: stream)
        let x = stream.use { Tensor.ones([2]) + 1 }
        end.record(on: stream)
        stream.wait(for: end)
        stream.keepsAlive(x)
        end.synchronize()
        stream.synchronize()
        #expect(stream.isIdle && end.isDone && start.milliseconds(until: end) == 0)
        #expect(stream.native == nil)
        Device.cpu.synchronize()
        Device.cpu.emptyCache()
        Device.cpu.resetMemoryPeak()
        #expect(x.floats() == [2, 2])
    }
}
