//! Why a call ended: Q.850 and FreeSWITCH cause names with their numbers, usual SIP codes and plain words.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

/// Longest unknown name kept from a server.
const LONGEST: usize = 64;

/// A hangup cause. The name counts; FreeSWITCH renumbered its own causes (above 127) in 2022.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Cause {
    name: Cow<'static, str>,
    code: u16,
}

struct Row {
    name: &'static str,
    code: u16,
    sip: Option<u16>,
    text: &'static str,
    remedy: &'static str,
}

const fn row(
    name: &'static str,
    code: u16,
    sip: Option<u16>,
    text: &'static str,
    remedy: &'static str,
) -> Row {
    Row {
        name,
        code,
        sip,
        text,
        remedy,
    }
}

const NUMBER: &str = "check the number";
const LATER: &str = "try again later";
const OPERATOR: &str = "ask the operator of the server";
const NOTHING: &str = "nothing to be done";
const CODECS: &str = "compare the codecs and media settings of both sides; a FreeSWITCH also ends a call so when it takes none of this \
                      machine's addresses (`apply-candidate-acl` in its profile of mod_verto; without one it refuses private ones)";
const ACCOUNT: &str = "check that the account may place this call";

/// ITU-T Q.850 up to 127, FreeSWITCH's own above. SIP codes as FreeSWITCH and Telnyx map them.
#[rustfmt::skip] // one row a line, like the tables it comes from
const TABLE: &[Row] = &[
    row("UNSPECIFIED", 0, None, "no cause was given", LATER),
    row("UNALLOCATED_NUMBER", 1, Some(404), "the number does not exist", NUMBER),
    row("NO_ROUTE_TRANSIT_NET", 2, Some(404), "no route to the transit network", OPERATOR),
    row("NO_ROUTE_DESTINATION", 3, Some(404), "no route to this number", NUMBER),
    row("CHANNEL_UNACCEPTABLE", 6, None, "the channel is not acceptable", OPERATOR),
    row("CALL_AWARDED_DELIVERED", 7, None, "the call was delivered in an established channel", NOTHING),
    row("NORMAL_CLEARING", 16, None, "the call was hung up", NOTHING),
    row("USER_BUSY", 17, Some(486), "busy", LATER),
    row("NO_USER_RESPONSE", 18, Some(408), "the far device does not respond", LATER),
    row("NO_ANSWER", 19, Some(480), "nobody answered", LATER),
    row("SUBSCRIBER_ABSENT", 20, Some(480), "the called user is not reachable now", LATER),
    row("CALL_REJECTED", 21, Some(603), "the call was rejected", NOTHING),
    row("NUMBER_CHANGED", 22, Some(410), "the number has changed", NUMBER),
    row("REDIRECTION_TO_NEW_DESTINATION", 23, Some(410), "redirected to another number", NUMBER),
    row("EXCHANGE_ROUTING_ERROR", 25, Some(483), "a routing error on the way", OPERATOR),
    row("DESTINATION_OUT_OF_ORDER", 27, Some(502), "the destination is out of order", LATER),
    row("INVALID_NUMBER_FORMAT", 28, Some(484), "the number is incomplete or malformed", NUMBER),
    row("FACILITY_REJECTED", 29, Some(501), "the server refused a feature of the call", OPERATOR),
    row("RESPONSE_TO_STATUS_ENQUIRY", 30, None, "response to a status enquiry", NOTHING),
    row("NORMAL_UNSPECIFIED", 31, Some(480), "the call ended normally, without a reason", LATER),
    row("NORMAL_CIRCUIT_CONGESTION", 34, Some(503), "all lines are busy", LATER),
    row("NETWORK_OUT_OF_ORDER", 38, Some(502), "the network is out of order", LATER),
    row("NORMAL_TEMPORARY_FAILURE", 41, Some(503), "a temporary failure", LATER),
    row("SWITCH_CONGESTION", 42, Some(503), "the server is overloaded", LATER),
    row("ACCESS_INFO_DISCARDED", 43, None, "access information was discarded", OPERATOR),
    row("REQUESTED_CHAN_UNAVAIL", 44, Some(503), "no channel is free", LATER),
    row("PRE_EMPTED", 45, None, "pre-empted by another call", LATER),
    row("FACILITY_NOT_SUBSCRIBED", 50, Some(403), "the feature is not subscribed", ACCOUNT),
    row("OUTGOING_CALL_BARRED", 52, Some(403), "outgoing calls are barred", ACCOUNT),
    row("INCOMING_CALL_BARRED", 54, Some(403), "incoming calls are barred there", ACCOUNT),
    row("BEARERCAPABILITY_NOTAUTH", 57, Some(403), "not authorised, or the login has expired", ACCOUNT),
    row("BEARERCAPABILITY_NOTAVAIL", 58, Some(503), "the media could not be set up", CODECS),
    row("SERVICE_UNAVAILABLE", 63, Some(503), "the service is unavailable", LATER),
    row("BEARERCAPABILITY_NOTIMPL", 65, Some(488), "this kind of media is not supported", CODECS),
    row("CHAN_NOT_IMPLEMENTED", 66, None, "the channel type is not supported", OPERATOR),
    row("FACILITY_NOT_IMPLEMENTED", 69, Some(501), "the feature is not supported", OPERATOR),
    row("SERVICE_NOT_IMPLEMENTED", 79, Some(501), "the service is not supported", OPERATOR),
    row("INVALID_CALL_REFERENCE", 81, None, "the server does not know the call", LATER),
    row("INCOMPATIBLE_DESTINATION", 88, Some(488), "nothing in common with the far side's media", CODECS),
    row("INVALID_MSG_UNSPECIFIED", 95, None, "an invalid message", OPERATOR),
    row("MANDATORY_IE_MISSING", 96, None, "something needed was missing in a message", OPERATOR),
    row("MESSAGE_TYPE_NONEXIST", 97, None, "an unknown message", OPERATOR),
    row("WRONG_MESSAGE", 98, None, "a message at the wrong time", OPERATOR),
    row("IE_NONEXIST", 99, None, "an unknown element in a message", OPERATOR),
    row("INVALID_IE_CONTENTS", 100, None, "a message with invalid contents", OPERATOR),
    row("WRONG_CALL_STATE", 101, None, "a message in the wrong state of the call", OPERATOR),
    row("RECOVERY_ON_TIMER_EXPIRE", 102, Some(408), "no response in time", LATER),
    row("MANDATORY_IE_LENGTH_ERROR", 103, None, "an element of wrong length", OPERATOR),
    row("PROTOCOL_ERROR", 111, None, "a protocol error", OPERATOR),
    row("INTERWORKING", 127, None, "an unknown cause from another network", LATER),
    row("SUCCESS", 142, None, "success", NOTHING),
    row("ORIGINATOR_CANCEL", 487, Some(487), "the caller gave up", NOTHING),
    row("CRASH", 700, None, "the server crashed", OPERATOR),
    row("SYSTEM_SHUTDOWN", 701, None, "the server is shutting down", LATER),
    row("LOSE_RACE", 702, None, "answered elsewhere", NOTHING),
    row("MANAGER_REQUEST", 703, None, "ended by an operator", NOTHING),
    row("BLIND_TRANSFER", 800, None, "transferred", NOTHING),
    row("ATTENDED_TRANSFER", 801, None, "transferred", NOTHING),
    row("ALLOTTED_TIMEOUT", 802, None, "the time allotted to the call is over", NOTHING),
    row("USER_CHALLENGE", 803, None, "the server wants another login for this call", ACCOUNT),
    row("MEDIA_TIMEOUT", 804, None, "no media arrived for too long", "check firewalls for UDP"),
    row("PICKED_OFF", 805, None, "picked up elsewhere", NOTHING),
    row("USER_NOT_REGISTERED", 806, None, "the called user is not registered", LATER),
    row("PROGRESS_TIMEOUT", 807, None, "no progress in time", LATER),
    row("INVALID_GATEWAY", 808, None, "the server has no such gateway", OPERATOR),
    row("GATEWAY_DOWN", 809, None, "the server's gateway is down", LATER),
    row("INVALID_URL", 810, None, "an invalid address", NUMBER),
    row("INVALID_PROFILE", 811, None, "the server has no such profile", OPERATOR),
    row("NO_PICKUP", 812, None, "nothing to pick up", NOTHING),
    row("SRTP_READ_ERROR", 813, None, "the server could not decrypt our media", OPERATOR),
    row("BOWOUT", 814, None, "the server left the call", NOTHING),
    row("BUSY_EVERYWHERE", 815, Some(600), "busy everywhere", LATER),
    row("DECLINE", 816, Some(603), "declined", NOTHING),
    row("DOES_NOT_EXIST_ANYWHERE", 817, Some(604), "the number exists nowhere", NUMBER),
    row("NOT_ACCEPTABLE", 818, Some(606), "not acceptable", CODECS),
    row("UNWANTED", 819, Some(607), "unwanted", NOTHING),
    row("NO_IDENTITY", 820, Some(428), "the caller's identity is missing", ACCOUNT),
    row("BAD_IDENTITY_INFO", 821, Some(429), "the caller's identity is bad", ACCOUNT),
    row("UNSUPPORTED_CERTIFICATE", 822, Some(437), "the caller's identity certificate is not supported", ACCOUNT),
    row("INVALID_IDENTITY", 823, Some(438), "the caller's identity is invalid", ACCOUNT),
    row("STALE_DATE", 824, Some(403), "the caller's identity is too old", ACCOUNT),
    row("REJECT_ALL", 825, None, "all calls are rejected there", NOTHING),
];

