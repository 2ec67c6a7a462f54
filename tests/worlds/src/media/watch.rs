//! What must be true of one end at all times, whatever the network does.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use offhook_media::media_transport::event::{DtlsFailure, Route};
use offhook_media::session::error::MediaError;
use offhook_media::session::event::MediaEvent;

use crate::media::programs::Word;

/// After so long without an answer nothing more may be sent (RFC 7675, section 5.1).
const CONSENT: Duration = Duration::from_secs(30);
/// After so long it is told at the latest.
const DOUBT: Duration = Duration::from_secs(15);
/// What a deadline may be late by: none of the machines wakes up between two of its slots for it.
const GRACE: Duration = Duration::from_millis(100);
/// From the far end's parameters to a connection or a failure: 15 s for ICE, 15 s for DTLS.
const SETTLED: Duration = Duration::from_secs(31);
/// A silence of this length ends a call.
const MEDIA_TIMEOUT: Duration = Duration::from_secs(60);
/// From the last answer to giving up: 15 s until it is told, 15 s of seeking, or 30 s of consent.
const GIVEN_UP: Duration = Duration::from_secs(46);
/// Datagrams besides media that an end may send in any second: checks and answers for as many addresses as it takes up.
const CONTROL: u32 = 400;
/// Media and reports that an end may send in any second.
const MEDIA: u32 = 55;

/// One end, as seen from outside.
#[derive(Debug)]
pub(crate) struct Watch {
    /// What the far end says carries this.
    pub(crate) secret: u64,
    pub(crate) far: u8,
    /// It was told a fingerprint that is not the far end's.
    pub(crate) deceived: bool,
    heard: BTreeSet<(u8, u32)>,
    /// Words heard so far.
    pub(crate) words: u64,
    pub(crate) last_heard: Option<Instant>,
    /// When a check was answered last, by path.
    answers: BTreeMap<(SocketAddr, SocketAddr), Instant>,
    /// A path was told, and its loss was not.
    up: bool,
    /// Keys are agreed on.
    pub(crate) secured: bool,
    /// The far end's parameters came; until then nothing can be expected.
    asked: Option<Instant>,
    /// Its path was given up, and nothing was done about it since.
    pub(crate) given_up: bool,
    pub(crate) failed: Option<MediaError>,
    /// The far end said goodbye.
    pub(crate) closed_by_peer: bool,
    second: Option<Instant>,
    control: u32,
    media: u32,
    /// The most datagrams of control in a second.
    pub(crate) busiest: u32,
}

impl Watch {
    pub(crate) fn new(secret: u64, far: u8, deceived: bool) -> Self {
        Self {
            secret,
            far,
            deceived,
            heard: BTreeSet::new(),
            words: 0,
            last_heard: None,
            answers: BTreeMap::new(),
            up: false,
            secured: false,
            asked: None,
            given_up: false,
            failed: None,
            closed_by_peer: false,
            second: None,
            control: 0,
            media: 0,
            busiest: 0,
        }
    }

    /// The far end's parameters came; a path that was given up is sought again only when they are new.
    pub(crate) fn asked(&mut self, renewed: bool, now: Instant) {
        self.asked = Some(now);
        self.given_up &= !renewed;
    }

    /// The transport was replaced: keys and path are gone.
    pub(crate) fn begins_afresh(&mut self) {
        self.up = false;
        self.secured = false;
        self.given_up = false;
        self.asked = None;
        self.answers.clear();
    }

    /// A datagram has come by this path.
    pub(crate) fn receives(&mut self, route: Route, bytes: &[u8], now: Instant) {
        if bytes.starts_with(&[0x01, 0x01]) {
            self.answers.insert((route.local, route.remote), now);
        }
    }

