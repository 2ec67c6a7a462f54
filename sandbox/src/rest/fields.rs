//! The fields of a credential connection: what each may hold and what it holds when nobody says.

use serde_json::{Map, Value};

use crate::rest::refusal::Fault;

/// What a field may hold.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// Text of so many characters.
    Text(usize, usize),
    /// 4 to 32 letters and digits, one of the first five a letter.
    UserName,
    Bool,
    OneOf(&'static [&'static str]),
    /// A number within these bounds.
    Number(i64, i64),
    Texts,
    /// Text with a scheme, or nothing.
    Url,
    Object(&'static [Field]),
    /// The rule, or null.
    OrNull(&'static Self),
}

/// One field.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    rule: Rule,
    /// JSON; empty where the field must be given.
    default: &'static str,
}

const fn field(name: &'static str, rule: Rule, default: &'static str) -> Field {
    Field {
        name,
        rule,
        default,
    }
}

/// All fields that a client may set; the others are dropped without a word.
pub(super) static CONNECTION: &[Field] = &[
    field("connection_name", Rule::Text(1, 255), ""),
    field("user_name", Rule::UserName, ""),
    field("password", Rule::Text(8, 128), ""),
    field("active", Rule::Bool, "true"),
    field(
        "anchorsite_override",
        Rule::OneOf(&[
            "Latency",
            "Chicago, IL",
            "Ashburn, VA",
            "San Jose, CA",
            "Sydney, Australia",
            "Amsterdam, Netherlands",
            "London, UK",
            "Toronto, Canada",
            "Vancouver, Canada",
            "Frankfurt, Germany",
        ]),
        "\"Latency\"",
    ),
    field(
        "sip_uri_calling_preference",
        Rule::OneOf(&["disabled", "internal", "unrestricted"]),
        "\"disabled\"",
    ),
    field(
        "encrypted_media",
        Rule::OrNull(&Rule::OneOf(&["SRTP"])),
        "null",
    ),
    field(
        "dtmf_type",
        Rule::OneOf(&["RFC 2833", "Inband", "SIP INFO"]),
        "\"RFC 2833\"",
    ),
    field("default_on_hold_comfort_noise_enabled", Rule::Bool, "false"),
    field("onnet_t38_passthrough_enabled", Rule::Bool, "false"),
    field("encode_contact_header_enabled", Rule::Bool, "false"),
    field("rtcp_settings", Rule::Object(RTCP), "{}"),
    field("jitter_buffer", Rule::Object(JITTER_BUFFER), "{}"),
    field(
        "noise_suppression",
        Rule::OneOf(&["inbound", "outbound", "both", "disabled"]),
        "\"disabled\"",
    ),
    field("noise_suppression_details", Rule::Object(DENOISER), "{}"),
    field("conversation_persistence", Rule::Bool, "false"),
    field("webhook_event_url", Rule::OrNull(&Rule::Url), "null"),
    field(
        "webhook_event_failover_url",
        Rule::OrNull(&Rule::Url),
        "\"\"",
    ),
    field(
        "webhook_api_version",
        Rule::OneOf(&["1", "2", "texml"]),
        "\"1\"",
    ),
    field(
        "webhook_timeout_secs",
        Rule::OrNull(&Rule::Number(0, 30)),
        "null",
    ),
    field(
        "ios_push_credential_id",
        Rule::OrNull(&Rule::Text(0, 255)),
        "null",
    ),
    field(
        "android_push_credential_id",
        Rule::OrNull(&Rule::Text(0, 255)),
        "null",
    ),
    field("tags", Rule::Texts, "[]"),
    field("inbound", Rule::Object(INBOUND), "{}"),
    field("outbound", Rule::Object(OUTBOUND), "{}"),
];

static RTCP: &[Field] = &[
    field("port", Rule::OneOf(&["rtp+1", "rtcp-mux"]), "\"rtp+1\""),
    field("capture_enabled", Rule::Bool, "false"),
    field("report_frequency_secs", Rule::Number(5, 3000), "5"),
];

static DENOISER: &[Field] = &[
    field("engine", Rule::Text(1, 64), "\"denoiser\""),
    field(
        "attenuation_limit",
        Rule::OrNull(&Rule::Number(0, 100)),
        "null",
    ),
];

static JITTER_BUFFER: &[Field] = &[
    field("enable_jitter_buffer", Rule::Bool, "false"),
    field("jitterbuffer_msec_min", Rule::Number(40, 400), "60"),
    field("jitterbuffer_msec_max", Rule::Number(40, 400), "200"),
];

static INBOUND: &[Field] = &[
    field(
        "codecs",
        Rule::Texts,
        r#"["G722","G711U","G711A","G729","OPUS","H.264"]"#,
    ),
    field(
        "dnis_number_format",
        Rule::OneOf(&["e164", "+e164", "national", "sip_username"]),
        "\"e164\"",
    ),
    field(
        "ani_number_format",
        Rule::OneOf(&["E.164", "+E.164", "E.164-national", "+E.164-national"]),
        "\"E.164-national\"",
    ),
    field(
        "channel_limit",
        Rule::OrNull(&Rule::Number(0, 1_000_000)),
        "null",
    ),
    field(
        "default_routing_method",
        Rule::OrNull(&Rule::OneOf(&["sequential", "round-robin"])),
        "null",
    ),
    field(
        "simultaneous_ringing",
        Rule::OneOf(&["disabled", "enabled"]),
        "\"disabled\"",
    ),
    field("timeout_1xx_secs", Rule::Number(1, 120), "3"),
    field("timeout_2xx_secs", Rule::Number(1, 600), "90"),
    field("generate_ringback_tone", Rule::Bool, "false"),
    field("isup_headers_enabled", Rule::Bool, "false"),
    field("prack_enabled", Rule::Bool, "false"),
    field("shaken_stir_enabled", Rule::Bool, "false"),
    field("sip_compact_headers_enabled", Rule::Bool, "true"),
];

