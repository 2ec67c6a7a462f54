//! Looks a host up and races TCP connections to its addresses.

use crate::transport::{
    error::{FailedAttempt, Fault},
    happy_eyeballs::{Race, Step, interleave},
    target::{Authority, TargetHost},
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::{
    net::{TcpSocket, TcpStream, lookup_host},
    time::{Instant, sleep_until},
};

/// The addresses of `authority` that fit the family of `local`, in the order of the race.
pub(super) async fn lookup(
    authority: &Authority,
    local: Option<IpAddr>,
) -> Result<Vec<SocketAddr>, Fault> {
    let found: Vec<SocketAddr> = match &authority.host {
        TargetHost::Address(address) => vec![SocketAddr::new(*address, authority.port)],
        TargetHost::Name(name) => lookup_host((name.as_str(), authority.port))
            .await
            .map_err(|source| Fault::NameUnknown {
                host: name.clone(),
                source,
            })?
            .collect(),
    };
    let fitting: Vec<SocketAddr> = found
        .into_iter()
        .filter(|address| local.is_none_or(|local| local.is_ipv6() == address.is_ipv6()))
        .collect();
    if fitting.is_empty() {
        return Err(Fault::NoAddress {
            host: authority.host.without_root(),
        });
    }
    Ok(interleave(&fitting))
}

/// Races connections to `addresses`; all of them together take at most `limit`.
pub(super) async fn dial(
    addresses: Vec<SocketAddr>,
    delay: Duration,
    limit: Duration,
    local: Option<IpAddr>,
) -> Result<TcpStream, Fault> {
    let deadline = Instant::now() + limit;
    let mut race = Race::new(addresses, delay);
    let mut running = FuturesUnordered::new();
    let mut attempts: Vec<FailedAttempt> = Vec::new();
    let mut unanswered: Vec<SocketAddr> = Vec::new();
    loop {
        let next = match race.poll(Instant::now().into_std()) {
            Step::Start(address) => {
                unanswered.push(address);
                running.push(async move { (address, open(address, local).await) });
                continue;
            }
            Step::Wait(next) => next.map_or(deadline, |next| deadline.min(Instant::from_std(next))),
            Step::Lost => return Err(Fault::Unreachable { attempts, limit }),
        };
        tokio::select! {
            Some((address, outcome)) = running.next() => match outcome {
                Ok(stream) => return Ok(stream),
                Err(error) => {
                    race.failed();
                    unanswered.retain(|other| *other != address);
                    attempts.push(FailedAttempt { address, error: Some(error) });
                }
            },
            () = sleep_until(next) => {
                if next >= deadline {
                    attempts.extend(unanswered.iter().map(|&address| FailedAttempt { address, error: None }));
                    return Err(Fault::Unreachable { attempts, limit });
                }
            }
        }
    }
}

async fn open(address: SocketAddr, local: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv6() {
        TcpSocket::new_v6()?
    } else {
        TcpSocket::new_v4()?
    };
    if let Some(local) = local {
        socket.bind(SocketAddr::new(local, 0))?;
    }
    let stream = socket.connect(address).await?;
    // Signalling messages are small and each is waited for.
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const DELAY: Duration = Duration::from_millis(20);
    const LIMIT: Duration = Duration::from_secs(10);

    /// An address on loopback that swallows connection requests: its listener's queue is full and nobody accepts.
    struct BlackHole {
        address: SocketAddr,
        _listener: socket2::Socket,
        _queued: Vec<socket2::Socket>,
    }

    impl BlackHole {
        fn dig() -> Self {
            let listener =
                socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
            listener.bind(&any.into()).unwrap();
            listener.listen(0).unwrap();
            let address = listener.local_addr().unwrap().as_socket().unwrap();
            let mut queued = Vec::new();
            // The queue takes a few more than its backlog; the first that stays in progress shows that it is full.
            for _ in 0..16 {
                let client =
                    socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)
                        .unwrap();
                let full = client
                    .connect_timeout(&address.into(), Duration::from_millis(100))
                    .is_err();
                queued.push(client);
                if full {
                    return Self {
                        address,
                        _listener: listener,
                        _queued: queued,
                    };
                }
            }
            panic!("the queue of {address} never fills");
        }
    }

    #[tokio::test]
    async fn a_silent_first_address_does_not_hold_up_the_second() {
        let hole = BlackHole::dig();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        let stream = dial(vec![hole.address, good], DELAY, LIMIT, None)
            .await
            .unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
    }

    #[tokio::test]
    async fn ipv4_wins_when_ipv6_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        let dead: SocketAddr = format!("[::1]:{}", good.port()).parse().unwrap();
        let order = interleave(&[dead, good]);
        let stream = dial(order, LIMIT, LIMIT, None).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
    }

    #[tokio::test]
    async fn each_address_is_named_when_all_fail() {
        let hole = BlackHole::dig();
        let closed = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let fault = dial(
            vec![hole.address, closed],
            DELAY,
            Duration::from_millis(150),
            None,
        )
        .await
        .unwrap_err();
        let text = fault.to_string();
        assert!(
            text.contains(&format!("{closed} refuses connections on this port")),
            "{text}"
        );
        assert!(
            text.contains(&format!("{} does not answer within 0.15 s", hole.address)),
            "{text}"
        );
    }

    #[tokio::test]
    async fn a_local_address_of_the_other_family_leaves_nothing_to_try() {
        let authority = Authority {
            host: TargetHost::Address("127.0.0.1".parse().unwrap()),
            port: 1,
        };
        let fault = lookup(&authority, Some("::1".parse().unwrap()))
            .await
            .unwrap_err();
        assert_eq!(
            fault.to_string(),
            "the name 127.0.0.1 has no address that can be used from here"
        );
    }
}
