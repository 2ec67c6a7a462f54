//! One call: which description goes where, what media and signalling make of it, and how it ends exactly once.

use std::collections::VecDeque;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use offhook_media::driver::event::CallEvent;
use offhook_media::program::{AudioCodec, CallKey, ProgramCommand, ProgramEvent};
use offhook_media::quality::statistics::Statistics;
use offhook_media::session::event::MediaEvent;
use offhook_media::session::media_session::Renewal;
use offhook_signaling::call_id::CallId;
use offhook_signaling::cause::Cause;
use offhook_signaling::command::Command;
use offhook_signaling::event::{Event as SignalingEvent, Party};

use crate::ended::{EndReason, Ended};
use crate::event::{Event, EventKind, IceEnd};
use crate::output::{AccountKey, Deadline, MediaCommand, Output};
use crate::quality::Quality;
use crate::status::{CallState, CallStatus, Direction};

/// See [`Deadline::LocalDescription`].
const LOCAL_DESCRIPTION: Duration = Duration::from_secs(15);
/// See [`Deadline::MediaClosed`].
const MEDIA_CLOSED: Duration = Duration::from_secs(2);

/// The name that SDP and webrtc-stats give a codec.
const fn codec_name(codec: AudioCodec) -> &'static str {
    match codec {
        AudioCodec::Opus => "opus",
        AudioCodec::Pcmu => "PCMU",
        AudioCodec::Pcma => "PCMA",
    }
}

/// Where a call's doings go.
pub(crate) struct Effects<'a> {
    pub(crate) outbox: &'a mut VecDeque<Output>,
    pub(crate) now: Instant,
}

/// Who a call is between, fixed at its beginning.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) key: CallKey,
    pub(crate) id: CallId,
    pub(crate) account: AccountKey,
    pub(crate) account_name: Arc<str>,
    pub(crate) direction: Direction,
}

/// How we show ourselves to the callee.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) name: Option<String>,
    pub(crate) number: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Call {
    identity: Identity,
    remote: Party,
    began: Instant,
    state: State,
    sound: Sound,
    deadline: Option<(Instant, Deadline)>,
    recovering: bool,
}

/// How far signalling has come. A field exists only in the states in which it means something.
#[derive(Debug)]
enum State {
    /// Outbound: the media worker makes our offer.
    Offering(Shown),
    /// Outbound: the invitation is out.
    Inviting(Heard),
    /// Inbound: it rings, and this is the far end's offer.
    Offered(Option<String>),
    /// Inbound: the media worker makes our answer.
    Answering,
    /// Inbound: our answer is out, the server has not confirmed it.
    Confirming,
    /// Answered by whichever side.
    Active { since: Instant },
    /// Over but for the media worker's last figures.
    Ending(Ending),
    /// Told as ended; to be forgotten.
    Over,
}

/// What an outbound call heard of the far end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Nothing,
    Ringing,
    Early,
}

#[derive(Debug)]
struct Ending {
    reason: EndReason,
    cause: Cause,
    answered: Option<Instant>,
    ended: Instant,
}

/// What the call has of media.
#[derive(Debug, Default)]
struct Sound {
    open: bool,
    /// Offer and answer were complete at least once.
    agreed: bool,
    /// The answer being made is for a new offer within the call.
    renewing: bool,
    muted: bool,
    codec: Option<AudioCodec>,
    quality: Option<Quality>,
    recording: Option<PathBuf>,
}

impl Call {
    /// A call of ours: media is asked for an offer first.
    pub(crate) fn outbound(
        identity: Identity,
        number: &str,
        shown: Shown,
        fx: &mut Effects<'_>,
    ) -> Self {
        let remote = Party {
            name: String::new(),
            number: number.to_owned(),
        };
        let mut call = Self::new(identity, remote, State::Offering(shown), fx.now);
        call.open_media(fx);
        call.media(MediaCommand::CreateOffer, fx);
        call.await_description(fx);
        call
    }

    /// Somebody calls; nothing is opened before the answer.
    pub(crate) fn inbound(
        identity: Identity,
        remote: Party,
        offer: Option<String>,
        fx: &mut Effects<'_>,
    ) -> Self {
        let incoming = EventKind::Incoming {
            number: remote.number.clone(),
            name: Some(remote.name.clone()).filter(|name| !name.is_empty()),
        };
        let call = Self::new(identity, remote, State::Offered(offer), fx.now);
        call.tell(incoming, fx);
        call
    }

    fn new(identity: Identity, remote: Party, state: State, now: Instant) -> Self {
        Self {
            identity,
            remote,
            began: now,
            state,
            sound: Sound::default(),
            deadline: None,
            recovering: false,
        }
    }

