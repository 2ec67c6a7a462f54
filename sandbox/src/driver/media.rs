//! Carries out the exchange's media commands with a media worker, and reports what the worker says.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use offhook_media::audio::playback::Playback;
use offhook_media::driver::bind::Bind;
use offhook_media::driver::event::CallEvent;
use offhook_media::driver::handle::CommandError;
use offhook_media::driver::interfaces::InterfaceChoice;
use offhook_media::driver::worker::{Worker, WorkerConfig};
use offhook_media::dtls::certificate::{Certificate, CertificateError};
use offhook_media::program::{AudioCodec, CallKey, Program, ProgramCommand};
use offhook_media::sdp::face::Face;
use offhook_media::session::config::SessionConfig;
use offhook_media::session::event::MediaEvent;
use offhook_media::session::media_session::Renewal;
use offhook_media::srtp::profile::SrtpProfile;
use tokio::sync::mpsc;

use crate::face::MediaFace;
use crate::limits::Limits;
use crate::program::bridge::Bridge;
use crate::program::clip::Clips;
use crate::program::echo::Echo;
use crate::switch::media::{MediaCommand, MediaId, MediaNotice, Sound};

/// FreeSWITCH waits for ICE as long as the call lasts; this is long enough to look like it.
const FREESWITCH_ICE: Duration = Duration::from_secs(3600);

/// The media side of the sandbox.
#[derive(Debug)]
pub(super) struct MediaDesk {
    worker: Worker,
    clips: Clips,
    telnyx: Arc<Certificate>,
    freeswitch: Rsa,
    bind: Bind,
    mute_return: bool,
}

/// The FreeSWITCH certificate takes a while to make.
#[derive(Debug)]
enum Rsa {
    /// These commands wait for it.
    Awaited(Vec<MediaCommand>),
    Made(Arc<Certificate>),
}

