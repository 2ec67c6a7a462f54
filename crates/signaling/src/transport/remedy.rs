//! What a person can do about a connection that did not come about.

use crate::transport::error::{CredentialsFault, FailedAttempt, Fault, Stage, UpgradeFault};

impl Fault {
    /// What a person can do about it, as the end of a sentence.
    pub(super) fn remedy(&self, stage: Stage) -> String {
        let fixed = match self {
            Self::Url(_) => "write it as wss://host:port/path or ws://host:port/path",
            Self::Header { .. } => "take line breaks and control characters out of it",
            Self::CaFileUnreadable { .. } => {
                "check the path in ca_file and the permissions of the file"
            }
            Self::CaFileEmpty { .. } => {
                "put the PEM certificate of the CA into the file that ca_file names"
            }
            Self::NoCaCertificates => {
                "install the package ca-certificates, or set ca_file to the PEM file of the server's CA"
            }
            Self::ProxyCredentials { fault, .. } => match fault {
                CredentialsFault::Unreadable(_) => "check its path and permissions",
                CredentialsFault::OpenToAll { .. } => {
                    "take the rights of others away (chmod o-rwx)"
                }
                CredentialsFault::Malformed => {
                    "write the user name, a colon and the password into its first line"
                }
            },
            Self::Silent { .. } => match stage {
                Stage::Dns => "check the network and the name servers of this machine",
                Stage::Tcp => "check address and port, and whether a firewall drops the packets",
                Stage::Proxy => "check that this is an HTTP proxy and that it reaches the server",
                Stage::Tls => "check that this port speaks TLS and that the server is healthy",
                Stage::Setup | Stage::Upgrade => {
                    "check that this port speaks WebSocket and that the server is healthy"
                }
            },
            // A FreeSWITCH drops whoever is not on its list right after the connection, without a byte.
            Self::Broken(_) | Self::ClosedEarly => match stage {
                Stage::Tls => {
                    "check that this port speaks TLS and that the server lets this address in: FreeSWITCH closes at once when its \
                     access list lacks it (`apply-connection-acl` of its profile of mod_verto)"
                }
                Stage::Proxy => "check that this is an HTTP proxy that lets this address in",
                Stage::Setup | Stage::Dns | Stage::Tcp | Stage::Upgrade => {
                    "check that the server lets this address in (FreeSWITCH: `apply-connection-acl` of its profile of mod_verto) and \
                     see its log"
                }
            },
            Self::NameUnknown { .. } => {
                "check the spelling, the network and the name servers of this machine"
            }
            Self::NoAddress { .. } => "check the name, and the local address if one is set",
            Self::Unreachable { attempts, .. } => {
                if attempts.iter().any(FailedAttempt::is_refusal) {
                    "check the port and that the server runs"
                } else {
                    "check the network of this machine, the address and the firewall"
                }
            }
            Self::ProxyWantsCredentials => "name a file with user:password as its credentials file",
            Self::ProxyRefusedCredentials { .. } => {
                "correct the user name or the password in that file"
            }
            Self::ProxyRefused { .. } => {
                "ask for this host and port to be allowed on the proxy, or add it to no_proxy"
            }
            Self::ProxyNotHttp => "check host and port in the proxy URL",
            Self::UnknownCa { ca_file: None } => {
                "if the server has a CA of its own, set ca_file to the PEM file of that CA; if it made its certificate itself, \
                 pin that: certificate_sha256 with the fingerprint that `offhook doctor --live` shows"
            }
            Self::UnknownCa {
                ca_file: Some(path),
            } => {
                return format!(
                    "put the PEM certificate of the server's CA into {} (ca_file)",
                    path.display()
                );
            }
            Self::WrongName { .. } => {
                "use one of its names in the URL, or get a certificate with this name for the server"
            }
            Self::Expired { .. } => {
                "renew the certificate on the server, or set this machine's clock if it is wrong"
            }
            Self::NotYetValid { .. } => {
                "set this machine's clock if it is wrong, and see that time synchronisation runs"
            }
            Self::CaAsServer => {
                "give the server a certificate signed by its CA instead of the CA certificate itself"
            }
            Self::Certificate(_) => "give the server a certificate that fits",
            Self::OtherCertificate { presented, .. } => {
                return format!(
                    "compare with what the server itself says (`openssl x509 -noout -fingerprint -sha256 -in wss.pem` there): if \
                     its certificate was renewed, write {presented} into certificate_sha256; if not, somebody is in between, and \
                     a login would hand them the password"
                );
            }
            Self::OldCertificate => {
                "pin it: certificate_sha256 with the fingerprint that `offhook doctor --live` shows, once it was compared with the \
                 server's own; or give the server a certificate of version 3 with its name (subject alternative name)"
            }
            Self::KeyLength { .. } => {
                "make a new key of 2048 bits or more for the server; no setting here can take this one"
            }
            Self::ForeignKey => {
                "give the server the key that belongs to its certificate; if it has it, somebody else answers here in its name"
            }
            Self::IdentityWanted => {
                "get a certificate from whoever runs the server, and name it and its key with client_certificate_file and \
                 client_key_file"
            }
            Self::IdentityRefused { .. } => {
                "ask whoever runs the server which CA it takes; put the certificates between that CA and ours behind ours in \
                 client_certificate_file, or get a new one and restart"
            }
            Self::NotTls => {
                "correct the port, or use ws:// if the server means this one to be unencrypted; a FreeSWITCH does so unasked when its \
                 certificate files are missing: give it its wss.pem then"
            }
            Self::Handshake(_) => {
                "see the server's log; it may be set to other TLS versions or ask for a client certificate"
            }
            Self::NotHttp => "check the port, and use wss:// if this port speaks TLS",
            Self::NoWebSocket { .. } => "check path and port of the URL",
            Self::Redirected { .. } => "put the address that it names into the URL",
            Self::Refused { .. } => {
                "check that the server lets this client in (address lists, Origin, path)"
            }
            Self::Busy { .. } => "nothing: it will be tried again",
            Self::BadUpgrade(UpgradeFault::SubProtocol) => {
                "check that this is the right kind of server and path"
            }
            Self::BadUpgrade(_) => {
                "check for a proxy or load balancer in between that does not know WebSocket"
            }
        };
        fixed.to_owned()
    }
}
