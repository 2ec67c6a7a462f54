//! Edge proxies in front of the registrar (RFC 5626): one on the way, and two of which one dies.

use offhook_control::notice::{EndedBy, Event};
use offhook_control::reply::{Done, FlowStatus};
use offhook_control::request::{Answer, OfCall, Request};
use offhook_tests::kamailio::{Edge, Kamailio};

use crate::world::{PATIENCE, Phone, TONE, config_at};

/// Users whose dialogs a GRUU leads to, and those whose dialogs hang on the edge that they began at.
const BOTH_KINDS: [u16; 2] = [1000, 1100];

/// A phone that knows of one edge only.
fn behind(servers: &Kamailio, edge: Edge, user: u16, tone: f64) -> Phone {
    let config = config_at(servers.edge_url(edge), servers, user, tone, "");
    Phone::launch(config)
}

/// A phone with a flow to each edge, once both are there.
fn behind_both(servers: &Kamailio, user: u16, tone: f64) -> Phone {
    let further = format!("further_servers = [{:?}]\n", servers.edge_url(Edge::B));
    let config = config_at(servers.edge_url(Edge::A), servers, user, tone, &further);
    let mut phone = Phone::launch(config);
    while !phone.flows().iter().filter(|flow| flow.up).count().eq(&2) {
        phone.saw("a flow", |event| {
            matches!(event, Event::Flow { up: true, .. })
        });
    }
    phone
}

impl Phone {
    fn flows(&mut self) -> Vec<FlowStatus> {
        let status = self.control.status();
        let account = status.accounts.into_iter().next();
        account.expect("its account").flows
    }

    fn holds_and_takes_back(&mut self) {
        self.control.ask::<Done>(&Request::Hold(OfCall::default()));
        self.saw("hold", |event| matches!(event, Event::Held { on: true }));
        self.control
            .ask::<Done>(&Request::Resume(OfCall::default()));
        self.saw("its end", |event| {
            matches!(event, Event::Held { on: false })
        });
    }
}

#[test]
fn a_path_leads_in_and_out_through_a_second_edge() {
    let servers = Kamailio::start_with_edges();
    for (user, other) in BOTH_KINDS.into_iter().zip([1001, 1101]) {
        let mut ann = behind(&servers, Edge::A, user, TONE);
        let mut ben = behind(&servers, Edge::B, other, 1000.0);
        for (whose, edge) in [(user, Edge::A), (other, Edge::B)] {
            let paths = servers.paths(whose);
            let port = servers.edge_port(edge);
            let leads = |path: &String| path.contains(&port) && path.contains(";ob");
            assert!(
                paths.len() == 1 && paths.iter().all(leads),
                "{paths:?} not by {port}"
            );
        }
        let echo = ann.talks_to("9196");
        ann.listens(2);
        ann.hangs_up(&echo);
        assert!(ann.heard(&echo, TONE), "out");
        for from_ann in [true, false] {
            let (call, there) = if from_ann {
                let call = ann.control.call(&other.to_string());
                let there = ben.takes_a_call();
                (call, there)
            } else {
                let there = ben.control.call(&user.to_string());
                let call = ann.takes_a_call();
                (call, there)
            };
            for phone in [&mut ann, &mut ben] {
                phone.saw("sound", |event| matches!(event, Event::FirstRtpReceived));
                phone.listens(2);
            }
            ann.holds_and_takes_back();
            ben.holds_and_takes_back();
            // Who was called hangs up: over the edge that the caller came by.
            if from_ann {
                ben.hangs_up(&there);
                ann.control.wait_ended(&call, PATIENCE);
            } else {
                ann.hangs_up(&call);
                ben.control.wait_ended(&there, PATIENCE);
            }
            assert!(ann.heard(&call, 1000.0), "{user} hears {other}");
            assert!(ben.heard(&there, TONE), "{other} hears {user}");
        }
    }
}

/// A call in which both hear each other.
struct Talk {
    ann: Phone,
    call: String,
    ben: Phone,
    there: String,
}

impl Talk {
    /// The one behind both edges calls the one who is at the registrar itself.
    fn out(servers: &Kamailio, user: u16) -> Self {
        let mut ann = behind_both(servers, user, TONE);
        let mut ben = Phone::saying(servers, 1002, 1000.0);
        let call = ann.control.call("1002");
        let there = ben.takes_a_call();
        Self::heard(ann, call, ben, there)
    }

    /// The other way round.
    fn inward(servers: &Kamailio, user: u16) -> Self {
        let mut ann = behind_both(servers, user, TONE);
        let mut ben = Phone::saying(servers, 1002, 1000.0);
        let there = ben.control.call(&user.to_string());
        let call = ann.takes_a_call();
        Self::heard(ann, call, ben, there)
    }

    fn heard(ann: Phone, call: String, ben: Phone, there: String) -> Self {
        let mut talk = Self {
            ann,
            call,
            ben,
            there,
        };
        for phone in [&mut talk.ann, &mut talk.ben] {
            phone.saw("sound", |event| matches!(event, Event::FirstRtpReceived));
        }
        talk.goes_on();
        talk
    }

    /// Two seconds of sound in each direction, from now on.
    fn goes_on(&mut self) {
        for phone in [&mut self.ann, &mut self.ben] {
            phone.hears_on();
        }
    }

    /// Each heard the other until the end.
    fn was_heard(&self, user: u16) {
        assert!(
            self.ann.heard_last(&self.call, 1000.0),
            "{user} hears the far end"
        );
        assert!(
            self.ben.heard_last(&self.there, TONE),
            "the far end hears {user}"
        );
    }
}

fn lost(edge: &str) -> impl Fn(&Event) -> bool + use<'_> {
    move |event| matches!(event, Event::Flow { server, up: false, .. } if server == edge)
}

