//! Whether somebody can be reached: PIDF, the presence information data format (RFC 3863), both ways.

use std::fmt::Write as _;

use roxmltree::Node;
use serde_json::{Value, json};

use crate::sip::subscription::xml::{self, BadDocument, attribute, child, children, text};

/// Most tuples and activities that are looked at.
const MOST: usize = 64;

/// Reads a document into the form that an event shows.
pub fn read(body: &str) -> Result<Value, BadDocument> {
    let document = xml::read(body)?;
    let root = document.root_element();
    if root.tag_name().name() != "presence" {
        return Err(BadDocument("it is no presence".to_owned()));
    }
    let tuples: Vec<Value> = children(root, "tuple").take(MOST).map(tuple).collect();
    let known: Vec<bool> = tuples
        .iter()
        .filter_map(|tuple| tuple["open"].as_bool())
        .collect();
    let open = (!known.is_empty()).then(|| known.contains(&true));
    let note = child(root, "note")
        .and_then(text)
        .or_else(|| child(child(root, "person")?, "note").and_then(text))
        .or_else(|| {
            tuples
                .iter()
                .find_map(|tuple| tuple["note"].as_str().map(str::to_owned))
        });
    // RFC 4480: what the person does; servers say here that it is on the phone.
    let activities: Vec<String> = root
        .descendants()
        .filter(|node| node.is_element() && node.tag_name().name() == "activities")
        .flat_map(|node| node.children())
        .filter(|node| node.is_element() && node.tag_name().name() != "note")
        .map(|node| node.tag_name().name().to_owned())
        .take(MOST)
        .collect();
    Ok(json!({
        "kind": "presence",
        "entity": attribute(root, "entity"),
        "open": open,
        "note": note,
        "activities": activities,
        "tuples": tuples,
    }))
}

fn tuple(node: Node<'_, '_>) -> Value {
    let basic = child(node, "status").and_then(|status| text(child(status, "basic")?));
    let open = match basic.as_deref().map(str::to_ascii_lowercase).as_deref() {
        Some("open") => Some(true),
        Some("closed") => Some(false),
        Some(_) | None => None,
    };
    json!({
        "id": attribute(node, "id"),
        "open": open,
        "contact": child(node, "contact").and_then(text),
        "note": child(node, "note").and_then(text),
    })
}

/// Writes what we show of ourselves.
pub fn write(entity: &str, contact: &str, open: bool, note: Option<&str>) -> String {
    let basic = if open { "open" } else { "closed" };
    let mut document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
         <presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"{}\"><tuple id=\"offhook\">\
         <status><basic>{basic}</basic></status><contact>{}</contact>",
        escape(entity),
        escape(contact)
    );
    if let Some(note) = note {
        // Writing to a String cannot fail.
        let _ = write!(document, "<note>{}</note>", escape(note));
    }
    document.push_str("</tuple></presence>\r\n");
    document
}

/// What may not stand in XML 1.0 at all is left out.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            control if control.is_control() => {}
            '\u{fffe}' | '\u{ffff}' => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_document_of_a_server_is_read() {
        let body = "<?xml version=\"1.0\"?>\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" \
            xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" \
            entity=\"sip:bob@example.com\"><tuple id=\"a\"><status><basic>closed</basic></status></tuple>\
            <tuple id=\"b\"><status><basic> open </basic></status><contact priority=\"0.8\">sip:bob@x</contact>\
            <note>at &lt;lunch&gt;</note></tuple><dm:person id=\"p\"><rpid:activities><rpid:on-the-phone/></rpid:activities>\
            </dm:person></presence>";
        let read = read(body).unwrap();
        assert_eq!(read["open"], true);
        assert_eq!(read["note"], "at <lunch>");
        assert_eq!(read["activities"], json!(["on-the-phone"]));
        assert_eq!(
            read["tuples"][0],
            json!({"id": "a", "open": false, "contact": null, "note": null})
        );
        assert_eq!(read["tuples"][1]["contact"], "sip:bob@x");
    }

    #[test]
    fn nothing_known_is_neither_open_nor_closed() {
        assert_eq!(read("<presence/>").unwrap()["open"], Value::Null);
        assert!(read("<dialog-info/>").is_err());
    }

    proptest! {
        #[test]
        fn what_we_write_can_be_read(open in any::<bool>(), note in any::<String>()) {
            let text = write("pres:a@b", "sip:a@b;x=\"<>&", open, Some(&note));
            let read = read(&text).unwrap();
            prop_assert_eq!(&read["open"], &json!(open));
            prop_assert_eq!(&read["tuples"][0]["contact"], &json!("sip:a@b;x=\"<>&"));
        }
    }
}
