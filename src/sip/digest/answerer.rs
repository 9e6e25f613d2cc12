//! The side that is asked: our account with a trunk.

use std::collections::VecDeque;
use std::fmt;

use smallvec::SmallVec;

use super::hash::{Algorithm, Count, Hex, response};
use super::params::{Params, is_quotable, quote_into, unquoted};
use crate::entropy::Entropy;
use crate::sip::name::HeaderName;

/// Who asks: the peer itself (401) or a proxy before it (407). They use different headers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Asker {
    /// 401: WWW-Authenticate, answered by Authorization.
    Server,
    /// 407: Proxy-Authenticate, answered by Proxy-Authorization.
    Proxy,
}

impl Asker {
    /// Who asks with this status; `None` for any but 401 and 407.
    pub fn of(status: u16) -> Option<Asker> {
        match status {
            401 => Some(Asker::Server),
            407 => Some(Asker::Proxy),
            _ => None,
        }
    }

    /// The header that carries our answer.
    pub fn header(self) -> HeaderName {
        match self {
            Asker::Server => HeaderName::Authorization,
            Asker::Proxy => HeaderName::ProxyAuthorization,
        }
    }
}

/// How often one request of ours was challenged and sent again. Begin each request with the default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tried {
    /// Sent without credentials, or with remembered ones.
    #[default]
    Once,
    /// Sent again in answer to its own challenge.
    Answered,
    /// Sent a third and last time, because the nonce of the second had gone stale meanwhile or somebody else asked too.
    Refreshed,
}

/// Why a challenge is not answered: whoever sent the request takes the 401 or 407 as final.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unanswerable {
    /// No challenge that we can read with an algorithm and `qop` that we speak.
    Unsupported,
    /// Our answer was refused: the password is wrong, or the peer challenges for ever.
    Refused,
}

/// How many challenges of different realms an account keeps; the oldest goes.
const MAX_REALMS: usize = 4;

/// The side that is asked: our account with a trunk.
#[derive(Clone)]
pub struct Answerer {
    user: String,
    password: String,
    held: VecDeque<Held>,
}

/// A challenge we can answer, for this and for later requests.
#[derive(Clone)]
struct Held {
    asker: Asker,
    /// As on the wire, escapes and all: it is sent back as it came.
    realm: Vec<u8>,
    nonce: Vec<u8>,
    opaque: Option<Vec<u8>>,
    /// As on the wire; `None` where the challenge named none.
    named: Option<Algorithm>,
    ha1: Hex,
    /// How often the nonce was used; `None` where the challenge has no `qop` (RFC 2069).
    count: Option<u32>,
}

impl Answerer {
    /// Answers for `user` with `password`.
    pub fn new(user: &str, password: &str) -> Answerer {
        Answerer { user: user.to_owned(), password: password.to_owned(), held: VecDeque::new() }
    }

    /// Takes the challenges of a 401 or 407: `values` are its WWW-Authenticate or Proxy-Authenticate headers. After `Ok`
    /// send the request again with [`Answerer::authorize`]. Among several the strongest algorithm that we speak wins. One
    /// retry per challenge: a request that was sent with an answer gets one more try, and only where the peer calls the
    /// nonce stale or another realm asks.
    pub fn challenged<'v>(
        &mut self,
        asker: Asker,
        values: impl IntoIterator<Item = &'v [u8]>,
        tried: &mut Tried,
    ) -> Result<(), Unanswerable> {
        let readable = values.into_iter().filter_map(|value| Params::read(value).ok().flatten());
        let speakable = readable.filter_map(|params| self.held_from(asker, &params));
        let best = speakable.reduce(|best, next| if next.0.strength() > best.0.strength() { next } else { best });
        let (held, stale) = best.ok_or(Unanswerable::Unsupported)?;
        let elsewhere = !self.held.iter().any(|known| known.is_from(&held));
        *tried = match (*tried, stale) {
            (Tried::Once, _) => Tried::Answered,
            // Elsewhere: a proxy let us pass and the server behind it asks now.
            (Tried::Answered, stale) if stale || elsewhere => Tried::Refreshed,
            (Tried::Answered | Tried::Refreshed, _) => {
                self.held.retain(|known| !known.is_from(&held));
                return Err(Unanswerable::Refused);
            }
        };
        self.held.retain(|known| !known.is_from(&held));
        if self.held.len() == MAX_REALMS {
            self.held.pop_front();
        }
        self.held.push_back(held);
        Ok(())
    }

    fn held_from(&self, asker: Asker, params: &Params<'_>) -> Option<(Held, bool)> {
        let algorithm = params.algorithm()?;
        let (realm, nonce) = (params.get("realm")?, params.get("nonce")?);
        let opaque = params.get("opaque");
        if ![realm, nonce, opaque.unwrap_or_default()].into_iter().all(is_quotable) {
            return None;
        }
        let count = match params.get("qop") {
            None => None,
            Some(list) => {
                let mut offered = list.split(|byte| *byte == b',');
                offered.any(|qop| qop.trim_ascii().eq_ignore_ascii_case(b"auth")).then_some(Some(0))?
            }
        };
        let held = Held {
            asker,
            realm: realm.to_vec(),
            nonce: nonce.to_vec(),
            opaque: opaque.map(<[u8]>::to_vec),
            named: params.get("algorithm").map(|_| algorithm),
            ha1: algorithm.hash(&[self.user.as_bytes(), &unquoted(realm), self.password.as_bytes()]),
            count,
        };
        Some((held, params.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case(b"true"))))
    }

    /// The headers to put into a request: name and value, one for each realm that asked so far; nothing before the first
    /// challenge. Each call uses up a count of each nonce. `uri` is the Request-URI as it will be written.
    pub fn authorize(
        &mut self,
        method: &[u8],
        uri: &[u8],
        entropy: &mut Entropy,
    ) -> SmallVec<[(HeaderName, Vec<u8>); 1]> {
        let mut user = String::with_capacity(self.user.len());
        quote_into(&mut user, &self.user);
        let headers = self.held.iter_mut().map(|held| (held.asker.header(), held.answer(&user, method, uri, entropy)));
        headers.collect()
    }

    /// Forgets all challenges, as after the password was changed.
    pub fn forget(&mut self) {
        self.held.clear();
    }
}

