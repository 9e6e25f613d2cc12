//! What is hashed, and what is kept of a password (RFC 7616 §3.4).

use std::fmt;

use md5::Md5;
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// The hash functions we speak, weakest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Algorithm {
    /// RFC 3261's; what is meant where nothing is said.
    Md5,
    /// RFC 8760's.
    Sha256,
}

impl Algorithm {
    /// As the `algorithm` parameter writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    pub(super) fn named(name: &[u8]) -> Option<Algorithm> {
        [Algorithm::Md5, Algorithm::Sha256]
            .into_iter()
            .find(|known| known.as_str().as_bytes().eq_ignore_ascii_case(name))
    }

    /// The hash of `parts` joined by colons, as lower-case hex digits.
    pub(super) fn hash(self, parts: &[&[u8]]) -> Hex {
        fn joined<D: sha2::Digest>(parts: &[&[u8]]) -> Hex {
            let mut hasher = D::new();
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    hasher.update(b":");
                }
                hasher.update(part);
            }
            Hex::of(&hasher.finalize())
        }
        match self {
            Algorithm::Md5 => joined::<Md5>(parts),
            Algorithm::Sha256 => joined::<Sha256>(parts),
        }
    }
}

/// A hash written as lower-case hex digits: 32 of them for MD5, 64 for SHA-256.
#[derive(Clone, Copy)]
pub(super) struct Hex {
    digits: [u8; 64],
    len: usize,
}

impl Hex {
    pub(super) fn of(bytes: &[u8]) -> Hex {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = Hex { digits: [0; 64], len: 2 * bytes.len().min(32) };
        for (pair, byte) in hex.digits.chunks_exact_mut(2).zip(bytes) {
            pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        hex
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.digits[..self.len]
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Compares in a time that tells nothing of where the first difference is.
    pub(super) fn is(&self, said: &[u8]) -> bool {
        self.as_bytes().ct_eq(&said.to_ascii_lowercase()).into()
    }
}

/// What is kept of a password: HA1, its hash with user and realm, for each algorithm. Made when the config is read.
#[derive(Clone)]
pub struct Secret {
    md5: Hex,
    sha256: Hex,
}

impl Secret {
    /// The secret that `user` shares with us in `realm`.
    pub fn new(user: &str, realm: &str, password: &str) -> Secret {
        let parts = [user.as_bytes(), realm.as_bytes(), password.as_bytes()];
        Secret { md5: Algorithm::Md5.hash(&parts), sha256: Algorithm::Sha256.hash(&parts) }
    }

    pub(super) fn ha1(&self, algorithm: Algorithm) -> &Hex {
        match algorithm {
            Algorithm::Md5 => &self.md5,
            Algorithm::Sha256 => &self.sha256,
        }
    }

    /// Whether both come from the same user, realm and password.
    pub fn is_same(&self, other: &Secret) -> bool {
        self.sha256.is(other.sha256.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// One use of a nonce (RFC 7616 §3.4.5).
pub(super) struct Count<'v> {
    /// `nc` as on the wire.
    pub(super) text: &'v [u8],
    /// `nc` as a number.
    pub(super) number: u32,
    /// The answering side's share of chance.
    pub(super) cnonce: &'v [u8],
    /// `auth`, as on the wire.
    pub(super) qop: &'v [u8],
}

/// What `response` has to be (RFC 7616 §3.4.1; without a count RFC 2069 §2.1.2).
pub(super) fn response(
    algorithm: Algorithm,
    ha1: &Hex,
    method: &[u8],
    uri: &[u8],
    nonce: &[u8],
    count: Option<&Count<'_>>,
) -> Hex {
    let ha2 = algorithm.hash(&[method, uri]);
    match count {
        Some(Count { text, cnonce, qop, .. }) => {
            algorithm.hash(&[ha1.as_bytes(), nonce, text, cnonce, qop, ha2.as_bytes()])
        }
        None => algorithm.hash(&[ha1.as_bytes(), nonce, ha2.as_bytes()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(algorithm: Algorithm, secret: &Secret, nonce: &str, cnonce: Option<&str>) -> String {
        let count =
            cnonce.map(|cnonce| Count { text: b"00000001", number: 1, cnonce: cnonce.as_bytes(), qop: b"auth" });
        let uri = b"/dir/index.html";
        response(algorithm, secret.ha1(algorithm), b"GET", uri, nonce.as_bytes(), count.as_ref()).as_str().to_owned()
    }

    #[test]
    fn the_examples_of_rfc_7616_come_out() {
        let secret = Secret::new("Mufasa", "http-auth@example.org", "Circle of Life");
        let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let cnonce = Some("f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ");
        assert_eq!(answer(Algorithm::Md5, &secret, nonce, cnonce), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            answer(Algorithm::Sha256, &secret, nonce, cnonce),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    #[test]
    fn the_examples_of_rfc_2617_and_2069_come_out() {
        let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let secret = Secret::new("Mufasa", "testrealm@host.com", "Circle Of Life");
        assert_eq!(answer(Algorithm::Md5, &secret, nonce, Some("0a4f113b")), "6629fae49393a05397450978507c4ef1");
        // RFC 2069 with its errata 749.
        let secret = Secret::new("Mufasa", "testrealm@host.com", "CircleOfLife");
        assert_eq!(answer(Algorithm::Md5, &secret, nonce, None), "1949323746fe6a43ef61f9606e7febea");
    }

    #[test]
    fn a_secret_is_never_printed() {
        assert_eq!(format!("{:?}", Secret::new("201", "office.example", "hunter2")), "Secret(…)");
    }
}
