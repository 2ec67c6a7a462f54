//! From a request to its answer: faults, rate, key, then the endpoint.

use std::num::NonZeroU32;
use std::time::SystemTime;

use crate::rest::account::Account;
use crate::rest::message::{Answer, Registrations, Request, Response};
use crate::rest::refusal;

/// Where a path leads, with the id in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resource<'a> {
    Connections,
    Connection(&'a str),
    ConnectionStatus(&'a str),
    Credentials,
    Credential(&'a str),
    Token(&'a str),
    TokenMaterial(&'a str),
    SipStatus,
}

/// What an API key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rights {
    Everything,
    Reading,
}

impl Account {
    /// Answers one request.
    pub(crate) fn answer(
        &mut self,
        request: &Request,
        registrations: &impl Registrations,
        wall: SystemTime,
    ) -> Answer {
        self.served = self.served.wrapping_add(1);
        let faults = self.settings.faults;
        let resource = find(&request.path);
        let endpoint = endpoint(resource, &request.method);
        let mut standing = self.counts.count(endpoint, self.settings.rate, wall);
        if hits(faults.too_many, self.served) {
            standing = standing.exhausted();
        }
        let mut response = if standing.over {
            let mut refused = refusal::too_many();
            if self.settings.choices.retry_after {
                let seconds = standing.reset().to_string();
                refused.headers.push(("retry-after", seconds));
            }
            refused
        } else if hits(faults.failure, self.served) {
            Response::empty(500)
        } else if self.is_refused(request) {
            refusal::unprocessable("10027", "/", "not now")
        } else {
            self.serve(request, resource, registrations, wall)
        };
        let mut lost = false;
        if request.method == "POST" && (200..300).contains(&response.status) {
            self.posts = self.posts.wrapping_add(1);
            lost = hits(faults.lost, self.posts);
        }
        response.headers.extend(standing.headers());
        response.headers.push(("x-request-id", self.uuid()));
        response
            .headers
            .push(("cache-control", "no-store".to_owned()));
        tracing::debug!(%endpoint, status = response.status, lost, "REST request");
        Answer {
            response: (!lost).then_some(response),
            after: faults.slow,
        }
    }

    fn serve(
        &mut self,
        request: &Request,
        resource: Option<Resource<'_>>,
        registrations: &impl Registrations,
        wall: SystemTime,
    ) -> Response {
        let Some(rights) = self.rights(request.authorization.as_deref()) else {
            return refusal::not_authenticated();
        };
        let Some(resource) = resource else {
            return refusal::not_found();
        };
        let method = request.method.as_str();
        if rights == Rights::Reading && method != "GET" {
            return refusal::not_authorized();
        }
        match (resource, method) {
            (Resource::Connections, "GET") => self.list_connections(request),
            (Resource::Connections, "POST") => self.create_connection(&request.body, wall),
            (Resource::Connection(id), "GET") => self.show_connection(id),
            (Resource::Connection(id), "PATCH") => self.change_connection(id, &request.body, wall),
            (Resource::Connection(id), "DELETE") => self.delete_connection(id, wall),
            (Resource::ConnectionStatus(id), "POST") => self.connection_status(id, registrations),
            (Resource::Credentials, "GET") => self.list_credentials(request, wall),
            (Resource::Credentials, "POST") => self.create_credential(&request.body, wall),
            (Resource::Credential(id), "GET") => self.show_credential(id, wall),
            (Resource::Credential(id), "PATCH") => self.change_credential(id, &request.body, wall),
            (Resource::Credential(id), "DELETE") => self.delete_credential(id, wall),
            (Resource::Token(id), "POST") => self.create_token(id, wall),
            (Resource::TokenMaterial(id), "GET") => self.token_material(id),
            (Resource::SipStatus, "GET") => self.sip_status(request, registrations),
            _ => refusal::method_not_allowed(),
        }
    }

    /// Counts POSTs from the moment that some are to be refused.
    fn is_refused(&mut self, request: &Request) -> bool {
        if self.settings.faults.refused.is_none() || request.method != "POST" {
            return false;
        }
        self.refusable = self.refusable.wrapping_add(1);
        hits(self.settings.faults.refused, self.refusable)
    }

    fn rights(&self, authorization: Option<&str>) -> Option<Rights> {
        let (scheme, key) = authorization?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        match key.trim().strip_prefix(self.settings.key.as_str())? {
            "" => Some(Rights::Everything),
            "-readonly" => Some(Rights::Reading),
            _ => None,
        }
    }
}

fn find(path: &str) -> Option<Resource<'_>> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    Some(match *parts.as_slice() {
        ["credential_connections"] => Resource::Connections,
        ["credential_connections", id] => Resource::Connection(id),
        [
            "credential_connections",
            id,
            "actions",
            "check_registration_status",
        ] => Resource::ConnectionStatus(id),
        ["telephony_credentials"] => Resource::Credentials,
        ["telephony_credentials", id] => Resource::Credential(id),
        ["telephony_credentials", id, "token"] => Resource::Token(id),
        ["telephony_credentials", id, "token_material"] => Resource::TokenMaterial(id),
        ["sip_registration_status"] => Resource::SipStatus,
        _ => return None,
    })
}

/// The name under which an endpoint's requests are counted.
fn endpoint(resource: Option<Resource<'_>>, method: &str) -> &'static str {
    match (resource, method) {
        (Some(Resource::Connections), "POST") => "POST /credential_connections",
        (Some(Resource::Connections), _) => "GET /credential_connections",
        (Some(Resource::Connection(_)), "DELETE") => "DELETE /credential_connections/{id}",
        (Some(Resource::Connection(_)), "PATCH") => "PATCH /credential_connections/{id}",
        (Some(Resource::Connection(_)), _) => "GET /credential_connections/{id}",
        (Some(Resource::ConnectionStatus(_)), _) => "POST .../check_registration_status",
        (Some(Resource::Credentials), "POST") => "POST /telephony_credentials",
        (Some(Resource::Credentials), _) => "GET /telephony_credentials",
        (Some(Resource::Credential(_)), "DELETE") => "DELETE /telephony_credentials/{id}",
        (Some(Resource::Credential(_)), "PATCH") => "PATCH /telephony_credentials/{id}",
        (Some(Resource::Credential(_)), _) => "GET /telephony_credentials/{id}",
        (Some(Resource::Token(_)), _) => "POST /telephony_credentials/{id}/token",
        (Some(Resource::TokenMaterial(_)), _) => "GET /telephony_credentials/{id}/token_material",
        (Some(Resource::SipStatus), _) => "GET /sip_registration_status",
        (None, _) => "unknown",
    }
}

fn hits(every: Option<NonZeroU32>, count: u32) -> bool {
    every.is_some_and(|every| count.is_multiple_of(every.get()))
}