impl Held {
    fn strength(&self) -> Algorithm {
        self.named.unwrap_or(Algorithm::Md5)
    }

    fn is_from(&self, other: &Held) -> bool {
        self.asker == other.asker && self.realm == other.realm
    }

    fn answer(&mut self, user: &str, method: &[u8], uri: &[u8], entropy: &mut Entropy) -> Vec<u8> {
        self.count = self.count.map(|count| count.wrapping_add(1).max(1));
        let cnonce = entropy.branch();
        let nc = self.count.map(|count| format!("{count:08x}"));
        let counted = self.count.zip(nc.as_deref()).map(|(number, nc)| Count {
            text: nc.as_bytes(),
            number,
            cnonce: cnonce.as_str().as_bytes(),
            qop: b"auth",
        });
        let response = response(self.strength(), &self.ha1, method, uri, &self.nonce, counted.as_ref());
        let mut out = Vec::with_capacity(256);
        let mut write = |parts: &[&[u8]]| parts.iter().for_each(|part| out.extend_from_slice(part));
        write(&[b"Digest username=\"", user.as_bytes(), b"\", realm=\"", &self.realm, b"\", nonce=\"", &self.nonce]);
        write(&[b"\", uri=\"", uri, b"\", response=\"", response.as_bytes(), b"\""]);
        if let Some(algorithm) = self.named {
            write(&[b", algorithm=", algorithm.as_str().as_bytes()]);
        }
        if let Some(Count { text, cnonce, .. }) = counted {
            write(&[b", qop=auth, nc=", text, b", cnonce=\"", cnonce, b"\""]);
        }
        if let Some(opaque) = &self.opaque {
            write(&[b", opaque=\"", opaque, b"\""]);
        }
        out
    }
}

