//! The world around the office: one web server that stands in for the SMS provider, Telegram, the CRM and another program
//! (a webhook), and one that takes mails. They write down what they hear.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};

/// One request.
#[derive(Clone, Debug)]
pub struct Heard {
    pub path: String,
    pub body: String,
}

impl Heard {
    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The fields of a body that is a form.
    pub fn form(&self) -> std::collections::BTreeMap<String, String> {
        let read = |text: &str| percent(&text.replace('+', " "));
        let field = |pair: &str| pair.split_once('=').map(|(name, value)| (read(name), read(value)));
        self.body.split('&').filter_map(field).collect()
    }
}

fn percent(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, others)) = rest.split_first() {
        let code = (first == b'%').then(|| u8::from_str_radix(std::str::from_utf8(&others[..2]).unwrap(), 16).unwrap());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &others[2..] } else { others };
    }
    String::from_utf8(bytes).unwrap()
}

/// Everybody who is told of calls.
pub struct World {
    pub web: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    pub mail: SocketAddr,
    mails: Arc<Mutex<Vec<String>>>,
}

impl World {
    pub fn begin() -> World {
        let (web, heard) = begin_web();
        let (mail, mails) = begin_mail();
        World { web, heard, mail, mails }
    }

    /// What was posted there so far.
    pub fn heard(&self, path: &str) -> Vec<Heard> {
        self.heard.lock().unwrap().iter().filter(|heard| heard.path.starts_with(path)).cloned().collect()
    }

    pub fn sms(&self) -> Vec<serde_json::Value> {
        self.heard("/sms").iter().map(Heard::json).collect()
    }

    /// The events of this kind that the webhook has heard.
    pub fn events(&self, kind: &str) -> Vec<serde_json::Value> {
        self.heard("/hook").iter().map(Heard::json).filter(|event| event["type"] == kind).collect()
    }

    /// What the bot was to write.
    pub fn telegrams(&self) -> Vec<serde_json::Value> {
        self.heard("/bot").iter().map(Heard::json).collect()
    }

    pub fn mails(&self) -> Vec<String> {
        self.mails.lock().unwrap().clone()
    }
}

fn begin_web() -> (SocketAddr, Arc<Mutex<Vec<Heard>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let (address, heard) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<Heard>>>::default());
    let router = axum::Router::new().fallback(listen).with_state(heard.clone());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
    });
    (address, heard)
}

async fn listen(State(heard): State<Arc<Mutex<Vec<Heard>>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let body = String::from_utf8_lossy(&body).into_owned();
    let path = head.uri.path().to_owned();
    heard.lock().unwrap().push(Heard { path, body });
    // Telegram's way to say yes; nobody else reads it.
    axum::Json(serde_json::json!({ "ok": true, "result": { "message_id": 1 } })).into_response()
}

fn begin_mail() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, mails) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
    let taken = mails.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mails = mails.clone();
            std::thread::spawn(move || take_mail(stream.unwrap(), &mails));
        }
    });
    (address, taken)
}

/// RFC 5321, as much of it as mails take.
fn take_mail(mut stream: TcpStream, mails: &Mutex<Vec<String>>) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    stream.write_all(b"220 mail.example\r\n").ok()?;
    loop {
        let line = lines.next()?.ok()?;
        let answer: &[u8] = match line.split(' ').next()? {
            "QUIT" => return stream.write_all(b"221 goodbye\r\n").ok(),
            "DATA" => {
                stream.write_all(b"354 go on\r\n").ok()?;
                let mail: Vec<String> = lines.by_ref().map_while(Result::ok).take_while(|line| line != ".").collect();
                mails.lock().unwrap().push(mail.join("\n"));
                b"250 taken\r\n"
            }
            _ => b"250 fine\r\n",
        };
        stream.write_all(answer).ok()?;
    }
}