    pub(crate) const fn id(&self) -> &CallId {
        &self.identity.id
    }

    pub(crate) const fn account(&self) -> AccountKey {
        self.identity.account
    }

    pub(crate) const fn deadline(&self) -> Option<(Instant, Deadline)> {
        self.deadline
    }

    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    pub(crate) const fn rings_here(&self) -> bool {
        matches!(self.state, State::Offered(_))
    }

    pub(crate) const fn is_ending(&self) -> bool {
        matches!(self.state, State::Ending(_) | State::Over)
    }

    pub(crate) const fn carries_digits(&self) -> bool {
        matches!(
            self.state,
            State::Active { .. } | State::Inviting(Heard::Early)
        )
    }

    pub(crate) const fn state(&self) -> CallState {
        match self.state {
            State::Offering(_) | State::Inviting(Heard::Nothing) => CallState::Calling,
            State::Inviting(Heard::Ringing) | State::Offered(_) => CallState::Ringing,
            State::Inviting(Heard::Early) => CallState::Early,
            State::Answering | State::Confirming => CallState::Answering,
            State::Active { .. } if self.recovering => CallState::Recovering,
            State::Active { .. } => CallState::Active,
            State::Ending(_) | State::Over => CallState::Ending,
        }
    }

    pub(crate) fn status(&self, now: Instant) -> CallStatus {
        CallStatus {
            call: self.identity.id.clone(),
            account: Arc::clone(&self.identity.account_name),
            direction: self.identity.direction,
            state: self.state(),
            number: self.remote.number.clone(),
            name: Some(self.remote.name.clone()).filter(|name| !name.is_empty()),
            age: now.saturating_duration_since(self.began),
            muted: self.sound.muted,
            codec: self.sound.codec.map(codec_name),
            quality: self.sound.quality.clone(),
        }
    }

    /// Takes an inbound call that rings. The caller has checked [`rings_here`](Self::rings_here).
    pub(crate) fn answer(&mut self, fx: &mut Effects<'_>) {
        let State::Offered(offer) = &mut self.state else {
            return;
        };
        let Some(offer) = offer.take() else {
            return self.end(EndReason::NoOffer, Cause::INCOMPATIBLE_DESTINATION, fx);
        };
        self.state = State::Answering;
        self.open_media(fx);
        self.media(MediaCommand::AcceptOffer(offer, Renewal::Change), fx);
        self.await_description(fx);
    }

    /// Ends, cancels or refuses the call; without a cause, by the one that fits the state.
    pub(crate) fn hang_up(&mut self, cause: Option<Cause>, fx: &mut Effects<'_>) {
        let usual = match self.state {
            State::Offering(_) | State::Inviting(_) => Cause::ORIGINATOR_CANCEL,
            State::Offered(_) => Cause::CALL_REJECTED,
            State::Answering
            | State::Confirming
            | State::Active { .. }
            | State::Ending(_)
            | State::Over => Cause::NORMAL_CLEARING,
        };
        self.end(EndReason::HungUp, cause.unwrap_or(usual), fx);
    }

    /// Ends the call because the engine ends; the session says goodbye to the server for all calls at once.
    pub(crate) fn shut_down(&mut self, fx: &mut Effects<'_>) {
        self.close(EndReason::ShutDown, Cause::NORMAL_CLEARING, fx);
    }

    pub(crate) fn mute(&mut self, on: bool, fx: &mut Effects<'_>) {
        if mem::replace(&mut self.sound.muted, on) == on {
            return;
        }
        if self.sound.open {
            self.media(MediaCommand::Program(ProgramCommand::Mute(on)), fx);
        }
        self.tell(EventKind::Muted { on }, fx);
    }

    pub(crate) fn dtmf_by_signaling(&self, digits: &str, fx: &mut Effects<'_>) {
        self.signal(
            Command::Dtmf {
                call: self.identity.id.clone(),
                digits: digits.to_owned(),
            },
            fx,
        );
    }

    pub(crate) fn dtmf_by_rtp(&self, digits: &str, fx: &mut Effects<'_>) {
        self.media(
            MediaCommand::Program(ProgramCommand::Dtmf {
                digits: digits.to_owned(),
            }),
            fx,
        );
    }

    /// The account's connection is gone: an answered call waits for the server to offer it again.
    pub(crate) fn connection_lost(&mut self, fx: &mut Effects<'_>) {
        if matches!(self.state, State::Active { .. }) && !mem::replace(&mut self.recovering, true) {
            self.tell(EventKind::Recovering { on: true }, fx);
        }
    }

