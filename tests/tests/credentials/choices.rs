//! Where the API's behaviour is not documented, the client lives with either; and what no command uses.

use std::time::{Duration, SystemTime};

use offhook_credentials::api::connection::{Connection, ConnectionFilter, NewConnection};
use offhook_credentials::api::credential::{Credential, CredentialChange, NewCredential};
use offhook_credentials::api::error::Error;
use offhook_credentials::api::registration::NameOf;
use offhook_credentials::secret::Secret;
use serde_json::{Map, json};

use crate::http::plain;
use crate::world::{World, eventually};

fn choosing(choice: &str) -> World {
    World::new(&["--fresh-delay", "0", "--rest-choice", choice])
}

fn credential(
    world: &World,
    connection: &str,
    life: Option<Duration>,
) -> Result<Credential, Error> {
    world.client.create_credential(&NewCredential {
        connection_id: connection.to_owned(),
        name: "desk".to_owned(),
        tag: "desks".to_owned(),
        expires_at: life.map(|life| SystemTime::now() + life),
    })
}

fn connection(world: &World, name: &str, user: &str) -> Connection {
    let fields = json!({ "outbound": { "outbound_voice_profile_id": "77" } });
    let made = world.client.create_connection(&NewConnection {
        name: name.to_owned(),
        user_name: user.to_owned(),
        password: Secret::new("long-enough"),
        fields: fields.as_object().cloned().unwrap_or_default(),
    });
    made.expect("a connection")
}

