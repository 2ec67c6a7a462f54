//! The registrar (RFC 3261, 10.3; RFC 5626, 6; RFC 5627, 5; RFC 3327; RFC 3608).

use std::time::Duration;

use offhook_signaling::sip::auth::challenge::Asker;
use offhook_signaling::sip::message::HeaderName;
use offhook_signaling::sip::message::address::NameAddr;
use offhook_signaling::sip::message::params::Params;
use offhook_signaling::sip::message::request::Request;

use crate::face::SIP;
use crate::fault::gateway::GatewayFault;
use crate::sip::location::{Binding, Device, MAX_BINDINGS};
use crate::sip::login::push_info;
use crate::sip::names;
use crate::sip::server::{Around, Due, Server};
use crate::sip::subscriptions::Kind;
use crate::switch::leg::{Endpoint, EndpointId};
use crate::verto::socket::SocketId;

/// The longest registration that is granted, in seconds.
const MAX_EXPIRES: u32 = 3600;
/// What is granted to who does not say.
const USUAL_EXPIRES: u32 = 3600;
/// Most Contacts of one request.
const MAX_CONTACTS: usize = 16;
/// Parameters of a Contact that are told back.
const TOLD: [&str; 4] = ["+sip.instance", "reg-id", "q", "+sip.ice"];

/// One Contact of a REGISTER.
struct Wanted {
    contact: NameAddr,
    instance: Option<String>,
    reg_id: Option<String>,
    expires: u32,
}

impl Server {
    pub(super) fn on_register(
        &mut self,
        socket: SocketId,
        request: &Request,
        around: &mut Around<'_>,
    ) {
        let user = request
            .ids
            .to
            .uri
            .user()
            .filter(|_| request.ids.to.uri.is_sip());
        let Some(user) = user else {
            return self.refuse(socket, request, 404, around.now);
        };
        if self.is_busy(socket, request, &user, around) {
            return;
        }
        let proved = self.authenticate(socket, request, Asker::Server, Some(&user), around);
        let Some(known) = proved else { return };
        if let Some(code) = around.wishes.take(&user, refusal) {
            let status = u16::try_from(code)
                .ok()
                .filter(|code| (300..700).contains(code));
            return self.refuse(socket, request, status.unwrap_or(403), around.now);
        }
        let granted = match self.read_contacts(request, &user, around) {
            Ok(wanted) => self.bind_all(socket, request, &user, wanted, around),
            Err(status) => Err(status),
        };
        let outbound = match granted {
            Ok(outbound) => outbound,
            Err(423) => {
                let least = self.least(&user, around);
                let mut answer = self.answer(request, 423);
                answer
                    .content
                    .push(&HeaderName::MinExpires, least.to_string());
                return self.respond(socket, answer, around.now);
            }
            Err(status) => return self.refuse(socket, request, status, around.now),
        };
        self.tell_bindings(
            socket,
            request,
            &user,
            outbound,
            known.info.as_deref(),
            around,
        );
    }

    fn least(&self, user: &str, around: &mut Around<'_>) -> u32 {
        let wished = around.wishes.look(user, |fault| {
            if let GatewayFault::MinExpires(seconds) = fault {
                Some(seconds)
            } else {
                None
            }
        });
        wished.unwrap_or(self.settings.min_expires)
    }

    /// Checks everything before anything is changed (RFC 3261, 10.3, item 7). `Err`: the status to refuse with.
    fn read_contacts(
        &self,
        request: &Request,
        user: &str,
        around: &mut Around<'_>,
    ) -> Result<Vec<Wanted>, u16> {
        let headers = &request.headers;
        let expires = headers.number(&HeaderName::Expires);
        let star = headers
            .all(&HeaderName::Contact)
            .any(|line| line.trim() == "*");
        let contacts = headers
            .addresses(&HeaderName::Contact)
            .map_err(|_| 400_u16)?;
        if star {
            // Alone, and to take all away.
            return if contacts.is_empty() && expires == Some(0) {
                Ok(self.all_of(user))
            } else {
                Err(400)
            };
        }
        if contacts.len() > MAX_CONTACTS {
            return Err(400);
        }
        let least = self.least(user, around);
        contacts
            .into_iter()
            .map(|contact| {
                let own = contact.params.get("expires");
                let own = own.map(|text| text.parse().unwrap_or(USUAL_EXPIRES));
                let expires = own.or(expires).unwrap_or(USUAL_EXPIRES);
                if expires > 0 && expires < least {
                    return Err(423);
                }
                if !contact.uri.is_sip() {
                    return Err(400);
                }
                let text = |name| contact.params.get(name).map(str::to_owned);
                Ok(Wanted {
                    instance: text("+sip.instance"),
                    reg_id: text("reg-id"),
                    expires: expires.min(MAX_EXPIRES),
                    contact,
                })
            })
            .collect()
    }

