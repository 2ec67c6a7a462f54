//! Notices what happens around the engine: addresses, links and routes come and go, the machine slept, its clock was set.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant, SystemTime};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, socket,
};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{self, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::{ClockId, clock_gettime};
use tokio::net::UnixDatagram;
use tokio::net::unix::pipe;

use crate::driver::clock;

/// A clock that moved by more than this against the other one was set, or stood still.
const JUMP: Duration = Duration::from_secs(2);
/// An instant of the year 2255, in seconds since 1970.
const FAR: i64 = 9_000_000_000;
/// Groups of rtnetlink(7): links (`RTMGRP_LINK`), addresses of IPv4 (`RTMGRP_IPV4_IFADDR`) and of IPv6 (`RTMGRP_IPV6_IFADDR`).
const GROUPS: u32 = 0x1 | 0x10 | 0x100;
/// Routes of IPv4 (`RTMGRP_IPV4_ROUTE`) and of IPv6 (`RTMGRP_IPV6_ROUTE`).
const ROUTES: u32 = 0x40 | 0x400;
/// `RTM_NEWLINK` and `RTM_DELLINK` of rtnetlink(7).
const LINK: u16 = 16;
const GONE_LINK: u16 = 17;
/// `IFF_RUNNING` of netdevice(7): the link is up and carries.
const RUNNING: u32 = 0x40;
/// `RTM_NEWADDR` and `RTM_DELADDR` of rtnetlink(7).
const NEW_ADDRESS: u16 = 20;
const GONE_ADDRESS: u16 = 21;
/// `RTM_NEWROUTE`, and of its `rtmsg` the table of our own addresses (`RT_TABLE_LOCAL`), the maker of the routes that come with an
/// address (`RTPROT_KERNEL`), and the type of those that lead somewhere (`RTN_UNICAST`).
const NEW_ROUTE: u16 = 24;
const TABLE_LOCAL: u8 = 255;
const MADE_BY_KERNEL: u8 = 2;
const UNICAST: u8 = 1;
/// Routes come in numbers; what comes within this time is one change.
const ROUTES_SETTLE: Duration = Duration::from_millis(50);
/// The least time between two changes of routes: on some machines they never rest.
const ROUTES_APART: Duration = Duration::from_secs(1);
/// Messages about routes that are passed over at once when they have been told of already.
const MOST_ROUTES: usize = 1000;
/// `IFA_ADDRESS` and `IFA_LOCAL`: the second, where there is one, is our own end of a point-to-point link.
const ATTRIBUTE_ADDRESS: u16 = 1;
const ATTRIBUTE_LOCAL: u16 = 2;

/// One change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// An interface has a new address.
    Came(IpAddr),
    /// An interface lost an address: sockets bound to it are dead.
    Gone(IpAddr),
    /// A link that was down carries again; an address that never changes comes back in no other way.
    LinkUp,
    /// There are new routes, as there are a moment after a new address, or when a VPN is up.
    Routes,
    /// Changes were lost: any address may be gone.
    Unknown,
}

/// Watches the machine.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// `None` where the system gives no netlink socket; then a dead socket is found by its probes.
    netlink: Option<UnixDatagram>,
    routes: Routes,
    /// Links that are down, by index: many a system tells of a link without anything having changed.
    down: BTreeSet<u32>,
    /// Wakes whoever waits when the time of day was set or the machine resumed (timerfd_create(2)); `None` where the system
    /// gives none, and then the next event of any kind does.
    alarm: Option<pipe::Receiver>,
    wall: (Instant, SystemTime),
    /// Tells how long the machine has slept since its start.
    sleep: SleepClock,
    slept: Duration,
}

/// How long the machine has slept since its start.
pub(crate) type SleepClock = fn() -> Duration;

/// What the clocks tell since the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClockChange {
    /// The machine slept: sockets may be dead.
    Slept,
    /// The time of day was set.
    Set,
}

impl Surroundings {
    /// Begins to watch; `sleep` is [`slept`] but in tests.
    pub(crate) fn new(sleep: SleepClock, now: Instant) -> Self {
        let netlink = open(GROUPS);
        if let Err(error) = &netlink {
            tracing::debug!(%error, "address changes are not told by this system");
        }
        Self {
            netlink: netlink.ok(),
            routes: Routes::new(),
            down: BTreeSet::new(),
            alarm: alarm().ok(),
            wall: (now, clock::time_of_day()),
            sleep,
            slept: sleep(),
        }
    }

