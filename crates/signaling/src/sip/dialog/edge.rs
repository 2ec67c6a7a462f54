//! How a dialog's route reads over another connection than the one that it was learnt over.
//!
//! RFC 3261, 12.2.1.1 fixes the route set when the dialog begins, and RFC 5626, 5.3 lets the edge proxy put itself on top of it
//! with a token that names the very connection. Once that connection is gone, what it says is wrong: a dead edge cannot be
//! gone through, and a living one takes a request with the token of another connection for one that is to go *to* us
//! (Kamailio: `process_outbound`), or refuses it. Neither RFC names a way out, so this is ours, and what real servers take: the
//! edge's own entries (one, or the two of a double Record-Route, which Kamailio and OpenSIPS mark with `r2`) give way to the
//! edge at hand, named as an outbound proxy is (RFC 5626, 4.2.1: its URI, without a token). It pops itself off and goes by the
//! rest. Left out altogether they would leave an edge that is the only proxy without any Route, and proxies refuse a request
//! in a dialog that has none. The entries behind them are other servers', and stay.
//!
//! How the far side reaches us is not in our hands: a target refresh (12.2) changes its Request-URI, not its route set. With a
//! GRUU, for which an edge need not stay in the dialog, that is enough; without one the far side's requests die at the dead
//! edge. An INVITE with Replaces would make a new route set, but a new call too, with another description and keys, at a far
//! side that has lost nothing and may refuse it: the cure may cost the call. So such a call is asked after, see
//! [`hangs_on_edge`], and ends when the far side does not know it any more.

use crate::server_name::server_name;
use crate::sip::flow_id::FlowId;
use crate::sip::message::address::NameAddr;
use crate::sip::message::uri::Uri;

/// One connection to one edge proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The flow.
    pub flow: FlowId,
    /// Which of the connections that the flow had.
    pub connection: u32,
}

/// Which connections a request has to do with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Way {
    /// Its routes were learnt over this one; `None`: they hold over any.
    pub learnt: Option<Edge>,
    /// It was sent over this one last.
    pub sent: Option<Edge>,
    /// It may take one with TLS only (RFC 3261, 12.2.1.1).
    pub secure: bool,
}

/// Route values learnt over one connection, as they read over another one, which leads to the server of this URL.
pub fn routes_over(routes: &[String], learnt: Edge, now: Edge, url: &str) -> Vec<String> {
    let parsed: Vec<_> = routes
        .iter()
        .map_while(|route| NameAddr::parse(route).ok())
        .collect();
    let own = own_entries(&parsed);
    if learnt == now || own == 0 {
        return routes.to_vec();
    }
    let rest = routes.iter().skip(own).cloned();
    if learnt.flow == now.flow {
        // The same proxy by another connection: it knows its own name best.
        let named = parsed.into_iter().take(own).map(without_token);
        return named.chain(rest).collect();
    }
    match outbound_proxy(url) {
        Some(proxy) => std::iter::once(proxy).chain(rest).collect(),
        None => routes.to_vec(),
    }
}

/// Whether the nearest server of the route is the end of our own connection: the far side's requests come by it, too.
pub fn hangs_on_edge(routes: &[NameAddr]) -> bool {
    own_entries(routes) > 0
}

/// Whether that server wants to find the very connection by a token.
pub fn has_token(routes: &[NameAddr]) -> bool {
    routes
        .first()
        .is_some_and(|first| first.uri.user().is_some())
}

/// How many entries on top the end of our connection wrote: only that speaks WebSocket with us.
fn own_entries(routes: &[NameAddr]) -> usize {
    let Some(first) = routes.first() else {
        return 0;
    };
    let transport = first.uri.param("transport").unwrap_or_default();
    let own = ["ws", "wss"]
        .iter()
        .any(|known| transport.eq_ignore_ascii_case(known))
        || (first.uri.param("ob").is_some() && first.uri.user().is_some());
    if !own || first.uri.param("lr").is_none() {
        return 0;
    }
    let is_half = |route: &NameAddr| route.uri.param("r2").is_some();
    match routes.get(1) {
        Some(second) if is_half(first) && is_half(second) => 2,
        _ => 1,
    }
}

