//! The messages that transactions write themselves, out of the request they belong to.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::sip::{HeaderName, Message, Method, Status, Writer};

/// The ACK to a refusal of `invite` (RFC 3261 §17.1.1.3): it belongs to the INVITE's transaction, so it repeats its Via
/// with the branch, and goes the same way. `None` where the INVITE is not one that can be read.
pub(super) fn ack(writer: &mut Writer, invite: &Bytes, refusal: &Message) -> Option<Bytes> {
    let invite = Message::parse(invite.clone()).ok()?;
    beside(writer, &invite, refusal, Method::Ack, None)
}

/// The CANCEL of `invite` (RFC 3261 §9.1): everything that names the INVITE is repeated, its branch included. `reason` is
/// the value of a Reason header.
pub(super) fn cancel(writer: &mut Writer, invite: &Bytes, reason: Option<&str>) -> Option<Bytes> {
    let invite = Message::parse(invite.clone()).ok()?;
    beside(writer, &invite, &invite, Method::Cancel, reason)
}

/// The 100 to a request that its user has not answered (RFC 4320 §4.1).
pub(super) fn trying(writer: &mut Writer, request: &Bytes, source: SocketAddr) -> Option<Bytes> {
    let request = Message::parse(request.clone()).ok()?;
    Some(writer.reply(&request, Status::TRYING, "", source).finish())
}

/// A request that repeats where `invite` went and what it is called, with the To of `to`.
fn beside(writer: &mut Writer, invite: &Message, to: &Message, method: Method, reason: Option<&str>) -> Option<Bytes> {
    let mut draft = writer.request(method, invite.request_uri()?);
    draft
        .header(HeaderName::Via, invite.values(HeaderName::Via).next()?)
        .number(HeaderName::MaxForwards, 70u8)
        .copy(invite, HeaderName::Route)
        .copy(invite, HeaderName::From)
        .copy(to, HeaderName::To)
        .header(HeaderName::CallId, invite.call_id())
        .cseq(invite.cseq().number, method);
    if let Some(reason) = reason {
        draft.header(HeaderName::Reason, reason);
    }
    Some(draft.finish())
}
