//! One offer, several far ends that answer it: who is heard, and that whoever answers for good is heard at once.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use offhook_media::ice::candidate::LocalCandidate;
use offhook_media::session::event::MediaEvent;
use offhook_media::session::forks::{AnswerKind, ForkAnswer};
use offhook_media::session::media_session::{MediaSession, Output, Renewal};
use offhook_media::session::policy::MediaPolicy;

use crate::programs::{Shared, Talker};
use crate::world::{LATENCY, Side, beginning, config};

const SECOND: Duration = Duration::from_secs(1);

struct End {
    session: MediaSession,
    address: SocketAddr,
    seen: Shared,
    events: Vec<MediaEvent>,
    wake: Option<Instant>,
    /// Nothing that it sends arrives, nor anything that is sent to it.
    gone: bool,
}

/// A caller, first of the ends, and those who may answer.
struct Fork {
    now: Instant,
    ends: Vec<End>,
    wire: Vec<(Instant, SocketAddr, SocketAddr, Vec<u8>)>,
    /// Where the caller's RTCP packets went, protected as they were.
    rtcp: Vec<(SocketAddr, Vec<u8>)>,
    offer: String,
}

const CALLER: usize = 0;

impl Fork {
    fn to(callees: u16) -> Self {
        Self::under(&MediaPolicy::default(), callees)
    }

    fn under(policy: &MediaPolicy, callees: u16) -> Self {
        let now = beginning();
        let end = |port: u16| {
            let side = if port == 0 {
                Side::Caller
            } else {
                Side::Callee
            };
            // All who answer have one certificate, as behind one relay.
            let (talker, seen) = Talker::new();
            let seed = u8::try_from(port).unwrap();
            let mut config = config(side);
            policy.apply(&mut config);
            let mut session = MediaSession::new(config, talker, [seed + 1; 32], now);
            let address = SocketAddr::from(([192, 0, 2, 1], 4000 + port));
            session.add_local_candidate(LocalCandidate::host(address), now);
            End {
                session,
                address,
                seen,
                events: Vec::new(),
                wake: None,
                gone: false,
            }
        };
        let mut ends: Vec<_> = (0..=callees).map(end).collect();
        let offer = ends[CALLER].session.create_offer(now);
        Self {
            now,
            ends,
            wire: Vec::new(),
            rtcp: Vec::new(),
            offer,
        }
    }

    /// What this one answers.
    fn answers(&mut self, who: usize) -> String {
        let session = &mut self.ends[who].session;
        let answer = session.accept_offer(&self.offer, Renewal::Change, self.now);
        let answer = answer.unwrap();
        self.drain(who);
        answer
    }

    fn caller_takes(&mut self, who: usize, sdp: &str, kind: AnswerKind) {
        self.caller_takes_as(&format!("tag {who}"), sdp, kind);
    }

    fn caller_takes_as(&mut self, fork: &str, sdp: &str, kind: AnswerKind) {
        let answer = ForkAnswer {
            fork: fork.to_owned(),
            sdp: sdp.to_owned(),
            kind,
        };
        let session = &mut self.ends[CALLER].session;
        session.accept_fork_answer(&answer, self.now).unwrap();
        self.drain(CALLER);
    }

    fn drain(&mut self, who: usize) {
        let end = &mut self.ends[who];
        loop {
            match end.session.poll() {
                Output::Transmit {
                    local,
                    remote,
                    bytes,
                } => {
                    assert_eq!(local, end.address);
                    // RFC 5761, section 4.
                    if who == CALLER && matches!(bytes[..2], [128..192, 192..224]) {
                        self.rtcp.push((remote, bytes.to_vec()));
                    }
                    let arrival = self.now + LATENCY;
                    if !end.gone {
                        self.wire.push((arrival, local, remote, bytes.to_vec()));
                    }
                }
                Output::Event(event) => end.events.push(event),
                Output::Wait(wait) => {
                    end.wake = wait.map(|(at, _)| at);
                    return;
                }
                Output::Forward { to, .. } => panic!("nobody bridges here: {to:?}"),
                _ => unreachable!("a new kind of output"),
            }
        }
    }