/// RFC 5626, 5.2: the token is the part before `@`. That `ob` stands beside it is usual (and not with Kamailio).
fn without_token(mut route: NameAddr) -> String {
    if route.uri.user().is_some() {
        route.uri = route.uri.without_user().without_param("ob");
    }
    route.to_string()
}

/// The server of a WebSocket URL as a loose router. The port is named: RFC 7118, 5.5 has 80 for `sip:`, whatever the URL's.
fn outbound_proxy(url: &str) -> Option<String> {
    let host = server_name(url);
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| {
        !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    });
    let port = match url.starts_with("wss:") {
        _ if has_port => "",
        true => ":443",
        false => ":80",
    };
    let uri = Uri::parse(&format!("sip:{host}{port};transport=ws;lr")).ok()?;
    Some(NameAddr::new(uri).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn edge(flow: u8, connection: u32) -> Edge {
        Edge {
            flow: FlowId(flow),
            connection,
        }
    }

    fn over(routes: &[&str], now: Edge, url: &str) -> Vec<String> {
        let routes: Vec<_> = routes.iter().map(|&route| route.to_owned()).collect();
        routes_over(&routes, edge(0, 1), now, url)
    }

    const TOKENS: [&str; 3] = [
        "<sip:tok@192.0.2.1:8080;transport=ws;r2=on;lr;ob>",
        "<sip:tok@192.0.2.1:5060;r2=on;lr>",
        "<sip:192.0.2.9;lr;ftag=x>",
    ];

    #[test]
    fn the_same_connection_changes_nothing() {
        assert_eq!(over(&TOKENS, edge(0, 1), "ws://192.0.2.1:8080"), TOKENS);
    }

    #[test]
    fn the_same_edge_by_a_new_connection_loses_its_token() {
        let now = over(&TOKENS, edge(0, 2), "ws://192.0.2.1:8080");
        let wanted = [
            "<sip:192.0.2.1:8080;transport=ws;r2=on;lr>",
            "<sip:192.0.2.1:5060;r2=on;lr>",
            "<sip:192.0.2.9;lr;ftag=x>",
        ];
        assert_eq!(now, wanted);
        // A name without a token holds.
        let plain = ["<sip:192.0.2.1:8080;transport=ws;lr>"];
        assert_eq!(over(&plain, edge(0, 2), "ws://192.0.2.1:8080"), plain);
    }

    #[test]
    fn another_edge_takes_the_place_of_all_its_entries() {
        let now = over(&TOKENS, edge(1, 1), "wss://two.example.com/sip?x=1");
        let wanted = ["<sip:two.example.com:443;transport=ws;lr>", TOKENS[2]];
        assert_eq!(now, wanted);
        let single = ["<sip:192.0.2.1;transport=WS;lr>"];
        for (url, wanted) in [
            (
                "ws://[2001:db8::2]",
                "<sip:[2001:db8::2]:80;transport=ws;lr>",
            ),
            (
                "ws://[2001:db8::2]:8080/x",
                "<sip:[2001:db8::2]:8080;transport=ws;lr>",
            ),
        ] {
            assert_eq!(over(&single, edge(1, 1), url), [wanted]);
        }
    }

    #[test]
    fn an_edge_that_did_not_stay_in_the_dialog_is_not_there() {
        for routes in [&["<sip:192.0.2.9;lr;r2=on>"][..], &[]] {
            assert_eq!(over(routes, edge(1, 1), "ws://two.example.com"), routes);
        }
        // A strict router has its place in the Request-URI, and is left alone.
        let strict = ["<sip:192.0.2.1;transport=ws>"];
        assert_eq!(over(&strict, edge(1, 1), "ws://two.example.com"), strict);
    }
}