    /// The next changes of addresses and links; waits for them. None: it may be the clocks.
    pub(crate) async fn changes(&mut self) -> Vec<Change> {
        let alarm = &self.alarm;
        tokio::select! {
            changes = addresses(self.netlink.as_ref(), &mut self.down) => changes,
            () = self.routes.changed() => vec![Change::Routes],
            () = clock_was_set(alarm.as_ref()) => Vec::new(),
        }
    }

    /// Whether the machine slept or its clock was set since the last look.
    pub(crate) fn clocks(&mut self, now: Instant) -> Option<ClockChange> {
        let (slept, wall) = ((self.sleep)(), clock::time_of_day());
        let (seen_at, seen) = self.wall;
        let expected = seen + now.saturating_duration_since(seen_at);
        let jump = wall
            .duration_since(expected)
            .unwrap_or_else(|error| error.duration());
        let asleep = slept.saturating_sub(self.slept);
        if jump > JUMP || asleep > JUMP {
            self.wall = (now, wall);
        }
        if asleep > JUMP {
            self.slept = slept;
            return Some(ClockChange::Slept);
        }
        (jump > JUMP).then_some(ClockChange::Set)
    }
}

/// Watches routes, by a socket of its own: where they are too many to be told, no address has been missed.
#[derive(Debug)]
struct Routes {
    netlink: Option<UnixDatagram>,
    /// When a change that came is told.
    due: Option<Instant>,
    told: Option<Instant>,
}

impl Routes {
    fn new() -> Self {
        Self {
            // Without, attempts go on at their own times.
            netlink: open(ROUTES).ok(),
            due: None,
            told: None,
        }
    }

    /// Waits for new routes. May be dropped at any time, and nothing is lost.
    async fn changed(&mut self) {
        let Some(netlink) = &self.netlink else {
            return std::future::pending().await;
        };
        let mut buffer = [0; 8192];
        let due = loop {
            if let Some(due) = self.due {
                break due;
            }
            let is_new = match netlink.recv(&mut buffer).await {
                Ok(length) => has_new_route(buffer.get(..length).unwrap_or_default()),
                Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => true,
                Err(_) => return std::future::pending().await,
            };
            if is_new {
                let earliest = self.told.map(|told| told + ROUTES_APART);
                self.due = earliest.max(Some(clock::now() + ROUTES_SETTLE));
            }
        };
        tokio::time::sleep_until(due.into()).await;
        // What came meanwhile is told with it.
        for _ in 0..MOST_ROUTES {
            if netlink.try_recv(&mut buffer).is_err() {
                break;
            }
        }
        self.due = None;
        self.told = Some(clock::now());
    }
}

async fn addresses(netlink: Option<&UnixDatagram>, down: &mut BTreeSet<u32>) -> Vec<Change> {
    let Some(netlink) = netlink else {
        return std::future::pending().await;
    };
    let mut buffer = [0; 8192];
    loop {
        let changes = match netlink.recv(&mut buffer).await {
            Ok(length) => read(buffer.get(..length).unwrap_or_default(), down),
            Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {
                vec![Change::Unknown]
            }
            Err(_) => return std::future::pending().await,
        };
        if !changes.is_empty() {
            return changes;
        }
    }
}

/// A timer that will not expire in our days, but is cancelled when the time of day jumps, as it does on resuming; in the type
/// that the runtime has for whatever is read.
fn alarm() -> std::io::Result<pipe::Receiver> {
    let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
    let timer = TimerFd::new(timerfd::ClockId::CLOCK_REALTIME, flags)?;
    let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
    timer.set(Expiration::OneShot(TimeSpec::new(FAR, 0)), flags)?;
    pipe::Receiver::from_owned_fd_unchecked(timer.into())
}

async fn clock_was_set(alarm: Option<&pipe::Receiver>) {
    let Some(alarm) = alarm else {
        return std::future::pending().await;
    };
    let mut count = [0; 8];
    while alarm.readable().await.is_ok() {
        match alarm.try_read(&mut count) {
            Err(error) if error.raw_os_error() == Some(Errno::ECANCELED as i32) => return,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => break,
        }
    }
    std::future::pending().await
}

