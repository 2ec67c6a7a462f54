//! What comes in: RTP into statistics and program, the transport's events into the session's.

use rand::RngExt;

use crate::media_transport::event::{Event as TransportEvent, IceFailure};
use crate::program::{AudioPacket, PayloadKind};
use crate::rtp::packet::Packet;
use crate::rtp::schedule::Schedule;
use crate::rtp::telephone_event::{Heard, digit_of};
use crate::session::event::MediaEvent;
use crate::session::media_session::MediaSession;
use crate::session::pacing::Pacing;
use crate::srtp::profile::SrtpProfile;

impl MediaSession {
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
        let kind = agreement.kind(header.payload_type);
        self.counters.header_bytes_received += (bytes.len() - payload.len()) as u64;
        match kind {
            Some(PayloadKind::Audio(_)) => self.receiver.on_audio(&header, payload.len(), self.now),
            Some(PayloadKind::TelephoneEvent) | None => {
                self.receiver.on_event(&header, payload.len(), self.now)
            }
        };
        if self.silence.heard(self.now) {
            self.tell(MediaEvent::MediaResumed);
        }
        if !std::mem::replace(&mut self.counters.rtp_was_received, true) {
            self.tell(MediaEvent::FirstRtpReceived);
        }
        let Some(kind) = kind else { return };
        if kind == PayloadKind::TelephoneEvent {
            self.digits
                .on_packet(header.marker, header.timestamp, payload, self.now);
            self.tell_digits();
        }
        if !self.hold.receives() {
            return;
        }
        let packet = AudioPacket {
            kind,
            marker: header.marker,
            sequence: header.sequence,
            timestamp: header.timestamp,
            ssrc: header.ssrc,
            payload,
        };
        self.begin_outgoing();
        self.program.packet(&packet, self.now, &mut self.outgoing);
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
        match event {
            TransportEvent::IceConnected {
                route,
                local,
                remote,
            } => {
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
                self.tell(MediaEvent::PathLost { given_up: true })
            }
            TransportEvent::IceFailed(failure) => self.fail(failure.into()),
            TransportEvent::DtlsConnected { profile, .. } => self.on_connected(profile),
            TransportEvent::DtlsFailed(failure) => self.fail(failure.into()),
            TransportEvent::ClosedByPeer => self.tell(MediaEvent::ClosedByPeer),
        }
    }

    pub(super) fn on_connected(&mut self, profile: SrtpProfile) {
        self.tell(MediaEvent::DtlsConnected { profile });
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
        let agreed = self
            .agreement
            .as_ref()
            .is_some_and(|agreement| agreement.negotiated.direction.receives());
        let expected = self.connected && agreed && self.hold.receives();
        self.silence.expect(expected, self.now);
    }
}
