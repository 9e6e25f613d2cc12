//! What a phone needs to register, and a link that gives it to the phone itself: shown as a QR code, and scanned by Linphone.
//!
//! The link is its own secret. It names the extension and the day it ends, and is signed (HMAC-SHA256) with the extension's
//! password: nobody makes one who does not know that, nothing of it is stored, it outlives a restart, and a new password ends
//! it. It is answered only where nobody on the way can read along: to a TLS proxy on this machine, or to the machine itself.

use std::fmt::Write;
use std::net::IpAddr;

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::Path;
use super::office::Office;
use super::problem::{NotShown, Problem};
use super::token::Peer;
use super::words::moment;
use crate::clock::Timestamp;
use crate::config::{Config, ExtensionIx};
use crate::key::Transport;

pub(super) fn routes() -> OpenApiRouter<Office> {
    OpenApiRouter::new().routes(routes!(give))
}

/// How long a link holds, in seconds.
const HOLDS: i64 = 86_400;

/// What a phone needs to register.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Provisioning {
    /// Who it is.
    #[schema(example = "sip:214@192.0.2.10;transport=tcp")]
    sip_uri: String,
    /// User, and digest user.
    user: String,
    /// Shown here and never again.
    password: String,
    /// The digest realm.
    realm: String,
    /// Where to register.
    server: String,
    /// To be shown as a QR code and scanned by Linphone, or opened by it (remote provisioning); once it has ended, it gives
    /// nothing. For phones elsewhere a TLS proxy must stand before the router.
    link: String,
    /// When the link ends.
    #[schema(format = DateTime)]
    link_until: String,
}

/// What a phone of this extension needs.
pub(super) fn of(
    office: &Office,
    config: &Config,
    ix: ExtensionIx,
    headers: &HeaderMap,
) -> Result<Provisioning, Problem> {
    let extension = config.extension(ix);
    let no_phone =
        || Problem::conflict(format!("no phone registers as {}: it has no password, or has left", extension.number));
    let password = extension.password.as_ref().filter(|_| extension.registers()).ok_or_else(no_phone)?;
    let until = office.clock.now().wall.as_second().saturating_add(HOLDS);
    let host = asked_host(headers).unwrap_or_else(|| config.web.listen.to_string());
    let secure = headers.get("x-forwarded-proto").is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"));
    let scheme = if secure { "https" } else { "http" };
    let number = &extension.number;
    let server = server(config, &host);
    let signed = sign(password.expose(), number, until);
    let end = Timestamp::from_second(until).unwrap_or(Timestamp::MAX);
    Ok(Provisioning {
        sip_uri: format!("sip:{number}@{server}"),
        user: number.to_string(),
        password: password.expose().to_owned(),
        realm: config.sip.realm.to_string(),
        server,
        link: format!("{scheme}://{host}/api/v1/provision/{number}/{until}/{signed}"),
        link_until: moment(end),
    })
}

/// The host under which we were asked, where it is one.
fn asked_host(headers: &HeaderMap) -> Option<String> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let plain = |letter: char| letter.is_ascii_alphanumeric() || ".-:[]".contains(letter);
    (!host.is_empty() && host.len() <= 255 && host.chars().all(plain)).then(|| host.to_owned())
}

/// Where phones register: an address of ours that they can reach, as far as the config tells.
fn server(config: &Config, asked: &str) -> String {
    let listens = |transport| config.sip.listen.iter().find(move |listen| listen.transport == transport);
    let Some(listen) = listens(Transport::Tcp).or_else(|| listens(Transport::Udp)) else { return String::new() };
    let host = match listen.address.ip() {
        address if !address.is_unspecified() => bracketed(address),
        // As the office is called by whoever asks; the port is that of SIP.
        _ => asked.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(asked, |(host, _)| host).to_owned(),
    };
    format!("{host}:{};transport={}", listen.address.port(), listen.transport.as_str())
}

fn bracketed(address: IpAddr) -> String {
    match address {
        IpAddr::V6(six) => format!("[{six}]"),
        four => four.to_string(),
    }
}

fn mac(password: &str, number: &str, until: i64) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(password.as_bytes()).ok()?;
    mac.update(format!("huntline provision {number} {until}").as_bytes());
    Some(mac)
}

