//! Who is registered, over which flows (RFC 3261, 10.3; RFC 5626; RFC 5627).

use std::collections::BTreeMap;
use std::time::Instant;

use offhook_signaling::sip::message::uri::Uri;

use crate::switch::leg::EndpointId;
use crate::verto::socket::SocketId;

/// Most bindings of one user.
pub(super) const MAX_BINDINGS: usize = 64;
/// Most flows of one device.
pub(super) const MAX_FLOWS: usize = 8;
/// Most temporary addresses of one device that are known at the same time.
const MAX_TEMPORARY: usize = 4;
/// SIP's endpoints are numbered from here, Verto's from 1.
const FIRST: u64 = 1 << 62;

/// One device of a user: what rings as a whole.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) user: String,
    /// Host of the address of record, as the device writes it; an IPv6 one with its brackets.
    pub(super) host: String,
    /// `<urn:uuid:...>`; without it the Contact's URI tells the device.
    pub(super) instance: Option<String>,
    /// The one registered last comes first.
    pub(super) flows: Vec<Binding>,
    /// It wants globally routable addresses.
    pub(super) gruu: bool,
    temporary: Vec<String>,
}

/// One flow of a device.
#[derive(Debug, Clone)]
pub(super) struct Binding {
    pub(super) uri: Uri,
    /// Parameters of the Contact that are told to others, with their semicolons.
    pub(super) params: String,
    pub(super) reg_id: Option<String>,
    pub(super) socket: SocketId,
    pub(super) call_id: String,
    pub(super) cseq: u32,
    pub(super) expires: Instant,
    pub(super) path: Vec<String>,
}

/// Every device.
#[derive(Debug, Default)]
pub(crate) struct Location {
    devices: BTreeMap<EndpointId, Device>,
    by_user: BTreeMap<String, Vec<EndpointId>>,
    by_temporary: BTreeMap<String, EndpointId>,
    by_socket: BTreeMap<SocketId, Vec<EndpointId>>,
    serial: u64,
}

impl Location {
    /// Whether an endpoint is one of SIP's.
    pub(crate) fn numbers(id: EndpointId) -> bool {
        id.0 >= FIRST
    }

    pub(super) fn device(&self, id: EndpointId) -> Option<&Device> {
        self.devices.get(&id)
    }

    pub(super) fn device_mut(&mut self, id: EndpointId) -> Option<&mut Device> {
        self.devices.get_mut(&id)
    }

    /// The devices of a user.
    pub(super) fn of_user(&self, user: &str) -> Vec<EndpointId> {
        self.by_user.get(user).cloned().unwrap_or_default()
    }

    /// The devices that registered over a connection.
    pub(super) fn on_socket(&self, socket: SocketId) -> Vec<EndpointId> {
        self.by_socket.get(&socket).cloned().unwrap_or_default()
    }

    /// How many bindings a user has.
    pub(super) fn count(&self, user: &str) -> usize {
        let devices = self.of_user(user);
        let flows = devices.iter().filter_map(|id| self.device(*id));
        flows.map(|device| device.flows.len()).sum()
    }

    /// The device that a Contact means.
    pub(super) fn find(&self, user: &str, instance: Option<&str>, uri: &Uri) -> Option<EndpointId> {
        self.of_user(user).into_iter().find(|id| {
            self.device(*id).is_some_and(|device| match instance {
                Some(instance) => device.instance.as_deref() == Some(instance),
                None => {
                    device.instance.is_none()
                        && device.flows.iter().any(|flow| flow.uri.is_same(uri))
                }
            })
        })
    }

    /// The device behind a globally routable address.
    pub(super) fn by_gruu(&self, uri: &Uri) -> Option<EndpointId> {
        let user = uri.user()?;
        let named = uri.param("gr")?;
        if let Some(id) = self.by_temporary.get(&user) {
            return Some(*id);
        }
        self.of_user(&user).into_iter().find(|id| {
            let instance = self.device(*id).and_then(|device| device.instance.as_ref());
            instance.is_some_and(|own| own.trim_matches(['<', '>']).eq_ignore_ascii_case(&named))
        })
    }

