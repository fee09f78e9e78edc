/// Exit codes with which the ranks of a run tell their launcher why they end.
public enum RankExitCode {
    /// The rank itself is well, but another one has failed or left: look for the cause there.
    public static let peerFailed: Int32 = 75
}