    fn all_of(&self, user: &str) -> Vec<Wanted> {
        let mut all = Vec::new();
        for id in self.location.of_user(user) {
            let Some(device) = self.location.device(id) else {
                continue;
            };
            all.extend(device.flows.iter().map(|flow| Wanted {
                contact: NameAddr::new(flow.uri.clone()),
                instance: device.instance.clone(),
                reg_id: flow.reg_id.clone(),
                expires: 0,
            }));
        }
        all
    }

    /// Says whether outbound is used (RFC 5626, 6).
    fn bind_all(
        &mut self,
        socket: SocketId,
        request: &Request,
        user: &str,
        wanted: Vec<Wanted>,
        around: &mut Around<'_>,
    ) -> Result<bool, u16> {
        let headers = &request.headers;
        let offers = headers.lists(&HeaderName::Supported, "outbound");
        let hops = headers.vias().len();
        let path: Vec<String> = headers.all(&HeaderName::Path).collect();
        let first_hop_has_it = path.last().is_some_and(|first| first.contains(";ob"));
        let outbound = offers
            && wanted
                .iter()
                .any(|one| one.reg_id.is_some() && one.instance.is_some());
        if outbound && hops > 1 && !first_hop_has_it {
            return Err(439);
        }
        let cut = around.wishes.look(user, |fault| {
            if let GatewayFault::ShortRegistrations(seconds) = fault {
                Some(seconds)
            } else {
                None
            }
        });
        let goes_back = |binding: &Binding| {
            binding.call_id == request.ids.call_id && binding.cseq >= request.ids.cseq
        };
        for one in &wanted {
            let id = self
                .location
                .find(user, one.instance.as_deref(), &one.contact.uri);
            let device = id.and_then(|id| self.location.device(id));
            let back = device.is_some_and(|device| {
                device
                    .flows
                    .iter()
                    .any(|flow| flow.reg_id == one.reg_id && goes_back(flow))
            });
            if back {
                return Err(500);
            }
        }
        let gruu = headers.lists(&HeaderName::Supported, "gruu");
        let host = match request.ids.to.uri.host().unwrap_or_default() {
            host if host.contains(':') => format!("[{host}]"),
            host => host,
        };
        let comes_back = self.location.on_socket(socket).is_empty();
        for one in wanted {
            let found = self
                .location
                .find(user, one.instance.as_deref(), &one.contact.uri);
            if comes_back && one.expires > 0 {
                self.forget_calls(user, one.instance.as_deref(), around);
            }
            if one.expires == 0 {
                if let Some(id) = found {
                    let same = |flow: &Binding| {
                        flow.reg_id == one.reg_id && one.reg_id.is_some()
                            || flow.uri.is_same(&one.contact.uri)
                    };
                    self.unbind(id, same, around);
                }
                continue;
            }
            if found.is_none() && self.location.count(user) >= MAX_BINDINGS {
                return Err(503);
            }
            let id = found.unwrap_or_else(|| {
                let instance = one.instance.clone();
                self.location.add(user, host.clone(), instance)
            });
            let expires = cut.map_or(one.expires, |cut| one.expires.min(cut));
            let binding = Binding {
                params: told(&one.contact.params),
                uri: one.contact.uri,
                // Without the client's word for outbound it is an ordinary Contact.
                reg_id: one.reg_id.filter(|_| outbound),
                socket,
                call_id: request.ids.call_id.clone(),
                cseq: request.ids.cseq,
                expires: around.now + Duration::from_secs(expires.into()),
                path: path.clone(),
            };
            self.location.bind(id, binding).ok_or(503_u16)?;
            let named = gruu && one.instance.is_some();
            if let Some(device) = self.location.device_mut(id) {
                device.gruu = named;
            }
            let endpoint = Endpoint { id, face: &SIP };
            let appears = !around.exchange.is_registered(user);
            around.exchange.register(user, endpoint);
            if appears {
                self.changed(user, Kind::Presence, around);
            }
            self.schedule_expiry(id);
            tracing::info!(socket = socket.0, user, expires, "registered");
        }
        around.account.note_login(user, around.wall);
        Ok(outbound)
    }

