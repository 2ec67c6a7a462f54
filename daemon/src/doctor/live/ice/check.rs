//! Asks every STUN and TURN server, and says what does not come through.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use offhook_engine::vocabulary::IceServer;
use offhook_engine::vocabulary::probe::{
    Answer, Challenge, allocate, allocate_as, binding, give_back,
};
use tokio::net::UdpSocket;
use tokio::time::Instant;

use crate::doctor::code::Code;
use crate::doctor::finding::{Finding, Place};
use crate::doctor::live::ice::exchange::{ExchangeError, ask, open, resolve};
use crate::doctor::live::ice::nat::{Nat, local_address};
use crate::doctor::report::{Report, Stage};

/// What a look at one server brought.
struct Look {
    server: IceServer,
    address: Option<SocketAddr>,
    took: Duration,
    outcome: Result<Outcome, ExchangeError>,
}

enum Outcome {
    /// It answers; our address as it sees it.
    Seen(Option<SocketAddr>),
    /// It answers, and wants to know who asks, whom nobody named.
    Reached,
    /// It relays for us.
    Relays,
    /// It refuses.
    Refused { code: u16, reason: String },
}

/// The sockets that all datagrams go out from: what servers see of one socket tells the NAT.
struct Sockets {
    v4: UdpSocket,
    v6: Option<UdpSocket>,
}

/// Says in place of a look that there is nothing to ask. `called`: a call that sound has to come through is placed.
///
/// That is no finding: without a NAT in between, an account needs no such server, and nothing has to be done.
fn nobody_to_ask(called: bool) -> Stage {
    let udp = if called {
        "whether UDP comes through shows in the call to `--number`"
    } else {
        "with `--number` a call would show whether UDP comes through"
    };
    Stage {
        account: None,
        name: "stun",
        took: Duration::ZERO,
        detail: Some(format!(
            "not checked: UDP and the kind of NAT, since no account names a STUN or TURN server; name two by `--stun`; {udp}"
        )),
    }
}

/// Looks at all servers. `connected`: other connections to the outside stand; `called`: a call of the operator's choice is placed.
pub(crate) async fn check(
    servers: Vec<IceServer>,
    connected: bool,
    called: bool,
    report: &mut Report,
) {
    if servers.is_empty() {
        return report.took(nobody_to_ask(called));
    }
    let v4 = match UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await {
        Ok(socket) => socket,
        Err(error) => {
            let what = format!("no UDP socket can be opened on this machine ({error})");
            return report.add(udp_blocked(Place::default(), &what));
        }
    };
    let sockets = Sockets {
        v4,
        v6: UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).await.ok(),
    };
    let mut looks = Vec::new();
    // One after the other: they share a socket, and an answer belongs to whoever asks.
    for server in servers {
        looks.push(look(server, &sockets).await);
    }
    for look in &looks {
        report.took(stage(look));
    }
    let nat = kind_of_nat(&looks, &sockets).await;
    if let Some((nat, took)) = nat {
        report.took(Stage {
            account: None,
            name: "nat",
            took,
            detail: Some(nat.words()),
        });
    }
    report.extend(findings(&looks, connected));
    let relayed = looks
        .iter()
        .any(|look| matches!(look.outcome, Ok(Outcome::Relays | Outcome::Reached)));
    if let Some((Nat::AddressDependent, _)) = nat
        && !relayed
    {
        report.add(Finding::new(
            Code::NatSymmetric,
            Place::default(),
            "the NAT in front of this machine gives it another address towards each server (symmetric), and no TURN server is reached",
            "name a TURN server that is reached, or let the router keep addresses (\"full cone\", static port)",
        ));
    }
}

async fn look(server: IceServer, sockets: &Sockets) -> Look {
    let begun = Instant::now();
    let (address, outcome) = match resolve(&server).await {
        Ok(address) => (Some(address), walk(&server, address, sockets).await),
        Err(error) => (None, Err(error)),
    };
    Look {
        server,
        address,
        took: begun.elapsed(),
        outcome,
    }
}

async fn walk(
    server: &IceServer,
    address: SocketAddr,
    sockets: &Sockets,
) -> Result<Outcome, ExchangeError> {
    let socket = match (address.is_ipv6(), &sockets.v6) {
        (true, Some(v6)) => v6,
        _ => &sockets.v4,
    };
    let mut way = open(server, address, socket).await?;
    // Nothing that is written here could be too long, but for a name or a password of the operator's.
    let unwritable = |_| ExchangeError::NotStun;
    if !server.protocol.relays() {
        return ask(&mut way, &binding()).await.map(seen);
    }
    let challenge = match ask(&mut way, &allocate().map_err(unwritable)?).await? {
        Answer::Unauthorised(challenge) => challenge,
        Answer::Success(_) => return Ok(Outcome::Relays),
        Answer::Refused { code, reason } => return Ok(Outcome::Refused { code, reason }),
    };
    let Some(who) = &server.credentials else {
        return Ok(Outcome::Reached);
    };
    let request = allocate_as(who, &challenge).map_err(unwritable)?;
    match ask(&mut way, &request).await? {
        Answer::Success(_) => {
            let given_back = give_back(who, &challenge).map_err(unwritable)?;
            // What it does not take back ends by itself after ten minutes.
            let _ = ask(&mut way, &given_back).await;
            Ok(Outcome::Relays)
        }
        Answer::Unauthorised(Challenge { .. }) => Ok(Outcome::Refused {
            code: 401,
            reason: "the user name or the password is wrong".to_owned(),
        }),
        Answer::Refused { code, reason } => Ok(Outcome::Refused { code, reason }),
    }
}

