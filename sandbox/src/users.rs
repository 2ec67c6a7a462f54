//! Who may log in, and how that is checked.

/// The password of every user unless another one is given: this is a sandbox, and the README says so.
pub(crate) const PASSWORD: &str = "sandbox";
/// What the name of a user with a number begins with.
const PREFIX: &str = "demo-";

/// `demo-1` to `demo-9`.
pub(crate) fn is_user(name: &str) -> bool {
    name.strip_prefix(PREFIX)
        .is_some_and(|number| matches!(number.as_bytes(), [b'1'..=b'9']))
}

/// The user that a login name means: the part before an `@`, if that is a user here.
pub(crate) fn named(login: &str) -> Option<&str> {
    let name = login.split_once('@').map_or(login, |(name, _)| name);
    is_user(name).then_some(name)
}

/// Compares two secrets in a time that does not tell how much of them is the same.
pub(crate) fn is_same(given: &str, right: &str) -> bool {
    let difference = given
        .bytes()
        .zip(right.bytes())
        .fold(given.len() ^ right.len(), |sum, (a, b)| {
            sum | usize::from(a ^ b)
        });
    difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_nine_users_exist_with_or_without_host() {
        assert_eq!(named("demo-1"), Some("demo-1"));
        assert_eq!(named("demo-9@sandbox.example"), Some("demo-9"));
        for wrong in [
            "demo-0", "demo-10", "demo", "Demo-1", "demo-1 ", "", "@", "x@demo-1",
        ] {
            assert_eq!(named(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn passwords_compare_whole() {
        assert!(is_same("sandbox", PASSWORD));
        for wrong in ["", "sandbo", "sandboxx", "Sandbox", "sandboy"] {
            assert!(!is_same(wrong, PASSWORD), "{wrong}");
        }
    }
}
