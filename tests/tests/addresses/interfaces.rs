//! Which of a machine's addresses a call tells its far end.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use offhook_media::driver::bind::Bind;
use offhook_media::driver::event::CallEvent;
use offhook_media::driver::worker::{Worker, WorkerConfig};
use offhook_media::dtls::certificate::Certificate;
use offhook_media::program::{
    AudioFormat, AudioPacket, CallKey, Outgoing, Program, ProgramCommand,
};
use offhook_media::session::config::SessionConfig;
use offhook_tests::namespace::Namespace;
use offhook_tests::skip;

const CALL: CallKey = CallKey(1);

struct Mute;

impl Program for Mute {
    fn negotiated(&mut self, _: &AudioFormat, _: Instant) {}
    fn packet(&mut self, _: &AudioPacket<'_>, _: Instant, _: &mut Outgoing) {}
    fn slot(&mut self, _: Instant, _: &mut Outgoing) {}
    fn command(&mut self, _: ProgramCommand, _: Instant) {}
}

/// The first offer of a call by the addresses of the machine that this runs on.
fn offer() -> String {
    let (sender, events) = channel();
    let worker = Worker::spawn(WorkerConfig::default(), move |_, event| {
        let _ = sender.send(event);
    })
    .expect("a worker");
    let config = SessionConfig::new(Arc::new(Certificate::generate().expect("a certificate")));
    let handle = worker.handle();
    let opened = handle.open(CALL, config, Box::new(Mute), Bind::default());
    opened.expect("room for a call");
    handle.create_offer(CALL).expect("the worker lives");
    loop {
        let event = events.recv_timeout(Duration::from_secs(30));
        if let CallEvent::LocalOffer { sdp } = event.expect("an offer in time") {
            return sdp;
        }
    }
}

#[test]
fn an_interface_that_was_taken_down_is_no_candidate() {
    if !skip::have(&["ip"]) || !skip::may_make_networks() {
        return;
    }
    let [machine, other] = ["machine", "other"].map(Namespace::new);
    let wires = [("wire", "10.79.1"), ("spare", "10.79.2")];
    for (name, network) in wires {
        let [here, there] = ["2", "1"].map(|host| format!("{network}.{host}/24"));
        machine.cable((name, &here), &other, (name, &there));
    }
    let both = machine.inside(offer);
    machine.ip(&["link", "set", "spare", "down"]);
    let one = machine.inside(offer);
    for (_, network) in wires {
        assert!(both.contains(&format!(" {network}.2 ")), "{both}");
    }
    assert!(one.contains(" 10.79.1.2 "), "{one}");
    assert!(!one.contains(" 10.79.2.2 "), "{one}");
}
