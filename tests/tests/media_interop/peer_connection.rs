//! Our transport against the peer connection of the `webrtc` crate: it offers and it answers, and each hears the other.
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "what stands around the tests is part of them"
)]

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use offhook_media::dtls::certificate::Certificate;
use offhook_media::dtls::fingerprint::FingerprintHash;
use offhook_media::dtls::setup::{DtlsRole, Setup};
use offhook_media::ice::candidate::LocalCandidate;
use offhook_media::ice::credentials::IceCredentials;
use offhook_media::media_transport::config::{RemoteParameters, TransportConfig, TransportLimits};
use offhook_media::media_transport::event::{Event, Output, Received};
use offhook_media::media_transport::transport::MediaTransport;
use offhook_media::srtp::profile::SrtpProfile;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rtc::media_stream::MediaStreamTrack;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RtpCodecKind,
};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler,
    RTCIceGatheringState, RTCPeerConnectionState, RTCSessionDescription, SettingEngineBuilder,
    SrtpProtectionProfile,
};
use webrtc::runtime::TokioRuntime;

const LIMIT: Duration = Duration::from_secs(30);
const OUR_SSRC: u32 = 0x0ff0_0ff0;
const THEIR_SSRC: u32 = 0x1234_5678;
const OPUS: u8 = 111;
const OURS: &[u8] = b"this is offhook speaking";
const THEIRS: &[u8] = b"and this is the other one";

/// Packets each must hear.
const ENOUGH: usize = 20;

