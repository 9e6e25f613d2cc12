//! The side of whoever asks.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::door::SOCKET;
use super::language::{Answer, LONGEST_ANSWER, Line, PATIENCE, Request, VERSION};
use crate::clock::Duration;

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
pub fn ask(directory: &Path, request: impl Into<Request>) -> Result<Value, Failure> {
    let path = directory.join(SOCKET);
    let stream = UnixStream::connect(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Failure::NoRouter(path.clone()),
        io::ErrorKind::PermissionDenied => {
            Failure::Broken(format!("{}: {error}; run this as the router's user", path.display()))
        }
        _ => Failure::Broken(format!("{}: {error}", path.display())),
    })?;
    let line =
        exchange(&stream, request.into()).map_err(|error| Failure::Broken(format!("{}: {error}", path.display())))?;
    let answer: Answer = serde_json::from_slice(&line)
        .map_err(|error| Failure::Broken(format!("{}: the answer is not understood: {error}", path.display())))?;
    match (answer.ok, answer.error) {
        (_, Some(why)) => Err(Failure::Refused(why)),
        (Some(value), None) => Ok(value),
        (None, None) => Ok(Value::Null),
    }
}

fn exchange(mut stream: &UnixStream, request: Request) -> io::Result<Vec<u8>> {
    // A little more than the router's own patience, so that its words win.
    stream.set_read_timeout(Some(PATIENCE + Duration::from_secs(5)))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut text = serde_json::to_vec(&Line { v: VERSION, request })?;
    text.push(b'\n');
    stream.write_all(&text)?;
    let mut line = Vec::new();
    BufReader::new(stream).take(LONGEST_ANSWER + 1).read_until(b'\n', &mut line)?;
    if line.ends_with(b"\n") {
        return Ok(line);
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the router closed the connection without an answer"))
}
