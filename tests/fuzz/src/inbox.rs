//! What CRMs send to their addresses at the router.

use std::collections::BTreeMap;

use huntline::crm::inbox::{fields_as, leg};
use huntline::crm::wire::encoded;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// A body is read as a form or, where its first byte is odd, as JSON. It says no more than it is long, and what it says,
/// written again, is read equal.
pub fn inbox(data: &[u8]) {
    let Some((kind, body)) = data.split_first() else { return };
    let kind = if kind % 2 == 0 { FORM } else { JSON };
    let said = fields_as(kind, None, body);
    let long: usize = said.iter().map(|(name, value)| name.len() + value.len()).sum();
    // What is no UTF-8 becomes three bytes for one.
    assert!(long <= 3 * body.len(), "{long} bytes were read in {}", body.len());
    let pairs: Vec<String> = said.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    assert_eq!(fields_as(FORM, None, pairs.join("&").as_bytes()), said);
    // Nothing is said by an empty field of JSON.
    let full: BTreeMap<String, String> = said.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let object = serde_json::to_vec(&full).expect("JSON");
    assert_eq!(fields_as(JSON, None, &object), full);
    for (call, whose) in full.values().filter_map(|value| leg(value)) {
        let written = whose.iter().fold(call.to_string(), |written, whose| format!("{written}:{whose}"));
        assert_eq!(leg(&written), Some((call, whose)));
    }
}