/// What the peer tells the test.
#[derive(Clone)]
struct Listener {
    gathered: UnboundedSender<()>,
    connected: UnboundedSender<()>,
    heard: Arc<AtomicUsize>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Listener {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            let _ = self.gathered.send(());
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        if state == RTCPeerConnectionState::Connected {
            let _ = self.connected.send(());
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let heard = Arc::clone(&self.heard);
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(packet) = event
                    && packet.payload.as_ref() == OURS
                {
                    heard.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
}

/// The independent peer.
struct Peer {
    connection: Arc<dyn PeerConnection>,
    track: Arc<TrackLocalStaticRTP>,
    gathered: UnboundedReceiver<()>,
    connected: UnboundedReceiver<()>,
    heard: Arc<AtomicUsize>,
}

impl Peer {
    async fn new(profile: SrtpProfile) -> Self {
        let codec = RTCRtpCodec {
            mime_type: "audio/opus".to_owned(),
            clock_rate: 48_000,
            channels: 2,
            ..Default::default()
        };
        let mut media = MediaEngine::default();
        media
            .register_codec(
                RTCRtpCodecParameters {
                    rtp_codec: codec.clone(),
                    payload_type: OPUS,
                },
                RtpCodecKind::Audio,
            )
            .unwrap();
        let settings = SettingEngineBuilder::new()
            .with_include_loopback_candidate(true)
            .with_srtp_protection_profiles(vec![match profile {
                SrtpProfile::AeadAes128Gcm => SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
                SrtpProfile::AeadAes256Gcm => SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
                SrtpProfile::Aes128CmHmacSha1_80 => {
                    SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80
                }
                SrtpProfile::Aes128CmHmacSha1_32 => {
                    SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32
                }
            }])
            .build();
        let (gathered_in, gathered) = unbounded_channel();
        let (connected_in, connected) = unbounded_channel();
        let heard = Arc::new(AtomicUsize::new(0));
        let connection = PeerConnectionBuilder::new()
            .with_media_engine(media)
            .with_setting_engine(settings)
            .with_handler(Arc::new(Listener {
                gathered: gathered_in,
                connected: connected_in,
                heard: Arc::clone(&heard),
            }))
            .with_runtime(Arc::new(TokioRuntime))
            .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
            .build()
            .await
            .unwrap();
        let track = Arc::new(TrackLocalStaticRTP::new(MediaStreamTrack::new(
            "stream".to_owned(),
            "track".to_owned(),
            "label".to_owned(),
            RtpCodecKind::Audio,
            vec![RTCRtpEncodingParameters {
                rtp_coding_parameters: RTCRtpCodingParameters {
                    ssrc: Some(THEIR_SSRC),
                    ..Default::default()
                },
                codec,
                ..Default::default()
            }],
        )));
        let sender = Arc::clone(&track) as Arc<dyn TrackLocal>;
        connection.add_track(sender).await.unwrap();
        Self {
            connection: Arc::new(connection),
            track,
            gathered,
            connected,
            heard,
        }
    }

    async fn description(&mut self) -> String {
        self.gathered.recv().await.unwrap();
        self.connection.local_description().await.unwrap().sdp
    }

    async fn offer(&mut self) -> String {
        let offer = self.connection.create_offer(None).await.unwrap();
        self.connection.set_local_description(offer).await.unwrap();
        self.description().await
    }

    async fn answer(&mut self, offer: String) -> String {
        let offer = RTCSessionDescription::offer(offer).unwrap();
        self.connection.set_remote_description(offer).await.unwrap();
        let answer = self.connection.create_answer(None).await.unwrap();
        self.connection.set_local_description(answer).await.unwrap();
        self.description().await
    }

    /// Speaks, once connected, for as long as the test runs.
    async fn speak(mut self) {
        self.connected.recv().await.unwrap();
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        for number in 0_u16.. {
            pace.tick().await;
            let packet = rtp::Packet {
                header: rtp::Header {
                    version: 2,
                    payload_type: OPUS,
                    sequence_number: number,
                    timestamp: u32::from(number) * 960,
                    ssrc: THEIR_SSRC,
                    ..Default::default()
                },
                payload: THEIRS.into(),
            };
            let _ = self.track.write_rtp(packet).await;
        }
    }
}

/// Our transport on a real socket.
struct Ours {
    transport: MediaTransport,
    socket: UdpSocket,
    address: SocketAddr,
    certificate: Arc<Certificate>,
    events: Vec<Event>,
    heard: usize,
    spoken: u16,
}

impl Ours {
    fn new(controlling: bool) -> Self {
        let mut rng: StdRng = StdRng::from_seed([23; 32]);
        let certificate = Arc::new(Certificate::generate().unwrap());
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(5)))
            .unwrap();
        let address = socket.local_addr().unwrap();
        let config = TransportConfig {
            credentials: IceCredentials::generate(&mut rng),
            tie_breaker: rng.random(),
            controlling,
            certificate: Arc::clone(&certificate),
            profiles: SrtpProfile::ALL.to_vec(),
            minimum_rsa_bits: 1024,
            latching: false,
            limits: TransportLimits::default(),
        };
        let mut transport = MediaTransport::new(config, Instant::now());
        transport
            .add_local_candidate(LocalCandidate::host(address), Instant::now())
            .unwrap();
        Self {
            transport,
            socket,
            address,
            certificate,
            events: Vec::new(),
            heard: 0,
            spoken: 0,
        }
    }

    /// The least that a peer connection takes as an offer or answer.
    fn description(&self, setup: Setup) -> String {
        let credentials = self.transport.credentials();
        let candidate = &self.transport.local_candidates()[0];
        let mut lines = vec![
            "v=0".to_owned(),
            "o=- 1 1 IN IP4 127.0.0.1".to_owned(),
            "s=-".to_owned(),
            "t=0 0".to_owned(),
            "a=group:BUNDLE 0".to_owned(),
            format!("m=audio {} UDP/TLS/RTP/SAVPF {OPUS}", self.address.port()),
            "c=IN IP4 127.0.0.1".to_owned(),
            "a=mid:0".to_owned(),
            "a=sendrecv".to_owned(),
            "a=rtcp-mux".to_owned(),
            format!("a=rtpmap:{OPUS} opus/48000/2"),
            "a=msid:stream track".to_owned(),
            format!("a=ssrc:{OUR_SSRC} cname:offhook"),
            format!("a=setup:{setup}"),
        ];
        let fingerprint = self.certificate.fingerprint(FingerprintHash::Sha256);
        lines.push(format!("a=fingerprint:{fingerprint}"));
        lines.push(format!("a=ice-ufrag:{}", credentials.ufrag));
        lines.push(format!("a=ice-pwd:{}", credentials.pwd));
        lines.push(format!("a=candidate:{candidate}"));
        lines.push("a=end-of-candidates\r\n".to_owned());
        lines.join("\r\n")
    }

    fn set_remote(&mut self, sdp: &str) {
        let values = |name: &str| -> Vec<String> {
            let prefix = format!("a={name}:");
            let value = |line: &str| line.trim().strip_prefix(&prefix).map(str::to_owned);
            sdp.lines().filter_map(value).collect()
        };
        let candidates = values("candidate");
        let remote = RemoteParameters {
            credentials: Some(IceCredentials {
                ufrag: values("ice-ufrag")[0].clone(),
                pwd: values("ice-pwd")[0].clone(),
            }),
            address: None,
            candidates: candidates
                .iter()
                .map(|line| line.parse().unwrap())
                .collect(),
            keys: None,
            unencrypted: false,
            fingerprints: vec![values("fingerprint")[0].parse().unwrap()],
            setup: values("setup")[0].parse().unwrap(),
            tls_id: None,
            ice_lite: false,
        };
        self.transport.set_remote(remote, Instant::now()).unwrap();
    }

    fn drain(&mut self) {
        loop {
            match self.transport.poll() {
                Output::Transmit { route, bytes } => {
                    self.socket.send_to(&bytes, route.remote).unwrap();
                }
                Output::Event(event) => self.events.push(event),
                _ => return,
            }
        }
    }

    fn speak(&mut self) {
        let mut packet = vec![0x80, OPUS];
        packet.extend_from_slice(&self.spoken.to_be_bytes());
        packet.extend_from_slice(&(u32::from(self.spoken) * 960).to_be_bytes());
        packet.extend_from_slice(&OUR_SSRC.to_be_bytes());
        packet.extend_from_slice(OURS);
        let route = self.transport.protect_rtp(&mut packet).unwrap();
        self.socket.send_to(&packet, route.remote).unwrap();
        self.spoken += 1;
    }

    /// Until both have heard enough.
    fn converse(&mut self, heard_by_peer: &AtomicUsize) {
        let asked = Instant::now();
        let mut speak_at = asked;
        let mut buffer = [0; 2048];
        while self.heard < ENOUGH || heard_by_peer.load(Ordering::Relaxed) < ENOUGH {
            assert!(
                asked.elapsed() < LIMIT,
                "we heard {}, the peer {} packets; {:?}, {:?}",
                self.heard,
                heard_by_peer.load(Ordering::Relaxed),
                self.events,
                self.transport.counters()
            );
            self.drain();
            if let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
                let datagram = &mut buffer[..length];
                let now = Instant::now();
                let received = self
                    .transport
                    .handle_datagram(self.address, from, datagram, now);
                if let Received::Rtp(packet) = received {
                    self.heard += usize::from(packet.ends_with(THEIRS));
                }
            }
            self.transport.handle_timeout(Instant::now());
            self.drain();
            if self.transport.is_connected() && Instant::now() >= speak_at {
                self.speak();
                speak_at = Instant::now() + Duration::from_millis(20);
            }
        }
    }
}

