//! The token endpoint as a process, and what a caller asks of it.

use offhook_tests::program::Program;
use serde_json::Value;

use crate::http::{Reply, plain};
use crate::world::{LIMIT, World};

/// A running endpoint.
pub(crate) struct Endpoint {
    pub(crate) program: Program,
    pub(crate) address: String,
}

impl Endpoint {
    pub(crate) fn start(world: &World, line: &str) -> Self {
        let mut program = world.start(&format!("serve --listen 127.0.0.1:0 {line}"));
        let ready: Value = serde_json::from_str(&program.line(LIMIT)).expect("its ready line");
        let url = ready["token_url"].as_str().expect("its URL");
        let address = url.split('/').nth(2).expect("HOST:PORT").to_owned();
        Self { program, address }
    }

    pub(crate) fn token(&self, secret: &str) -> Reply {
        let bearer = format!("Bearer {secret}");
        plain(&self.address, "POST /token", &[("authorization", &bearer)])
    }

    pub(crate) fn figure(&self, name: &str) -> u64 {
        let text = plain(&self.address, "GET /metrics", &[]).body;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let value = line.unwrap_or_else(|| panic!("no {name} in {text}"));
        value.trim().parse().expect("a number")
    }
}
