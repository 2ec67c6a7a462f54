//! Lists: pages, filters, order, and the limit of a tag.

use serde_json::{Value, json};

use super::desk::Desk;
use crate::rest::settings::{Choices, RestSettings};

fn names(list: &Value) -> Vec<&str> {
    let data = list["data"].as_array().unwrap();
    data.iter()
        .map(|item| item["name"].as_str().unwrap())
        .collect()
}

#[test]
fn pages_have_figures_and_end_with_an_empty_one() {
    let mut desk = Desk::new(RestSettings::default());
    let connection = desk.connection();
    for number in 0..60 {
        desk.credential(&connection, &format!("user-{number}"), "t");
    }
    let (status, first) = desk.get("/telephony_credentials");
    assert_eq!(status, 200);
    assert_eq!(
        first["meta"],
        json!({ "page_number": 1, "page_size": 50, "total_pages": 2, "total_results": 60 })
    );
    assert_eq!(names(&first)[0], "user-59", "the newest first");
    let (_, second) = desk.get("/telephony_credentials?page%5Bnumber%5D=2");
    assert_eq!(names(&second).len(), 10);
    let (status, past) = desk.get("/telephony_credentials?page[number]=9");
    assert_eq!((status, names(&past).len()), (200, 0));
    let (_, capped) = desk.get("/telephony_credentials?page[size]=1000");
    assert_eq!(capped["meta"]["page_size"], 250);
    for wrong in ["page[number]=0", "page[size]=0", "page[size]=x"] {
        let (status, answer) = desk.get(&format!("/telephony_credentials?{wrong}"));
        assert_eq!(
            (status, &answer["errors"][0]["code"]),
            (400, &json!("10015"))
        );
    }
    let (_, connections) = desk.get("/credential_connections");
    assert_eq!(connections["meta"]["page_size"], 250);
}

#[test]
fn five_filters_narrow_a_list() {
    let mut desk = Desk::new(RestSettings::default());
    let connection = desk.connection();
    let one = desk.credential(&connection, "one", "red");
    desk.credential(&connection, "two", "red");
    desk.credential(&connection, "two", "blue");
    let username = one["sip_username"].as_str().unwrap();
    for (filter, count) in [
        ("filter[name]=two".to_owned(), 2),
        ("filter[tag]=red".to_owned(), 2),
        ("filter[tag]=red&filter[name]=two".to_owned(), 1),
        ("filter[status]=active".to_owned(), 3),
        ("filter[status]=expired".to_owned(), 0),
        (format!("filter[sip_username]={username}"), 1),
        (format!("filter[resource_id]=connection:{connection}"), 3),
        (format!("filter[resource_id]={connection}"), 0),
    ] {
        let (_, list) = desk.get(&format!("/telephony_credentials?{filter}"));
        assert_eq!(names(&list).len(), count, "{filter}");
    }
}

#[test]
fn connections_are_found_by_part_of_their_name() {
    let mut desk = Desk::new(RestSettings::default());
    desk.connection();
    let url = "/credential_connections?filter[connection_name][contains]=";
    let count = |answer: (u16, Value)| answer.1["data"].as_array().map(Vec::len);
    assert_eq!(count(desk.get(&format!("{url}DES"))), Some(1));
    assert_eq!(count(desk.get(&format!("{url}other"))), Some(0));
    assert_eq!(desk.get(&format!("{url}de")).0, 400);
    assert_eq!(desk.get("/credential_connections?sort=colour").0, 400);
}

#[test]
fn a_tag_is_full_at_its_limit() {
    let mut desk = Desk::new(RestSettings {
        choices: Choices {
            tag_limit: 2,
            ..Choices::default()
        },
        ..RestSettings::default()
    });
    let connection = desk.connection();
    desk.credential(&connection, "a", "t");
    desk.credential(&connection, "b", "t");
    let body = json!({ "connection_id": connection, "tag": "t" });
    let (status, answer) = desk.ask("POST", "/telephony_credentials", body);
    assert_eq!(status, 422);
    assert_eq!(answer["errors"][0]["source"]["pointer"], "/tag");
    desk.credential(&connection, "c", "other");
}
