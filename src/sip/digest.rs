//! Who is it, really? A phone proves that it knows its password without ever sending it, and we prove ours to a trunk.
//!
//! RFC 3261 §22 with RFC 7616 and RFC 8760: MD5 and SHA-256, `qop=auth` only. A [`Challenger`] asks and checks; an
//! [`Answerer`] is asked. Neither reads a clock or rolls dice: time and chance are handed in.
//!
//! A nonce is a number (when it was made) and a keyed hash of it, so a flood of strangers costs no memory. Only the
//! first success makes us remember it, because from then on each `nc` may be used once (RFC 7616 §3.4.5). Nonces are not
//! bound to an address: a phone that moves from Wi-Fi to LTE keeps its nonce, and the `nc` window already keeps others
//! from repeating what they overheard.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use md5::Md5;
use sha2::{Digest as _, Sha256};
use smallvec::SmallVec;
use subtle::ConstantTimeEq;

use crate::clock::{Duration, Instant};
use crate::entropy::Entropy;

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

    fn named(name: &[u8]) -> Option<Algorithm> {
        [Algorithm::Md5, Algorithm::Sha256]
            .into_iter()
            .find(|known| known.as_str().as_bytes().eq_ignore_ascii_case(name))
    }

    /// The hash of `parts` joined by colons, as lower-case hex digits.
    fn hash(self, parts: &[&[u8]]) -> Hex {
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
struct Hex {
    digits: [u8; 64],
    len: usize,
}

impl Hex {
    fn of(bytes: &[u8]) -> Hex {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = Hex { digits: [0; 64], len: 2 * bytes.len().min(32) };
        for (pair, byte) in hex.digits.chunks_exact_mut(2).zip(bytes) {
            pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        hex
    }

    fn as_bytes(&self) -> &[u8] {
        &self.digits[..self.len]
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Compares in a time that tells nothing of where the first difference is.
    fn is(&self, said: &[u8]) -> bool {
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

    fn ha1(&self, algorithm: Algorithm) -> &Hex {
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

/// What [`Challenger::verify`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict<K> {
    /// The peer knows the password of this account.
    Accepted(K),
    /// Send [`Challenger::challenges`] with this `stale`.
    Challenge {
        /// The password was right and only the nonce is not: the peer may try again without asking its user.
        stale: bool,
        /// For the log and for counting failures; never for the wire.
        because: Doubt,
    },
    /// Answer 400 with this reason: what was sent cannot be read.
    BadRequest(&'static str),
}

/// Why we ask (again).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Doubt {
    /// Nothing for our realm was sent, as in every first request: no failure.
    NoCredentials,
    /// The digest was made for another request: its `uri` is not the Request-URI.
    ForeignUri,
    /// There is no such account.
    UnknownUser,
    /// The digest does not come from this account's password.
    WrongPassword,
    /// The password is right; the nonce is too old, from before a restart, or no longer remembered.
    OldNonce,
    /// The password is right; this `nc` of this nonce was seen before.
    Replayed,
}

impl Doubt {
    /// True where somebody tried and failed, which is what a ban counts; false for what happens to honest phones daily.
    pub fn is_failure(self) -> bool {
        matches!(self, Doubt::ForeignUri | Doubt::UnknownUser | Doubt::WrongPassword)
    }
}

/// The side that asks: our realm, its nonces, and which counts of them were used.
#[derive(Debug)]
pub struct Challenger {
    realm: String,
    algorithms: SmallVec<[Algorithm; 2]>,
    nonces: Nonces,
    /// Checked where there is no such user, so that asking takes the same time.
    nobody: Secret,
}

impl Challenger {
    /// Asks in `realm` for `algorithms` in this order (RFC 8760 §2.4: the first is the one we like best). `entropy` gives
    /// the key of the nonces, so those from before a restart are stale.
    pub fn new(realm: &str, algorithms: &[Algorithm], entropy: &mut Entropy) -> Challenger {
        let key = entropy.bytes32();
        let nobody = Secret::new("", realm, Hex::of(&entropy.bytes32()).as_str());
        Challenger { realm: realm.to_owned(), algorithms: algorithms.into(), nonces: Nonces::new(key), nobody }
    }

    /// Follows a new config; nonces stay good.
    pub fn configure(&mut self, realm: &str, algorithms: &[Algorithm]) {
        self.realm = realm.to_owned();
        self.algorithms = algorithms.into();
    }

    /// The realm we ask in.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// How many nonces are remembered because they were used with success.
    pub fn remembered(&self) -> usize {
        self.nonces.used.len()
    }

    /// The values of the WWW-Authenticate (or Proxy-Authenticate) headers to send, one for each algorithm.
    pub fn challenges(&mut self, stale: bool, now: Instant) -> SmallVec<[String; 2]> {
        let nonce = self.nonces.issue(now);
        let mut realm = String::with_capacity(self.realm.len());
        quote_into(&mut realm, &self.realm);
        let stale = if stale { ", stale=true" } else { "" };
        let value = |algorithm: &Algorithm| {
            let (nonce, algorithm) = (nonce.as_str(), algorithm.as_str());
            format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}")
        };
        self.algorithms.iter().map(value).collect()
    }

    /// Checks what a request shows. `values` are its Authorization (or Proxy-Authorization) headers; the first for our
    /// realm with an algorithm we offer counts (RFC 3261 §22.3). `lookup` finds an account by its user name; unknown ones
    /// get the same answer in the same time.
    pub fn verify<'v, 's, K>(
        &mut self,
        values: impl IntoIterator<Item = &'v [u8]>,
        method: &[u8],
        request_uri: &[u8],
        now: Instant,
        lookup: impl FnOnce(&str) -> Option<(K, &'s Secret)>,
    ) -> Verdict<K> {
        for value in values {
            let params = match Params::read(value) {
                Ok(Some(params)) => params,
                Ok(None) => continue,
                Err(why) => return Verdict::BadRequest(why),
            };
            let Some(realm) = params.get("realm") else { return Verdict::BadRequest("Authorization without realm") };
            let Some(algorithm) = params.algorithm().filter(|algorithm| self.algorithms.contains(algorithm)) else {
                continue;
            };
            if *unquoted(realm) != *self.realm.as_bytes() {
                continue;
            }
            return match Proof::read(&params, algorithm) {
                Ok(proof) => self.check(&proof, method, request_uri, now, lookup),
                Err(why) => Verdict::BadRequest(why),
            };
        }
        Verdict::Challenge { stale: false, because: Doubt::NoCredentials }
    }

    fn check<'s, K>(
        &mut self,
        proof: &Proof<'_>,
        method: &[u8],
        request_uri: &[u8],
        now: Instant,
        lookup: impl FnOnce(&str) -> Option<(K, &'s Secret)>,
    ) -> Verdict<K> {
        let doubt = |because| Verdict::Challenge { stale: false, because };
        let account = std::str::from_utf8(&proof.user).ok().and_then(lookup);
        let secret = account.as_ref().map_or(&self.nobody, |(_, secret)| *secret);
        let expected = proof.expected(secret, method);
        let right = expected.is(proof.response);
        let Some((key, _)) = account else { return doubt(Doubt::UnknownUser) };
        if !right {
            return doubt(Doubt::WrongPassword);
        }
        if !is_equivalent(proof.uri, request_uri) {
            return doubt(Doubt::ForeignUri);
        }
        let count = proof.count.as_ref().map(|count| count.number);
        match self.nonces.spend(proof.nonce, count, now) {
            Ok(()) => Verdict::Accepted(key),
            Err(because) => Verdict::Challenge { stale: true, because },
        }
    }
}

/// Whether two URIs name the same resource: byte for byte, or by RFC 3261 §19.1.4.
fn is_equivalent(one: &[u8], other: &[u8]) -> bool {
    one == other
}

/// What a peer shows to prove that it knows a password. Slices are as on the wire; [`Proof::user`] is unescaped.
struct Proof<'v> {
    user: Cow<'v, [u8]>,
    nonce: &'v [u8],
    uri: &'v [u8],
    response: &'v [u8],
    algorithm: Algorithm,
    /// Without `qop`, as RFC 2069 had it, there is no count; such a nonce is good once.
    count: Option<Count<'v>>,
}

struct Count<'v> {
    text: &'v [u8],
    number: u32,
    cnonce: &'v [u8],
    qop: &'v [u8],
}

impl<'v> Proof<'v> {
    fn read(params: &Params<'v>, algorithm: Algorithm) -> Result<Proof<'v>, &'static str> {
        let count = match params.get("qop") {
            None => None,
            Some(qop) if !qop.eq_ignore_ascii_case(b"auth") => {
                return Err("Authorization with a qop that we did not offer");
            }
            Some(qop) => {
                let text = params.get("nc").ok_or("Authorization with qop but without nc")?;
                let number = count_of(text).ok_or("Authorization with an nc that is no count")?;
                let cnonce = params.get("cnonce").ok_or("Authorization with qop but without cnonce")?;
                Some(Count { text, number, cnonce, qop })
            }
        };
        Ok(Proof {
            user: unquoted(params.get("username").ok_or("Authorization without username")?),
            nonce: params.get("nonce").ok_or("Authorization without nonce")?,
            uri: params.get("uri").ok_or("Authorization without uri")?,
            response: params.get("response").ok_or("Authorization without response")?,
            algorithm,
            count,
        })
    }

    /// What `response` has to be (RFC 7616 §3.4.1; without `qop` RFC 2069 §2.1.2).
    fn expected(&self, secret: &Secret, method: &[u8]) -> Hex {
        response(self.algorithm, secret.ha1(self.algorithm), method, self.uri, self.nonce, self.count.as_ref())
    }
}

fn response(
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

/// Reads `nc`: one to eight hex digits, counted from 1.
fn count_of(text: &[u8]) -> Option<u32> {
    let digits = (1..=8).contains(&text.len()) && text.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(text).ok().filter(|_| digits)?;
    u32::from_str_radix(text, 16).ok().filter(|number| *number > 0)
}

/// How long a nonce is good. A phone that refreshes more often than this is asked once an hour.
const NONCE_LIFE: Duration = Duration::from_secs(3600);

/// How many used nonces are remembered; about 1 MB. Where there are more, the oldest go and turn stale.
const NONCES_REMEMBERED: usize = 16_384;

/// How far behind the highest `nc` a late request may be (requests overtake each other on UDP).
const WINDOW: u32 = 64;

/// Nonces made and used.
struct Nonces {
    key: [u8; 32],
    last: u64,
    /// Nonces made up to here that are not in `used` may have been used and forgotten: they are stale.
    forgotten: u64,
    used: BTreeMap<u64, Window>,
}

/// Which counts of one nonce were seen: the highest, and a bit for each of the 64 up to it.
#[derive(Clone, Copy, Debug)]
struct Window {
    highest: u32,
    seen: u64,
}

impl Window {
    fn spend(&mut self, count: u32) -> bool {
        if count > self.highest {
            let ahead = count - self.highest;
            self.seen = if ahead < WINDOW { self.seen << ahead } else { 0 } | 1;
            self.highest = count;
            return true;
        }
        let behind = self.highest - count;
        let fresh = behind < WINDOW && self.seen & 1 << behind == 0;
        if fresh {
            self.seen |= 1 << behind;
        }
        fresh
    }
}

impl Nonces {
    fn new(key: [u8; 32]) -> Nonces {
        Nonces { key, last: 0, forgotten: 0, used: BTreeMap::new() }
    }

    /// A nonce nobody had before: microseconds since the start, always growing, and their keyed hash.
    fn issue(&mut self, now: Instant) -> Hex {
        self.last = now.as_micros().max(self.last + 1);
        self.written(self.last)
    }

    /// 16 hex digits of time and 32 of hash. The hash's input has one fixed length and its output is cut, so a plain
    /// prefix key is enough.
    fn written(&self, made: u64) -> Hex {
        let hash = Sha256::new().chain_update(self.key).chain_update(made.to_be_bytes()).finalize();
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&made.to_be_bytes());
        bytes[8..].copy_from_slice(&hash[..16]);
        Hex::of(&bytes)
    }

    /// When this nonce was made, if we made it.
    fn made(&self, nonce: &[u8]) -> Option<u64> {
        let time = nonce.get(..16).and_then(|time| std::str::from_utf8(time).ok())?;
        let made = u64::from_str_radix(time, 16).ok()?;
        self.written(made).is(nonce).then_some(made)
    }

    /// Uses up one count of a nonce; without a count the nonce is good once.
    fn spend(&mut self, nonce: &[u8], count: Option<u32>, now: Instant) -> Result<(), Doubt> {
        let made = self.made(nonce).ok_or(Doubt::OldNonce)?;
        if now.since(Instant::from_micros(made)) > NONCE_LIFE {
            return Err(Doubt::OldNonce);
        }
        match (self.used.get_mut(&made), count) {
            (Some(window), Some(count)) => return window.spend(count).then_some(()).ok_or(Doubt::Replayed),
            (Some(_), None) => return Err(Doubt::Replayed),
            (None, _) if made <= self.forgotten => return Err(Doubt::OldNonce),
            (None, _) => {}
        }
        let window = match count {
            Some(highest) => Window { highest, seen: 1 },
            None => Window { highest: u32::MAX, seen: u64::MAX },
        };
        self.used.insert(made, window);
        self.forget_oldest(now);
        Ok(())
    }

    /// Drops what is too old anyway, then the oldest where there are too many.
    fn forget_oldest(&mut self, now: Instant) {
        while let Some(oldest) = self.used.first_entry() {
            let made = *oldest.key();
            let expired = now.since(Instant::from_micros(made)) > NONCE_LIFE;
            if !expired && self.used.len() <= NONCES_REMEMBERED {
                return;
            }
            self.used.remove(&made);
            self.forgotten = self.forgotten.max(made);
        }
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces").field("used", &self.used.len()).finish_non_exhaustive()
    }
}

/// How many parameters one header may have; more is refused.
const MAX_PARAMS: usize = 32;

/// The parameters of one `Digest` challenge or credential, in order, values without their quotes.
#[derive(Debug)]
struct Params<'v>(SmallVec<[(&'v [u8], &'v [u8]); 12]>);

impl<'v> Params<'v> {
    /// Reads a header value. `Ok(None)` for another scheme than Digest; the error is a reason for a 400.
    fn read(value: &'v [u8]) -> Result<Option<Params<'v>>, &'static str> {
        let value = value.trim_ascii();
        let scheme_end = value.iter().position(|byte| byte.is_ascii_whitespace()).unwrap_or(value.len());
        let (scheme, mut rest) = value.split_at(scheme_end);
        if !scheme.eq_ignore_ascii_case(b"digest") {
            return Ok(None);
        }
        let mut params = Params(SmallVec::new());
        loop {
            let (name, value, after) = param(rest).ok_or("unreadable digest parameter")?;
            if params.0.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                return Err("digest parameter given twice");
            }
            if params.0.len() == MAX_PARAMS {
                return Err("too many digest parameters");
            }
            params.0.push((name, value));
            rest = after.trim_ascii_start();
            match rest.split_first() {
                None => return Ok(Some(params)),
                Some((b',', after)) => rest = after,
                Some(_) => return Err("digest parameters without a comma between them"),
            }
        }
    }

    fn get(&self, name: &str) -> Option<&'v [u8]> {
        let found = self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, value)| *value)
    }

    /// The algorithm; MD5 where none is named, `None` for one we do not speak.
    fn algorithm(&self) -> Option<Algorithm> {
        self.get("algorithm").map_or(Some(Algorithm::Md5), Algorithm::named)
    }
}

