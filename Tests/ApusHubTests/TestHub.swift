import Foundation
import Synchronization

/// A server on this machine that speaks as much of the hub's interface as a model needs: the list
/// of files, the files, and parts of them.
final class TestHub: Sendable {
    struct State {
        /// By path, without the query.
        var contents: [String: [UInt8]] = [:]
        /// Paths whose next answer breaks off after so many bytes.
        var cuts: [String: Int] = [:]
        /// Paths that answer by leading to another one.
        var redirects: [String: String] = [:]
        /// What was asked for: path, range and authorization.
        var requests: [String] = []
    }

    struct Failure: Error {}

    /// What the serving thread keeps alive, when the hub itself is gone.
    final class Shared: Sendable {
        let state = Mutex(State())
    }

    let shared = Shared()
    let port: Int
    private let listener: Int32

    init() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(listener, address, length) == 0 && listen(listener, 8) == 0
                    && getsockname(listener, address, &length) == 0
            }
        }
        guard isBound else { throw Failure() }
        self.listener = listener
        port = Int(UInt16(bigEndian: address.sin_port))
        let shared = shared
        Thread { Self.serve(listener, shared) }.start()
    }

    deinit { shutdown(listener, Int32(SHUT_RDWR)) }

    var endpoint: String { "http://127.0.0.1:\(port)" }

    var requests: [String] { shared.state.withLock { $0.requests } }

    func change(_ body: (inout State) -> Void) { shared.state.withLock { body(&$0) } }

    private static func serve(_ listener: Int32, _ shared: Shared) {
        while true {
            let connection = accept(listener, nil, nil)
            guard connection >= 0 else { break }
            answer(connection, shared)
            close(connection)
        }
        close(listener)
    }

    private static func answer(_ connection: Int32, _ shared: Shared) {
        var request: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while !String(decoding: request, as: UTF8.self).contains("\r\n\r\n") {
            let count = read(connection, &buffer, buffer.count)
            guard count > 0 else { return }
            request += buffer[..<count]
        }
        let lines = String(decoding: request, as: UTF8.self).components(separatedBy: "\r\n")
        let path = String(lines[0].split(separator: " ")[1].split(separator: "?")[0])
        func header(_ name: String) -> String? {
            lines.first { $0.lowercased().hasPrefix(name + ": ") }.map {
                String($0.dropFirst(name.count + 2))
            }
        }
        let range = header("range")
        let noted = [path, range, header("authorization")].compactMap { $0 }
        let (content, cut, target) = shared.state.withLock { state in
            state.requests.append(noted.joined(separator: " "))
            let cut = state.cuts.removeValue(forKey: path)
            return (state.contents[path], cut, state.redirects[path])
        }
        if let target {
            let place = "Location: \(target)\r\nContent-Length: 0"
            send("HTTP/1.1 302 Found\r\n\(place)\r\n\r\n", connection)
        } else if let content {
            send(content, from: start(of: range), cut: cut, connection)
        } else {
            send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", connection)
        }
    }

    /// `bytes=100-`
    private static func start(of range: String?) -> Int? {
        range.flatMap { Int($0.dropFirst("bytes=".count).dropLast()) }
    }

    private static func send(
        _ content: [UInt8], from start: Int?, cut: Int?, _ connection: Int32
    ) {
        let begin = min(start ?? 0, content.count)
        var head = "HTTP/1.1 \(start == nil ? "200 OK" : "206 Partial Content")\r\n"
        if start != nil {
            head += "Content-Range: bytes \(begin)-\(content.count - 1)/\(content.count)\r\n"
        }
        head += "Content-Length: \(content.count - begin)\r\nConnection: close\r\n\r\n"
        send(head, connection)
        let end = cut.map { min(begin + $0, content.count) } ?? content.count
        let part = Array(content[begin..<end])
        _ = Glibc.send(connection, part, part.count, Int32(MSG_NOSIGNAL))
    }

    private static func send(_ text: String, _ connection: Int32) {
        let bytes = Array(text.utf8)
        _ = Glibc.send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }
}
