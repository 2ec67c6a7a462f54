//! Posts the parts of call reports to the host of the account's server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::call_report::collector::Segment;
use crate::driver::https;

/// A post that failed is repeated after these times.
const REPEATS: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];
/// How long one post may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Where the reports of an account go.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    /// `https://HOST/call_report`.
    url: String,
    ca_file: Option<PathBuf>,
}

impl Destination {
    /// At the host of a `ws://` or `wss://` URL.
    pub(crate) fn at(server: &str, ca_file: Option<PathBuf>) -> Self {
        Self {
            url: url_at(server),
            ca_file,
        }
    }

    /// From now on at the host of this URL, such as a region's.
    pub(crate) fn move_to(&mut self, server: &str) {
        self.url = url_at(server);
    }
}

fn url_at(server: &str) -> String {
    let (scheme, rest) = server.split_once("://").unwrap_or(("wss", server));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let secure = if scheme == "ws" { "http" } else { "https" };
    format!("{secure}://{authority}/call_report")
}

/// Posts a part, in its turn; gives up after the last repeat, with a word in the log.
pub(crate) async fn post(
    segment: Segment,
    destination: Destination,
    voice_sdk_id: Option<String>,
    turns: Arc<Semaphore>,
) {
    // The semaphore is never closed; without a turn the part would merely be posted at once.
    let _turn = turns.acquire_owned().await.ok();
    let segment = Arc::new(segment);
    let mut repeats = REPEATS.into_iter();
    loop {
        let (part, to, instance) = (
            Arc::clone(&segment),
            destination.clone(),
            voice_sdk_id.clone(),
        );
        let posted = spawn_blocking(move || post_once(&part, &to, instance.as_deref())).await;
        let fault = match posted {
            Ok(Ok(())) => return,
            Ok(Err(fault)) => fault,
            Err(_) => "it was broken off".to_owned(),
        };
        let Some(pause) = repeats.next() else {
            let (account, call) = (&segment.account, segment.call.as_str());
            return tracing::warn!(%account, call, fault, "the call's report could not be posted");
        };
        sleep(pause).await;
    }
}

fn post_once(
    segment: &Segment,
    destination: &Destination,
    voice_sdk_id: Option<&str>,
) -> Result<(), String> {
    let agent =
        https::agent(destination.ca_file.as_deref(), LIMIT).map_err(|error| error.to_string())?;
    let mut request = agent
        .post(&destination.url)
        .header("content-type", "application/json")
        .header("x-call-report-id", &segment.report_id)
        .header("x-call-id", segment.call.as_str());
    if let Some(instance) = voice_sdk_id {
        request = request.header("x-voice-sdk-id", instance);
    }
    let response = request
        .send(&segment.body[..])
        .map_err(|error| error.to_string())?;
    match response.status().as_u16() {
        200..300 => Ok(()),
        status => Err(format!("HTTP status {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::Destination;

    #[test]
    fn reports_go_to_the_host_of_the_server() {
        for (server, url) in [
            ("wss://rtc.telnyx.com", "https://rtc.telnyx.com/call_report"),
            (
                "wss://rtc.telnyx.com:443/?a=b",
                "https://rtc.telnyx.com:443/call_report",
            ),
            ("ws://[::1]:8081/x", "http://[::1]:8081/call_report"),
        ] {
            assert_eq!(Destination::at(server, None).url, url);
        }
        let mut destination = Destination::at("wss://rtc.telnyx.com", None);
        destination.move_to("wss://eu.rtc.telnyx.com/?voice_sdk_id=x");
        assert_eq!(destination.url, "https://eu.rtc.telnyx.com/call_report");
    }
}
