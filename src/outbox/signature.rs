//! Signatures of webhooks (Standard Webhooks 1.0): whoever knows the secret knows that we said it, and when.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::config::SigningKey;

/// `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`, one for each key, parted by spaces.
pub(super) fn sign(keys: &[SigningKey], id: &str, timestamp: i64, body: &str) -> String {
    let signature = |key: &SigningKey| {
        // HMAC takes keys of every length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose()) else { return String::new() };
        mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    };
    keys.iter().map(signature).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vector_that_standard_webhooks_publishes() {
        let old = SigningKey::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let (id, at, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        let published = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(sign(std::slice::from_ref(&old), id, at, body), published);
        // While a secret is replaced by another, both sign.
        let new = SigningKey::read("C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
        let both = sign(&[new.clone(), old], id, at, body);
        assert_eq!(both, format!("{} {published}", sign(&[new], id, at, body)));
    }
}
