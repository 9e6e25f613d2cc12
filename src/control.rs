//! The door for the router's own people: `huntline status`, `override`, `explain --live` and the others speak to a
//! running router here.
//!
//! It is a Unix socket, [`SOCKET`], in the data directory, open to the router's user alone (mode 0600). One line of JSON
//! asks, one line answers, any number of times in a connection:
//!
//! ```text
//! {"v":1,"ask":"override","schedule":"office","open":false,"until":"2026-11-23T17:00:00Z"}
//! {"v":1,"ok":{"schedule":"office","open":false}}
//! {"v":1,"error":"there is no schedule \"offices\"; there is office"}
//! ```
//!
//! A line is at most 64 kB in, 16 MB out; 16 connections are served at once, others wait.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::clock::{Duration, Timestamp};
use crate::config::ForwardWhen;
use crate::fact::{Hand, MessageState, SavedReport};
use crate::hypothesis::Hypothesis;
use crate::key::CallId;

/// The socket's name within `storage.directory`.
pub const SOCKET: &str = "huntline.sock";
/// The version of the language spoken here.
pub const VERSION: u32 = 1;

const LONGEST_QUESTION: u64 = 64 << 10;
const LONGEST_ANSWER: u64 = 16 << 20;
const CONNECTIONS: usize = 16;
/// A connection that asks nothing for this long is closed.
const IDLE: Duration = Duration::from_secs(60);
/// A question not answered by then is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// What can be asked of a running router, or ordered.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// How it stands: calls, bindings, trunks, tables, timers.
    Status,
    /// Read the config file again and, where it is sound, put it into effect.
    Reload,
    /// Put an older version in the place of the config file, and put it into effect.
    Rollback {
        /// Its number, as `config history` prints it.
        number: u32,
    },
    /// Let a program or a person use the API.
    Token(Box<crate::fact::Token>),
    /// … and no longer.
    RevokeToken {
        /// The token's id, or its name.
        id: String,
    },
    /// The customers in the database have changed: read them again.
    Customers,
    /// The outbox has changed: carry what is due.
    Outbox,
    /// What would happen to a call, with everybody as they are now.
    Explain(Box<Hypothesis>),
    /// Override a schedule, or take an override back.
    Override {
        /// The schedule's name.
        schedule: String,
        /// Open or closed; `None` takes the override back.
        open: Option<bool>,
        /// When it ends by itself; `None`: when it is taken back.
        until: Option<Timestamp>,
    },
    /// Send an employee away, or back.
    Away {
        /// The extension's number.
        extension: String,
        /// True: away.
        away: bool,
        /// When the absence ends by itself; `None`: when it is taken back.
        until: Option<Timestamp>,
    },
    /// Send an employee's calls elsewhere, or no longer.
    Forward {
        /// The extension's number.
        extension: String,
        /// Which calls.
        when: ForwardWhen,
        /// Where to, as the employee would dial it; `None`: no longer.
        to: Option<String>,
    },
    /// Put a caller on the block list, or take one off it.
    Block {
        /// As written; read with the site's numbering.
        number: String,
        /// True: on the list.
        blocked: bool,
        /// In the admin's words.
        note: String,
    },
    /// Who is kept out.
    Bans,
    /// Keep a stranger out.
    Ban {
        /// An address, or the name of an account.
        whom: String,
        /// When it ends by itself; `None`: when it is taken back.
        until: Option<Timestamp>,
        /// In the admin's words.
        why: String,
    },
    /// Let somebody in again.
    Unban {
        /// An address, or the name of an account.
        whom: String,
    },
    /// Say what became of a message.
    Message {
        /// Its file, as `voicemail` prints it.
        file: String,
        /// Listened to, thrown away, or new again.
        now: MessageState,
    },
    /// Write a talk down from now on, or (`false`) silence in its place.
    Record {
        /// The call's id.
        call: CallId,
        /// True: from now on, or again.
        on: bool,
    },
    /// Define a report, or (`None`) throw its definition away.
    Report {
        /// Its name.
        name: String,
        /// What it is from now on.
        now: Option<SavedReport>,
    },
    /// Write something down about a call.
    Note {
        /// The call's id.
        call: CallId,
        /// The employee whose words these are.
        by: Option<String>,
        /// In free words.
        text: Option<String>,
        /// What came of the call.
        disposition: Option<String>,
    },
    /// End a call.
    HangUp {
        /// Its id.
        call: CallId,
    },
    /// Do something about a follow-up by hand.
    FollowUp {
        /// Its number.
        id: i64,
        /// The employee who does it; `None`: an admin.
        by: Option<String>,
        /// What.
        what: Hand,
    },
    /// Call somebody for an employee, whose own phones ring first.
    Originate {
        /// The employee's extension.
        user: String,
        /// Whom to call, as the employee would dial it.
        to: String,
        /// Our number towards the called; `None`: as the outbound rule says.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        caller_id: Option<String>,
        /// What the program that asks calls it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reference: Option<String>,
        /// How long the employee's phones ring, in seconds, 1 to 300; `None`: 30.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        timeout: Option<u64>,
        /// The employee's phones of the house are asked to answer by themselves.
        #[serde(default)]
        auto_answer: bool,
    },
    /// Hand a talk on.
    Transfer {
        /// The call's id.
        call: CallId,
        /// The employee who does; `None`: the only one in it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        by: Option<String>,
        /// To whom, as the employee would dial it.
        to: String,
    },
}

