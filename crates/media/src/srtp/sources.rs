//! The sources of an association and which of their packets were seen.
//!
//! A far end may draw a new SSRC as often as it likes within one association: some servers do at each bridge that a call enters or
//! leaves. None of them may be forgotten, or its packets could be played to us once more (RFC 3711, section 3.3.2). So the few heard
//! last are kept whole, and of the others no more than where they ended.

use crate::srtp::inbound::OpenError;
use crate::srtp::replay::ReplayWindow;

/// Sources that are kept whole.
const RECENT: usize = 16;

/// What was seen of one source.
#[derive(Debug, Clone)]
struct Source {
    ssrc: u32,
    rtp: Option<ReplayWindow>,
    rtcp: Option<ReplayWindow>,
}

/// Where a source ended that others have followed.
#[derive(Debug, Clone, Copy)]
struct Former {
    ssrc: u32,
    rtp: Option<u64>,
    rtcp: Option<u64>,
}

/// All sources that packets were accepted of.
pub(crate) struct Sources {
    /// The one heard last first.
    recent: Vec<Source>,
    /// By SSRC.
    former: Vec<Former>,
    limit: usize,
}

impl Sources {
    /// At most `limit` in all.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            recent: Vec::with_capacity(1),
            former: Vec::new(),
            limit,
        }
    }

    /// What was seen of its RTP; `None`: nothing yet.
    pub(crate) fn rtp(&self, ssrc: u32) -> Result<Option<ReplayWindow>, OpenError> {
        self.seen(ssrc, |source| source.rtp.clone(), |former| former.rtp)
    }

    /// What was seen of its RTCP; `None`: nothing yet.
    pub(crate) fn rtcp(&self, ssrc: u32) -> Result<Option<ReplayWindow>, OpenError> {
        self.seen(ssrc, |source| source.rtcp.clone(), |former| former.rtcp)
    }

    fn seen(
        &self,
        ssrc: u32,
        of_recent: impl Fn(&Source) -> Option<ReplayWindow>,
        of_former: impl Fn(&Former) -> Option<u64>,
    ) -> Result<Option<ReplayWindow>, OpenError> {
        if let Some(source) = self.recent.iter().find(|source| source.ssrc == ssrc) {
            return Ok(of_recent(source));
        }
        if let Ok(place) = self.place(ssrc) {
            let ended = self.former.get(place).and_then(of_former);
            return Ok(ended.map(ReplayWindow::closed_at));
        }
        match self.recent.len() + self.former.len() < self.limit {
            true => Ok(None),
            false => Err(OpenError::TooManySources),
        }
    }

    /// Notes an RTP packet as seen. Only after it was authenticated.
    pub(crate) fn record_rtp(&mut self, ssrc: u32, index: u64) {
        record(&mut self.source(ssrc).rtp, index);
    }

    /// Notes an RTCP packet as seen. Only after it was authenticated.
    pub(crate) fn record_rtcp(&mut self, ssrc: u32, index: u64) {
        record(&mut self.source(ssrc).rtcp, index);
    }

    /// The source, which is heard now.
    fn source(&mut self, ssrc: u32) -> &mut Source {
        match self.recent.iter().position(|source| source.ssrc == ssrc) {
            Some(0) => {}
            Some(place) => self.recent[..=place].rotate_right(1),
            None => {
                let source = self.returned(ssrc);
                self.retire();
                self.recent.insert(0, source);
            }
        }
        &mut self.recent[0]
    }

    /// A source of before, or a new one.
    fn returned(&mut self, ssrc: u32) -> Source {
        let former = self.place(ssrc).map(|place| self.former.remove(place));
        let former = former.ok();
        let window = |ended: Option<u64>| ended.map(ReplayWindow::closed_at);
        Source {
            ssrc,
            rtp: window(former.and_then(|former| former.rtp)),
            rtcp: window(former.and_then(|former| former.rtcp)),
        }
    }

    /// Makes room for one: that heard longest ago goes.
    fn retire(&mut self) {
        if self.recent.len() < RECENT {
            return;
        }
        let Some(source) = self.recent.pop() else {
            return;
        };
        let highest = |window: &Option<ReplayWindow>| window.as_ref().map(ReplayWindow::highest);
        let former = Former {
            ssrc: source.ssrc,
            rtp: highest(&source.rtp),
            rtcp: highest(&source.rtcp),
        };
        if let Err(place) = self.place(former.ssrc) {
            self.former.insert(place, former);
        }
    }

    fn place(&self, ssrc: u32) -> Result<usize, usize> {
        self.former
            .binary_search_by_key(&ssrc, |former| former.ssrc)
    }
}

fn record(window: &mut Option<ReplayWindow>, index: u64) {
    match window {
        Some(window) => window.record(index),
        None => *window = Some(ReplayWindow::starting_at(index)),
    }
}
