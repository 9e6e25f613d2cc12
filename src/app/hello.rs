//! The first words on the screen: what listens where, and what to do next.

use std::io::Write;
use std::path::Path;

use crate::config::Config;
use crate::key::Transport;

/// What to do next, for whoever started this for the first time.
pub(super) fn say_hello(config: &Config, file: &Path) {
    let listen = |transport: Transport| {
        let mut all = config.sip.listen.iter().filter(move |listen| listen.transport == transport);
        all.next().map(|listen| format!("{}://{}", transport.as_str(), listen.address))
    };
    let listens: Vec<_> = [Transport::Udp, Transport::Tcp].into_iter().filter_map(listen).collect();
    let phones = config.extensions().filter(|(_, extension)| extension.registers() && extension.password.is_some());
    let phones: Vec<_> = phones.map(|(_, extension)| &*extension.number).collect();
    let phones = match phones.split_first() {
        Some((first, others)) => {
            let more = if others.is_empty() { String::new() } else { format!(" (and {} more)", others.len()) };
            format!("register as {first}{more} in realm {:?} with the passwords of the config", config.sip.realm)
        }
        None => "none may register: add an [[extension]] with a password".to_owned(),
    };
    let trunks = config.trunks().map(|(_, trunk)| format!("  trunk       {} at {}\n", trunk.name, trunk.server));
    let not_yet = config.not_available_yet().iter().map(|what| format!("  not yet     {what}\n"));
    let (version, office, file) = (env!("CARGO_PKG_VERSION"), &config.site.name, file.display());
    let hello = format!(
        "Huntline {version} serves {office} ({file})\n  listening   {}\n  phones      {phones}\n{}  \
         see         huntline status --config {file} | huntline calls --config {file}\n{}",
        listens.join(", "),
        trunks.collect::<String>(),
        not_yet.collect::<String>(),
    );
    // Nobody may be listening; calls are taken all the same.
    let _unheard = std::io::stdout().write_all(hello.as_bytes());
}