    fn connection_back(&mut self, fx: &mut Effects<'_>) {
        if mem::take(&mut self.recovering) {
            self.tell(EventKind::Recovering { on: false }, fx);
        }
    }

    pub(crate) fn on_signaling(&mut self, event: SignalingEvent, fx: &mut Effects<'_>) {
        if self.is_ending() {
            return;
        }
        match event {
            SignalingEvent::Ringing { .. } => self.on_ringing(fx),
            SignalingEvent::EarlyMedia { sdp, .. } => self.on_early(sdp, fx),
            SignalingEvent::Answered { sdp, .. } => self.on_answered(sdp, fx),
            SignalingEvent::Confirmed { .. } => self.on_confirmed(fx),
            SignalingEvent::Attach { sdp, .. } => self.on_new_offer(sdp, fx),
            SignalingEvent::MediaUpdated { sdp, .. } => {
                self.media(MediaCommand::AcceptAnswer(sdp), fx)
            }
            SignalingEvent::Display { remote, .. } => self.remote = remote,
            SignalingEvent::Ended {
                by, cause, detail, ..
            } => {
                self.close(EndReason::from_signaling(by, &cause, detail), cause, fx);
            }
            SignalingEvent::CommandFailed { error, .. } => {
                let remedy = Some(error.remedy().to_string());
                self.tell(
                    EventKind::RequestFailed {
                        reason: error.to_string(),
                        remedy,
                    },
                    fx,
                );
            }
            // About the account, nothing that a person could see, or of a later protocol.
            SignalingEvent::Trying { .. }
            | SignalingEvent::DtmfSent { .. }
            | SignalingEvent::Incoming { .. }
            | SignalingEvent::Connecting { .. }
            | SignalingEvent::Connected
            | SignalingEvent::LoggedIn { .. }
            | SignalingEvent::Ready
            | SignalingEvent::Disconnected { .. }
            | SignalingEvent::LoginFailed(_)
            | SignalingEvent::Failed(_)
            | SignalingEvent::Stopped
            | _ => {}
        }
    }

    fn on_ringing(&mut self, fx: &mut Effects<'_>) {
        if let State::Inviting(heard @ Heard::Nothing) = &mut self.state {
            *heard = Heard::Ringing;
            self.tell(EventKind::Ringing, fx);
        }
    }

    fn on_early(&mut self, sdp: String, fx: &mut Effects<'_>) {
        let State::Inviting(heard) = &mut self.state else {
            return;
        };
        let first = mem::replace(heard, Heard::Early) != Heard::Early;
        self.media(MediaCommand::AcceptAnswer(sdp), fx);
        if first {
            self.tell(EventKind::Early, fx);
        }
    }

    fn on_answered(&mut self, sdp: Option<String>, fx: &mut Effects<'_>) {
        let State::Inviting(heard) = self.state else {
            return;
        };
        match sdp {
            Some(sdp) => self.media(MediaCommand::AcceptAnswer(sdp), fx),
            None if heard == Heard::Early => {}
            None => {
                return self.end(
                    EndReason::NoAnswerDescription,
                    Cause::INCOMPATIBLE_DESTINATION,
                    fx,
                );
            }
        }
        self.state = State::Active { since: fx.now };
        self.tell(EventKind::Answered, fx);
    }

    fn on_confirmed(&mut self, fx: &mut Effects<'_>) {
        match self.state {
            State::Confirming => {
                self.state = State::Active { since: fx.now };
                self.tell(EventKind::Answered, fx);
            }
            State::Active { .. } => self.connection_back(fx),
            State::Offering(_)
            | State::Inviting(_)
            | State::Offered(_)
            | State::Answering
            | State::Ending(_)
            | State::Over => {}
        }
    }

    /// The server offers new media: after a lost socket, or to restart ICE.
    fn on_new_offer(&mut self, sdp: String, fx: &mut Effects<'_>) {
        if let State::Offered(offer) = &mut self.state {
            // Not answered yet: the newer offer takes the place of the older.
            *offer = Some(sdp);
            return;
        }
        self.sound.renewing = true;
        self.media(MediaCommand::AcceptOffer(sdp, Renewal::Afresh), fx);
        self.await_description(fx);
    }

