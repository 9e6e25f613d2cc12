//! The side that asks: who is it, and is this not a repetition of what somebody overheard?

use std::borrow::Cow;

use smallvec::SmallVec;

use super::hash::{Algorithm, Count, Hex, Secret, response};
use super::nonces::{Nonces, Worn};
use super::params::{Params, quote_into, unquoted};
use crate::clock::Instant;
use crate::entropy::Entropy;
use crate::sip::uri::UriRef;

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
        self.nonces.remembered()
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

    /// The user name that a request shows for our realm, whether there is such a user or not. Nothing is checked.
    pub fn shown<'v>(&self, values: impl IntoIterator<Item = &'v [u8]>) -> Option<Cow<'v, [u8]>> {
        values.into_iter().find_map(|value| {
            let params = Params::read(value).ok()??;
            let ours = params.get("realm").is_some_and(|realm| *unquoted(realm) == *self.realm.as_bytes());
            params.get("username").filter(|_| ours).map(unquoted)
        })
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
        if !proof.is_for(request_uri) {
            return doubt(Doubt::ForeignUri);
        }
        let count = proof.count.as_ref().map(|count| count.number);
        match self.nonces.spend(proof.nonce, count, now) {
            Ok(()) => Verdict::Accepted(key),
            Err(Worn::Old) => Verdict::Challenge { stale: true, because: Doubt::OldNonce },
            Err(Worn::Replayed) => Verdict::Challenge { stale: true, because: Doubt::Replayed },
        }
    }
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

    /// Whether the digest was made for this resource (RFC 7616 §3.4.6): as written, or by RFC 3261 §19.1.4.
    fn is_for(&self, request_uri: &[u8]) -> bool {
        let same = |(uri, request_uri): (UriRef<'_>, UriRef<'_>)| uri.is_same(request_uri);
        self.uri == request_uri || UriRef::parse(self.uri).ok().zip(UriRef::parse(request_uri).ok()).is_some_and(same)
    }

    /// What `response` has to be (RFC 7616 §3.4.1; without `qop` RFC 2069 §2.1.2).
    fn expected(&self, secret: &Secret, method: &[u8]) -> Hex {
        response(self.algorithm, secret.ha1(self.algorithm), method, self.uri, self.nonce, self.count.as_ref())
    }
}

