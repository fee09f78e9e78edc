/// Exit codes with which the ranks of a run tell their launcher why they end.
public enum RankExitCode {
    /// A signal asked to stop, and the state was saved: started again, the run goes on from there.
    public static let stopped: Int32 = 85
    /// The rank itself is well, but another one has failed or left: look for the cause there.
    public static let peerFailed: Int32 = 75
}