    pub(crate) fn on_media(&mut self, event: CallEvent, fx: &mut Effects<'_>) {
        match event {
            CallEvent::OpenFailed(error) => {
                self.sound.open = false;
                self.end(
                    EndReason::NoSocket(error.to_string()),
                    Cause::NETWORK_OUT_OF_ORDER,
                    fx,
                );
                self.finish(fx);
            }
            CallEvent::LocalOffer { sdp } => self.on_local_offer(sdp, fx),
            CallEvent::LocalAnswer { sdp } => self.on_local_answer(sdp, fx),
            CallEvent::Refused(refusal) => self.on_refused(refusal.to_string(), fx),
            CallEvent::Media(event) => self.on_media_event(event, fx),
            CallEvent::Closed { error, statistics } => {
                self.take_figures(&statistics);
                self.sound.open = false;
                let reason = error.map_or(EndReason::MediaLost, EndReason::Media);
                self.end(reason, Cause::RECOVERY_ON_TIMER_EXPIRE, fx);
                self.finish(fx);
            }
            // Tells nothing new: `Negotiated` came with it.
            CallEvent::AnswerAccepted | _ => {}
        }
    }

    fn on_local_offer(&mut self, sdp: String, fx: &mut Effects<'_>) {
        let State::Offering(shown) = &mut self.state else {
            return;
        };
        let shown = mem::take(shown);
        self.deadline = None;
        self.state = State::Inviting(Heard::Nothing);
        let invite = Command::Invite {
            call: self.identity.id.clone(),
            to: self.remote.number.clone(),
            sdp,
            caller_name: shown.name,
            caller_number: shown.number,
            headers: Vec::new(),
        };
        self.signal(invite, fx);
        let number = self.remote.number.clone();
        self.tell(
            EventKind::Invite {
                number,
                direction: Direction::Outbound,
            },
            fx,
        );
    }

    fn on_local_answer(&mut self, sdp: String, fx: &mut Effects<'_>) {
        let call = self.identity.id.clone();
        if self.is_ending() {
            return;
        }
        self.deadline = None;
        if mem::take(&mut self.sound.renewing) {
            return self.signal(Command::Attach { call, sdp }, fx);
        }
        if matches!(self.state, State::Answering) {
            self.state = State::Confirming;
            self.signal(Command::Answer { call, sdp }, fx);
        }
    }

    fn on_refused(&mut self, refusal: String, fx: &mut Effects<'_>) {
        if self.sound.agreed && !self.sound.renewing {
            // A second answer that cannot be used: the first stays in force.
            return self.tell(EventKind::AudioFault { reason: refusal }, fx);
        }
        self.end(
            EndReason::MediaRefused(refusal),
            Cause::INCOMPATIBLE_DESTINATION,
            fx,
        );
    }

    fn on_media_event(&mut self, event: MediaEvent, fx: &mut Effects<'_>) {
        if let MediaEvent::Statistics(statistics) = &event {
            self.take_figures(statistics);
        }
        if self.is_ending() {
            return;
        }
        match event {
            MediaEvent::Negotiated(format) => {
                self.sound.agreed = true;
                self.sound.codec = Some(format.codec);
            }
            MediaEvent::IcePair {
                local,
                remote,
                local_kind,
                remote_kind,
            } => self.tell(
                EventKind::Ice {
                    local: IceEnd {
                        address: local,
                        kind: local_kind,
                    },
                    remote: IceEnd {
                        address: remote,
                        kind: remote_kind,
                    },
                },
                fx,
            ),
            MediaEvent::DtlsConnected { profile } => self.tell(EventKind::Dtls { profile }, fx),
            MediaEvent::FirstRtpSent => self.tell(EventKind::FirstRtpSent, fx),
            MediaEvent::FirstRtpReceived => self.tell(EventKind::FirstRtpReceived, fx),
            MediaEvent::NoMedia { silent_for } => {
                self.tell(EventKind::NoMedia { silent: silent_for }, fx)
            }
            MediaEvent::PathLost { given_up } => self.tell(EventKind::PathLost { given_up }, fx),
            MediaEvent::MediaResumed => self.tell(EventKind::MediaResumed, fx),
            MediaEvent::Dtmf { digit } => self.tell(EventKind::Dtmf { digit }, fx),
            MediaEvent::Program(event) => self.on_program_event(event, fx),
            MediaEvent::Statistics(_) => {
                if let Some(quality) = self.sound.quality.clone() {
                    self.tell(EventKind::Quality(Box::new(quality)), fx);
                }
            }
            MediaEvent::Failed(error) => {
                self.end(EndReason::Media(error), Cause::RECOVERY_ON_TIMER_EXPIRE, fx);
            }
            // The end of a call is signalling's to tell.
            MediaEvent::ClosedByPeer | _ => {}
        }
    }