/// The router's answer; an `Err` is for people.
pub type Reply = Result<Value, String>;

/// A question on its way to whoever answers. Dropping `reply` answers that the router is ending.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Reply>,
}

#[derive(Serialize, Deserialize)]
struct Question<R> {
    v: u32,
    #[serde(flatten)]
    request: R,
}

#[derive(Serialize, Deserialize)]
struct Answer {
    v: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    ok: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    error: Option<String>,
}

/// The router's side: the socket, removed again when this is dropped.
#[derive(Debug)]
pub struct Door {
    listener: Option<UnixListener>,
    path: PathBuf,
}

impl Door {
    /// Opens the socket in the data directory. A socket that a killed router left behind is replaced.
    ///
    /// # Errors
    /// Another router answers on it, the path is too long for a socket (over 100 bytes), or the directory cannot be
    /// written.
    pub fn open(directory: &Path) -> io::Result<Door> {
        let path = directory.join(SOCKET);
        let said = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        if UnixStream::connect(&path).is_ok() {
            let why = format!("{}: another huntline is running on this data directory", path.display());
            return Err(io::Error::new(io::ErrorKind::AddrInUse, why));
        }
        // Nobody finds the socket under its name before it is closed to others.
        let fresh = directory.join(format!("{SOCKET}.new"));
        let _ = std::fs::remove_file(&fresh);
        let listener = UnixListener::bind(&fresh).map_err(said)?;
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600)).map_err(said)?;
        std::fs::rename(&fresh, &path).map_err(said)?;
        listener.set_nonblocking(true).map_err(said)?;
        Ok(Door { listener: Some(listener), path })
    }

    /// Hands every question to `asked`, until that is closed. To be run on a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// The socket cannot be listened on.
    pub async fn serve(mut self, asked: mpsc::Sender<Asked>) -> io::Result<()> {
        let Some(listener) = self.listener.take() else { return Ok(()) };
        let listener = tokio::net::UnixListener::from_std(listener)?;
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            // Never closed, so a place is all that can come.
            let Ok(place) = places.clone().acquire_owned().await else { return Ok(()) };
            let stream = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "the control socket cannot take a connection");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                },
                () = asked.closed() => return Ok(()),
            };
            let asked = asked.clone();
            tokio::spawn(async move {
                if let Err(error) = converse(stream, asked).await {
                    tracing::debug!(%error, "a connection of the control socket ended");
                }
                drop(place);
            });
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Line by line: question, answer.
async fn converse(stream: tokio::net::UnixStream, asked: mpsc::Sender<Asked>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = tokio::io::BufReader::new(read);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut bounded = (&mut read).take(LONGEST_QUESTION);
        let length = tokio::time::timeout(IDLE, bounded.read_until(b'\n', &mut line)).await??;
        if length == 0 {
            return Ok(());
        }
        let whole = line.ends_with(b"\n");
        let reply = match understand(&line) {
            Err(why) => Err(why),
            Ok(request) => answered(request, &asked).await,
        };
        let mut text = written(reply);
        text.push(b'\n');
        write.write_all(&text).await?;
        if !whole {
            return Ok(());
        }
    }
}

fn understand(line: &[u8]) -> Result<Request, String> {
    if line.len() as u64 == LONGEST_QUESTION {
        return Err(format!("the question is longer than {LONGEST_QUESTION} bytes"));
    }
    let question: Question<Value> =
        serde_json::from_slice(line).map_err(|error| format!("the question is no JSON object with \"v\": {error}"))?;
    if question.v != VERSION {
        return Err(format!("the question is in version {}, the router speaks version {VERSION}", question.v));
    }
    serde_json::from_value(question.request).map_err(|error| format!("the question is not understood: {error}"))
}

