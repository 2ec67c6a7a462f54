//! A fault plan as a file: one `NAME=VALUE` a line, comments behind `#`.

use std::str::FromStr;

use crate::fault::plan::Fault;

/// The wishes of one file; made of its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FaultFile(pub(crate) Vec<Fault>);

impl FromStr for FaultFile {
    type Err = String;

    fn from_str(path: &str) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            format!("the fault plan {path} cannot be read: {error}; name a file that is there")
        })?;
        read(&text)
            .map(Self)
            .map_err(|(line, error)| format!("{path}, line {line}: {error}"))
    }
}

/// An error comes with the number of its line, from 1.
fn read(text: &str) -> Result<Vec<Fault>, (usize, String)> {
    let lines = text.lines().enumerate().filter_map(|(index, line)| {
        let wish = line.split_once('#').map_or(line, |(wish, _)| wish).trim();
        (!wish.is_empty()).then_some((index + 1, wish))
    });
    lines
        .map(|(number, wish)| wish.parse().map_err(|error| (number, error)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_wish_and_comments_are_not() {
        let text = "# a bad day\n\ndrop-after=5:1   # once\r\n  rest-500=3\n";
        let wishes = read(text).unwrap();
        let expected = ["drop-after=5:1", "rest-500=3"].map(|wish| wish.parse().unwrap());
        assert_eq!(wishes, expected);
    }

    #[test]
    fn a_wrong_line_is_named_by_file_and_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan");
        std::fs::write(&path, "stall=5\n# fine\nstall=fast\n").unwrap();
        let path = path.to_str().unwrap();
        let error = path.parse::<FaultFile>().unwrap_err();
        assert!(
            error.starts_with(&format!("{path}, line 3: stall wants milliseconds")),
            "{error}"
        );
        let error = "/nowhere/plan".parse::<FaultFile>().unwrap_err();
        assert!(error.contains("/nowhere/plan cannot be read"), "{error}");
    }
}
