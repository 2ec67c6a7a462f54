//! Candidates of the far end that hide their address behind a name (`0a1b….local`), as browsers write them: asked for on the links of
//! a call by Multicast DNS (RFC 6762), in one-shot queries from the call's own sockets (section 5.1). Most responders answer those to
//! where they come from (section 6.7); Chromium's answers to all of the link only, to questions that come alone and do not ask for
//! an answer of their own (section 5.4), so the group is listened to as well.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use crate::ice::candidate::{Candidate, CandidateTransport};

/// RFC 6762, section 3.
pub(crate) const PORT: u16 = 5353;
pub(crate) const GROUP_4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
pub(crate) const GROUP_6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);

/// Names of one call that are asked for; more are left aside.
const MOST_NAMES: usize = 8;
/// Candidates that may wait for one name.
const MOST_WAITING: usize = 8;
/// Addresses of one name that are taken.
const MOST_ADDRESSES: usize = 4;
const TRIES: u8 = 3;
const BETWEEN_TRIES: Duration = Duration::from_millis(500);

const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const CLASS_IN: u16 = 1;
/// In a record: it takes the place of older ones (section 10.2).
const TOP_BIT: u16 = 0x8000;
const HEADER: usize = 12;
const LONGEST_LABEL: usize = 63;
/// Records of one answer that are looked at.
const MOST_RECORDS: u16 = 64;

/// A candidate whose address is a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCandidate {
    /// `LABEL.local`, in small letters.
    pub name: String,
    /// All else; its address is unspecified, with the right port.
    pub candidate: Candidate,
}

impl NamedCandidate {
    /// Whether it may be of use once its address is known.
    pub(crate) fn is_of_component_1(&self) -> bool {
        let Candidate {
            component,
            transport,
            addr,
            ..
        } = &self.candidate;
        *component == 1 && *transport == CandidateTransport::Udp && addr.port() != 0
    }
}

