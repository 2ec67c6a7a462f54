//! One call: what users and signalling make of it, and how it ends exactly once.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use offhook_media::program::ProgramCommand;
use offhook_media::session::config::Hold;
use offhook_media::session::forks::{AnswerKind, ForkAnswer};
use offhook_media::session::media_session::Renewal;
use offhook_signaling::call_id::CallId;
use offhook_signaling::cause::Cause;
use offhook_signaling::command::Command;
use offhook_signaling::error::Error as SignalingError;
use offhook_signaling::event::{Event as SignalingEvent, Party, PlatformIds, SipEnd};

use crate::call::sound::codec_name;
use crate::call::state::{
    Effects, Ending, FirstOffer, Heard, Identity, Offered, Shown, Sound, Sounding, State,
};
use crate::ended::{EndReason, Ended};
use crate::event::{Event, EventKind, Said};
use crate::output::{AccountKey, Deadline, MediaCommand, Output};
use crate::request::{AnswerOptions, Dtmf, EndOptions};
use crate::status::{CallState, CallStatus};

/// See [`Deadline::LocalDescription`].
const LOCAL_DESCRIPTION: Duration = Duration::from_secs(15);
/// See [`Deadline::MediaClosed`].
const MEDIA_CLOSED: Duration = Duration::from_secs(2);
/// Candidates that may wait for the call to be answered; as many as a media session takes.
const MOST_CANDIDATES: usize = 32;
/// Requests for digits that may wait for media.
const MOST_DIGITS: usize = 64;

#[derive(Debug)]
pub(crate) struct Call {
    pub(super) identity: Identity,
    pub(super) remote: Party,
    pub(super) ids: Option<Arc<PlatformIds>>,
    pub(super) began: Instant,
    pub(super) state: State,
    pub(super) sound: Sound,
    pub(super) deadline: Option<(Instant, Deadline)>,
    pub(super) recovering: bool,
}

impl Call {
    /// A call of ours: media is asked for an offer first.
    pub(crate) fn outbound(
        identity: Identity,
        number: &str,
        shown: Shown,
        sounding: Sounding,
        fx: &mut Effects<'_>,
    ) -> Self {
        let remote = Party {
            name: String::new(),
            number: number.to_owned(),
        };
        let late = shown.late_offer;
        let mut call = Self::new(identity, remote, State::Offering(shown), fx.now);
        call.sound.ringback = sounding.ringback;
        call.sound.media = sounding.media;
        call.mute(sounding.muted, fx);
        call.open_media(fx);
        if late && let State::Offering(shown) = &mut call.state {
            let shown = mem::take(shown);
            // Its offer comes with the answer, which then says nothing more of media.
            call.sound.offered_anew = true;
            call.invite(shown, String::new(), fx);
        } else {
            call.media(MediaCommand::CreateOffer, fx);
            call.await_description(fx);
        }
        call
    }

    /// Somebody calls; nothing is opened before the answer, unless an offer of ours is asked for.
    pub(crate) fn inbound(identity: Identity, offered: Offered, fx: &mut Effects<'_>) -> Self {
        let Offered {
            caller: remote,
            sdp,
            said,
            ids,
            replaces,
        } = offered;
        let incoming = EventKind::Incoming {
            number: remote.number.clone(),
            name: Some(remote.name.clone()).filter(|name| !name.is_empty()),
            headers: said.headers,
            client_state: said.client_state,
            replaces,
        };
        let first = sdp.map_or(FirstOffer::Nobody, FirstOffer::Theirs);
        let mut call = Self::new(identity, remote, State::Offered(first), fx.now);
        call.take_ids(ids);
        call.tell(incoming, fx);
        call
    }

    /// A call of an earlier process, which the server offers again: it was answered there, and goes on here. Whether it was
    /// muted there is not known, so it begins as the account's calls do.
    pub(crate) fn adopted(
        identity: Identity,
        offered: Offered,
        sdp: String,
        muted: bool,
        fx: &mut Effects<'_>,
    ) -> Self {
        let state = State::Active { since: fx.now };
        let mut call = Self::new(identity, offered.caller, state, fx.now);
        call.take_ids(offered.ids);
        call.recovering = true;
        call.sound.secured = true;
        call.tell(EventKind::Recovering { on: true }, fx);
        call.on_attached(offered.said, fx);
        call.mute(muted, fx);
        call.open_media(fx);
        call.on_new_offer(sdp, fx);
        call
    }