/// Why there can be no media.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MediaDeskError {
    #[error("the media worker cannot be started: {0}")]
    Worker(#[from] io::Error),
    #[error("the DTLS certificate cannot be made: {0}")]
    Certificate(#[from] CertificateError),
}

impl MediaDesk {
    /// Starts the worker; it reports to `notices`, and drops what does not fit there.
    pub(super) fn start(
        clips: Clips,
        listen: IpAddr,
        mute_return: bool,
        limits: &Limits,
        notices: mpsc::Sender<(MediaId, MediaNotice)>,
    ) -> Result<Self, MediaDeskError> {
        let sink = move |call: CallKey, event: CallEvent| {
            if let Some(notice) = notice(event)
                && notices.try_send((MediaId(call.0), notice)).is_err()
            {
                tracing::error!(
                    media = call.0,
                    "a media notice was lost: the gateway is too busy"
                );
            }
        };
        let config = WorkerConfig {
            name: "sandbox-media".to_owned(),
            ports: limits.media_ports.clone(),
            ..WorkerConfig::default()
        };
        let bind = if listen.is_unspecified() {
            Bind::Interfaces {
                loopback: true,
                choice: InterfaceChoice::default(),
            }
        } else {
            Bind::Addresses(vec![listen])
        };
        Ok(Self {
            worker: Worker::spawn(config, sink)?,
            clips,
            telnyx: Arc::new(Certificate::generate()?),
            freeswitch: Rsa::Awaited(Vec::new()),
            bind,
            mute_return,
        })
    }

    /// The certificate of the FreeSWITCH face is there: what waited for it is done now.
    pub(super) fn certificate_made(&mut self, certificate: Certificate) -> Vec<MediaId> {
        let made = Rsa::Made(Arc::new(certificate));
        let waiting = match std::mem::replace(&mut self.freeswitch, made) {
            Rsa::Awaited(commands) => commands,
            Rsa::Made(_) => Vec::new(),
        };
        waiting
            .into_iter()
            .filter_map(|command| self.carry_out(command).err())
            .collect()
    }

    /// Does one thing; gives back the session that is lost when it cannot be done.
    pub(super) fn carry_out(&mut self, command: MediaCommand) -> Result<(), MediaId> {
        if let Rsa::Awaited(waiting) = &mut self.freeswitch
            && waits(waiting, &command)
        {
            waiting.push(command);
            return Ok(());
        }
        let media = command.media();
        self.give(command).map_err(|error| {
            tracing::error!(media = media.0, %error, "media command not given");
            media
        })
    }

    fn give(&self, command: MediaCommand) -> Result<(), CommandError> {
        let worker = self.worker.handle();
        match command {
            MediaCommand::Open {
                media,
                face,
                codecs,
                digits,
                sound,
            } => worker.open(
                key(media),
                self.session(face, codecs, digits),
                self.program(sound),
                self.bind.clone(),
            ),
            MediaCommand::CreateOffer(media) => worker.create_offer(key(media)),
            MediaCommand::AcceptOffer(media, sdp) => {
                worker.accept_offer(key(media), sdp, Renewal::Change)
            }
            MediaCommand::AcceptAnswer(media, sdp) => worker.accept_answer(key(media), sdp),
            MediaCommand::Hold(media, hold) => worker.hold(key(media), hold),
            MediaCommand::Play(media, sound) => {
                worker.replace_program(key(media), self.program(sound))
            }
            MediaCommand::Digits(media, digits) => {
                worker.program(key(media), ProgramCommand::Dtmf { digits })
            }
            MediaCommand::Close(media) => worker.close(key(media)),
        }
    }

    fn session(&self, face: MediaFace, codecs: Vec<AudioCodec>, digits: bool) -> SessionConfig {
        let certificate = match (face, &self.freeswitch) {
            (MediaFace::FreeSwitch, Rsa::Made(certificate)) => certificate,
            (MediaFace::FreeSwitch, Rsa::Awaited(_)) | (MediaFace::Telnyx | MediaFace::Sip, _) => {
                &self.telnyx
            }
        };
        let mut config = SessionConfig::new(Arc::clone(certificate));
        config.codecs = codecs;
        // Neither server ends a call for want of media, and nobody here reads figures.
        config.no_media_after = Duration::ZERO;
        config.media_timeout = Duration::ZERO;
        config.statistics_every = Duration::ZERO;
        match face {
            MediaFace::Telnyx => config.face = Face::TELNYX,
            MediaFace::Sip => {
                config.face = Face::BROWSER;
                // A bridge has no transcoder.
                config.face.answer_one_codec = true;
            }
            MediaFace::FreeSwitch => {
                config.face = Face::FREESWITCH;
                config.profiles = vec![SrtpProfile::Aes128CmHmacSha1_80];
                config.limits.ice = FREESWITCH_ICE;
                if digits {
                    // As its `te`: what the client offered first.
                    config.face.event_48000 = Face::BROWSER.event_48000;
                    config.face.event_8000 = Face::BROWSER.event_8000;
                }
            }
        }
        config
    }

    fn program(&self, sound: Sound) -> Box<dyn Program> {
        let clips = &self.clips;
        match sound {
            Sound::Nothing => Box::new(Bridge::nowhere()),
            Sound::Bridge(other) => Box::new(Bridge::to(key(other))),
            _ if self.mute_return => Box::new(Playback::new(clips.silence.clone())),
            Sound::Silence => Box::new(Playback::new(clips.silence.clone())),
            Sound::Tone => Box::new(Playback::new(clips.tone.clone())),
            Sound::Speech => Box::new(Playback::new(clips.speech.clone())),
            Sound::Echo { delay } => Box::new(Echo::new(delay)),
        }
    }
}

/// Whether a command has to wait for the certificate: its session does, or is to be opened with it.
fn waits(waiting: &[MediaCommand], command: &MediaCommand) -> bool {
    match command {
        MediaCommand::Open { face, .. } => *face == MediaFace::FreeSwitch,
        MediaCommand::CreateOffer(_)
        | MediaCommand::AcceptOffer(..)
        | MediaCommand::AcceptAnswer(..)
        | MediaCommand::Hold(..)
        | MediaCommand::Play(..)
        | MediaCommand::Digits(..)
        | MediaCommand::Close(_) => waiting
            .iter()
            .any(|before| before.media() == command.media()),
    }
}

fn key(media: MediaId) -> CallKey {
    CallKey(media.0)
}

/// What of a worker's event concerns the exchange.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the exchange has no use for the rest"
)]
fn notice(event: CallEvent) -> Option<MediaNotice> {
    Some(match event {
        CallEvent::OpenFailed(error) => MediaNotice::Refused(error.to_string()),
        CallEvent::LocalOffer { sdp } => MediaNotice::Offer(sdp),
        CallEvent::LocalAnswer { sdp } => MediaNotice::Answer(sdp),
        CallEvent::AnswerAccepted => MediaNotice::AnswerAccepted,
        CallEvent::Refused(refusal) => MediaNotice::Refused(refusal.to_string()),
        CallEvent::Media(MediaEvent::Negotiated(format)) => MediaNotice::Agreed(format.codec),
        CallEvent::Media(MediaEvent::DtlsConnected { .. }) => MediaNotice::Connected,
        CallEvent::Media(MediaEvent::Dtmf { digit }) => MediaNotice::Dtmf(digit),
        CallEvent::Media(MediaEvent::Failed(error)) => MediaNotice::Failed(error.to_string()),
        CallEvent::Closed {
            error: Some(error), ..
        } => MediaNotice::Failed(error.to_string()),
        _ => return None,
    })
}
