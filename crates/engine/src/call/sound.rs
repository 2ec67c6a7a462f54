//! The media side of a call: descriptions that come and go, figures, faults, and what they mean for the call.

use std::mem;
use std::net::IpAddr;
use std::time::Duration;

use offhook_media::driver::event::CallEvent;
use offhook_media::media_transport::event::IceFailure;
use offhook_media::program::{AudioCodec, ProgramCommand, ProgramEvent};
use offhook_media::quality::statistics::Statistics;
use offhook_media::session::config::Hold;
use offhook_media::session::error::MediaError;
use offhook_media::session::event::MediaEvent;
use offhook_signaling::cause::Cause;
use offhook_signaling::command::Command;
use offhook_signaling::error::Error;

use crate::call::dialog::Call;
use crate::call::offers::{Exchange, NOT_ACCEPTABLE_HERE};
use crate::call::state::{Effects, FirstOffer, Heard, Loss, Shown, State};
use crate::ended::EndReason;
use crate::event::{EventKind, IceEnd};
use crate::output::{CallMedia, MediaCommand};
use crate::private_address::are_private;
use crate::quality::Quality;
use crate::quality_warning::Situation;
use crate::request::AnswerOptions;
use crate::status::Direction;

/// A server that was taken over by another connection may have lost the media of a call (mod_verto does, in a race): silence
/// within this time after an attach is taken for that, and healed by an offer of ours.
const RENEWAL: Duration = Duration::from_secs(30);
/// New paths asked for on one connection before it is taken for a part of the trouble.
const MOST_RESTARTS: u8 = 2;
/// Connections given up for media that does not come back; after these only the media time limit is left.
const MOST_RECONNECTS: u8 = 2;
/// Packets that come so soon after a loss were on their way before it.
const STRAGGLERS: Duration = Duration::from_secs(2);
/// How long a remedy may take to work.
const REMEDY: Duration = Duration::from_secs(6);

/// The name that SDP and webrtc-stats give a codec.
pub(super) const fn codec_name(codec: AudioCodec) -> &'static str {
    match codec {
        AudioCodec::Opus => "opus",
        AudioCodec::G722 => "G722",
        AudioCodec::Pcmu => "PCMU",
        AudioCodec::Pcma => "PCMA",
    }
}

impl Call {
    /// Where the server says that its media is.
    pub(crate) fn note_server_addresses(&mut self, addresses: &[IpAddr]) {
        self.sound.server_addresses = addresses.to_vec();
    }

    /// A server behind a NAT may name an address that nobody else can reach.
    fn media_failed(&self, error: MediaError) -> EndReason {
        let addresses = &self.sound.server_addresses;
        let never = matches!(
            error,
            MediaError::IceFailed(IceFailure::NeverConnected { .. })
        );
        if never && are_private(addresses) {
            let addresses = addresses.clone();
            return EndReason::PrivateMedia { error, addresses };
        }
        EndReason::Media(error)
    }

    pub(crate) fn on_media(&mut self, event: CallEvent, fx: &mut Effects<'_>) {
        match event {
            CallEvent::OpenFailed(error) => {
                self.sound.open = false;
                if self.rings_without_offer(fx) {
                    return;
                }
                self.end(
                    EndReason::NoSocket(error.to_string()),
                    Cause::NETWORK_OUT_OF_ORDER,
                    fx,
                );
                self.finish(fx);
            }
            CallEvent::LocalOffer { sdp } => {
                self.after_description(fx);
                self.on_local_offer(sdp, fx);
            }
            CallEvent::LocalAnswer { sdp } => {
                self.after_description(fx);
                self.on_local_answer(sdp, fx);
            }
            CallEvent::Refused(refusal) => self.on_refused(refusal.to_string(), fx),
            CallEvent::Media(event) => self.on_media_event(event, fx),
            CallEvent::Closed { error, statistics } => {
                self.take_figures(&statistics);
                self.sound.open = false;
                if self.rings_without_offer(fx) {
                    return;
                }
                let reason = error.map_or(EndReason::MediaLost, |error| self.media_failed(error));
                self.end(reason, Cause::RECOVERY_ON_TIMER_EXPIRE, fx);
                self.finish(fx);
            }
            CallEvent::LocalCandidate { candidate } => {
                let call = self.identity.id.clone();
                self.signal_if_live(Command::Candidate { call, candidate }, fx);
            }
            CallEvent::EndOfCandidates => {
                let call = self.identity.id.clone();
                self.signal_if_live(Command::EndOfCandidates { call }, fx);
            }
            CallEvent::IceServerFailed { server, failure } => {
                let reason = failure.to_string();
                self.tell(EventKind::IceServerFailed { server, reason }, fx);
            }
            // Tells nothing new: `Negotiated` came with it.
            CallEvent::AnswerAccepted | _ => {}
        }
    }