/// How long this machine has slept since its start: the one clock runs on meanwhile, the other does not (clock_gettime(2)).
pub(crate) fn slept() -> Duration {
    let of = |clock| clock_gettime(clock).map(Duration::from).unwrap_or_default();
    of(ClockId::CLOCK_BOOTTIME).saturating_sub(of(ClockId::CLOCK_MONOTONIC))
}

/// A netlink socket in the type that the runtime has for datagrams without addresses; only `recv` is ever called on it.
fn open(groups: u32) -> std::io::Result<UnixDatagram> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        SockProtocol::NetlinkRoute,
    )?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    UnixDatagram::from_std(socket.into())
}

/// The messages of one datagram (netlink(7)), each with its kind.
fn messages(mut datagram: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = number32(datagram, 0)? as usize;
        let kind = number16(datagram, 4)?;
        let message = datagram.get(16..length)?;
        datagram = datagram.get(aligned(length)..).unwrap_or_default();
        Some((kind, message))
    })
}

/// Reads a datagram about addresses and links (rtnetlink(7)); what it does not know it passes over.
fn read(datagram: &[u8], down: &mut BTreeSet<u32>) -> Vec<Change> {
    messages(datagram)
        .filter_map(|(kind, message)| match kind {
            NEW_ADDRESS => own_address(message).map(Change::Came),
            GONE_ADDRESS => own_address(message).map(Change::Gone),
            LINK | GONE_LINK => link(kind, message, down),
            _ => None,
        })
        .collect()
}

/// Whether a datagram tells of a route that leads further than to the neighbours of an address of ours.
fn has_new_route(datagram: &[u8]) -> bool {
    messages(datagram).any(|(kind, message)| {
        let [_, _, _, _, table, made_by, _, typ, ..] = *message else {
            return false;
        };
        kind == NEW_ROUTE && typ == UNICAST && table != TABLE_LOCAL && made_by != MADE_BY_KERNEL
    })
}

/// What an `ifinfomsg` tells that is new.
fn link(kind: u16, message: &[u8], down: &mut BTreeSet<u32>) -> Option<Change> {
    let (index, flags) = number32(message, 4).zip(number32(message, 8))?;
    if kind == LINK && flags & RUNNING == 0 {
        down.insert(index);
        return None;
    }
    (down.remove(&index) && kind == LINK).then_some(Change::LinkUp)
}

/// The address in an `ifaddrmsg` with its attributes.
fn own_address(message: &[u8]) -> Option<IpAddr> {
    let mut attributes = message.get(8..)?;
    let mut found = None;
    while let Some((length, kind)) = number16(attributes, 0).zip(number16(attributes, 2)) {
        let length = usize::from(length);
        let value = attributes.get(4..length)?;
        if kind == ATTRIBUTE_LOCAL || kind == ATTRIBUTE_ADDRESS && found.is_none() {
            found = address(value).or(found);
        }
        attributes = attributes.get(aligned(length)..).unwrap_or_default();
    }
    found
}

fn address(value: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(value) {
        return Some(Ipv4Addr::from(octets).into());
    }
    let octets = <[u8; 16]>::try_from(value).ok()?;
    Some(Ipv6Addr::from(octets).into())
}

const fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}

fn number32(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_ne_bytes(four))
}