    /// A device that was not here before.
    pub(super) fn add(&mut self, user: &str, host: String, instance: Option<String>) -> EndpointId {
        self.serial += 1;
        let id = EndpointId(FIRST + self.serial);
        let device = Device {
            user: user.to_owned(),
            host,
            instance,
            flows: Vec::new(),
            gruu: false,
            temporary: Vec::new(),
        };
        self.devices.insert(id, device);
        self.by_user.entry(user.to_owned()).or_default().push(id);
        id
    }

    /// Puts a binding in the place of the one of the same flow, or address. `None`: the device has too many.
    pub(super) fn bind(&mut self, id: EndpointId, binding: Binding) -> Option<()> {
        let device = self.devices.get_mut(&id)?;
        let same = |known: &Binding| match (&known.reg_id, &binding.reg_id) {
            (Some(old), Some(new)) => old == new,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => known.uri.is_same(&binding.uri),
        };
        let before = device.flows.iter().position(same);
        let removed = before.map(|at| device.flows.remove(at));
        // A new Call-ID ends the temporary addresses (RFC 5627, 3.3).
        if removed
            .as_ref()
            .is_some_and(|old| old.call_id != binding.call_id)
        {
            for gone in std::mem::take(&mut device.temporary) {
                self.by_temporary.remove(&gone);
            }
        }
        if device.flows.len() >= MAX_FLOWS {
            return None;
        }
        let socket = binding.socket;
        device.flows.insert(0, binding);
        if let Some(old) = removed.filter(|old| old.socket != socket) {
            self.let_go(old.socket, id);
        }
        let on_socket = self.by_socket.entry(socket).or_default();
        if !on_socket.contains(&id) {
            on_socket.push(id);
        }
        Some(())
    }

    /// A new temporary address for a device.
    pub(super) fn name_temporarily(&mut self, id: EndpointId, name: String) {
        let Some(device) = self.devices.get_mut(&id) else {
            return;
        };
        if device.temporary.len() >= MAX_TEMPORARY {
            self.by_temporary.remove(&device.temporary.remove(0));
        }
        device.temporary.push(name.clone());
        self.by_temporary.insert(name, id);
    }

    /// Removes the bindings of a device for which `gone` says so; says whether the device is gone with them.
    pub(super) fn remove(&mut self, id: EndpointId, gone: impl Fn(&Binding) -> bool) -> bool {
        let Some(device) = self.devices.get_mut(&id) else {
            return false;
        };
        let (removed, kept) = std::mem::take(&mut device.flows)
            .into_iter()
            .partition::<Vec<_>, _>(gone);
        device.flows = kept;
        let empty = device.flows.is_empty();
        for binding in removed {
            self.let_go(binding.socket, id);
        }
        if empty {
            self.forget(id);
        }
        empty
    }

    /// The connection carries nothing of that device any more, unless another of its flows is there.
    fn let_go(&mut self, socket: SocketId, id: EndpointId) {
        let still = self
            .devices
            .get(&id)
            .is_some_and(|device| device.flows.iter().any(|flow| flow.socket == socket));
        if still {
            return;
        }
        if let Some(devices) = self.by_socket.get_mut(&socket) {
            devices.retain(|known| *known != id);
            if devices.is_empty() {
                self.by_socket.remove(&socket);
            }
        }
    }

    fn forget(&mut self, id: EndpointId) {
        let Some(device) = self.devices.remove(&id) else {
            return;
        };
        for name in device.temporary {
            self.by_temporary.remove(&name);
        }
        if let Some(devices) = self.by_user.get_mut(&device.user) {
            devices.retain(|known| *known != id);
            if devices.is_empty() {
                self.by_user.remove(&device.user);
            }
        }
    }
}