async fn answered(request: Request, asked: &mpsc::Sender<Asked>) -> Reply {
    let ending = || "the router is ending".to_owned();
    let (reply, answer) = oneshot::channel();
    asked.send(Asked { request, reply }).await.map_err(|_| ending())?;
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(|_| ending())?,
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

fn written(reply: Reply) -> Vec<u8> {
    let answer = |reply: Reply| match reply {
        Ok(value) => Answer { v: VERSION, ok: Some(value), error: None },
        Err(why) => Answer { v: VERSION, ok: None, error: Some(why) },
    };
    let text = serde_json::to_vec(&answer(reply)).unwrap_or_default();
    if text.len() as u64 >= LONGEST_ANSWER || text.is_empty() {
        let why = format!("the answer is longer than {LONGEST_ANSWER} bytes");
        return serde_json::to_vec(&answer(Err(why))).unwrap_or_default();
    }
    text
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// No router is running on this data directory.
    NoRouter(PathBuf),
    /// The router's own words.
    Refused(String),
    /// The socket cannot be used, or the talk broke off.
    Broken(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::NoRouter(path) => {
                write!(
                    f,
                    "{}: no router is running on this data directory; start it with `huntline serve`",
                    path.display()
                )
            }
            Failure::Refused(why) | Failure::Broken(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Failure {}

/// Asks the router that runs on a data directory, and waits for its answer.
///
/// # Errors
/// See [`Failure`].
pub fn ask(directory: &Path, request: &Request) -> Result<Value, Failure> {
    let path = directory.join(SOCKET);
    let stream = UnixStream::connect(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Failure::NoRouter(path.clone()),
        io::ErrorKind::PermissionDenied => {
            Failure::Broken(format!("{}: {error}; run this as the router's user", path.display()))
        }
        _ => Failure::Broken(format!("{}: {error}", path.display())),
    })?;
    let line = exchange(&stream, request).map_err(|error| Failure::Broken(format!("{}: {error}", path.display())))?;
    let answer: Answer = serde_json::from_slice(&line)
        .map_err(|error| Failure::Broken(format!("{}: the answer is not understood: {error}", path.display())))?;
    match (answer.ok, answer.error) {
        (_, Some(why)) => Err(Failure::Refused(why)),
        (Some(value), None) => Ok(value),
        (None, None) => Ok(Value::Null),
    }
}

fn exchange(mut stream: &UnixStream, request: &Request) -> io::Result<Vec<u8>> {
    // A little more than the router's own patience, so that its words win.
    stream.set_read_timeout(Some(PATIENCE + Duration::from_secs(5)))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut text = serde_json::to_vec(&Question { v: VERSION, request })?;
    text.push(b'\n');
    stream.write_all(&text)?;
    let mut line = Vec::new();
    BufReader::new(stream).take(LONGEST_ANSWER + 1).read_until(b'\n', &mut line)?;
    if line.ends_with(b"\n") {
        return Ok(line);
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the router closed the connection without an answer"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture::Folder;

    /// Opens a door behind which `answer` sits, and does `visit` while it is open.
    fn with_door<T: Send + 'static>(
        answer: impl Fn(Request) -> Option<Reply> + Send + 'static,
        visit: impl FnOnce(&Path) -> T + Send + 'static,
    ) -> T {
        let folder = Folder::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (asked, mut questions) = mpsc::channel(4);
            let door = Door::open(&folder.0).unwrap();
            let serving = tokio::spawn(door.serve(asked));
            let path = folder.0.clone();
            let visitor = tokio::task::spawn_blocking(move || visit(&path));
            let answering = async {
                while let Some(Asked { request, reply }) = questions.recv().await {
                    if let Some(answer) = answer(request) {
                        let _ = reply.send(answer);
                    }
                }
            };
            let result = tokio::select! {
                result = visitor => result.unwrap(),
                () = answering => unreachable!(),
            };
            drop(questions);
            serving.await.unwrap().unwrap();
            assert!(!folder.0.join(SOCKET).exists());
            result
        })
    }

    fn every_request() -> Vec<Request> {
        let until = Some("2026-11-23T17:00:00Z".parse().unwrap());
        let typed = Hypothesis { from: "+491701112233".into(), busy: vec!["12".into()], ..Hypothesis::default() };
        vec![
            Request::Status,
            Request::Reload,
            Request::Customers,
            Request::Explain(Box::new(typed)),
            Request::Override { schedule: "office".into(), open: Some(false), until },
            Request::Away { extension: "12".into(), away: true, until: None },
            Request::Forward { extension: "12".into(), when: ForwardWhen::NoAnswer, to: Some("14".into()) },
            Request::Block { number: "8 916 123-45-67".into(), blocked: true, note: "rings and hangs up".into() },
            Request::Outbox,
            Request::Bans,
            Request::Ban { whom: "203.0.113.9".into(), until, why: "rings the door".into() },
            Request::Unban { whom: "203.0.113.9".into() },
            Request::Message { file: "voicemail/sales/a.wav".into(), now: MessageState::Heard },
            Request::HangUp { call: CallId::from_bits(7) },
            Request::FollowUp { id: 7, by: Some("12".into()), what: Hand::Claimed },
            Request::FollowUp { id: 7, by: None, what: Hand::Assigned { to: None } },
            Request::Originate {
                user: "12".into(),
                to: "8 916 123-45-67".into(),
                caller_id: None,
                reference: Some("deal-4711".into()),
                timeout: Some(20),
                auto_answer: true,
            },
            Request::Transfer { call: CallId::from_bits(7), by: None, to: "14".into() },
        ]
    }

    #[test]
    fn every_question_arrives_as_it_was_asked_and_its_answer_comes_back() {
        let echo = |request| Some(Ok(serde_json::to_value(request).unwrap()));
        let answers =
            with_door(echo, |path| every_request().iter().map(|request| ask(path, request)).collect::<Vec<_>>());
        let expected: Vec<_> =
            every_request().iter().map(|request| Ok(serde_json::to_value(request).unwrap())).collect();
        assert_eq!(answers, expected);
    }

    #[test]
    fn a_refusal_is_the_routers_own_words_and_silence_means_it_is_ending() {
        let refuse = |request| (request == Request::Status).then(|| Err("not now".to_owned()));
        let answers = with_door(refuse, |path| [ask(path, &Request::Status), ask(path, &Request::Reload)]);
        let refused = |why: &str| Err(Failure::Refused(why.into()));
        assert_eq!(answers, [refused("not now"), refused("the router is ending")]);
    }

    #[test]
    fn what_is_no_question_is_answered_and_the_talk_goes_on() {
        let lines = with_door(
            |_| Some(Ok(Value::from("fine"))),
            |path| {
                let mut stream = UnixStream::connect(path.join(SOCKET)).unwrap();
                stream.write_all(b"hello\n{\"v\":2,\"ask\":\"status\"}\n{\"v\":1,\"ask\":\"dance\"}\n{\"v\":1,\"ask\":\"status\"}\n").unwrap();
                stream.shutdown(std::net::Shutdown::Write).unwrap();
                BufReader::new(stream).lines().map(Result::unwrap).collect::<Vec<_>>()
            },
        );
        assert_eq!(lines.len(), 4);
        assert!(lines[0].starts_with("{\"v\":1,\"error\":\"the question is no JSON object with \\\"v\\\": "));
        assert_eq!(lines[1], "{\"v\":1,\"error\":\"the question is in version 2, the router speaks version 1\"}");
        assert!(lines[2].starts_with("{\"v\":1,\"error\":\"the question is not understood: unknown variant `dance`"));
        assert_eq!(lines[3], "{\"v\":1,\"ok\":\"fine\"}");
    }

    #[test]
    fn an_endless_question_is_cut_off() {
        let answer = with_door(
            |_| None,
            |path| {
                let mut stream = UnixStream::connect(path.join(SOCKET)).unwrap();
                stream.write_all(&vec![b' '; LONGEST_QUESTION as usize]).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                answer
            },
        );
        assert_eq!(answer, "{\"v\":1,\"error\":\"the question is longer than 65536 bytes\"}\n");
    }

    #[test]
    fn the_socket_is_closed_to_others_and_a_second_router_is_refused() {
        let (mode, second) = with_door(
            |_| None,
            |path| {
                let mode = std::fs::metadata(path.join(SOCKET)).unwrap().permissions().mode();
                (mode & 0o777, Door::open(path).map(drop).map_err(|error| error.kind()))
            },
        );
        assert_eq!((mode, second), (0o600, Err(io::ErrorKind::AddrInUse)));
    }

    #[test]
    fn without_a_router_the_message_says_how_to_start_one() {
        let folder = Folder::new();
        let path = folder.0.join(SOCKET);
        let none = Err(Failure::NoRouter(path.clone()));
        assert_eq!(ask(&folder.0, &Request::Status), none);
        // What a killed router leaves behind is no router, and is no hindrance to the next one.
        drop(UnixListener::bind(&path).unwrap());
        assert_eq!(ask(&folder.0, &Request::Status), none);
        assert!(Door::open(&folder.0).is_ok());
    }
}
