//! The tokens, in memory: nobody who asks waits for the database to say who they are.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clerk::Clerk;
use crate::clock::{Duration, Instant, Now};
use crate::fact::Token;
use crate::store::StoreError;

/// What was read longer ago is read again, whoever changed it.
const FRESH: Duration = Duration::from_secs(5);
/// So many wrong tokens of one address in a minute are answered; after them it is told to wait.
const WRONG_A_MINUTE: u32 = 30;
const MINUTE: Duration = Duration::from_secs(60);
/// So many addresses are remembered; beyond them everybody unknown is told to wait.
const ADDRESSES: usize = 1024;

/// The tokens, as they were read last. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// When they were read; `None`: they are to be read.
    read: Option<Instant>,
    by_hash: BTreeMap<Arc<str>, Arc<Token>>,
    /// Who has shown wrong ones: how many since when.
    wrong: BTreeMap<IpAddr, (u32, Instant)>,
}

impl Tokens {
    /// They have changed: whoever asks next is looked up afresh.
    pub fn forget(&self) {
        self.lock().read = None;
    }

    /// The token of this hash, where it is in force. The hash is compared, never the token: how long that takes says
    /// nothing about a token.
    pub(super) async fn find(&self, hash: &str, clerk: &Clerk, now: Now) -> Result<Option<Arc<Token>>, StoreError> {
        let fresh = |read: Instant| now.mono.since(read) < FRESH;
        if !self.lock().read.is_some_and(fresh) {
            let read = clerk.read(|reader| reader.tokens()).await?;
            let mut known = self.lock();
            known.by_hash = read.into_iter().map(|token| (token.hash.clone(), Arc::new(token))).collect();
            known.read = Some(now.mono);
        }
        let found = self.lock().by_hash.get(hash).cloned();
        Ok(found.filter(|token| token.until.is_none_or(|until| until > now.wall)))
    }

    /// A wrong token came from there; for how long that address is told to wait. The limit keeps the log and the processor
    /// free; 256 bits are not guessed with or without it, so a right token is taken from everywhere at any time, also from
    /// behind the proxy that a fool shares.
    pub(super) fn wrong(&self, from: IpAddr, now: Instant) -> Option<Duration> {
        let mut known = self.lock();
        let wrong = &mut known.wrong;
        if wrong.len() >= ADDRESSES && !wrong.contains_key(&from) {
            wrong.retain(|_, (_, since)| now.since(*since) < MINUTE);
            if wrong.len() >= ADDRESSES {
                return Some(MINUTE);
            }
        }
        let (count, since) = wrong.entry(network(from)).or_insert((0, now));
        if now.since(*since) >= MINUTE {
            (*count, *since) = (0, now);
        }
        *count = count.saturating_add(1);
        (*count > WRONG_A_MINUTE).then(|| MINUTE.saturating_sub(now.since(*since)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An address, or the network that one customer of an IPv6 provider has.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => IpAddr::V6((u128::from(six) & !u128::from(u64::MAX)).into()),
        four => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_tokens_are_counted_by_address_and_forgotten_after_a_minute() {
        let tokens = Tokens::default();
        let at = |seconds: u64| Instant::from_micros(seconds * 1_000_000);
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let told: Vec<_> = (0..=WRONG_A_MINUTE).map(|_| tokens.wrong(one, at(10))).collect();
        assert!(told[..WRONG_A_MINUTE as usize].iter().all(Option::is_none));
        assert_eq!(told.last(), Some(&Some(MINUTE)));
        assert_eq!(tokens.wrong(other, at(10)), None);
        assert_eq!(tokens.wrong(one, at(70)), None);
    }

    #[test]
    fn no_more_than_so_many_addresses_are_remembered() {
        let tokens = Tokens::default();
        let at = |seconds: u64| Instant::from_micros(seconds * 1_000_000);
        let address = |last: u32| IpAddr::V4((0x0A00_0000 + last).into());
        (0..ADDRESSES as u32).for_each(|last| assert_eq!(tokens.wrong(address(last), at(0)), None));
        assert_eq!(tokens.wrong(address(70_000), at(1)), Some(MINUTE));
        assert_eq!(tokens.wrong(address(70_000), at(61)), None);
        assert_eq!(tokens.lock().wrong.len(), 1);
    }
}
