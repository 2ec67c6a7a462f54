//! Callers without an offer that demand reliable provisional answers: it rings with ours, and the PRACK brings theirs (RFC 3262, 5).

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::cause::Cause;
use offhook_signaling::command::Command;
use offhook_signaling::event::{EndedBy, Event};
use offhook_signaling::sip::message::response::Response;
use offhook_signaling::sip::message::{HeaderName, Method};
use offhook_signaling::sip::session::contract::Input;

use crate::called::{Script, answer_to, ends, idle, responses, statuses, talking};
use crate::pair::{ANSWER, OFFER, answer, bye};
use crate::world::{FLOW, World};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A call of carol's that rings here, as its caller has it.
struct Rung {
    world: World,
    call: CallId,
    tag: String,
    rseq: u32,
    /// Number of her last request.
    cseq: u32,
}

fn invite() -> Script {
    Script::new("INVITE").header("Require: 100rel")
}

/// Our user has seen it, and makes no offer yet.
fn asked(world: &mut World, script: &Script) -> CallId {
    world.say(FLOW, &script.text());
    assert_eq!(statuses(world), [100]);
    let told = world.take_events();
    let [
        Event::Incoming {
            call, sdp: None, ..
        },
        wanted,
    ] = told.as_slice()
    else {
        panic!("{told:?}");
    };
    let offer = Event::Offer {
        call: call.clone(),
        sdp: None,
    };
    assert_eq!(*wanted, offer);
    call.clone()
}

fn attach(call: &CallId) -> Command {
    Command::Attach {
        call: call.clone(),
        sdp: OFFER.to_owned(),
    }
}

fn rung() -> Rung {
    rung_by(idle(), &invite())
}

fn rung_by(mut world: World, script: &Script) -> Rung {
    let call = asked(&mut world, script);
    world.command(attach(&call));
    let said = responses(&mut world);
    let [ringing] = said.as_slice() else {
        panic!("{said:?}");
    };
    assert_eq!(ringing.status, 180);
    assert!(ringing.headers.lists(&HeaderName::Require, "100rel"));
    assert_eq!(ringing.sdp().as_deref(), Some(OFFER));
    Rung {
        call,
        tag: ringing.ids.to_tag().to_owned(),
        rseq: ringing.headers.number(&HeaderName::RSeq).expect("an RSeq"),
        world,
        cseq: script.cseq,
    }
}

impl Rung {
    /// What she says next within the call.
    fn next(&mut self, method: &'static str) -> Script {
        self.cseq += 1;
        Script::new(method).within(&self.tag, self.cseq)
    }

    fn prack(&mut self, sdp: Option<&'static str>) -> Script {
        let rack = format!("RAck: {} 1 INVITE", self.rseq);
        let mut prack = self.next("PRACK").header(&rack);
        prack.body = sdp.map(|sdp| ("application/sdp", sdp));
        prack
    }

    /// She acknowledges the ringing with her answer, and what is said then.
    fn agree(&mut self) -> Vec<Response> {
        let prack = self.prack(Some(ANSWER));
        self.world.texts.clear();
        self.world.say(FLOW, &prack.text());
        let agreed = Event::MediaUpdated {
            call: self.call.clone(),
            sdp: ANSWER.to_owned(),
        };
        let told = self.world.take_events();
        assert_eq!(told, [agreed]);
        responses(&mut self.world)
    }

    /// The 200 to the INVITE is the only word, describes nothing, and its ACK puts the call up.
    fn is_up(&mut self, said: &[Response]) {
        let [accepted] = said else {
            panic!("{said:?}");
        };
        assert_eq!((accepted.status, accepted.ids.cseq), (200, 1));
        assert_eq!(accepted.ids.method, Method::Invite);
        assert_eq!(accepted.sdp(), None);
        assert_eq!(accepted.ids.to_tag(), self.tag);
        self.world
            .say(FLOW, &Script::new("ACK").within(&self.tag, 1).text());
        let confirmed = Event::Confirmed {
            call: self.call.clone(),
        };
        assert_eq!(self.world.take_events(), [confirmed]);
    }

    fn pass(&mut self, span: Duration) {
        self.world
            .pass(span, |world| world.handle(Input::Pong(FLOW)));
    }
}

fn statuses_of(said: &[Response]) -> Vec<u16> {
    said.iter().map(|response| response.status).collect()
}

#[test]
fn the_prack_brings_the_answer_and_the_200_holds_nothing() {
    let mut rung = rung();
    assert_eq!(statuses_of(&rung.agree()), [200]);
    // An answer is given once.
    let again = rung.prack(Some(ANSWER));
    assert_eq!(answer_to(&mut rung.world, &again).status, 481);
    rung.pass(seconds(40));
    assert!(rung.world.take_events().is_empty(), "no PRACK is missed");
    assert!(rung.world.texts.is_empty(), "nothing is said again");
    let command = answer(&rung.call);
    rung.world.command(command);
    let said = responses(&mut rung.world);
    rung.is_up(&said);
    // Theirs is the next offer, as in any call.
    let mut reinvite = rung.next("INVITE");
    reinvite.body = Some(("application/sdp", OFFER));
    rung.world.say(FLOW, &reinvite.text());
    let told = rung.world.take_events();
    assert!(
        matches!(told[..], [Event::Offer { sdp: Some(_), .. }]),
        "{told:?}"
    );
}