fn number16(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..at + 2)?.try_into().ok()?;
    Some(u16::from_ne_bytes(two))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One message about one address.
    fn message(kind: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = vec![2, 24, 0, 0, 2, 0, 0, 0];
        for (name, value) in attributes {
            body.extend(u16::try_from(4 + value.len()).unwrap().to_ne_bytes());
            body.extend(name.to_ne_bytes());
            body.extend(*value);
            body.resize(aligned(body.len()), 0);
        }
        let length = u32::try_from(16 + body.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn addresses_that_come_and_go_are_read() {
        let here: IpAddr = "192.0.2.7".parse().unwrap();
        let label = (3_u16, &b"eth0\0"[..]);
        let mut datagram = message(GONE_ADDRESS, &[label, (ATTRIBUTE_ADDRESS, &[192, 0, 2, 7])]);
        datagram.extend(message(
            NEW_ADDRESS,
            &[
                (ATTRIBUTE_ADDRESS, &[192, 0, 2, 1]),
                (ATTRIBUTE_LOCAL, &[192, 0, 2, 7]),
            ],
        ));
        datagram.extend(message(24, &[(ATTRIBUTE_ADDRESS, &[192, 0, 2, 9])]));
        assert_eq!(
            read(&datagram, &mut BTreeSet::new()),
            [Change::Gone(here), Change::Came(here)]
        );
    }

    #[test]
    fn a_link_that_was_down_and_carries_again_is_told_once() {
        let of = |kind: u16, index: u32, flags: u32| {
            let mut bytes = 32_u32.to_ne_bytes().to_vec();
            bytes.extend(kind.to_ne_bytes());
            bytes.extend([0; 14]);
            for number in [index, flags, 0] {
                bytes.extend(number.to_ne_bytes());
            }
            bytes
        };
        let mut down = BTreeSet::new();
        let up = 0x1 | RUNNING;
        // A new report of a link that was never down, as wireless devices give it.
        assert_eq!(read(&of(LINK, 3, up), &mut down), []);
        // Down, another one stays up; up without a carrier; up.
        assert_eq!(read(&of(LINK, 3, 0), &mut down), []);
        assert_eq!(read(&of(LINK, 2, up), &mut down), []);
        assert_eq!(read(&of(LINK, 3, 0x1), &mut down), []);
        assert_eq!(read(&of(LINK, 3, up), &mut down), [Change::LinkUp]);
        assert_eq!(read(&of(LINK, 3, up), &mut down), []);
        // One that goes away for good leaves nothing behind.
        let gone = [of(LINK, 3, 0), of(GONE_LINK, 3, 0)].concat();
        assert_eq!(read(&gone, &mut down), []);
        assert!(down.is_empty());
    }

    proptest! {
        #[test]
        fn nothing_that_a_socket_brings_can_harm(datagram in any::<Vec<u8>>()) {
            let _ = read(&datagram, &mut BTreeSet::new());
            let _ = has_new_route(&datagram);
        }
    }

    #[test]
    fn routes_that_lead_somewhere_are_told_from_those_that_come_with_an_address() {
        let route = |table: u8, made_by: u8, typ: u8| {
            let mut bytes = 28_u32.to_ne_bytes().to_vec();
            bytes.extend(NEW_ROUTE.to_ne_bytes());
            bytes.extend([0; 10]);
            bytes.extend([2, 0, 0, 0, table, made_by, 0, typ, 0, 0, 0, 0]);
            bytes
        };
        let (main, by_dhcp, local) = (254, 16, 2);
        let with_address = [
            route(TABLE_LOCAL, MADE_BY_KERNEL, local),
            route(main, MADE_BY_KERNEL, UNICAST),
        ]
        .concat();
        assert!(!has_new_route(&with_address));
        let default = route(main, by_dhcp, UNICAST);
        assert!(has_new_route(&[with_address, default.clone()].concat()));
        // The same words of another message, as of a route that is gone.
        let mut gone = default;
        gone[4] += 1;
        assert!(!has_new_route(&gone));
    }

    #[tokio::test]
    async fn a_clock_that_goes_on_wakes_nobody() {
        let surroundings = Surroundings::new(slept, clock::now());
        assert!(surroundings.alarm.is_some());
        let woken = clock_was_set(surroundings.alarm.as_ref());
        let woken = tokio::time::timeout(Duration::from_millis(50), woken).await;
        assert!(woken.is_err());
    }

    #[tokio::test]
    async fn a_clock_that_goes_on_is_no_news() {
        let now = clock::now();
        let mut surroundings = Surroundings::new(slept, now);
        assert_eq!(surroundings.clocks(clock::now()), None);
        // As if the time of day had been set back by a minute.
        surroundings.wall.1 += Duration::from_secs(60);
        assert_eq!(surroundings.clocks(clock::now()), Some(ClockChange::Set));
        assert_eq!(surroundings.clocks(clock::now()), None);
        surroundings.slept = surroundings.slept.saturating_sub(Duration::from_secs(5));
        assert_eq!(surroundings.clocks(clock::now()), None);
    }
}
