//! One dialog of the far end: its names, its numbers, and what is open in it.

use std::time::{Duration, Instant};

use crate::sip::message::{Message, Text, param};
use crate::sip::name::Name;
use crate::sip::network::Way;

pub(super) const SDP: &str = "v=0\r\no=- 7 7 IN IP4 192.0.2.7\r\ns=far\r\n";

/// How far a dialog has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// No 2xx yet.
    Early,
    Up,
    Over,
}

/// A request of the user agent that has to be answered.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) way: Way,
    pub(super) text: String,
}

/// Our 2xx without ACK.
#[derive(Clone, Debug)]
pub(super) struct Unacked {
    pub(super) way: Way,
    pub(super) branch: String,
    pub(super) text: String,
    pub(super) cseq: u32,
    pub(super) pause: Duration,
    pub(super) since: Instant,
    /// It held an offer: the ACK brings the answer.
    pub(super) offered: bool,
}

/// One dialog.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) side: usize,
    /// The call's name at its user, where it is known.
    pub(super) name: String,
    pub(super) call_id: String,
    /// From and To of our requests.
    pub(super) far: String,
    pub(super) near: String,
    pub(super) far_tag: String,
    pub(super) near_tag: String,
    pub(super) target: String,
    pub(super) cseq: u32,
    pub(super) near_cseq: u32,
    pub(super) stage: Stage,
    /// A re-INVITE or UPDATE of ours, by its branch.
    pub(super) ours: Option<String>,
    /// One of theirs, put off.
    pub(super) theirs: Option<Open>,
    pub(super) unacked: Option<Unacked>,
    /// Reliable provisional answers: the last number, and whether it has its PRACK.
    pub(super) rseq: u32,
    pub(super) pracked: bool,
    /// The number of the last one that we took.
    pub(super) heard_rseq: Option<u32>,
    /// Offer and answer went with provisional answers.
    pub(super) exchanged: bool,
    /// A provisional answer of theirs held an offer.
    pub(super) offered: bool,
    /// What we agreed on as the session's timer: in seconds, and whether we refresh.
    pub(super) timer: Option<(u64, bool)>,
    /// Counts agreements, so that a planned refresh knows whether it is still wanted.
    pub(super) agreements: u32,
    /// They refer us: statuses that are to be told.
    pub(super) refer: Option<String>,
    /// Our REFER is under way.
    pub(super) refers: bool,
    /// It never acknowledges a 2xx.
    pub(super) mute: bool,
    /// Our goodbye is out, or went nowhere: they may still have the call.
    pub(super) unparted: bool,
}

impl Leg {
    /// A dialog that an INVITE of the user agent makes with one of our tags.
    pub(super) fn of_invite(way: Way, invite: &Message<'_>, tag: &str) -> Self {
        Self {
            side: way.side,
            name: invite.get("X-World").to_owned(),
            call_id: invite.call_id().to_owned(),
            far: format!("{};tag={tag}", invite.get("To")),
            near: invite.get("From").to_owned(),
            far_tag: tag.to_owned(),
            near_tag: invite.tag_of_from().to_owned(),
            target: invite.address("Contact").to_owned(),
            cseq: 100,
            near_cseq: invite.cseq(),
            stage: Stage::Early,
            ours: None,
            theirs: None,
            unacked: None,
            rseq: 0,
            pracked: true,
            heard_rseq: None,
            exchanged: false,
            offered: false,
            timer: None,
            agreements: 0,
            refer: None,
            refers: false,
            mute: false,
            unparted: false,
        }
    }

    /// A dialog that we begin.
    pub(super) fn of_ours(side: usize, user: &str, name: String, tag: &str) -> Self {
        Self {
            side,
            call_id: format!("c-{name}"),
            name,
            far: format!("<sip:far@example.com>;tag={tag}"),
            near: format!("<sip:{user}@example.com>"),
            far_tag: tag.to_owned(),
            near_tag: String::new(),
            target: format!("sip:{user}@example.com"),
            cseq: 0,
            near_cseq: 0,
            stage: Stage::Early,
            ours: None,
            theirs: None,
            unacked: None,
            rseq: 0,
            pracked: true,
            heard_rseq: None,
            exchanged: false,
            offered: false,
            timer: None,
            agreements: 0,
            refer: None,
            refers: false,
            mute: false,
            unparted: false,
        }
    }

    /// Whether a request of the user agent is for it.
    pub(super) fn takes(&self, request: &Message<'_>) -> bool {
        self.call_id == request.call_id()
            && self.far_tag == request.to_tag()
            && self.near_tag == request.tag_of_from()
    }

    /// As the user agent names it.
    pub(super) fn named(&self) -> Name {
        Name {
            call_id: self.call_id.clone(),
            near: self.near_tag.clone(),
            far: self.far_tag.clone(),
        }
    }

    /// A request of ours, all but its body. ACK and CANCEL repeat a number.
    pub(super) fn request(&self, method: &str, branch: &str, cseq: u32) -> Text {
        Text::request(method, &self.target)
            .line(
                "Via",
                &format!("SIP/2.0/TCP far.example.com;branch={branch}"),
            )
            .line("Max-Forwards", "70")
            .line("From", &self.far)
            .line("To", &self.near)
            .line("Call-ID", &self.call_id)
            .line("CSeq", &format!("{cseq} {method}"))
            .line("Contact", "<sip:far@far.example.com>")
            .line("Supported", "100rel, timer, replaces")
            .line(
                "Allow",
                "INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, REFER, NOTIFY, INFO",
            )
    }

    /// What a 2xx of the user agent agrees on.
    pub(super) fn agree(&mut self, answer: &Message<'_>, we_asked: bool) {
        let line = answer.get("Session-Expires");
        let seconds = line.split(';').next().and_then(|text| text.parse().ok());
        let uas = param(line, "refresher") == "uas";
        self.timer = seconds.map(|seconds| (seconds, we_asked != uas));
        self.agreements += 1;
    }

    /// What our 2xx says of the session's timer, and notes it: `wanted` seconds by whoever it names.
    pub(super) fn answer_timer(&mut self, text: Text, wanted: Option<(u64, bool)>) -> Text {
        self.timer = wanted;
        self.agreements += 1;
        match wanted {
            Some((seconds, ours)) => {
                let refresher = if ours { "uas" } else { "uac" };
                let line = format!("{seconds};refresher={refresher}");
                text.line("Session-Expires", &line)
            }
            None => text,
        }
    }
}
