//! What comes in: RTP into statistics and program, the transport's events into the session's.

use rand::RngExt;

use crate::media_transport::event::{Event as TransportEvent, IceFailure};
use crate::program::{AudioPacket, PayloadKind};
use crate::rtp::audio_level::AudioLevel;
use crate::rtp::packet::{Header, Packet};
use crate::rtp::redundancy::{Block, Blocks};
use crate::rtp::schedule::Schedule;
use crate::rtp::telephone_event::{Heard, digit_of};
use crate::sdp::direction::Direction;
use crate::session::agreement::Agreement;
use crate::session::error::MediaError;
use crate::session::event::MediaEvent;
use crate::session::media_session::{MediaSession, Stage};
use crate::session::pacing::Pacing;
use crate::session::reports::Parting;
use crate::srtp::profile::SrtpProfile;

/// The audio in the last block but `back` of a RED payload (RFC 2198), which names its timestamp but not its number: that of the
/// packet so many further back.
fn copy<'a>(
    block: &Block<'a>,
    back: usize,
    header: Header,
    agreement: &Agreement,
) -> Option<AudioPacket<'a>> {
    let kind = agreement
        .kind(block.payload_type)
        .filter(|kind| matches!(kind, PayloadKind::Audio(_)) && !block.payload.is_empty())?;
    let header = Header {
        marker: false,
        sequence: header.sequence.wrapping_sub(u16::try_from(back).ok()?),
        timestamp: header.timestamp.wrapping_sub(block.timestamp_offset),
        ..header
    };
    Some(received(kind, header, block.payload))
}

const fn received(kind: PayloadKind, header: Header, payload: &[u8]) -> AudioPacket<'_> {
    AudioPacket {
        kind,
        marker: header.marker,
        sequence: header.sequence,
        timestamp: header.timestamp,
        ssrc: header.ssrc,
        payload,
    }
}

impl MediaSession {
    pub(super) fn on_rtcp(&mut self, report: &[u8]) {
        self.silence.lives(self.now);
        let (sender, receiver) = (&mut self.sender, &mut self.receiver);
        match self
            .remote
            .read(report, sender, receiver, &self.clock, self.now)
        {
            Ok(None) => {}
            Ok(Some(Parting { reason })) => self.tell(MediaEvent::Goodbye { reason }),
            Err(_) => self.counters.malformed += 1,
        }
    }

    pub(super) fn on_rtp(&mut self, bytes: &[u8]) {
        let Ok(packet) = Packet::parse(bytes) else {
            self.counters.malformed += 1;
            return;
        };
        let Some(agreement) = &self.agreement else {
            return;
        };
        let header = packet.header();
        let payload = packet.payload();
        self.counters.header_bytes_received += (bytes.len() - payload.len()) as u64;
        let mut blocks = None;
        let primary = if agreement.is_redundant(header.payload_type) {
            let Ok(read) = Blocks::parse(payload) else {
                self.counters.malformed += 1;
                return;
            };
            blocks = Some(read);
            read.last().and_then(|block| {
                let kind = agreement.kind(block.payload_type)?;
                Some(received(kind, header, block.payload))
            })
        } else {
            agreement
                .kind(header.payload_type)
                .map(|kind| received(kind, header, payload))
        };
        let level = agreement.negotiated.extensions.audio_level;
        if let Some(level) = level.filter(|level| level.receives) {
            let said = packet.extension(level.id).and_then(AudioLevel::read);
            self.counters.audio_level = said.or(self.counters.audio_level);
        }
        let reports_voip = agreement.negotiated.extended_reports.voip_metrics;
        match primary.map(|primary| primary.kind) {
            Some(PayloadKind::Audio(_)) => self.receiver.on_audio(&header, payload.len(), self.now),
            Some(PayloadKind::TelephoneEvent | PayloadKind::ComfortNoise) | None => {
                self.receiver.on_event(&header, payload.len(), self.now)
            }
        };
        if self.silence.heard(self.now) {
            self.tell(MediaEvent::MediaResumed);
        }
        if !std::mem::replace(&mut self.counters.rtp_was_received, true) {
            self.tell(MediaEvent::FirstRtpReceived);
        }
        if let Some(primary) = &primary
            && primary.kind == PayloadKind::TelephoneEvent
        {
            self.digits
                .on_packet(header.marker, header.timestamp, primary.payload, self.now);
            self.tell_digits();
        }
        if !self.hold.receives() {
            return;
        }
        self.begin_outgoing();
        if let (Some(blocks), Some(agreement)) = (blocks, &self.agreement) {
            let copies = blocks.len() - 1;
            for (at, block) in blocks.take(copies).enumerate() {
                if let Some(copy) = copy(&block, copies - at, header, agreement)
                    && self.receiver.recover(copy.sequence)
                {
                    self.program.packet(&copy, self.now, &mut self.outgoing);
                }
            }
        }
        if let Some(primary) = &primary {
            // Which packets come too late for the ear is asked only where the far end wants to know.
            let before = reports_voip.then(|| self.program.statistics().packets_discarded);
            self.program.packet(primary, self.now, &mut self.outgoing);
            if before.is_some_and(|before| self.program.statistics().packets_discarded > before) {
                self.receiver.on_discarded(header.sequence);
            }
        }
        self.take_program_events();
    }

