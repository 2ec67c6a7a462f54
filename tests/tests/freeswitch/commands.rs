//! Commands of the server: behind a permission of the configuration, and behind the server's own.

use offhook_control::notice::Event;
use offhook_tests::sandbox::Sandbox;
use serde_json::Value;

use crate::phone::{Phone, server};

#[test]
fn commands_run_where_configuration_and_server_allow_it() {
    let sandbox = server();
    let may = Phone::with(&sandbox, "demo-1", "server_commands = true\n");
    let said = may.run(&["--json", "jsapi", "status"]);
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(said["answer"]["systemStatus"], "ready", "{said}");
    let said = may.run(&["--json", "jsapi", "echo", "{\"a\":[1,2]}"]);
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(said["answer"]["a"], serde_json::json!([1, 2]), "{said}");
    assert!(may.run(&["fsapi", "status"]).contains("UP 0 years"));
    assert!(may.run(&["fsapi", "echo", "one two"]).contains("one two"));

    // The server's own permission, and a command that it does not have.
    for command in [
        &["fsapi", "bgapi", "status"][..],
        &["jsapi", "sofia.status"],
    ] {
        let why = may.refused(command);
        assert!(why.contains("Permission Denied"), "{why}");
        assert!(why.contains("jsonrpc-allowed-jsapi"), "{why}");
    }
    let why = may.refused(&["fsapi", "nonsense"]);
    assert!(why.contains("INVALID CALL"), "{why}");

    // Without the key nothing is asked of the server.
    let may_not = Phone::new(&sandbox, "demo-2");
    for command in [["jsapi", "status"], ["fsapi", "status"]] {
        let why = may_not.refused(&command);
        assert!(why.contains("server_commands"), "{why}");
    }
}

#[test]
fn an_echo_comes_back_without_leave_unless_the_server_forbids_it() {
    let sandbox = server();
    let phone = Phone::new(&sandbox, "demo-1");
    let said = phone.run(&["--json", "echo", "{\"a\":[1,{\"b\":null}]}"]);
    let said: Value = serde_json::from_str(&said).expect("JSON");
    let wanted = serde_json::json!({"answer": {"a": [1, {"b": null}]}});
    assert_eq!(said, wanted);
    assert_eq!(phone.run(&["echo"]).trim(), "{}");
    let why = phone.refused(&["echo", "[1]"]);
    assert!(why.contains("object"), "{why}");

    let sandbox = Sandbox::start(&["--dialect", "freeswitch", "--deny", "echo"]);
    let phone = Phone::new(&sandbox, "demo-1");
    let why = phone.refused(&["echo"]);
    assert!(why.contains("jsonrpc-allowed-methods"), "{why}");
}

#[test]
fn a_method_that_the_directory_does_not_allow_names_the_servers_setting() {
    let denied = [
        "--dialect",
        "freeswitch",
        "--deny",
        "verto.invite",
        "--deny",
        "verto.info",
    ];
    let sandbox = Sandbox::start(&denied);
    let mut phone = Phone::new(&sandbox, "demo-1");
    let call = phone.control.call("9196");
    let ended = phone.ended(&call);
    assert!(
        ended.reason.contains("jsonrpc-allowed-methods"),
        "{ended:?}"
    );
    phone.run(&["message", "--to", "demo-2", "hello"]);
    let remedy = phone.hear("the refusal", |event| match event {
        Event::RequestFailed { remedy, .. } => remedy.clone(),
        _ => None,
    });
    assert!(remedy.contains("jsonrpc-allowed-methods"), "{remedy}");
}
