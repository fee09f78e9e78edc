internal import ApusBase

/// The proxy through which a hub is reached, where the environment names one as curl reads it.
struct HubProxy {
    let variable: String
    let address: String

    init?(endpoint: String, environment: [String: String]) {
        // For plain HTTP only in small letters: clients of a web server can set HTTP_PROXY.
        let names = endpoint.hasPrefix("https:") ? ["https_proxy", "HTTPS_PROXY"] : ["http_proxy"]
        let variables = names + ["all_proxy", "ALL_PROXY"]
        guard let variable = variables.first(where: { environment[$0]?.isEmpty == false }),
            let address = environment[variable]
        else { return nil }
        self.variable = variable
        self.address = address
    }

    /// Without the password that may stand in it.
    var shownAddress: String {
        guard let at = address.lastIndex(of: "@") else { return address }
        let scheme = address.firstRange(of: "://").map { address[..<$0.upperBound] } ?? ""
        return scheme + "..." + address[at...]
    }
}

/// Why a transfer failed, in the user's terms.
struct TransferFailure {
    private(set) var likelyCause: String?
    private(set) var remedy = "what has arrived is kept: the next try continues there"

    init(_ failure: Curl.Failure, proxy: HubProxy?) {
        let message = failure.message
        switch failure.code {
        case 5, 97: explain(proxy: proxy)
        case 7 where proxy != nil: explain(proxy: proxy)
        case 56 where message.contains("CONNECT"): explain(proxy: proxy)
        case 6, 7: likelyCause = "there is no network, or HF_ENDPOINT names no server"
        case 22 where message.contains("401") || message.contains("403"):
            likelyCause =
                "the model needs a licence to be accepted, or is private: set HF_TOKEN to the "
                + "token of an account that may read it"
        case 22 where message.contains("404"):
            likelyCause = "a misspelt name: no folder and no model of the hub is called so"
        case 28: likelyCause = "the network stood still"
        case 1:
            likelyCause = "the hub leads to an address that is not encrypted, or no web address"
        case 35, 51, 60:
            likelyCause =
                "the server's certificate is not trusted here: it is self-signed, or a proxy puts "
                + "its own in its place"
            remedy =
                "set SSL_CERT_FILE to a file (PEM) with the certificate of the authority that "
                + "signed it; HF_ENDPOINT should begin with http:// for a server without encryption"
        case 77:
            likelyCause = "the file of trusted certificates is not there, or holds none"
            remedy = "correct or unset SSL_CERT_FILE, CURL_CA_BUNDLE and REQUESTS_CA_BUNDLE"
        default: break
        }
    }

    private mutating func explain(proxy: HubProxy?) {
        guard let proxy else { return }
        likelyCause =
            "the proxy \(proxy.shownAddress), which \(proxy.variable) names, is not there or "
            + "refuses"
        remedy = "correct or unset \(proxy.variable), or name the hub's host in no_proxy"
    }
}