/// What a SIP code means where several causes share it, as Telnyx reads it.
#[rustfmt::skip] // one row a line, like the table it comes from
const BY_SIP: &[(u16, &str)] = &[
    (403, "CALL_REJECTED"),
    (404, "UNALLOCATED_NUMBER"),
    (408, "RECOVERY_ON_TIMER_EXPIRE"),
    (480, "NO_ANSWER"),
    (486, "USER_BUSY"),
    (487, "ORIGINATOR_CANCEL"),
    (488, "INCOMPATIBLE_DESTINATION"),
    (503, "NORMAL_TEMPORARY_FAILURE"),
    (603, "CALL_REJECTED"),
    (606, "INCOMPATIBLE_DESTINATION"),
];

/// FreeSWITCH's own numbers before June 2022, which older servers and Telnyx still send: each stood 200 below that of today.
const OLD_NUMBERS: [RangeInclusive<u16>; 2] = [500..=503, 600..=625];
const MOVED_BY: u16 = 200;

const fn known(name: &'static str, code: u16) -> Cause {
    Cause {
        name: Cow::Borrowed(name),
        code,
    }
}

impl Cause {
    /// Hung up.
    pub const NORMAL_CLEARING: Self = known("NORMAL_CLEARING", 16);
    /// Busy.
    pub const USER_BUSY: Self = known("USER_BUSY", 17);
    /// Nobody answered.
    pub const NO_ANSWER: Self = known("NO_ANSWER", 19);
    /// Rejected.
    pub const CALL_REJECTED: Self = known("CALL_REJECTED", 21);
    /// The way to the far side is out of order.
    pub const DESTINATION_OUT_OF_ORDER: Self = known("DESTINATION_OUT_OF_ORDER", 27);
    /// No connection to the server.
    pub const NETWORK_OUT_OF_ORDER: Self = known("NETWORK_OUT_OF_ORDER", 38);
    /// A temporary failure.
    pub const NORMAL_TEMPORARY_FAILURE: Self = known("NORMAL_TEMPORARY_FAILURE", 41);
    /// The server has no such feature.
    pub const FACILITY_NOT_IMPLEMENTED: Self = known("FACILITY_NOT_IMPLEMENTED", 69);
    /// The server does not know the call.
    pub const INVALID_CALL_REFERENCE: Self = known("INVALID_CALL_REFERENCE", 81);
    /// Media with nothing in common.
    pub const INCOMPATIBLE_DESTINATION: Self = known("INCOMPATIBLE_DESTINATION", 88);
    /// Something needed was missing.
    pub const MANDATORY_IE_MISSING: Self = known("MANDATORY_IE_MISSING", 96);
    /// No response in time.
    pub const RECOVERY_ON_TIMER_EXPIRE: Self = known("RECOVERY_ON_TIMER_EXPIRE", 102);
    /// What the far side said makes no sense.
    pub const PROTOCOL_ERROR: Self = known("PROTOCOL_ERROR", 111);
    /// The caller gave up.
    pub const ORIGINATOR_CANCEL: Self = known("ORIGINATOR_CANCEL", 487);
    /// Answered elsewhere.
    pub const LOSE_RACE: Self = known("LOSE_RACE", 702);
    /// Ended by an operator.
    pub const MANAGER_REQUEST: Self = known("MANAGER_REQUEST", 703);
    /// No media for too long.
    pub const MEDIA_TIMEOUT: Self = known("MEDIA_TIMEOUT", 804);
    /// Picked up by another client.
    pub const PICKED_OFF: Self = known("PICKED_OFF", 805);
    /// Not registered at the server's gateway.
    pub const GATEWAY_DOWN: Self = known("GATEWAY_DOWN", 809);

