internal import CApusTorch

/// A queue of a device's work. What is queued on one stream runs in order; streams run side by
/// side.
///
/// On the CPU work is done when its call returns, so all this does nothing there.
public struct Stream: Hashable, Sendable {
    public let device: Device
    private let id: Int64

    private init(_ stream: apus_stream) {
        device = Device(code: stream.device)
        id = stream.id
    }

    fileprivate var code: apus_stream { apus_stream(id: id, device: device.code) }

    /// A stream of the device's pool; when many are asked for, they come again.
    public init(device: Device, isHighPriority: Bool = false) {
        var stream = apus_stream(id: 0, device: device.code)
        done("stream", [], apus_stream_make(device.code, isHighPriority, &stream))
        self.init(stream)
    }

    /// Where operations of this thread go.
    public static func current(of device: Device) -> Stream {
        var stream = apus_stream(id: 0, device: device.code)
        done("current stream", [], apus_stream_current(device.code, &stream))
        return Stream(stream)
    }

    /// Runs `body` with this stream current on this thread; the former one returns afterwards.
    public func use<Result>(_ body: () throws -> Result) rethrows -> Result {
        let former = Stream.current(of: device)
        done("use stream", [], apus_stream_use(code))
        defer { done("use stream", [], apus_stream_use(former.code)) }
        return try body()
    }

    /// Whether all queued work is done.
    public var isIdle: Bool {
        var idle = true
        done("stream query", [], apus_stream_is_idle(code, &idle))
        return idle
    }

    /// Lets the host wait until all queued work is done.
    public func synchronize() { done("stream synchronize", [], apus_stream_synchronize(code)) }

    /// What is queued after this call waits for the event.
    public func wait(for event: Event) {
        done("stream wait", [], apus_event_block(event.pointer, code))
    }

    /// Keeps a tensor's memory from being given to others before this stream's present work is
    /// done: for tensors that were made on another stream.
    public func keepsAlive(_ tensor: Tensor) {
        done("record stream", [tensor], apus_stream_uses_tensor(code, tensor.pointer))
    }

    /// The `cudaStream_t` that NCCL and other libraries take; nil on the CPU.
    package var native: UnsafeMutableRawPointer? {
        var native: UnsafeMutableRawPointer?
        done("native stream", [], apus_stream_native(code, &native))
        return native
    }
}

/// A point in a stream's work that others can wait for.
public final class Event {
    let pointer: OpaquePointer
    public let device: Device

    /// - isTimed: for ``milliseconds(until:)``; costs a little
    public init(device: Device, isTimed: Bool = false) {
        var out: OpaquePointer?
        done("event", [], apus_event_make(device.code, isTimed, &out))
        // A class cannot be undefined as a tensor can.
        guard let out else { fatalError("event: none for \(device)") }
        pointer = out
        self.device = device
    }

    deinit { apus_event_release(pointer) }

    /// Marks the end of what the stream has been given so far.
    public func record(on stream: Stream) {
        done("record event", [], apus_event_record(pointer, stream.code))
    }

    /// Whether the work before the mark is done.
    public var isDone: Bool {
        var isDone = true
        done("event query", [], apus_event_is_done(pointer, &isDone))
        return isDone
    }

    /// Lets the host wait until the work before the mark is done.
    public func synchronize() { done("event synchronize", [], apus_event_synchronize(pointer)) }

    /// Between two timed events that are done; 0 on the CPU.
    public func milliseconds(until end: Event) -> Double {
        var milliseconds = 0.0
        done("event time", [], apus_event_elapsed(pointer, end.pointer, &milliseconds))
        return milliseconds
    }
}
