//! A program of the web that stands in for a CRM, a provider or a bot: it keeps what it is asked, and answers what the test
//! says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub at: Instant,
    /// Method and path.
    pub line: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The event's name, as the sender gives it.
    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    /// True where one of the signatures is by this secret: the receiver's side of Standard Webhooks.
    pub fn is_signed_by(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{}.{}.{}", self.id(), self.header("webhook-timestamp"), self.body).as_bytes());
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        self.header("webhook-signature").split(' ').any(|signature| signature == expected)
    }
}

/// What it answers: a status, further header lines, a body, and how long it thinks before.
pub struct Answer {
    pub status: u16,
    pub headers: &'static str,
    pub body: &'static str,
    pub after: Duration,
}

impl Answer {
    pub fn of(status: u16) -> Answer {
        Answer { status, headers: "", body: "", after: Duration::ZERO }
    }

    pub fn after(millis: u64) -> Answer {
        Answer { after: Duration::from_millis(millis), ..Answer::of(200) }
    }
}

type Mind = dyn Fn(usize, &Asked) -> Answer + Send + Sync;

/// The program.
pub struct StandIn {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl StandIn {
    /// Answers by `mind`, which is told how many it was asked before.
    pub fn start(mind: impl Fn(usize, &Asked) -> Answer + Send + Sync + 'static) -> StandIn {
        let listener = TcpListener::bind("127.0.0.27:0").unwrap();
        let stand_in = StandIn { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let (asked, mind): (_, Arc<Mind>) = (stand_in.asked.clone(), Arc::new(mind));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (asked, mind) = (asked.clone(), mind.clone());
                std::thread::spawn(move || StandIn::serve(stream.unwrap(), &asked, &*mind));
            }
        });
        stand_in
    }

    /// RFC 9112, as much of it as is spoken to it.
    fn serve(mut stream: TcpStream, all: &Mutex<Vec<Asked>>, mind: &Mind) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let mut input = BufReader::new(stream.try_clone().ok()?);
        loop {
            let mut line = String::new();
            input.read_line(&mut line).ok().filter(|length| *length > 0)?;
            let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
            let mut headers = Vec::new();
            loop {
                let mut header = String::new();
                input.read_line(&mut header).ok().filter(|length| *length > 0)?;
                let Some((name, value)) = header.trim_end().split_once(": ") else { break };
                headers.push((name.to_lowercase(), value.to_owned()));
            }
            let asked = Asked { at: Instant::now(), line, headers, body: String::new() };
            let mut body = vec![0; asked.header("content-length").parse().unwrap_or(0)];
            input.read_exact(&mut body).ok()?;
            let asked = Asked { body: String::from_utf8(body).unwrap(), ..asked };
            let count = {
                let mut all = all.lock().unwrap();
                all.push(asked.clone());
                all.len() - 1
            };
            let answer = mind(count, &asked);
            std::thread::sleep(answer.after);
            let Answer { status, headers, body, .. } = answer;
            let length = body.len();
            let text = format!("HTTP/1.1 {status} Said\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
            stream.write_all(text.as_bytes()).ok()?;
        }
    }

    /// What it was asked, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}