    fn new(identity: Identity, remote: Party, state: State, now: Instant) -> Self {
        Self {
            identity,
            remote,
            ids: None,
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

    pub(crate) const fn is_answered(&self) -> bool {
        matches!(self.state, State::Active { .. })
    }

    pub(crate) const fn is_muted(&self) -> bool {
        self.sound.muted
    }

    pub(crate) const fn is_deaf(&self) -> bool {
        self.sound.deaf
    }

    pub(crate) const fn is_held(&self) -> bool {
        self.is_answered() && self.sound.held
    }

    /// Whether the far end of another call may be sent here, now or as soon as this one is answered.
    pub(crate) const fn takes_transfer(&self) -> bool {
        self.is_answered() || (self.is_sip() && matches!(self.state, State::Inviting(_)))
    }

    pub(crate) const fn is_ending(&self) -> bool {
        matches!(self.state, State::Ending(_) | State::Over)
    }

    pub(crate) const fn is_sip(&self) -> bool {
        self.identity.protocol.is_sip()
    }

    /// How digits go: as chosen, else as the server has it.
    pub(crate) fn dtmf_method(&self, chosen: Option<Dtmf>) -> Dtmf {
        chosen.unwrap_or_else(|| self.identity.protocol.dtmf())
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
            State::Answering(_) | State::Confirming => CallState::Answering,
            State::Active { .. } if self.recovering => CallState::Recovering,
            State::Active { .. } if self.sound.held => CallState::Held,
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
            ids: self.ids.clone(),
            age: now.saturating_duration_since(self.began),
            muted: self.sound.muted,
            deaf: self.sound.deaf,
            codec: self.sound.codec.map(codec_name),
            quality: self.sound.quality.clone(),
        }
    }

    /// Takes an inbound call that rings. The caller has checked [`rings_here`](Self::rings_here).
    pub(crate) fn answer(&mut self, mut options: AnswerOptions, fx: &mut Effects<'_>) {
        let State::Offered(first) = &self.state else {
            return;
        };
        let make = match first.clone() {
            FirstOffer::Theirs(offer) => Some(MediaCommand::AcceptOffer(offer, Renewal::Change)),
            // The caller leaves the offer to us (RFC 3261, section 13.2.1).
            FirstOffer::Nobody if self.identity.protocol.is_sip() => {
                Some(MediaCommand::CreateOffer)
            }
            FirstOffer::Nobody => {
                return self.end(EndReason::NoOffer, Cause::INCOMPATIBLE_DESTINATION, fx);
            }
            FirstOffer::Wanted | FirstOffer::Ours => None,
        };
        let rings_with_ours = *first == FirstOffer::Ours;
        if let Some(muted) = options.muted {
            self.mute(muted, fx);
        }
        self.sound.media.ice_servers = options.ice_servers.take();
        self.sound.media.trickle = options.trickle;
        if rings_with_ours {
            self.begin_sound(fx);
            self.media(MediaCommand::Hold(Hold::Off), fx);
            return self.say_answer(String::new(), options, fx);
        }
        self.state = State::Answering(options);
        let Some(make) = make else {
            // The offer that is being made goes with the answer.
            return self.begin_sound(fx);
        };
        self.open_media(fx);
        self.media(make, fx);
        for candidate in mem::take(&mut self.sound.early_candidates) {
            self.media(MediaCommand::AddRemoteCandidate(candidate), fx);
        }
        self.await_description(fx);
    }

    /// The caller hears it ring once there is an offer of ours. Its media may connect then; sound and microphone are our user's to open.
    fn ring_with_offer(&mut self, fx: &mut Effects<'_>) {
        if let State::Offered(first) = &mut self.state
            && *first == FirstOffer::Nobody
        {
            *first = FirstOffer::Wanted;
            self.open_silent_media(fx);
            self.media(MediaCommand::CreateOffer, fx);
            self.await_description(fx);
        }
    }

    /// While a call rings nothing is open, so what is trickled then waits for the answer.
    fn on_candidate(&mut self, candidate: String, fx: &mut Effects<'_>) {
        if self.sound.open {
            self.media(MediaCommand::AddRemoteCandidate(candidate), fx);
        } else if self.rings_here() && self.sound.early_candidates.len() < MOST_CANDIDATES {
            self.sound.early_candidates.push(candidate);
        }
    }

    /// Ends, cancels or refuses the call; without a cause, by the one that fits the SIP status or the state.
    pub(crate) fn hang_up(&mut self, mut options: EndOptions, fx: &mut Effects<'_>) {
        let usual = match self.state {
            State::Offering(_) | State::Inviting(_) => Cause::ORIGINATOR_CANCEL,
            State::Offered(_) => Cause::CALL_REJECTED,
            State::Answering(_)
            | State::Confirming
            | State::Active { .. }
            | State::Ending(_)
            | State::Over => Cause::NORMAL_CLEARING,
        };
        let meant = options.sip_code.and_then(Cause::from_sip);
        let cause = options.cause.take().or(meant).unwrap_or(usual);
        self.end_with(EndReason::HungUp, cause, options, fx);
    }

    /// Ends the call because the engine ends; the session says goodbye to the server for all calls at once.
    pub(crate) fn shut_down(&mut self, fx: &mut Effects<'_>) {
        self.close(EndReason::ShutDown, Cause::NORMAL_CLEARING, fx);
        if !self.sound.open {
            self.finish(fx);
        }
    }

    pub(crate) fn mute(&mut self, on: bool, fx: &mut Effects<'_>) {
        if mem::replace(&mut self.sound.muted, on) == on {
            return;
        }
        // A held call is silent anyway.
        if self.sound.open && !self.sound.held {
            self.media(MediaCommand::Program(ProgramCommand::Mute(on)), fx);
        }
        self.tell(EventKind::Muted { on }, fx);
    }

    /// Nobody but our own user knows of it, so it is as it was whatever becomes of the call's media and its server.
    pub(crate) fn deafen(&mut self, on: bool, fx: &mut Effects<'_>) {
        if mem::replace(&mut self.sound.deaf, on) == on {
            return;
        }
        if self.sound.open {
            self.media(MediaCommand::Program(ProgramCommand::Deaf(on)), fx);
        }
        self.tell(EventKind::Deaf { on }, fx);
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

    /// Sends digits with the media, or keeps them until it is there again.
    pub(crate) fn dtmf_by_rtp(&mut self, digits: &str, fx: &mut Effects<'_>) {
        if self.recovering || self.sound.securing {
            if self.sound.digits.len() < MOST_DIGITS {
                return self.sound.digits.push(digits.to_owned());
            }
            let reason = "too many digits wait for the media already".to_owned();
            let remedy = None;
            return self.tell(EventKind::RequestFailed { reason, remedy }, fx);
        }
        self.play_digits(digits.to_owned(), fx);
    }

    /// Where the media was agreed on without telephone events, signalling is left.
    fn play_digits(&mut self, digits: String, fx: &mut Effects<'_>) {
        if self.sound.agreed && !self.sound.has_events {
            return self.dtmf_by_signaling(&digits, fx);
        }
        self.sound.played_digits = true;
        self.media(MediaCommand::Program(ProgramCommand::Dtmf { digits }), fx);
    }

    /// Digits that were given to the media and not begun wait with the others.
    fn pause_digits(&self, on: bool, fx: &mut Effects<'_>) {
        if self.sound.played_digits {
            let pause = ProgramCommand::PauseDtmf(on);
            self.media(MediaCommand::Program(pause), fx);
        }
    }

    /// The account's connection is gone: an answered call waits for the server to offer it again.
    pub(crate) fn connection_lost(&mut self, fx: &mut Effects<'_>) {
        if matches!(self.state, State::Active { .. }) && !mem::replace(&mut self.recovering, true) {
            self.pause_digits(true, fx);
            self.tell(EventKind::Recovering { on: true }, fx);
        }
    }

    fn connection_back(&mut self, fx: &mut Effects<'_>) {
        if mem::take(&mut self.recovering) {
            self.tell(EventKind::Recovering { on: false }, fx);
            self.after_recovery(fx);
        }
        self.send_digits(fx);
    }

    /// Sends the digits that waited for media, as soon as somebody hears it.
    pub(super) fn send_digits(&mut self, fx: &mut Effects<'_>) {
        if self.recovering || self.sound.securing {
            return;
        }
        self.pause_digits(false, fx);
        for digits in mem::take(&mut self.sound.digits) {
            self.play_digits(digits, fx);
        }
    }

    pub(crate) fn on_signaling(&mut self, event: SignalingEvent, fx: &mut Effects<'_>) {
        if self.is_ending() {
            return;
        }
        match event {
            SignalingEvent::Trying { .. } if !self.sound.ringback.told => self.ring(fx),
            SignalingEvent::Ringing { said, .. } => self.on_ringing((*said).into(), fx),
            SignalingEvent::Progress { status, reason, .. } => {
                self.tell(EventKind::Progress { status, reason }, fx);
            }
            SignalingEvent::EarlyMedia {
                sdp, fork, said, ..
            } => self.on_early(sdp, fork, (*said).into(), fx),
            SignalingEvent::Answered {
                sdp, fork, said, ..
            } => self.on_answered(sdp, fork, (*said).into(), fx),
            SignalingEvent::HoldState { held, .. } => self.on_hold_state(held, fx),
            SignalingEvent::Transferred { .. } => self.tell(EventKind::Transferred, fx),
            SignalingEvent::Message { from, body, .. } => {
                self.tell(EventKind::Message { from, text: body }, fx);
            }
            SignalingEvent::MessageAccepted {
                id: message,
                stored,
                ..
            } => self.tell(EventKind::MessageAccepted { message, stored }, fx),
            SignalingEvent::MessageFailed { id, error, .. } => {
                self.tell(EventKind::message_failed(id, &error), fx);
            }
            SignalingEvent::Assistant { event, .. } => {
                self.tell(EventKind::Assistant(Box::new(event)), fx);
            }
            SignalingEvent::Conference { change, .. } => {
                self.tell(EventKind::Conference(Box::new(change)), fx);
            }
            SignalingEvent::Prompt {
                kind,
                text,
                pattern,
                ..
            } => self.tell(
                EventKind::Prompt {
                    kind,
                    text,
                    pattern,
                },
                fx,
            ),
            SignalingEvent::CallIds { ids, .. } => {
                self.take_ids((*ids).clone());
                self.tell(
                    EventKind::CallIds {
                        session: ids.session,
                        leg: ids.leg,
                        call_control: ids.call_control,
                    },
                    fx,
                );
            }
            SignalingEvent::Confirmed { .. } => self.on_confirmed(fx),
            SignalingEvent::Attach { sdp, said, .. } => {
                self.on_attached((*said).into(), fx);
                self.on_new_offer(sdp, fx);
            }
            SignalingEvent::MediaUpdated { sdp, .. } => {
                self.media(MediaCommand::AcceptAnswer(sdp), fx);
                self.media_updated(fx);
            }
            SignalingEvent::Offer { .. } if self.rings_here() => self.ring_with_offer(fx),
            // Ours goes with the answer.
            SignalingEvent::Offer { .. } if matches!(self.state, State::Answering(_)) => {}
            SignalingEvent::Offer { sdp, .. } => self.on_far_offer(sdp, fx),
            SignalingEvent::OfferWanted { .. } => self.refresh(fx),
            SignalingEvent::Digit { digit, .. } => self.tell(EventKind::Dtmf { digit }, fx),
            SignalingEvent::MediaUpdateFailed { error, .. } => {
                self.failed(&error, fx);
                self.media_not_updated(&error, fx);
            }
            SignalingEvent::RemoteCandidate { candidate, .. } => {
                self.on_candidate(candidate, fx);
            }
            // The time for a path is limited anyway, so nothing is ended sooner by it.
            SignalingEvent::RemoteEndOfCandidates { .. } => {}
            SignalingEvent::Display { remote, .. } => self.on_display(remote, fx),
            SignalingEvent::Info { data, .. } => self.tell(EventKind::Info { data }, fx),
            SignalingEvent::Ended {
                by,
                cause,
                detail,
                elsewhere,
                headers,
                client_state,
                sip,
                ..
            } => {
                self.close(EndReason::from_signaling(by, &cause, detail), cause, fx);
                if let State::Ending(ending) = &mut self.state {
                    ending.elsewhere = elsewhere;
                    ending.headers = headers;
                    ending.client_state = client_state;
                    ending.sip = *sip;
                    if !self.sound.open {
                        self.finish(fx);
                    }
                }
            }
            SignalingEvent::CommandFailed { error, .. } => self.failed(&error, fx),
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

    fn failed(&self, error: &SignalingError, fx: &mut Effects<'_>) {
        let (reason, remedy) = (error.to_string(), Some(error.remedy().to_string()));
        self.tell(EventKind::RequestFailed { reason, remedy }, fx);
    }

    fn on_display(&mut self, remote: Party, fx: &mut Effects<'_>) {
        if self.remote == remote {
            return;
        }
        self.remote = remote;
        let display = EventKind::Display {
            number: self.remote.number.clone(),
            name: Some(self.remote.name.clone()).filter(|name| !name.is_empty()),
        };
        self.tell(display, fx);
    }

    /// Every later event of the call carries them.
    fn take_ids(&mut self, ids: PlatformIds) {
        if ids != PlatformIds::default() {
            self.ids = Some(Arc::new(ids));
        }
    }

    fn on_attached(&mut self, said: Said, fx: &mut Effects<'_>) {
        if !said.is_empty() {
            self.tell(EventKind::Attached(said), fx);
        }
    }

    fn on_ringing(&mut self, said: Said, fx: &mut Effects<'_>) {
        let State::Inviting(heard) = &mut self.state else {
            return;
        };
        let silent = *heard == Heard::Nothing;
        if silent {
            *heard = Heard::Ringing;
        }
        let rings = silent || self.identity.protocol.rings_beside_early_media();
        if rings && !mem::replace(&mut self.sound.rang, true) {
            self.ring(fx);
            self.tell(EventKind::Ringing(said), fx);
        }
    }

    fn on_early(&mut self, sdp: String, fork: Option<String>, said: Said, fx: &mut Effects<'_>) {
        let State::Inviting(heard) = &mut self.state else {
            return;
        };
        let first = mem::replace(heard, Heard::Early) != Heard::Early;
        if !self.identity.protocol.rings_beside_early_media() {
            self.stop_ringing(fx);
        }
        self.media(answer_of(fork, sdp, AnswerKind::Provisional), fx);
        if first {
            self.tell(EventKind::Early(said), fx);
        }
    }

    fn on_answered(
        &mut self,
        sdp: Option<String>,
        fork: Option<String>,
        said: Said,
        fx: &mut Effects<'_>,
    ) {
        let State::Inviting(heard) = self.state else {
            return;
        };
        match sdp {
            // What the server offered itself stands.
            _ if self.sound.offered_anew => {}
            Some(sdp) => self.media(answer_of(fork, sdp, AnswerKind::Final), fx),
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
        self.stop_ringing(fx);
        self.tell(EventKind::Answered(said), fx);
    }

    /// Lets our own user hear that the far end rings, where the server sends no tone of its own. The media leaves the tone out while
    /// packets come.
    fn ring(&mut self, fx: &mut Effects<'_>) {
        let beside = self.identity.protocol.rings_beside_early_media();
        let waiting =
            matches!(self.state, State::Inviting(heard) if beside || heard != Heard::Early);
        if let Some(tone) = self.sound.ringback.tone.filter(|_| waiting)
            && !mem::replace(&mut self.sound.rings, true)
        {
            let play = ProgramCommand::Ringback(Some(tone));
            self.media(MediaCommand::Program(play), fx);
        }
    }

    fn stop_ringing(&mut self, fx: &mut Effects<'_>) {
        if mem::take(&mut self.sound.rings) {
            let stop = ProgramCommand::Ringback(None);
            self.media(MediaCommand::Program(stop), fx);
        }
    }

    fn on_confirmed(&mut self, fx: &mut Effects<'_>) {
        match self.state {
            State::Confirming => {
                self.state = State::Active { since: fx.now };
                self.tell(EventKind::Answered(Said::default()), fx);
                // A path that stood while it rang may have been lost since.
                self.after_recovery(fx);
            }
            State::Active { .. } => {
                self.remedy_begins(fx);
                self.connection_back(fx);
            }
            State::Offering(_)
            | State::Inviting(_)
            | State::Offered(_)
            | State::Answering(_)
            | State::Ending(_)
            | State::Over => {}
        }
    }

    /// The server offers new media: after a lost socket, or to restart ICE.
    fn on_new_offer(&mut self, sdp: String, fx: &mut Effects<'_>) {
        if let State::Offered(offer) = &mut self.state {
            // Not answered yet: the newer offer takes the place of the older.
            *offer = FirstOffer::Theirs(sdp);
            // They belong to what the older one said.
            self.sound.early_candidates.clear();
            return;
        }
        self.sound.offered_anew = true;
        self.sound.securing = true;
        self.pause_digits(true, fx);
        // Our user has taken the call: what is made now is still the answer to it.
        self.sound.renewing = !matches!(self.state, State::Answering(_));
        // Its offer takes the place of ours.
        self.sound.restarting = false;
        self.before_description(fx);
        self.media(MediaCommand::AcceptOffer(sdp, Renewal::Afresh), fx);
        self.await_description(fx);
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
    pub(super) fn end(&mut self, reason: EndReason, cause: Cause, fx: &mut Effects<'_>) {
        self.end_with(reason, cause, EndOptions::default(), fx);
    }

    fn end_with(
        &mut self,
        reason: EndReason,
        cause: Cause,
        options: EndOptions,
        fx: &mut Effects<'_>,
    ) {
        if self.is_ending() {
            return;
        }
        // Before the invitation the server knows of nothing.
        if !matches!(self.state, State::Offering(_)) {
            self.signal(
                Command::Bye {
                    call: self.identity.id.clone(),
                    cause: Some(cause.clone()),
                    sip_code: options.sip_code,
                    headers: options.headers,
                },
                fx,
            );
        }
        self.close(reason, cause, fx);
        if !self.sound.open {
            self.finish(fx);
        }
    }

    /// Ends the call without a word to the server; [`finish`](Self::finish) follows, at once if it has no media.
    fn close(&mut self, reason: EndReason, cause: Cause, fx: &mut Effects<'_>) {
        if self.is_ending() {
            return;
        }
        for _ in mem::take(&mut self.sound.digits) {
            let reason = "the call ended before its digits could be sent".to_owned();
            let remedy = None;
            self.tell(EventKind::RequestFailed { reason, remedy }, fx);
        }
        let answered = match self.state {
            State::Active { since } => Some(since),
            State::Offering(_)
            | State::Inviting(_)
            | State::Offered(_)
            | State::Answering(_)
            | State::Confirming
            | State::Ending(_)
            | State::Over => None,
        };
        self.state = State::Ending(Ending {
            reason,
            cause,
            answered,
            ended: fx.now,
            elsewhere: false,
            headers: Vec::new(),
            client_state: None,
            sip: SipEnd::default(),
        });
        if self.sound.open {
            self.media(MediaCommand::Close, fx);
            self.deadline = Some((fx.now + MEDIA_CLOSED, Deadline::MediaClosed));
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
            answered_elsewhere: ending.elsewhere,
            headers: ending.headers,
            client_state: ending.client_state,
            sip: ending.sip,
            talk: ending.answered.map_or(Duration::ZERO, |since| {
                ending.ended.saturating_duration_since(since)
            }),
            quality: self.sound.quality.take(),
            recording: self.sound.recording.take(),
        };
        self.tell(EventKind::Ended(Box::new(ended)), fx);
    }

    pub(super) fn await_description(&mut self, fx: &Effects<'_>) {
        self.deadline = Some((fx.now + LOCAL_DESCRIPTION, Deadline::LocalDescription));
    }

    pub(super) fn media(&self, command: MediaCommand, fx: &mut Effects<'_>) {
        fx.outbox
            .push_back(Output::Media(self.identity.key, command));
    }

    pub(super) fn signal(&self, command: Command, fx: &mut Effects<'_>) {
        fx.outbox
            .push_back(Output::Signaling(self.identity.account, command));
    }

    pub(crate) fn tell(&self, kind: EventKind, fx: &mut Effects<'_>) {
        fx.outbox.push_back(Output::Event(Event {
            account: Arc::clone(&self.identity.account_name),
            call: Some(self.identity.id.clone()),
            ids: self.ids.clone(),
            at: fx.now.saturating_duration_since(self.began),
            kind,
        }));
    }
}

/// What media makes of an answer: forks of a call are kept apart.
fn answer_of(fork: Option<String>, sdp: String, kind: AnswerKind) -> MediaCommand {
    match fork {
        Some(fork) => MediaCommand::AcceptForkAnswer(ForkAnswer { fork, sdp, kind }),
        None => MediaCommand::AcceptAnswer(sdp),
    }
}