    fn tell_bindings(
        &mut self,
        socket: SocketId,
        request: &Request,
        user: &str,
        outbound: bool,
        info: Option<&str>,
        around: &mut Around<'_>,
    ) {
        let mut answer = self.answer(request, 200);
        push_info(&mut answer.content, info);
        for id in self.location.of_user(user) {
            // A new temporary address with each registration of the device (RFC 5627, 3.2).
            let asks = self.location.device(id).is_some_and(|device| {
                device.gruu
                    && device
                        .flows
                        .iter()
                        .any(|flow| flow.call_id == request.ids.call_id)
            });
            let temporary = asks.then(|| format!("tgruu.{}", names::token(&mut self.rng)));
            if let Some(name) = &temporary {
                self.location.name_temporarily(id, name.clone());
            }
            let Some(device) = self.location.device(id) else {
                continue;
            };
            for flow in &device.flows {
                let left = flow.expires.saturating_duration_since(around.now);
                let own = flow.call_id == request.ids.call_id;
                let gruus = gruus(device, temporary.as_deref().filter(|_| own));
                let contact = format!(
                    "<{}>{};expires={}{gruus}",
                    flow.uri,
                    flow.params,
                    left.as_secs()
                );
                answer.content.push(&HeaderName::Contact, contact);
            }
        }
        let content = &mut answer.content;
        for path in request.headers.all(&HeaderName::Path) {
            content.push(&HeaderName::Path, path);
        }
        let host = self.settings.address;
        content.push(
            &HeaderName::ServiceRoute,
            format!("<sip:{host};transport=ws;lr>"),
        );
        content.push(&HeaderName::Supported, "path, outbound, gruu");
        if outbound {
            content.push(&HeaderName::Require, "outbound");
            let timer = self.settings.flow_timer;
            content.push(&HeaderName::FlowTimer, timer.to_string());
        }
        self.respond(socket, answer, around.now);
    }

    fn schedule_expiry(&mut self, id: EndpointId) {
        let device = self.location.device(id);
        let flows = device.into_iter().flat_map(|device| &device.flows);
        match flows.map(|flow| flow.expires).min() {
            Some(at) => self.deadlines.set(Due::Device(id), at),
            None => self.deadlines.clear(&Due::Device(id)),
        }
    }

    pub(super) fn on_expiry(&mut self, id: EndpointId, around: &mut Around<'_>) {
        let now = around.now;
        self.unbind(id, |flow| flow.expires <= now, around);
        self.schedule_expiry(id);
    }

    /// Takes bindings away; a device without any rings no more.
    pub(super) fn unbind(
        &mut self,
        id: EndpointId,
        gone: impl Fn(&Binding) -> bool,
        around: &mut Around<'_>,
    ) {
        let user = self.location.device(id).map(|device| device.user.clone());
        if self.location.remove(id, gone) {
            around.exchange.unregister(id);
            self.deadlines.clear(&Due::Device(id));
            if let Some(user) = user.filter(|user| !around.exchange.is_registered(user)) {
                self.changed(&user, Kind::Presence, around);
            }
        }
    }
}

fn refusal(fault: GatewayFault) -> Option<i64> {
    if let GatewayFault::RefuseLogin(code) = fault {
        Some(code)
    } else {
        None
    }
}

fn told(params: &Params) -> String {
    let known = params
        .iter()
        .filter(|(name, _)| TOLD.iter().any(|told| told.eq_ignore_ascii_case(name)));
    known
        .map(|(name, value)| (name.to_owned(), value.map(str::to_owned)))
        .collect::<Params>()
        .to_string()
}

fn gruus(device: &Device, temporary: Option<&str>) -> String {
    let (true, Some(instance)) = (device.gruu, &device.instance) else {
        return String::new();
    };
    let host = &device.host;
    let instance = instance.trim_matches(['<', '>']);
    let user = offhook_signaling::sip::message::uri::escape_user(&device.user);
    let mut text = format!(";pub-gruu=\"sip:{user}@{host};gr={instance}\"");
    if let Some(name) = temporary {
        text.push_str(&format!(";temp-gruu=\"sip:{name}@{host};gr\""));
    }
    text
}
