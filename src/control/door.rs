//! The router's side of the socket.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::language::{Answer, LONGEST_ANSWER, LONGEST_QUESTION, Line, PATIENCE, Reply, Request, VERSION};
use crate::clock::Duration;

/// The socket's name within `storage.directory`.
pub const SOCKET: &str = "huntline.sock";

/// So many connections are served at once.
const CONNECTIONS: usize = 16;
/// A connection that asks nothing for this long is closed.
const IDLE: Duration = Duration::from_secs(60);

/// A question on its way to whoever answers. Dropping `reply` answers that the router is ending.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Reply>,
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
    let question: Line<Value> =
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
