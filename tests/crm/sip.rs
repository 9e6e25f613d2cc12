//! Phones and a provider on the loopback: one UDP port each that speaks as much SIP as a call takes, written without a line
//! of the router's own.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How a peer treats calls.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Manner {
    /// Rings, and is answered after so long.
    Answer(Duration),
    /// Rings, and nobody comes.
    Ring,
    /// Refuses.
    Busy,
}

/// What a peer is told to do.
enum Order {
    Call { id: String, from: String, to: String },
    Cancel(String),
    Bye,
    Refer(String),
}

/// What a peer has seen, with the moment.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at: Instant,
    /// `INVITE`, `BYE`, … or `180 INVITE`.
    pub what: String,
}

/// A phone, or a provider with its customers. Ends with its process.
pub struct Peer {
    manner: Arc<Mutex<Manner>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    orders: Sender<Order>,
}

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n";

#[derive(Clone, Debug, Default)]
struct Message {
    start: String,
    headers: Vec<(String, String)>,
}

impl Message {
    fn parse(bytes: &[u8]) -> Option<Message> {
        let text = String::from_utf8_lossy(bytes);
        let head = text.split("\r\n\r\n").next()?;
        let mut lines = head.split("\r\n");
        let start = lines.next()?.to_owned();
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        };
        Some(Message { start, headers: lines.filter_map(header).collect() })
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    fn get(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    fn cseq_method(&self) -> &str {
        self.get("cseq").split(' ').nth(1).unwrap_or_default()
    }

    fn contact(&self) -> String {
        self.get("contact").trim_start_matches('<').split('>').next().unwrap_or_default().to_owned()
    }
}

/// One dialog.
#[derive(Clone, Debug, Default)]
struct Dialog {
    id: String,
    call_id: String,
    /// Our side, with its tag, and theirs.
    ours: String,
    theirs: String,
    target: String,
    cseq: u32,
    /// The INVITE that is being answered.
    invite: Option<Message>,
    answer_at: Option<Instant>,
    talks: bool,
}

struct Live {
    socket: UdpSocket,
    address: SocketAddr,
    router: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    orders: Receiver<Order>,
    dialogs: BTreeMap<String, Dialog>,
    branches: u32,
}

impl Peer {
    /// A port, before the router that is spoken to is known.
    pub fn port(ip: &str) -> UdpSocket {
        UdpSocket::bind((ip, 0)).unwrap()
    }

    pub fn start(socket: UdpSocket, router: SocketAddr, manner: Manner) -> Peer {
        socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let address = socket.local_addr().unwrap();
        let (manner, seen) = (Arc::new(Mutex::new(manner)), Arc::new(Mutex::new(Vec::new())));
        let (orders, told) = channel();
        let mut live = Live {
            socket,
            address,
            router,
            manner: manner.clone(),
            seen: seen.clone(),
            orders: told,
            dialogs: BTreeMap::new(),
            branches: 0,
        };
        std::thread::spawn(move || live.run());
        Peer { manner, seen, orders }
    }

    pub fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// Calls `to` as `from`.
    pub fn call(&self, id: &str, from: &str, to: &str) -> Instant {
        let now = Instant::now();
        self.order(Order::Call { id: id.into(), from: from.into(), to: to.into() });
        now
    }

    pub fn cancel(&self, id: &str) {
        self.order(Order::Cancel(id.into()));
    }

    /// Hangs up whatever it talks in.
    pub fn bye(&self) {
        self.order(Order::Bye);
    }

    /// Hands the talk on to this number.
    pub fn refer(&self, to: &str) {
        self.order(Order::Refer(to.into()));
    }

