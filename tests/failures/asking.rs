//! What a peer asks of the router outside any call.

use crate::peers::Peer;
use crate::router::Router;

/// Says a request outside any dialog, and hears its final answer; `count` numbers it.
pub fn asks(
    peer: &Peer,
    router: &Router,
    count: u32,
    method: &str,
    user: &str,
    call: &str,
    proof: Option<&str>,
) -> String {
    let uri = format!("sip:{}", router.address);
    let via = format!("SIP/2.0/UDP {};branch=z9hG4bKd{count};rport", peer.address);
    let (who, cseq) = (format!("<sip:{user}@{}>", router.address), format!("{count} {method}"));
    let from = format!("{who};tag=d");
    let mut headers = vec![
        ("Via", via.as_str()),
        ("Max-Forwards", "70"),
        ("From", &from),
        ("To", &who),
        ("Call-ID", call),
        ("CSeq", &cseq),
        ("Expires", "600"),
    ];
    headers.extend(proof.map(|proof| ("Authorization", proof)));
    peer.send(&format!("{method} {uri} SIP/2.0"), &headers, "");
    peer.hear("SIP/2.0 ", &format!("CSeq: {cseq}\r\n"))
}
