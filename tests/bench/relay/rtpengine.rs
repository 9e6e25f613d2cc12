//! rtpengine in userspace as the relay between the phones: started here, told of each call by its NG protocol (a cookie and
//! a bencoded dictionary in a datagram), ended with us.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Where it stands.
const HERE: Ipv4Addr = Ipv4Addr::new(127, 9, 0, 3);

/// A running rtpengine of our own.
pub struct Rtpengine {
    process: Child,
    control: UdpSocket,
    asked: u32,
}

impl Rtpengine {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// It is not installed (Debian's `rtpengine-daemon`), or does not answer within 5 s.
    pub fn start() -> io::Result<Rtpengine> {
        let listen = format!("{HERE}:22222");
        let process = Command::new("rtpengine")
            .args([
                "--foreground",
                "--log-stderr",
                "--log-level=3",
                "--table=-1",
                "--port-min=20000",
                "--port-max=60000",
            ])
            .arg(format!("--interface={HERE}"))
            .arg(format!("--listen-ng={listen}"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let control = UdpSocket::bind((HERE, 0))?;
        control.connect(listen)?;
        control.set_read_timeout(Some(Duration::from_millis(100)))?;
        let mut engine = Rtpengine { process, control, asked: 0 };
        for _ in 0..50 {
            if engine.ask(&[("command", "ping")]).is_ok_and(|answer| answer.contains("pong")) {
                return Ok(engine);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(io::Error::other("rtpengine does not answer"))
    }

    /// Has it relay between two phones; where each of them is to send.
    ///
    /// # Errors
    /// It refuses, or does not answer.
    pub fn bridge(&mut self, call: usize, phones: [SocketAddr; 2]) -> io::Result<[SocketAddr; 2]> {
        let call = format!("call-{call}");
        let [one, other] = phones.map(|phone| {
            let (ip, port) = (phone.ip(), phone.port());
            format!("v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n")
        });
        let to_other = self.ask(&[("call-id", &call), ("command", "offer"), ("from-tag", "one"), ("sdp", &one)])?;
        let to_one = self.ask(&[
            ("call-id", &call),
            ("command", "answer"),
            ("from-tag", "one"),
            ("sdp", &other),
            ("to-tag", "other"),
        ])?;
        // What it tells one phone is where that phone sends.
        Ok([port(&to_one)?, port(&to_other)?])
    }

    /// CPU time of all its threads.
    pub fn cpu(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.process.id())).into_iter().flatten();
        tasks.filter_map(|task| super::time_of(&task.ok()?.path())).sum()
    }

    /// One question and its answer; keys must stand in order, as bencoding wants it.
    fn ask(&mut self, question: &[(&str, &str)]) -> io::Result<String> {
        self.asked += 1;
        let words = question.iter().flat_map(|(key, value)| [key, value]);
        let words: String = words.map(|word| format!("{}:{word}", word.len())).collect();
        self.control.send(format!("{} d{words}e", self.asked).as_bytes())?;
        let mut room = [0; 4096];
        let length = self.control.recv(&mut room)?;
        let answer = String::from_utf8_lossy(&room[..length]).into_owned();
        match answer.contains("6:result2:ok") || answer.contains("4:pong") {
            true => Ok(answer),
            false => Err(io::Error::other(answer)),
        }
    }
}

impl Drop for Rtpengine {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The port of the first stream in an answer.
fn port(answer: &str) -> io::Result<SocketAddr> {
    let port = answer.split("m=audio ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
    Ok((HERE, port.ok_or_else(|| io::Error::other(format!("no port in {answer}")))?).into())
}
