//! Do mail server, webhooks and CRMs take a connection. None of them can keep it from ringing; their letters wait.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::sync::PoisonError;

use reqwest::{Method, Url};

use super::ask::read_date;
use super::clock::{Dated, Dates};
use super::finding::Finding;
use super::pace::SHORT;
use super::patient::Patient;
use crate::config::Config;
use crate::key::Transport;
use crate::outbox::Http;
use crate::servers::ServerName;

const SUBJECT: &str = "outside";

/// Somebody outside.
#[derive(Clone, Debug)]
pub(super) struct Server {
    /// How the config calls it.
    what: String,
    /// `https://crm.example:443`; `None`: a mail server.
    origin: Option<String>,
}

/// Everybody outside that the config speaks of, and where.
pub(super) fn servers(config: &Config) -> Vec<(Server, ServerName)> {
    let mut servers = Vec::new();
    let place = |host: &str, port: u16| ServerName {
        host: host.trim_matches(['[', ']']).into(),
        port: Some(port),
        transport: Transport::Tcp,
    };
    if let Some(mail) = &config.mail {
        servers.push((Server { what: "mail server".into(), origin: None }, place(&mail.server, mail.port)));
    }
    let mut web = |what: String, url: &str| {
        let Ok(url) = Url::parse(url) else { return };
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { return };
        let origin = format!("{}://{host}:{port}/", url.scheme());
        servers.push((Server { what, origin: Some(origin) }, place(host, port)));
    };
    for webhook in config.webhooks.iter().filter(|webhook| webhook.active) {
        web(format!("webhook {}", webhook.name), &webhook.url);
    }
    for crm in &config.crms {
        web(format!("crm {}", crm.name), &crm.url);
    }
    if let Some(sms) = &config.sms {
        web("sms".into(), &sms.url.link(|_| "x".into()));
    }
    if let Some(telegram) = &config.telegram {
        web("telegram".into(), &telegram.api);
    }
    servers
}

pub(super) fn look(patient: &Patient, dates: &Dates) -> Vec<Finding> {
    let servers = servers(&patient.config);
    std::thread::scope(|scope| {
        let asking: Vec<_> = servers
            .into_iter()
            .filter_map(|(server, name)| {
                // Whose name means nothing is told of under `names`.
                let (_, address) = *patient.addresses(&name).first()?;
                Some(scope.spawn(move || one(&server, address, dates)))
            })
            .collect();
        asking.into_iter().filter_map(|thread| thread.join().ok()).collect()
    })
}

fn one(server: &Server, address: SocketAddr, dates: &Dates) -> Finding {
    let finding = |found: String| Finding::ok(SUBJECT, &server.what, found);
    let asked = match &server.origin {
        Some(origin) => asked_by_http(origin),
        None => greeted(address).map(|banner| (banner, None)),
    };
    match asked {
        Ok((found, date)) => {
            if let Some(date) = date.as_deref().and_then(read_date) {
                let dated = Dated::now(server.what.clone(), date);
                dates.lock().unwrap_or_else(PoisonError::into_inner).push(dated);
            }
            finding(found)
        }
        Err(why) => finding(format!("{address}: {why}"))
            .warn("it rings all the same; letters wait and are sent again for a day (`huntline outbox`)"),
    }
}

/// Its root is asked for with HEAD: what stands there is of no interest.
fn asked_by_http(origin: &str) -> Result<(String, Option<String>), String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let http = Http::new()?;
    let asking = async { tokio::time::timeout(SHORT, http.ask(http.request(Method::HEAD, origin))).await };
    match runtime.block_on(asking) {
        Err(_) => Err(format!("no answer within {} s", SHORT.as_secs())),
        Ok(Err(failure)) => Err(failure.why().to_owned()),
        Ok(Ok(answer)) => Ok((format!("it takes connections (HTTP {})", answer.status), answer.date)),
    }
}

/// A mail server greets first (RFC 5321 §3.1); one that begins with TLS does not.
fn greeted(address: SocketAddr) -> Result<String, String> {
    let mut stream = TcpStream::connect_timeout(&address, SHORT).map_err(|error| error.to_string())?;
    _ = stream.set_read_timeout(Some(SHORT));
    if address.port() == 465 {
        return Ok("it takes connections".into());
    }
    let mut greeting = [0; 4];
    stream.read_exact(&mut greeting).map_err(|error| format!("it takes connections and says nothing: {error}"))?;
    match &greeting[..3] {
        b"220" => Ok("it greets".into()),
        other => Err(format!("it greets with {:?}", String::from_utf8_lossy(other))),
    }
}
