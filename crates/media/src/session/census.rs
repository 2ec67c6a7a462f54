//! What the transports of a session hold.

use crate::census::Census;
use crate::session::media_session::MediaSession;

impl MediaSession {
    /// What its transports hold.
    #[must_use]
    pub fn census(&self) -> Census {
        let own = Census {
            remote_candidates: self.early_candidates.len(),
            waiting: self.questions.len() + self.events.len(),
            ..Census::default()
        };
        let forks = self.forks.census();
        let transports = self.transport.iter().chain(self.rtcp.transport());
        transports.map(|it| it.census()).sum::<Census>() + forks + own
    }
}