fn back(edge: &str) -> impl Fn(&Event) -> bool + use<'_> {
    move |event| matches!(event, Event::Flow { server, up: true, .. } if server == edge)
}

/// A third calls, and is heard; the call that is under way waits on hold meanwhile.
fn a_third_calls(ann: &mut Phone, servers: &Kamailio, user: u16) {
    let mut cat = Phone::saying(servers, 1003, 700.0);
    let there = cat.control.call(&user.to_string());
    let call = ann.control.wait("a third call", PATIENCE, |notice| {
        matches!(notice.event, Event::Incoming { .. }).then(|| notice.call.clone())
    });
    let call = call.expect("its name");
    ann.control.ask::<Done>(&Request::Answer(Answer {
        call: Some(call.clone()),
        ..Answer::default()
    }));
    cat.saw("the answer", |event| matches!(event, Event::Answered(_)));
    cat.saw("sound", |event| matches!(event, Event::FirstRtpReceived));
    cat.hears_on();
    cat.hangs_up(&there);
    ann.control.wait_ended(&call, PATIENCE);
    assert!(cat.heard(&there, TONE), "{user} is heard by a third");
}

#[test]
fn a_killed_edge_takes_neither_the_call_nor_those_that_come() {
    let mut servers = Kamailio::start_with_edges();
    for (user, begin) in BOTH_KINDS.into_iter().flat_map(|user| {
        [
            (user, Talk::out as fn(&Kamailio, u16) -> Talk),
            (user, Talk::inward),
        ]
    }) {
        let mut talk = begin(&servers, user);
        let first = servers.edge_url(Edge::A).to_owned();
        servers.kill_edge(Edge::A);
        talk.ann.saw("the loss of a flow", lost(&first));
        let status = talk.ann.control.status();
        let account = status.accounts.first().expect("its account");
        assert_eq!(account.state.as_str(), "ready");
        let dead: Vec<_> = account.flows.iter().filter(|flow| !flow.up).collect();
        assert!(
            matches!(dead.as_slice(), [flow] if flow.server == first && flow.reason.is_some()),
            "{dead:?}"
        );
        // Sound never took that way; hold and resume take the other one now.
        talk.goes_on();
        talk.ann.holds_and_takes_back();
        talk.goes_on();
        a_third_calls(&mut talk.ann, &servers, user);
        // Calls out, while the first choice is dead.
        let echo = talk.ann.talks_to("9196");
        talk.ann.hangs_up(&echo);
        servers.restart_edge(Edge::A);
        talk.ann.saw("the flow again", back(&first));
        assert!(talk.ann.flows().iter().all(|flow| flow.up));
        // The call did not come back with it, and need not.
        talk.ann.holds_and_takes_back();
        talk.goes_on();
        talk.ann.hangs_up(&talk.call);
        talk.ben.control.wait_ended(&talk.there, PATIENCE);
        talk.was_heard(user);
    }
}

#[test]
fn the_far_end_hangs_up_by_the_flow_that_lives() {
    let mut servers = Kamailio::start_with_edges();
    for begin in [Talk::out, Talk::inward] {
        // The GRUU leads to whichever flow there is.
        let mut talk = begin(&servers, 1000);
        let first = servers.edge_url(Edge::A).to_owned();
        servers.kill_edge(Edge::A);
        talk.ann.saw("the loss of a flow", lost(&first));
        talk.ben.holds_and_takes_back();
        talk.ben.hangs_up(&talk.there);
        let ended = talk.ann.control.wait_ended(&talk.call, PATIENCE);
        assert_eq!(ended.by, EndedBy::Remote, "{ended:?}");
        servers.restart_edge(Edge::A);
    }
}

#[test]
fn the_only_edge_dies_and_comes_back_and_the_call_goes_on() {
    let mut servers = Kamailio::start_with_edges();
    for user in BOTH_KINDS {
        let mut ann = behind(&servers, Edge::A, user, TONE);
        let mut ben = Phone::saying(&servers, 1002, 1000.0);
        let call = ann.control.call("1002");
        let there = ben.takes_a_call();
        let mut talk = Talk::heard(ann, call, ben, there);
        servers.kill_edge(Edge::A);
        talk.ann.saw("the loss", |event| {
            matches!(event, Event::Recovering { on: true })
        });
        talk.goes_on();
        servers.restart_edge(Edge::A);
        talk.ann.saw("the call's return", |event| {
            matches!(event, Event::Recovering { on: false })
        });
        // The token on its route names the connection that is no more; the edge is asked without.
        talk.ann.holds_and_takes_back();
        talk.goes_on();
        talk.ann.hangs_up(&talk.call);
        talk.ben.control.wait_ended(&talk.there, PATIENCE);
        talk.was_heard(user);
    }
}

#[test]
fn a_far_end_whose_bye_dies_at_the_dead_edge_is_found_gone() {
    let mut servers = Kamailio::start_with_edges();
    // Its route set is what it was when the call began: the dead edge stands in it, whatever we say since.
    let mut talk = Talk::out(&servers, 1100);
    let first = servers.edge_url(Edge::A).to_owned();
    servers.kill_edge(Edge::A);
    talk.ann.saw("the loss of a flow", lost(&first));
    talk.goes_on();
    talk.ben.hangs_up(&talk.there);
    // Silence has us look for a new path at once, or we ask after it within 30 s: it does not know the call any more.
    let ended = talk.ann.control.wait_ended(&talk.call, PATIENCE * 2);
    assert_eq!(ended.by, EndedBy::Remote, "{ended:?}");
    assert!(ended.reason.contains("does not know the call"), "{ended:?}");
}
