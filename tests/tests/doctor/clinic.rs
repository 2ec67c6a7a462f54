//! Runs the doctor on a configuration, as text and as JSON, and lets a test ask for findings.

use std::path::{Path, PathBuf};
use std::process::Command;

use offhook_tests::daemon::Config;
use offhook_tests::program::{path_of, run};
use serde_json::Value;

/// What the doctor said.
#[derive(Debug)]
pub(crate) struct Examined {
    pub(crate) code: Option<i32>,
    pub(crate) report: Value,
    /// The same as text.
    pub(crate) text: String,
}

/// Writes the configuration where the daemon of a test would find it.
pub(crate) fn write(config: &Config) -> PathBuf {
    let file = config.folder().join("offhookd.toml");
    std::fs::write(&file, config.text()).expect("the configuration");
    file
}

/// Examines it in both forms.
pub(crate) fn examine(config: &Config, arguments: &[&str]) -> Examined {
    examine_file(&write(config), config.folder(), arguments)
}

/// The same with another environment.
pub(crate) fn examine_within(
    config: &Config,
    arguments: &[&str],
    environment: &[(&str, &Path)],
) -> Examined {
    let file = write(config);
    let run = |more: &[&str]| {
        let output = Command::new(path_of("offhookd"))
            .args(["doctor", "--config"])
            .arg(&file)
            .args(arguments)
            .args(more)
            .envs(environment.iter().copied())
            .output()
            .expect("offhookd starts");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), text)
    };
    let (code, text) = run(&[]);
    let (_, json) = run(&["--json"]);
    let report = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{json:?}: {error}"));
    Examined { code, report, text }
}

/// The same for a file.
pub(crate) fn examine_file(file: &Path, folder: &Path, arguments: &[&str]) -> Examined {
    let file = file.to_str().expect("a path that is text");
    let mut all = vec!["doctor", "--config", file];
    all.extend(arguments);
    let (code, text, complained) = run("offhookd", &all, folder);
    assert_eq!(complained, "", "nothing but the report is printed");
    all.push("--json");
    let (code_of_json, json, complained) = run("offhookd", &all, folder);
    assert_eq!(complained, "");
    assert_eq!(code, code_of_json, "{text}\n{json}");
    let report = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{json:?}: {error}"));
    Examined { code, report, text }
}

impl Examined {
    /// The codes that were found, in their order.
    pub(crate) fn codes(&self) -> Vec<&str> {
        let findings = self.report["findings"].as_array().expect("a list");
        findings
            .iter()
            .map(|finding| finding["code"].as_str().expect("a code"))
            .collect()
    }

    /// The one finding of this code.
    #[track_caller]
    pub(crate) fn finding(&self, code: &str) -> &Value {
        let findings = self.report["findings"].as_array().expect("a list");
        let mut of_code = findings.iter().filter(|finding| finding["code"] == code);
        let Some(finding) = of_code.next() else {
            panic!("no {code} in {}", self.report);
        };
        assert!(of_code.next().is_none(), "{code} twice in {}", self.report);
        assert!(
            self.text.contains(&format!(": {code}\n")),
            "no {code} in the text:\n{}",
            self.text
        );
        for key in ["what", "why", "remedy"] {
            let words = finding[key].as_str().unwrap_or_default();
            assert!(!words.is_empty(), "no {key} in {finding}");
            // The text is of another run, in which a clock may show another second.
            let stable: String = words.chars().take(30).collect();
            assert!(
                self.text.contains(&stable),
                "no {stable:?} in {}",
                self.text
            );
        }
        finding
    }

    /// Nothing was found, and nothing printed.
    #[track_caller]
    pub(crate) fn is_well(&self) {
        assert_eq!(self.codes(), [""; 0], "{}", self.text);
        assert_eq!((self.code, self.text.as_str()), (Some(0), ""));
    }

    /// This was found and nothing else; its account and line are those of the text.
    #[track_caller]
    pub(crate) fn has_only(&self, code: &str, config: &Config, account: &str, line: &str) {
        assert_eq!(self.codes(), [code], "{}", self.text);
        self.has(code, config, account, line);
    }

    /// This was found, of this account, in the line that begins so.
    #[track_caller]
    pub(crate) fn has(&self, code: &str, config: &Config, account: &str, line: &str) {
        let place = &self.finding(code)["where"];
        if account.is_empty() {
            assert_eq!(place.get("account"), None);
        } else {
            assert_eq!(place["account"], account);
        }
        let file = config.folder().join("offhookd.toml");
        assert_eq!(place["file"], file.to_str().expect("a path that is text"));
        let number = place["line"].as_u64().expect("a line");
        let number = usize::try_from(number).expect("a small number");
        let text = config.text();
        let found = text.lines().nth(number - 1).unwrap_or_default();
        assert!(found.starts_with(line), "line {number} is {found:?}");
        assert!(
            self.text.contains(&format!("line {number}")),
            "{}",
            self.text
        );
    }

    /// No secret was printed.
    #[track_caller]
    pub(crate) fn hides(&self, secret: &str) {
        assert!(!self.text.contains(secret), "{}", self.text);
        assert!(!self.report.to_string().contains(secret));
    }
}
