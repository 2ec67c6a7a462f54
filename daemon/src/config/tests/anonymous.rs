//! Accounts that log in anonymously, and the tools of their assistants.

use std::time::Duration;

use super::{ACCOUNT, Folder, assert_has, cloud};
use crate::config::error::Fault;

/// An anonymous account with these keys.
fn assistant(keys: &str) -> String {
    cloud(&format!(
        "anonymous = {{ target_type = \"ai_assistant\", target_id = \"a-1\" }}\n{keys}"
    ))
}

#[test]
fn an_account_that_nobody_can_call_has_no_setting_for_calls_that_come_in() {
    let folder = Folder::new();
    let told = folder.refusal(&assistant("zzz = 1"));
    // All there is today. None of these says how a call that comes in is answered; one that did would be refused here.
    let known = "known here are name, dialect, server, login, password_file, token_file, token, refresh_before, profile, \
                 region, environment, skip_last_voice_sdk_id, rtc_ip, rtc_port, canary, skip_trailing, origin, \
                 refused_retry, refused_retry_max, user_variables, login_params, start_muted, watch, server_commands, recover_calls, anonymous, tool, ca_file, certificate_sha256, client_certificate_file, client_key_file, proxy, \
                 proxy_credentials_file, no_proxy, caller_name, caller_number, backoff_base, backoff_max, reconnect_attempts, ice_servers, ice_policy, trickle_ice, media, call_reports, call_report_interval, call_report_flush_interval, \
                 auth_user, further_servers, routes, instance, register, expires, reliable_provisional, session_expires, \
                 trust_identity, early_media, crlf_keep_alive, push, trusted_authz, transfers, \
                 socket_token, dtmf_info, info_packages, feature_tags, refer_out_of_dialog, socket_headers";
    assert!(told.ends_with(known), "{told}");
    for key in ["answer = true", "auto_answer = true", "inbound = \"allow\""] {
        assert_has(&folder.refusal(&assistant(key)), &["line 6", "unknown key"]);
    }
    let fault = Fault::AnonymousInbound {
        key: "auto_answer",
        account: "lobby".to_owned(),
    };
    assert_has(
        &fault.to_string(),
        &["`auto_answer`", "`lobby`", "nobody can call"],
    );
}

#[test]
fn the_assistant_is_told_whatever_json_can_say() {
    let folder = Folder::new();
    let target = |params: &str| {
        cloud(&format!(
            "anonymous = {{ target_type = \"ai_assistant\", target_id = \"a-1\", target_params = {{ {params} }} }}\n"
        ))
    };
    folder
        .load(&target(
            "floor = 3, tags = [\"a\", 1.5, true], who = { vip = false }",
        ))
        .unwrap();
    for wrong in ["when = 2026-01-01", "size = nan", "list = [inf]"] {
        assert_has(
            &folder.refusal(&target(wrong)),
            &["line 5", "target_params", "JSON has no such value"],
        );
    }
}

#[test]
fn tools_have_a_name_of_their_own_and_a_program() {
    let folder = Folder::new();
    let tool = |keys: &str| assistant(&format!("\n[[account.tool]]\n{keys}"));
    let good = "name = \"get_weather\"\ncommand = [\"/bin/cat\", \"hunter2\"]\ntime_limit = \"5s\"";
    let config = folder.load(&tool(good)).unwrap();
    let tools = &config.accounts[0].tools;
    assert_eq!(tools[0].name, "get_weather");
    assert_eq!(tools[0].command.argv, ["/bin/cat", "hunter2"]);
    assert_eq!(tools[0].command.time_limit, Duration::from_secs(5));
    assert!(!format!("{config:?}").contains("hunter2"), "arguments");
    for (keys, parts) in [
        (
            "command = [\"a\"]",
            &["line 7", "`lobby`", "needs `name`"][..],
        ),
        ("name = \"a\"", &["line 7", "needs `command`"]),
        (
            "name = \"a b\"\ncommand = [\"a\"]",
            &["line 8", "a b", "get_weather"],
        ),
        (
            "name = \"a\"\ncommand = []",
            &["line 9", "names no program"],
        ),
        (
            "name = \"a\"\ncommand = [\"/nowhere/tool\"]",
            &["line 9", "/nowhere/tool", "check the path"],
        ),
        (
            "name = \"a\"\ncommand = [\"a\"]\ntime_limit = \"6m\"",
            &["line 10", "6m", "at most 5 minutes"],
        ),
        (
            "name = \"a\"\ncomand = [\"a\"]",
            &["line 9", "[[account.tool]]", "did you mean `command`?"],
        ),
        (
            "name = \"a\"\ncommand = [\"a\"]\n[[account.tool]]\nname = \"a\"\ncommand = [\"b\"]",
            &["line 10", "two tools", "`a`"],
        ),
    ] {
        assert_has(&folder.refusal(&tool(keys)), parts);
    }
    let told = folder.refusal(&format!(
        "{ACCOUNT}[[account.tool]]\nname = \"a\"\ncommand = [\"a\"]\n"
    ));
    assert_has(&told, &["`desk`", "freeswitch", "no assistants"]);
}
