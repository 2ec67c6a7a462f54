//! The commands of a FreeSWITCH that its directory allows here: `status` and `echo`, as JSON and as text.

use offhook_signaling::verto::rpc::Request;
use serde_json::{Value, json};

use crate::verto::frames::PERMISSION_DENIED;
use crate::verto::gateway::Gateway;
use crate::verto::socket::SocketId;

impl Gateway {
    pub(super) fn on_jsapi(&mut self, socket: SocketId, request: &Request) {
        let id = request.id.clone();
        let command = request.params.get("command").and_then(Value::as_str);
        let data = request.params.get("data").filter(|data| data.is_object());
        match (command, data) {
            (Some("status"), Some(_)) => {
                let sessions = self.sessions.len();
                let status = json!({"systemStatus": "ready", "version": "sandbox",
                    "sessions": {"count": {"active": sessions}}});
                self.reply(socket, id, &status);
            }
            (Some("echo"), Some(data)) => self.reply(socket, id, &data.clone()),
            _ => self.refuse(socket, id, PERMISSION_DENIED, "Permission Denied"),
        }
    }

    pub(super) fn on_fsapi(&mut self, socket: SocketId, request: &Request) {
        let id = request.id.clone();
        let text = |name: &str| request.params.get(name).and_then(Value::as_str);
        let message = match text("cmd") {
            Some("status") => format!("UP 0 years, 0 days\n{} session(s)\n", self.sessions.len()),
            Some("echo") => text("arg").unwrap_or_default().to_owned(),
            Some("bgapi" | "eval" | "system") => {
                return self.refuse(socket, id, PERMISSION_DENIED, "Permission Denied");
            }
            _ => "INVALID CALL".to_owned(),
        };
        self.reply(socket, id, &json!({ "message": message }));
    }
}