    fn on_program_event(&mut self, event: ProgramEvent, fx: &mut Effects<'_>) {
        match event {
            ProgramEvent::SourceFailed { reason } | ProgramEvent::SinkFailed { reason } => {
                self.tell(EventKind::AudioFault { reason }, fx);
            }
            ProgramEvent::RecordingTo { path } => {
                self.tell(EventKind::Recording { path: path.clone() }, fx);
                self.sound.recording.get_or_insert(path);
            }
            ProgramEvent::DeviceStalled { device } => {
                let reason =
                    format!("sound device {device} has stopped; check that it is plugged in");
                self.tell(EventKind::AudioFault { reason }, fx);
            }
            ProgramEvent::DeviceRunning { device } => {
                self.tell(EventKind::AudioRestored { device }, fx)
            }
            // What was asked for: no news.
            ProgramEvent::SourceEnded | ProgramEvent::DtmfSent | _ => {}
        }
    }

    /// Input or output could not be opened; the call goes on without.
    pub(crate) fn on_audio_fault(&self, reason: String, fx: &mut Effects<'_>) {
        self.tell(EventKind::AudioFault { reason }, fx);
    }

    pub(crate) fn on_timeout(&mut self, fx: &mut Effects<'_>) {
        let Some((at, deadline)) = self.deadline else {
            return;
        };
        if at > fx.now {
            return;
        }
        self.deadline = None;
        match deadline {
            Deadline::LocalDescription => {
                self.end(EndReason::MediaLost, Cause::NETWORK_OUT_OF_ORDER, fx)
            }
            Deadline::MediaClosed => self.finish(fx),
            Deadline::ShutDown => {}
        }
    }

    /// Ends the call and says so to the server.
    fn end(&mut self, reason: EndReason, cause: Cause, fx: &mut Effects<'_>) {
        if self.is_ending() {
            return;
        }
        // Before the invitation the server knows of nothing.
        if !matches!(self.state, State::Offering(_)) {
            self.signal(
                Command::Bye {
                    call: self.identity.id.clone(),
                    cause: Some(cause.clone()),
                },
                fx,
            );
        }
        self.close(reason, cause, fx);
    }

    /// Ends the call without a word to the server.
    fn close(&mut self, reason: EndReason, cause: Cause, fx: &mut Effects<'_>) {
        if self.is_ending() {
            return;
        }
        let answered = match self.state {
            State::Active { since } => Some(since),
            State::Offering(_)
            | State::Inviting(_)
            | State::Offered(_)
            | State::Answering
            | State::Confirming
            | State::Ending(_)
            | State::Over => None,
        };
        self.state = State::Ending(Ending {
            reason,
            cause,
            answered,
            ended: fx.now,
        });
        if self.sound.open {
            self.media(MediaCommand::Close, fx);
            self.deadline = Some((fx.now + MEDIA_CLOSED, Deadline::MediaClosed));
        } else {
            self.finish(fx);
        }
    }

    /// Tells the end, now that the last figures are in.
    pub(crate) fn finish(&mut self, fx: &mut Effects<'_>) {
        let State::Ending(ending) = mem::replace(&mut self.state, State::Over) else {
            return;
        };
        self.deadline = None;
        let ended = Ended {
            by: ending.reason.by(),
            cause: ending.cause,
            reason: ending.reason,
            answered: ending.answered.is_some(),
            talk: ending.answered.map_or(Duration::ZERO, |since| {
                ending.ended.saturating_duration_since(since)
            }),
            quality: self.sound.quality.take(),
            recording: self.sound.recording.take(),
        };
        self.tell(EventKind::Ended(Box::new(ended)), fx);
    }

    fn take_figures(&mut self, statistics: &Statistics) {
        self.sound.quality = Some(Quality::of(statistics, self.sound.codec));
    }

    fn open_media(&mut self, fx: &mut Effects<'_>) {
        self.sound.open = true;
        self.media(MediaCommand::Open(self.identity.id.clone()), fx);
        if self.sound.muted {
            self.media(MediaCommand::Program(ProgramCommand::Mute(true)), fx);
        }
    }

    fn await_description(&mut self, fx: &Effects<'_>) {
        self.deadline = Some((fx.now + LOCAL_DESCRIPTION, Deadline::LocalDescription));
    }

    fn media(&self, command: MediaCommand, fx: &mut Effects<'_>) {
        fx.outbox
            .push_back(Output::Media(self.identity.key, command));
    }

    fn signal(&self, command: Command, fx: &mut Effects<'_>) {
        fx.outbox
            .push_back(Output::Signaling(self.identity.account, command));
    }

    fn tell(&self, kind: EventKind, fx: &mut Effects<'_>) {
        fx.outbox.push_back(Output::Event(Event {
            account: Arc::clone(&self.identity.account_name),
            call: Some(self.identity.id.clone()),
            at: fx.now.saturating_duration_since(self.began),
            kind,
        }));
    }
}
