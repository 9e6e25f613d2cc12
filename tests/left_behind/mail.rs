//! Mails of messages: carried, refused, and in doubt when the router was killed.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::office::{CONFIG, Office, dies_while_recording, in_sales, until};

/// A mail server that takes mails, refuses them or says nothing, as it is told.
pub struct MailServer {
    address: SocketAddr,
    mails: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<VecDeque<Option<&'static str>>>>,
}

impl MailServer {
    pub fn start(answers: impl IntoIterator<Item = Option<&'static str>>) -> MailServer {
        let listener = TcpListener::bind("127.0.0.25:0").unwrap();
        let server = MailServer {
            address: listener.local_addr().unwrap(),
            mails: Arc::default(),
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
        };
        let (mails, answers) = (server.mails.clone(), server.answers.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mails, answers) = (mails.clone(), answers.clone());
                std::thread::spawn(move || MailServer::serve(stream.unwrap(), &mails, &answers));
            }
        });
        server
    }

    /// RFC 5321, as much of it as one mail takes. To a mail itself it answers what is next in the list, then 250.
    fn serve(
        mut stream: TcpStream,
        mails: &Mutex<Vec<String>>,
        answers: &Mutex<VecDeque<Option<&'static str>>>,
    ) -> Option<()> {
        let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
        stream.write_all(b"220 mail.example\r\n").ok()?;
        loop {
            let line = lines.next()?.ok()?;
            let answer = match line.split(' ').next()? {
                "QUIT" => return stream.write_all(b"221 goodbye\r\n").ok(),
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").ok()?;
                    let mail: Vec<String> =
                        lines.by_ref().map_while(Result::ok).take_while(|line| line != ".").collect();
                    mails.lock().unwrap().push(mail.join("\n"));
                    let answer = answers.lock().unwrap().pop_front().unwrap_or(Some("250 taken"));
                    let Some(answer) = answer else { return lines.next().map(drop) };
                    answer
                }
                _ => "250 fine",
            };
            stream.write_all(format!("{answer}\r\n").as_bytes()).ok()?;
        }
    }

    pub fn mails(&self) -> Vec<String> {
        self.mails.lock().unwrap().clone()
    }

    /// The office's config with this server in it.
    pub fn config(&self) -> String {
        let mail = format!("[mail]\nserver = \"{}\"\ntls = \"none\"\nfrom = \"pbx@office.example\"\n", self.address);
        CONFIG.replace("for = [\"201\"]", "for = [\"201\"]\nnotify = [\"mailto:sales@office.example\"]") + &mail
    }
}

pub fn header<'a>(mail: &'a str, name: &str) -> &'a str {
    mail.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap()
}

#[test]
fn a_message_is_mailed_with_its_sound_once() {
    let server = MailServer::start([]);
    let mut office = Office::new("mail");
    office.configure(&server.config());
    office.leave(
        dies_while_recording(&office, 0, "voicemail/sales/a.wav", in_sales(), 3)
            .into_iter()
            .chain(dies_while_recording(&office, 60, "voicemail/sales/empty.wav", in_sales(), 0)),
    );
    office.serve();
    until(|| !server.mails().is_empty());
    let mail = server.mails().remove(0);
    assert_eq!(header(&mail, "From"), "Stroymarket <pbx@office.example>");
    assert_eq!(header(&mail, "To"), "sales@office.example");
    assert!(header(&mail, "Message-ID").ends_with("@office.example>"), "{mail}");
    assert!(mail.contains("filename=\"2026-11-23-1000.wav\"") && mail.contains("audio/x-wav"), "{mail}");
    let sound = std::fs::read(office.data().join("voicemail/sales/a.wav")).unwrap();
    let enclosed: String = mail
        .split("\n\n")
        .find(|part| part.starts_with("UklGR"))
        .unwrap()
        .split("--")
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(enclosed.len(), sound.len().div_ceil(3) * 4);
    until(|| office.says(&["outbox"]) == "nothing waits\n");
    office.kill();
    office.serve();
    assert!(
        office
            .says(&["outbox", "list", "--sent"])
            .contains("  sales@office.example  voicemail/sales/a.wav  1      sent ")
    );
    assert_eq!(server.mails().len(), 1, "neither twice nor for a message in which nobody speaks");
}

#[test]
fn a_mail_that_is_refused_waits_and_is_tried_again() {
    let server = MailServer::start([Some("451 come again later")]);
    let mut office = Office::new("refused");
    office.configure(&server.config());
    office.leave(dies_while_recording(&office, 0, "voicemail/sales/a.wav", in_sales(), 3));
    office.serve();
    let waits = || office.says(&["outbox"]);
    until(|| waits().contains("come again later"));
    assert!(waits().contains("voicemail/sales/a.wav  1      due "), "{}", waits());
    let json: serde_json::Value = serde_json::from_str(&office.says(&["outbox", "--json"])).unwrap();
    let id = json[0]["id"].to_string();
    assert_eq!(office.says(&["outbox", "retry", &id]), "1 letter is tried now\n");
    until(|| waits() == "nothing waits\n");
    let ids: Vec<String> = server.mails().iter().map(|mail| header(mail, "Message-ID").to_owned()).collect();
    assert_eq!((ids.len(), &ids[0]), (2, &ids[1]));
    let (_, err, code) = office.run(&["outbox", "retry", &id]);
    assert_eq!((err, code), (format!("huntline: no letter {id} waits; `huntline outbox` lists them\n"), 1));
}

#[test]
fn after_a_kill_exactly_the_mails_are_carried_again_that_nobody_acknowledged() {
    let server = MailServer::start([Some("250 taken"), None]);
    let mut office = Office::new("unacknowledged");
    office.configure(&server.config());
    let files = ["a", "b", "c"].map(|name| format!("voicemail/sales/{name}.wav"));
    let left: Vec<_> =
        (0..).zip(&files).flat_map(|(at, file)| dies_while_recording(&office, at * 60, file, in_sales(), 2)).collect();
    office.leave(left);
    office.serve();
    until(|| server.mails().len() == 2);
    office.kill();
    office.serve();
    until(|| office.says(&["outbox"]) == "nothing waits\n");
    let ids: Vec<String> = server.mails().iter().map(|mail| header(mail, "Message-ID").to_owned()).collect();
    assert_eq!((ids.len(), &ids[1]), (4, &ids[2]));
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
}
