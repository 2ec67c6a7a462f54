//! Two users of one gateway: headers, state, SIP status and names of calls, from one control socket to the other.

use std::time::Duration;

use offhook_control::notice::{EndedBy, Event, Notice, Said};
use offhook_control::reply::CallIds;
use offhook_control::request::{Answer, Call, Hangup, Header, Reject, Request};
use offhook_tests::control::Control;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::sandbox::Sandbox;

const PATIENCE: Duration = Duration::from_secs(20);

/// A sandbox, and a daemon with two of its users: whoever calls, and whoever is called.
struct Pair {
    sandbox: Sandbox,
    daemon: Daemon,
    control: Control,
}

fn pair(dialect: &str) -> Pair {
    let sandbox = Sandbox::start(&[]);
    let server = sandbox.ready.verto.clone();
    let daemon = Config::new()
        .account("caller", dialect, &server, "demo-1", "sandbox")
        .account("called", dialect, &server, "demo-2", "sandbox")
        .launch();
    let mut control = daemon.control();
    let snapshot = control.subscribe();
    let mut missing = snapshot
        .accounts
        .iter()
        .filter(|account| account.state.as_str() != "ready")
        .count();
    while missing > 0 {
        control.wait("both accounts", PATIENCE, |notice| {
            matches!(notice.event, Event::Ready).then_some(())
        });
        missing -= 1;
    }
    Pair {
        sandbox,
        daemon,
        control,
    }
}

fn fields(name: &str, value: &str) -> Vec<Header> {
    vec![Header {
        name: name.to_owned(),
        value: value.to_owned(),
    }]
}

impl Pair {
    fn call(&mut self, headers: Vec<Header>, client_state: Option<&str>) -> String {
        let request = Request::Call(Call {
            account: Some("caller".to_owned()),
            number: "demo-2".to_owned(),
            headers,
            client_state: client_state.map(str::to_owned),
            ..Call::default()
        });
        self.control
            .ask::<offhook_control::reply::CallPlaced>(&request)
            .call
    }

    /// The call that comes in: its id, its headers, its names.
    fn incoming(&mut self) -> (String, Vec<Header>, Option<CallIds>) {
        self.control.wait("the call", PATIENCE, |notice| {
            let Event::Incoming { headers, .. } = &notice.event else {
                return None;
            };
            let call = notice.call.clone().expect("it is about a call");
            Some((call, headers.clone(), notice.ids.clone()))
        })
    }

    fn told(&mut self, what: &str, call: &str, fits: impl Fn(&Event) -> bool) -> Notice {
        self.control.wait(what, PATIENCE, |notice| {
            let ours = notice.call.as_deref() == Some(call) && fits(&notice.event);
            ours.then(|| notice.clone())
        })
    }

    fn ask(&mut self, request: &Request) {
        self.control.ask::<serde_json::Value>(request);
    }

    /// The error that a request is refused with: its sentence, and its remedy.
    fn refused(&mut self, request: &Request) -> (i32, String) {
        let error = self
            .control
            .try_ask::<serde_json::Value>(request)
            .expect_err("it is refused");
        let remedy = error.remedy().unwrap_or_default().to_owned();
        (error.code, format!("{}; {remedy}", error.message))
    }
}

#[test]
fn headers_states_and_a_sip_status_travel_both_ways() {
    let mut pair = pair("telnyx");
    let ours = pair.call(fields("X-Ticket", "17"), Some("dGlja2V0"));
    let (theirs, headers, ids) = pair.incoming();
    assert_eq!(headers, fields("X-Ticket", "17"));
    let ids = ids.expect("the gateway names it at once");
    assert!(ids.call_control_id.is_some_and(|id| id.starts_with("v3:")));

    pair.ask(&Request::Answer(Answer {
        call: Some(theirs.clone()),
        headers: fields("X-Agent", "7"),
        client_state: Some("YWdlbnQ=".to_owned()),
        muted: Some(true),
        ..Answer::default()
    }));
    let answered = pair.told("the answer", &ours, |event| {
        matches!(event, Event::Answered(_))
    });
    let expected = Said {
        headers: fields("X-Agent", "7"),
        client_state: Some("dGlja2V0".to_owned()),
    };
    assert_eq!(answered.event, Event::Answered(expected));
    let status = pair.control.status();
    let calls = |call: &str| {
        let mut calls = status.calls.iter();
        calls.find(|status| status.call == call).cloned().unwrap()
    };
    assert!(calls(&theirs).muted && !calls(&ours).muted);
    assert_eq!(calls(&ours).ids, answered.ids);
    assert_ne!(calls(&ours).ids, calls(&theirs).ids);
    // The caller's were told by a notice of their own, as soon as the gateway had them.
    let names = answered.ids.map(Event::CallIds);
    assert!(pair.control.events().contains(&&names.expect("names")));

    // New media on a healthy socket brings the state along.
    pair.sandbox.fault_for("demo-1", "attach");
    let attached = pair.told("new media", &ours, |event| {
        matches!(event, Event::Attached(_))
    });
    let Event::Attached(said) = attached.event else {
        unreachable!("asked for")
    };
    assert_eq!(said.client_state.as_deref(), Some("dGlja2V0"));

    pair.ask(&Request::Hangup(Hangup {
        call: Some(ours.clone()),
        cause: None,
        sip_code: Some(503),
        headers: fields("X-Why", "lunch"),
    }));
    let end = pair.told("the end", &theirs, |event| matches!(event, Event::Ended(_)));
    let Event::Ended(ended) = end.event else {
        unreachable!("asked for")
    };
    assert_eq!(ended.by, EndedBy::Remote);
    assert_eq!(ended.headers, fields("X-Why", "lunch"));
    assert_eq!(ended.sip_code, Some(503));
    assert_eq!(ended.sip_reason.as_deref(), Some("Service Unavailable"));
    assert!(ended.sip_call_id.is_some_and(|id| id.ends_with("@sandbox")));
    // The state of our own answer comes back with what the server tells of our leg.
    assert_eq!(ended.client_state.as_deref(), Some("YWdlbnQ="));
    assert!(end.ids.is_some());
}

