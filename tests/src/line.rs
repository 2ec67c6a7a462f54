//! The emulated line between two machines, as a program: real programs talk over it.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::internet::{BEHIND, CABLE};
use crate::namespace::Namespace;
use crate::program::{Program, path_of};

/// Longer than any test; the line ends with its test anyway.
const SECONDS: &str = "300";

/// A line with a NAT at its inner end.
#[derive(Debug)]
pub struct Line {
    program: Program,
    /// The machine at its inner end; it has nothing else.
    pub machine: Namespace,
    // The devices are made there; the program stays.
    _middle: Namespace,
}

impl Line {
    /// Lays a line of these conditions, both ways alike, from a new machine to this one, which sees the new one at `outside` by a NAT
    /// of this kind.
    ///
    /// # Panics
    /// When there can be none.
    pub fn lay(to: &Namespace, kind: &str, outside: Ipv4Addr, conditions: &str) -> Self {
        let (machine, middle) = (Namespace::new("machine"), Namespace::new("line"));
        let far = format!("to{}", outside.octets()[3]);
        let mut command = middle.command();
        command.arg(path_of("offhook-link"));
        command.args([CABLE, &far, "--seed", "1", "--seconds", SECONDS]);
        command.args(["--up", conditions, "--down", conditions]);
        command.args(["--nat", kind, &outside.to_string()]);
        let mut program = Program::spawn("offhook-link", command);
        assert_eq!(program.line(Duration::from_secs(20)), "ready");
        for (device, owner) in [(CABLE, &machine), (far.as_str(), to)] {
            middle.ip(&["link", "set", device, "netns", owner.name()]);
            owner.ip(&["link", "set", device, "up"]);
        }
        machine.ip(&["address", "add", &format!("{BEHIND}/32"), "dev", CABLE]);
        machine.ip(&["route", "add", "default", "dev", CABLE]);
        to.ip(&["route", "add", &outside.to_string(), "dev", &far]);
        Self {
            program,
            machine,
            _middle: middle,
        }
    }

    /// Has a command carried out: `cut`, `mend`, `rebind`, or other conditions.
    ///
    /// # Panics
    /// When it is not.
    pub fn order(&mut self, command: &str) {
        let stdin = self.program.stdin.as_mut().expect("its standard input");
        writeln!(stdin, "{command}").expect("it reads");
        assert_eq!(self.program.line(Duration::from_secs(20)), "done");
    }

    /// Ends it; gives back what it says of its packets.
    ///
    /// # Panics
    /// When it does not end by itself.
    pub fn end(&mut self) -> String {
        drop(self.program.stdin.take());
        let ended = self.program.wait(Duration::from_secs(20));
        assert!(ended.success(), "{}", self.program.stderr());
        let lines = std::iter::from_fn(|| self.program.try_line(Duration::from_secs(1)));
        lines.collect::<Vec<_>>().join("\n")
    }
}
