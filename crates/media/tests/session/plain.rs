//! Far ends that lack ICE, or encryption too, where that is allowed; what is theirs is played by hand.

use std::net::SocketAddr;
use std::time::Duration;

use offhook_media::ice::candidate::LocalCandidate;
use offhook_media::sdp::concessions::Concessions;
use offhook_media::session::config::{Hold, SessionConfig};
use offhook_media::session::error::Refusal;
use offhook_media::session::event::MediaEvent;
use offhook_media::session::media_session::{MediaSession, Output, Renewal};

use crate::programs::Talker;
use crate::world::{Side, World, beginning, config};

const SLOT: Duration = Duration::from_millis(20);

/// As a gateway of old writes it.
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\n\
                     a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

fn allowing(concessions: Concessions, latching: bool) -> SessionConfig {
    SessionConfig {
        concessions,
        latching,
        ..config(Side::Callee)
    }
}

const EVERYTHING: Concessions = Concessions {
    no_ice: true,
    no_encryption: true,
};

/// A session of ours and the datagrams that it sends.
struct Ours {
    session: MediaSession,
    now: std::time::Instant,
    sent: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    events: Vec<MediaEvent>,
    answer: String,
}

impl Ours {
    fn answering(config: SessionConfig) -> Result<Self, Refusal> {
        let now = beginning();
        let mut session = MediaSession::new(config, Talker::new().0, [1; 32], now);
        session.add_local_candidate(LocalCandidate::host(rtp()), now);
        assert!(session.wants_rtcp_sockets(OFFER));
        session.add_rtcp_host_candidate(rtcp(), now);
        let answer = session.accept_offer(OFFER, Renewal::Change, now)?;
        let mut ours = Self {
            session,
            now,
            sent: Vec::new(),
            events: Vec::new(),
            answer,
        };
        ours.drain();
        Ok(ours)
    }

    fn drain(&mut self) {
        loop {
            match self.session.poll() {
                Output::Transmit {
                    local,
                    remote,
                    bytes,
                } => self.sent.push((local, remote, bytes.to_vec())),
                Output::Event(event) => self.events.push(event),
                Output::Wait(_) => return,
                Output::Forward { .. } | _ => panic!("nobody forwards here"),
            }
        }
    }

    fn run(&mut self, slots: u32) {
        for _ in 0..slots {
            self.now += SLOT;
            self.session.handle_timeout(self.now);
            self.drain();
        }
    }

    /// A packet of the far end, from there.
    fn hear(&mut self, from: SocketAddr, sequence: u8) {
        let mut packet = vec![0x80, 0, 0, sequence, 0, 0, sequence, 0, 1, 2, 3, 4];
        packet.extend([0x7f; 160]);
        self.session
            .handle_datagram(rtp(), from, &mut packet, self.now);
        self.drain();
    }

    fn heard(&self) -> u64 {
        self.session.statistics(self.now).inbound.packets_received
    }

    /// Where RTP went last.
    fn speaks_to(&self) -> SocketAddr {
        let is_speech = |(local, _, bytes): &&(SocketAddr, SocketAddr, Vec<u8>)| {
            *local == rtp() && bytes[0] == 0x80 && bytes[1] & 0x7f == 0
        };
        self.sent.iter().rev().find(is_speech).unwrap().1
    }
}

fn rtp() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 2], 5000))
}

fn rtcp() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 2], 5001))
}

fn described() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 9], 4000))
}

#[test]
fn a_call_in_the_clear_without_ice() {
    let mut ours = Ours::answering(allowing(EVERYTHING, false)).unwrap();
    let answer = &ours.answer;
    assert!(answer.contains(
        "m=audio 5000 RTP/AVP 0 101\r\nc=IN IP4 192.0.2.2\r\na=rtcp:5001 IN IP4 192.0.2.2\r\n"
    ));
    for absent in ["ice-", "candidate", "fingerprint", "setup", "rtcp-mux"] {
        assert!(!answer.contains(absent), "{answer}");
    }
    ours.run(400);
    assert!(ours.events.contains(&MediaEvent::Unencrypted));
    assert_eq!(ours.speaks_to(), described());
    let (_, _, speech) = ours
        .sent
        .iter()
        .find(|(local, _, _)| *local == rtp())
        .unwrap();
    assert_eq!(speech[13..], [120; 79], "as it was made");
    // Reports go one port further.
    let is_report = |(local, remote, bytes): &&(SocketAddr, SocketAddr, Vec<u8>)| {
        *local == rtcp() && remote.port() == 4001 && bytes[1] == 200
    };
    assert!(ours.sent.iter().any(|sent| is_report(&sent)));

    ours.hear(described(), 1);
    assert_eq!(ours.heard(), 1);
    ours.hear(SocketAddr::from(([203, 0, 113, 1], 4000)), 2);
    assert_eq!(ours.heard(), 1, "strangers are not heard");
}

