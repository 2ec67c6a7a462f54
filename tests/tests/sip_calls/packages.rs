//! INFO packages (RFC 6086) from a command line to another program, through a real Kamailio.

use offhook_control::notice::Event;
use offhook_tests::kamailio::Kamailio;
use serde_json::json;

use crate::world::Phone;

const TAKES: &str = "info_packages = [\"x-door\"]\n";

#[test]
fn a_package_arrives_where_it_is_taken_and_is_refused_by_name_where_not() {
    let servers = Kamailio::start();
    let mut ann = Phone::with(&servers, 1000, TAKES);
    let mut ben = Phone::with(&servers, 1001, TAKES);
    ann.control.call("1001");
    ben.takes_a_call();
    ann.saw("the answer", |event| matches!(event, Event::Answered(_)));
    let door = ["info", "--package", "x-door", "--content-type"];
    let open = [&door[..], &["application/x-door", "--body", "open"]].concat();
    let (code, said, told) = ann.daemon.cli(&open);
    assert_eq!(code, Some(0), "{said}{told}");
    let wanted = json!({"package": "x-door", "content_type": "application/x-door", "body": "open"});
    ben.saw(
        "the package",
        |event| matches!(event, Event::Info { data } if *data == wanted),
    );
    let (code, said, told) = ann.daemon.cli(&["info", "--package", "x-lift"]);
    assert_eq!(code, Some(0), "{said}{told}");
    ann.saw("why not", |event| {
        matches!(event, Event::RequestFailed { reason, .. } if reason.contains("does not take this package"))
    });
}