    /// The cause of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        find(|row| row.name == name)
    }

    /// The cause of that Q.850 or FreeSWITCH number.
    pub fn from_code(code: u16) -> Option<Self> {
        let old = OLD_NUMBERS.iter().any(|numbers| numbers.contains(&code));
        let code = if old { code + MOVED_BY } else { code };
        find(|row| row.code == code)
    }

    /// What a SIP status means: by the platform's table, else the first cause whose usual code it is.
    pub fn from_sip(status: u16) -> Option<Self> {
        let told = BY_SIP.iter().find(|(sip, _)| *sip == status);
        match told {
            Some((_, name)) => Self::from_name(name),
            None => find(|row| row.sip == Some(status)),
        }
    }

    /// Reads what a server said: a name, known or its own, else a known number, else the SIP code.
    pub fn from_wire(name: Option<&str>, code: Option<u16>, sip: Option<u16>) -> Self {
        let name = name.map(str::trim).filter(|name| !name.is_empty());
        if let Some(known) = name.and_then(Self::from_name) {
            return Self {
                code: code.unwrap_or(known.code),
                ..known
            };
        }
        if let Some(name) = name.filter(|name| is_name(name)) {
            return Self {
                name: Cow::Owned(name.to_owned()),
                code: code.unwrap_or(0),
            };
        }
        if let Some(known) = code.and_then(Self::from_code) {
            return known;
        }
        let usual = sip.and_then(Self::from_sip);
        usual.unwrap_or_else(|| Self {
            name: Cow::Borrowed("UNSPECIFIED"),
            code: code.unwrap_or(0),
        })
    }

    /// Name, such as `USER_BUSY`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number as the server gave it, or the usual one.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The SIP status usually meant, where there is one.
    pub fn sip(&self) -> Option<u16> {
        self.row().and_then(|row| row.sip)
    }

    /// What it means, in plain words.
    pub fn text(&self) -> &str {
        self.row()
            .map_or("a cause known to the server only", |row| row.text)
    }

    /// What a person can do about it.
    pub fn remedy(&self) -> &'static str {
        self.row().map_or(OPERATOR, |row| row.remedy)
    }

    fn row(&self) -> Option<&'static Row> {
        TABLE.iter().find(|row| row.name == self.name)
    }
}

