//! Tools of an assistant: answered by a client of the control socket, or by a program of the configuration.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use offhook_control::notice::Event;
use offhook_tests::daemon::Config;
use offhook_tests::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::world::{PATIENCE, World, target};

/// A tool that a shell script answers.
fn tool(name: &str, script: &str, time_limit: &str) -> String {
    format!(
        "[[account.tool]]\nname = {name:?}\ncommand = [\"/bin/sh\", \"-c\", {script:?}]\ntime_limit = {time_limit:?}\n"
    )
}

/// An account with these tools, and a call to its assistant.
fn with_tools(sandbox: &Sandbox, config: Config, tools: &str) -> World {
    let keys = target("") + tools;
    let mut world = World::of(config.account_with("lobby", "telnyx", &sandbox.ready.verto, &keys));
    world.call();
    world
}

/// The next tool call: its name for the answer, its arguments, and whether a program answers.
fn called(world: &mut World, tool: &str) -> (String, String, bool) {
    world
        .control
        .wait("a tool call", PATIENCE, |notice| match &notice.event {
            Event::ToolCall {
                tool_call,
                name,
                arguments,
                handled,
            } if name == tool => Some((tool_call.clone(), arguments.clone(), *handled)),
            _ => None,
        })
}

fn failed(world: &mut World, tool: &str) -> String {
    world
        .control
        .wait("a failed tool", PATIENCE, |notice| match &notice.event {
            Event::ToolFailed { name, reason, .. } if name == tool => Some(reason.clone()),
            _ => None,
        })
}

