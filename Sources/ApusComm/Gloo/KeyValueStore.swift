internal import ApusBase
internal import CApusTorch

/// A small store of texts that all ranks of a job see, over TCP: for meeting and for diagnosis.
///
/// Its server lives in rank 0. One object is used by one thread at a time.
public final class KeyValueStore {
    private let pointer: OpaquePointer
    /// For messages.
    let address: String

    private init(_ pointer: OpaquePointer, address: String) {
        self.pointer = pointer
        self.address = address
    }

    deinit { apus_store_release(pointer) }

    /// Connects to the store at `host:port`, or opens it when `isServer`.
    ///
    /// - Throws: `CommError` when the port is in use or nobody answers within the time-out.
    public convenience init(
        host: String, port: Int, isServer: Bool, timeoutSeconds: Double
    ) throws(CommError) {
        precondition((1...65_535).contains(port), "KeyValueStore: there is no port \(port)")
        var pointer: OpaquePointer?
        let status = apus_store_open(host, UInt16(port), isServer, timeoutSeconds, &pointer)
        guard status == APUS_OK, let pointer else {
            throw Self.refusal(host, port, isServer: isServer, timeoutSeconds)
        }
        self.init(pointer, address: "\(host):\(port)")
    }

    /// A second connection to the same store, for another thread.
    func clone() throws(CommError) -> KeyValueStore {
        var copy: OpaquePointer?
        try check(apus_store_clone(pointer, &copy), "connect a second time")
        return KeyValueStore(copy!, address: address)
    }

    public func set(_ key: String, _ value: String) throws(CommError) {
        try check(apus_store_set(pointer, key, value), "set \(key)")
    }

    /// The value of `key`, as soon as somebody has set it.
    public func get(_ key: String, timeoutSeconds: Double) throws(CommError) -> String {
        var text: UnsafePointer<CChar>?
        try check(apus_store_get(pointer, key, timeoutSeconds, &text), "get \(key)")
        return String(cString: text!)
    }

    public func has(_ key: String) throws(CommError) -> Bool {
        var found = false
        try check(apus_store_has(pointer, key, &found), "look for \(key)")
        return found
    }

    /// Adds to a counter, which starts at 0, and returns its new value.
    public func add(_ key: String, _ amount: Int = 1) throws(CommError) -> Int {
        var sum: Int64 = 0
        try check(apus_store_add(pointer, key, Int64(amount), &sum), "add to \(key)")
        return Int(sum)
    }

    func makeGloo(
        _ options: UnsafePointer<apus_gloo_options>, _ out: UnsafeMutablePointer<OpaquePointer?>
    ) -> apus_status {
        apus_gloo_make(pointer, options, out)
    }

    private func check(_ status: apus_status, _ action: String) throws(CommError) {
        guard status != APUS_OK else { return }
        throw CommError(
            status == APUS_COMM_TIMEOUT ? .timedOut : .system,
            "the store at \(address): cannot \(action): \(String(cString: apus_last_message()))",
            likelyCause: "rank 0, where the store lives, has ended",
            remedy: "look at rank 0's log")
    }

    private static func refusal(
        _ host: String, _ port: Int, isServer: Bool, _ timeoutSeconds: Double
    ) -> CommError {
        let words = String(cString: apus_last_message())
        let place = CommError.Place(rank: isServer ? 0 : nil, culprit: isServer ? nil : 0)
        if isServer {
            return CommError(
                .rendezvous, "rank 0 cannot listen on port \(port): \(words)", at: place,
                likelyCause: "another program, or an earlier run that still ends, uses the port",
                remedy: "choose another MASTER_PORT")
        }
        return CommError(
            .rendezvous,
            "nobody answers at \(host):\(port) within \(timeoutSeconds.fixed(0)) s: \(words)",
            at: place,
            likelyCause: "rank 0 was not started, has failed, or listens elsewhere; "
                + "or a firewall is in between",
            remedy: "check MASTER_ADDR and MASTER_PORT, and look at rank 0's log")
    }
}