    fn run(&mut self, span: Duration) {
        let until = self.now + span;
        loop {
            let wakes = self.ends.iter().filter_map(|end| end.wake);
            let arrivals = self.wire.iter().map(|(at, ..)| *at);
            let Some(next) = wakes.chain(arrivals).min().filter(|at| *at <= until) else {
                break;
            };
            self.now = next.max(self.now);
            while let Some(at) = self.wire.iter().position(|(at, ..)| *at <= self.now) {
                let (_, from, to, mut bytes) = self.wire.remove(at);
                if let Some(who) = self
                    .ends
                    .iter()
                    .position(|end| end.address == to && !end.gone)
                {
                    let session = &mut self.ends[who].session;
                    session.handle_datagram(to, from, &mut bytes, self.now);
                    self.drain(who);
                }
            }
            for who in 0..self.ends.len() {
                if self.ends[who].wake.is_some_and(|at| at <= self.now) {
                    self.ends[who].session.handle_timeout(self.now);
                    self.drain(who);
                }
            }
        }
        self.now = until;
    }

    /// How many packets of sound this one hears within a second.
    fn hears(&mut self, who: usize) -> usize {
        let heard = |end: &End| end.seen.lock().unwrap().audio.len();
        let before = heard(&self.ends[who]);
        self.run(SECOND);
        heard(&self.ends[who]) - before
    }

    fn handshakes(&self, who: usize) -> usize {
        let shook = |event: &&MediaEvent| matches!(event, MediaEvent::DtlsConnected { .. });
        self.ends[who].events.iter().filter(shook).count()
    }

    fn failed(&self, who: usize) -> bool {
        let failed = |event: &MediaEvent| matches!(event, MediaEvent::Failed(_));
        self.ends[who].events.iter().any(failed)
    }
}

#[test]
fn the_fork_that_was_heard_first_answers_after_another_was_heard() {
    let mut fork = Fork::to(2);
    let one = fork.answers(1);
    fork.caller_takes(1, &one, AnswerKind::Provisional);
    fork.run(SECOND);
    assert!(fork.hears(1) >= 45, "early media both ways");
    let two = fork.answers(2);
    fork.caller_takes(2, &two, AnswerKind::Provisional);
    fork.run(SECOND);
    assert!(fork.hears(2) >= 45, "the second fork is heard");
    assert_eq!(fork.hears(1), 0, "and the first one is not spoken to");
    // At once: its association was kept, and it would not shake hands again.
    fork.caller_takes(1, &one, AnswerKind::Final);
    assert!(fork.hears(1) >= 45);
    assert!(fork.hears(CALLER) >= 45);
    assert_eq!(fork.handshakes(1), 1);
    assert_eq!(fork.hears(2), 0);
    let parted = |event: &MediaEvent| matches!(event, MediaEvent::ClosedByPeer);
    assert!(
        fork.ends[2].events.iter().any(parted),
        "who was left hears so"
    );
    assert!(!fork.failed(CALLER));
}

#[test]
fn a_fork_that_answers_at_once_takes_the_place_of_early_media() {
    let mut fork = Fork::to(2);
    let one = fork.answers(1);
    fork.caller_takes(1, &one, AnswerKind::Provisional);
    fork.run(SECOND);
    let two = fork.answers(2);
    fork.caller_takes(2, &two, AnswerKind::Final);
    fork.run(SECOND);
    assert!(fork.hears(2) >= 45);
    assert!(fork.hears(CALLER) >= 45);
}

#[test]
fn both_forks_connect_although_their_answers_came_together() {
    let mut fork = Fork::to(2);
    let (one, two) = (fork.answers(1), fork.answers(2));
    fork.caller_takes(1, &one, AnswerKind::Provisional);
    fork.caller_takes(2, &two, AnswerKind::Provisional);
    fork.run(SECOND);
    assert_eq!((fork.handshakes(1), fork.handshakes(2)), (1, 1));
    fork.caller_takes(1, &one, AnswerKind::Final);
    assert!(fork.hears(1) >= 45);
}

