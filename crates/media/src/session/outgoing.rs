//! What goes out, in its order: ICE and DTLS, packets of a slot, reports, the goodbye.

use std::time::Instant;

use crate::media_transport::event::{Output as TransportOutput, Route};
use crate::media_transport::transport::MediaTransport;
use crate::program::{Destination, Numbering, OutgoingPacket, SLOT};
use crate::quality::voip_metrics::voip_metrics;
use crate::rtp::extended_report::VoipMetrics;
use crate::rtp::packet::{Extension, FIXED_HEADER_LEN, Header, Writer};
use crate::rtp::sender::Sender;
use crate::session::error::MediaError;
use crate::session::event::MediaEvent;
use crate::session::media_session::{Deadline, MediaSession, Stage, Step};
use crate::session::pacing::Due;
use crate::session::reports::Due as Report;
use crate::session::silence::Verdict;
use crate::srtp::profile::SrtpProfile;

/// Events that may wait to be polled; a call's owner drains after each input, so this is never met.
const MAX_EVENTS: usize = 64;
/// Events taken from a program at once.
const PROGRAM_EVENTS: usize = 16;

impl MediaSession {
    /// The order is: what ICE and DTLS have to send, packets on their way, the report, the goodbye, events, and then
    /// the next slot if it is due.
    pub(super) fn step(&mut self) -> Step {
        loop {
            if let Some(step) = self
                .next_control()
                .or_else(|| self.next_outgoing())
                .or_else(|| self.next_report())
            {
                return step;
            }
            if let Some(event) = self.events.pop_front() {
                return Step::Event(event);
            }
            if self.stage != Stage::Open {
                return Step::Wait(None);
            }
            match self
                .pacing
                .as_mut()
                .and_then(|pacing| pacing.take(self.now))
            {
                Some(due) => self.run_slot(due),
                None => return Step::Wait(self.next_deadline()),
            }
        }
    }

    pub(super) fn next_deadline(&self) -> Option<(Instant, Deadline)> {
        let transport = self
            .transport_wait
            .into_iter()
            .chain(self.forks.next_deadline())
            .chain(self.rtcp.next_deadline())
            .map(|(at, name)| (at, Deadline::Transport(name)));
        let slot = self
            .pacing
            .as_ref()
            .map(|pacing| (pacing.next(), Deadline::Slot));
        let name = self.names.deadline().map(|at| (at, Deadline::Name));
        transport.chain(slot).chain(name).min_by_key(|(at, _)| *at)
    }

    pub(super) fn next_control(&mut self) -> Option<Step> {
        while self.transport_stirred {
            let Some(transport) = &mut self.transport else {
                break;
            };
            match transport.poll() {
                TransportOutput::Transmit { route, bytes } => {
                    self.control = bytes;
                    self.count_sent(self.control.len());
                    return Some(Step::Control(route));
                }
                TransportOutput::Event(event) => self.on_transport_event(event),
                TransportOutput::Wait(wait) => {
                    self.transport_stirred = false;
                    self.transport_wait = wait;
                }
            }
        }
        let control = self.forks.next_control();
        let control = control.or_else(|| self.rtcp.next_control());
        let (route, bytes) = control.or_else(|| self.questions.pop_front())?;
        self.control = bytes;
        self.count_sent(self.control.len());
        Some(Step::Control(route))
    }

    pub(super) fn run_slot(&mut self, due: Due) {
        self.counters.slots_late += u64::from(due.late);
        self.counters.slots_skipped += due.skipped;
        let answered = self.transport.as_ref().and_then(MediaTransport::answered);
        if let Some(then) = answered {
            self.silence.lives(then);
        }
        match self.silence.look(self.now) {
            Verdict::Quiet => {}
            Verdict::NoMedia { silent_for } => self.tell(MediaEvent::NoMedia { silent_for }),
            Verdict::Timeout { silent_for } => {
                self.fail(MediaError::MediaTimeout { silent_for });
                return;
            }
        }
        let told = self.connected && !self.config.statistics_every.is_zero();
        if told && self.statistics_due <= self.now {
            // A sleep over several seconds is told once.
            while self.statistics_due <= self.now {
                self.statistics_due += self.config.statistics_every;
            }
            let statistics = Box::new(self.statistics(self.now));
            self.tell(MediaEvent::Statistics(statistics));
        }
        self.digits.handle_timeout(self.now);
        self.tell_digits();
        self.report_due |= self.schedule.take_due(self.now);
        self.outgoing.begin(due.index);
        self.handed = 0;
        self.program.slot(self.now, &mut self.outgoing);
        self.take_program_events();
    }

