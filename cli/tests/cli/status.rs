//! `status` and `calls`.

use crate::scripted::{against, call, status};
use offhook_control::{reply::Calls, request::Request};

#[test]
fn a_person_reads_tables_and_why_an_account_is_not_ready() {
    let ran = against(|peer| peer.answer(&Request::Status, &status()), &["status"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(
        ran.stdout,
        "offhookd 0.1.0, up for 2 h 5 min\n\
         \n\
         ACCOUNT  STATE    DIALECT     SERVER                  NEXT ATTEMPT\n\
         desk     ready    freeswitch  ws://127.0.0.1:8081/\n\
         shop     waiting  telnyx      wss://rtc.example.com/  in 4 s\n\
         \n\
         shop: the name rtc.example.com cannot be resolved\n\
         \x20 what to do: check the network\n\
         \n\
         shop: 3 messages made no sense and were refused or passed over\n\
         \n\
         CALL  ACCOUNT  DIRECTION  NUMBER  NAME      STATE                AGE        CODEC  LOST  JITTER  MOS\n\
         c-1   desk     outbound   9196    Echo\u{fffd}[2J  active, muted, deaf  1 min 5 s  opus   3     1.2 ms  4.4\n"
    );
}

#[test]
fn a_script_gets_the_reply_as_it_came() {
    let ran = against(
        |peer| peer.answer(&Request::Status, &status()),
        &["--json", "status"],
    );
    assert_eq!(ran.code, Some(0));
    let values = ran.json();
    assert_eq!(values, [serde_json::to_value(status()).unwrap()]);
    assert_eq!(values[0]["accounts"][0]["state"], "ready");
}

#[test]
fn a_daemon_with_nothing_says_so() {
    let empty = offhook_control::reply::Status {
        accounts: Vec::new(),
        calls: Vec::new(),
        ..status()
    };
    let ran = against(
        move |peer| peer.answer(&Request::Status, &empty),
        &["status"],
    );
    assert_eq!(
        ran.stdout,
        "offhookd 0.1.0, up for 2 h 5 min\n\nno accounts\n\nno calls\n"
    );
}

#[test]
fn calls_are_a_table_or_the_reply() {
    let calls = || Calls {
        calls: vec![call()],
    };
    let ran = against(
        move |peer| peer.answer(&Request::Calls, &calls()),
        &["calls"],
    );
    assert_eq!(ran.code, Some(0));
    assert!(
        ran.stdout.starts_with("CALL  ACCOUNT  DIRECTION"),
        "{}",
        ran.stdout
    );
    let ran = against(
        move |peer| peer.answer(&Request::Calls, &calls()),
        &["calls", "--json"],
    );
    assert_eq!(ran.json(), [serde_json::to_value(calls()).unwrap()]);
    let ran = against(
        |peer| peer.answer(&Request::Calls, &Calls::default()),
        &["calls"],
    );
    assert_eq!(ran.stdout, "no calls\n");
}