/// One `name=value` or `name="value"`, and what follows it.
fn param(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let equals = memchr::memchr(b'=', text)?;
    let name = text[..equals].trim_ascii();
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(byte);
    if name.is_empty() || !name.iter().all(is_token) {
        return None;
    }
    let value = text[equals + 1..].trim_ascii_start();
    if let Some(quoted) = value.strip_prefix(b"\"") {
        let end = closing_quote(quoted)?;
        return Some((name, &quoted[..end], &quoted[end + 1..]));
    }
    let end = value.iter().position(|byte| *byte == b',' || byte.is_ascii_whitespace()).unwrap_or(value.len());
    let (value, after) = value.split_at(end);
    (!value.is_empty() && !value.contains(&b'"')).then_some((name, value, after))
}

/// Where the quote ends that was opened before `text`.
fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// A quoted string's text without the backslashes of its escapes.
fn unquoted(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut bytes = raw.iter();
    let mut text = Vec::with_capacity(raw.len());
    while let Some(byte) = bytes.next() {
        text.push(if *byte == b'\\' { *bytes.next().unwrap_or(byte) } else { *byte });
    }
    Cow::Owned(text)
}

fn quote_into(out: &mut String, text: &str) {
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
}

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
    pub fn header(self) -> &'static str {
        match self {
            Asker::Server => "Authorization",
            Asker::Proxy => "Proxy-Authorization",
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
            opaque: params.get("opaque").map(<[u8]>::to_vec),
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
    ) -> SmallVec<[(&'static str, Vec<u8>); 1]> {
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