#[test]
fn latching_believes_the_first_and_nobody_else() {
    let mut ours = Ours::answering(allowing(EVERYTHING, true)).unwrap();
    ours.run(5);
    assert_eq!(ours.speaks_to(), described());
    let behind_nat = SocketAddr::from(([198, 51, 100, 7], 61000));
    ours.hear(behind_nat, 1);
    ours.run(5);
    assert_eq!((ours.heard(), ours.speaks_to()), (1, behind_nat));
    ours.hear(SocketAddr::from(([203, 0, 113, 1], 4000)), 2);
    ours.run(5);
    assert_eq!((ours.heard(), ours.speaks_to()), (1, behind_nat));
}

#[test]
fn our_later_offers_are_for_such_a_far_end() {
    let mut ours = Ours::answering(allowing(EVERYTHING, false)).unwrap();
    ours.run(5);
    ours.session.hold(Hold::SendOnly, ours.now);
    let offer = ours.session.create_offer(ours.now);
    assert!(
        offer.contains("RTP/AVP ") && offer.contains("a=sendonly\r\n"),
        "{offer}"
    );
    assert!(
        !offer.contains("ice-") && !offer.contains("fingerprint"),
        "{offer}"
    );
    let held = OFFER.replace("sendrecv", "recvonly");
    ours.session.accept_answer(&held, ours.now).unwrap();
}

#[test]
fn each_has_to_be_allowed_by_itself() {
    let refused = |no_ice, no_encryption| {
        let concessions = Concessions {
            no_ice,
            no_encryption,
        };
        Ours::answering(allowing(concessions, false)).err()
    };
    let named = |error: Option<Refusal>| error.map(|error| error.to_string()).unwrap_or_default();
    assert!(named(refused(false, false)).contains("unencrypted media (RTP/AVP)"));
    assert!(named(refused(true, false)).contains("unencrypted media (RTP/AVP)"));
    assert!(named(refused(false, true)).contains("does not speak ICE"));
    assert_eq!(refused(true, true), None);
}

/// DTLS and SRTP as ever, between the addresses of the descriptions.
#[test]
fn encryption_stands_without_ice() {
    let no_ice = Concessions {
        no_ice: true,
        no_encryption: false,
    };
    let with = |side| SessionConfig {
        concessions: no_ice,
        ..config(side)
    };
    let (caller, heard_by_caller) = Talker::new();
    let (callee, heard_by_callee) = Talker::new();
    let mut world = World::with_configs(with(Side::Caller), caller, with(Side::Callee), callee);
    let now = world.now;
    let without_ice = |sdp: &str| -> String {
        let kept = sdp
            .split_inclusive('\n')
            .filter(|line| !line.starts_with("a=ice-") && !line.starts_with("a=candidate:"));
        kept.collect()
    };
    let offer = without_ice(&world.caller.session.create_offer(now));
    let answer = world
        .callee
        .session
        .accept_offer(&offer, Renewal::Change, now)
        .unwrap();
    assert_eq!(answer, without_ice(&answer));
    assert!(answer.contains("a=fingerprint:"));
    world.caller.session.accept_answer(&answer, now).unwrap();
    world.settle();
    world.run(Duration::from_secs(5));
    for side in [Side::Caller, Side::Callee] {
        let secured = |event: &_| matches!(event, MediaEvent::DtlsConnected { .. });
        assert!(world.told(side, secured).is_some());
    }
    for heard in [heard_by_caller, heard_by_callee] {
        assert!(heard.lock().unwrap().audio.len() > 200);
    }
}

/// Hold as it was said of old (RFC 3264, section 8.4).
#[test]
fn who_names_no_address_is_sent_nothing_until_it_names_one() {
    let mut ours = Ours::answering(allowing(EVERYTHING, false)).unwrap();
    ours.run(300);
    let held = OFFER.replace("c=IN IP4 192.0.2.9", "c=IN IP4 0.0.0.0");
    let held = held.replace("a=sendrecv\r\n", "");
    let answer = ours
        .session
        .accept_offer(&held, Renewal::Change, ours.now)
        .unwrap();
    assert!(
        answer.contains("a=sendrecv\r\n"),
        "by the direction line: {answer}"
    );
    ours.drain();
    let formats = |ours: &Ours| {
        let told = ours.events.iter().filter_map(|event| {
            if let MediaEvent::Negotiated(format) = event {
                Some((format.send, format.receive))
            } else {
                None
            }
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(formats(&ours), [(true, true), (false, true)]);
    let sent = ours.sent.len();
    ours.run(600);
    assert_eq!(ours.sent.len(), sent, "neither sound nor reports");
    ours.hear(described(), 1);
    assert_eq!(ours.heard(), 1, "music is heard");

    // Back, at the address of before or at another.
    for address in ["192.0.2.9", "192.0.2.10"] {
        ours.session
            .accept_offer(&held, Renewal::Change, ours.now)
            .unwrap();
        let back = OFFER.replace("192.0.2.9", address);
        ours.session
            .accept_offer(&back, Renewal::Change, ours.now)
            .unwrap();
        ours.sent.clear();
        ours.run(400);
        let there = SocketAddr::new(address.parse().unwrap(), 4000);
        assert_eq!(ours.speaks_to(), there);
        let reports = |(local, _, _): &&(SocketAddr, SocketAddr, Vec<u8>)| *local == rtcp();
        assert!(ours.sent.iter().any(|sent| reports(&sent)));
    }
}
