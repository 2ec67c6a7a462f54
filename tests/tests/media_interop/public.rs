//! A machine at a public address, in a network of the test's own.

use std::net::Ipv4Addr;
use std::time::Duration;

use offhook_media::ice::server::IceServer;
use offhook_tests::namespace::Namespace;
use offhook_tests::near_end::NearEnd;
use offhook_tests::skip;

const HERE: Ipv4Addr = Ipv4Addr::new(11, 0, 0, 1);
const SILENT: Ipv4Addr = Ipv4Addr::new(11, 0, 0, 2);
/// Longer than the near end is patient.
const LIMIT: Duration = Duration::from_secs(600);

#[test]
fn a_server_at_a_public_address_waits_for_no_other_word_on_where_it_is() {
    if !skip::have(&["ip"]) || !skip::may_make_networks() {
        return;
    }
    let [server, other] = ["server", "silent"].map(Namespace::new);
    let [here, there] = [HERE, SILENT].map(|address| format!("{address}/24"));
    server.cable(("cable", &here), &other, ("cable", &there));
    let url: IceServer = format!("stun:{SILENT}").parse().expect("a URL");
    let mut near = server.inside(|| {
        NearEnd::open_at(HERE, 440.0, |config| {
            config.gathering.servers = vec![url.at(SILENT.into())];
            config.gathering.limit = LIMIT;
        })
    });
    let offer = near.offer();
    assert!(offer.contains(&format!(" {HERE} ")), "{offer}");
}