fn assert_connected(ours: &Ours, role: DtlsRole, profile: SrtpProfile) {
    let connected = Event::DtlsConnected { profile, role };
    assert!(ours.events.contains(&connected), "{:?}", ours.events);
    let counters = ours.transport.counters();
    assert_eq!(
        (
            counters.refused.bad_authentication,
            counters.refused.replay,
            counters.refused.too_old
        ),
        (0, 0, 0)
    );
}

#[test]
fn it_offers_we_answer_and_both_hear() {
    for profile in SrtpProfile::ALL {
        let runtime = Runtime::new().unwrap();
        let mut peer = runtime.block_on(Peer::new(profile));
        let mut ours = Ours::new(false);
        let offer = runtime.block_on(peer.offer());
        ours.set_remote(&offer);
        let answer = RTCSessionDescription::answer(ours.description(Setup::Active)).unwrap();
        runtime
            .block_on(peer.connection.set_remote_description(answer))
            .unwrap();
        let heard = Arc::clone(&peer.heard);
        runtime.spawn(peer.speak());
        ours.converse(&heard);
        assert_connected(&ours, DtlsRole::Client, profile);
    }
}

#[test]
fn we_offer_it_answers_and_both_hear() {
    for profile in SrtpProfile::ALL {
        let runtime = Runtime::new().unwrap();
        let mut peer = runtime.block_on(Peer::new(profile));
        let mut ours = Ours::new(true);
        let answer = runtime.block_on(peer.answer(ours.description(Setup::ActPass)));
        ours.set_remote(&answer);
        let heard = Arc::clone(&peer.heard);
        runtime.spawn(peer.speak());
        ours.converse(&heard);
        assert_connected(&ours, DtlsRole::Server, profile);
    }
}
