//! An account with two connections, of which one is bound to an address that goes away (RFC 5626).

use offhook_control::notice::Event;
use offhook_tests::daemon::Config;
use offhook_tests::sandbox::Sandbox;
use offhook_tests::skip;

use crate::network::{Network, SERVER};
use crate::world::PATIENCE;

#[test]
fn a_lost_address_takes_only_the_flow_that_is_bound_to_it() {
    if !skip::have(&["ip"]) || !skip::may_make_networks() {
        return;
    }
    let mut network = Network::new();
    let far = Sandbox::start_by(network.at_server(), &format!("{SERVER}:0"), &[]);
    let near = Sandbox::start_by(network.at_client(), "127.0.0.1:0", &[]);
    let config = Config::new();
    let password = config.secret("password", "sandbox");
    let keys = format!(
        "login = \"demo-1@sandbox.invalid\"\npassword_file = {password:?}\nfurther_servers = [{:?}]\nbackoff_base = \"1s\"\nbackoff_max = \"2s\"\n",
        near.ready.sip
    );
    let daemon = config
        .account_with("kiosk", "sip", &far.ready.sip, &keys)
        .launch_by(network.at_client());
    let mut control = daemon.ready();
    while control.status().accounts[0]
        .flows
        .iter()
        .filter(|flow| flow.up)
        .count()
        < 2
    {
        control.wait("a flow", PATIENCE, |notice| {
            matches!(notice.event, Event::Flow { up: true, .. }).then_some(())
        });
    }
    network.move_client();
    for up in [false, true] {
        let server = control.wait("a flow", PATIENCE, |notice| match &notice.event {
            Event::Flow {
                server, up: now, ..
            } if *now == up => Some(server.clone()),
            _ => None,
        });
        assert_eq!(server, far.ready.sip);
    }
    assert!(
        control.status().accounts[0]
            .flows
            .iter()
            .all(|flow| flow.up)
    );
    let near_lost = |event: &&Event| matches!(event, Event::Flow { server, up: false, .. } if *server == near.ready.sip);
    assert_eq!(control.events().into_iter().filter(near_lost).count(), 0);
}