    pub(super) fn begin_outgoing(&mut self) {
        self.outgoing.begin(self.outgoing.slot());
        self.handed = 0;
    }

    /// The next of the outgoing packets that may be sent, protected and ready.
    pub(super) fn next_outgoing(&mut self) -> Option<Step> {
        loop {
            let index = self.handed;
            let entry = self.outgoing.packet(index)?;
            self.handed += 1;
            if let Numbering::Forwarded {
                to: Destination::Call(to),
                ..
            } = entry.numbering
            {
                return Some(Step::Forward(index, to));
            }
            let ready = self
                .transport
                .as_ref()
                .is_some_and(MediaTransport::is_connected);
            let (true, Stage::Open, Some(agreement)) = (ready, self.stage, &self.agreement) else {
                continue;
            };
            if !self.hold.sends() || !agreement.negotiated.direction.sends() {
                continue;
            }
            let Some(payload_type) = agreement.payload_type(entry.kind) else {
                self.counters.packets_dropped += 1;
                continue;
            };
            let Some(header) = number(&mut self.sender, payload_type, &entry, self.now) else {
                self.counters.packets_dropped += 1;
                continue;
            };
            let (header, payload) = match agreement.redundancy_for(entry.kind) {
                None => (header, entry.payload),
                Some(red) => {
                    let sent = (header.sequence, header.timestamp);
                    self.redundant
                        .write(payload_type, entry.payload, sent, &mut self.red);
                    let header = Header {
                        payload_type: red,
                        ..header
                    };
                    self.sender.add_octets(self.red.len() - entry.payload.len());
                    (header, &self.red[..])
                }
            };
            let own = matches!(entry.numbering, Numbering::Own { .. });
            let level = agreement
                .negotiated
                .extensions
                .audio_level
                .filter(|level| level.sends && own)
                .map(|level| {
                    let energy = self.program.statistics().source_total_audio_energy;
                    (level.id, [self.voice.next_of(energy, SLOT).to_byte()])
                });
            // Until the far end reported that it hears us under this name (RFC 7941 section 4.2.2).
            let heard = self.sender.statistics().remote.reports > 0;
            let mid = agreement
                .negotiated
                .extensions
                .mid
                .filter(|mid| mid.sends && !heard)
                .zip(agreement.negotiated.mid.as_deref());
            let mut elements = [Extension { id: 0, data: &[] }; 2];
            let mut count = 0;
            let level = level.as_ref().map(|(id, data)| (*id, &data[..]));
            let mid = mid.map(|(mid, name)| (mid.id, name.as_bytes()));
            for ((id, data), place) in level.into_iter().chain(mid).zip(&mut elements) {
                *place = Extension { id, data };
                count += 1;
            }
            let elements = &elements[..count];
            self.packet.clear();
            let most = FIXED_HEADER_LEN + most_bytes(elements) + payload.len();
            self.packet.reserve(most + SrtpProfile::MAX_RTP_OVERHEAD);
            self.packet.resize(most, 0);
            let written = Writer::new(&mut self.packet, header)
                .and_then(|writer| writer.extensions(elements))
                .and_then(|writer| writer.payload(payload));
            if let Ok(len) = written {
                self.packet.truncate(len);
                self.counters.header_bytes_sent += (len - payload.len()) as u64;
            }
            let route = self
                .transport
                .as_mut()
                .map(|transport| transport.protect_rtp(&mut self.packet));
            let (Ok(_), Some(Ok(route))) = (written, route) else {
                self.counters.packets_dropped += 1;
                continue;
            };
            self.counters.rtp_sent += 1;
            self.count_sent(self.packet.len());
            if !std::mem::replace(&mut self.counters.rtp_was_sent, true) {
                self.tell(MediaEvent::FirstRtpSent);
            }
            return Some(Step::Packet(route));
        }
    }

