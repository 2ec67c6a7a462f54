//! What the core says to a call's media: sound and servers are found first, and what comes meanwhile waits for them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt, ready};
use offhook_media::driver::event::CallEvent;
use offhook_media::dtls::certificate::Certificate;
use offhook_media::program::CallKey;
use offhook_media::quality::statistics::Statistics;
use offhook_media::session::config::SessionConfig;
use offhook_media::session::policy::{Certificates, MediaPolicy};
use offhook_signaling::call_id::CallId;

use crate::driver::clock;
use crate::driver::ice_servers::Found;
use crate::driver::shard::Shard;
use crate::driver::sound::{self, Opened};
use crate::output::{AccountKey, CallMedia, MediaCommand};

/// How long the media of a call that rings with our offer may take to connect: as long as it rings.
const RINGING: Duration = Duration::from_secs(180);

/// A call whose sound is being opened.
#[derive(Default)]
pub(super) struct Opening {
    /// Its sockets are open already.
    has_sockets: bool,
    /// What waits for the sound.
    waiting: Vec<MediaCommand>,
}

impl Shard {
    pub(super) fn on_media_command(&mut self, call: CallKey, command: MediaCommand, now: Instant) {
        match (command, self.state.opening.get_mut(&call)) {
            (MediaCommand::Open(id, account, media), _) => {
                let sound = self.open_sound(id);
                self.open(call, sound, account, media, now);
            }
            (MediaCommand::OpenSilent(account, media), _) => {
                self.open(call, ready(sound::none()).boxed(), account, media, now);
            }
            (MediaCommand::Close, Some(opening)) if opening.has_sockets => {
                // Its sound, which may take its time, is not waited for.
                self.state.opening.remove(&call);
                self.give(call, MediaCommand::Close, now);
            }
            (command, Some(opening)) => opening.waiting.push(command),
            (MediaCommand::Sound(id), None) => {
                let opening = Opening {
                    has_sockets: true,
                    waiting: Vec::new(),
                };
                self.state.opening.insert(call, opening);
                let sound = self.open_sound(id);
                let later = sound.map(move |opened| (call, None, opened, Found::default()));
                self.state.sounds.push(later.boxed());
            }
            (command, None) => self.give(call, command, now),
        }
    }

    fn open_sound(&self, id: CallId) -> BoxFuture<'static, Opened> {
        if let Some(programs) = &self.programs {
            let program = programs.make(&id);
            let faults = Vec::new();
            return ready(Opened { program, faults }).boxed();
        }
        let (audio, disk) = (self.audio.clone(), self.disk.clone());
        sound::open(audio, disk, id, clock::time_of_day()).boxed()
    }

    fn open(
        &mut self,
        call: CallKey,
        sound: BoxFuture<'static, Opened>,
        AccountKey(account): AccountKey,
        media: CallMedia,
        now: Instant,
    ) {
        self.state.opening.insert(call, Opening::default());
        let mut ice = self.ice.get(account).cloned();
        if let Some(ice) = ice.as_mut() {
            ice.of_call(&media);
        }
        let servers = ice.map(|ice| self.names.look_up(ice, now));
        let both = async move {
            let servers = async {
                match servers {
                    Some(servers) => servers.await,
                    None => Found::default(),
                }
            };
            let (opened, found) = tokio::join!(sound, servers);
            (call, Some(media), opened, found)
        };
        self.state.sounds.push(both.boxed());
    }

    pub(super) fn on_sound(
        &mut self,
        call: CallKey,
        media: Option<CallMedia>,
        opened: Opened,
        mut found: Found,
        now: Instant,
    ) {
        let Some(Opening { waiting, .. }) = self.state.opening.remove(&call) else {
            // It ended meanwhile, and its sound with it.
            return;
        };
        let Some(media) = media else {
            return self.on_later_sound(call, opened, waiting, now);
        };
        self.names.keep(&mut found, now);
        if waiting.contains(&MediaCommand::Close) {
            // The call ended while its sound was being opened.
            return self.core.on_media(call, closed(), now);
        }
        for fault in opened.faults {
            self.core.on_audio_fault(call, fault, now);
        }
        for (server, failure) in found.failures {
            let event = CallEvent::IceServerFailed { server, failure };
            self.core.on_media(call, event, now);
        }
        let mut config = SessionConfig {
            codecs: match media.codecs {
                codecs if codecs.is_empty() => self.media.codecs.clone(),
                codecs => codecs,
            },
            no_media_after: self.media.no_media_after,
            media_timeout: self.media.media_timeout,
            gathering: found.gathering,
            ..SessionConfig::new(self.certificate_for(&found.policy))
        };
        found.policy.apply(&mut config);
        if media.rings {
            (config.limits.ice, config.limits.dtls) = (RINGING, RINGING);
        }
        let bind = self.bind.clone();
        if self
            .workers
            .of(call)
            .open(call, config, opened.program, bind)
            .is_err()
        {
            return self.core.on_media(call, closed(), now);
        }
        for command in waiting {
            self.on_media_command(call, command, now);
        }
    }

    /// The call is open already.
    fn on_later_sound(
        &mut self,
        call: CallKey,
        opened: Opened,
        waiting: Vec<MediaCommand>,
        now: Instant,
    ) {
        for fault in opened.faults {
            self.core.on_audio_fault(call, fault, now);
        }
        if let Err(error) = self.workers.of(call).replace_program(call, opened.program) {
            tracing::error!(call = call.0, "{error}");
            return self.core.on_media(call, closed(), now);
        }
        for command in waiting {
            self.on_media_command(call, command, now);
        }
    }

    /// Without randomness for one of its own, a call shows the one that all share.
    fn certificate_for(&self, policy: &MediaPolicy) -> Arc<Certificate> {
        let own = match policy.certificates {
            Certificates::Shared => None,
            Certificates::PerCall => Certificate::generate()
                .inspect_err(|error| tracing::error!("{error}"))
                .ok(),
        };
        own.map_or_else(|| Arc::clone(&self.certificate), Arc::new)
    }

    fn give(&mut self, call: CallKey, command: MediaCommand, now: Instant) {
        let worker = self.workers.of(call);
        let given = match command {
            MediaCommand::Open(..) | MediaCommand::OpenSilent(..) | MediaCommand::Sound(_) => {
                Ok(())
            }
            MediaCommand::CreateOffer => worker.create_offer(call),
            MediaCommand::RestartIce => worker.restart_ice(call),
            MediaCommand::WithdrawRestart => worker.withdraw_restart(call),
            MediaCommand::Hold(hold) => worker.hold(call, hold),
            MediaCommand::AcceptOffer(sdp, renewal) => worker.accept_offer(call, sdp, renewal),
            MediaCommand::AcceptAnswer(sdp) => worker.accept_answer(call, sdp),
            MediaCommand::AcceptForkAnswer(answer) => worker.accept_fork_answer(call, answer),
            MediaCommand::AddRemoteCandidate(line) => worker.add_remote_candidate(call, line),
            MediaCommand::Program(command) => worker.program(call, command),
            MediaCommand::Close => worker.close(call),
        };
        if let Err(error) = given {
            tracing::error!(call = call.0, "{error}");
            self.core.on_media(call, closed(), now);
        }
    }
}

/// What the worker would say of a call that it does not carry.
fn closed() -> CallEvent {
    CallEvent::Closed {
        error: None,
        statistics: Box::new(Statistics::default()),
    }
}