    pub(super) fn tell_digits(&mut self) {
        while let Some(heard) = self.digits.poll() {
            if let Heard::Started { event } = heard
                && let Some(digit) = digit_of(event)
            {
                self.tell(MediaEvent::Dtmf { digit });
            }
        }
    }

    pub(super) fn on_transport_event(&mut self, event: TransportEvent) {
        if self.stage != Stage::Open {
            // The call's media is over, and was said to be.
            return;
        }
        match event {
            TransportEvent::IceConnected {
                route,
                local,
                remote,
            } => {
                self.expect_media();
                self.tell(MediaEvent::IcePair {
                    local: route.local,
                    remote: route.remote,
                    local_kind: local,
                    remote_kind: remote,
                });
            }
            TransportEvent::IceDisconnected => self.tell(MediaEvent::PathLost { given_up: false }),
            // The call may yet be saved by signalling; if it is not, the silence ends it.
            TransportEvent::IceFailed(IceFailure::Lost { .. }) => {
                self.silence.is_cut_off(self.now);
                self.tell(MediaEvent::PathLost { given_up: true })
            }
            TransportEvent::IceFailed(failure) => self.transport_failed(failure.into()),
            TransportEvent::DtlsConnected { profile, .. } => self.on_connected(profile),
            TransportEvent::Unencrypted => {
                self.tell(MediaEvent::Unencrypted);
                self.on_ready();
            }
            TransportEvent::DtlsFailed(failure) => self.transport_failed(failure.into()),
            TransportEvent::ClosedByPeer => self.tell(MediaEvent::ClosedByPeer),
        }
    }

    /// Of several forks that may answer one is out of reach: no reason to end the call for all of them.
    fn transport_failed(&mut self, error: MediaError) {
        if self.forks.has_others() {
            self.forks.failed(error);
            self.tell(MediaEvent::PathLost { given_up: true });
        } else {
            self.fail(error);
        }
    }

    pub(super) fn on_connected(&mut self, profile: SrtpProfile) {
        self.tell(MediaEvent::DtlsConnected { profile });
        self.on_ready();
    }

    fn on_ready(&mut self) {
        if self.pacing.is_none() {
            self.pacing = Some(Pacing::starting(self.phase, self.now));
        }
        if !std::mem::replace(&mut self.connected, true) {
            self.statistics_due = self.now + self.config.statistics_every;
            self.schedule = Schedule::new(self.rng.random(), self.config.rtcp_every, self.now);
        }
        self.expect_media();
    }

    pub(super) fn expect_media(&mut self) {
        let agreed = self.agreement.as_ref();
        let direction = agreed.map(|agreement| agreement.negotiated.direction);
        self.spoke |= direction.is_some_and(Direction::sends);
        // Who listened before and does not now has put us on hold, and may play music or nothing (RFC 3264, section 8.4). A far end
        // that never listened is a broadcast, and is missed.
        let is_held = self.spoke && !direction.is_some_and(Direction::sends);
        let agreed = direction.is_some_and(Direction::receives) && !is_held;
        let expected = self.connected && agreed && self.hold.receives();
        self.silence.expect(expected, self.now);
    }
}