    /// The report that is due, or the one that says goodbye; after that the transport is closed.
    pub(super) fn next_report(&mut self) -> Option<Step> {
        let goodbye = self.stage == Stage::Closing;
        if goodbye {
            self.stage = Stage::Over;
        }
        if !std::mem::take(&mut self.report_due) && !goodbye {
            return None;
        }
        let route = self.write_report(goodbye);
        if goodbye && let Some(transport) = &mut self.transport {
            transport.close(self.now);
            self.transport_stirred = true;
        }
        if goodbye {
            self.rtcp.close(self.now);
        }
        let step = route.map(Step::Packet);
        if step.is_some() {
            self.count_sent(self.packet.len());
            return step;
        }
        if goodbye { self.next_control() } else { None }
    }

    /// Writes the report, where there is a way for it, and protects it.
    fn write_report(&mut self, goodbye: bool) -> Option<Route> {
        let voip_metrics = self.voip_metrics();
        let negotiated = &self.agreement.as_ref()?.negotiated;
        let transport = self
            .transport
            .as_mut()
            .filter(|transport| negotiated.rtcp_mux && transport.is_connected());
        if transport.is_none() && (negotiated.rtcp_mux || !self.rtcp.is_connected()) {
            return None;
        }
        let report = Report {
            cname: &self.config.cname,
            mid: negotiated
                .mid
                .as_deref()
                .filter(|_| negotiated.extensions.mid.is_some()),
            goodbye: goodbye.then_some(self.goodbye_reason),
            reduced_size: negotiated.rtcp_reduced_size,
            extended: negotiated.extended_reports,
            voip_metrics,
        };
        self.remote.write(
            &mut self.packet,
            &self.sender,
            &mut self.receiver,
            &self.clock,
            &report,
            self.now,
        );
        match transport {
            Some(transport) => transport.protect_rtcp(&mut self.packet).ok(),
            None => self.rtcp.protect(&mut self.packet),
        }
    }

    /// How we hear the far end, where it wants to know.
    fn voip_metrics(&self) -> Option<VoipMetrics> {
        let negotiated = &self.agreement.as_ref()?.negotiated;
        let heard = self.counters.rtp_was_received;
        if !heard || !negotiated.extended_reports.voip_metrics {
            return None;
        }
        Some(voip_metrics(
            &self.statistics(self.now),
            negotiated.codec.codec,
            &self.receiver.bursts().figures(),
            SLOT,
        ))
    }

    pub(super) const fn count_sent(&mut self, bytes: usize) {
        self.counters.datagrams_sent += 1;
        self.counters.bytes_sent += bytes as u64;
    }

    /// Ends the media for this reason; the far end is told where that is possible.
    pub(super) fn fail(&mut self, error: MediaError) {
        if self.stage == Stage::Open {
            self.stage = Stage::Closing;
            self.goodbye_reason = Some(error.goodbye_reason());
            self.tell(MediaEvent::Failed(error));
        }
    }

    pub(super) fn tell(&mut self, event: MediaEvent) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        }
    }

    pub(super) fn take_program_events(&mut self) {
        for _ in 0..PROGRAM_EVENTS {
            match self.program.poll_event() {
                Some(event) => self.tell(MediaEvent::Program(event)),
                None => break,
            }
        }
    }
}

/// The most room that header extensions take: in the two-byte form, padded.
fn most_bytes(elements: &[Extension<'_>]) -> usize {
    if elements.is_empty() {
        return 0;
    }
    let data: usize = elements.iter().map(|element| 2 + element.data.len()).sum();
    4 + data.next_multiple_of(4)
}

fn number(
    sender: &mut Sender,
    payload_type: u8,
    entry: &OutgoingPacket<'_>,
    now: Instant,
) -> Option<Header> {
    match entry.numbering {
        Numbering::Own { timestamp } => Some(sender.next(
            payload_type,
            entry.marker,
            timestamp,
            entry.payload.len(),
            now,
        )),
        Numbering::Forwarded {
            ssrc,
            sequence,
            timestamp,
            ..
        } => {
            let source = Header {
                marker: entry.marker,
                payload_type,
                sequence,
                timestamp,
                ssrc,
            };
            sender.relay(payload_type, &source, entry.payload.len(), now)
        }
    }
}