    fn signal_if_live(&self, command: Command, fx: &mut Effects<'_>) {
        if !self.is_ending() {
            self.signal(command, fx);
        }
    }

    fn on_local_offer(&mut self, sdp: String, fx: &mut Effects<'_>) {
        let later = self.sound.restarting || self.sound.exchange != Exchange::None;
        if matches!(self.state, State::Active { .. }) && later {
            return self.on_later_offer(sdp, fx);
        }
        if matches!(self.state, State::Answering(_)) {
            // The caller made no offer: ours goes with the answer (RFC 3261, section 13.2.1).
            return self.on_local_answer(sdp, fx);
        }
        if let State::Offered(first) = &mut self.state
            && *first == FirstOffer::Wanted
        {
            *first = FirstOffer::Ours;
            self.deadline = None;
            let call = self.identity.id.clone();
            self.signal(Command::Attach { call, sdp }, fx);
            // Nothing is said before our user answers, nor expected to be heard.
            return self.media(MediaCommand::Hold(Hold::Inactive), fx);
        }
        let State::Offering(shown) = &mut self.state else {
            return;
        };
        let shown = mem::take(shown);
        self.deadline = None;
        self.invite(shown, sdp, fx);
    }

    /// The invitation goes out; without a description the far end is to make the offer.
    pub(super) fn invite(&mut self, shown: Shown, sdp: String, fx: &mut Effects<'_>) {
        self.state = State::Inviting(Heard::Nothing);
        let caller_number = shown.number.clone();
        let reserve = self.reserve(&sdp);
        let invite = Command::Invite {
            call: self.identity.id.clone(),
            to: self.remote.number.clone(),
            sdp,
            caller_name: shown.name,
            caller_number: shown.number,
            headers: shown.headers,
            client_state: shown.client_state,
            codecs: shown.codecs,
            user_variables: shown.user_variables,
            refer: shown.refer,
            replaces: shown.replaces,
            trickle: self.sound.media.trickle,
        };
        self.signal(invite, fx);
        if let Some(reserve) = reserve {
            self.signal(reserve, fx);
        }
        let number = self.remote.number.clone();
        self.tell(
            EventKind::Invite {
                number,
                direction: Direction::Outbound,
                caller_number,
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
            self.sound.renewed = Some(fx.now);
            self.signal(Command::Attach { call, sdp }, fx);
            return self.next_offer(fx);
        }
        if let State::Answering(options) = &mut self.state {
            let options = mem::take(options);
            self.say_answer(sdp, options, fx);
        }
    }

    /// Our answer goes out; without a description where the far end has ours.
    pub(super) fn say_answer(&mut self, sdp: String, options: AnswerOptions, fx: &mut Effects<'_>) {
        self.state = State::Confirming;
        let answer = Command::Answer {
            call: self.identity.id.clone(),
            sdp,
            headers: options.headers,
            client_state: options.client_state,
            trickle: self.sound.media.trickle,
        };
        self.signal(answer, fx);
    }

    fn on_refused(&mut self, refusal: String, fx: &mut Effects<'_>) {
        if self.refuse_far_offer(&refusal, fx) {
            return;
        }
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
                self.note_direction(format.send, fx);
                self.sound.has_events = format.telephone_event.is_some();
            }
            MediaEvent::IcePair {
                local,
                remote,
                local_kind,
                remote_kind,
            } => {
                // Whoever may be silent by right has shown enough with that.
                self.sound
                    .loss
                    .take_if(|_| !self.identity.protocol.silence_means_loss());
                self.remedy_begins(fx);
                let (local, remote) = ((local, local_kind), (remote, remote_kind));
                let end = |(address, kind)| IceEnd { address, kind };
                let (local, remote) = (end(local), end(remote));
                self.tell(EventKind::Ice { local, remote }, fx);
            }
            MediaEvent::DtlsConnected { profile } => {
                self.media_stands(EventKind::Dtls { profile }, fx);
            }
            MediaEvent::Unencrypted => self.media_stands(EventKind::Unencrypted, fx),
            MediaEvent::FirstRtpSent => self.tell(EventKind::FirstRtpSent, fx),
            MediaEvent::FirstRtpReceived => self.tell(EventKind::FirstRtpReceived, fx),
            MediaEvent::NoMedia { silent_for } => {
                self.tell(EventKind::NoMedia { silent: silent_for }, fx);
                let renewed = self.sound.renewed.take();
                let just_renewed = renewed.is_some_and(|at| fx.now < at + RENEWAL);
                if !self.sound.held && (just_renewed || self.identity.protocol.silence_means_loss())
                {
                    self.media_lost(fx);
                }
            }
            MediaEvent::PathLost { given_up } => {
                self.tell(EventKind::PathLost { given_up }, fx);
                self.media_lost(fx);
            }
            MediaEvent::MediaResumed => {
                self.sound.loss = None;
                self.tell(EventKind::MediaResumed, fx);
            }
            MediaEvent::Dtmf { digit } => self.tell(EventKind::Dtmf { digit }, fx),
            MediaEvent::Program(event) => self.on_program_event(event, fx),
            MediaEvent::Statistics(statistics) => {
                self.look_at_loss(fx);
                if let Some(quality) = self.sound.quality.clone() {
                    self.tell(EventKind::Quality(Box::new(quality)), fx);
                }
                self.watch_quality(&statistics, fx);
            }
            MediaEvent::Failed(error) => {
                let reason = self.media_failed(error);
                self.end(reason, Cause::RECOVERY_ON_TIMER_EXPIRE, fx);
            }
            // The end of a call is signalling's to tell.
            MediaEvent::ClosedByPeer | _ => {}
        }
    }

    fn media_stands(&mut self, told: EventKind, fx: &mut Effects<'_>) {
        self.sound.secured = true;
        self.sound.securing = false;
        self.tell(told, fx);
        self.send_digits(fx);
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

    /// Nothing comes through any more.
    fn media_lost(&mut self, fx: &mut Effects<'_>) {
        let loss = Loss {
            since: fx.now,
            heard: self.heard(),
            restarts: 0,
            reconnects: 0,
        };
        self.sound.loss.get_or_insert(loss);
        self.restart_ice(fx);
    }

    /// A new path is asked for by our user; `false` when this is not the moment for it. One that is on its way already serves.
    pub(crate) fn renew_path(&mut self, fx: &mut Effects<'_>) -> bool {
        self.restart_ice(fx);
        self.sound.restarting || self.sound.renewing
    }

    /// Media is bad while signalling is well: a new path is asked for (RFC 8445 section 9), and after paths that were of no
    /// use a new connection. When signalling is gone too, the server will offer a path of its own.
    fn restart_ice(&mut self, fx: &mut Effects<'_>) {
        let possible = matches!(self.state, State::Active { .. }) && !self.recovering;
        let unanswered = self.identity.protocol.answered_when_secured() && !self.sound.secured;
        let busy = self.sound.renewing || self.sound.exchange != Exchange::None;
        if !possible || busy || self.sound.restarting || unanswered {
            self.sound.restart_wanted |= busy && self.identity.protocol.is_sip();
            return;
        }
        if let Some(loss) = &mut self.sound.loss {
            if loss.restarts >= MOST_RESTARTS {
                return self.reconnect(fx);
            }
            loss.restarts += 1;
        }
        self.sound.restarting = true;
        self.before_description(fx);
        self.media(MediaCommand::RestartIce, fx);
        self.await_description(fx);
    }

    /// The server took our new media.
    pub(super) fn media_updated(&mut self, fx: &mut Effects<'_>) {
        self.sound.restarting = false;
        self.remedy_begins(fx);
        self.on_offer_taken(fx);
    }

    /// The server did not take our new media. While what there is serves, that changes nothing; without it, the server shall
    /// offer media of its own on a new connection. Where it never heard of ours, it is about to do so anyway.
    pub(super) fn media_not_updated(&mut self, error: &Error, fx: &mut Effects<'_>) {
        let restarting = mem::take(&mut self.sound.restarting);
        if self.identity.protocol.is_sip() {
            if restarting {
                self.media(MediaCommand::WithdrawRestart, fx);
            }
            // Media is the far end's, not the server's: a new connection to that changes nothing.
            return self.on_offer_not_taken(fx);
        }
        if let Error::Refused { .. } | Error::PeerMisbehaved { .. } | Error::Silent { .. } = error {
            self.reconnect(fx);
        }
    }

    /// The last remedy but the end of the call by its media time limit.
    fn reconnect(&mut self, fx: &mut Effects<'_>) {
        let possible = matches!(self.state, State::Active { .. }) && !self.recovering;
        if let Some(loss) = self.sound.loss.as_mut().filter(|_| possible)
            && loss.reconnects < MOST_RECONNECTS
        {
            loss.restarts = 0;
            loss.reconnects += 1;
            self.signal(Command::Reconnect, fx);
        }
    }

    /// From now on it can be told whether a remedy works.
    pub(super) fn remedy_begins(&mut self, fx: &Effects<'_>) {
        let heard = self.heard();
        if let Some(loss) = &mut self.sound.loss {
            loss.since = fx.now;
            loss.heard = heard;
        }
    }

    /// Whether packets come again; where the server is never silent, their absence asks for the next remedy.
    fn look_at_loss(&mut self, fx: &mut Effects<'_>) {
        let heard = self.heard();
        let Some(loss) = &mut self.sound.loss else {
            return;
        };
        let lasted = fx.now.saturating_duration_since(loss.since);
        if lasted < STRAGGLERS {
            loss.heard = heard;
        } else if heard > loss.heard {
            self.sound.loss = None;
        } else if lasted >= REMEDY
            && self.identity.protocol.silence_means_loss()
            && !self.sound.held
        {
            loss.since = fx.now;
            self.restart_ice(fx);
        }
    }

    fn heard(&self) -> u64 {
        let quality = self.sound.quality.as_ref();
        quality.map_or(0, |quality| quality.statistics.inbound.packets_received)
    }

    /// Hold is agreed with the server by requests of its own. A description that said it too would outlive the hold: resuming
    /// brings no new one.
    pub(super) fn before_description(&self, fx: &mut Effects<'_>) {
        if self.sound.held && !self.identity.protocol.is_sip() {
            self.media(MediaCommand::Hold(Hold::Off), fx);
        }
    }

    fn after_description(&self, fx: &mut Effects<'_>) {
        if self.sound.held && !self.identity.protocol.is_sip() {
            self.media(MediaCommand::Hold(Hold::SendOnly), fx);
        }
    }

    /// The server said whether the call is on hold.
    pub(super) fn on_hold_state(&mut self, held: bool, fx: &mut Effects<'_>) {
        if mem::replace(&mut self.sound.held, held) == held {
            return;
        }
        let hold = if held { Hold::SendOnly } else { Hold::Off };
        self.media(MediaCommand::Hold(hold), fx);
        // Whoever waits on hold is not listened to.
        if !self.sound.muted {
            self.media(MediaCommand::Program(ProgramCommand::Mute(held)), fx);
        }
        self.tell(EventKind::Held { on: held }, fx);
    }

    fn take_figures(&mut self, statistics: &Statistics) {
        // A call that never had media has no quality.
        if statistics.outbound.packets_sent == 0 && statistics.inbound.packets_received == 0 {
            return;
        }
        self.sound.quality = Some(Quality::of(statistics, self.sound.codec));
    }

    fn watch_quality(&mut self, statistics: &Statistics, fx: &mut Effects<'_>) {
        if !matches!(self.state, State::Active { .. }) || self.recovering {
            return;
        }
        let situation = Situation {
            muted: self.sound.muted,
            held: self.sound.held,
        };
        for warning in self.sound.watch.interval(statistics, situation, fx.now) {
            self.tell(EventKind::QualityWarning(warning), fx);
        }
    }

    pub(super) fn open_media(&mut self, fx: &mut Effects<'_>) {
        self.sound.open = true;
        self.media(
            MediaCommand::Open(
                self.identity.id.clone(),
                self.identity.account,
                self.sound.media.clone(),
            ),
            fx,
        );
        self.sound_as_wished(fx);
    }

    /// Sockets alone: no microphone is opened, and nothing played.
    pub(super) fn open_silent_media(&mut self, fx: &mut Effects<'_>) {
        self.sound.open = true;
        let media = CallMedia {
            rings: true,
            ..self.sound.media.clone()
        };
        self.media(MediaCommand::OpenSilent(self.identity.account, media), fx);
    }

    /// No offer can be made for the caller to ring with: it waits in silence, and the answer has another try. `false`: it has one, or
    /// wants none.
    fn rings_without_offer(&mut self, fx: &mut Effects<'_>) -> bool {
        let State::Offered(first) = &mut self.state else {
            return false;
        };
        let wanted = *first == FirstOffer::Wanted;
        if wanted {
            *first = FirstOffer::Nobody;
            self.deadline = None;
            let call = self.identity.id.clone();
            let status = NOT_ACCEPTABLE_HERE;
            self.signal(Command::RefuseOffer { call, status }, fx);
        }
        wanted
    }

    /// Our user has taken a call whose media was opened without.
    pub(super) fn begin_sound(&self, fx: &mut Effects<'_>) {
        self.media(MediaCommand::Sound(self.identity.id.clone()), fx);
        self.sound_as_wished(fx);
    }

    fn sound_as_wished(&self, fx: &mut Effects<'_>) {
        if self.sound.muted {
            self.media(MediaCommand::Program(ProgramCommand::Mute(true)), fx);
        }
        if self.sound.deaf {
            self.media(MediaCommand::Program(ProgramCommand::Deaf(true)), fx);
        }
    }
}
