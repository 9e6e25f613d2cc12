//! One SIP question to a provider, from a port of our own, and its answer: nothing that the running router would notice.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};

use bytes::Bytes;

use super::pace::{SHORT, timed};
use crate::clock::{Duration, Timestamp};
use crate::config::{Register, SipTarget};
use crate::entropy::{BRANCH_COOKIE, Entropy};
use crate::key::Transport;
use crate::sip::digest::{Answerer, Asker, Tried};
use crate::sip::{HeaderName, Message, Method, Writer};

/// What was answered.
pub(super) struct Answer {
    /// The final code.
    pub(super) code: u16,
    /// How long it took.
    pub(super) took: Duration,
    /// What the peer said what time it is (RFC 3261 §20.17).
    pub(super) date: Option<Timestamp>,
}

/// Somebody who is asked.
pub(super) struct Peer {
    way: Way,
    told: SocketAddr,
    transport: Transport,
    entropy: Entropy,
    call_id: String,
    tag: String,
    cseq: u32,
}

enum Way {
    Datagrams(UdpSocket),
    Stream(TcpStream),
}

/// How often a datagram is repeated before it is given up (RFC 3261 §17.1.2.2 begins with 500 ms).
const TRIES: u32 = 3;

impl Peer {
    /// Opens a way to an address.
    ///
    /// # Errors
    /// There is none, or nobody takes the connection.
    pub(super) fn reach(transport: Transport, address: SocketAddr) -> io::Result<Peer> {
        let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let (way, told) = match transport {
            Transport::Udp => {
                let socket = UdpSocket::bind((any, 0))?;
                socket.connect(address)?;
                socket.set_read_timeout(Some(SHORT / TRIES))?;
                let told = socket.local_addr()?;
                (Way::Datagrams(socket), told)
            }
            Transport::Tcp => {
                let stream = TcpStream::connect_timeout(&address, SHORT)?;
                stream.set_read_timeout(Some(SHORT))?;
                stream.set_write_timeout(Some(SHORT))?;
                let told = stream.local_addr()?;
                (Way::Stream(stream), told)
            }
        };
        let seed = crate::web::chance()?;
        let mut entropy = Entropy::seeded(seed, 0);
        let (call_id, tag) = (entropy.sip_call_id().as_str().to_owned(), entropy.tag().as_str().to_owned());
        Ok(Peer { way, told, transport, entropy, call_id, tag, cseq: 0 })
    }

    /// Asks with OPTIONS whether it is there.
    ///
    /// # Errors
    /// No answer.
    pub(super) fn options(&mut self, server: &SipTarget) -> io::Result<Answer> {
        let (took, message) = self.ask(Method::Options, server, None)?;
        Ok(answer(took, &message))
    }

    /// Asks what is registered for our account, which changes nothing (RFC 3261 §10.2.3), and shows our password where it is
    /// asked for.
    ///
    /// # Errors
    /// No answer, or a question that we cannot answer.
    pub(super) fn registrations(&mut self, server: &SipTarget, account: &Register) -> io::Result<Answer> {
        let password = account.password.as_ref().ok_or_else(|| io::Error::other("there is no password"))?;
        let mut answerer = Answerer::new(&account.user, password.expose());
        let mut tried = Tried::default();
        for _ in 0..3 {
            let (took, message) = self.ask(Method::Register, server, Some((account, &mut answerer)))?;
            let answer = answer(took, &message);
            let Some(asker) = Asker::of(answer.code) else { return Ok(answer) };
            if answerer.challenged(asker, message.headers(challenge(asker)), &mut tried).is_err() {
                return Ok(answer);
            }
        }
        Err(io::Error::other("it asks for our password again and again"))
    }

    fn ask(
        &mut self,
        method: Method,
        server: &SipTarget,
        account: Option<(&Register, &mut Answerer)>,
    ) -> io::Result<(Duration, Message)> {
        self.cseq += 1;
        let bytes = self.write(method, server, account);
        let cseq = self.cseq;
        let (took, message) = timed(|| match &mut self.way {
            Way::Datagrams(socket) => over_datagrams(socket, &bytes, cseq),
            Way::Stream(stream) => over_stream(stream, &bytes, cseq),
        });
        Ok((took, message?))
    }