fn sign(password: &str, number: &str, until: i64) -> String {
    let signed = mac(password, number, until).map(|mac| mac.finalize().into_bytes()).unwrap_or_default();
    signed.iter().fold(String::new(), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

fn is_signed(password: &str, number: &str, until: i64, signed: &str) -> bool {
    let byte = |at: usize| u8::from_str_radix(signed.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (signed.len() == 64).then(|| (0..32).map(|at| byte(2 * at)).collect()).flatten();
    // `verify_slice` takes the same time for every wrong one.
    bytes.is_some_and(|bytes| mac(password, number, until).is_some_and(|mac| mac.verify_slice(&bytes).is_ok()))
}

/// Give a phone what it needs (Linphone's remote provisioning). The link is made by `POST /extensions` and needs no token.
#[utoipa::path(
    get,
    path = "/provision/{number}/{until}/{signed}",
    tag = "extensions",
    security(()),
    params(
        ("number" = String, Path, description = "The extension", example = "214"),
        ("until" = i64, Path, description = "When the link ends, in seconds since 1970", example = 1795000000),
        ("signed" = String, Path, description = "What proves the link")
    ),
    responses((status = 200, description = "What the phone needs", body = String, content_type = "application/xml"), NotShown)
)]
async fn give(
    State(office): State<Office>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Path((number, until, signed)): Path<(String, i64, String)>,
) -> Result<Response, Problem> {
    let nothing = || Problem::not_found("this link gives nothing; have another one made");
    let config = office.config()?;
    let now = office.clock.now();
    let found = config.extension_by_number(&number).filter(|_| until > now.wall.as_second());
    let password = found.and_then(|ix| config.extension(ix).password.as_ref());
    let good = password.is_some_and(|password| is_signed(password.expose(), &number, until, &signed));
    let peer = peer.map_or(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), |peer| peer.0.0.ip());
    let (true, Some(ix)) = (good, found) else {
        return Err(office.tokens.wrong(peer, now.mono).map_or_else(nothing, Problem::too_many));
    };
    if !peer.is_loopback() {
        let why =
            "a password is not given over plain HTTP: put a proxy with TLS before the router, on the same machine";
        return Err(Problem::forbidden(why));
    }
    let needed = of(&office, &config, ix, &headers)?;
    let name = &config.extension(ix).name;
    Ok(([(header::CONTENT_TYPE, "application/xml")], linphone(&needed, name)).into_response())
}

/// Linphone's `lpconfig`: one account that registers.
fn linphone(needed: &Provisioning, name: &str) -> String {
    let plain =
        |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let entry =
        |name: &str, value: &str| format!("    <entry name=\"{name}\" overwrite=\"true\">{}</entry>\n", plain(value));
    let identity = format!("\"{}\" <sip:{}@{}>", name.replace(['"', '\\'], ""), needed.user, host_of(&needed.server));
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<config xmlns=\"http://www.linphone.org/xsds/lpconfig.xsd\">\n",
    );
    text += "  <section name=\"sip\">\n";
    text += &entry("default_proxy", "0");
    text += "  </section>\n  <section name=\"auth_info_0\">\n";
    for (name, value) in [
        ("username", needed.user.as_str()),
        ("passwd", &needed.password),
        ("realm", &needed.realm),
        ("domain", host_of(&needed.server)),
    ] {
        text += &entry(name, value);
    }
    text += "  </section>\n  <section name=\"proxy_0\">\n";
    for (name, value) in [
        ("reg_proxy", format!("<sip:{}>", needed.server)),
        ("reg_identity", identity),
        ("reg_expires", "600".into()),
        ("reg_sendregister", "1".into()),
        ("publish", "0".into()),
    ] {
        text += &entry(name, &value);
    }
    text += "  </section>\n</config>\n";
    text
}

fn host_of(server: &str) -> &str {
    let address = server.split(';').next().unwrap_or(server);
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_good_for_its_extension_its_day_and_its_password() {
        let signed = sign("secret", "214", 1_795_000_000);
        assert_eq!(signed.len(), 64);
        assert!(is_signed("secret", "214", 1_795_000_000, &signed));
        assert!(!is_signed("another", "214", 1_795_000_000, &signed));
        assert!(!is_signed("secret", "215", 1_795_000_000, &signed));
        assert!(!is_signed("secret", "214", 1_795_000_001, &signed));
        for wrong in ["", "0", "é", &"é".repeat(32), &"0".repeat(64), &"g".repeat(64)] {
            assert!(!is_signed("secret", "214", 1_795_000_000, wrong), "{wrong}");
        }
    }
}