static OUTBOUND: &[Field] = &[
    field(
        "outbound_voice_profile_id",
        Rule::OrNull(&Rule::Text(0, 64)),
        "null",
    ),
    field("call_parking_enabled", Rule::OrNull(&Rule::Bool), "false"),
    field(
        "channel_limit",
        Rule::OrNull(&Rule::Number(0, 1_000_000)),
        "null",
    ),
    field("ani_override", Rule::Text(0, 64), "\"\""),
    field(
        "ani_override_type",
        Rule::OneOf(&["always", "normal", "emergency"]),
        "\"always\"",
    ),
    field("instant_ringback_enabled", Rule::Bool, "true"),
    field("generate_ringback_tone", Rule::Bool, "false"),
    field("localization", Rule::Text(2, 2), "\"US\""),
    field(
        "t38_reinvite_source",
        Rule::OneOf(&[
            "telnyx",
            "customer",
            "disabled",
            "passthru",
            "caller-passthru",
        ]),
        "\"telnyx\"",
    ),
];

/// A new object: what was given where that is right, the defaults elsewhere; faults for the rest.
pub(super) fn create(given: &Map<String, Value>, faults: &mut Vec<Fault>) -> Map<String, Value> {
    let mut made = Map::new();
    fill(&mut made, given, CONNECTION, "", true, faults);
    made
}

/// A changed object: nested ones may be given in part.
pub(super) fn update(
    kept: &Map<String, Value>,
    given: &Map<String, Value>,
    faults: &mut Vec<Fault>,
) -> Map<String, Value> {
    let mut made = kept.clone();
    fill(&mut made, given, CONNECTION, "", false, faults);
    made
}

fn fill(
    made: &mut Map<String, Value>,
    given: &Map<String, Value>,
    fields: &[Field],
    path: &str,
    complete: bool,
    faults: &mut Vec<Fault>,
) {
    for field in fields {
        let pointer = format!("{path}/{}", field.name);
        let value = given.get(field.name);
        if let Rule::Object(inner) = field.rule {
            let empty = Map::new();
            let part = match value {
                None => &empty,
                Some(Value::Object(part)) => part,
                Some(_) => {
                    faults.push(fault(&pointer, field.name, "must be an object"));
                    continue;
                }
            };
            let whole = made
                .entry(field.name)
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(whole) = whole {
                fill(whole, part, inner, &pointer, complete, faults);
            }
            continue;
        }
        match value {
            Some(value) => match allowed(field.rule, value) {
                Ok(()) => {
                    made.insert(field.name.to_owned(), value.clone());
                }
                Err(why) => faults.push(fault(&pointer, field.name, &why)),
            },
            None if !complete => {}
            None => match serde_json::from_str(field.default) {
                Ok(default) => {
                    made.insert(field.name.to_owned(), default);
                }
                Err(_) => faults.push(fault(&pointer, field.name, "is required")),
            },
        }
    }
}

fn fault(pointer: &str, name: &str, why: &str) -> Fault {
    Fault {
        pointer: pointer.to_owned(),
        detail: format!("{name} {why}"),
    }
}

fn allowed(rule: Rule, value: &Value) -> Result<(), String> {
    let text = value.as_str();
    match rule {
        Rule::OrNull(_) if value.is_null() => Ok(()),
        Rule::OrNull(rule) => allowed(*rule, value),
        Rule::Bool if value.is_boolean() => Ok(()),
        Rule::Bool => Err("must be true or false".to_owned()),
        Rule::Text(min, max) => {
            let right = text.is_some_and(|text| (min..=max).contains(&text.chars().count()));
            right
                .then_some(())
                .ok_or_else(|| format!("must be text of {min} to {max} characters"))
        }
        Rule::UserName => text.is_some_and(is_user_name).then_some(()).ok_or_else(|| {
            "must be 4 to 32 letters and digits, with a letter among the first five".to_owned()
        }),
        Rule::OneOf(known) => text
            .is_some_and(|text| known.contains(&text))
            .then_some(())
            .ok_or_else(|| format!("must be one of {}", known.join(", "))),
        Rule::Number(min, max) => value
            .as_i64()
            .is_some_and(|number| (min..=max).contains(&number))
            .then_some(())
            .ok_or_else(|| format!("must be a number from {min} to {max}")),
        Rule::Texts => value
            .as_array()
            .is_some_and(|list| list.len() <= 64 && list.iter().all(Value::is_string))
            .then_some(())
            .ok_or_else(|| "must be a list of texts".to_owned()),
        Rule::Url => text
            .is_some_and(|text| text.is_empty() || text.contains("://"))
            .then_some(())
            .ok_or_else(|| "must be a URL with its scheme".to_owned()),
        Rule::Object(_) => Err("must be an object".to_owned()),
    }
}

fn is_user_name(text: &str) -> bool {
    (4..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && text.bytes().take(5).any(|byte| byte.is_ascii_alphabetic())
}