#[test]
fn a_server_that_changes_the_name_of_a_fork_changes_nothing() {
    let mut fork = Fork::to(1);
    let one = fork.answers(1);
    fork.caller_takes_as("before", &one, AnswerKind::Provisional);
    fork.run(SECOND);
    let later = one.replacen("s=-", "s=later", 1);
    assert_ne!(one, later);
    fork.caller_takes_as("after", &later, AnswerKind::Final);
    assert!(fork.hears(1) >= 45);
    assert_eq!(fork.handshakes(1), 1);
}

/// The first fork is heard, then the second, of which nothing arrives; and what each answered.
fn second_out_of_reach() -> (Fork, [String; 2]) {
    let mut fork = Fork::to(2);
    let one = fork.answers(1);
    fork.caller_takes(1, &one, AnswerKind::Provisional);
    fork.run(SECOND);
    let two = fork.answers(2);
    fork.ends[2].gone = true;
    fork.wire.clear();
    fork.caller_takes(2, &two, AnswerKind::Provisional);
    fork.run(20 * SECOND);
    (fork, [one, two])
}

#[test]
fn a_fork_out_of_reach_ends_nothing_while_another_may_answer() {
    let (mut fork, [one, _]) = second_out_of_reach();
    assert!(!fork.failed(CALLER));
    fork.caller_takes(1, &one, AnswerKind::Final);
    assert!(fork.hears(1) >= 45);
    assert_eq!(fork.handshakes(1), 1);
}

#[test]
fn the_fork_out_of_reach_that_answers_ends_the_call() {
    let (mut fork, [_, two]) = second_out_of_reach();
    fork.caller_takes(2, &two, AnswerKind::Final);
    fork.run(SECOND);
    assert!(fork.failed(CALLER));
}

#[test]
fn forks_without_end_cost_no_memory_without_end() {
    let mut fork = Fork::to(20);
    let answers: Vec<_> = (1..=20).map(|who| fork.answers(who)).collect();
    for (at, answer) in answers.iter().enumerate() {
        fork.caller_takes(at + 1, answer, AnswerKind::Provisional);
        fork.run(SECOND);
    }
    // One that was forgotten begins anew as far as its far end lets it; the last ones were kept.
    fork.caller_takes(15, &answers[14], AnswerKind::Final);
    assert!(fork.hears(15) >= 45);
    assert_eq!(fork.handshakes(15), 1);
}

/// SRTCP with AES_CM_128_HMAC_SHA1_80 ends in its index (RFC 3711, section 3.4) and ten bytes of tag.
fn srtcp_index(packet: &[u8]) -> u32 {
    let word = packet[packet.len() - 14..packet.len() - 10].try_into();
    u32::from_be_bytes(word.unwrap()) & !(1 << 31)
}

#[test]
fn a_key_of_ours_that_several_forks_have_protects_nothing_twice() {
    let policy = MediaPolicy {
        sdes: Ok(()),
        ..MediaPolicy::default()
    };
    let mut fork = Fork::under(&policy, 3);
    let dtls = |line: &&str| line.starts_with("a=fingerprint") || line.starts_with("a=setup");
    let kept = fork.offer.lines().filter(|line| !dtls(line));
    fork.offer = kept.map(|line| format!("{line}\r\n")).collect();
    let first = fork.answers(1);
    // The first is heard again when another one was.
    for who in [1, 2, 1, 3] {
        let answer = match who {
            1 => first.clone(),
            _ => fork.answers(who),
        };
        fork.caller_takes(who, &answer, AnswerKind::Provisional);
        fork.run(SECOND);
        assert!(fork.hears(who) >= 45, "{who}");
        fork.run(10 * SECOND);
    }
    let mut indices: Vec<_> = fork.rtcp.iter().map(|(_, it)| srtcp_index(it)).collect();
    let far_ends: HashSet<_> = fork.rtcp.iter().map(|(to, _)| to).collect();
    assert_eq!(far_ends.len(), 3);
    let sent = indices.len();
    indices.sort_unstable();
    indices.dedup();
    assert_eq!(indices.len(), sent, "an index serves twice");
}
