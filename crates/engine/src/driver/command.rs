//! Runs programs: without a shell, within their time, their output bounded, nothing of them left behind.

use std::io;
use std::process::Stdio;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, Command};
use tokio::time::timeout;

use crate::command_line::{CommandError, CommandLine};

/// How much of its standard error is told, in characters.
const STDERR_SHOWN: usize = 400;
/// How much of it is kept for that, in bytes.
const STDERR_KEPT: usize = 4 * STDERR_SHOWN;

/// Runs a program with this on its standard input; gives back what it printed, `longest` bytes at most.
pub(crate) async fn run(
    wanted: &CommandLine,
    input: Option<String>,
    longest: usize,
) -> Result<String, CommandError> {
    let program = || wanted.program().to_owned();
    let start = |error| CommandError::Start {
        program: program(),
        error,
    };
    let mut child = Command::new(wanted.program())
        .args(wanted.argv.iter().skip(1))
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(start)?;
    let mut group = Group::of(child.id());
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let work = async {
        let answer = async {
            let answer = read(stdout, longest + 1).await;
            // Not waited for: who prints without end would do so until its time is over.
            (answer.len() <= longest)
                .then_some(answer)
                .ok_or(Fault::TooLong)
        };
        let complaint = async { Ok(read_end(stderr, STDERR_KEPT).await) };
        let (answer, complaint) = tokio::try_join!(answer, complaint)?;
        let status = child.wait().await.map_err(Fault::Wait)?;
        Ok((answer, complaint, status))
    };
    let work = async {
        tokio::select! {
            done = work => done,
            // It may end without having read everything.
            never = feed(stdin, input.unwrap_or_default()) => match never {},
        }
    };
    let outcome = timeout(wanted.time_limit, work).await;
    let (answer, complaint, status) = match outcome {
        Ok(Ok(done)) => done,
        Ok(Err(Fault::TooLong)) => {
            return Err(CommandError::TooLong {
                program: program(),
                limit: longest,
            });
        }
        Ok(Err(Fault::Wait(error))) => return Err(start(error)),
        Err(_) => {
            return Err(CommandError::TimeLimit {
                program: program(),
                limit: wanted.time_limit,
            });
        }
    };
    // It ended by itself; what it meant to leave running goes on.
    group.spare();
    if !status.success() {
        return Err(CommandError::Status {
            program: program(),
            status: status.to_string(),
            stderr: shown(&complaint),
        });
    }
    String::from_utf8(answer).map_err(|_| CommandError::NotText { program: program() })
}

enum Fault {
    TooLong,
    Wait(io::Error),
}

/// A program and all that it started; killed when it is given up in the middle. Declared after the child, so that it is
/// dropped before: until the child was waited for, its number is nobody else's.
struct Group(Option<Pid>);

impl Group {
    fn of(child: Option<u32>) -> Self {
        Self(
            child
                .and_then(|id| i32::try_from(id).ok())
                .map(Pid::from_raw),
        )
    }

    fn spare(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Whoever is gone already needs no signal.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

enum Never {}

/// Writes the input and closes it; never comes back, since nobody waits for that.
async fn feed(stdin: Option<ChildStdin>, input: String) -> Never {
    if let Some(mut stdin) = stdin {
        // A program that does not read its input needs none.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    std::future::pending().await
}

/// Up to `limit` bytes.
async fn read(pipe: Option<impl AsyncRead + Unpin>, limit: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What came before an error is as good as it gets.
        let _ = pipe.take(limit as u64).read_to_end(&mut bytes).await;
    }
    bytes
}

/// Everything, of which the last `kept` bytes are kept: a closed pipe would end a program that only says too much.
async fn read_end(pipe: Option<impl AsyncRead + Unpin>, kept: usize) -> Vec<u8> {
    let mut end = Vec::new();
    let Some(mut pipe) = pipe else { return end };
    let mut room = [0; 4096];
    while let Ok(length @ 1..) = pipe.read(&mut room).await {
        end.extend_from_slice(room.get(..length).unwrap_or_default());
        let spare = end.len().saturating_sub(kept);
        end.drain(..spare);
    }
    end
}

/// The end of what the program complained about, on one line.
fn shown(complaint: &[u8]) -> String {
    let text = String::from_utf8_lossy(complaint);
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ").replace(char::is_control, "");
    let skipped = line.chars().count().saturating_sub(STDERR_SHOWN);
    line.chars().skip(skipped).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn shell(script: &str) -> CommandLine {
        CommandLine {
            argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
            time_limit: Duration::from_secs(20),
        }
    }

    #[tokio::test]
    async fn what_goes_in_comes_out() {
        let input = "x".repeat(200_000);
        let output = run(&shell("cat"), Some(input.clone()), 300_000).await;
        assert_eq!(output.unwrap(), input);
        // And nobody has to read it.
        let output = run(&shell("echo fine"), Some(input), 100).await;
        assert_eq!(output.unwrap(), "fine\n");
        assert_eq!(run(&shell("cat"), None, 100).await.unwrap(), "");
    }

    #[tokio::test]
    async fn each_failure_is_told_by_its_own_words() {
        let told = |outcome: Result<String, CommandError>| outcome.unwrap_err().to_string();
        let fails = "yes 'a word or two' | head -c 300000 >&2; echo the last word >&2; exit 4";
        let failed = told(run(&shell(fails), None, 100).await);
        assert!(
            failed.contains("exit status: 4") && failed.ends_with("the last word"),
            "{failed}"
        );
        assert!(failed.len() < 600, "{failed}");
        let endless = told(
            run(
                &shell("trap '' PIPE; while :; do echo too much; done"),
                None,
                1000,
            )
            .await,
        );
        assert!(endless.contains("more than 1000 bytes"), "{endless}");
        let rubbish = told(run(&shell(r"printf '\377\376'"), None, 100).await);
        assert!(rubbish.contains("not UTF-8"), "{rubbish}");
        let missing = CommandLine {
            argv: vec!["/nowhere/tool".to_owned(), "s3cret".to_owned()],
            time_limit: Duration::from_secs(1),
        };
        let missing = told(run(&missing, None, 100).await);
        assert!(
            missing.contains("/nowhere/tool") && !missing.contains("s3cret"),
            "{missing}"
        );
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_ended_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        // The second process keeps the pipes open: only its end closes them.
        let script = format!("sleep 600 & echo $! >{}; wait", file.display());
        let wanted = CommandLine {
            time_limit: Duration::from_millis(500),
            ..shell(&script)
        };
        let told = run(&wanted, None, 100).await.unwrap_err().to_string();
        assert!(told.contains("did not end within 0.5 s"), "{told}");
        let id = std::fs::read_to_string(&file).unwrap();
        let gone = async {
            // Until somebody waits for it, a killed process stays as a zombie.
            let state = format!("/proc/{}/stat", id.trim());
            while std::fs::read_to_string(&state).is_ok_and(|line| !line.contains(") Z")) {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(20), gone)
            .await
            .expect("it is gone");
    }
}