    fn write(&mut self, method: Method, server: &SipTarget, account: Option<(&Register, &mut Answerer)>) -> Bytes {
        let parameter = if self.transport == Transport::Tcp { ";transport=tcp" } else { "" };
        let host = match server.ip() {
            Some(IpAddr::V6(ip)) => format!("[{ip}]"),
            _ => server.host.to_string(),
        };
        let port = server.port.map(|port| format!(":{port}")).unwrap_or_default();
        let uri = format!("sip:{host}{port}{parameter}");
        let told = self.told;
        let own = account
            .as_ref()
            .map_or_else(|| format!("sip:{told}"), |(account, _)| format!("sip:{}@{host}", account.user));
        let to = if account.is_some() { &own } else { &uri };
        let branch = self.entropy.branch();
        let proofs = account
            .map(|(_, answerer)| answerer.authorize(method.as_str().as_bytes(), uri.as_bytes(), &mut self.entropy));
        let mut writer = Writer::default();
        let mut draft = writer.request(method, &uri);
        draft
            .header(
                HeaderName::Via,
                format!("SIP/2.0/{} {told};branch={BRANCH_COOKIE}{branch};rport", self.transport.via()),
            )
            .number(HeaderName::MaxForwards, 70u8)
            .header(HeaderName::From, format!("<{own}>;tag={}", self.tag))
            .header(HeaderName::To, format!("<{to}>"))
            .header(HeaderName::CallId, &self.call_id)
            .header(HeaderName::CSeq, format!("{} {}", self.cseq, method.as_str()));
        for (name, value) in proofs.into_iter().flatten() {
            draft.header(name, value);
        }
        draft.finish()
    }
}

fn challenge(asker: Asker) -> HeaderName {
    match asker {
        Asker::Server => HeaderName::WwwAuthenticate,
        Asker::Proxy => HeaderName::ProxyAuthenticate,
    }
}

fn answer(took: Duration, message: &Message) -> Answer {
    let date = message.header(HeaderName::Date).and_then(|date| read_date(std::str::from_utf8(date).ok()?));
    Answer { code: message.status().map_or(0, |status| status.code()), took, date }
}

/// `Tue, 24 Nov 2026 15:32:00 GMT`, as SIP and HTTP write it (RFC 9110 §5.6.7).
pub(super) fn read_date(text: &str) -> Option<Timestamp> {
    let date = jiff::fmt::strtime::parse("%a, %d %b %Y %H:%M:%S GMT", text.trim()).ok()?;
    date.to_datetime().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// The final answer to this CSeq.
fn is_final(message: &Message, cseq: u32) -> bool {
    message.status().is_some_and(|status| status.is_final()) && message.cseq().number == cseq
}

fn over_datagrams(socket: &UdpSocket, bytes: &[u8], cseq: u32) -> io::Result<Message> {
    let mut room = vec![0; 65_536];
    for _ in 0..TRIES {
        socket.send(bytes)?;
        loop {
            match socket.recv(&mut room) {
                Ok(length) => {
                    let read = Message::parse(Bytes::copy_from_slice(&room[..length])).ok();
                    if let Some(message) = read.filter(|message| is_final(message, cseq)) {
                        return Ok(message);
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                Err(error) => return Err(error),
            }
        }
    }
    Err(ErrorKind::TimedOut.into())
}

/// Answers to what we ask have no body that anybody needs: a head is read, and the bytes behind it are let go.
fn over_stream(stream: &mut TcpStream, bytes: &[u8], cseq: u32) -> io::Result<Message> {
    const LONGEST: usize = 65_536;
    stream.write_all(bytes)?;
    let (mut read, mut room) = (Vec::new(), [0; 4096]);
    while read.len() < LONGEST {
        let count = stream.read(&mut room)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        read.extend_from_slice(&room[..count]);
        while let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let head: Vec<u8> = read.drain(..end + 4).collect();
            let message = Message::parse(Bytes::from(without_length(&head))).ok();
            if let Some(message) = message.filter(|message| is_final(message, cseq)) {
                return Ok(message);
            }
        }
    }
    Err(ErrorKind::InvalidData.into())
}

/// A head whose body stays where it is.
fn without_length(head: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(head);
    let is_length = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
        name == "content-length" || name == "l"
    };
    let lines = text.split_inclusive("\r\n").filter(|line| !is_length(line));
    lines.collect::<String>().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_as_sip_and_http_write_it() {
        assert_eq!(read_date("Tue, 24 Nov 2026 15:32:00 GMT"), Some("2026-11-24T15:32:00Z".parse().unwrap()));
        assert_eq!(read_date(" Sat, 13 Nov 2010 23:29:00 GMT "), Some("2010-11-13T23:29:00Z".parse().unwrap()));
        assert_eq!(read_date("yesterday"), None);
    }
}