    fn order(&self, order: Order) {
        self.orders.send(order).unwrap();
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until it has seen this so many times; the moment of the last of them.
    pub fn wait(&self, what: &str, times: usize) -> Instant {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let seen = self.seen();
            let mut found = seen.iter().filter(|seen| seen.what == what);
            if let Some(last) = found.nth(times - 1) {
                return last.at;
            }
            assert!(Instant::now() < until, "{what} was not seen {times} times: {seen:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }
}

impl Live {
    fn run(&mut self) {
        let mut room = [0; 65_536];
        loop {
            while let Ok(order) = self.orders.try_recv() {
                self.obey(order);
            }
            if let Ok((length, _)) = self.socket.recv_from(&mut room)
                && let Some(message) = Message::parse(&room[..length])
            {
                match message.status() {
                    Some(status) => self.hear(status, &message),
                    None => self.serve(&message),
                }
            }
            let due: Vec<String> = self
                .dialogs
                .iter()
                .filter(|(_, dialog)| dialog.answer_at.is_some_and(|at| at <= Instant::now()))
                .map(|(key, _)| key.clone())
                .collect();
            for key in due {
                let dialog = self.dialogs.get_mut(&key).unwrap();
                dialog.answer_at = None;
                dialog.talks = true;
                if let Some(invite) = dialog.invite.clone() {
                    self.respond(&invite, "200 OK", true);
                }
            }
        }
    }

    fn note(&self, what: impl Into<String>) {
        self.seen.lock().unwrap().push(Seen { at: Instant::now(), what: what.into() });
    }

    fn send(&self, lines: &str, sdp: bool) {
        let (kind, body) = if sdp { ("Content-Type: application/sdp\r\n", SDP) } else { ("", "") };
        let text = format!("{}{kind}Content-Length: {}\r\n\r\n{body}", lines.replace('\n', "\r\n"), body.len());
        self.socket.send_to(text.as_bytes(), self.router).unwrap();
    }

    fn respond(&self, request: &Message, status: &str, sdp: bool) {
        let vias: String = request.all("via").map(|via| format!("Via: {via}\n")).collect();
        let to = request.get("to");
        let tag = if to.contains(";tag=") { "" } else { ";tag=peer" };
        self.send(
            &format!(
                "SIP/2.0 {status}\n{vias}From: {}\nTo: {to}{tag}\nCall-ID: {}\nCSeq: {}\nContact: <sip:peer@{}>\n",
                request.get("from"),
                request.get("call-id"),
                request.get("cseq"),
                self.address
            ),
            sdp,
        );
    }

    fn request(&mut self, method: &str, dialog: &Dialog, more: &str, sdp: bool) {
        self.branches += 1;
        let Dialog { call_id, ours, theirs, target, cseq, .. } = dialog;
        // CANCEL and ACK to a refusal belong to the transaction of the INVITE.
        let branch = if method == "CANCEL" {
            format!("z9hG4bK-invite-{call_id}")
        } else {
            format!("z9hG4bK{}-{call_id}", self.branches)
        };
        let branch = if method == "INVITE" { format!("z9hG4bK-invite-{call_id}") } else { branch };
        self.send(
            &format!(
                "{method} {target} SIP/2.0\nVia: SIP/2.0/UDP {};branch={branch};rport\nMax-Forwards: 70\nFrom: {ours}\n\
                 To: {theirs}\nCall-ID: {call_id}\nCSeq: {cseq} {method}\nContact: <sip:peer@{}>\n{more}",
                self.address, self.address
            ),
            sdp,
        );
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Call { id, from, to } => {
                let call_id = format!("{id}@{}", self.address);
                let dialog = Dialog {
                    id: id.clone(),
                    call_id: call_id.clone(),
                    ours: format!("<sip:{from}@{}>;tag=ours", self.address.ip()),
                    theirs: format!("<sip:{to}@office.example>"),
                    target: format!("sip:{to}@office.example"),
                    cseq: 1,
                    ..Dialog::default()
                };
                self.note("sent INVITE");
                self.request("INVITE", &dialog, "", true);
                self.dialogs.insert(call_id, dialog);
            }
            Order::Cancel(id) => {
                if let Some(dialog) = self.dialogs.values().find(|dialog| dialog.id == id).cloned() {
                    self.request("CANCEL", &dialog, "", false);
                }
            }
            Order::Bye | Order::Refer(_) => {
                let Some(dialog) = self.dialogs.values_mut().find(|dialog| dialog.talks) else { return };
                dialog.cseq += 1;
                let copy = dialog.clone();
                match order {
                    Order::Refer(to) => {
                        let more = format!("Refer-To: <sip:{to}@office.example>\n");
                        self.request("REFER", &copy, &more, false);
                    }
                    _ => {
                        dialog.talks = false;
                        self.request("BYE", &copy, "", false);
                    }
                }
            }
        }
    }

    fn hear(&mut self, status: u16, response: &Message) {
        let Some(dialog) = self.dialogs.get_mut(response.get("call-id")) else { return };
        let method = response.cseq_method().to_owned();
        if method == "INVITE" && status >= 200 {
            dialog.theirs = response.get("to").to_owned();
            if status < 300 {
                dialog.target = response.contact();
                dialog.talks = true;
                let copy = dialog.clone();
                self.request("ACK", &copy, "", false);
            } else {
                let copy = dialog.clone();
                let via = response.get("via").to_owned();
                self.send(
                    &format!(
                        "ACK {} SIP/2.0\nVia: {via}\nMax-Forwards: 70\nFrom: {}\nTo: {}\nCall-ID: {}\nCSeq: 1 ACK\n",
                        copy.target, copy.ours, copy.theirs, copy.call_id
                    ),
                    false,
                );
            }
        }
        self.note(format!("{status} {method}"));
    }

    fn serve(&mut self, request: &Message) {
        let method = request.method().to_owned();
        let call_id = request.get("call-id").to_owned();
        match method.as_str() {
            "ACK" => {}
            "INVITE" if request.get("to").contains(";tag=") => self.respond(request, "200 OK", true),
            "INVITE" => {
                if self.dialogs.contains_key(&call_id) {
                    return;
                }
                self.note("INVITE");
                let manner = *self.manner.lock().unwrap();
                if manner == Manner::Busy {
                    return self.respond(request, "486 Busy Here", false);
                }
                self.respond(request, "180 Ringing", false);
                let answer_at = match manner {
                    Manner::Answer(after) => Some(Instant::now() + after),
                    _ => None,
                };
                let dialog = Dialog {
                    id: call_id.clone(),
                    call_id: call_id.clone(),
                    ours: format!("{};tag=peer", request.get("to")),
                    theirs: request.get("from").to_owned(),
                    target: request.contact(),
                    cseq: 100,
                    invite: Some(request.clone()),
                    answer_at,
                    talks: false,
                };
                self.dialogs.insert(call_id, dialog);
            }
            "CANCEL" => {
                self.respond(request, "200 OK", false);
                let dialog = self.dialogs.remove(&call_id);
                if let Some(invite) = dialog.and_then(|dialog| dialog.invite) {
                    self.respond(&invite, "487 Request Terminated", false);
                }
                self.note("CANCEL");
            }
            "BYE" => {
                self.respond(request, "200 OK", false);
                self.dialogs.remove(&call_id);
                self.note("BYE");
            }
            _ => self.respond(request, "200 OK", false),
        }
    }
}
