//! Runs a program that prints a token.

use std::process::Stdio;

use offhook_signaling::secret::Secret;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::timeout;

use crate::token_source::{LONGEST_ANSWER, TokenCommand, TokenError};

/// How much of its standard error is told.
const STDERR_SHOWN: usize = 400;

pub(super) async fn run(wanted: &TokenCommand) -> Result<Secret, TokenError> {
    let program = wanted.program().to_owned();
    let start = |error| TokenError::Start {
        program: program.clone(),
        error,
    };
    let mut child = Command::new(wanted.program())
        .args(wanted.argv.iter().skip(1))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Given up in the middle, it must not live on.
        .kill_on_drop(true)
        .spawn()
        .map_err(start)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let work = async {
        let (answer, complaint) = tokio::join!(
            read(stdout, LONGEST_ANSWER + 1),
            read(stderr, LONGEST_ANSWER)
        );
        Ok::<_, std::io::Error>((answer, complaint, child.wait().await?))
    };
    let (answer, complaint, status) = timeout(wanted.time_limit, work)
        .await
        .map_err(|_| TokenError::TimeLimit {
            source_name: format!("the command `{program}`"),
            limit: wanted.time_limit,
        })?
        .map_err(start)?;
    if answer.len() > LONGEST_ANSWER {
        return Err(TokenError::TooLong {
            source_name: format!("the command `{program}`"),
        });
    }
    if !status.success() {
        return Err(TokenError::Status {
            program,
            status: status.to_string(),
            stderr: shown(&complaint),
        });
    }
    let text = String::from_utf8(answer).map_err(|_| TokenError::NoToken {
        source_name: format!("the command `{program}`"),
        why: "what it printed is not UTF-8 text".to_owned(),
    })?;
    Ok(Secret::new(text))
}

/// Up to `limit` bytes; the pipe is closed behind them, which ends a program that never stops printing.
async fn read(pipe: Option<impl AsyncRead + Unpin>, limit: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What came before an error is as good as it gets.
        let _ = pipe.take(limit as u64).read_to_end(&mut bytes).await;
    }
    bytes
}

/// The end of what the program complained about, on one line.
fn shown(complaint: &[u8]) -> String {
    let text = String::from_utf8_lossy(complaint);
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ").replace(char::is_control, "");
    let skipped = line.chars().count().saturating_sub(STDERR_SHOWN);
    line.chars().skip(skipped).collect()
}