fn seen(answer: Answer) -> Outcome {
    match answer {
        Answer::Success(mapped) => Outcome::Seen(mapped),
        Answer::Unauthorised(_) => Outcome::Reached,
        Answer::Refused { code, reason } => Outcome::Refused { code, reason },
    }
}

fn stage(look: &Look) -> Stage {
    let said = match &look.outcome {
        Ok(Outcome::Seen(Some(mapped))) => format!("sees {mapped}"),
        Ok(Outcome::Seen(None)) => "answers".to_owned(),
        Ok(Outcome::Reached) => "answers and wants a login".to_owned(),
        Ok(Outcome::Relays) => "relays".to_owned(),
        Ok(Outcome::Refused { code, .. }) => format!("refuses with {code}"),
        Err(error) => error.to_string(),
    };
    Stage {
        account: None,
        name: if look.server.protocol.relays() {
            "turn"
        } else {
            "stun"
        },
        took: look.took,
        detail: Some(format!("{}: {said}", look.server)),
    }
}

async fn kind_of_nat(looks: &[Look], sockets: &Sockets) -> Option<(Nat, Duration)> {
    let seen: Vec<(SocketAddr, SocketAddr)> = looks
        .iter()
        .filter_map(|look| match (&look.outcome, look.address) {
            (Ok(Outcome::Seen(Some(mapped))), Some(server)) if server.is_ipv4() => {
                Some((server, *mapped))
            }
            _ => None,
        })
        .collect();
    let (server, _) = seen.first()?;
    let address: IpAddr = local_address(*server).await?;
    let port = sockets.v4.local_addr().ok()?.port();
    let took = looks
        .iter()
        .filter(|look| !look.server.protocol.relays())
        .map(|look| look.took)
        .sum();
    Some((Nat::judge((address, port).into(), &seen)?, took))
}

fn findings(looks: &[Look], connected: bool) -> Vec<Finding> {
    let over_udp = |look: &&Look| !look.server.protocol.is_stream();
    let silent = |look: &Look| matches!(look.outcome, Err(ExchangeError::Silent));
    let asked = looks.iter().filter(over_udp).count();
    let others = looks
        .iter()
        .any(|look| !over_udp(&look) && look.outcome.is_ok());
    let blocked = asked >= 2 && looks.iter().filter(over_udp).all(silent) && (connected || others);
    let mut findings = Vec::new();
    if blocked {
        let names: Vec<String> = looks
            .iter()
            .filter(over_udp)
            .map(|look| look.server.to_string())
            .collect();
        let what = format!(
            "TCP comes through, and nothing over UDP: no answer from {}",
            names.join(", ")
        );
        findings.push(udp_blocked(Place::default(), &what));
    }
    for look in looks {
        if !(blocked && over_udp(&look)) {
            findings.extend(of_look(look));
        }
    }
    findings
}

fn udp_blocked(place: Place, what: &str) -> Finding {
    Finding::new(
        Code::UdpBlocked,
        place,
        what,
        "let UDP out in the firewall, at least to the STUN, TURN and media servers, or use a TURN server over TCP or TLS",
    )
}

fn of_look(look: &Look) -> Option<Finding> {
    let url = &look.server;
    let place = Place {
        server: Some(url.to_string()),
        ..Place::default()
    };
    let (code, remedy) = if url.protocol.relays() {
        (
            Code::TurnUnreachable,
            "check name, port and transport, and whether a firewall drops packets to it",
        )
    } else {
        (
            Code::StunUnreachable,
            "check name and port, and whether a firewall drops UDP to it; name another server",
        )
    };
    match &look.outcome {
        Ok(Outcome::Refused { code, reason }) => {
            let what = format!("{url} refuses with {code} ({reason})");
            let remedy = match code {
                401 | 403 | 441 => "correct the user name and the password in the credentials file",
                486 | 508 => "it is full: wait, or ask its operator for more room",
                _ => "ask its operator, who finds the reason in its log",
            };
            Some(Finding::new(Code::TurnRefused, place, &what, remedy))
        }
        Ok(Outcome::Seen(_) | Outcome::Reached | Outcome::Relays) => None,
        Err(ExchangeError::Tls(error)) => {
            let what = format!("{url}: TLS failed ({error})");
            let remedy = "let it show a certificate for this name from an authority that this machine trusts";
            Some(Finding::new(code, place, &what, remedy))
        }
        Err(error) => Some(Finding::new(
            code,
            place,
            &format!("{url}: {error}"),
            remedy,
        )),
    }
}
