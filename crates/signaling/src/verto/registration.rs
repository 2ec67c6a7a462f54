//! What each state of the Telnyx gateway means for us.

/// Questions after which a gateway that is still not registered counts as failed, as in the browser SDK.
pub(crate) const MOST_QUESTIONS: u32 = 5;

/// What to do about a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Calls can be made.
    Registered,
    /// On its way, or lost and coming back: ask again in a moment.
    AskAgain,
    /// This instance of the gateway cannot register us: another socket is needed.
    Failed,
}

/// Reads a state. One that nobody has written down is asked again, and so ends in bounded time too.
pub(crate) fn judge(state: &str) -> Verdict {
    match state {
        "REGED" => Verdict::Registered,
        "FAILED" | "FAIL_WAIT" | "TIMEOUT" | "DOWN" => Verdict::Failed,
        // REGISTER, TRYING, NOREG, UNREGED, UNREGISTER, EXPIRED, ATTACHED
        _ => Verdict::AskAgain,
    }
}

/// Whether a gateway that never says more than this serves all the same. One that stays at `REGISTER` is ready for the
/// browser SDK, whose users make calls there.
pub(crate) fn is_served(state: &str) -> bool {
    state == "REGISTER"
}

/// A gateway that is being asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Registering {
    /// Answers so far that were neither yes nor no.
    pub(crate) unsettled: u32,
    /// Last state told.
    pub(crate) last: Option<String>,
    /// Our user knows that only calls keep this socket.
    pub(crate) told: bool,
}