/// Reads `nc`: one to eight hex digits, counted from 1.
fn count_of(text: &[u8]) -> Option<u32> {
    let digits = (1..=8).contains(&text.len()) && text.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(text).ok().filter(|_| digits)?;
    u32::from_str_radix(text, 16).ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::super::{Answerer, Asker, Tried};
    use super::*;

    const NOW: Instant = Instant::START;
    const REALM: &str = "office.example";
    const URI: &str = "sip:office.example";

    /// Our side, and a phone with the password "secret" for whatever user it claims.
    struct Stage {
        ours: Challenger,
        chance: Entropy,
        secret: Secret,
    }

    impl Stage {
        fn new(algorithms: &[Algorithm]) -> Stage {
            let mut chance = Entropy::seeded([1; 32], 0);
            let ours = Challenger::new(REALM, algorithms, &mut chance);
            Stage { ours, chance, secret: Secret::new("201", REALM, "secret") }
        }

        /// The phone's answer to a fresh challenge, as parameters that a test may bend.
        fn answer(&mut self, user: &str, password: &str) -> String {
            let asked = self.ours.challenges(false, NOW);
            let mut phone = Answerer::new(user, password);
            phone.challenged(Asker::Server, asked.iter().map(|value| value.as_bytes()), &mut Tried::default()).unwrap();
            let (name, value) = phone.authorize(b"REGISTER", URI.as_bytes(), &mut self.chance).pop().unwrap();
            assert_eq!(name, crate::sip::HeaderName::Authorization);
            String::from_utf8(value).unwrap()
        }

        fn verdict(&mut self, values: &[&str]) -> Verdict<u32> {
            self.verdict_on(values, URI)
        }

        fn verdict_on(&mut self, values: &[&str], uri: &str) -> Verdict<u32> {
            let (secret, uri) = (&self.secret, uri.as_bytes());
            let values = values.iter().map(|value| value.as_bytes());
            self.ours.verify(values, b"REGISTER", uri, NOW, |user| (user == "201").then_some((7, secret)))
        }
    }

    fn asked_because(because: Doubt) -> Verdict<u32> {
        Verdict::Challenge { stale: matches!(because, Doubt::OldNonce | Doubt::Replayed), because }
    }

    /// `answer` with the value of one parameter replaced.
    fn with(answer: &str, name: &str, value: &str) -> String {
        let at = answer.find(&format!("{name}=")).unwrap();
        let end = answer[at..].find(", ").map_or(answer.len(), |end| at + end);
        format!("{}{name}={value}{}", &answer[..at], &answer[end..])
    }

    #[test]
    fn the_challenge_offers_what_the_site_says_in_its_order() {
        let mut stage = Stage::new(&[Algorithm::Sha256, Algorithm::Md5]);
        let asked = stage.ours.challenges(true, Instant::from_micros(0x1234));
        let nonce = asked[0].split('"').nth(3).unwrap().to_owned();
        assert_eq!((nonce.len(), &nonce[..16]), (32, "0000000000001234"));
        let expected = |algorithm| {
            format!(
                "Digest realm=\"office.example\", nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\", stale=true"
            )
        };
        assert_eq!(asked.to_vec(), [expected("SHA-256"), expected("MD5")]);
    }

    #[test]
    fn a_phone_that_knows_its_password_is_let_in_once_for_each_answer() {
        for algorithms in [&[Algorithm::Md5][..], &[Algorithm::Sha256, Algorithm::Md5]] {
            let mut stage = Stage::new(algorithms);
            let answer = stage.answer("201", "secret");
            assert_eq!(stage.verdict(&[&answer]), Verdict::Accepted(7));
            assert_eq!(stage.verdict(&[&answer]), asked_because(Doubt::Replayed));
            assert_eq!(stage.ours.remembered(), 1);
        }
    }

    #[test]
    fn who_does_not_exist_is_asked_like_who_forgot_the_password() {
        let mut stage = Stage::new(&[Algorithm::Md5]);
        let (stranger, wrong) = (stage.answer("999", "secret"), stage.answer("201", "guess"));
        assert_eq!(stage.verdict(&[&stranger]), asked_because(Doubt::UnknownUser));
        assert_eq!(stage.verdict(&[&wrong]), asked_because(Doubt::WrongPassword));
        assert_eq!(stage.ours.remembered(), 0);
    }

    #[test]
    fn only_trying_and_failing_is_a_failure() {
        let all = [Doubt::NoCredentials, Doubt::OldNonce, Doubt::Replayed, Doubt::ForeignUri, Doubt::UnknownUser];
        assert_eq!(all.map(Doubt::is_failure), [false, false, false, true, true]);
        assert!(Doubt::WrongPassword.is_failure());
    }

    #[test]
    fn an_answer_for_another_request_is_worth_nothing() {
        let mut stage = Stage::new(&[Algorithm::Md5]);
        let answer = stage.answer("201", "secret");
        assert_eq!(stage.verdict_on(&[&answer], "sip:elsewhere.example"), asked_because(Doubt::ForeignUri));
        // Equivalent is enough (RFC 7616 §3.4.6), and the failure used nothing up.
        assert_eq!(stage.verdict_on(&[&answer], "SIP:Office.Example"), Verdict::Accepted(7));
    }

    #[test]
    fn nothing_for_our_realm_is_nothing() {
        let mut stage = Stage::new(&[Algorithm::Md5]);
        let answer = stage.answer("201", "secret");
        let elsewhere = with(&answer, "realm", "\"other.example\"");
        let unknown = with(&answer, "algorithm", "SHA-512-256");
        let not_offered = with(&answer, "algorithm", "SHA-256");
        let none: &[&str] = &[];
        for values in [none, &["NoOneKnowsThisScheme opaque-data=here"], &[&elsewhere], &[&unknown], &[&not_offered]] {
            assert_eq!(stage.verdict(values), asked_because(Doubt::NoCredentials));
        }
        assert_eq!(stage.verdict(&["Basic x=y", &elsewhere, &answer]), Verdict::Accepted(7));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let mut stage = Stage::new(&[Algorithm::Md5]);
        let answer = stage.answer("201", "secret");
        let without = |name: &str| {
            let bent = with(&answer, name, "#");
            bent.replace(&format!("{name}=#, "), "").replace(&format!(", {name}=#"), "")
        };
        let bad = [
            (format!("{answer}, realm=\"office.example\""), "digest parameter given twice"),
            (format!("{answer}, x=1, X=2"), "digest parameter given twice"),
            (answer.clone() + ", x=\"1", "unreadable digest parameter"),
            (answer.clone() + " x=1", "unreadable digest parameter"),
            ("Digest".to_owned(), "Authorization without parameters"),
            ("Digest realm".to_owned(), "unreadable digest parameter"),
            (without("realm"), "Authorization without realm"),
            (without("username"), "Authorization without username"),
            (without("nonce"), "Authorization without nonce"),
            (without("uri"), "Authorization without uri"),
            (without("response"), "Authorization without response"),
            (without("nc"), "Authorization with qop but without nc"),
            (without("cnonce"), "Authorization with qop but without cnonce"),
            (with(&answer, "nc", "0000000g"), "Authorization with an nc that is no count"),
            (with(&answer, "nc", "00000000"), "Authorization with an nc that is no count"),
            (with(&answer, "nc", "000000001"), "Authorization with an nc that is no count"),
            (with(&answer, "qop", "auth-int"), "Authorization with a qop that we did not offer"),
            (answer.clone() + &(0..32).map(|n| format!(", x{n}=1")).collect::<String>(), "too many digest parameters"),
        ];
        for (value, why) in bad {
            assert_eq!(stage.verdict(&[&value]), Verdict::BadRequest(why), "{value}");
        }
        assert_eq!(stage.verdict(&[&answer]), Verdict::Accepted(7));
    }

    #[test]
    fn loose_writing_of_phones_is_understood() {
        let mut stage = Stage::new(&[Algorithm::Md5]);
        let answer = stage.answer("201", "secret");
        let loose = with(&with(&answer, "algorithm", "\"md5\""), "username", "\"2\\01\"");
        let loose = loose.replace("Digest ", "DIGEST   ").replace(", ", " ,\t");
        assert_eq!(stage.verdict(&[&loose]), Verdict::Accepted(7));
    }

    #[test]
    fn an_answer_without_qop_is_good_once() {
        let mut stage = Stage::new(&[Algorithm::Md5]);
        let answer = |stage: &mut Stage| {
            let asked = stage.ours.challenges(false, NOW)[0].replace(", qop=\"auth\"", "");
            let mut phone = Answerer::new("201", "secret");
            phone.challenged(Asker::Server, [asked.as_bytes()], &mut Tried::default()).unwrap();
            let value = phone.authorize(b"REGISTER", URI.as_bytes(), &mut stage.chance).pop().unwrap().1;
            String::from_utf8(value).unwrap()
        };
        let first = answer(&mut stage);
        assert!(!first.contains("nc="), "{first}");
        assert_eq!(stage.verdict(&[&first]), Verdict::Accepted(7));
        assert_eq!(stage.verdict(&[&first]), asked_because(Doubt::Replayed));
        let second = answer(&mut stage);
        assert_eq!(stage.verdict(&[&second]), Verdict::Accepted(7));
    }

    #[test]
    fn after_a_restart_an_old_answer_is_stale_and_a_wrong_one_is_not() {
        let mut stage = Stage::new(&[Algorithm::Md5]);
        let (right, wrong) = (stage.answer("201", "secret"), stage.answer("201", "guess"));
        stage.ours = Challenger::new(REALM, &[Algorithm::Md5], &mut stage.chance);
        assert_eq!(stage.verdict(&[&right]), asked_because(Doubt::OldNonce));
        assert_eq!(stage.verdict(&[&wrong]), asked_because(Doubt::WrongPassword));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_let_anybody_in(at in 0..400usize, cut in 0..40usize, noise in proptest::collection::vec(0..=255u8, 0..20)) {
            let mut stage = Stage::new(&[Algorithm::Md5]);
            let wrong = stage.answer("201", "guess").into_bytes();
            let at = at.min(wrong.len());
            let bent = [&wrong[..at], &noise, &wrong[(at + cut).min(wrong.len())..]].concat();
            let secret = &stage.secret;
            let verdict = stage.ours.verify([&bent[..]], b"REGISTER", URI.as_bytes(), NOW, |_| Some(((), secret)));
            proptest::prop_assert!(verdict != Verdict::Accepted(()));
            let _ = Answerer::new("201", "secret").challenged(Asker::Proxy, [&bent[..]], &mut Tried::default());
        }
    }
}