/// Whether this is one label below `local`. Others are not asked for: they would be asked of servers.
pub(crate) fn is_local_name(name: &str) -> bool {
    let label = name.strip_suffix(".local");
    label.is_some_and(|label| {
        (1..=LONGEST_LABEL).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

/// Where a socket of this address asks.
pub(crate) const fn group_for(local: SocketAddr) -> SocketAddr {
    match local {
        SocketAddr::V4(_) => SocketAddr::new(IpAddr::V4(GROUP_4), PORT),
        SocketAddr::V6(_) => SocketAddr::new(IpAddr::V6(GROUP_6), PORT),
    }
}

/// The names of a call's far end, and what is known of them.
#[derive(Debug, Default)]
pub(crate) struct Names {
    names: Vec<Name>,
    /// Questions to be asked of every link.
    questions: VecDeque<Vec<u8>>,
    found: VecDeque<Candidate>,
}

#[derive(Debug)]
struct Name {
    name: String,
    id: u16,
    tries: u8,
    /// When it is asked for again, or given up.
    due: Option<Instant>,
    waiting: Vec<Candidate>,
    addresses: Vec<IpAddr>,
}

impl Names {
    /// Looks for the address of a candidate. `id` names the question, and is not to be guessed.
    pub(crate) fn want(&mut self, named: NamedCandidate, id: u16, now: Instant) {
        let NamedCandidate { name, candidate } = named;
        let known = self.names.iter_mut().find(|known| known.name == name);
        if let Some(known) = known {
            let addresses = known.addresses.iter();
            self.found.extend(addresses.map(|ip| at(&candidate, *ip)));
            if known.due.is_some() && known.waiting.len() < MOST_WAITING {
                known.waiting.push(candidate);
            }
            return;
        }
        if self.names.len() < MOST_NAMES && is_local_name(&name) {
            self.names.push(Name {
                name,
                id,
                tries: 0,
                due: Some(now),
                waiting: vec![candidate],
                addresses: Vec::new(),
            });
            self.handle_timeout(now);
        }
    }

    /// Whether any is still asked for.
    pub(crate) fn is_asking(&self) -> bool {
        self.names.iter().any(|name| name.due.is_some())
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.names.iter().filter_map(|name| name.due).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for name in &mut self.names {
            if name.due.is_none_or(|due| due > now) {
                continue;
            }
            if name.tries == TRIES {
                name.due = None;
                name.waiting.clear();
                continue;
            }
            name.tries += 1;
            name.due = Some(now + BETWEEN_TRIES);
            for kind in [TYPE_A, TYPE_AAAA] {
                self.questions
                    .push_back(question(&name.name, kind, name.id));
            }
        }
    }

    /// Takes a datagram that came from [`PORT`], to us or `to_all`. `false`: it is no answer to us.
    pub(crate) fn handle_datagram(&mut self, datagram: &[u8], to_all: bool) -> bool {
        let Some(id) = answered_id(datagram) else {
            return false;
        };
        let mut taken = false;
        let open = self.names.iter_mut().filter(|name| name.due.is_some());
        // What is said to all does not tell whose question it answers (section 18.1).
        for name in open.filter(|name| to_all || name.id == id) {
            let mut addresses = addresses_of(datagram, &name.name).unwrap_or_default();
            addresses.retain(|ip| !ip.is_unspecified() && !ip.is_multicast());
            addresses.truncate(MOST_ADDRESSES);
            taken |= !to_all || !addresses.is_empty();
            if !addresses.is_empty() {
                name.due = None;
                for candidate in name.waiting.drain(..) {
                    let found = addresses.iter().map(|ip| at(&candidate, *ip));
                    self.found.extend(found);
                }
                name.addresses = addresses;
            }
        }
        taken
    }

    /// The next question, for the [group](group_for) of each link.
    pub(crate) fn poll_question(&mut self) -> Option<Vec<u8>> {
        self.questions.pop_front()
    }

    /// The next candidate whose address is known.
    pub(crate) fn poll_found(&mut self) -> Option<Candidate> {
        self.found.pop_front()
    }
}

fn at(candidate: &Candidate, ip: IpAddr) -> Candidate {
    Candidate {
        addr: SocketAddr::new(ip, candidate.addr.port()),
        ..candidate.clone()
    }
}

/// A message that asks for one kind of address. The name was checked: its label fits a byte.
fn question(name: &str, kind: u16, id: u16) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + name.len() + 6);
    message.extend(id.to_be_bytes());
    // No flags, one question, nothing else.
    message.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.bytes());
    }
    message.push(0);
    message.extend(kind.to_be_bytes());
    message.extend(CLASS_IN.to_be_bytes());
    message
}