/// Every known cause in the order of its number, for references and completion.
pub fn all() -> impl Iterator<Item = Cause> {
    TABLE.iter().map(|row| known(row.name, row.code))
}

fn find(matches: impl Fn(&Row) -> bool) -> Option<Cause> {
    TABLE
        .iter()
        .find(|row| matches(row))
        .map(|row| known(row.name, row.code))
}

/// Whether a text is shaped like a cause name; anything else from a server is not carried around.
fn is_name(text: &str) -> bool {
    text.len() <= LONGEST
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b' '))
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.code)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cause({} {})", self.name, self.code)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Cause, all};

    #[test]
    fn names_and_numbers_are_unique_and_lead_to_each_other() {
        assert_eq!(
            all()
                .map(|cause| cause.name().to_owned())
                .collect::<BTreeSet<_>>()
                .len(),
            all().count()
        );
        for cause in all() {
            assert_eq!(Cause::from_code(cause.code()), Some(cause.clone()));
            assert_eq!(Cause::from_name(cause.name()), Some(cause));
        }
    }

    #[test]
    fn every_constant_stands_in_the_table() {
        for cause in [
            Cause::NORMAL_CLEARING,
            Cause::ORIGINATOR_CANCEL,
            Cause::PICKED_OFF,
            Cause::GATEWAY_DOWN,
        ] {
            assert_eq!(Cause::from_name(cause.name()), Some(cause));
        }
    }

    #[test]
    fn the_name_counts_more_than_the_number() {
        let old_numbering = Cause::from_wire(Some("LOSE_RACE"), Some(502), None);
        assert_eq!(
            (old_numbering.name(), old_numbering.code()),
            ("LOSE_RACE", 502)
        );
        assert_eq!(old_numbering.text(), "answered elsewhere");
    }

    #[test]
    fn sip_codes_mean_what_the_platform_says() {
        for (sip, name, code) in [
            (403, "CALL_REJECTED", 21),
            (404, "UNALLOCATED_NUMBER", 1),
            (408, "RECOVERY_ON_TIMER_EXPIRE", 102),
            (480, "NO_ANSWER", 19),
            (486, "USER_BUSY", 17),
            (487, "ORIGINATOR_CANCEL", 487),
            (488, "INCOMPATIBLE_DESTINATION", 88),
            (502, "DESTINATION_OUT_OF_ORDER", 27),
            (503, "NORMAL_TEMPORARY_FAILURE", 41),
            (600, "BUSY_EVERYWHERE", 815),
            (603, "CALL_REJECTED", 21),
            (606, "INCOMPATIBLE_DESTINATION", 88),
        ] {
            let cause = Cause::from_sip(sip).expect("a row");
            assert_eq!((cause.name(), cause.code()), (name, code), "{sip}");
        }
        assert_eq!(Cause::from_sip(299), None);
        // The other way round: what a bye says beside its cause.
        for (name, sip) in [
            ("UNALLOCATED_NUMBER", Some(404)),
            ("NORMAL_CLEARING", None),
            ("USER_BUSY", Some(486)),
            ("NO_ANSWER", Some(480)),
            ("CALL_REJECTED", Some(603)),
            ("NORMAL_TEMPORARY_FAILURE", Some(503)),
            ("INCOMPATIBLE_DESTINATION", Some(488)),
            ("MANDATORY_IE_MISSING", None),
            ("RECOVERY_ON_TIMER_EXPIRE", Some(408)),
            ("ORIGINATOR_CANCEL", Some(487)),
        ] {
            assert_eq!(Cause::from_name(name).expect("a row").sip(), sip, "{name}");
        }
    }

    #[test]
    fn numbers_of_older_servers_mean_the_same_as_those_of_today() {
        for (old, name) in [
            (500, "CRASH"),
            (502, "LOSE_RACE"),
            (602, "ALLOTTED_TIMEOUT"),
            (605, "PICKED_OFF"),
            (608, "INVALID_GATEWAY"),
            (609, "GATEWAY_DOWN"),
            (625, "REJECT_ALL"),
        ] {
            assert_eq!(
                Cause::from_wire(None, Some(old), None).name(),
                name,
                "{old}"
            );
        }
    }

    #[test]
    fn anything_from_a_server_gives_a_cause() {
        assert_eq!(Cause::from_wire(None, Some(17), None), Cause::USER_BUSY);
        assert_eq!(Cause::from_wire(None, None, Some(486)), Cause::USER_BUSY);
        assert_eq!(
            Cause::from_wire(Some("NEW_ONE"), Some(900), None).to_string(),
            "NEW_ONE (900)"
        );
        assert_eq!(
            Cause::from_wire(Some("\u{1b}[2J"), None, None).name(),
            "UNSPECIFIED"
        );
        assert_eq!(Cause::from_wire(None, None, None).code(), 0);
    }
}