#[test]
fn a_refusal_says_why_in_sip_and_in_headers() {
    let mut pair = pair("telnyx");
    let ours = pair.call(Vec::new(), None);
    let (theirs, _, _) = pair.incoming();
    pair.ask(&Request::Reject(Reject {
        call: Some(theirs),
        cause: None,
        sip_code: Some(486),
        headers: fields("X-Back-At", "14:00"),
    }));
    let ended = pair.control.wait_ended(&ours, PATIENCE);
    assert_eq!(
        (ended.cause.as_str(), ended.sip_code),
        ("USER_BUSY", Some(486))
    );
    assert_eq!(ended.headers, fields("X-Back-At", "14:00"));
}

#[test]
fn switching_answers_the_second_call_with_headers() {
    let mut pair = pair("telnyx");
    let first = pair.call(Vec::new(), None);
    let (theirs, _, _) = pair.incoming();
    pair.ask(&Request::Switch(Answer {
        call: Some(theirs.clone()),
        ..Answer::default()
    }));
    pair.told("the first answer", &first, |event| {
        matches!(event, Event::Answered(_))
    });
    let second = pair.call(Vec::new(), None);
    let (waiting, _, _) = pair.incoming();
    pair.ask(&Request::Switch(Answer {
        call: Some(waiting),
        headers: fields("X-Agent", "7"),
        ..Answer::default()
    }));
    let answered = pair.told("the second answer", &second, |event| {
        matches!(event, Event::Answered(_))
    });
    let Event::Answered(said) = answered.event else {
        unreachable!("asked for")
    };
    assert_eq!(said.headers, fields("X-Agent", "7"));
    let status = pair.control.status();
    let first = status.calls.iter().find(|status| status.call == theirs);
    assert_eq!(first.unwrap().state.as_str(), "held");
    // The first is answered, so that headers have nothing to go with.
    let (_, sentence) = pair.refused(&Request::Switch(Answer {
        call: Some(theirs),
        headers: fields("X-Agent", "7"),
        ..Answer::default()
    }));
    assert!(sentence.contains("answered already"), "{sentence}");
}

#[test]
fn what_freeswitch_does_not_carry_is_refused_by_name() {
    let mut pair = pair("freeswitch");
    let call = |headers, client_state: Option<&str>, variables: serde_json::Value| {
        Request::Call(Call {
            account: Some("caller".to_owned()),
            number: "demo-2".to_owned(),
            headers,
            client_state: client_state.map(str::to_owned),
            user_variables: serde_json::from_value(variables).expect("a map"),
            ..Call::default()
        })
    };
    let nothing = || serde_json::json!({});
    for (request, what) in [
        (call(fields("X-A", "1"), None, nothing()), "header fields"),
        (call(Vec::new(), Some("YQ=="), nothing()), "client state"),
        (
            call(Vec::new(), None, serde_json::json!({"floor": 3})),
            "number",
        ),
    ] {
        let (code, sentence) = pair.refused(&request);
        assert_eq!(code, -32016, "{sentence}");
        assert!(
            sentence.contains(what) && sentence.contains("freeswitch"),
            "{sentence}"
        );
    }
    let taken = call(
        Vec::new(),
        None,
        serde_json::json!({"room": "7", "vip": true}),
    );
    let ours = pair
        .control
        .ask::<offhook_control::reply::CallPlaced>(&taken)
        .call;
    let (theirs, _, _) = pair.incoming();
    for request in [
        Request::Answer(Answer {
            headers: fields("X-A", "1"),
            ..Answer::default()
        }),
        Request::Reject(Reject {
            sip_code: Some(486),
            ..Reject::default()
        }),
        Request::Hangup(Hangup {
            call: Some(theirs.clone()),
            headers: fields("X-A", "1"),
            ..Hangup::default()
        }),
    ] {
        let (code, sentence) = pair.refused(&request);
        assert_eq!(code, -32016, "{sentence}");
        assert!(sentence.contains("freeswitch"), "{sentence}");
    }
    // Nothing of that touched the call.
    let (code, said, complained) = pair.daemon.cli(&["answer", &theirs, "--muted"]);
    assert_eq!(code, Some(0), "{said}{complained}");
    pair.told("the answer", &ours, |event| {
        matches!(event, Event::Answered(_))
    });
}
