//! Keys of an account at a SIP server.

use super::{Folder, assert_has};

fn account(keys: &str) -> String {
    format!(
        "[[account]]\nname = \"desk\"\ndialect = \"sip\"\nserver = \"wss://pbx.example.com\"\nlogin = \"alice\"\n\
         password_file = \"password\"\n{keys}\n"
    )
}

#[test]
fn feature_tags_are_names_with_or_without_a_value() {
    let folder = Folder::new();
    let keys = "feature_tags = [\"+sip.pnsreg\", \"methods=INVITE,BYE\", \"+sip.extensions=a=b\"]";
    let config = folder.load(&account(keys)).unwrap();
    let tag = |name: &str, said: Option<&str>| (name.to_owned(), said.map(str::to_owned));
    assert_eq!(
        config.accounts[0].sip.feature_tags,
        [
            tag("+sip.pnsreg", None),
            tag("methods", Some("INVITE,BYE")),
            tag("+sip.extensions", Some("a=b")),
        ]
    );
    for (written, why) in [
        ("", "its name is none"),
        ("+", "its name is none"),
        ("a b", "its name is none"),
        ("audio;expires=1", "its name is none"),
        ("Expires=1", "offhook says that itself"),
        ("+sip.instance=x", "offhook says that itself"),
        ("class=a\\r\\nb", "a control character stands in it"),
    ] {
        let told = folder.refusal(&account(&format!("feature_tags = [\"{written}\"]")));
        assert_has(&told, &["feature_tags", why, "line 7"]);
    }
}
