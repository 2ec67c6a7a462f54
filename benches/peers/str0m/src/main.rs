//! Calls over loopback, carried by str0m in RTP mode: opened by SDP, packets by its stream API.

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use offhook_peers_ends::arguments::Plan;
use offhook_peers_ends::driver::{End, Fault, run};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc};

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    run::<Peer>(Plan::from_command_line()?, &())
}

struct Peer {
    rtc: Rtc,
    address: SocketAddr,
    pending: Option<SdpPendingOffer>,
    mid: Option<Mid>,
    connected: bool,
}

impl End for Peer {
    type Shared = ();

    fn new((): &(), address: SocketAddr, now: Instant) -> Result<Self, Fault> {
        // Audio alone, and no header extensions: transport-wide feedback would cost packets that no telephone sends.
        let mut rtc = Rtc::builder()
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .clear_extension_map()
            .set_stats_interval(Some(Duration::from_secs(1)))
            .build(now);
        rtc.add_local_candidate(Candidate::host(address, "udp")?)
            .ok_or("the candidate was refused")?;
        Ok(Self {
            rtc,
            address,
            pending: None,
            mid: None,
            connected: false,
        })
    }

    fn offer(&mut self, _: Instant) -> Result<String, Fault> {
        let mut changes = self.rtc.sdp_api();
        self.mid = Some(changes.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None));
        let (offer, pending) = changes.apply().ok_or("there is nothing to offer")?;
        self.pending = Some(pending);
        Ok(offer.to_sdp_string())
    }

    fn answer(&mut self, offer: String, _: Instant) -> Result<String, Fault> {
        let offer = SdpOffer::from_sdp_string(&offer)?;
        Ok(self.rtc.sdp_api().accept_offer(offer)?.to_sdp_string())
    }

    fn accept(&mut self, answer: String, _: Instant) -> Result<(), Fault> {
        let pending = self.pending.take().ok_or("an answer without an offer")?;
        let answer = SdpAnswer::from_sdp_string(&answer)?;
        Ok(self.rtc.sdp_api().accept_answer(pending, answer)?)
    }

    fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) -> Result<(), Fault> {
        let receive = Receive::new(Protocol::Udp, from, self.address, datagram)?;
        Ok(self.rtc.handle_input(Input::Receive(now, receive))?)
    }

    fn timeout(&mut self, now: Instant) -> Result<(), Fault> {
        Ok(self.rtc.handle_input(Input::Timeout(now))?)
    }

    fn send(&mut self, payload: &[u8], slot: u64, now: Instant) -> Result<(), Fault> {
        let mid = self.mid.ok_or("no media")?;
        let payload_type = self
            .rtc
            .codec_config()
            .params()
            .first()
            .ok_or("no codec")?
            .pt();
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_tx_by_mid(mid, None).ok_or("no stream")?;
        let time = (slot * 960) as u32;
        let packet = RtpWrite::new(payload_type, (slot + 1).into(), time, now, payload);
        stream.write_rtp(packet.marker(slot == 0));
        drop(direct);
        Ok(self.rtc.handle_input(Input::Timeout(now))?)
    }

    fn poll(
        &mut self,
        _: Instant,
        received: &mut u64,
        mut send: impl FnMut(SocketAddr, &[u8]),
    ) -> Result<Option<Instant>, Fault> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => return Ok(Some(at)),
                Output::Transmit(transmit) => send(transmit.destination, &transmit.contents),
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::MediaAdded(added)) => self.mid = Some(added.mid),
                Output::Event(Event::RtpPacket(_)) => *received += 1,
                Output::Event(Event::IceConnectionStateChange(
                    IceConnectionState::Disconnected,
                )) => return Err("ICE is disconnected".into()),
                Output::Event(_) => {}
            }
        }
    }

    fn is_connected(&self) -> bool {
        self.connected
    }
}
