//! Calls over loopback, carried by rtc with its default interceptors: SDP, and packets by its sender.

mod opus;

use std::error::Error;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use offhook_peers_ends::arguments::Plan;
use offhook_peers_ends::driver::{End, Fault, run};
use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::event::RTCPeerConnectionEvent;
use rtc::peer_connection::message::{RTCMessage, TaggedRTCMessage};
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::state::RTCPeerConnectionState;
use rtc::peer_connection::transport::{
    CandidateConfig, CandidateHostConfig, RTCDtlsRole, RTCIceCandidate,
};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp;
use rtc::rtp_transceiver::RTCRtpSenderId;
use rtc::sansio::Protocol;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};

use crate::opus::{header, media, track};

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    run::<Peer>(Plan::from_command_line()?, &())
}

struct Peer {
    connection: RTCPeerConnection,
    address: SocketAddr,
    sender: RTCRtpSenderId,
    ssrc: u32,
    connected: bool,
}

impl Peer {
    fn local(&mut self, description: RTCSessionDescription, now: Instant) -> Result<String, Fault> {
        self.connection.set_local_description(now, description)?;
        let description = self.connection.local_description();
        Ok(description.ok_or("no local description")?.sdp)
    }
}

impl End for Peer {
    type Shared = ();

    fn new((): &(), address: SocketAddr, now: Instant) -> Result<Self, Fault> {
        let settings = SettingEngineBuilder::new()
            .with_answering_dtls_role(RTCDtlsRole::Client)
            .build();
        let (media, registry) = media()?;
        let mut connection = RTCPeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().build())
            .with_setting_engine(settings)
            .with_media_engine(media)
            .with_interceptor_registry(registry)
            .build(now)?;
        let ssrc = u32::from(address.port()) | 0x5000_0000;
        let sender = connection.add_track(track(ssrc))?;
        Ok(Self {
            connection,
            address,
            sender,
            ssrc,
            connected: false,
        })
    }

    fn offer(&mut self, now: Instant) -> Result<String, Fault> {
        self.candidate()?;
        let offer = self.connection.create_offer(None)?;
        self.local(offer, now)
    }

    fn answer(&mut self, offer: String, now: Instant) -> Result<String, Fault> {
        let offer = RTCSessionDescription::offer(offer)?;
        self.connection.set_remote_description(now, offer)?;
        self.candidate()?;
        let answer = self.connection.create_answer(None)?;
        self.local(answer, now)
    }

    fn accept(&mut self, answer: String, now: Instant) -> Result<(), Fault> {
        let answer = RTCSessionDescription::answer(answer)?;
        Ok(self.connection.set_remote_description(now, answer)?)
    }

    fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) -> Result<(), Fault> {
        let transport = TransportContext {
            local_addr: self.address,
            peer_addr: from,
            ecn: None,
            transport_protocol: TransportProtocol::UDP,
        };
        let message = BytesMut::from(datagram);
        Ok(self.connection.handle_read(TaggedBytesMut {
            now,
            transport,
            message,
        })?)
    }

    fn timeout(&mut self, now: Instant) -> Result<(), Fault> {
        Ok(self.connection.handle_timeout(now)?)
    }

    fn send(&mut self, payload: &[u8], slot: u64, now: Instant) -> Result<(), Fault> {
        let packet = rtp::Packet {
            header: header(self.ssrc, slot),
            payload: Bytes::copy_from_slice(payload),
        };
        let mut sender = self.connection.rtp_sender(self.sender).ok_or("no sender")?;
        Ok(sender.write_rtp(now, packet)?)
    }

    fn poll(
        &mut self,
        _: Instant,
        received: &mut u64,
        mut send: impl FnMut(SocketAddr, &[u8]),
    ) -> Result<Option<Instant>, Fault> {
        while let Some(message) = self.connection.poll_write() {
            send(message.transport.peer_addr, &message.message);
        }
        while let Some(event) = self.connection.poll_event() {
            if let RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) = event {
                match state {
                    RTCPeerConnectionState::Connected => self.connected = true,
                    RTCPeerConnectionState::Failed => return Err("the connection failed".into()),
                    _ => {}
                }
            }
        }
        while let Some(TaggedRTCMessage { message, .. }) = self.connection.poll_read() {
            if let RTCMessage::RtpPacket(..) = message {
                *received += 1;
            }
        }
        Ok(self.connection.poll_timeout())
    }

    fn is_connected(&self) -> bool {
        self.connected
    }
}

impl Peer {
    /// Its one address.
    fn candidate(&mut self) -> Result<(), Fault> {
        let base_config = CandidateConfig {
            network: "udp".to_owned(),
            address: self.address.ip().to_string(),
            port: self.address.port(),
            component: 1,
            ..Default::default()
        };
        let candidate = CandidateHostConfig {
            base_config,
            ..Default::default()
        };
        let candidate = RTCIceCandidate::from(&candidate.new_candidate_host()?).to_json()?;
        Ok(self.connection.add_local_candidate(candidate)?)
    }
}
