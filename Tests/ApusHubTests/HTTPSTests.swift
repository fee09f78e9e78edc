import ApusBase
import ApusFormats
import Foundation
import Testing

@testable import ApusHub

/// Models over HTTPS, from a server whose certificate only those trust who are told to.
@Suite(
    .enabled(
        "a server with TLS needs openssl and python3, of which one is not installed here",
        { TLSFront.missing == nil }))
struct HTTPSTests {
    private let model: TestModel
    private let front: TLSFront

    init() throws {
        model = try TestModel()
        front = try TLSFront(hub: model.hub)
    }

    /// A hub behind TLS, with the variables given; no proxy stands between.
    private func makeHub(_ settings: [String: String]) -> Hub {
        model.makeHub(["HF_ENDPOINT": front.endpoint].merging(settings) { $1 })
    }

    /// The variables by which curl, Python's requests and httpx are told whom to trust.
    @Test(arguments: ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
    func aTrustedServerGivesTheModel(_ variable: String) throws {
        defer { model.removeHome() }
        try model.publish()
        let hub = makeHub([variable: front.certificate, "HF_TOKEN": "secret"])
        let folder = try hub.folder(of: model.name)
        #expect(try openTensors(at: folder).floats("w").count == 1000)
        #expect(model.hub.requests.first?.hasSuffix("Bearer secret") == true)
    }

    @Test func aBrokenTransferIsContinued() throws {
        defer { model.removeHome() }
        try model.publish()
        model.hub.change { $0.cuts["/storage/1"] = 1500 }
        let hub = makeHub(["SSL_CERT_FILE": front.certificate])
        #expect(throws: HubError.self) { _ = try hub.folder(of: model.name) }
        let folder = try hub.folder(of: model.name)
        #expect(model.hub.requests.contains("/storage/1 bytes=1500-"))
        #expect(try openTensors(at: folder).floats("w").count == 1000)
    }

    @Test func otherContentIsRefused() throws {
        defer { model.removeHome() }
        try model.publish(digest: String(repeating: "0", count: 64))
        let error = #expect(throws: HubError.self) {
            _ = try makeHub(["SSL_CERT_FILE": front.certificate]).folder(of: model.name)
        }
        #expect(error?.summary.contains("arrived with other content") == true)
    }

    /// What a server elsewhere gets to see when the hub leads there.
    @Test func theTokenStaysWithTheHub() throws {
        defer { model.removeHome() }
        let elsewhere = try TestHub()
        let otherFront = try TLSFront(hub: elsewhere)
        elsewhere.change { $0.contents["/storage/1"] = model.weights }
        try model.publish(storage: otherFront.endpoint + "/storage/1")
        // Both certificates.
        let both = front.certificate + ".both"
        let texts = try [front, otherFront].map { try String(contentsOfFile: $0.certificate) }
        try Data(texts.joined().utf8).write(to: URL(fileURLWithPath: both))
        let hub = makeHub(["SSL_CERT_FILE": both, "HF_TOKEN": "secret"])
        let folder = try hub.folder(of: model.name)
        #expect(try openTensors(at: folder).floats("w").count == 1000)
        #expect(model.hub.requests.allSatisfy { $0.hasSuffix("Bearer secret") })
        #expect(elsewhere.requests == ["/storage/1"])
    }

    @Test func nothingIsFetchedWithoutEncryptionBehindARedirect() throws {
        defer { model.removeHome() }
        let plain = try TestHub()
        plain.change { $0.contents["/storage/1"] = model.weights }
        try model.publish(storage: plain.endpoint + "/storage/1")
        let error = #expect(throws: HubError.self) {
            _ = try makeHub(["SSL_CERT_FILE": front.certificate]).folder(of: model.name)
        }
        #expect(error?.likelyCause?.contains("not encrypted") == true)
        #expect(plain.requests.isEmpty)
    }

    @Test func anUntrustedServerIsNamedWithARemedy() throws {
        defer { model.removeHome() }
        try model.publish()
        let error = #expect(throws: HubError.self) {
            _ = try makeHub([:]).folder(of: model.name)
        }
        #expect(error?.summary.contains("certificate") == true, "\(error?.summary ?? "")")
        #expect(error?.likelyCause?.contains("is not trusted here") == true)
        #expect(error?.remedy?.contains("set SSL_CERT_FILE") == true)
        #expect(model.hub.requests.isEmpty)
    }

    @Test func aMissingFileOfCertificatesIsNamed() throws {
        defer { model.removeHome() }
        let error = #expect(throws: HubError.self) {
            _ = try makeHub(["REQUESTS_CA_BUNDLE": "/nowhere.pem"]).folder(of: model.name)
        }
        #expect(error?.remedy?.contains("correct or unset SSL_CERT_FILE") == true)
    }

    @Test func aProxyThatIsNotThereIsNamedWithoutItsPassword() throws {
        defer { model.removeHome() }
        let error = #expect(throws: HubError.self) {
            _ = try makeHub(["https_proxy": "http://me:hidden@127.0.0.1:9"]).folder(of: model.name)
        }
        let text = error?.description ?? ""
        let named = "the proxy http://...@127.0.0.1:9, which https_proxy names"
        #expect(text.contains(named), "\(text)")
        #expect(text.contains("no_proxy") && !text.contains("hidden"))
    }

    @Test func aProxyIsLeftOutWhereNoProxySaysSo() throws {
        defer { model.removeHome() }
        try model.publish()
        let hub = makeHub([
            "https_proxy": "http://127.0.0.1:9", "no_proxy": "localhost",
            "SSL_CERT_FILE": front.certificate,
        ])
        #expect(try openTensors(at: hub.folder(of: model.name)).names == ["w"])
    }

    @Test func offlineNothingIsAskedFor() throws {
        let hub = makeHub(["HF_HUB_OFFLINE": "1", "SSL_CERT_FILE": front.certificate])
        #expect(throws: HubError.self) { _ = try hub.folder(of: model.name) }
        #expect(model.hub.requests.isEmpty)
    }
}