fn appears(file: &Path) -> String {
    let asked = Instant::now();
    loop {
        match fs::read_to_string(file) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            _ => assert!(asked.elapsed() < PATIENCE, "no {}", file.display()),
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn a_client_answers_a_tool_that_has_no_program() {
    let sandbox = Sandbox::start(&[]);
    let mut world = with_tools(&sandbox, Config::new(), "");
    world.say(r#"tool open_door {"side": "left"}"#);
    let (tool_call, arguments, handled) = called(&mut world, "open_door");
    assert_eq!(
        (arguments.as_str(), handled),
        (r#"{"side": "left"}"#, false)
    );
    world.order(&["tool-answer", &tool_call, r#"{"open":true}"#]);
    assert_eq!(world.hear(), r#"open_door says: {"open":true}"#);
}

#[test]
fn a_program_answers_without_anybody_else() {
    let sandbox = Sandbox::start(&[]);
    let config = Config::new();
    let seen = config.folder().join("seen.json");
    let script = format!("cat >{}; echo '{{\"sky\":\"grey\"}}'", seen.display());
    let mut world = with_tools(&sandbox, config, &tool("get_weather", &script, "10s"));
    world.say(r#"tool get_weather {"city": "Oslo"}"#);
    let (tool_call, _, handled) = called(&mut world, "get_weather");
    assert!(handled);
    assert_eq!(world.hear(), r#"get_weather says: {"sky":"grey"}"#);
    let read: Value = serde_json::from_str(&appears(&seen)).expect("one JSON object");
    let call = world.control.status().calls[0].call.clone();
    let wanted = json!({
        "account": "lobby",
        "call": call,
        "tool_call": tool_call,
        "name": "get_weather",
        "arguments": {"city": "Oslo"},
    });
    assert_eq!(read, wanted);
}

#[test]
fn a_program_that_fails_is_told_here_in_full_and_to_the_assistant_in_plain_words() {
    let sandbox = Sandbox::start(&[]);
    let tools = [
        tool("fails", "echo the key k-123 is locked >&2; exit 3", "10s"),
        tool(
            "chatters",
            "trap '' PIPE; while :; do echo too much; done",
            "20s",
        ),
        tool("dawdles", "sleep 600", "1s"),
        tool("babbles", r"printf '\377\376'", "10s"),
        "[[account.tool]]\nname = \"missing\"\ncommand = [\"no-such-program-anywhere\"]\n"
            .to_owned(),
    ];
    let mut world = with_tools(&sandbox, Config::new(), &tools.concat());
    for (name, here, there) in [
        (
            "fails",
            "ended with exit status: 3, saying: the key k-123 is locked",
            "the tool failed",
        ),
        (
            "chatters",
            "printed more than 32768 bytes",
            "cannot be used",
        ),
        ("dawdles", "did not end within 1 s", "took too long"),
        ("babbles", "is not UTF-8 text", "cannot be used"),
        ("missing", "cannot be started", "not available"),
    ] {
        world.say(&format!("tool {name}"));
        let told = failed(&mut world, name);
        assert!(told.contains(here) && told.contains(name), "{told}");
        let heard = world.hear();
        let error = heard
            .strip_prefix(&format!("{name} says: "))
            .and_then(|output| serde_json::from_str::<Value>(output).ok())
            .unwrap_or_else(|| panic!("{heard}"));
        let error = error["error"].as_str().expect("words");
        assert!(error.contains(there), "{error}");
        assert!(!heard.contains("k-123"), "{heard}");
    }
}

#[test]
fn a_program_that_hangs_holds_up_nobody() {
    let sandbox = Sandbox::start(&[]);
    let config = Config::new();
    let begun = config.folder().join("begun");
    let go = config.folder().join("go");
    let hangs = format!("echo $$ >{}; exec sleep 600", begun.display());
    let waits = format!(
        "while [ ! -e {} ]; do sleep 0.02; done; echo waited",
        go.display()
    );
    let goes = format!("touch {}; echo went", go.display());
    let tools = [("hangs", hangs), ("waits", waits), ("goes", goes)];
    let tools = tools.map(|(name, script)| tool(name, &script, "5m"));
    let mut world = with_tools(&sandbox, config, &tools.concat());
    world.say("tool hangs");
    let id: i32 = appears(&begun).parse().expect("a process id");
    // A text, the control socket, the call, and other tools go on meanwhile; of these one waits for the other.
    let packets = |world: &mut World| {
        let quality = world.control.status().calls[0].quality.clone();
        quality.map_or(0, |quality| quality.packets_received)
    };
    let before = packets(&mut world);
    world.say("tool waits");
    called(&mut world, "waits");
    assert_eq!(world.ask("hello"), "You said: hello");
    world.say("tool goes");
    let mut answers = [world.hear(), world.hear()];
    answers.sort();
    assert_eq!(answers, ["goes says: went", "waits says: waited"]);
    world
        .control
        .wait("more sound", PATIENCE, |notice| match &notice.event {
            Event::Quality(quality) => (quality.packets_received > before).then_some(()),
            _ => None,
        });
    // It hangs still.
    kill(Pid::from_raw(id), Signal::SIGKILL).expect("it is there");
    let told = failed(&mut world, "hangs");
    assert!(told.contains("ended with signal: 9"), "{told}");
    assert_eq!(world.hear(), r#"hangs says: {"error":"the tool failed"}"#);
}

#[test]
fn a_daemon_that_ends_leaves_no_program_behind() {
    let sandbox = Sandbox::start(&[]);
    let config = Config::new();
    let begun = config.folder().join("begun");
    let script = format!("sleep 600 & echo $! >{}; wait", begun.display());
    let mut world = with_tools(&sandbox, config, &tool("hangs", &script, "60s"));
    world.say("tool hangs");
    let id = appears(&begun);
    world.daemon.program.signal(Signal::SIGTERM);
    world.daemon.program.wait(Duration::from_secs(10));
    let asked = Instant::now();
    let state = format!("/proc/{id}/stat");
    while fs::read_to_string(&state).is_ok_and(|line| !line.contains(") Z")) {
        assert!(asked.elapsed() < PATIENCE, "process {id} is still there");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
