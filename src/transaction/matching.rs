//! Which request a message belongs to (RFC 3261 §17.2.3).
//!
//! Of what identifies a request only a keyed hash of 128 bits is kept: two 64-bit SipHashes under keys that nobody
//! outside knows. No two requests will ever share one, neither by accident nor by intent, so nothing is compared again
//! and no datagram is kept alive for it.

use std::hash::Hasher;
#[allow(deprecated)] // The only keyed SipHash of the standard library; its replacement takes no key.
use std::hash::SipHasher;
use std::net::IpAddr;

use crate::entropy::Entropy;
use crate::sip::{HeaderName, Host, Message, Method};

/// What identifies a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Fingerprint(u64, u64);

impl Fingerprint {
    /// A To tag for an answer that has no dialog behind it: 32 bits that nobody outside can foretell (RFC 3261 §19.3).
    pub(super) fn tag(self) -> String {
        let both = self.0 ^ self.1;
        format!("{:08x}", (both ^ both >> 32) as u32)
    }

    /// Half of it, where a mistake in so many would do no harm.
    pub(super) fn mark(self) -> u64 {
        self.0
    }
}

/// The key under which requests are recognised.
#[derive(Debug)]
pub(super) struct Matching {
    key: [u64; 4],
}

impl Matching {
    pub(super) fn new(entropy: &mut Entropy) -> Matching {
        Matching { key: std::array::from_fn(|_| entropy.u64()) }
    }

    /// The fingerprint of the request that `message` is, or that it means if `method` is another: an ACK means its
    /// INVITE, and a CANCEL is asked for with both methods.
    pub(super) fn request(&self, message: &Message, method: Method) -> Fingerprint {
        let method = if method == Method::Ack { Method::Invite } else { method };
        let mut hash = self.begin(message, method);
        let via = message.via();
        match via.unique_branch() {
            Some(branch) => {
                hash.field(branch.as_bytes());
                match via.host {
                    Host::Name(name) => hash.lowercase(name.as_bytes()),
                    Host::Ip(ip) => hash.ip(ip),
                }
                hash.number(via.port.unwrap_or(5060).into());
            }
            // RFC 2543 had no unique branches, and a bare cookie is none either: everything that a retransmission
            // repeats must be equal. The To tag is left out, because an ACK carries that of the response.
            None => {
                hash.field(message.request_uri().map_or(b"", |uri| uri.as_str().as_bytes()));
                hash.field(message.from_tag().unwrap_or_default().as_bytes());
                hash.field(message.call_id().as_bytes());
                hash.number(message.cseq().number.into());
                hash.field(message.values(HeaderName::Via).next().unwrap_or_default());
            }
        }
        hash.finish()
    }

    /// The fingerprint of a request whichever way it came (RFC 3261 §8.2.2.2).
    pub(super) fn origin(&self, message: &Message, method: Method) -> Fingerprint {
        let mut hash = self.begin(message, method);
        hash.field(message.from_tag().unwrap_or_default().as_bytes());
        hash.field(message.call_id().as_bytes());
        hash.number(message.cseq().number.into());
        hash.finish()
    }

    #[allow(deprecated)]
    fn begin(&self, message: &Message, method: Method) -> Hash {
        let [a, b, c, d] = self.key;
        let mut hash = Hash(SipHasher::new_with_keys(a, b), SipHasher::new_with_keys(c, d));
        hash.number(method as u64);
        if method == Method::Other {
            hash.field(message.method_name().as_bytes());
        }
        hash
    }
}

#[allow(deprecated)]
struct Hash(SipHasher, SipHasher);

impl Hash {
    fn field(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.write(bytes);
        self.1.write(bytes);
    }

    /// A host name is the same in any case.
    fn lowercase(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0.write_u8(byte.to_ascii_lowercase());
            self.1.write_u8(byte.to_ascii_lowercase());
        }
        self.number(bytes.len() as u64);
    }

    fn ip(&mut self, ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => self.field(&ip.octets()),
            IpAddr::V6(ip) => self.field(&ip.octets()),
        }
    }

    fn number(&mut self, number: u64) {
        self.0.write_u64(number);
        self.1.write_u64(number);
    }

    fn finish(self) -> Fingerprint {
        Fingerprint(self.0.finish(), self.1.finish())
    }
}