fn number(message: &[u8], at: usize) -> Option<u16> {
    let bytes = message.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

/// The question that a message answers without a fault (RFC 1035, section 4.1.1).
fn answered_id(message: &[u8]) -> Option<u16> {
    let flags = number(message, 2)?;
    let (is_answer, opcode, code) = (flags & 0x8000 != 0, flags & 0x7800, flags & 0xf);
    (is_answer && opcode == 0 && code == 0).then_some(number(message, 0)?)
}

/// The addresses that an answer gives exactly this name.
fn addresses_of(message: &[u8], name: &str) -> Option<Vec<IpAddr>> {
    let mut at = HEADER;
    for _ in 0..number(message, 4)?.min(MOST_RECORDS) {
        at = read_name(message, at, None)?.1.checked_add(4)?;
    }
    let mut addresses = Vec::new();
    for _ in 0..number(message, 6)?.min(MOST_RECORDS) {
        let Some((is_it, fields)) = read_name(message, at, Some(name)) else {
            break;
        };
        let (Some(kind), Some(class), Some(length)) = (
            number(message, fields),
            number(message, fields + 2),
            number(message, fields + 8),
        ) else {
            break;
        };
        let data = fields + 10;
        let Some(bytes) = message.get(data..data + usize::from(length)) else {
            break;
        };
        if is_it && class & !TOP_BIT == CLASS_IN {
            let ip = match kind {
                TYPE_A => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
                TYPE_AAAA => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
                _ => None,
            };
            addresses.extend(ip);
        }
        at = data + bytes.len();
    }
    Some(addresses)
}

/// Steps over the name at `at`: whether it is `wanted`, and where what follows it begins. A pointer leads to a prior place (RFC 1035,
/// section 4.1.4), so before all that was read of the name: else labels could lead to the same pointer again, for ever.
fn read_name(message: &[u8], at: usize, wanted: Option<&str>) -> Option<(bool, usize)> {
    let mut labels = wanted.map(|name| name.split('.'));
    let (mut at, mut end, mut first) = (at, None, at);
    let mut is_it = wanted.is_some();
    loop {
        let length = *message.get(at)?;
        match length >> 6 {
            0 if length == 0 => {
                let all_there = labels.is_some_and(|mut labels| labels.next().is_none());
                return Some((is_it && all_there, end.unwrap_or(at + 1)));
            }
            0 => {
                let label = message.get(at + 1..at + 1 + usize::from(length))?;
                let expected = labels.as_mut().and_then(Iterator::next);
                is_it &= expected.is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(label));
                at += 1 + usize::from(length);
            }
            3 => {
                let target = usize::from(number(message, at)? & 0x3fff);
                end.get_or_insert(at + 2);
                at = Some(target).filter(|target| *target < first)?;
                first = at;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAME: &str = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local";

    #[expect(clippy::disallowed_methods, reason = "an instant to count from")]
    fn start() -> Instant {
        Instant::now()
    }

    fn named(name: &str, port: u16) -> NamedCandidate {
        let line = format!("1 1 udp 2113937151 0.0.0.0 {port} typ host");
        NamedCandidate {
            name: name.to_owned(),
            candidate: line.parse().unwrap(),
        }
    }

    /// As a responder writes it: the question again, its name pointed at (RFC 6762, sections 6.7, 18.14).
    fn answer(question: &[u8], records: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = question.to_vec();
        message[2..4].copy_from_slice(&[0x84, 0]);
        message[7] = records.len() as u8;
        for (kind, data) in records {
            message.extend([0xc0, HEADER as u8]);
            message.extend(kind.to_be_bytes());
            message.extend((CLASS_IN | TOP_BIT).to_be_bytes());
            message.extend([0, 0, 0, 10]);
            message.extend((data.len() as u16).to_be_bytes());
            message.extend(*data);
        }
        message
    }

    fn found(names: &mut Names) -> Vec<SocketAddr> {
        std::iter::from_fn(|| names.poll_found())
            .map(|candidate| candidate.addr)
            .collect()
    }

    #[test]
    fn a_name_is_asked_for_until_it_is_answered_and_serves_later_candidates() {
        let now = start();
        let mut names = Names::default();
        names.want(named(NAME, 4000), 7, now);
        names.want(named(NAME, 4001), 8, now);
        let asked = names.poll_question().unwrap();
        assert!(asked[HEADER..].starts_with(b"\x241f4712db-ea17"));
        assert!(asked.ends_with(b"\x05local\0\0\x01\0\x01"));
        let second = names.poll_question().unwrap();
        assert!(second.ends_with(b"\x05local\0\0\x1c\0\x01"));
        assert_eq!(names.poll_question(), None, "once for both");
        assert!(
            !names.handle_datagram(&asked, false),
            "a question is no answer"
        );
        let records: [(u16, &[u8]); 3] = [
            (TYPE_A, &[192, 0, 2, 7]),
            (16, b"text"),
            (
                TYPE_AAAA,
                &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7],
            ),
        ];
        let mut strange = answer(&asked, &records);
        strange[1] = 9;
        assert!(
            !names.handle_datagram(&strange, false),
            "another's question"
        );
        assert!(names.handle_datagram(&answer(&asked, &records), false));
        let expected = ["192.0.2.7", "2001:db8::7"].map(|ip| ip.parse::<IpAddr>().unwrap());
        let all: Vec<_> = [4000, 4001]
            .iter()
            .flat_map(|port| expected.map(|ip| SocketAddr::new(ip, *port)))
            .collect();
        assert_eq!(found(&mut names), all);
        assert_eq!((names.deadline(), names.is_asking()), (None, false));
        names.want(named(NAME, 4002), 9, now);
        assert_eq!(found(&mut names).len(), 2);
        assert_eq!(names.poll_question(), None);
    }

    /// As Chromium does: it names no question, and may come before any.
    #[test]
    fn what_is_said_to_all_counts_by_its_name() {
        let now = start();
        let mut names = Names::default();
        names.want(named("nobody.local", 4000), 7, now);
        names.want(named(NAME, 4001), 8, now);
        let asked = names.poll_question().unwrap();
        let mut said = answer(&question(NAME, TYPE_A, 0), &[(TYPE_A, &[192, 0, 2, 7])]);
        assert!(
            !names.handle_datagram(&said, false),
            "to us it would name one"
        );
        assert!(names.handle_datagram(&said, true));
        assert_eq!(
            found(&mut names),
            [SocketAddr::from(([192, 0, 2, 7], 4001))]
        );
        assert!(!names.handle_datagram(&said, true), "it is known");
        assert!(names.is_asking(), "for the other one");
        said = answer(&asked, &[(16, b"text")]);
        assert!(!names.handle_datagram(&said, true));
    }

    #[test]
    fn only_the_answer_for_exactly_that_name_counts() {
        let now = start();
        let mut names = Names::default();
        names.want(named("somebody.local", 4000), 7, now);
        let asked = names.poll_question().unwrap();
        for other in ["somebodx.local", "somebody.locax"] {
            let mut strange = answer(&asked, &[(TYPE_A, &[192, 0, 2, 7])]);
            let place = HEADER + 1;
            strange[place..place + 8].copy_from_slice(&other.as_bytes()[..8]);
            strange[place + 9..place + 14].copy_from_slice(&other.as_bytes()[9..]);
            names.handle_datagram(&strange, false);
            names.handle_datagram(&strange, true);
            assert!(found(&mut names).is_empty());
        }
        assert!(names.is_asking());
    }

    #[test]
    fn it_is_given_up_after_three_tries() {
        let now = start();
        let mut names = Names::default();
        names.want(named(NAME, 4000), 7, now);
        let mut asked = Vec::new();
        while let Some(due) = names.deadline() {
            while let Some(question) = names.poll_question() {
                asked.push(question);
            }
            names.handle_timeout(due);
            assert!(due <= now + 3 * BETWEEN_TRIES);
        }
        assert_eq!(asked.len(), 2 * 3);
        let late = answer(&asked[0], &[(TYPE_A, &[192, 0, 2, 7])]);
        assert!(!names.handle_datagram(&late, false));
        assert!(!names.handle_datagram(&late, true));
        assert!(found(&mut names).is_empty());
    }

    #[test]
    fn only_one_label_below_local_is_asked_for_and_not_without_end() {
        let now = start();
        let mut names = Names::default();
        for name in ["a.b.local", "example.com", ".local", "local", "a b.local"] {
            names.want(named(name, 4000), 7, now);
        }
        assert_eq!(names.poll_question(), None);
        for number in 0..100 {
            names.want(named(&format!("host-{number}.local"), 4000), 7, now);
        }
        let questions = std::iter::from_fn(|| names.poll_question());
        assert_eq!(questions.count(), 2 * MOST_NAMES);
    }

    #[test]
    fn a_name_that_leads_back_into_itself_is_none() {
        for (name, at) in [
            // A label, and a pointer to it; a pointer to itself; two that name each other.
            (&[1, b'a', 0xc0, 12][..], 12),
            (&[0xc0, 12], 12),
            (&[1, b'a', 0xc0, 16, 1, b'b', 0xc0, 12], 16),
        ] {
            let mut message = vec![0; HEADER];
            message.extend(name);
            assert_eq!(read_name(&message, at, Some(NAME)), None, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_comes_panics(message in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = addresses_of(&message, NAME);
            let now = start();
            let mut names = Names::default();
            names.want(named(NAME, 4000), 7, now);
            let mut bent = answer(&names.poll_question().unwrap(), &[(TYPE_A, &[192, 0, 2, 7])]);
            for (at, byte) in message.chunks_exact(2).map(|pair| (usize::from(pair[0]), pair[1])) {
                let length = bent.len();
                bent[at % length] ^= byte;
            }
            let _ = names.handle_datagram(&bent, message.len() % 2 == 0);
        }
    }
}
