//! Chance as a value: tags, branches and ids come from one seeded source, so that a replay is exact.
//!
//! In production the seed comes from the operating system (the loop hands it in); the generator is ChaCha20, so what
//! we show on the wire (tags, branches, Call-IDs) tells nothing of what comes next.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// The core's only source of chance.
#[derive(Debug, Clone)]
pub struct Entropy {
    rng: ChaCha20Rng,
    shard: u8,
}

/// The magic cookie that begins every branch of RFC 3261 (§8.1.1.7).
pub const BRANCH_COOKIE: &str = "z9hG4bK";

const DIGITS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

impl Entropy {
    /// A source that gives the same values for the same seed. `shard` is written into every key we put on the wire, so
    /// that several Switches can later share one socket without a common table.
    pub fn seeded(seed: [u8; 32], shard: u8) -> Entropy {
        Entropy { rng: ChaCha20Rng::from_seed(seed), shard }
    }

    /// 64 bits of chance.
    pub fn u64(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// A number below `bound` (which is not zero), without bias that anyone could measure.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.u64()) * u128::from(bound)) >> 64) as u64
    }

    /// 32 bytes, for keys.
    pub fn bytes32(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// A From or To tag: 12 characters, 60 bits, of which the first names the shard.
    pub fn tag(&mut self) -> Token {
        self.token::<12>()
    }

    /// What follows [`BRANCH_COOKIE`] in a branch of ours: 12 characters, the first names the shard.
    pub fn branch(&mut self) -> Token {
        self.token::<12>()
    }

    /// A Call-ID without a host part (RFC 3261 §25.1 lets it stand alone): the first character names the shard.
    pub fn sip_call_id(&mut self) -> Token {
        self.token::<12>()
    }

    fn token<const N: usize>(&mut self) -> Token {
        let mut bits = self.u64();
        let mut text = [0; 12];
        text[0] = DIGITS[usize::from(self.shard & 31)];
        for digit in &mut text[1..N] {
            *digit = DIGITS[(bits & 31) as usize];
            bits >>= 5;
        }
        Token { text }
    }
}

/// A short piece of chance that is printable in any SIP token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    text: [u8; 12],
}

impl Token {
    /// The token behind the cookie of a branch; `None` where it is no branch of ours by its form.
    pub fn of_branch(branch: &str) -> Option<Token> {
        Token::read(branch.strip_prefix(BRANCH_COOKIE)?)
    }

    /// A tag or Call-ID that may be ours, by its length.
    pub fn read(text: &str) -> Option<Token> {
        Some(Token { text: text.as_bytes().try_into().ok()? })
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or_default()
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_tokens() {
        let (mut one, mut two) = (Entropy::seeded([7; 32], 3), Entropy::seeded([7; 32], 3));
        let tags: Vec<_> = (0..100).map(|_| one.tag()).collect();
        assert!(tags.iter().all(|tag| *tag == two.tag()));
        assert!(tags.iter().all(|tag| tag.as_str().starts_with('d')));
        let distinct: std::collections::BTreeSet<_> = tags.iter().collect();
        assert_eq!(distinct.len(), 100);
        assert!((0..1000).all(|_| one.below(3) < 3));
    }
}