#[track_caller]
fn status(outcome: Result<impl std::fmt::Debug, Error>) -> u16 {
    match outcome {
        Err(Error::Refused { status, .. }) => status,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_page_above_the_limit_is_lowered_or_refused() {
    for (choice, status) in [("page-size=cap", 200), ("page-size=refuse", 400)] {
        let world = choosing(choice);
        let host = world.sandbox.ready.api.split('/').nth(2).expect("a host");
        let line = "GET /v2/telephony_credentials?page[size]=251";
        let key = [("authorization", "Bearer sandbox")];
        assert_eq!(plain(host, line, &key).status, status, "{choice}");
        // What the client asks for fits both.
        assert!(world.credentials().is_empty());
    }
}

#[test]
fn a_connection_in_use_is_kept_or_goes_with_its_credentials() {
    let world = choosing("connection-in-use=refuse");
    let known = credential(&world, &world.connection, None).expect("it is made");
    assert_eq!(
        status(world.client.delete_connection(&world.connection)),
        422
    );
    world.client.delete_credential(&known.id).expect("it goes");
    assert!(
        world
            .client
            .delete_connection(&world.connection)
            .expect("it goes")
    );

    let world = choosing("connection-in-use=cascade");
    let known = credential(&world, &world.connection, None).expect("it is made");
    assert!(
        world
            .client
            .delete_connection(&world.connection)
            .expect("it goes")
    );
    assert_eq!(status(world.client.credential(&known.id)), 404);
}

#[test]
fn an_unknown_connection_or_a_past_end_is_refused_or_taken() {
    let strict = choosing("unknown-connection=refuse");
    assert_eq!(status(credential(&strict, "15", None)), 422);
    let lax = choosing("unknown-connection=accept");
    assert_eq!(
        credential(&lax, "15", None)
            .expect("it is made")
            .connection_id(),
        "15"
    );

    let past = |world: &World| {
        world.client.create_credential(&NewCredential {
            connection_id: world.connection.clone(),
            name: "late".to_owned(),
            tag: "late".to_owned(),
            expires_at: Some(SystemTime::now() - Duration::from_secs(60)),
        })
    };
    assert_eq!(status(past(&choosing("past-expiry=refuse"))), 422);
    let lax = choosing("past-expiry=accept");
    assert!(past(&lax).expect("it is made").expired);
}

#[test]
fn a_full_tag_is_said_so() {
    let world = choosing("tag-limit=2");
    for _ in 0..2 {
        credential(&world, &world.connection, None).expect("it is made");
    }
    let error = credential(&world, &world.connection, None).expect_err("the third of a tag");
    assert!(error.to_string().contains("/tag"), "{error}");
    assert_eq!(world.credentials().len(), 2);
}

#[test]
fn an_expired_credential_can_only_be_deleted() {
    for (choice, expected) in [("expired-status=422", 422), ("expired-status=400", 400)] {
        let world = choosing(choice);
        let life = Some(Duration::from_secs(1));
        let known = credential(&world, &world.connection, life).expect("it is made");
        let change = CredentialChange {
            name: Some("other".to_owned()),
            ..CredentialChange::default()
        };
        eventually("its end", || {
            world
                .client
                .credential(&known.id)
                .expect("it is there")
                .expired
        });
        let error = world.client.update_credential(&known.id, &change);
        let error = error.expect_err("it has expired");
        // The second shape of errors: an object.
        assert!(
            error.to_string().contains("/status: can't update"),
            "{error}"
        );
        assert_eq!(status(Err::<(), _>(error)), expected);
        assert_eq!(status(world.client.token(&known.id)), expected);
        assert!(world.client.delete_credential(&known.id).expect("it goes"));
    }
}

#[test]
fn changes_reach_credentials_and_connections_in_part() {
    let world = World::new(&["--fresh-delay", "0"]);
    let other = connection(&world, "Other place", "otherPlace");
    let known = credential(&world, &world.connection, None).expect("it is made");
    let changed = world
        .client
        .update_credential(
            &known.id,
            &CredentialChange {
                connection_id: Some(other.id.clone()),
                name: Some("moved".to_owned()),
                ..CredentialChange::default()
            },
        )
        .expect("it is changed");
    assert_eq!(
        (changed.connection_id(), changed.name.as_str()),
        (&*other.id, "moved")
    );
    assert_eq!(changed.sip_username, known.sip_username);
    assert_eq!(changed.expires_at, known.expires_at, "as it was");

    let fields =
        json!({ "sip_uri_calling_preference": "internal", "outbound": { "localization": "DE" } });
    let fields: Map<_, _> = fields.as_object().cloned().unwrap_or_default();
    let changed = world
        .client
        .update_connection(&other.id, fields)
        .expect("it is changed");
    assert_eq!(
        changed.sip_uri_calling_preference.as_deref(),
        Some("internal")
    );
    // The rest of the nested object is as it was.
    let by_profile = ConnectionFilter {
        outbound_voice_profile_id: Some("77".to_owned()),
        ..ConnectionFilter::default()
    };
    let found = world.client.connections(&by_profile).expect("a list");
    assert_eq!(found.len(), 1);
    let wrong = json!({ "sip_uri_calling_preference": "enabled" });
    let wrong = wrong.as_object().cloned().unwrap_or_default();
    let error = world.client.update_connection(&other.id, wrong);
    let error = error.expect_err("no such preference").to_string();
    assert!(error.contains("/sip_uri_calling_preference"), "{error}");
    assert_eq!(
        status(world.client.update_connection("15", Map::new())),
        404
    );
}

#[test]
fn connections_are_found_by_short_names_and_by_hosts() {
    let world = World::new(&[]);
    connection(&world, "Xy", "shortName");
    let named = |part: &str| {
        let found = world.client.connections(&ConnectionFilter {
            name_contains: Some(part.to_owned()),
            ..ConnectionFilter::default()
        });
        found.expect("a list").len()
    };
    // The server takes no fewer than 3 characters.
    assert_eq!(
        [named("x"), named("XY"), named("TEST"), named("zz")],
        [1, 1, 1, 0]
    );
    let by_host = ConnectionFilter {
        fqdn: Some("pbx.example".to_owned()),
        ..ConnectionFilter::default()
    };
    assert_eq!(world.client.connections(&by_host).expect("a list").len(), 0);
    let sorted = world.succeed("connections list --sort connection_name");
    assert!(
        sorted.lines().next().expect("a line").contains("Xy"),
        "{sorted}"
    );
}

#[test]
fn token_material_is_a_secret_that_can_be_switched_off() {
    let world = choosing("token-material=on");
    let known = credential(&world, &world.connection, None).expect("it is made");
    let material = world.client.token_material(&known.id).expect("it is there");
    assert!(!material.kid.is_empty() && material.signing_secret.expose().len() > 16);
    let shown = format!("{material:?} {:?}", world.client);
    for secret in [&material.signing_secret, &material.tel_token] {
        assert!(!shown.contains(secret.expose()), "{shown}");
    }
    // A credential's own answer carries it too, and nothing of that is shown or written.
    let said = world.run(&format!("{} --verbose", world.create(1, "")));
    let user = world.users().users.remove(0);
    let material = world
        .client
        .token_material(&user.credential_id)
        .expect("it is there");
    let file = std::fs::read_to_string(world.path("users.toml")).expect("the file");
    for text in [&said.output, &said.complaint, &file] {
        assert!(!text.contains(material.signing_secret.expose()));
        assert!(!text.contains(material.tel_token.expose()));
    }
    assert_eq!(status(world.client.token_material("gone")), 404);

    let world = choosing("token-material=off");
    let known = credential(&world, &world.connection, None).expect("it is made");
    assert_eq!(status(world.client.token_material(&known.id)), 404);
}

#[test]
fn a_refusal_for_the_rate_is_waited_for_with_and_without_the_usual_header() {
    for choice in ["retry-after=on", "retry-after=off"] {
        let world = World::new(&[
            "--fresh-delay",
            "0",
            "--rest-choice",
            choice,
            "--rest-rate",
            "2/1",
        ]);
        for _ in 0..6 {
            credential(&world, &world.connection, None).expect("it is made");
        }
        assert_eq!(world.credentials().len(), 6);
    }
}

#[test]
fn each_kind_of_name_has_a_registration_status() {
    let world = World::new(&["--fresh-delay", "0"]);
    let of = |kind, name: &str| world.client.sip_registration(kind, name);
    let known = credential(&world, &world.connection, None).expect("it is made");
    let user = of(NameOf::TelephonyCredential, &known.sip_username).expect("a status");
    assert_eq!(user.connection_name.as_deref(), Some("test connection"));
    assert_eq!(
        (user.registered, user.sip_registration_details),
        (false, None)
    );
    let login = of(NameOf::CredentialConnection, "testConnection").expect("a status");
    assert_eq!(
        login.connection_id.as_deref(),
        Some(world.connection.as_str())
    );
    // There is none; a missing parameter would be a 400.
    assert_eq!(
        status(of(NameOf::UacExternalCredential, &world.connection)),
        404
    );
    let registration = world.client.connection_registration(&world.connection);
    let registration = registration.expect("a status");
    assert_eq!(
        (registration.status.as_str(), registration.port),
        ("Not Registered", None)
    );
}
