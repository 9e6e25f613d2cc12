//! A mail server that takes every mail.

use super::office::Office;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use toml_edit::{DocumentMut, Item, Table, value};

const HOST: u8 = 40;
const PORT: u16 = 2525;

/// The server at work.
pub struct MailServer {
    mails: Receiver<String>,
}

impl MailServer {
    /// The office sends its mails there.
    pub fn write_into(config: &mut DocumentMut) {
        let listen = config["sip"]["listen"][0].as_str().expect("a listener");
        let (network, _) = listen.trim_start_matches("udp://").rsplit_once('.').expect("an IPv4 address");
        let mut mail = Table::new();
        mail["server"] = value(format!("{network}.{HOST}:{PORT}"));
        mail["tls"] = value("none");
        mail["from"] = value("pbx@office.example");
        config["mail"] = Item::Table(mail);
    }

    /// Begins to listen.
    pub fn open(office: &Office) -> MailServer {
        let listener = TcpListener::bind((office.subnet.add(HOST), PORT)).expect("the mail server's address");
        let (sender, mails) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if let Some(mail) = serve(stream)
                    && sender.send(mail).is_err()
                {
                    return;
                }
            }
        });
        MailServer { mails }
    }

    /// The next mail, its lines ended by `\n`.
    pub fn mail(&self, within: Duration) -> String {
        self.mails.recv_timeout(within).expect("a mail comes")
    }
}

/// RFC 5321, as much of it as one mail takes.
fn serve(mut stream: TcpStream) -> Option<String> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines().map_while(Result::ok);
    stream.write_all(b"220 mail.example\r\n").ok()?;
    loop {
        let line = lines.next()?;
        if line == "DATA" {
            break;
        }
        stream.write_all(b"250 fine\r\n").ok()?;
    }
    stream.write_all(b"354 go on\r\n").ok()?;
    let mail: Vec<String> = lines.by_ref().take_while(|line| line != ".").collect();
    stream.write_all(b"250 taken\r\n").ok()?;
    lines.next();
    stream.write_all(b"221 goodbye\r\n").ok()?;
    Some(mail.join("\n"))
}

/// The file that is enclosed as WAV, base64 (RFC 4648).
pub fn enclosed(mail: &str) -> Vec<u8> {
    // "RIFF", as base64 begins.
    let part = mail.split("\n\n").find(|part| part.starts_with("UklGR")).expect("a WAV is enclosed");
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for letter in part.split("\n--").next().unwrap_or(part).bytes() {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        (bits, count) = (bits << 6 | u32::from(six), count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    bytes
}