/// No 2xx before the PRACK of an offer (RFC 3262, 5).
#[test]
fn a_call_that_is_taken_at_once_is_answered_behind_the_prack() {
    let mut rung = rung();
    let command = answer(&rung.call);
    rung.world.command(command);
    assert!(responses(&mut rung.world).is_empty());
    // Nor is it taken twice.
    let command = answer(&rung.call);
    rung.world.command(command);
    let told = rung.world.take_events();
    assert!(
        matches!(told[..], [Event::CommandFailed { .. }]),
        "{told:?}"
    );
    rung.pass(seconds(5));
    assert!(
        responses(&mut rung.world)
            .iter()
            .all(|copy| copy.status == 180 && copy.sdp().is_some())
    );
    let said = rung.agree();
    assert_eq!(statuses_of(&said), [200, 200]);
    assert_eq!(said[0].ids.method, Method::Prack);
    rung.is_up(&said[1..]);
}

#[test]
fn whoever_is_answered_and_never_acknowledges_the_ringing_is_refused() {
    for taken in [false, true] {
        let mut rung = rung();
        if taken {
            let command = answer(&rung.call);
            rung.world.command(command);
        }
        rung.pass(seconds(31));
        assert!(statuses(&mut rung.world).iter().all(|it| *it == 180));
        rung.pass(seconds(2));
        assert_eq!(statuses(&mut rung.world).last(), Some(&504));
        assert_eq!(ends(&mut rung.world)[0].0, EndedBy::Timeout);
        let late = rung.prack(Some(ANSWER));
        assert_eq!(answer_to(&mut rung.world, &late).status, 481);
    }
}

#[test]
fn a_prack_without_the_answer_ends_the_call() {
    for taken in [false, true] {
        let mut rung = rung();
        if taken {
            let command = answer(&rung.call);
            rung.world.command(command);
        }
        let prack = rung.prack(None);
        rung.world.say(FLOW, &prack.text());
        assert_eq!(statuses(&mut rung.world), [200, 488]);
        let ended = ends(&mut rung.world);
        assert_eq!(ended[0].1, Cause::INCOMPATIBLE_DESTINATION);
    }
}

#[test]
fn either_side_may_end_it_whenever_it_likes() {
    let cancel = || Script {
        branch: invite().branch,
        ..Script::new("CANCEL")
    };
    for taken in [false, true] {
        for agreed in [false, true] {
            let begun = || {
                let mut rung = rung();
                if taken && !agreed {
                    let command = answer(&rung.call);
                    rung.world.command(command);
                }
                if agreed {
                    rung.agree();
                }
                rung
            };
            let mut rung = begun();
            rung.world.say(FLOW, &cancel().text());
            assert_eq!(statuses(&mut rung.world), [200, 487]);
            assert_eq!(ends(&mut rung.world)[0].0, EndedBy::Remote);
            let late = rung.prack(Some(ANSWER));
            assert_eq!(answer_to(&mut rung.world, &late).status, 481);

            let mut rung = begun();
            let goodbye = rung.next("BYE");
            rung.world.say(FLOW, &goodbye.text());
            assert_eq!(statuses(&mut rung.world), [200, 487]);
            assert_eq!(ends(&mut rung.world)[0].0, EndedBy::Remote);

            let mut rung = begun();
            let command = bye(&rung.call);
            rung.world.command(command);
            assert_eq!(statuses(&mut rung.world), [603]);
            assert_eq!(ends(&mut rung.world)[0].0, EndedBy::Local);
            rung.pass(seconds(40));
            let said = statuses(&mut rung.world);
            assert!(
                said.iter().all(|it| *it == 603),
                "it rings no more: {said:?}"
            );
        }
    }
}

#[test]
fn a_long_ringing_is_told_again_with_the_next_number_and_without_an_offer() {
    let mut rung = rung();
    rung.agree();
    rung.pass(seconds(151));
    let again = responses(&mut rung.world).remove(0);
    assert_eq!(again.status, 180);
    assert_eq!(again.headers.number(&HeaderName::RSeq), Some(rung.rseq + 1));
    assert_eq!(again.sdp(), None);
    // Without an offer in it the 200 need not wait for its PRACK (RFC 3262, 3).
    let command = answer(&rung.call);
    rung.world.command(command);
    let said = responses(&mut rung.world);
    rung.is_up(&said);
    rung.rseq += 1;
    let prack = rung.prack(None);
    assert_eq!(answer_to(&mut rung.world, &prack).status, 200);
}