    /// It sends this.
    pub(crate) fn sends(&mut self, route: Route, bytes: &[u8], now: Instant) -> Result<(), String> {
        let begun = self
            .second
            .is_none_or(|second| now >= second + Duration::from_secs(1));
        if begun {
            self.second = Some(now);
            self.control = 0;
            self.media = 0;
        }
        let is_media = matches!(bytes, [128..=191, ..]);
        if !is_media {
            self.control += 1;
            self.busiest = self.busiest.max(self.control);
            return if self.control > CONTROL {
                Err(format!(
                    "more than {CONTROL} datagrams of control in a second"
                ))
            } else {
                Ok(())
            };
        }
        self.media += 1;
        if self.media > MEDIA {
            return Err(format!("more than {MEDIA} packets of media in a second"));
        }
        if !self.secured || self.deceived {
            return Err("media was sent before the far end was verified".to_owned());
        }
        let answered = self.answers.get(&(route.local, route.remote));
        match answered {
            Some(at) if now <= *at + CONSENT + GRACE => Ok(()),
            Some(at) => Err(format!(
                "media was sent {:?} after the last answer from {}",
                now - *at,
                route.remote
            )),
            None => Err(format!(
                "media was sent to {}, which never answered",
                route.remote
            )),
        }
    }

    /// It took up a packet of audio.
    pub(crate) fn hears(&mut self, word: Option<Word>, now: Instant) -> Result<(), String> {
        let Some(word) = word.filter(|word| word.secret == self.secret && word.end == self.far)
        else {
            return Err(format!("heard what the far end never said: {word:?}"));
        };
        if self.deceived || !self.secured {
            return Err("heard somebody who was not verified".to_owned());
        }
        if self.failed.is_some() {
            return Err("heard something after the end".to_owned());
        }
        if !self.heard.insert((word.life, word.number)) {
            return Err(format!("accepted a packet twice: {word:?}"));
        }
        self.words += 1;
        self.last_heard = Some(now);
        Ok(())
    }

    /// It told something.
    pub(crate) fn told(&mut self, event: &MediaEvent, now: Instant) -> Result<(), String> {
        if let Some(error) = &self.failed {
            return Err(format!("told {event:?} after {error:?}"));
        }
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "what else is told promises nothing of the network"
        )]
        match event {
            MediaEvent::IcePair { .. } => {
                self.up = true;
                self.given_up = false;
            }
            MediaEvent::PathLost { given_up } => {
                self.up = false;
                self.given_up |= given_up;
            }
            MediaEvent::DtlsConnected { .. } if self.deceived => {
                return Err("a certificate that is not the promised one was accepted".to_owned());
            }
            MediaEvent::DtlsConnected { .. } => self.secured = true,
            MediaEvent::ClosedByPeer => self.closed_by_peer = true,
            MediaEvent::Failed(error) => {
                self.failed = Some(error.clone());
                let mismatch = matches!(
                    error,
                    MediaError::DtlsFailed(DtlsFailure::FingerprintMismatch { .. })
                );
                if mismatch != self.deceived && mismatch {
                    return Err("an honest far end's certificate was refused".to_owned());
                }
                let spoke = self.last_heard.filter(|at| now < *at + MEDIA_TIMEOUT);
                if let (MediaError::MediaTimeout { .. }, Some(at)) = (error, spoke) {
                    return Err(format!("timed out {:?} after a packet", now - at));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether it owes word of something by now; `route` is what it says that its path is.
    pub(crate) fn look(&self, route: Option<Route>, now: Instant) -> Result<(), String> {
        if self.failed.is_some() || self.closed_by_peer {
            return Ok(());
        }
        let Some(asked) = self.asked else {
            return Ok(());
        };
        if !self.secured && now > asked + SETTLED {
            return Err(format!(
                "neither secured nor failed {:?} after the far end's parameters",
                now - asked
            ));
        }
        let answered = route.and_then(|it| self.answers.get(&(it.local, it.remote)));
        let Some(answered) = answered else {
            return Ok(());
        };
        let silent = now - *answered;
        if self.up && silent > DOUBT + GRACE {
            return Err(format!("no answer for {silent:?}, and nothing was told"));
        }
        let quiet = silent.min(now - asked);
        if !self.given_up && quiet > GIVEN_UP + GRACE {
            return Err(format!(
                "no answer for {silent:?}, and the path was not given up"
            ));
        }
        Ok(())
    }
}
