//! XML documents of strangers, within limits that are counted before anything is built.

use roxmltree::{Document, Node, ParsingOptions};

/// Longest document in bytes.
pub const MAX_BYTES: usize = 64 * 1024;
/// Most elements, end tags and comments counted too.
pub const MAX_TAGS: usize = 4096;
/// Most attributes, the equal signs in texts counted too.
pub const MAX_ATTRIBUTES: usize = 4096;

/// The document is none, or more than one may be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the document cannot be read: {0}")]
pub struct BadDocument(pub String);

/// Reads a document. Declarations of types and entities are refused: no document that is meant here has any.
pub fn read(body: &str) -> Result<Document<'_>, BadDocument> {
    let count = |wanted: u8| body.bytes().filter(|byte| *byte == wanted).count();
    let too_much = |what| Err(BadDocument(format!("it has more {what} than are taken")));
    if body.len() > MAX_BYTES {
        return too_much("bytes");
    }
    if count(b'<') > MAX_TAGS {
        return too_much("tags");
    }
    if count(b'=') > MAX_ATTRIBUTES {
        return too_much("attributes");
    }
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: u32::try_from(2 * MAX_TAGS).unwrap_or(u32::MAX),
        ..ParsingOptions::default()
    };
    Document::parse_with_options(body.trim_start_matches('\u{feff}').trim_start(), options)
        .map_err(|error| BadDocument(error.to_string()))
}

/// The first child element of that name, whatever its namespace: senders get these wrong.
pub(in crate::sip) fn child<'a, 'input>(
    node: Node<'a, 'input>,
    name: &str,
) -> Option<Node<'a, 'input>> {
    children(node, name).next()
}

/// The child elements of that name.
pub(in crate::sip) fn children<'a, 'input>(
    node: Node<'a, 'input>,
    name: &str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children()
        .filter(move |child| child.is_element() && child.tag_name().name() == name)
}

/// The text of an element without the blanks around it; `None` when there is none.
pub(in crate::sip) fn text(node: Node<'_, '_>) -> Option<String> {
    let text = node.text()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// An attribute that says something.
pub(in crate::sip) fn attribute(node: Node<'_, '_>, name: &str) -> Option<String> {
    let value = node.attribute(name)?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bombs_and_files_are_refused_before_they_are_opened() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;\">]><a>&c;</a>";
        let file = "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>";
        for bad in [
            bomb,
            file,
            "<a>&unknown;</a>",
            "<a>",
            "",
            "no document",
            "<a/><b/>",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read(&"<a>".repeat(5000)).is_err());
        assert!(read(&format!("<a {}/>", "b='' ".repeat(5000))).is_err());
        assert!(read(&format!("<a>{}</a>", "x".repeat(70_000))).is_err());
    }

    #[test]
    fn deep_documents_are_read_or_refused_without_a_crash() {
        let deep = format!("{}{}", "<a>".repeat(2000), "</a>".repeat(2000));
        assert!(read(&deep).is_ok());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(body in "\\PC{0,200}") {
            let _ = read(&body);
            let _ = read(&format!("<a>{body}</a>"));
            let _ = read(&format!("<a b=\"{body}\"/>"));
        }
    }
}