impl fmt::Debug for Answerer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<_> = self.held.iter().map(|held| held.count).collect();
        f.debug_struct("Answerer").field("user", &self.user).field("counts", &counts).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: &str = r#"Digest realm="trunk.example", nonce="n1", algorithm=MD5, qop="auth,auth-int", opaque="o\"1""#;
    const SHA: &str = r#"Digest realm="trunk.example", nonce="n2", algorithm=SHA-256, qop="auth""#;

    fn account() -> Answerer {
        Answerer::new("stroymarket", "pass:word")
    }

    fn challenged(account: &mut Answerer, values: &[&str], tried: &mut Tried) -> Result<(), Unanswerable> {
        account.challenged(Asker::Server, values.iter().map(|value| value.as_bytes()), tried)
    }

    fn answers(account: &mut Answerer) -> Vec<(HeaderName, String)> {
        let headers = account.authorize(b"REGISTER", b"sip:trunk.example", &mut Entropy::seeded([3; 32], 0));
        headers.into_iter().map(|(name, value)| (name, String::from_utf8(value).unwrap())).collect()
    }

    /// What follows `name=` up to the next comma.
    fn value<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
        let params = answer.split(", ").map(|param| param.strip_prefix("Digest ").unwrap_or(param));
        params.filter_map(|param| param.split_once('=')).find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    #[test]
    fn an_answer_has_all_that_was_asked_for_and_counts_on() {
        let mut account = account();
        assert_eq!(answers(&mut account), []);
        assert_eq!(challenged(&mut account, &[MD5], &mut Tried::default()), Ok(()));
        let (name, first) = answers(&mut account).remove(0);
        assert_eq!(name, HeaderName::Authorization);
        // H(H(stroymarket:trunk.example:pass:word):n1:00000001:CNONCE:auth:H(REGISTER:sip:trunk.example))
        let cnonce = value(&first, "cnonce").unwrap().trim_matches('"');
        let ha1 = Algorithm::Md5.hash(&[b"stroymarket:trunk.example:pass:word"]);
        let ha2 = Algorithm::Md5.hash(&[b"REGISTER:sip:trunk.example"]);
        let text = format!("{}:n1:00000001:{cnonce}:auth:{}", ha1.as_str(), ha2.as_str());
        let response = Algorithm::Md5.hash(&[text.as_bytes()]);
        let expected = format!(
            "Digest username=\"stroymarket\", realm=\"trunk.example\", nonce=\"n1\", uri=\"sip:trunk.example\", \
             response=\"{}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"{cnonce}\", opaque=\"o\\\"1\"",
            response.as_str()
        );
        assert_eq!(first, expected);
        let (_, second) = answers(&mut account).remove(0);
        assert_eq!(value(&second, "nc"), Some("00000002"));
    }

    #[test]
    fn the_strongest_algorithm_that_we_speak_wins_wherever_it_stands() {
        let unknown = MD5.replace("MD5", "SHA-512-256");
        for values in [[SHA, MD5, &unknown], [&unknown, MD5, SHA]] {
            let mut account = account();
            assert_eq!(challenged(&mut account, &values, &mut Tried::default()), Ok(()));
            assert_eq!(value(&answers(&mut account)[0].1, "algorithm"), Some("SHA-256"));
        }
        let mut account = account();
        for unspeakable in [
            "Digest nonce=n, realm=x\\",
            &unknown,
            "Basic realm=\"x\"",
            "Digest realm=\"x\"",
            "",
            &MD5.replace("auth,auth-int", "auth-int"),
        ] {
            let refused = Err(Unanswerable::Unsupported);
            assert_eq!(challenged(&mut account, &[unspeakable], &mut Tried::default()), refused, "{unspeakable}");
        }
    }

    #[test]
    fn a_challenge_without_qop_or_algorithm_is_answered_in_kind() {
        let mut account = account();
        let old = "Digest realm=\"trunk.example\", nonce=\"n1\"";
        assert_eq!(challenged(&mut account, &[old], &mut Tried::default()), Ok(()));
        let (_, answer) = answers(&mut account).remove(0);
        for absent in ["algorithm", "qop", "nc", "cnonce", "opaque"] {
            assert_eq!(value(&answer, absent), None);
        }
        let ha1 = Algorithm::Md5.hash(&[b"stroymarket:trunk.example:pass:word"]);
        let ha2 = Algorithm::Md5.hash(&[b"REGISTER:sip:trunk.example"]);
        let response = Algorithm::Md5.hash(&[ha1.as_bytes(), b"n1", ha2.as_bytes()]);
        assert_eq!(value(&answer, "response"), Some(format!("\"{}\"", response.as_str()).as_str()));
    }

    #[test]
    fn a_peer_that_challenges_for_ever_is_answered_once_and_a_stale_nonce_once_more() {
        let stale = format!("{MD5}, stale=TRUE");
        let (mut account, mut tried) = (account(), Tried::default());
        assert_eq!(challenged(&mut account, &[MD5], &mut tried), Ok(()));
        assert_eq!(challenged(&mut account, &[&stale], &mut tried), Ok(()));
        assert_eq!(challenged(&mut account, &[&stale], &mut tried), Err(Unanswerable::Refused));
        assert_eq!(answers(&mut account), []);
        let mut tried = Tried::default();
        assert_eq!(challenged(&mut account, &[MD5], &mut tried), Ok(()));
        assert_eq!(challenged(&mut account, &[MD5], &mut tried), Err(Unanswerable::Refused));
        // A new realm with each challenge does not keep us busy either.
        let mut tried = Tried::default();
        let realms = [1, 2, 3].map(|number| MD5.replace("trunk", &number.to_string()));
        let tries = realms.map(|realm| challenged(&mut account, &[&realm], &mut tried));
        assert_eq!(tries, [Ok(()), Ok(()), Err(Unanswerable::Refused)]);
    }

    #[test]
    fn a_request_with_a_remembered_nonce_may_be_challenged_like_any_first_one() {
        let mut account = account();
        assert_eq!(challenged(&mut account, &[MD5], &mut Tried::default()), Ok(()));
        let mut tried = Tried::default();
        assert_eq!(challenged(&mut account, &[&MD5.replace("n1", "n3")], &mut tried), Ok(()));
        let (_, answer) = answers(&mut account).remove(0);
        assert_eq!((value(&answer, "nonce"), value(&answer, "nc")), (Some("\"n3\""), Some("00000001")));
    }

    #[test]
    fn a_proxy_and_the_server_behind_it_are_both_answered() {
        let (mut account, mut tried) = (account(), Tried::default());
        assert_eq!(account.challenged(Asker::Proxy, [SHA.as_bytes()], &mut tried), Ok(()));
        assert_eq!(challenged(&mut account, &[MD5], &mut tried), Ok(()));
        let names: Vec<_> = answers(&mut account).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, [HeaderName::ProxyAuthorization, HeaderName::Authorization]);
        assert_eq!([401, 407, 403].map(Asker::of), [Some(Asker::Server), Some(Asker::Proxy), None]);
        account.forget();
        assert_eq!(answers(&mut account), []);
    }
}
