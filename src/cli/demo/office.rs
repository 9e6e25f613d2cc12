//! The office of the demo: a folder of its own, free ports of this machine, and a config like one an admin writes.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

use crate::media::prompts::shipped;

/// How many ports the media gets; four for each call.
const MEDIA_PORTS: u16 = 100;

/// Who works there: extension, name, password.
pub(super) const STAFF: [(&str, &str); 4] = [("200", "Grace"), ("201", "Ivan"), ("202", "Olena"), ("203", "Dmytro")];
/// Free for a softphone of whoever watches.
pub(super) const GUEST: &str = "210";

/// The number that customers call.
pub(super) const NUMBER: &str = "+442079460000";

/// The password of an extension in the demo.
pub(super) fn password(extension: &str) -> String {
    format!("demo-{extension}")
}

/// Where everything lies, and who listens where.
pub(super) struct Office {
    /// Everything of the demo is in here.
    pub(super) folder: PathBuf,
    /// The config.
    pub(super) file: PathBuf,
    /// The database, recordings, messages.
    pub(super) data: PathBuf,
    /// The router.
    pub(super) router: SocketAddr,
}

impl Office {
    /// Writes config and customers into `folder`, which must not exist yet. The provider is at `provider`.
    pub(super) fn found(folder: PathBuf, provider: SocketAddr) -> io::Result<Office> {
        fs::create_dir_all(folder.parent().unwrap_or(Path::new(".")))?;
        fs::create_dir(&folder)?;
        let (file, data, router) = (folder.join("office.toml"), folder.join("data"), free_port()?);
        fs::write(&file, config(router, provider, free_range()?))?;
        only_for_us(&file)?;
        fs::write(folder.join("customers.csv"), CUSTOMERS)?;
        // A greeting of its own, as an admin puts it there; another one under this name is heard by the next caller.
        fs::create_dir_all(data.join("prompts"))?;
        fs::write(data.join("prompts/hello.wav"), shipped("en", "hello").unwrap_or_default())?;
        Ok(Office { folder, file, data, router })
    }
}

/// There are passwords in it.
fn only_for_us(file: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600))
}

/// A port that is free for UDP and TCP.
fn free_port() -> io::Result<SocketAddr> {
    for _ in 0..20 {
        let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        if UdpSocket::bind(free).is_ok() {
            return Ok(free);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no port is free for both UDP and TCP"))
}

/// The first of [`MEDIA_PORTS`] ports of which none is in use. Every process begins to look elsewhere, so that two demos do not
/// find the same ones before either has taken them.
fn free_range() -> io::Result<u16> {
    const FIRST: u16 = 20_000;
    const RANGES: u16 = 120;
    let begin = (std::process::id() % u32::from(RANGES)) as u16;
    let mut firsts = (0..RANGES).map(|n| FIRST + (begin + n) % RANGES * MEDIA_PORTS);
    let is_free = |first: &u16| (*first..*first + MEDIA_PORTS).all(|port| UdpSocket::bind(("127.0.0.1", port)).is_ok());
    firsts.find(is_free).ok_or_else(|| io::Error::new(io::ErrorKind::AddrInUse, "no ports are free for media"))
}

const CUSTOMERS: &str = "id,name,number,responsible\n1,Ada Byron,+447700900123,202\n2,Boris Lem,+447700900456,203\n";

fn config(router: SocketAddr, provider: SocketAddr, first: u16) -> String {
    let last = first + MEDIA_PORTS - 1;
    let mut text = format!(
        r#"# The office of `huntline demo`. Change it and say `huntline reload --config` with this file.

[site]
name      = "Demo"
timezone  = "Europe/London"
numbering = {{ country = "44", area = "20", national_prefix = "0", international_prefix = "00" }}
operator  = "extension:200"

[sip]
listen    = ["udp://{router}", "tcp://{router}"]
realm     = "demo.example"

[media]
ports     = "{first}-{last}"
record    = "external"

[storage]
directory = "data"

[[trunk]]
name      = "provider"
server    = "sip:{provider}"
dials     = "plus-e164"

[[group]]
name      = "sales"
strategy  = "escalating"
members   = ["201", "202", "203"]
step      = "2s"
patience  = "6s"
then      = "extension:200"

[[voicemail]]
name      = "sales"

[[schedule]]
name      = "office"
open      = ["mon-sun 00:00-24:00"]         # the demo closes it by hand: `huntline override office closed`

[[did]]
number    = "{NUMBER}"
source    = "site"
schedule  = "office"
known     = {{ to = "responsible", ring = "10s", busy = "group:sales" }}
open      = {{ greeting = "hello.wav", to = "group:sales" }}
closed    = {{ to = "voicemail:sales" }}

"#
    );
    let guest = [(GUEST, "Guest")];
    for (number, name) in STAFF.iter().chain(&guest) {
        let password = password(number);
        text.push_str(&format!(
            "[[extension]]\nnumber    = \"{number}\"\nname      = \"{name}\"\npassword  = \"{password}\"\n\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_file;

    #[test]
    fn the_config_has_nothing_that_an_admin_would_be_told() {
        let folder = std::env::temp_dir().join(format!("huntline-demo-config-{}", std::process::id()));
        let office = Office::found(folder.clone(), "127.0.0.1:5999".parse().unwrap()).unwrap();
        let loaded = config_file::load(&office.file);
        fs::remove_dir_all(folder).unwrap();
        let loaded = loaded.map_err(|problems| problems.to_string()).unwrap();
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    }
}