/// Another offer in the PRACK of what followed has no user who would take it in time.
#[test]
fn further_offers_before_the_answer_are_refused() {
    let mut rung = rung();
    let update = |rung: &mut Rung| {
        let mut update = rung.next("UPDATE");
        update.body = Some(("application/sdp", OFFER));
        answer_to(&mut rung.world, &update).status
    };
    assert_eq!(update(&mut rung), 491, "it meets ours");
    rung.agree();
    assert_eq!(update(&mut rung), 500);
    rung.pass(seconds(151));
    rung.rseq += 1;
    let prack = rung.prack(Some(OFFER));
    assert_eq!(answer_to(&mut rung.world, &prack).status, 488);
    assert!(rung.world.take_events().is_empty());
    let command = answer(&rung.call);
    rung.world.command(command);
    let said = responses(&mut rung.world);
    rung.is_up(&said);
}

/// The same, as that PRACK meets the answer.
#[test]
fn an_offer_in_a_prack_that_meets_the_answer_is_refused() {
    let mut rung = rung();
    rung.agree();
    rung.pass(seconds(151));
    responses(&mut rung.world);
    let command = answer(&rung.call);
    rung.world.command(command);
    let said = responses(&mut rung.world);
    rung.is_up(&said);
    rung.rseq += 1;
    let prack = rung.prack(Some(OFFER));
    assert_eq!(answer_to(&mut rung.world, &prack).status, 488);
}

#[test]
fn a_lost_connection_brings_the_ringing_again_over_the_next_one() {
    for taken in [false, true] {
        let mut rung = rung();
        rung.pass(seconds(4));
        responses(&mut rung.world);
        rung.world.close(FLOW);
        if taken {
            let command = answer(&rung.call);
            rung.world.command(command);
        }
        rung.world.command(Command::Reconnect);
        rung.world.requests.clear();
        rung.world.open(FLOW);
        let register = rung.world.request();
        rung.world.texts.clear();
        rung.world.grant(&register, 7200, &[]);
        let copies = responses(&mut rung.world);
        assert_eq!(statuses_of(&copies), [180]);
        assert_eq!(copies[0].headers.number(&HeaderName::RSeq), Some(rung.rseq));
        rung.world.take_events();
        let mut said = rung.agree();
        said.remove(0);
        if !taken {
            let command = answer(&rung.call);
            rung.world.command(command);
            said = responses(&mut rung.world);
        }
        rung.is_up(&said);
    }
}

/// Our user had taken it before its offer was made: that goes with the 200, and the ACK answers it.
#[test]
fn an_offer_that_comes_behind_the_users_answer_is_not_wanted_any_more() {
    let mut world = idle();
    let call = asked(&mut world, &invite());
    world.command(answer(&call));
    let said = responses(&mut world);
    assert_eq!((said.len(), said[0].status), (1, 200));
    assert_eq!(said[0].sdp().as_deref(), Some(ANSWER));
    let tag = said[0].ids.to_tag().to_owned();
    let ack = Script {
        body: Some(("application/sdp", ANSWER)),
        ..Script::new("ACK")
    };
    world.say(FLOW, &ack.within(&tag, 1).text());
    let told = world.take_events();
    let agreed = Event::MediaUpdated {
        call: call.clone(),
        sdp: ANSWER.to_owned(),
    };
    assert_eq!(told, [agreed, Event::Confirmed { call }]);
}

#[test]
fn only_who_demands_it_is_rung_with_an_offer() {
    let mut world = idle();
    let script = Script::new("INVITE").header("Supported: 100rel");
    let ringing = answer_to(&mut world, &script);
    assert_eq!((ringing.status, ringing.sdp()), (180, None));
    assert!(!ringing.headers.has(&HeaderName::RSeq));
    let told = world.take_events();
    let [Event::Incoming { call, .. }] = told.as_slice() else {
        panic!("{told:?}");
    };
    world.command(attach(call));
    let told = world.take_events();
    assert!(
        matches!(told[..], [Event::CommandFailed { .. }]),
        "{told:?}"
    );
}

/// The call before ends when the new one is answered, and that is behind its PRACK.
#[test]
fn what_it_replaces_ends_with_the_200() {
    let (world, first, tag) = talking();
    let script = Script {
        from: "sip:dave@example.com",
        branch: "z9hG4bKfresh".to_owned(),
        call_id: "call-of-dave",
        from_tag: "daves",
        ..invite()
    };
    let named = format!("Replaces: call-of-carol;to-tag={tag};from-tag=carols");
    let mut rung = rung_by(world, &script.header(&named));
    let command = answer(&rung.call);
    rung.world.command(command);
    assert!(rung.world.take_events().is_empty(), "it goes on");
    let mut prack = rung.prack(Some(ANSWER));
    prack.call_id = "call-of-dave";
    prack.from_tag = "daves";
    rung.world.say(FLOW, &prack.text());
    assert_eq!(statuses(&mut rung.world), [200, 200]);
    let replaced = |event: &Event| matches!(event, Event::Ended { call, .. } if *call == first);
    assert!(rung.world.take_events().iter().any(replaced));
    assert_eq!(rung.world.request().method, Method::Bye);
}
